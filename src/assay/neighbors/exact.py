"""The true k nearest rows: a fast search in float32, then proof and repair in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check, _ray
from assay._parallel import over_blocks
from assay.errors import DataError
from assay.neighbors.same import equal_rows, norms
from assay.neighbors.search import Side, propose, propose_for_all
from assay.neighbors.through_torch import propose_torch

METRICS = ("l2", "sqeuclidean", "cosine")


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The nearest rows of every query: `indices` (n, k) and `distances` (n, k), ascending, ties by lower row."""

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """What another search found: for every query rows of the reference (n, w), and a cosine distance (n,) that no
    other row falls short of. A row of -1 counts as none."""

    indices: NDArray[np.int64]
    bound: NDArray[np.float64]


def knn(
    queries: ArrayLike,
    k: int,
    *,
    reference: ArrayLike | None = None,
    metric: str = "l2",
    device: str = "cpu",
    known: Known | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> Neighbors:
    """Return the exact k nearest rows of `reference` for every row of `queries`.

    A float32 search (blocked matrix products, in torch where `device` is not "cpu") proposes a few rows more
    than asked. Their distances are computed again in float64 by direct differences, and a query is accepted
    only when the rounding bound of the search proves that no row left out could be nearer; the others are
    searched again, wider. The result is therefore the same on every device and for any number of threads.

    Parameters
    ----------
    queries : array (n, d)
        Rows that ask. A matrix that is memory-mapped is read block by block; float16 is worked on in float32.
    k : int
        How many neighbours, from 1 to the number of reference rows (one less when `reference` is None).
    reference : array (N, d), optional
        Rows that answer. None: the queries themselves, where no row is its own neighbour.
    metric : {"l2", "sqeuclidean", "cosine"}
        Euclidean distance, its square, or 1 - cosine.
    device : str
        "cpu", "cuda", "cuda:1" ...; anything but "cpu" needs torch. "torch:cpu" runs on the processor what a GPU runs.
    known : Known, optional
        Rows proposed by a search made before. They are proven like others, so that the result is the same; only
        queries for which the proof fails are searched again, in this process.
    engine : {"local", "ray"}
        "ray": the reference is cut into shards, each held by a Ray worker of one core, and the nearest of all shards
        are merged here. The result is the same, to the last bit, for any number of workers.
    workers : int, optional
        Ray workers, at least 1. None: one for every CPU of the cluster.

    Returns
    -------
    Neighbors
        int64 indices into the reference and float64 distances, both (n, k), ascending, ties by lower row.

    Raises
    ------
    DataError
        For arrays that are empty, not finite or of different widths, zero rows under cosine, k out of range.

    Notes
    -----
    2 n N d operations in the search, half of that where the queries are the reference and the device is "cpu", and
    about n (k + 3) d in the proof. Memory: 8 bytes x n (k + 13) for the candidates, 24 a row of both matrices, and
    blocks of 64 MB for the reference and 20 MB per thread; no copy of a matrix. On a device, blocks take at most a
    quarter of what is free. Where exact copies leave ties that no wider search would settle, distinct rows are
    searched and then spread over their copies. With "ray" the reference lies in the object
    store once, and 8,192 queries are under way at a time.

    Examples
    --------
    >>> knn([[0.0], [1.0], [3.0]], 1).indices.ravel().tolist()
    [1, 0, 1]
    """
    _check.choice("metric", metric, METRICS)
    _ray.check_engine(engine, workers, device)
    asking = _check.embeddings("queries", queries, directions=metric == "cosine", narrow=True)
    if reference is None:
        answering = asking
    else:
        answering = _check.embeddings("reference", reference, directions=metric == "cosine", narrow=True)
        _check.same_width("queries", asking, "reference", answering)
    usable = len(answering) - (reference is None)
    if not 1 <= _check.whole("k", k) <= usable:
        raise DataError(f"k must be from 1 to {usable}, the number of rows that can be neighbors; got {k}.")
    own = reference is None
    if engine == "ray" and known is None:
        from assay.neighbors.shards import nearest_of_shards

        return Neighbors(*nearest_of_shards(asking, answering, k, metric, own, workers))
    return nearest(asking, answering, k, metric=metric, own=own, device=device, known=known, without=None)


def nearest(
    asking: NDArray[np.floating],
    answering: NDArray[np.floating],
    k: int,
    *,
    metric: str,
    own: bool,
    device: str,
    known: Known | None,
    without: NDArray[np.bool_] | None,
) -> Neighbors:
    """As `knn`, for matrices that are checked; rows of `answering` that are in `without` do not answer.

    With `own` no row is its own neighbour.
    """
    cosine = metric == "cosine"
    length = norms(asking)
    reach = length if _one(asking, answering) else norms(answering)
    longest = 1.0 if cosine else max(float(reach.max()), float(length.max()))
    scale = 2.0 ** -math.floor(math.log2(longest)) if longest > 0 else 1.0  # a power of two: no rounding
    if 2.0**-20 < scale < 2.0**20 and np.float64 not in (asking.dtype, answering.dtype):
        scale = 1.0  # float32 rows are compared as they are
    queries = Side(asking, length, scale, cosine)
    pool = Side(answering, reach, scale, cosine, without)
    todo = np.arange(len(asking))
    indices, squares = np.full((len(asking), k), -1), np.full((len(asking), k), np.inf)
    if known is not None and known.indices.shape[1] >= k:
        everything = np.zeros(known.indices.shape), known.indices, np.full(len(asking), np.inf)
        indices, squares = _settle(queries, todo, pool, *everything, k, own)
        with np.errstate(invalid="ignore"):  # |x - y|^2 = (|x| - |y|)^2 + 2 |x| |y| (cosine distance)
            left = 2.0 * (1.0 if cosine else length * float(reach.min())) * known.bound
        todo = todo[~(squares[:, -1] <= left)]
    if len(todo):
        indices[todo], squares[todo] = _proven(queries, todo, pool, k, own, device)
    if cosine:
        squares /= 2.0
    elif metric == "l2":
        np.sqrt(squares, out=squares)
    return Neighbors(indices, squares)


def _one(a: NDArray[np.floating], b: NDArray[np.floating]) -> bool:
    """Return whether both are the same memory."""
    return a is b or (a.shape == b.shape and a.dtype == b.dtype and a.ctypes.data == b.ctypes.data)


def _proven(
    asking: Side, queries: NDArray[np.intp], answering: Side, k: int, own: bool, device: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return indices and squared distances of the k nearest rows of each query."""
    n, d = answering.rows.shape
    indices, squares = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    todo = np.arange(len(queries))
    among = _one(asking.rows, answering.rows) and len(queries) == n and device == "cpu"
    width = k + own + 12
    dtype: type[np.floating] = np.float32
    while len(todo):
        width = min(width, n)
        # |computed - true| of a squared distance by rounded rows, norms and products, for any order of summation
        error = (d + 16) * float(np.finfo(dtype).eps) / 2.0
        if asking.cosine:
            slack = np.full(len(todo), 4.0 * error)
        else:
            longest = max(float(answering.length.max()), float(asking.length.max()))
            slack = error * (answering.scale * (longest + asking.length[queries[todo]])) ** 2
        unsure = [todo[:0]]
        step = n if among else max(1, 2**24 // width)
        for start in range(0, len(todo), step):
            at = todo[start : start + step]
            beyond = slack[start : start + step]
            if among:
                keys, rows = propose_for_all(answering, width, dtype)
            elif device == "cpu":
                keys, rows = propose(asking, queries[at], answering, width, dtype)
            else:
                keys, rows = propose_torch(asking, queries[at], answering, width, dtype, device)
            index, square = _settle(asking, queries[at], answering, keys, rows, beyond, k, own)
            edge = np.full(len(at), np.inf) if width == n else 2.0 * keys[:, 0].astype(np.float64)
            sure = square[:, -1] * answering.scale**2 <= edge - beyond
            if among and answering.without is not None:
                sure &= ~answering.without  # they did not ask
            indices[at], squares[at] = index, square
            unsure.append(at[~sure])
        todo = np.concatenate(unsure)
        if dtype is np.float32 and len(todo) and answering.without is None and k + own <= 64:
            copies, number = _copies(answering.rows, k + own)
            if (
                len(copies) < n
            ):  # ties that no wider search would settle: search distinct rows, then spread them
                without = np.ones(n, dtype=bool)
                without[copies[:, 0]] = False
                distinct = replace(answering, without=without)
                near, _ = _proven(asking, queries[todo], distinct, min(k + own, len(copies)), False, device)
                for start in range(0, len(todo), 1024):
                    at = todo[start : start + 1024]
                    found = copies[number[near[start : start + 1024]]].reshape(len(at), -1)
                    anywhere = np.zeros(found.shape), found, np.full(len(at), np.inf)
                    indices[at], squares[at] = _settle(asking, queries[at], answering, *anywhere, k, own)
                break
        if not (among and answering.without is not None):
            width, dtype = width * 4, np.float64
        among = False
    return indices, squares


def _settle(
    asking: Side,
    queries: NDArray[np.intp],
    answering: Side,
    keys: NDArray[np.floating],
    rows: NDArray[np.integer],
    slack: NDArray[np.float64],
    k: int,
    own: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the k nearest of the rows proposed by float64 differences, ties by lower row.

    `keys` are half their squared distances, which are then wrong by `slack` at most.
    """
    from assay.neighbors.kernels import settle

    indices, squares = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    shrink = answering.scale**2

    def work(start: int, stop: int) -> None:
        here = queries[start:stop]
        mine = asking.rows[here]
        at, theirs = rows[start:stop], answering.rows
        if theirs.dtype == np.float16:  # the kernel knows no such numbers
            theirs = theirs[at].reshape(-1, theirs.shape[1]).astype(np.float32)
            at = np.arange(at.size).reshape(at.shape)
        settle(
            mine.astype(np.float32) if mine.dtype == np.float16 else mine,
            asking.length[here],
            here if own else np.full(len(here), -1),
            theirs,
            answering.length,
            asking.cosine,
            at.astype(np.int64, copy=False),
            2.0 * keys[start:stop].astype(np.float64) / shrink,
            rows[start:stop].astype(np.int64, copy=False),
            slack[start:stop] / shrink,
            indices[start:stop],
            squares[start:stop],
        )

    over_blocks(len(queries), max(1, min(1024, 2**22 // (rows.shape[1] * asking.rows.shape[1]))), work)
    return indices, squares


def _copies(rows: NDArray[np.floating], most: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return for every distinct row the numbers of its first `most` copies, lowest first, then -1; and of every row
    which distinct row it is."""
    [number] = equal_rows(rows)
    order = np.argsort(number, kind="stable")
    count = np.bincount(number)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    out = np.full((len(count), min(most, int(count.max()))), -1, dtype=np.int64)
    few = rank < most
    out[number[order][few], rank[few]] = order[few]
    return out, number
