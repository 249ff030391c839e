"""NovelSelect: greedy choice of the row that is most novel against the rows chosen so far, exact and lazy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew, memory_bytes
from assay.diversity.novelsum import density_scale, resolve_density_power, resolve_variant
from assay.errors import DataError
from assay.neighbors import local_density, norms, unit_rows
from assay.select import kernels
from assay.select.selection import Rules, Selection, quality_weights, start_row

FARTHEST = 2.0  # no cosine distance is larger


def novelselect(
    pool: ArrayLike,
    *,
    budget: int,
    reference: ArrayLike | str | None = "pool",
    variant: str = "official",
    neighbors: int = 10,
    density_power: float | None = 0.5,
    proximity_power: float = 1.0,
    density_side: str | None = None,
    density_statistic: str | None = None,
    rank_by: str | None = None,
    start: int | str = "random",
    seed: int = 42,
    initial_selected: ArrayLike | None = None,
    quality: ArrayLike | None = None,
    quality_power: float = 1.0,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    density: ArrayLike | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose the rows of a pool that NovelSelect chooses, in order of choice.

    Starting from one row, each step adds the row x with the largest ``quality(x) * v(x | S)``, where
    ``v(x | S)`` sums the density-scaled cosine distances from x to the chosen rows S, the r-th nearest weighing
    ``r ** -proximity_power``. The rows and their order are those of the plain greedy definition in float64;
    most scores are never computed, since a bound shows that they cannot win.

    Parameters
    ----------
    pool : array (n, d)
        Embeddings to choose from.
    budget : int
        How many rows to choose, the start included.
    reference : array (N, d), "pool" or None
        What density is measured against. None leaves density out.
    variant : {"official", "paper"}
        The released program (density of both sides, ranked by scaled distance), or the paper's figure (density
        of the chosen row, ranked by distance). It sets the defaults of the next three.
    density_side : {"self", "neighbor", "both"}, optional
        Whose density scales a distance: the candidate's, the chosen row's, or their sum.
    density_statistic : {"mean_sq_l2", "sum_cosine"}, optional
        See `assay.neighbors.local_density`.
    rank_by : {"distance", "weighted"}, optional
        Rank the chosen rows by distance (equal ones, to 1e-12, by order of choice) or by density times distance.
    neighbors, density_power, proximity_power
        As in `assay.diversity.novelsum`. Paper: 10, 0.5, 1.
    start : int, "random" or "densest"
        The first row. "random" is the released program's draw, ``RandomState(seed).randint(0, n)``; quotas may
        move it on to the next row that may be chosen.
    seed : int
        Seed of the random start; 42 in the released program.
    initial_selected : array of int, optional
        Rows that are in the set already: they replace the start, count among the ranks, not in the budget or
        the quotas, and are not returned.
    quality : array (n,), optional
        Positive weights of the rows, raised to `quality_power`.
    groups, max_per_group
        A label for each row, and the largest number of rows to choose with one label (one number, or a mapping
        from label to number).
    skip_duplicates : bool
        Leave out rows that are the same as a chosen one. Otherwise they are counted in a warning.
    density : array (n,), optional
        Densities computed before; takes the place of `reference`.
    device : str
        Where the neighbour search of the density runs.
    progress : callable, optional
        Called with (rows chosen, budget) as the selection goes on.

    Returns
    -------
    Selection
        `indices` in order of choice; `gains`: v at the moment of choice, without the quality, nan at the start;
        `facts` with the algorithm's counts. Any prefix is the selection of a smaller budget. Ties go to the
        lowest row.

    Raises
    ------
    DataError
        Bad embeddings, powers, quality, rows, quotas, a budget beyond the rows that may be chosen, or one whose
        table of distances is larger than the machine's memory.

    Notes
    -----
    Floor: 2 n k d operations for the distances (k chosen rows), beside 2 n N d for the density. Memory: 4 n k
    bytes for the table of distances (8 n k where the ranking is by distance and the density of the chosen row
    counts, since then v jumps where ranks change and the table is held in float64), and a float32 copy of the
    pool.

    The bound: with weights w_1 >= w_2 >= ..., adding one distance D to m others changes v by at most
    w_{m+1} D, because it pushes no smaller distance to a later rank (for rankings by distance under the other
    side's density, that part of D which exceeds the lowest density counts in full). Rows whose bound is below
    the best score need no evaluation. Scores in the table are float32; rows within the rounding bound of
    the best are settled in float64.

    Source: Yang et al., ACL 2025, arXiv 2502.17184. The released program works in float16, where ranks and
    scores tie, so that its own picks cannot be matched; this follows its definition.

    Examples
    --------
    >>> pool = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]]
    >>> novelselect(pool, budget=2, neighbors=2, start=0).indices.tolist()
    [0, 3]
    """
    form = resolve_variant(
        variant,
        density_side or ("both" if variant == "official" else None),
        density_statistic,
        None,
        None,
        rank_by or ("weighted" if variant == "official" else None),
    )
    power = resolve_density_power(density_power, reference is not None or density is not None)
    _check.at_least("proximity_power", proximity_power, 0)
    if isinstance(reference, str):
        _check.choice("reference", reference, ("pool",))
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
    weights = quality_weights(quality, quality_power, n)
    if density is None and (power > 0 or start == "densest"):
        if isinstance(reference, str):
            reference = None
        density = local_density(
            rows, reference=reference, neighbors=neighbors, statistic=form.density_statistic, device=device
        )
    scale = np.ones(n) if power == 0 or density is None else density_scale(density, n, power)
    first = list(rules.initial)
    chosen: list[int] = []
    if not first:
        _check.whole("seed", seed, 0, 2**32 - 1)
        drawn = int(np.random.RandomState(seed).randint(0, n))
        dense = None if density is None else np.asarray(density, dtype=np.float64)
        first = chosen = [start_row(start, rules, drawn, dense)]
        rules.take(chosen[0])
    most = len(rules.initial) + budget
    gains = [np.nan] * len(chosen)
    with Crew() as crew:
        greedy = _Greedy(
            rows, scale, weights, first, most, proximity_power, form.density_side, form.rank_by, crew
        )
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
        method="novelselect",
        parameters={
            "budget": budget,
            "variant": variant,
            "neighbors": neighbors,
            "density_power": power,
            "proximity_power": proximity_power,
            "density_side": form.density_side,
            "density_statistic": form.density_statistic,
            "rank_by": form.rank_by,
            "start": start if chosen and not len(rules.initial) else None,
            "seed": seed,
            "quality_power": quality_power,
            "skip_duplicates": skip_duplicates,
        },
        facts={
            "algorithm": f"lazy greedy, {greedy.bound} bound",
            "evaluations": greedy.evaluations,
            "evaluations_share": greedy.evaluations / max(1, n * greedy.count),
            "settled_in_float64": greedy.settled,
        },
    )


class _Greedy:
    """The state of a lazy greedy run: runs of sorted distances, bounds, and the chosen rows so far."""

    def __init__(
        self,
        rows: NDArray[np.floating],
        scale: NDArray[np.float64],
        quality: NDArray[np.float64],
        first: Sequence[int],
        most: int,
        proximity_power: float,
        density_side: str,
        rank_by: str,
        crew: Crew,
    ) -> None:
        self.crew = crew
        n, d = rows.shape
        # a power of two, which rounds nothing, keeps scaled distances within float32
        self.factor = 2.0 ** np.floor(np.log2(scale.max()))
        self.scale, self.quality = scale / self.factor, quality
        self.use_own = float(density_side in ("self", "both"))
        self.use_theirs = float(density_side in ("neighbor", "both"))
        flat = bool((self.scale == self.scale[0]).all())
        # ranked by distance = ranked by scaled distance wherever the other side's density does not enter
        self.by_distance = rank_by == "distance" and self.use_theirs > 0 and not flat
        self.bound = "distance-rank" if self.by_distance else "insertion"
        self.lowest = float(self.scale.min())
        dtype = np.float64 if self.by_distance else np.float32
        size = n * most * np.dtype(dtype).itemsize
        if size > memory_bytes():
            raise DataError(
                f"budget must leave the distances of all {n} rows to {most} chosen ones room in memory; they take "
                f"{size / 1e9:.1f} GB and the machine has {memory_bytes() / 1e9:.1f} GB. Lower the budget, or choose "
                "from a part of the pool."
            )
        self.error = (d + 16) * (2.0**-53 if self.by_distance else 2.0**-24)
        self.unit = unit_rows(rows, dtype)
        self.picked = np.empty((most, d), dtype=dtype)
        self.rows, self.length = rows, norms(rows)  # what close calls are settled on
        self.chosen, self.chosen_length = np.empty((most, d), dtype=rows.dtype), np.empty(most)
        self.theirs = np.empty(most)
        self.table = np.empty((n, most), dtype=dtype)
        self.weights = np.arange(1, most + 1, dtype=np.float64) ** -proximity_power
        self.d_own, self.d_theirs = np.zeros(most), np.zeros(most)
        self.sum_own = self.sum_theirs = 0.0
        self.heaviest = 0.0  # the most that the weights of the ranks times `theirs` can come to, in any order
        self.known = np.zeros(n, dtype=np.int64)  # chosen rows to which the table holds the distance
        self.since = np.zeros(n, dtype=np.int64)  # chosen rows when it was last evaluated
        self.high = np.zeros(n)  # the highest score that rounding left open when it was last evaluated
        self.base = np.zeros(n)
        self._rows, self._bounds = np.empty(n, dtype=np.int64), np.empty(n)
        self.favourites = np.empty(0, dtype=np.int64)  # the last step's best, evaluated first in the next
        self.current: list[NDArray[np.int64]] = []  # rows evaluated in this step
        self.count = self.flushed = 0
        self.evaluations = self.settled = 0
        self._direct = 0
        for row in first:
            self._add(row)
        self._flush()

    def step(self, allowed: NDArray[np.bool_]) -> tuple[int, float]:
        """Choose the best allowed row, add it, and return it with its exact score."""
        patience = min(max(self.count // 8, 32), 256)
        if self.count - self.flushed >= patience or self._direct > 4 * len(self.rows):
            self._flush()
        self.current = []
        sure = self._evaluate(self.favourites[allowed[self.favourites]])  # some row scores at least this
        rows, bounds = self._waiting(allowed, sure)
        while len(rows):
            some = max(128, len(rows) // 4)
            if some < len(rows):  # the highest bounds first: they raise the bar for the rest
                order = np.argpartition(-bounds, some)
                rows, bounds = rows[order], bounds[order]
            sure = max(sure, self._evaluate(rows[:some]))
            still = bounds[some:] >= sure
            rows, bounds = rows[some:][still], bounds[some:][still]
        return self._settle(sure)

    def _waiting(
        self, allowed: NDArray[np.bool_], sure: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows that may score `sure` or more and are not up to date, with their bounds."""
        found: dict[int, int] = {}
        a = self.sum_own * (FARTHEST + self.error)
        b = self.sum_theirs * FARTHEST + self.heaviest * self.error

        def work(start: int, stop: int) -> None:
            found[start] = kernels.above(
                start, stop, self.base, self.scale, self.quality, allowed, self.since, self.count,
                a, b, sure, self._rows, self._bounds,
            )  # fmt: skip

        self.crew.over_blocks(len(self.rows), 65536, work)
        parts = [slice(start, start + found[start]) for start in sorted(found)]
        return np.concatenate([self._rows[p] for p in parts]), np.concatenate(
            [self._bounds[p] for p in parts]
        )

    def _evaluate(self, rows: NDArray[np.int64]) -> float:
        """Bring rows up to date and return what the best weighted score among them is at least."""
        if not len(rows):
            return -np.inf
        self.evaluations += len(rows)
        self.current.append(rows)
        m = self.count
        found: dict[int, tuple[int, float]] = {}

        def work(start: int, stop: int) -> None:
            some = rows[start:stop]
            gaps = np.empty((stop - start, m), dtype=self.table.dtype)
            computed = kernels.gather(
                some, m, self.unit, self.picked, self.scale, self.theirs, self.use_own, self.use_theirs, self.table,
                self.by_distance, self.known, gaps,
            )  # fmt: skip
            sure = kernels.score(
                some, self._ranked(some, gaps), self.weights, self.scale, self.quality, self.sum_own, self.sum_theirs,
                self.heaviest, self.error, FARTHEST, self.base, self.since, self.high,
            )  # fmt: skip
            found[start] = computed, sure

        self.crew.over_blocks(len(rows), max(4, 2**16 // m), work)
        self._direct += sum(computed for computed, _ in found.values())
        return max(sure for _, sure in found.values())

    def _ranked(self, rows: NDArray[np.int64], gaps: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return scaled distances in order of rank, from scaled ones or (by_distance) bare ones; may sort in place."""
        if not self.by_distance:
            gaps.sort(axis=1)
            return gaps
        # rounding must not part rows at one distance: those go by order of choice
        order = np.argsort(np.rint(gaps * 2.0**40), axis=1, kind="stable")
        factor = self.use_own * self.scale[rows, None] + self.use_theirs * self.theirs[order]
        return np.asarray(factor * np.take_along_axis(gaps, order, axis=1))

    def _settle(self, sure: float) -> tuple[int, float]:
        """Compute the scores of all rows that rounding may have put below the best again, and take the first best."""
        m = self.count
        current = np.concatenate(self.current)
        high = self.high[current]
        rows = np.sort(current[high >= sure])
        close, length = self.rows[rows], self.length[rows]
        gaps = np.empty((len(rows), m))
        self.crew.over_blocks(
            m, 512, lambda a, b: kernels.distances(a, b, close, length, self.chosen, self.chosen_length, gaps)
        )
        if not self.by_distance:
            gaps *= self.use_own * self.scale[rows, None] + self.use_theirs * self.theirs[:m]
        scores = kernels.weigh(self._ranked(rows, gaps), self.weights)
        self.settled += len(rows) - 1
        top = int(np.argmax(self.quality[rows] * scores))
        self.favourites = current[np.argsort(-high, kind="stable")[:8]]
        self._add(int(rows[top]))
        return int(rows[top]), float(scores[top] * self.factor)

    def _add(self, row: int) -> None:
        """Put a row into the set."""
        m = self.count
        self.picked[m] = self.unit[row]
        self.chosen[m], self.chosen_length[m] = self.rows[row], self.length[row]
        self.theirs[m] = self.scale[row]
        weight = self.weights[m]
        self.d_own[m] = self.use_own * weight
        if self.by_distance:
            self.d_theirs[m] = self.use_theirs * (self.scale[row] - self.lowest + weight * self.lowest)
        else:
            self.d_theirs[m] = self.use_theirs * weight * self.scale[row]
        self.sum_own += self.d_own[m]
        self.sum_theirs += self.d_theirs[m]
        self.count += 1
        if self.by_distance:
            self.heaviest = self.sum_theirs
        elif self.use_theirs:
            self.heaviest = float(np.sort(self.theirs[: m + 1])[::-1] @ self.weights[: m + 1])

    def _flush(self) -> None:
        """Compute the distances of all rows to the rows chosen since the last time."""
        chosen = np.ascontiguousarray(self.picked[self.flushed : self.count].T)

        def work(start: int, stop: int) -> None:
            kernels.flush(
                start, self.unit[start:stop] @ chosen, self.flushed, self.count, self.scale, self.theirs, self.use_own,
                self.use_theirs, self.table, self.by_distance, self.known, self.since, self.d_own, self.d_theirs,
                FARTHEST, self.base,
            )  # fmt: skip

        self.crew.over_blocks(len(self.unit), min(max(len(self.unit) // 4, 512), 4096), work)
        self.flushed = self.count
        self._direct = 0
