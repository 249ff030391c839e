"""Vectors and the kinds of every row -> which rows: so many of each kind, each unlike those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError

NO_LIMIT = np.iinfo(np.int64).max // 2
EPSILON = 0.01


@dataclass(frozen=True, slots=True)
class Filled:
    """Chosen rows in order of choice, and how many of them have each kind."""

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]


def fill_quotas(
    vectors: ArrayLike,
    kinds: Sequence[Sequence[int]],
    *,
    targets: Sequence[int],
    order: Sequence[int] | None = None,
    limits: Sequence[tuple[Sequence[int], Sequence[int]]] = (),
    epsilon: float = EPSILON,
    levels: bool = False,
    kept: Sequence[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Filled:
    """Choose rows until each kind has its target, each time the one least like those chosen of the kind.

    Kinds are filled in turn. A chosen row counts for all its kinds. Of the rows of the kind that may be chosen, the one
    with the lowest maximum cosine to the chosen rows of that kind is taken; of those within `epsilon` of it the one
    that has most kinds still below their target, then the lowest row. Where none is chosen yet, all are equal.

    Parameters
    ----------
    vectors : array (n, d)
        Of norm 1.
    kinds
        The kinds of each row, numbers from 0, each once; perhaps none.
    targets
        How many rows each kind is to have. A kind with fewer rows gets all of them.
    order
        The kinds to be filled, in turn; by default all, fewest rows first.
    limits
        Pairs of (group of each row, most rows of each group). A row is only chosen while none of its groups is full.
    epsilon
        Difference of cosines that counts as none, 0 to 2.
    levels
        Raise all targets together, by a quarter each time, so that where limits bind all kinds get about as many. The
        last ones of the order would get nothing otherwise.
    kept
        Rows that are chosen already; they count for their kinds and for their groups.

    Returns
    -------
    Filled
        Without limits, every kind has min(target, its rows) or more.

    Notes
    -----
    At most the sum over kinds of (rows x chosen rows) cosines of d products each, in float64; rows whose old maximum
    rules them out are not computed again (lazy, exact). One thread, a fixed order of sums: no BLAS, so the same bytes
    for any number of threads. Memory: 24 bytes a row and kind beside the vectors.

    Examples
    --------
    >>> import numpy as np
    >>> rows = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]]
    >>> fill_quotas(rows, [[0], [0], [0, 1], [1]], targets=[2, 1]).rows.tolist()
    [2, 0]
    """
    from assay.ner import kernels

    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    n = len(kinds)
    if matrix.ndim != 2 or len(matrix) != n:
        raise DataError(f"vectors must be a matrix with one row for each of {n}; got shape {matrix.shape}.")
    if not np.isfinite(matrix).all():
        raise DataError("vectors must be finite; some hold NaN or inf.")
    _check.between("epsilon", epsilon, 0, 2)
    needs = np.array(targets, dtype=np.int64)
    kind_starts = np.concatenate([[0], np.cumsum([len(each) for each in kinds])]).astype(np.int64)
    flat = np.array([kind for each in kinds for kind in each], dtype=np.int64)
    if len(flat) and not 0 <= flat.min() <= flat.max() < len(needs):
        raise DataError(f"kinds must be from 0 to {len(needs) - 1}; got {flat.min()} to {flat.max()}.")
    rows = np.repeat(np.arange(n), np.diff(kind_starts))[np.argsort(flat, kind="stable")]
    sizes = np.bincount(flat, minlength=len(needs))
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    groups, left = _limits(limits, n)
    count, chosen = np.zeros(len(needs), dtype=np.int64), np.empty(len(flat), dtype=np.int64)
    taken = np.zeros(n, dtype=bool)
    for row in kept:
        taken[row] = True
        left[groups[row]] -= 1
        for kind in kinds[row]:
            chosen[starts[kind] + count[kind]] = row
            count[kind] += 1
    state: tuple[Any, ...] = (
        *(matrix, rows, starts, np.full(len(flat), -np.inf), np.zeros(len(flat), dtype=np.int64)),
        *(chosen, count, flat, kind_starts, needs, taken, groups, left, epsilon),
    )
    turns = sorted(range(len(needs)), key=lambda kind: (sizes[kind], kind)) if order is None else list(order)
    found: list[NDArray[np.int64]] = []
    highest = int(needs[turns].max()) if turns else 0
    level = 1 if levels else highest
    goal = int(np.minimum(needs, sizes)[turns].sum())
    while turns:
        for kind in turns:
            target = min(level, int(needs[kind]))
            out = np.empty(max(target - int(count[kind]), 0), dtype=np.int64)
            found.append(out[: kernels.fill(kind, target, *state, out)])
            if progress is not None:
                progress(int(np.minimum(count, np.minimum(needs, sizes))[turns].sum()), goal)
        if level >= highest:
            break
        level = min(highest, level + max(1, level // 4))
    return Filled(np.concatenate([np.empty(0, dtype=np.int64), *found]), count)


def _limits(
    limits: Sequence[tuple[Sequence[int], Sequence[int]]], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the groups of every row (n, limits), numbered over all limits, and how many rows each has left."""
    groups = np.empty((n, len(limits)), dtype=np.int64)
    left: list[int] = []
    for at, (group, most) in enumerate(limits):
        groups[:, at] = np.asarray(group, dtype=np.int64) + len(left)
        left += most
    return groups, np.array(left, dtype=np.int64)
