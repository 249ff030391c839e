"""Time, and the least that it could be."""

from __future__ import annotations

import time

from benchmarks.machine import multiply_rate, read_rate


def timed(work):
    """Return the result of `work` and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def floor(seconds: float, operations: float, size: float) -> dict:
    """Return operations and bytes that the task cannot do without, the seconds they take here, and the ratio."""
    least = operations / multiply_rate() + size / read_rate()
    return {
        "Gflop": operations / 1e9,
        "GB moved": size / 1e9,
        "floor seconds": least,
        "times the floor": seconds / least,
    }
