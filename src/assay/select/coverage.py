"""Facility location: greedy choice of the row that brings the pool nearest to the chosen ones, exact and lazy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew
from assay.errors import DataError
from assay.neighbors import norms, unit_rows
from assay.select import kernels
from assay.select.selection import Rules, Selection, one_a_row

FARTHEST = 2.0  # no cosine distance is larger; with nothing chosen, every row is that far
LISTED = 2**26  # pairs of rows that are listed at most, 8 bytes each


def facility_location(
    pool: ArrayLike,
    *,
    budget: int,
    quality: ArrayLike | None = None,
    quality_weight: float = 0.05,
    initial_selected: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose rows so that every row of the pool has a chosen one near it, on average (QDIT).

    Greedy on ``F(S)``, the sum over the pool of the similarity to the nearest chosen row, where the similarity is
    (1 + cosine) / 2. Each step adds the row with the largest ``(1 - quality_weight) * gain / n + quality_weight *
    quality``. Dense regions come first, where one row serves many, and outliers last. The rows and their order are
    those of the plain greedy definition in float64.

    Parameters
    ----------
    pool : array (n, d)
    budget : int
    quality : array (n,), optional
        0 to 1 for each row.
    quality_weight : float
        Share of the quality in the score, 0 to 1, where there is a quality. The default is ours: gains a row are a
        few hundredths at first and fall from there, so that a larger weight leaves little to coverage.
    initial_selected, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`.

    Returns
    -------
    Selection
        `gains`: what each choice added to F, without the quality; ``facts["coverage"]``: F of the whole set, 0 to n.
        Any prefix is the selection of a smaller budget. Ties go to the lowest row.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`, for a quality outside 0 to 1, and for a weight out of reach.

    Notes
    -----
    Gains only shrink, so that an old gain is a bound (lazy greedy). And a pair of rows that are farther apart than
    one of them is from the chosen rows never counts again. So gains come from matrix products until the pairs that
    still count are few enough to be listed (2**26: at once in a pool of 10,000, after some dozens of choices in one
    of 50,000), and from then on they are sums over lists. About two products of the pool with itself, 2 n^2 d
    operations each; at most 1.2 GB of memory beside a float32 copy of the pool, never n x n. The sums are of float32
    distances; rows within the rounding bound of the best are settled in float64.

    Source: Bukharin et al. (QDIT), Findings of EMNLP 2024, arXiv 2311.14736, whose scaling of the quality is
    unverified. Minoux 1978 for lazy greedy. The measure `assay.diversity.facility_location` is 2 F - n.

    Examples
    --------
    >>> facility_location([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=2).indices.tolist()
    [1, 3]
    """
    rows = _check.embeddings("pool", pool, directions=True)
    n = len(rows)
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    _check.between("quality_weight", quality_weight, 0, 1)
    bonus, share = np.zeros(n), 1.0 / n
    if quality is not None:
        values = one_a_row("quality", quality, n)
        bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if len(bad):
            raise DataError(
                f"quality must be from 0 to 1; {len(bad)} of {n} values are not, first at row {bad[0]} "
                f"({values[bad[0]]:g}). Scale the scores."
            )
        bonus, share = quality_weight * values, (1.0 - quality_weight) / n
    chosen: list[int] = []
    gains: list[float] = []
    with Crew() as crew:
        greedy = _Greedy(rows, share, bonus, rules.initial, crew)
        while len(chosen) < budget:
            if not rules.allowed.any():
                raise rules.none_left(len(chosen), budget)
            row, gain = greedy.step(rules.allowed)
            rules.take(row)
            chosen.append(row)
            gains.append(gain)
            if progress is not None:
                progress(len(chosen), budget)
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.array(gains),
        method="facility_location",
        parameters={
            "budget": budget,
            "quality_weight": None if quality is None else quality_weight,
            "skip_duplicates": skip_duplicates,
        },
        facts={
            "coverage": float((FARTHEST - greedy.near).sum() / 2),
            "evaluations": greedy.evaluations,
            "settled_in_float64": greedy.settled,
        },
    )


class _Greedy:
    """The state of a lazy greedy run. Gains are sums of distances here, twice those of F."""

    def __init__(
        self,
        rows: NDArray[np.floating],
        share: float,
        bonus: NDArray[np.float64],
        initial: NDArray[np.int64],
        crew: Crew,
    ) -> None:
        self.rows, self.length = rows, norms(rows)
        self.unit = unit_rows(rows, np.float32)
        self.share, self.bonus = share / 2.0, bonus
        self.crew = crew
        n, d = rows.shape
        self.slack = (d + 16) * 2.0**-24  # of a float32 distance, for any order of summation
        self.near = np.full(n, FARTHEST)  # distance to the nearest chosen row, in float64
        # the most that a row's gain can be: at first, of all distances to 2; the sum is n + its cosines with all
        total = self.unit.sum(axis=0, dtype=np.float64)
        self.high = np.full(n, n * (1.0 + self.slack))
        for start in range(0, n, 4096):
            self.high[start : start + 4096] += self.unit[start : start + 4096] @ total
        self.listed = False
        self.look = 1  # chosen rows at which to see whether the pairs can be listed
        self.count = 0
        self.favourites = np.empty(0, dtype=np.int64)  # the last step's best, evaluated first in the next
        self.evaluations = self.settled = 0
        for row in initial:
            self._add(*self._exact(int(row))[:2])

    def step(self, allowed: NDArray[np.bool_]) -> tuple[int, float]:
        """Choose the best allowed row, add it, and return it with its exact gain."""
        if not self.listed and self.count >= self.look:
            self.look = self.count + 1 + self.count // 4
            self._list()
        current = [self.favourites[allowed[self.favourites]]]
        sure = self._evaluate(current[0])  # some row scores at least this
        bounds = self.share * self.high + self.bonus
        waiting = allowed & (bounds >= sure)
        waiting[current[0]] = False
        rows = np.flatnonzero(waiting)
        batch = 64
        while len(rows):
            if batch < len(rows):  # the highest bounds first: they raise the bar for the rest
                rows = rows[np.argpartition(-bounds[rows], batch)]
            current.append(rows[:batch])
            sure = max(sure, self._evaluate(rows[:batch]))
            rows = rows[batch:]
            rows = rows[bounds[rows] >= sure]
            batch *= 4
        return self._settle(np.concatenate(current), sure)

    def _evaluate(self, rows: NDArray[np.int64]) -> float:
        """Bring the bounds of rows up to date and return what the best score among them is at least."""
        if not len(rows):
            return -np.inf
        self.evaluations += len(rows)
        gain, count = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
        if self.listed:
            kernels.listed_leads(
                rows, self.starts, self.lengths, self.index, self.gaps, self.near, self.slack, gain
            )
            count = self.lengths[rows]
        else:

            def work(start: int, stop: int) -> None:
                products = self.unit[rows[start:stop]] @ self.unit.T
                kernels.leads(products, self.near, self.slack, gain[start:stop], count[start:stop])

            self.crew.over_blocks(len(rows), min(max(2**22 // len(self.unit), 16), 256), work)
        self.high[rows] = np.minimum(self.high[rows], gain + count * self.slack)
        return float((self.share * (gain - count * self.slack) + self.bonus[rows]).max())

    def _settle(self, current: NDArray[np.int64], sure: float) -> tuple[int, float]:
        """Compute the gains of all rows that rounding may have put below the best again, and add the first best."""
        scores = self.share * self.high[current] + self.bonus[current]
        self.favourites = current[np.argsort(-scores, kind="stable")[:8]]
        best = -np.inf
        for row in np.sort(current[scores >= sure]).tolist():
            found = self._exact(row)
            self.settled += 1
            self.high[row] = found[2]
            if self.listed and found[2] == 0:
                self.lengths[row] = 0  # it can never gain again
            score = self.share * found[2] + self.bonus[row]
            if score > best:
                best, top, others, gaps, gain = score, row, *found
        self._add(others, gaps)
        return top, gain / 2.0

    def _exact(self, row: int) -> tuple[Any, NDArray[np.float64], float]:
        """Return the rows that `row` may be nearer to than any chosen one, its distances to them, and its gain."""
        others: Any = slice(None)
        if self.listed:
            others = self.index[self.starts[row] : self.starts[row] + self.lengths[row]].copy()
        them, length = self.rows[others], self.length[others]
        gaps = np.empty((1, len(them)))
        one = slice(row, row + 1)
        self.crew.over_blocks(
            len(them),
            4096,
            lambda a, b: kernels.distances(a, b, self.rows[one], self.length[one], them, length, gaps),
        )
        # summed in order, so that rows that add nothing leave no trace in the rounding
        leads = np.cumsum(np.maximum(self.near[others] - gaps[0], 0.0))
        return others, gaps[0], float(leads[-1]) if len(leads) else 0.0

    def _add(self, others: Any, gaps: NDArray[np.float64]) -> None:
        """Put a row into the set, which is `gaps` away from `others` and not nearer to any other row."""
        self.near[others] = np.minimum(self.near[others], gaps)
        self.count += 1

    def _list(self) -> None:
        """List the pairs of rows that still count, if there is room for them."""
        n = len(self.unit)
        sample = self.unit[:: max(1, n // 256)]
        count = np.empty(len(sample), dtype=np.int64)
        kernels.leads(sample @ self.unit.T, self.near, self.slack, np.empty(len(sample)), count)
        if count.mean() * n > LISTED:
            return
        lengths = np.empty(n, dtype=np.int64)
        gain = np.empty(n)
        parts: dict[int, tuple[NDArray[np.int32], NDArray[np.float32]]] = {}

        def work(start: int, stop: int) -> None:
            products = self.unit[start:stop] @ self.unit.T
            kernels.leads(products, self.near, self.slack, gain[start:stop], lengths[start:stop])
            size = (
                int(lengths[start:stop].sum()) + 1
            )  # one beyond, where the last pair that does not count goes
            index, gaps = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.float32)
            kernels.keep_leads(products, self.near, self.slack, index, gaps)
            parts[start] = index[:-1], gaps[:-1]

        self.crew.over_blocks(n, min(max(2**22 // n, 16), 256), work)
        self.lengths = lengths
        self.starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.index = np.concatenate([parts[start][0] for start in sorted(parts)])
        self.gaps = np.concatenate([parts[start][1] for start in sorted(parts)])
        self.high = np.minimum(self.high, gain + lengths * self.slack)
        self.evaluations += n
        self.listed = True
