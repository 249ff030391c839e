"""What the machine has, and work spread over its threads so that the result does not depend on their number."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from threadpoolctl import threadpool_limits

_most: int | None = None


def cores() -> int:
    """Return how many processors this process may use."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return have if _most is None else min(have, _most)


def limit_cores(most: int) -> None:
    """Have `cores` say at most so many from now on, in a process that shares the machine with others like it."""
    global _most
    _most = most


def memory_bytes() -> int:
    """Return how much memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def over_blocks(
    total: int, block: int, work: Callable[[int, int], None], *, threads: int | None = None
) -> None:
    """Call ``work(start, stop)`` for every block of rows, on `threads` threads (default: all cores).

    The blocks are the same for any number of threads and each is worked on by one BLAS thread, so that the
    bits of the result depend on `block` alone. `work` must write to its own rows only.
    """
    with Crew(threads) as crew:
        crew.over_blocks(total, block, work)


class Crew:
    """Threads that are kept for many small pieces of work; see `over_blocks`. BLAS has one thread meanwhile."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cores()

    def __enter__(self) -> Self:
        self._limit = threadpool_limits(limits=1)
        self._pool = ThreadPoolExecutor(max_workers=self.threads)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._limit.restore_original_limits()

    def over_blocks(self, total: int, block: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(start, stop)`` for every block of rows; a single block runs in the calling thread."""
        if total <= block or self.threads == 1:
            for start in range(0, total, block):
                work(start, min(start + block, total))
            return
        futures = [
            self._pool.submit(work, start, min(start + block, total)) for start in range(block, total, block)
        ]
        work(0, block)
        for future in futures:
            future.result()
