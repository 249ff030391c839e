"""Filters: rows in a given order, passing over those too similar to one that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew
from assay.errors import DataError, warn
from assay.neighbors import norms, unit_rows
from assay.select import kernels
from assay.select.selection import Rules, Selection, one_a_row

BLOCK = 256  # rows judged at a time


def repr_filter(
    pool: ArrayLike,
    *,
    budget: int,
    threshold: float = 0.9,
    initial_selected: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose rows in the order of the pool, passing over each that is too similar to a chosen one.

    A row is too similar where its cosine with a chosen or kept row is above the threshold.

    Parameters
    ----------
    pool : array (n, d)
        In order of preference: the first row is always taken.
    budget : int
        The most rows to choose. Where the filter leaves fewer, fewer are returned, with a warning.
    threshold : float
        Largest cosine that passes, -1 to 1. 1 lets every row pass, 0.9 is DEITA's.
    initial_selected, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`. Kept rows filter too. Quality is not asked for: see `score_first`.

    Returns
    -------
    Selection
        `gains` are nan: nothing is scored. Any prefix is the selection of a smaller budget.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`, and for a threshold out of reach.

    Notes
    -----
    2 n k d operations where all rows are looked at. Cosines are float32; those that rounding may have put on the
    wrong side of the threshold are computed again in float64.

    Source: DEITA, Liu et al., ICLR 2024, arXiv 2312.15685. DEITA works in batches and compares also with those rows
    of a batch that it rejects; this compares with chosen rows only.

    Examples
    --------
    >>> repr_filter([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=3).indices.tolist()
    [0, 2, 3]
    """
    rows = _check.embeddings("pool", pool, directions=True)
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    chosen = _pass(rows, np.arange(len(rows)), rules, budget, threshold, progress)
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.full(len(chosen), np.nan),
        method="repr_filter",
        parameters={"budget": budget, "threshold": threshold, "skip_duplicates": skip_duplicates},
    )


def score_first(
    pool: ArrayLike,
    *,
    budget: int,
    quality: ArrayLike,
    threshold: float | None = 0.9,
    initial_selected: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose rows from the best score down, passing over each that is too similar to a chosen one.

    Parameters
    ----------
    pool : array (n, d)
    budget : int
        The most rows to choose. Where the filter leaves fewer, fewer are returned, with a warning.
    quality : array (n,)
        The score, any finite numbers; equal ones in the order of the pool. DEITA's is complexity times quality,
        summed over turns.
    threshold : float or None
        Largest cosine with a chosen row that passes, -1 to 1. None: no filter, the best `budget` rows.
    initial_selected, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`. Kept rows filter too.

    Returns
    -------
    Selection
        `gains`: the scores. Any prefix is the selection of a smaller budget.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`, for scores that are not finite, and for a threshold out of reach.

    Notes
    -----
    As `repr_filter` after a sort; without a threshold the sort alone.

    Source: DEITA, Liu et al., ICLR 2024, arXiv 2312.15685.

    Examples
    --------
    >>> score_first([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], budget=2, quality=[1, 3, 2]).indices.tolist()
    [1, 2]
    """
    rows = _check.embeddings("pool", pool, directions=threshold is not None)
    scores = one_a_row("quality", quality, len(rows))
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise DataError(
            f"quality must be finite; {len(bad)} of {len(rows)} values are not, first at row {bad[0]} "
            f"({scores[bad[0]]:g})."
        )
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    order = np.argsort(-scores, kind="stable")
    if threshold is None:
        chosen = rules.take_in_order(order, budget, progress)
        rules.warn_of_copies()
    else:
        chosen = _pass(rows, order, rules, budget, threshold, progress)
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=scores[chosen],
        method="score_first",
        parameters={"budget": budget, "threshold": threshold, "skip_duplicates": skip_duplicates},
    )


def _pass(
    rows: NDArray[np.floating],
    order: NDArray[np.int64],
    rules: Rules,
    budget: int,
    threshold: float,
    progress: Callable[[int, int], None] | None,
) -> list[int]:
    """Return the rows that pass, in order, and warn where they are fewer than the budget."""
    _check.between("threshold", threshold, -1, 1)
    length = norms(rows)
    slack = (rows.shape[1] + 16) * 2.0**-24  # of a float32 cosine, for any order of summation
    inside = np.empty(len(rules.initial) + budget, dtype=np.int64)
    inside[: len(rules.initial)] = rules.initial
    count = len(rules.initial)
    unit = np.empty((len(inside), rows.shape[1]), dtype=np.float32)
    unit[:count] = unit_rows(rows[rules.initial], np.float32)

    def alike(
        some: NDArray[np.int64], a: NDArray[np.float32], others: NDArray[np.int64], b: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Return which of `some` (directions a) are too similar to which of `others` (directions b)."""
        if threshold >= 1:
            return np.zeros((len(some), len(others)), dtype=bool)
        cosine = a @ b.T
        out = np.asarray(cosine > threshold + slack)
        close = ~out & (cosine > threshold - slack)
        for at in np.flatnonzero(close.any(axis=1)):
            them = others[close[at]]
            gaps = np.empty((1, len(them)))
            one = some[at : at + 1]
            kernels.distances(0, len(them), rows[one], length[one], rows[them], length[them], gaps)
            out[at, close[at]] = 1.0 - gaps[0] > threshold
        return out

    with Crew():
        for start in range(0, len(order), BLOCK):
            some = order[start : start + BLOCK]
            some = some[rules.allowed[some]]
            directions = unit_rows(rows[some], np.float32)
            out = alike(some, directions, inside[:count], unit[:count]).any(axis=1)
            some, directions = some[~out], directions[~out]
            among = alike(some, directions, some, directions)
            out = np.zeros(len(some), dtype=bool)
            for at, row in enumerate(some.tolist()):
                if out[at] or not rules.allowed[row]:
                    continue
                rules.take(row)
                inside[count], unit[count] = row, directions[at]
                count += 1
                out |= among[:, at]
                if progress is not None:
                    progress(count - len(rules.initial), budget)
                if count == len(inside):
                    break
            if count == len(inside):
                break
    rules.warn_of_copies()
    chosen: list[int] = inside[len(rules.initial) : count].tolist()
    if len(chosen) < budget:
        warn(
            f"{len(chosen)} rows pass the threshold and the rules, fewer than the budget of {budget}. Raise the "
            "threshold to choose more."
        )
    return chosen
