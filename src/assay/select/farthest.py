"""Farthest: the rows that lie farthest from the rest of the pool, each judged alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay import _check
from assay.neighbors import unit_rows
from assay.select import kernels
from assay.select.selection import Rules, Selection, quality_weights

BLOCK = 8192


def farthest(
    pool: ArrayLike,
    *,
    budget: int,
    initial_selected: ArrayLike | None = None,
    quality: ArrayLike | None = None,
    quality_power: float = 1.0,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose the rows with the largest sum of cosine distances to all rows of the pool.

    Outliers first. The chosen rows do not see each other: two that lie side by side, far from the rest, are both
    taken.

    Parameters
    ----------
    pool : array (n, d)
    budget : int
    initial_selected, quality, quality_power, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`. Kept rows are rows of the pool, and count in the sums.

    Returns
    -------
    Selection
        `gains`: the sum of distances, without the quality. Any prefix is the selection of a smaller budget. Ties go
        to the lowest row.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`.

    Notes
    -----
    O(n d), since the sum is n minus the product of the row's direction with the sum of all directions. In float64.

    Source: a baseline of Yang et al., ACL 2025, arXiv 2502.17184; the paper's own definition is unverified, this is
    ours.

    Examples
    --------
    >>> farthest([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=2).indices.tolist()
    [3, 2]
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
    total = np.zeros(rows.shape[1])
    for start in range(0, n, BLOCK):
        total += unit_rows(rows[start : start + BLOCK], np.float64).sum(axis=0)
    sums = np.empty(n)
    for start in range(0, n, BLOCK):  # equal rows get equal bits, so that ties go to the lowest
        sums[start : start + BLOCK] = n - kernels.weigh(
            unit_rows(rows[start : start + BLOCK], np.float64), total
        )
    chosen = rules.take_in_order(np.argsort(-weights * sums, kind="stable"), budget, progress)
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=sums[chosen],
        method="farthest",
        parameters={"budget": budget, "quality_power": quality_power, "skip_duplicates": skip_duplicates},
    )
