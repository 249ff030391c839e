"""Ranking and selection of weights as slow loops over one full sort, from the description; torch for the official."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np

MASK = 2**64 - 1


def random_number(seed, name, i):
    """Top 32 bits of splitmix64 number i of the tensor's stream, in whole numbers of Python."""
    key = int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "little")
    z = (key + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return (z ^ (z >> 31)) >> 32


def score(ranking, name, i, p, s, *, seed=0, sd=None):
    """The score of one weight; higher ones come first."""
    p, s = np.float32(p), np.float32(s)
    match ranking:
        case "relative":
            return float(np.abs(s - p) / (np.abs(p) + np.float32(1e-8)))
        case "absolute":
            return float(np.abs(s - p))
        case "scaled":
            return float(np.abs(s - p) / np.float32(max(sd, 1e-8)))  # tensors of one value have no spread
        case "magnitude":
            return -float(np.abs(p))
        case "random":
            return random_number(seed, name, i)
    raise ValueError(ranking)


def deviation(values):
    """Standard deviation in float64, in two passes."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((float(x) - mean) ** 2 for x in values) / len(values))


def order(tensors, ranking, *, bottom=False, among="all", seed=0):
    """All (tensor, index) of {tensor: (p, s)}, those that are taken first in front; ties by name, then index."""
    rows = []
    for name, (p, s) in tensors.items():
        sd = deviation(p) if ranking == "scaled" else None
        for i in range(len(p)):
            if among == "all" or p[i] != s[i]:
                rows.append((score(ranking, name, i, p[i], s[i], seed=seed, sd=sd), name, i))
    return [
        (name, i) for _, name, i in sorted(rows, key=lambda row: (row[0] if bottom else -row[0], *row[1:]))
    ]


def taken(tensors, percent, ranking, **options):
    """The first floor(n percent / 100) of the order."""
    ranked = order(tensors, ranking, **options)
    return ranked[: math.floor(Fraction(str(percent)) * len(ranked) / 100)]


def sums(tensors, places):
    """Of r, |d| and d^2 over places, each step of r in float32."""
    rows = []
    for name, i in places:
        p, s = np.float32(tensors[name][0][i]), np.float32(tensors[name][1][i])
        d = float(np.abs(s - p))
        rows.append((float(np.abs(s - p) / (np.abs(p) + np.float32(1e-8))), d, d * d))
    return [math.fsum(column) for column in zip(*rows, strict=True)] if rows else [0.0, 0.0, 0.0]


def official(p, s, dtype):
    """Scores as the paper's program computes them, in torch."""
    import torch

    a, b = (torch.tensor(x).to(dtype) for x in (p, s))
    return (b - a).abs() / (a.abs() + 1e-8)


def official_top(scores, percent, *, bottom=False):
    """Places of the official choice of a percent, as a set."""
    import torch

    k = int(scores.numel() * percent / 100)
    return set(torch.topk(-scores if bottom else scores, k).indices.tolist())
