"""Directions of rows, and which rows are one and the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SAME = 1e-6  # rows this near, as a share of their norm, are one row: batches move a text's vector by 1e-7


def norms(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Euclidean norm of every row, summed in float64."""
    total = np.empty(len(matrix))
    for start in range(0, len(matrix), 8192):
        block = matrix[start : start + 8192].astype(np.float64)
        total[start : start + 8192] = np.sqrt((block * block).sum(axis=1))
    return total


def unit_rows(matrix: NDArray[np.floating], dtype: type[np.floating] | None = None) -> NDArray[np.floating]:
    """Return the rows scaled to norm 1, rounded once from float64 to `dtype` (default: the input's).

    Every row is first divided by its largest entry, so that no square can overflow or vanish.
    """
    unit = np.empty(matrix.shape, dtype=dtype or matrix.dtype)
    for start in range(0, len(matrix), 8192):
        block = matrix[start : start + 8192].astype(np.float64)
        block /= np.abs(block).max(axis=1, keepdims=True)
        unit[start : start + 8192] = block / np.sqrt((block * block).sum(axis=1, keepdims=True))
    return unit


def same_rows(matrix: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return for every row the lowest row that is the same row.

    Two rows x, y are the same when ‖x - y‖ <= 1e-6 ‖x‖, and so are rows joined by a chain of such pairs. A row
    like no other stands for itself. Equal rows are found by their bytes, nearly equal ones by sorting along a
    fixed direction, on which no pair can be further apart than it is in space. O(n d + n log n).
    """
    matrix = np.ascontiguousarray(matrix) + 0.0  # -0.0 and 0.0 have different bytes
    view = matrix.view(np.dtype((np.void, matrix.dtype.itemsize * matrix.shape[1]))).ravel()
    _, first, group = np.unique(view, return_index=True, return_inverse=True)
    order = np.argsort(first)  # distinct rows in order of appearance
    rows = first[order]
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    near = _nearly_equal(matrix, rows)
    return rows[near[rank[group]]].astype(np.intp)


def _nearly_equal(matrix: NDArray[np.floating], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each of `rows` (distinct, ascending) the position of the first one joined to it."""
    arrow = np.random.default_rng(0).standard_normal(matrix.shape[1])
    direction = arrow / np.linalg.norm(arrow)
    length = norms(matrix)[rows]
    place = np.empty(len(rows))
    for start in range(0, len(rows), 8192):
        block = matrix[rows[start : start + 8192]].astype(np.float64)
        place[start : start + 8192] = (block * direction).sum(axis=1)
    order = np.argsort(place, kind="stable")
    place, length = place[order], length[order]
    left: list[NDArray[np.intp]] = []
    right: list[NDArray[np.intp]] = []
    for step in range(1, len(rows)):
        reach = SAME * np.maximum(length[step:], length[:-step]) * 1.001
        close = np.flatnonzero(place[step:] - place[:-step] <= reach)
        if not len(close):
            break
        for start in range(0, len(close), 8192):
            i = close[start : start + 8192]
            a = matrix[rows[order[i]]].astype(np.float64)
            b = matrix[rows[order[i + step]]].astype(np.float64)
            same = np.sqrt(((a - b) ** 2).sum(axis=1)) <= SAME * np.minimum(length[i], length[i + step])
            left.append(order[i[same]])
            right.append(order[i[same] + step])
    if not left:
        return np.arange(len(rows))
    i, j = np.concatenate(left), np.concatenate(right)
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(len(rows), len(rows)))
    _, label = connected_components(graph, directed=False)
    lowest = np.full(label.max() + 1, len(rows))
    np.minimum.at(lowest, label, np.arange(len(rows)))
    return np.asarray(lowest[label])
