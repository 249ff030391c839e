"""K-center: greedy choice of the row that is farthest from the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew
from assay.neighbors import norms, unit_rows
from assay.select import kernels
from assay.select.selection import Rules, Selection, quality_weights, start_row


def kcenter(
    pool: ArrayLike,
    *,
    budget: int,
    start: int | str = "random",
    seed: int = 0,
    initial_selected: ArrayLike | None = None,
    quality: ArrayLike | None = None,
    quality_power: float = 1.0,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose rows so that no row of the pool is far from a chosen one (farthest-first traversal).

    Each step adds the row with the largest cosine distance to its nearest chosen row, times its quality. The
    largest such distance at the end, the covering radius, is at most twice the smallest possible with as many
    rows (without quality and quotas).

    Parameters
    ----------
    pool : array (n, d)
    budget : int
        How many rows to choose, the start included.
    start : int or "random"
        The first row; "random" draws it with `seed`.
    seed : int
        Seed of the random start.
    initial_selected, quality, quality_power, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`.
    device : str
        Where it runs: "cpu", or "cuda", "cuda:1" ... through torch, with the pool in the device's memory; "torch:cpu"
        runs on the processor what a GPU runs. The same rows in the same order, and gains to 1e-12. Where the best two
        of different rows differ by less, the processor settles it; ``facts["close_calls"]`` counts such steps.

    Returns
    -------
    Selection
        `gains`: distance to the nearest chosen row at the moment of choice, nan at the start;
        ``facts["radius"]``: the covering radius. Any prefix is the selection of a smaller budget.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`.

    Notes
    -----
    A row's distance to its nearest chosen row only falls, so that an old one is a bound: rows whose bound is below the
    farthest row are not looked at. The others are brought up to date in blocks, as float32 matrix products against the
    rows chosen since; every distance that may lower one is computed again in float64. So rows, gains and radius are
    those of the plain definition in float64. At most 2 n k d operations; a float32 copy of the pool.

    Source: Gonzalez 1985; Sener & Savarese, ICLR 2018, arXiv 1708.00489.

    Examples
    --------
    >>> kcenter([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=3, start=0).indices.tolist()
    [0, 3, 2]
    """
    rows = _check.embeddings("pool", pool, directions=True, narrow=device != "cpu")
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
    chosen: list[int] = []
    gains: list[float] = []
    first = rules.initial.tolist()
    if not first:
        _check.whole("seed", seed, 0)
        first = chosen = [start_row(start, rules, int(np.random.default_rng(seed).integers(n)))]
        gains = [np.nan]
        rules.take(chosen[0])
    if device != "cpu":
        facts = _choose_on(device, rows, weights, rules, first, chosen, gains, budget, progress)
    else:
        with Crew() as crew:
            nearest = _Nearest(rows, len(rules.initial) + budget, crew)
            for row in first:
                nearest.add(row)
            nearest.bring(np.arange(n))
            while len(chosen) < budget:
                if not rules.allowed.any():
                    raise rules.none_left(len(chosen), budget)
                row = nearest.farthest(weights, rules.allowed)
                rules.take(row)
                chosen.append(row)
                gains.append(float(nearest.near[row]))
                nearest.add(row)
                if progress is not None:
                    progress(len(chosen), budget)
            nearest.top = np.empty(0, dtype=np.int64)
            radius = float(nearest.near[nearest.farthest(np.ones(n), np.ones(n, dtype=bool))])
        facts = {"radius": radius, "distances_share": nearest.computed / (n * nearest.count)}
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.array(gains),
        method="kcenter",
        parameters={
            "budget": budget,
            "start": None if len(rules.initial) else start,
            "seed": seed,
            "quality_power": quality_power,
            "skip_duplicates": skip_duplicates,
        },
        facts=facts,
    )


def _choose_on(
    device: str,
    rows: NDArray[np.floating],
    weights: NDArray[np.float64],
    rules: Rules,
    first: list[int],
    chosen: list[int],
    gains: list[float],
    budget: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    """Add rows to `chosen`, and their distances to `gains`, until there are `budget`; return the facts."""
    from assay.select.through_torch import TorchCenters

    centers = TorchCenters(rows, weights, len(rules.initial) + budget, device)
    added = first
    while len(chosen) < budget:
        found = centers.step(rows[added], rules.closed())
        if found is None:
            raise rules.none_left(len(chosen), budget)
        _, gain, row = found
        rules.take(row)
        chosen.append(row)
        gains.append(gain)
        added = [row]
        if progress is not None:
            progress(len(chosen), budget)
    return {
        "radius": centers.radius(rows[added]),
        "distances_share": centers.computed / (len(rows) * centers.count),
        "close_calls": centers.close_calls,
    }


class _Nearest:
    """The distance of every row to its nearest chosen row: exact for rows up to date, for others a bound."""

    def __init__(self, rows: NDArray[np.floating], most: int, crew: Crew) -> None:
        n, d = rows.shape
        self.crew = crew
        self.rows, self.length = rows, norms(rows)
        self.unit = unit_rows(rows, np.float32)
        self.slack = (d + 16) * 2.0**-24  # of a float32 distance, for any order of summation
        self.picked = np.empty((most, d), dtype=np.float32)
        self.chosen, self.chosen_length = np.empty((most, d), dtype=rows.dtype), np.empty(most)
        self.near = np.full(n, np.inf)
        self.since = np.zeros(n, dtype=np.int64)  # chosen rows that `near` has seen
        self.top = np.empty(0, dtype=np.int64)  # the rows of the highest scores, and
        self.rest = np.inf  # what no other scores more than
        self.count = self.computed = 0

    def add(self, row: int) -> None:
        """Put a row into the set."""
        self.picked[self.count] = self.unit[row]
        self.chosen[self.count], self.chosen_length[self.count] = self.rows[row], self.length[row]
        self.count += 1

    def farthest(self, weights: NDArray[np.float64], allowed: NDArray[np.bool_]) -> int:
        """Return the lowest of the allowed rows whose distance times weight is largest."""
        while True:
            rows = self.top[allowed[self.top]]
            scores = weights[rows] * self.near[rows]
            order = np.argsort(-scores, kind="stable")
            best = -np.inf
            for start in range(
                0, len(order), 64
            ):  # the highest bounds first: they raise the bar for the rest
                at = order[start : start + 64]
                if scores[at[0]] < best:
                    break
                self.bring(rows[at])
                scores[at] = weights[rows[at]] * self.near[rows[at]]
                best = max(best, scores[at].max())
            if best > self.rest:
                return int(rows[np.argmax(scores)])
            scores = np.where(allowed, weights * self.near, -1.0)
            size = min(len(scores), 256 + len(scores) // 64)
            top = scores >= np.partition(scores, -size)[-size]
            self.rest = scores[~top].max(initial=-1.0)
            self.top = np.flatnonzero(top)
            self.bring(self.top)

    def bring(self, rows: NDArray[np.int64]) -> None:
        """Bring rows up to date."""
        rows = rows[self.since[rows] < self.count]
        rows = rows[np.argsort(self.since[rows], kind="stable")]  # rows of one age side by side

        def work(start: int, stop: int) -> None:
            some = rows[start:stop]
            for first in range(self.since[some[0]], self.count, 512):
                products = self.unit[some] @ self.picked[first : min(first + 512, self.count)].T
                kernels.nearer(
                    some, products, first, self.since, self.slack, self.rows, self.length, self.chosen,
                    self.chosen_length, self.near,
                )  # fmt: skip

        self.crew.over_blocks(len(rows), 256, work)
        self.computed += int((self.count - self.since[rows]).sum())
        self.since[rows] = self.count
