"""How long a stage of matrix products will take here, from a short trial."""

from __future__ import annotations

import time
from functools import cache

from assay.cli.console import human_seconds


@cache
def _products_a_second() -> float:
    """Return multiply-adds a second of a float32 matrix product on this machine, from a trial of some 50 ms."""
    import numpy as np

    block = np.ones((2048, 512), dtype=np.float32)
    block @ block[:512].T
    start = time.perf_counter()
    block @ block.T
    return 2048.0 * 2048 * 512 / (time.perf_counter() - start)


def seconds_of_products(n: int, m: int, d: int, *, factor: float = 1.2) -> str:
    """Return in words how long n x m products of vectors of d dimensions take, times an overhead factor."""
    return human_seconds(factor * n * m * d / _products_a_second())
