"""Directions of rows, and which rows are one and the same."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BLOCK = 512  # rows at a time, so that a block stays in the cache
SAME = 1e-6  # rows this near, as a share of their norm, are one row: batches move a text's vector by 1e-7


def norms(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Euclidean norm of every row, summed in float64."""
    total = np.empty(len(matrix))
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK].astype(np.float64)
        total[start : start + BLOCK] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return total


def unit_rows(matrix: NDArray[np.floating], dtype: type[np.floating] | None = None) -> NDArray[np.floating]:
    """Return the rows scaled to norm 1, rounded once from float64 to `dtype` (default: the input's); zero rows stay."""
    unit = np.empty(matrix.shape, dtype=dtype or matrix.dtype)
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK].astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", block, block))
        length[length == 0] = 1.0
        block /= length[:, None]
        unit[start : start + BLOCK] = block
    return unit


def equal_rows(*matrices: NDArray[np.floating]) -> list[NDArray[np.intp]]:
    """Return a number for every row of every matrix; rows have one number where all their entries are equal."""
    numbers: dict[bytes, int] = {}  # by a digest: the rows themselves would be a second matrix

    def number(row: NDArray[np.floating]) -> int:
        content = (row + 0.0).tobytes()  # -0.0 + 0.0 is 0.0
        return numbers.setdefault(blake2b(content, digest_size=16).digest(), len(numbers))

    return [np.fromiter(map(number, matrix), dtype=np.intp, count=len(matrix)) for matrix in matrices]


def same_rows(matrix: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return for every row the lowest row that is the same row.

    Two rows x, y are the same when ‖x - y‖ <= 1e-6 ‖x‖, and so are rows joined by a chain of such pairs. A row
    like no other stands for itself. Rows are sorted along one of two fixed directions, on which no pair is further
    apart than in space, and compared with those within reach on both. O(n d + n log n) unless thousands of
    different rows lie within 1e-6 of each other.
    """
    n = len(matrix)
    arrows = np.random.default_rng(0).standard_normal((2, matrix.shape[1]))
    arrows /= norms(arrows)[:, None]
    place, length = np.empty((2, n)), norms(matrix)
    for start in range(0, n, BLOCK):
        block = matrix[start : start + BLOCK].astype(np.float64)
        for axis, arrow in enumerate(arrows):
            place[axis, start : start + BLOCK] = np.einsum("ij,j->i", block, arrow)
    order = np.argsort(place[0], kind="stable")
    # equal rows side by side: all stand for the first of their run, so that runs of copies cost nothing below
    head = np.ones(n, dtype=bool)
    for i, j, _ in _within(place[:, order], length[order], 1):
        head[j] = (matrix[order[i]] != matrix[order[j]]).any(axis=1)
    first = np.empty(n, dtype=np.intp)
    first[order] = order[np.flatnonzero(head)][np.cumsum(head) - 1]
    rows = order[head]
    label = np.arange(n)  # rows joined so far have one
    for step in range(1, len(rows)):
        more = False
        pairs = [np.empty((2, 0), dtype=np.intp)]
        for i, j, within in _within(place[:, rows], length[rows], step):
            more |= within
            apart = label[rows[i]] != label[rows[j]]
            i, j = i[apart], j[apart]
            a, b = matrix[rows[i]].astype(np.float64), matrix[rows[j]].astype(np.float64)
            same = np.sqrt(((a - b) ** 2).sum(axis=1)) <= SAME * np.minimum(length[rows[i]], length[rows[j]])
            pairs.append(np.stack([rows[i[same]], rows[j[same]]]))
        if not more:
            break
        left, right = label[np.concatenate(pairs, axis=1)]
        if len(left):
            graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
            label = connected_components(graph, directed=False)[1][label]
    lowest = np.full(label.max() + 1, n)
    np.minimum.at(lowest, label, np.arange(n))
    return np.asarray(lowest[label[first]])


def _within(
    place: NDArray[np.float64], length: NDArray[np.float64], step: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], bool]]:
    """Yield, in blocks, the places i, i + step in sorted order whose rows may be the same on both directions.

    The last of the three says whether any pair is within reach on the sorted direction: if not, no longer
    step has one.
    """
    reach = 1.001 * SAME * np.maximum(length[step:], length[:-step])
    near = place[0, step:] - place[0, :-step] <= reach
    close = np.flatnonzero(near & (np.abs(place[1, step:] - place[1, :-step]) <= reach))
    for start in range(0, max(len(close), 1), BLOCK):
        i = close[start : start + BLOCK]
        yield i, i + step, bool(near.any())
