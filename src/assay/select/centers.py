"""The candidates of k-center: rows of the pool, their distances to the nearest chosen row, and the farthest of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._parallel import Crew
from assay.neighbors import norms
from assay.select import kernels
from assay.select.candidates import TOGETHER, gather, multiplied_as_given


class Centers:
    """Some rows of the pool (all, or a worker's share), and the chosen rows as far as they are told.

    The distance of a row to its nearest chosen one is exact where the row is up to date, for others a bound. It is
    the least of distances in float64; float32 products only show which of them cannot be. So when rows are compared,
    and how many chosen ones are told at a time, changes no bit.

    `rows` (n, d), the `quality` of each, and the most rows that may be told of.
    """

    def __init__(
        self, rows: NDArray[np.floating[Any]], quality: NDArray[np.float64], most: int, crew: Crew
    ) -> None:
        n, d = rows.shape
        self.crew, self.rows, self.quality = crew, rows, quality
        self.length = norms(rows)
        self.slack = (d + 24) * 2.0**-24  # of a float32 distance, for any order of summation
        self.as_given = multiplied_as_given(rows, self.length)
        self.picked = np.empty((most, d), dtype=np.float32)
        self.chosen, self.chosen_length = np.empty((most, d), dtype=rows.dtype), np.empty(most)
        self.near = np.full(n, np.inf)
        self.since = np.zeros(n, dtype=np.int64)  # chosen rows that `near` has seen
        self.allowed = np.ones(n, dtype=bool)
        self.top = np.empty(0, dtype=np.int64)  # the rows of the highest scores, and
        self.rest = np.inf  # what no other scores more than
        self.count = self.compared = 0

    def step(
        self, vectors: NDArray[np.floating[Any]], scales: NDArray[np.float64], closed: NDArray[np.int64]
    ) -> tuple[float, float, int] | None:
        """Take in rows that were chosen, close some candidates, and return the farthest of the others.

        Its distance times its quality, its distance, its row: the lowest of several. None where all are closed.
        `scales` has no part in it.
        """
        self.allowed[closed] = False
        start, self.count = self.count, self.count + len(vectors)
        self.chosen[start : self.count], self.chosen_length[start : self.count] = vectors, norms(vectors)
        self.picked[start : self.count] = vectors / self.chosen_length[start : self.count, None]
        if not start:  # with every bound infinite, all rows would be among the highest
            self._bring(np.arange(len(self.rows)))
        if not self.allowed.any():
            return None
        row = self._farthest(self.quality, self.allowed)
        near = float(self.near[row])
        return float(self.quality[row] * near), near, row

    def radius(self) -> float:
        """Return the largest distance of a row, closed or not, to its nearest chosen one."""
        n = len(self.rows)
        self.top = self.top[:0]
        found = float(self.near[self._farthest(np.ones(n), np.ones(n, dtype=bool))])
        self.top, self.rest = self.top[:0], np.inf
        return found

    def counts(self) -> dict[str, int]:
        """Return how many distances were compared."""
        return {"compared": self.compared}

    def _farthest(self, quality: NDArray[np.float64], allowed: NDArray[np.bool_]) -> int:
        """Return the lowest of the allowed rows whose distance times quality is largest."""
        while True:
            rows = self.top[allowed[self.top]]
            scores = quality[rows] * self.near[rows]
            order = np.argsort(-scores, kind="stable")
            best = -np.inf
            for start in range(
                0, len(order), 64
            ):  # the highest bounds first: they raise the bar for the rest
                at = order[start : start + 64]
                if scores[at[0]] < best:
                    break
                self._bring(rows[at])
                scores[at] = quality[rows[at]] * self.near[rows[at]]
                best = max(best, scores[at].max())
            if best > self.rest:
                return int(rows[np.argmax(scores)])
            scores = np.where(allowed, quality * self.near, -1.0)
            size = min(len(scores), 256 + len(scores) // 64)
            top = scores >= np.partition(scores, -size)[-size]
            self.rest = scores[~top].max(initial=-1.0)
            self.top = np.flatnonzero(top)
            self._bring(self.top)

    def _bring(self, rows: NDArray[np.int64]) -> None:
        """Bring rows up to date."""
        rows = rows[self.since[rows] < self.count]
        rows = rows[np.argsort(self.since[rows], kind="stable")]  # rows of one age side by side
        self.compared += int((self.count - self.since[rows]).sum())

        def work(start: int, stop: int) -> None:
            some = rows[start:stop]
            block = gather(self.rows, self.length, some, None if self.as_given else self.picked.dtype)
            for first in range(self.since[some[0]], self.count, TOGETHER):
                products = block @ self.picked[first : min(first + TOGETHER, self.count)].T
                kernels.nearer(
                    some, products, self.as_given, first, self.since, self.slack, self.rows, self.length, self.chosen,
                    self.chosen_length, self.near,
                )  # fmt: skip
            self.since[some] = self.count

        self.crew.over_blocks(len(rows), 256, work)
