"""The points of the correlation figure in the authors' program (UmeanNever/NovelSum, MIT, commit b594962), LLaMA-3-8B:
digitised from the picture, where some of the 53 sets hide behind others. Strategy, NovelSum, performance (z-scores).
The program's figure says 0.97; the coefficients below are those of the digitised points, computed elsewhere."""

from __future__ import annotations

POINTS = [
    *[("duplicate", x, y) for x, y in (
        (0, -6.28), (0, -6.39), (0.245, -3.08), (0.285, -3.85), (0.273, -1.97), (0.367, -0.98), (0.380, -1.28),
        (0.417, -0.69), (0.442, -1.85), (0.468, -1.09), (0.473, -1.13), (0.554, -0.45), (0.556, -0.37), (0.558, 0.14),
        (0.586, -0.05), (0.587, 0.10), (0.614, 0.30), (0.619, 0.38), (0.619, 0.24), (0.655, 1.05), (0.656, 0.72),
        (0.658, 0.82),
    )],
    *[("random", x, y) for x, y in (
        (0.500, -0.14), (0.571, 0.09), (0.592, 0.72), (0.627, 0.82), (0.672, 0.85),
    )],
    ("farthest", 0.686, 1.11),
    *[("kmeans", x, y) for x, y in ((0.693, 1.42), (0.694, 1.25), (0.693, 1.13))],
    *[("qdit", x, y) for x, y in ((0.673, 1.37), (0.673, 1.28))],
    *[("repr_filter", x, y) for x, y in ((0.672, 1.18), (0.671, 1.02), (0.670, 0.93))],
    *[("kcenter", x, y) for x, y in ((0.687, 1.36), (0.686, 1.25))],
    *[("novelselect", x, y) for x, y in ((0.763, 1.88), (0.762, 1.52))],
]  # fmt: skip

PEARSON, SPEARMAN, MEAN, TOLERANCE = 0.976, 0.976, 0.976, 0.01
