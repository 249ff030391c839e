"""The other selectors as slow loops over all distances d (n, n), written from their definitions (docs/selectors.md)."""

from __future__ import annotations

import numpy as np


class Open:
    """Which rows may still be chosen."""

    def __init__(self, n, initial=(), groups=None, maximum=None):
        self.inside, self.groups, self.maximum = set(initial), groups, maximum
        self.counts = {}
        self.n = n

    def rows(self):
        return [i for i in range(self.n) if i not in self.inside and not self.full(i)]

    def full(self, i):
        return self.groups is not None and self.counts.get(self.groups[i], 0) >= self.maximum[self.groups[i]]

    def take(self, i):
        self.inside.add(i)
        if self.groups is not None:
            self.counts[self.groups[i]] = self.counts.get(self.groups[i], 0) + 1


def kcenter(d, *, budget, start=None, initial=(), quality=None, groups=None, maximum=None):
    n = len(d)
    quality = np.ones(n) if quality is None else quality
    left = Open(n, initial, groups, maximum)
    inside, chosen, gains = list(initial), [], []
    if not inside:
        inside, chosen, gains = [start], [start], [np.nan]
        left.take(start)
    while len(chosen) < budget:
        near = [min(d[i, s] for s in inside) for i in range(n)]
        best = max(left.rows(), key=lambda i: (quality[i] * near[i], -i))
        left.take(best)
        inside.append(best)
        chosen.append(best)
        gains.append(near[best])
    return chosen, gains, max(min(d[i, s] for s in inside) for i in range(n))


def facility_location(d, *, budget, initial=(), quality=None, weight=0.05, groups=None, maximum=None):
    n = len(d)
    similarity = 1 - d / 2
    left = Open(n, initial, groups, maximum)
    best_so_far = np.zeros(n)
    for s in initial:
        best_so_far = np.maximum(best_so_far, similarity[s])
    chosen, gains = [], []
    while len(chosen) < budget:
        best, best_score, best_gain = -1, -np.inf, 0.0
        for i in left.rows():
            gain = sum(max(a - b, 0.0) for a, b in zip(similarity[i], best_so_far, strict=True))
            score = gain / n if quality is None else (1 - weight) * gain / n + weight * quality[i]
            if score > best_score:
                best, best_score, best_gain = i, score, gain
        left.take(best)
        chosen.append(best)
        gains.append(best_gain)
        best_so_far = np.maximum(best_so_far, similarity[best])
    return chosen, gains, best_so_far.sum()


def farthest(d, *, budget, initial=(), quality=None, groups=None, maximum=None):
    total = d.sum(axis=1) if quality is None else quality * d.sum(axis=1)
    left = Open(len(d), initial, groups, maximum)
    chosen = []
    while len(chosen) < budget:
        best = max(left.rows(), key=lambda i: (total[i], -i))
        left.take(best)
        chosen.append(best)
    return chosen


def threshold(d, *, budget, order, threshold, initial=(), groups=None, maximum=None):
    left = Open(len(d), initial, groups, maximum)
    chosen = []
    for i in order:
        if i in left.inside or left.full(i) or len(chosen) == budget:
            continue
        if threshold is None or all(1 - d[i, s] <= threshold for s in left.inside):
            left.take(i)
            chosen.append(i)
    return chosen


def equal_draws(sizes, budget):
    """Return how many rows each cluster gives: equal shares, then leftovers in turn over those not exhausted."""
    given = [min(budget // len(sizes), size) for size in sizes]
    while sum(given) < budget:
        for c, size in enumerate(sizes):
            if given[c] < size and sum(given) < budget:
                given[c] += 1
    return given
