"""How dense the reference is around each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check, _ray
from assay.errors import DataError
from assay.neighbors.exact import Known, Neighbors, knn, nearest
from assay.neighbors.same import SAME, norms, same_rows

DENSITY_STATISTICS = ("mean_sq_l2", "sum_cosine")


def local_density(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    neighbors: int = 10,
    statistic: str = "mean_sq_l2",
    deduplicate: bool | None = None,
    device: str = "cpu",
    known: Known | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> NDArray[np.float64]:
    """Return the density of the reference around each row: the inverse distance to its nearest rows.

    Higher means denser. The one reference row that *is* the query is left out, and none when there is none:
    the row at ‖e - y‖ <= 1e-6 ‖e‖, since the same text embedded in another batch moves by about 1e-7.

    Parameters
    ----------
    embeddings : array (n, d)
    reference : array (N, d), optional
        The rows that stand for the natural distribution; None: the embeddings themselves.
    neighbors : int
        How many nearest rows (K), at least 1. The paper's setting is 10.
    statistic : {"mean_sq_l2", "sum_cosine"}
        ``1 / (mean squared Euclidean distance + 1e-9)``, as the authors' program has it, or
        ``1 / (sum of cosine distances)``, as the paper's figure has it.
    deduplicate : bool, optional
        Count rows of the reference that are the same only once. None: with "mean_sq_l2" yes, else no.
    device : str
        Where the search runs, see `knn`.
    known : Known, optional
        Rows of the reference proposed by a search made before, see `knn`.
    engine : {"local", "ray"}
        Where the search runs, see `knn`; copies are looked for in this process.
    workers : int, optional
        Ray workers, see `knn`.

    Returns
    -------
    array (n,) of float64, positive. Comparable only for one reference, statistic and number of neighbors.

    Raises
    ------
    DataError
        When `neighbors` exceeds the rows that can be neighbours, or a sum of distances is zero.

    Notes
    -----
    2 n N d operations, half of that where the rows are their own reference, and no copy of either matrix (see `knn`),
    so that they may be memory-mapped. On unit rows the first statistic is K/2 times the second, but for the 1e-9.
    Source: Yang et al., ACL 2025, arXiv 2502.17184. The authors' program drops the first neighbour blindly,
    also where the query is not in the reference; this does not.

    Examples
    --------
    >>> local_density([[0.0], [1.0], [3.0]], neighbors=1).round(3).tolist()
    [1.0, 1.0, 0.25]
    """
    _check.choice("density_statistic", statistic, DENSITY_STATISTICS)
    _ray.check_engine(engine, workers, device)
    cosine = statistic == "sum_cosine"
    rows = _check.embeddings("embeddings", embeddings, directions=cosine, narrow=True)
    pool = rows
    if reference is not None:
        pool = _check.embeddings("reference", reference, directions=cosine, narrow=True)
    _check.same_width("embeddings", rows, "reference", pool)
    neighbors = _check.whole("neighbors", neighbors, 1)
    if deduplicate is None:
        deduplicate = not cosine
    without = same_rows(pool) != np.arange(len(pool)) if deduplicate else np.zeros(len(pool), dtype=bool)
    usable = len(pool) - int(without.sum())
    if neighbors > usable:
        raise _too_many(neighbors, usable)
    metric, most = "cosine" if cosine else "sqeuclidean", min(neighbors + 1, usable)
    if engine == "ray" and known is None:
        distinct = np.flatnonzero(~without)
        found = knn(
            rows,
            most,
            reference=pool[distinct] if without.any() else pool,
            metric=metric,
            engine=engine,
            workers=workers,
        )
        near = Neighbors(distinct[found.indices], found.distances)
    else:
        near = nearest(
            rows,
            pool,
            most,
            metric=metric,
            own=False,
            device=device,
            known=None
            if known is None
            else Known(np.where(without[known.indices], -1, known.indices), known.bound),
            without=without if without.any() else None,
        )
    length = norms(rows)
    own = np.full(len(rows), near.indices.shape[1])  # the column to leave out; past the end: none
    for column in reversed(range(near.indices.shape[1])):
        if cosine:  # rows of one direction may be of two lengths
            close = np.flatnonzero(near.distances[:, column] <= SAME)
            gap = np.sqrt(_squares(rows, close, pool, near.indices[close, column]))
        else:
            close, gap = np.arange(len(rows)), np.sqrt(near.distances[:, column])
        own[close[gap <= SAME * length[close]]] = column
    if neighbors == usable and (own < usable).any():
        raise _too_many(neighbors, usable - 1)
    keep = np.arange(near.indices.shape[1])[None, :] != own[:, None]
    if near.indices.shape[1] > neighbors:
        keep[own == near.indices.shape[1], -1] = False  # nothing left out: the farthest is one too many
    distances = near.distances[keep].reshape(len(rows), neighbors)
    if not cosine:
        return np.asarray(1.0 / (distances.mean(axis=1) + 1e-9))
    total = distances.sum(axis=1)
    if (total <= 0).any():
        bad = np.flatnonzero(total <= 0)
        raise DataError(
            f"density needs a positive sum of distances; {len(bad)} rows have {neighbors} copies in the reference, "
            f"first at row {bad[0]}. Remove duplicates, or use density_statistic='mean_sq_l2'."
        )
    return np.asarray(1.0 / total)


def _squares(
    rows: NDArray[np.floating], some: NDArray[np.intp], pool: NDArray[np.floating], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the squared distance of each of some rows to one row of the pool."""
    out = np.empty(len(some))
    for start in range(0, len(some), 8192):
        gap = rows[some[start : start + 8192]].astype(np.float64) - pool[index[start : start + 8192]]
        out[start : start + 8192] = (gap * gap).sum(axis=1)
    return out


def _too_many(neighbors: int, usable: int) -> DataError:
    return DataError(
        f"neighbors must be <= the usable rows of the reference ({usable}); got {neighbors}. "
        "Copies and the row itself do not count. Use fewer neighbors or a larger reference."
    )
