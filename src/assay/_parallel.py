"""Work spread over threads so that the result does not depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from threadpoolctl import threadpool_limits


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_blocks(
    total: int, block: int, work: Callable[[int, int], None], *, threads: int | None = None
) -> None:
    """Call ``work(start, stop)`` for every block of rows, on `threads` threads (default: all cores).

    The blocks are the same for any number of threads and each is worked on by one BLAS thread, so that the
    bits of the result depend on `block` alone. `work` must write to its own rows only.
    """
    starts = range(0, total, block)
    with (
        threadpool_limits(limits=1),
        ThreadPoolExecutor(max_workers=min(threads or cores(), len(starts))) as pool,
    ):
        futures = [pool.submit(work, start, min(start + block, total)) for start in starts]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
