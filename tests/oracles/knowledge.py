"""Divergence, mastery and balanced choice as slow loops, written from the description."""

from __future__ import annotations

import math
from fractions import Fraction


def softmax(logits):
    highest = max(logits)
    weights = [math.exp(x - highest) for x in logits]
    return [w / math.fsum(weights) for w in weights]


def kl(p, q):
    """sum p log(p / q), in nats."""
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def paper_kl(tuned, original, m):
    """Ids of the tuned model's m largest logits, softmax of each model over these, -sum p log(p' / p)."""
    ids = sorted(range(len(tuned)), key=lambda i: (-tuned[i], i))[:m]
    p, q = softmax([tuned[i] for i in ids]), softmax([original[i] for i in ids])
    return -math.fsum(a * math.log(b / a) for a, b in zip(p, q, strict=True))


def jensen_shannon(p, q):
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (kl(p, middle) + kl(q, middle)) / 2


def outside(logits, chooser, m):
    """The mass of `logits` outside the m largest of `chooser`."""
    ids = sorted(range(len(chooser)), key=lambda i: (-chooser[i], i))[:m]
    p = softmax(logits)
    return math.fsum(p[i] for i in range(len(p)) if i not in ids)


def category(hits, draws):
    """D0 for no hit, else the i with R in ((i - 1) / 4, i / 4]."""
    score = Fraction(hits, draws)
    if score == 0:
        return 0
    return next(i for i in (1, 2, 3, 4) if Fraction(i - 1, 4) < score <= Fraction(i, 4))


def slick(greedy, sampled):
    if all(greedy):
        return "HighlyKnown"
    if any(greedy):
        return "MaybeKnown"
    return "WeaklyKnown" if any(sampled) else "Unknown"


def even_counts(available, size):
    """What each relation gives: one more from those with fewest so far, as long as any has more."""
    taken = dict.fromkeys(available, 0)
    for _ in range(size):
        open_ = [name for name in available if taken[name] < available[name]]
        least = min(taken[name] for name in open_)
        taken[next(name for name in open_ if taken[name] == least)] += 1
    return sorted(taken.values())
