"""Selections that any method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError
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
    order = np.random.default_rng(seed).permutation(len(rows))
    chosen = rules.take_in_order(order, budget, progress)
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.full(len(chosen), np.nan),
        method="random",
        parameters={"budget": budget, "seed": seed, "skip_duplicates": skip_duplicates},
    )


def duplicate(pool: int | ArrayLike, *, budget: int, distinct: int, seed: int = 0) -> NDArray[np.int64]:
    """Return a set of little diversity on purpose: few random rows, each many times over.

    For experiments that need sets of every diversity. No `Selection`, since its rows repeat.

    Parameters
    ----------
    pool : int or array (n, d)
        How many rows there are, or the rows.
    budget : int
        How many row numbers to return (k).
    distinct : int
        How many different rows (m), from 1 to the smaller of `budget` and the pool.
    seed : int
        Seed of the draw; the rows are the first m of the permutation that `random` takes.

    Returns
    -------
    array (k,) of int64
        m rows in turn, over and over: each k // m times, the first k mod m once more.

    Raises
    ------
    DataError
        Numbers out of reach, or a bad pool.

    Notes
    -----
    Source: the "Duplicate" sets of Yang et al., ACL 2025, arXiv 2502.17184; how many rows were distinct there is
    unverified.

    Examples
    --------
    >>> duplicate(3, budget=5, distinct=2).tolist()
    [2, 0, 2, 0, 2]
    """
    n = int(pool) if isinstance(pool, int | np.integer) else len(_check.embeddings("pool", pool))
    if n < 1:
        raise DataError(f"pool must have at least one row; got {n}.")
    _check.whole("budget", budget, 1)
    _check.whole("distinct", distinct, 1, min(n, budget))
    _check.whole("seed", seed, 0)
    return np.resize(np.random.default_rng(seed).permutation(n)[:distinct], budget).astype(np.int64)
