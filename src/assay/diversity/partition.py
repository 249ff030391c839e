"""Measures made of a partition of the space into clusters."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.diversity.pairs import warn_of_copies
from assay.errors import DataError
from assay.neighbors import knn


def cluster_inertia(
    embeddings: ArrayLike,
    *,
    n_clusters: int = 200,
    centroids: ArrayLike | None = None,
    n_init: int = 1,
    max_points_per_centroid: int | None = None,
    metric: Literal["sqeuclidean", "cosine"] = "sqeuclidean",
    seed: int = 0,
    form: Literal["sum", "mean"] = "sum",
) -> float:
    """Return the squared distance of the samples to the nearest of their K-means centroids.

    Higher means more diverse: the set does not fall into few tight clusters. The sum grows with n.

    Parameters
    ----------
    embeddings : array (n, d)
        More rows than clusters, unless centroids are given.
    n_clusters : int
        K. 200 for sets of 10,000 is corroborated for the paper; its initialisation is unknown.
    centroids : array (K, d), optional
        Given centroids, instead of K-means.
    n_init : int
        Runs of K-means, of which the best counts.
    max_points_per_centroid : int, optional
        K-means learns from at most so many rows a cluster, drawn at random; None: from all.
    metric : {"sqeuclidean", "cosine"}
        What is summed: the squared distance to the nearest centroid, or the cosine distance to the nearest by that,
        as OpenDataArena has it for given centroids.
    seed : int
        Seed of the rows that K-means starts from and learns from.
    form : {"sum", "mean"}

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    DataError
        n <= n_clusters without centroids, rows that are not finite, other widths.

    Notes
    -----
    2 n K d operations an iteration. Source: Du & Black 2019.

    Examples
    --------
    >>> cluster_inertia([[0.0], [1.0], [9.0]], centroids=[[0.0], [9.0]])
    1.0
    """
    _check.choice("form", form, ("sum", "mean"))
    _check.choice("metric", metric, ("sqeuclidean", "cosine"))
    rows = _check.embeddings("embeddings", embeddings, directions=metric == "cosine")
    _check.whole("n_clusters", n_clusters, 1)
    if centroids is None:
        if len(rows) <= n_clusters:
            raise DataError(
                f"embeddings must have more rows than n_clusters ({n_clusters}); got {len(rows)}. Use fewer clusters."
            )
        points = kmeans(rows, n_clusters, n_init=n_init, max_points=max_points_per_centroid, seed=seed)
    else:
        points = _given("embeddings", rows, centroids)
    warn_of_copies(rows)
    near = knn(rows, 1, reference=points, metric=metric).distances
    return float(near.sum() if form == "sum" else near.mean())


def partition_entropy(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    centroids: ArrayLike | None = None,
    n_clusters: int = 1000,
    max_points_per_centroid: int | None = None,
    log_base: Literal["e", "2", "10"] = "e",
    normalise: bool = False,
    seed: int = 0,
) -> float:
    """Return the entropy of the shares of samples in the cells of a partition of the reference.

    Higher means more diverse: the set visits many cells evenly. At most log min(n, K), so compare equal sizes
    under one partition.

    Parameters
    ----------
    embeddings : array (n, d)
    reference : array (N, d), optional
        Rows that K-means partitions; this or `centroids` is required.
    centroids : array (K, d), optional
        A partition made before.
    n_clusters : int
        K. The paper's 1000 is unverified; the authors' program has 100.
    max_points_per_centroid : int, optional
        K-means learns from at most so many rows a cluster, drawn at random; None: from all.
    log_base : {"e", "2", "10"}
        Nats by default; the authors' program prints bits.
    normalise : bool
        Divide by log K, as OpenDataArena does too.
    seed : int
        Seed of K-means.

    Returns
    -------
    float
        0 to log min(n, K).

    Raises
    ------
    DataError
        Neither or both of reference and centroids, fewer reference rows than clusters, rows that are not finite.

    Notes
    -----
    2 N K d operations an iteration, 20 iterations. The authors' program is ``n_clusters=100,
    max_points_per_centroid=256, log_base="2", seed=42``.
    Source: Han et al., Findings of EMNLP 2022, arXiv 2210.05725 (unverified).

    Examples
    --------
    >>> partition_entropy([[0.0], [9.0]], centroids=[[0.0], [9.0]], log_base="2")
    1.0
    """
    _check.choice("log_base", log_base, ("e", "2", "10"))
    rows = _check.embeddings("embeddings", embeddings)
    _check.whole("n_clusters", n_clusters, 1)
    if (reference is None) == (centroids is None):
        raise DataError(
            "partition_entropy needs either a reference or centroids; got "
            + ("neither." if reference is None else "both.")
        )
    if centroids is None:
        pool = _check.embeddings("reference", reference)
        _check.same_width("embeddings", rows, "reference", pool)
        if len(pool) < n_clusters:
            raise DataError(
                f"reference must have at least n_clusters rows ({n_clusters}); got {len(pool)}. Use fewer clusters."
            )
        points = kmeans(pool, n_clusters, max_points=max_points_per_centroid, seed=seed)
    else:
        points = _given("embeddings", rows, centroids)
    warn_of_copies(rows)
    cell = knn(rows, 1, reference=points).indices[:, 0]
    share = np.bincount(cell) / len(rows)
    share = share[share > 0]
    entropy = float(-(share * np.log(share)).sum())
    if normalise:
        return entropy / math.log(len(points)) if len(points) > 1 else 0.0
    return entropy / {"e": 1.0, "2": math.log(2), "10": math.log(10)}[log_base] + 0.0


def kmeans(
    rows: NDArray[np.floating[Any]],
    n_clusters: int,
    *,
    n_init: int = 1,
    max_points: int | None = None,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return the centroids (K, d) of 20 iterations of K-means from a seeded draw of rows, by faiss in float32."""
    import faiss

    most = 2**31 - 1 if max_points is None else _check.whole("max_points_per_centroid", max_points, 1)
    found = faiss.Kmeans(
        rows.shape[1],
        n_clusters,
        niter=20,
        nredo=_check.whole("n_init", n_init, 1),
        seed=_check.whole("seed", seed),
        min_points_per_centroid=1,
        max_points_per_centroid=most,
    )
    found.train(rows.astype(np.float32))
    return np.asarray(found.centroids)


def _given(name: str, rows: NDArray[np.floating[Any]], centroids: ArrayLike) -> NDArray[np.floating[Any]]:
    points = _check.embeddings("centroids", centroids)
    _check.same_width(name, rows, "centroids", points)
    return points
