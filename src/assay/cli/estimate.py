"""How long a stage of matrix products will take here, from a short trial."""

from __future__ import annotations

import time
from functools import cache

from assay.cli.console import human_seconds


@cache
def _products_a_second() -> float:
    """Return multiply-adds a second of a float32 matrix product here: the best of five short trials."""
    import numpy as np

    block = np.ones((2048, 512), dtype=np.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        block @ block.T
        best = max(best, 2048.0 * 2048 * 512 / (time.perf_counter() - start))
    return best


def seconds_of_products(n: int, m: int, d: int, *, factor: float = 1.2) -> str:
    """Return in words how long n x m products of vectors of d dimensions take, times an overhead factor."""
    return human_seconds(factor * n * m * d / _products_a_second())
