"""Greedy choice: the best candidate, again and again, from one share of the pool or from many on Ray workers.

Candidates are told of the rows that were chosen and of those that may not be any more, and answer with the best of
the others::

    step(vectors, scales, closed) -> (score times quality, score, row) or None

Their answer depends on nothing but what they were told: whether one row at a time or all at once, the rows are the
same, and on the processor the bits of the scores too. So a choice can go on from the rows that were chosen before,
and a lost worker be made again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assay._parallel import Crew
from assay.select.checkpoint import Checkpoint
from assay.select.selection import Rules

Matrix = NDArray[np.floating[Any]]
Answer = tuple[float, float, int] | None


class Steps(Protocol):
    """Whoever answers a step."""

    def step(self, vectors: Matrix, scales: NDArray[np.float64], closed: NDArray[np.int64], /) -> Answer:
        """Take in what changed, and return the best candidate."""


def grow(
    steps: Steps,
    rows: Matrix,
    scale: NDArray[np.float64],
    rules: Rules,
    chosen: list[int],
    gains: list[float],
    budget: int,
    *,
    checkpoint: Checkpoint,
    progress: Callable[[int, int], None] | None,
) -> list[int]:
    """Add rows to `chosen`, and their scores to `gains`, until there are `budget` of them.

    Returns the rows of the set that `steps` has not been told of.
    """
    added = [*rules.initial.tolist(), *chosen]
    try:
        while len(chosen) < budget:
            answer = steps.step(rows[added], scale[added], rules.closed())
            if answer is None:
                raise rules.none_left(len(chosen), budget)
            _, gain, row = answer
            rules.take(row)
            chosen.append(row)
            gains.append(gain)
            added = [row]
            checkpoint.keep(chosen, gains)
            if progress is not None:
                progress(len(chosen), budget)
    except BaseException:
        if len(chosen) > 1:
            checkpoint.keep(chosen, gains, now=True)
        raise
    checkpoint.keep(chosen, gains, now=True)
    return added


class Spread:
    """Candidates on Ray workers, each with a share of the pool; of equal answers the lowest row counts.

    `arguments(start, stop)` are those that ``"module:class"`` takes for rows start to stop, but for its crew.
    """

    def __init__(
        self, candidates: str, n: int, arguments: Callable[[int, int], tuple[Any, ...]], workers: int | None
    ):
        from assay._ray import Actors, worker_count

        count = min(worker_count(workers), n)
        self._ends = np.linspace(0, n, count + 1).astype(np.int64)
        self._told: list[tuple[Matrix, NDArray[np.float64], NDArray[np.int64]]] = []
        self._actors = Actors(
            count,
            "assay.select.greedy:share",
            lambda i: (candidates, *arguments(int(self._ends[i]), int(self._ends[i + 1]))),
            replay=self._replay,
        )

    def step(self, vectors: Matrix, scales: NDArray[np.float64], closed: NDArray[np.int64]) -> Answer:
        """Ask all workers, and return the best answer."""
        answers = self._actors.each(
            "step", [(vectors, scales, self._share(closed, i)) for i in range(len(self._actors))]
        )
        self._told.append((vectors, scales, closed))
        best: Answer = None
        for start, answer in zip(self._ends.tolist(), answers, strict=False):
            if answer is not None and (best is None or answer[0] > best[0]):
                best = answer[0], answer[1], start + answer[2]
        return best

    def counts(self) -> dict[str, int]:
        """Return what the workers counted, added up."""
        found = self._actors.all("counts")
        return {name: sum(counts[name] for counts in found) for name in found[0]}

    def radius(self) -> float:
        """Return the largest radius of all workers."""
        return float(max(self._actors.all("radius")))

    def close(self) -> None:
        """Let go of the workers."""
        self._actors.close()

    def _share(self, rows: NDArray[np.int64], i: int) -> NDArray[np.int64]:
        start, stop = self._ends[i : i + 2]
        return np.asarray(rows[(rows >= start) & (rows < stop)] - start)

    def _replay(self, i: int) -> list[tuple[Any, ...]]:
        if not self._told:
            return []
        vectors, scales, closed = (np.concatenate(parts) for parts in zip(*self._told, strict=True))
        return [("step", vectors, scales, self._share(closed, i))]


@contextmanager
def choosing(
    candidates: str,
    n: int,
    arguments: Callable[[int, int], tuple[Any, ...]],
    engine: str,
    workers: int | None,
) -> Iterator[Any]:
    """Yield the candidates, all in this process or spread over Ray workers; see `Spread`."""
    if engine == "ray":
        spread = Spread(candidates, n, arguments, workers)
        try:
            yield spread
        finally:
            spread.close()
        return
    with Crew() as crew:
        yield _made(candidates, *arguments(0, n), crew)


def share(candidates: str, *arguments: Any) -> Any:
    """Make candidates in a worker."""
    return _made(candidates, *arguments, Crew(1).__enter__())


def _made(candidates: str, *arguments: Any) -> Any:
    module, _, name = candidates.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)
