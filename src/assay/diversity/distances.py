"""Measures made of distances between rows, or of the spread of single dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check, _ray
from assay.diversity.pairs import Steps, Tile, Wants, even, stepwise, warn_of_copies
from assay.errors import DataError, warn
from assay.neighbors import METRICS, knn, norms, unit_rows

Form = Literal["mean_offdiag", "mean_all", "sum_pairs", "sum_ordered"]


def distsum_cosine(embeddings: ArrayLike, *, form: Form = "mean_offdiag") -> float:
    """Return the sum or mean of the cosine distances between all pairs of samples.

    Higher means more diverse. Means may be compared between sets of different size, sums only at equal size.

    Parameters
    ----------
    embeddings : array (n, d)
        At least two rows, none of them zero.
    form : {"mean_offdiag", "mean_all", "sum_pairs", "sum_ordered"}
        Mean over ordered pairs of different samples; mean over all n² pairs, each sample with itself among them
        (what the authors' program prints); sum over unordered pairs; sum over ordered pairs. Which of them the
        paper's tables show is unverified.

    Returns
    -------
    float
        Means in 0..2.

    Raises
    ------
    DataError
        Fewer than two rows, rows that are not finite or zero, an unknown form.

    Notes
    -----
    O(n d), since the sum over ordered pairs is n² - ‖Σ û‖². Invariant to the order and the length of rows.
    Source: Yu et al. 2022 (maximum dispersion); compared in Yang et al., ACL 2025, arXiv 2502.17184.

    Examples
    --------
    >>> distsum_cosine([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    1.3333333333333333
    """
    _check.choice("form", form, get_args(Form))
    rows = _at_least_two(embeddings, directions=True)
    warn_of_copies(rows)
    total = np.zeros(rows.shape[1])
    for start in range(0, len(rows), 8192):
        total += unit_rows(rows[start : start + 8192], np.float64).sum(axis=0)
    n = len(rows)
    return _in_form(max(0.0, float(n * n - total @ total)), n, form)


@stepwise
def distsum_l2(
    embeddings: ArrayLike,
    *,
    form: Form = "mean_offdiag",
    engine: str = "local",
    workers: int | None = None,
) -> Steps[float]:
    """Return the sum or mean of the Euclidean distances between all pairs of samples.

    Higher means more diverse. Means may be compared between sets of different size, sums only at equal size.

    Parameters
    ----------
    embeddings : array (n, d)
        At least two rows.
    form : {"mean_offdiag", "mean_all", "sum_pairs", "sum_ordered"}
        As in `distsum_cosine`.
    engine, workers
        As in `novelsum`.

    Returns
    -------
    float
        At least 0; grows with the length of the rows.

    Raises
    ------
    DataError
        Fewer than two rows, rows that are not finite, an unknown form.

    Notes
    -----
    2 n² d operations in blocks of rows, never n x n. Distances come from cosines and lengths in the precision of the
    input, in float64 where all rows point nearly one way. Source: as `distsum_cosine`.

    Examples
    --------
    >>> distsum_l2([[0.0], [1.0], [3.0]], form="sum_pairs")
    6.0
    """
    _check.choice("form", form, get_args(Form))
    _ray.check_engine(engine, workers)
    rows = _at_least_two(embeddings)
    wants = Wants(rows, of=_RootSums(norms(rows)))
    yield [wants]
    assert wants.values is not None
    warn_of_copies(rows)
    return _in_form(float(wants.values.sum()), len(rows), form)


@dataclass(frozen=True, slots=True)
class _RootSums:
    """The sum of a row's Euclidean distances to all rows, from their lengths and cosine distances."""

    length: NDArray[np.float64]

    def __call__(self, part: Tile) -> NDArray[np.float64]:
        kind = part.gap.dtype.type
        here = slice(part.start, part.stop)
        extra = (
            self.length - self.length.mean()
        )  # so that differences of lengths keep their digits in float32
        # |x - y|^2 = (|x| - |y|)^2 + 2 |x| |y| (cosine distance)
        square = part.gap * (2.0 * self.length).astype(kind)
        square *= self.length[here, None].astype(kind)
        step = np.subtract.outer(extra[here].astype(kind), extra.astype(kind))
        np.multiply(step, step, out=step)
        square += step
        return np.asarray(np.sqrt(square, out=square).sum(axis=1, dtype=np.float64))


@stepwise
def knn_distance(
    embeddings: ArrayLike,
    *,
    neighbors: int = 1,
    statistic: Literal["kth", "mean"] = "kth",
    metric: Literal["cosine", "l2", "sqeuclidean"] = "cosine",
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
) -> Steps[float]:
    """Return the mean distance of a sample to its k-th nearest other sample.

    Higher means more diverse: samples keep away from each other. Falls as n grows, so compare equal sizes.

    Parameters
    ----------
    embeddings : array (n, d)
        More rows than `neighbors`.
    neighbors : int
        k, at least 1. The paper's 1 with cosine distance is unverified.
    statistic : {"kth", "mean"}
        Distance to the k-th neighbour, or the mean over the k nearest.
    metric : {"cosine", "l2", "sqeuclidean"}
        See `assay.neighbors.knn`. emb-diversity has the 2nd neighbour, OpenDataArena the mean over 10 by "l2".
    device : str
        Where the neighbour search runs.
    engine, workers
        As in `novelsum`.

    Returns
    -------
    float
        At least 0; 0 when every sample has a copy (with a warning).

    Raises
    ------
    DataError
        Fewer than two rows, ``neighbors`` beyond n - 1, rows that are not finite, zero rows under cosine.

    Notes
    -----
    2 n² d operations. Source: Stasaski et al. 2020; Stasaski & Hearst 2022 (unverified which).

    Examples
    --------
    >>> knn_distance([[0.0], [1.0], [3.0]], metric="l2")
    1.3333333333333333
    """
    _check.choice("statistic", statistic, ("kth", "mean"))
    _ray.check_engine(engine, workers, device)
    _check.choice("metric", metric, METRICS)
    rows = _at_least_two(embeddings, directions=metric == "cosine")
    if _check.whole("neighbors", neighbors, 1) >= len(rows):
        raise DataError(
            f"neighbors must be < the rows of embeddings ({len(rows)}); got {neighbors}. Use fewer neighbors."
        )
    wants = Wants(rows, near=neighbors + 13)
    if device == "cpu" and (metric == "cosine" or even(rows)):
        yield [wants]
    found = knn(
        rows, neighbors, metric=metric, device=device, known=wants.known, engine=engine, workers=workers
    )
    near = found.distances
    value = float(near[:, -1].mean() if statistic == "kth" else near.mean())
    if value == 0:
        warn("every sample has a copy; the distance to neighbors is 0.")
    else:
        warn_of_copies(rows)
    return value


def radius(embeddings: ArrayLike, *, ddof: Literal[0, 1] = 0, floor: float = 1e-10) -> float:
    """Return the geometric mean of the standard deviations of the dimensions.

    Higher means more diverse: the radius of the cloud of samples. It hardly depends on n.

    Parameters
    ----------
    embeddings : array (n, d)
        At least two rows.
    ddof : {0, 1}
        0 divides the variance by n, 1 by n - 1.
    floor : float > 0
        A dimension with a smaller standard deviation counts as this; a warning says how many did, since one
        dead dimension moves the value. OpenDataArena has ddof 0 and 1e-10, emb-diversity 1 and 1e-12.

    Returns
    -------
    float
        At least `floor`.

    Raises
    ------
    DataError
        Fewer than two rows, rows that are not finite.

    Notes
    -----
    O(n d), two passes in float64. Source: Lai et al., LREC 2020, arXiv 2003.08529.

    Examples
    --------
    >>> radius([[0.0, 0.0], [2.0, 8.0]])
    2.0
    """
    _check.at_least("floor", floor, 0, strict=True)
    _check.whole("ddof", ddof, 0, 1)
    rows = _at_least_two(embeddings)
    warn_of_copies(rows)
    mean = np.zeros(rows.shape[1])
    for start in range(0, len(rows), 8192):
        mean += rows[start : start + 8192].sum(axis=0, dtype=np.float64)
    mean /= len(rows)
    square = np.zeros(rows.shape[1])
    for start in range(0, len(rows), 8192):
        gap = rows[start : start + 8192].astype(np.float64) - mean
        square += (gap * gap).sum(axis=0)
    spread = np.sqrt(square / (len(rows) - ddof))
    dead = int((spread < floor).sum())
    if dead:
        warn(
            f"{dead} of {len(spread)} dimensions have a standard deviation below {floor:g} and count as that; they "
            "decide the value."
        )
    return float(np.exp(np.log(np.maximum(spread, floor)).mean()))


def _at_least_two(embeddings: ArrayLike, *, directions: bool = False) -> NDArray[np.floating]:
    rows = _check.embeddings("embeddings", embeddings, directions=directions)
    if len(rows) < 2:
        raise DataError("embeddings must have at least 2 rows; got 1.")
    return rows


def _in_form(ordered: float, n: int, form: str) -> float:
    """Return a sum over ordered pairs in another form."""
    return {
        "sum_ordered": ordered,
        "sum_pairs": ordered / 2,
        "mean_offdiag": ordered / (n * (n - 1)),
        "mean_all": ordered / (n * n),
    }[form]
