"""Selections that any method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay import _check
from assay.select.selection import Rules, Selection


def random(
    pool: ArrayLike,
    *,
    budget: int,
    seed: int = 0,
    initial_selected: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose the first rows of a seeded permutation, passing over rows that the rules exclude.

    Parameters
    ----------
    pool : array (n, d)
    budget : int
    seed : int
        Seed of the permutation.
    initial_selected, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`.

    Returns
    -------
    Selection
        `gains` are nan: nothing is scored. Any prefix is the selection of a smaller budget.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`.

    Examples
    --------
    >>> random([[1.0], [2.0], [3.0]], budget=2).indices.tolist()
    [2, 0]
    """
    rows = _check.embeddings("pool", pool)
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    _check.whole("seed", seed, 0)
    chosen: list[int] = []
    for row in np.random.default_rng(seed).permutation(len(rows)):
        if len(chosen) == budget:
            break
        if rules.allowed[row]:
            rules.take(int(row))
            chosen.append(int(row))
            if progress is not None:
                progress(len(chosen), budget)
    if len(chosen) < budget:
        raise rules.none_left(len(chosen), budget)
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.full(len(chosen), np.nan),
        method="random",
        parameters={"budget": budget, "seed": seed, "skip_duplicates": skip_duplicates},
    )
