"""The candidates of NovelSelect: rows of the pool, what is known of their scores, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay._parallel import Crew, memory_bytes
from assay._ray import worker_count
from assay.errors import DataError
from assay.neighbors import norms
from assay.select import kernels

FARTHEST = 2.0  # no cosine distance is larger
TOGETHER = 512  # chosen rows that are taken in at a time
MEMORY_GB = 8.0  # by default
MOST_BINS, FEWEST_BINS = 128, 16
ROW_BYTES = 128  # kept for each row beside its bins
BLOCK_BYTES = 2**28


def bins_within(
    memory_gb: float,
    n: int,
    d: int,
    most: int,
    *,
    bare: bool,
    itemsize: int,
    engine: str,
    workers: int | None,
) -> int:
    """Return how many bins a row gets so that n candidates stay within `memory_gb`; none where ranks are `bare`.

    Counted is all that is kept beside the pool itself: the state of each row, the chosen rows, and blocks at work; on
    Ray for the share of one worker.
    """
    _check.at_least("memory_gb", memory_gb, 0, strict=True)
    if engine == "ray":
        n = -(-n // worker_count(workers))
    fixed = n * ROW_BYTES + most * (d * (itemsize + (8 if bare else 4)) + 64) + BLOCK_BYTES
    bins = 0 if bare else MOST_BINS
    while bins > FEWEST_BINS and fixed + 8 * n * bins > memory_gb * 1e9:
        bins //= 2
    need = (fixed + 8 * n * bins) / 1e9
    has = memory_bytes() / 1e9
    if need > min(memory_gb, has):
        raise DataError(
            f"memory_gb must be at least {need:.2f} for {most} of {n} rows of {d} dimensions; got {memory_gb:g}, and "
            f"the machine has {has:.1f} GB. Lower the budget, or choose from a part of the pool."
        )
    return bins


def multiplied_as_given(rows: NDArray[np.floating[Any]], length: NDArray[np.float64]) -> bool:
    """Return whether rows are multiplied as they are, and their length is divided out afterwards."""
    return bool(rows.dtype == np.float32 and 1e-12 < length.min() <= length.max() < 1e12)


def gather(
    rows: NDArray[np.floating[Any]],
    length: NDArray[np.float64],
    some: NDArray[np.int64],
    kind: np.dtype[Any] | None,
) -> NDArray[np.floating[Any]]:
    """Return some rows to multiply: their directions, rounded to `kind`, or as given where that is None."""
    block: NDArray[np.floating[Any]] = rows[some]
    return block if kind is None else (block / length[some, None]).astype(kind)


class Candidates:
    """Some rows of the pool (all, or a worker's share), and the chosen rows as far as they are told.

    For every candidate the distances to the chosen rows are counted in bins, which bound its score from above to some
    0.05 %. Where that is not enough the score is computed, in float32, and what rounding leaves open
    is settled in float64. Which rows are compared with which, and when, changes no result.

    `rows` (n, d) with the density weights `scale` and the `quality` of each; the weights of the ranks; `lowest` and
    `highest`, the extremes of the density weight in the whole pool.
    """

    def __init__(
        self,
        rows: NDArray[np.floating[Any]],
        scale: NDArray[np.float64],
        quality: NDArray[np.float64],
        weights: NDArray[np.float64],
        density_side: str,
        by_distance: bool,
        lowest: float,
        highest: float,
        bins: int,
        crew: Crew,
    ) -> None:
        n, d = rows.shape
        most = len(weights)
        self.crew, self.rows, self.scale, self.quality, self.weights = crew, rows, scale, quality, weights
        self.by_distance, self.lowest = by_distance, lowest
        self.kind = np.dtype(np.float64 if by_distance else np.float32)
        self.use_own = self.kind.type(density_side in ("self", "both"))
        self.use_theirs = self.kind.type(density_side in ("neighbor", "both"))
        self.error = (d + 24) * (2.0**-53 if by_distance else 2.0**-24)
        self.length = norms(rows)
        self.as_given = not by_distance and multiplied_as_given(rows, self.length)
        self.inverse = (1.0 / self.length if self.as_given else np.ones(n)).astype(self.kind)
        self.picked = np.empty((most, d), dtype=self.kind)
        self.chosen, self.chosen_length = (
            np.empty((most, d), np.promote_types(rows.dtype, np.float32)),
            np.empty(most),
        )
        self.theirs, self.heavy = np.empty(most), np.empty(most)  # as chosen, and in ascending order
        self.theirs_kind, self.d_own, self.d_theirs = (np.empty(most, dtype=self.kind) for _ in range(3))
        self.weights_to = np.concatenate([[0.0], np.cumsum(weights)])
        self.sum_own = self.sum_theirs = 0.0
        self.heaviest = 0.0  # the most that the weights of the ranks times `theirs` can come to, in any order
        self.count = 0
        number = most.bit_length()
        self.shift = 63 - number
        reach = np.ceil(np.log2(FARTHEST * 1.01 * (self.use_own * scale + self.use_theirs * highest)))
        self.grain = 2.0 ** (min(26, self.shift - number) - reach)
        self.bins = np.zeros((n, 0 if by_distance else bins), dtype=np.int64)
        self.low, self.per = self._range()
        self.since = np.zeros(n, dtype=np.int64)
        self.later = np.zeros(n)  # what the score, 0 with no row chosen, can have grown to since it was exact
        self.base = np.zeros(n)
        self.allowed = np.ones(n, dtype=bool)
        self.active = np.empty(0, dtype=np.int64)  # all others scored less than
        self.rest, self.rest_at = np.inf, (0.0, 0.0)  # when a, b of the bounds were these
        self.steepest = float((quality * scale).max()), float(quality.max())
        self.favourite = 0  # the best after the last one taken: evaluated first
        self.evaluations = self.compared = self.settled = 0

    def counts(self) -> dict[str, int]:
        """Return how many scores were computed, distances compared, and close scores settled."""
        return {
            "evaluations": self.evaluations,
            "compared": self.compared,
            "settled_in_float64": self.settled,
        }

    def step(
        self,
        vectors: NDArray[np.floating[Any]],
        scales: NDArray[np.float64],
        closed: NDArray[np.int64],
    ) -> tuple[float, float, int] | None:
        """Take in rows that were chosen, close some candidates, and return the best of the others.

        Its score times its quality, its score, its row: the lowest of several. None where all are closed.
        """
        self.allowed[closed] = False
        for vector, scale in zip(vectors, scales, strict=True):
            self._add(vector, float(scale))
        if not self.allowed[self.favourite]:
            self.favourite = int(self.allowed.argmax())
            if not self.allowed[self.favourite]:
                return None
        current: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []  # rows evaluated, highest scores
        first = np.array([self.favourite])
        self._bring(first)
        sure = self._evaluate(first, current)  # some row scores at least this
        rows, bounds = self._waiting(sure)
        while len(rows):
            some = max(256, len(rows) // 4)
            if some < len(rows):  # the highest bounds first: they raise the bar for the rest
                order = np.argpartition(-bounds, some)
                rows, bounds = rows[order], bounds[order]
            now = rows[:some]
            self._bring(now)
            now, limits = self._above(now, sure, self.count + 1)
            order = np.argsort(-limits, kind="stable")
            now, limits = now[order], limits[order]
            at, group = 0, 2
            while at < len(now) and limits[at] >= sure:
                sure = max(sure, self._evaluate(now[at : at + group], current))
                at, group = at + group, group * 2
            still = bounds[some:] >= sure
            rows, bounds = rows[some:][still], bounds[some:][still]
        return self._settle(sure, current)

    def _add(self, vector: NDArray[np.floating[Any]], scale: float) -> None:
        """Put a row into the set."""
        m = self.count
        self.chosen[m] = vector
        self.chosen_length[m] = norms(vector[None])[0]
        self.picked[m] = vector.astype(np.float64) / self.chosen_length[m]
        self.theirs[m] = self.theirs_kind[m] = scale
        weight = self.weights[m]
        by_own = float(self.use_own * weight)
        if self.by_distance:
            by_theirs = float(self.use_theirs * (scale - self.lowest + weight * self.lowest))
        else:
            by_theirs = float(self.use_theirs * weight * scale)
        self.d_own[m], self.d_theirs[m] = by_own, by_theirs
        self.sum_own += by_own
        self.sum_theirs += by_theirs
        self.count += 1
        if self.by_distance:
            self.heaviest = self.sum_theirs
        elif self.use_theirs:
            at = int(np.searchsorted(self.heavy[:m], scale))
            self.heavy[at + 1 : m + 1] = self.heavy[at:m].copy()
            self.heavy[at] = scale
            self.heaviest = float(self.heavy[m::-1] @ self.weights[: m + 1])

    def _limits(self) -> tuple[float, float]:
        """Return a and b of the bound ``quality * (base + scale * a + b)``."""
        a = self.sum_own * (FARTHEST + self.error)
        return a, self.sum_theirs * FARTHEST + self.heaviest * self.error

    def _above(
        self, rows: NDArray[np.int64], threshold: float, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return those allowed of `rows` that may score `threshold`, seen before `count`, and their bounds."""
        a, b = self._limits()
        found, bounds = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
        total = kernels.above(
            rows,
            self.base,
            self.scale,
            self.quality,
            self.allowed,
            self.since,
            count,
            a,
            b,
            threshold,
            found,
            bounds,
        )
        return found[:total], bounds[:total]

    def _waiting(self, sure: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that may score `sure` or more and are not up to date, with their bounds."""
        a, b = self._limits()
        grown = self.steepest[0] * (a - self.rest_at[0]) + self.steepest[1] * (b - self.rest_at[1])
        size = max(1024, len(self.rows) // 32)
        if self.rest + grown >= sure or len(self.active) > 4 * size:
            self.active, bounds = self._above(np.arange(len(self.rows)), -np.inf, self.count + 1)
            self.rest, self.rest_at = -np.inf, (a, b)
            if len(self.active) > size:
                self.rest = min(sure, float(np.partition(bounds, -size)[-size]))
                self.active = self.active[bounds >= self.rest]
        return self._above(self.active, sure, self.count)

    def _gather(self, rows: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Return rows to multiply with `picked`."""
        return gather(self.rows, self.length, rows, None if self.as_given else self.kind)

    def _bring(self, rows: NDArray[np.int64]) -> None:
        """Compare rows with the chosen ones that they have not seen, and tighten their bounds."""
        rows = rows[self.since[rows] < self.count]
        rows = rows[np.argsort(self.since[rows], kind="stable")]  # rows of one age side by side
        self.compared += int((self.count - self.since[rows]).sum())

        def work(start: int, stop: int) -> None:
            some = rows[start:stop]
            block = self._gather(some)
            for first in range(self.since[some[0]], self.count, TOGETHER):
                last = min(first + TOGETHER, self.count)
                products = block @ self.picked[first:last].T
                kernels.take_in(
                    some, products, self.inverse, first, last, self.since, self.scale, self.theirs_kind, self.use_own,
                    self.use_theirs, self.d_own, self.d_theirs, self.low, self.per, self.grain, self.shift, self.bins,
                    self.later,
                )  # fmt: skip
            limit = np.empty(len(some))
            kernels.bound(some, self.bins, self.shift, self.grain, self.weights_to, self.later, limit)
            self.later[some] = np.minimum(self.later[some], limit)
            self._rebase(some, limit)

        self.crew.over_blocks(len(rows), 128, work)

    def _rebase(self, rows: NDArray[np.int64], limit: NDArray[np.float64]) -> None:
        """Let the bounds of rows start from what their scores, but for rounding, cannot exceed now."""
        self.since[rows] = self.count
        self.base[rows] = limit - FARTHEST * (self.scale[rows] * self.sum_own + self.sum_theirs)

    def _evaluate(
        self, rows: NDArray[np.int64], current: list[tuple[NDArray[np.int64], NDArray[np.float64]]]
    ) -> float:
        """Compute the scores of rows that are up to date; return what the best, weighted by quality, is at least."""
        m = self.count
        self.evaluations += len(rows)
        sure = -np.inf
        for start in range(0, len(rows), max(1, 2**24 // m)):
            some = rows[start : start + max(1, 2**24 // m)]
            gaps = np.empty((len(some), m), dtype=self.kind)
            block = self._gather(some)

            def products(first: int, last: int, block: Any = block, gaps: Any = gaps) -> None:
                gaps[:, first:last] = block @ self.picked[first:last].T

            scores = np.empty(len(some))

            def rank(first: int, last: int, some: Any = some, gaps: Any = gaps, scores: Any = scores) -> None:
                scores[first:last] = self._scores(some[first:last], gaps[first:last])

            self.crew.over_blocks(m, 1024, products)
            self.crew.over_blocks(len(some), max(1, 2**13 // m), rank)
            self.later[some] = scores
            self._rebase(some, scores)
            rounding = self.error * (self.scale[some] * self.sum_own + self.heaviest)
            current.append((some, self.quality[some] * (scores + rounding)))
            sure = max(sure, float((self.quality[some] * (scores - rounding)).max()))
        return sure

    def _scores(self, rows: NDArray[np.int64], products: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the scores of rows by their products with all chosen rows, which are overwritten."""
        if not self.by_distance:
            kernels.scaled(
                rows,
                products,
                self.inverse,
                self.scale,
                self.theirs_kind[: self.count],
                self.use_own,
                self.use_theirs,
            )
            products.sort(axis=1)
            return np.asarray(kernels.weigh(products, self.weights))
        return np.asarray(
            kernels.weigh(self._by_distance(rows, np.maximum(0.0, 1.0 - products)), self.weights)
        )

    def _by_distance(
        self, rows: NDArray[np.int64], gaps: NDArray[np.floating[Any]]
    ) -> NDArray[np.floating[Any]]:
        """Return scaled distances in the order of the bare ones."""
        # rounding must not part rows at one distance: those go by order of choice
        order = np.argsort(np.rint(gaps * 2.0**40), axis=1, kind="stable")
        factor = self.use_own * self.scale[rows, None] + self.use_theirs * self.theirs[order]
        return np.asarray(factor * np.take_along_axis(gaps, order, axis=1))

    def _settle(
        self, sure: float, current: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]
    ) -> tuple[float, float, int]:
        """Compute the scores of all rows that rounding may have put below the best again, and take the first best."""
        everyone, high = (np.concatenate(parts) for parts in zip(*current, strict=True))
        rows = np.sort(everyone[high >= sure])
        scores = self._exact(rows)
        self.settled += len(rows) - 1
        top = int(np.argmax(self.quality[rows] * scores))
        row = int(rows[top])
        high[everyone == row] = -np.inf
        self.favourite = int(everyone[np.argmax(high)])
        return float(self.quality[row] * scores[top]), float(scores[top]), row

    def _exact(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of rows in float64, from distances that are all worked on alike."""
        m = self.count
        close, length = self.rows[rows].astype(self.chosen.dtype, copy=False), self.length[rows]
        gaps = np.empty((len(rows), m))
        self.crew.over_blocks(
            m, 512, lambda a, b: kernels.distances(a, b, close, length, self.chosen, self.chosen_length, gaps)
        )
        if not self.by_distance:
            gaps *= self.use_own * self.scale[rows, None] + self.use_theirs * self.theirs[:m]
            gaps.sort(axis=1)
        return np.asarray(
            kernels.weigh(self._by_distance(rows, gaps) if self.by_distance else gaps, self.weights)
        )

    def _range(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where the bins of each row begin, and one over how far they reach: most distances lie within."""
        sample = np.linspace(0, len(self.rows) - 1, min(512, len(self.rows))).astype(np.int64)
        unit = self._gather(sample) * self.inverse[sample, None]
        gaps = 1.0 - (unit @ unit.T)[np.triu_indices(len(sample), 1)]
        near, far = np.quantile(gaps, [1e-4, 0.9999]) if len(gaps) else (0.0, 1.0)
        light, heavy = np.quantile(self.scale, [0.02, 0.98])
        low = 0.5 * max(0.0, near) * (self.use_own * self.scale + self.use_theirs * light)
        high = max(far, 1e-3) * (self.use_own * self.scale + self.use_theirs * heavy)
        return low, 1.0 / np.maximum(high - low, 1e-300)
