"""The true k nearest rows: a fast search in float32, then proof and repair in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check, _ray
from assay._parallel import over_blocks
from assay.errors import DataError
from assay.neighbors.same import equal_rows, norms, unit_rows

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

    A float32 search (faiss on the CPU, blocked matrix products in torch elsewhere) proposes a few rows more
    than asked. Their distances are computed again in float64 by direct differences, and a query is accepted
    only when the rounding bound of the search proves that no row left out could be nearer; the others are
    searched again, wider. The result is therefore the same on every device and for any number of threads.

    Parameters
    ----------
    queries : array (n, d)
        Rows that ask. float16 is widened to float32.
    k : int
        How many neighbours, from 1 to the number of reference rows (one less when `reference` is None).
    reference : array (N, d), optional
        Rows that answer. None: the queries themselves, where no row is its own neighbour.
    metric : {"l2", "sqeuclidean", "cosine"}
        Euclidean distance, its square, or 1 - cosine.
    device : str
        "cpu", "cuda", "cuda:1" ...; anything but "cpu" needs torch.
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
    2 n N d operations in the search and about n (k + 16) d in the proof; O(n k + block) memory beside copies
    of both matrices in float32. Where exact copies leave ties that no wider search would settle, distinct rows are
    searched and then spread over their copies. With "ray" the reference lies in the object store once, each worker has
    a float32 copy of its shard (and a float64 one under cosine), and 8,192 queries are under way at a time.

    Examples
    --------
    >>> knn([[0.0], [1.0], [3.0]], 1).indices.ravel().tolist()
    [1, 0, 1]
    """
    _check.choice("metric", metric, METRICS)
    _ray.check_engine(engine, workers, device)
    asking = _check.embeddings("queries", queries, directions=metric == "cosine")
    if reference is None:
        answering = asking
    else:
        answering = _check.embeddings("reference", reference, directions=metric == "cosine")
        _check.same_width("queries", asking, "reference", answering)
    usable = len(answering) - (reference is None)
    if not 1 <= _check.whole("k", k) <= usable:
        raise DataError(f"k must be from 1 to {usable}, the number of rows that can be neighbors; got {k}.")
    own = reference is None
    if engine == "ray" and known is None:
        from assay.neighbors.shards import nearest_of_shards

        return Neighbors(*nearest_of_shards(asking, answering, k, metric, own, workers))
    if metric == "cosine":
        asking = unit_rows(asking, np.float64)
        answering = asking if own else unit_rows(answering, np.float64)
    indices, squares = _nearest(asking, answering, k, own=own, device=device, known=known)
    if metric == "cosine":
        squares /= 2.0
    elif metric == "l2":
        np.sqrt(squares, out=squares)
    return Neighbors(indices, squares)


def _nearest(
    asking: NDArray[np.floating],
    answering: NDArray[np.floating],
    k: int,
    *,
    own: bool,
    device: str,
    known: Known | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return indices and squared distances of the k nearest rows, proven."""
    indices = np.empty((len(asking), k), dtype=np.int64)
    squares = np.empty((len(asking), k))
    todo = np.arange(len(asking))
    reach, length = norms(answering), norms(asking)
    if known is not None and known.indices.shape[1] >= k:
        for start in range(0, len(asking), 8192):
            rows = todo[start : start + 8192]
            indices[rows], squares[rows] = _measure(asking, rows, answering, known.indices[rows], k, own)
        with np.errstate(invalid="ignore"):  # |x - y|^2 = (|x| - |y|)^2 + 2 |x| |y| (cosine distance)
            left = 2.0 * length * float(reach.min()) * known.bound
        todo = todo[~(squares[:, -1] <= left)]
        if not len(todo):
            return indices, squares
    longest = max(float(reach.max()), float(length.max()))
    scale = 2.0 ** -math.floor(math.log2(longest)) if longest > 0 else 1.0  # a power of two: no rounding
    q32 = (asking * scale).astype(np.float32)
    r32 = q32 if answering is asking else (answering * scale).astype(np.float32)
    # |computed - true| of a squared distance from float32 norms and products, for any order of summation
    slack = (asking.shape[1] + 8) * 2.0**-24 * (longest * scale + length * scale) ** 2
    width = k + own + 12
    copies: NDArray[np.int64] | None = None
    while len(todo):
        width = min(width, len(answering))
        step = max(1, min(8192, 2**25 // width))
        unsure: list[NDArray[np.intp]] = []
        for start in range(0, len(todo), step):
            rows = todo[start : start + step]
            found, edge = _search(q32[rows], r32, width, device)
            if width == len(answering):
                edge = np.full(len(rows), np.inf)
            index, square = _measure(asking, rows, answering, found, k, own)
            proven = square[:, -1] * scale * scale <= edge - slack[rows]
            indices[rows], squares[rows] = index, square
            unsure.append(rows[~proven])
        todo = np.concatenate(unsure)
        width *= 4
        if len(todo) and copies is None and k + own <= 64:
            copies = _copies(answering, k + own)
        if copies is not None and len(copies) < len(answering):  # ties that no wider search would settle
            distinct, enough = answering[copies[:, 0]], min(k + own, len(copies))
            near, _ = _nearest(asking[todo], distinct, enough, own=False, device=device, known=None)
            for start in range(0, len(todo), 1024):
                rows = todo[start : start + 1024]
                found = copies[near[start : start + 1024]].reshape(len(rows), -1)
                indices[rows], squares[rows] = _measure(asking, rows, answering, found, k, own)
            break
    return indices, squares


def _copies(rows: NDArray[np.floating], most: int) -> NDArray[np.int64]:
    """Return for every distinct row the numbers of its first `most` copies, lowest first, then -1."""
    [number] = equal_rows(rows)
    order = np.argsort(number, kind="stable")
    count = np.bincount(number)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    out = np.full((len(count), min(most, int(count.max()))), -1, dtype=np.int64)
    few = rank < most
    out[number[order][few], rank[few]] = order[few]
    return out


def _search(
    queries: NDArray[np.float32], reference: NDArray[np.float32], k: int, device: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return k candidates a query by float32 search and the largest squared distance among them."""
    if device == "cpu":
        import faiss

        squares, indices = faiss.knn(queries, reference, k)
        return indices, squares[:, -1].astype(np.float64)
    return _search_torch(queries, reference, k, device)


def _search_torch(
    queries: NDArray[np.float32], reference: NDArray[np.float32], k: int, device: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """As `_search`, by blocked matrix products and topk in torch on any device."""
    torch = _check.require("torch", "lm", f"device {device!r}")
    where = device_of(device)
    asking = torch.from_numpy(queries).to(where)
    best: Any = None
    rows: Any = None
    tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        step = max(k, 2**28 // max(1, len(queries)))
        for start in range(0, len(reference), step):
            answering = torch.from_numpy(reference[start : start + step]).to(where)
            squares = torch.addmm((answering * answering).sum(1)[None, :], asking, answering.T, alpha=-2.0)
            value, index = torch.topk(squares, min(k, len(answering)), dim=1, largest=False)
            index = index + start
            if best is not None:
                value, index = torch.cat([best, value], 1), torch.cat([rows, index], 1)
                value, order = torch.topk(value, min(k, value.shape[1]), dim=1, largest=False)
                index = torch.gather(index, 1, order)
            best, rows = value, index
    finally:
        torch.backends.cuda.matmul.allow_tf32 = tf32
    edge = best.amax(1).double() + (asking.double() ** 2).sum(1)
    return rows.cpu().numpy(), edge.cpu().numpy()


def device_of(name: str) -> Any:
    """Return the torch device of that name, or raise when this machine has none."""
    torch = _check.require("torch", "lm", f"device {name!r}")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DataError(f"device must be cpu, cuda or cuda:N; got {name!r}.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DataError(
            f"device must be one that this machine has; got {name!r} and {torch.cuda.device_count()} CUDA devices. "
            "Use --device cpu."
        )
    return device


def _measure(
    asking: NDArray[np.floating],
    rows: NDArray[np.intp],
    answering: NDArray[np.floating],
    found: NDArray[np.int64],
    k: int,
    own: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the k nearest of the candidates by float64 differences, ties by lower row."""
    index = np.sort(found, axis=1)
    square = np.empty(index.shape)
    block = max(1, 2**21 // (index.shape[1] * asking.shape[1]))

    def work(start: int, stop: int) -> None:
        gap = answering[index[start:stop]].astype(np.float64)
        gap -= asking[rows[start:stop], None, :]
        np.einsum("qkd,qkd->qk", gap, gap, out=square[start:stop])

    over_blocks(len(index), block, work)
    square[index < 0] = np.inf
    if own:
        square[index == rows[:, None]] = np.inf
    order = np.argsort(square, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(index, order, 1), np.take_along_axis(square, order, 1)
