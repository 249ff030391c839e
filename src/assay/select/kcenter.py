"""K-center: greedy choice of the row that is farthest from the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay import _check
from assay._parallel import Crew
from assay.neighbors import unit_rows
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
    2 n k d operations and the pool once through memory per step. Equal rows get equal
    distances, so that ties go to the lowest row.

    Source: Gonzalez 1985; Sener & Savarese, ICLR 2018, arXiv 1708.00489.

    Examples
    --------
    >>> kcenter([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=3, start=0).indices.tolist()
    [0, 3, 2]
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
    weights = quality_weights(quality, quality_power, n)
    unit = unit_rows(rows)
    nearest = np.full(n, np.inf)
    tiny = 1e-3 if unit.dtype == np.float32 else 1e-9
    chosen: list[int] = []
    gains: list[float] = []
    inside = list(rules.initial)
    if not inside:
        _check.whole("seed", seed, 0)
        chosen = inside = [start_row(start, rules, int(np.random.default_rng(seed).integers(n)))]
        gains = [np.nan]
        rules.take(chosen[0])

    def approach(row: int) -> None:
        """Lower every row's distance to its nearest chosen row by its distance to `row`."""
        crew.over_blocks(n, 16384, lambda a, b: kernels.approach(a, b, unit, unit[row], tiny, nearest))

    with Crew() as crew:
        for row in inside:
            approach(row)
        while len(chosen) < budget:
            if not rules.allowed.any():
                raise rules.none_left(len(chosen), budget)
            row = int(np.argmax(np.where(rules.allowed, weights * nearest, -1.0)))
            rules.take(row)
            chosen.append(row)
            gains.append(float(nearest[row]))
            approach(row)
            if progress is not None:
                progress(len(chosen), budget)
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
        facts={"radius": float(nearest.max())},
    )
