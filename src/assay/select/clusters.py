"""K-means: the same number of random rows from every cluster of the pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew
from assay.diversity import partition
from assay.neighbors import knn
from assay.select.selection import Rules, Selection


def kmeans(
    pool: ArrayLike,
    *,
    budget: int,
    n_clusters: int | None = None,
    seed: int = 0,
    initial_selected: ArrayLike | None = None,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose random rows, as many from each K-means cluster of the pool as from any other.

    Dense regions lose their weight: a cluster of thousands gives no more rows than one of ten. Clusters take turns;
    one that has no row left that may be chosen is passed over.

    Parameters
    ----------
    pool : array (n, d)
        K-means sees the rows as they are, not their directions.
    budget : int
    n_clusters : int, optional
        K, from 1 to n. None: 100, or n where that is smaller.
    seed : int
        Seed of K-means and of the draws.
    initial_selected, groups, max_per_group, skip_duplicates, progress
        As in `assay.select.novelselect`. Kept rows are rows of the pool, so they shape the clusters. Quality is not
        asked for: rows of a cluster are drawn blindly.

    Returns
    -------
    Selection
        `gains` are nan: nothing is scored. ``facts["sizes"]``: how many rows of the pool each cluster holds. Any
        prefix is the selection of a smaller budget, since clusters take turns from the first row on.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`, and for `n_clusters` out of reach.

    Notes
    -----
    2 n K d operations in each of 20 iterations, on one thread, so that the clusters do not depend on the number of
    threads.

    Source: Song et al. 2024 (unverified which); the paper's own definition is unverified, this is ours.

    Examples
    --------
    >>> kmeans([[0.0], [0.1], [0.2], [9.0]], budget=2, n_clusters=2).indices.tolist()
    [0, 3]
    """
    rows = _check.embeddings("pool", pool)
    n = len(rows)
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    _check.whole("seed", seed, 0, 2**31 - 1)
    k = min(100, n) if n_clusters is None else _check.whole("n_clusters", n_clusters, 1, n)
    with Crew(1):
        centroids = partition.kmeans(rows, k, seed=seed)
    cell = knn(rows, 1, reference=centroids).indices[:, 0]
    drawn = np.random.default_rng(seed).permutation(n)
    members = [drawn[cell[drawn] == c] for c in range(k)]
    chosen = rules.take_in_order(_turns(members, rules.allowed), budget, progress)
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.full(len(chosen), np.nan),
        method="kmeans",
        parameters={"budget": budget, "n_clusters": k, "seed": seed, "skip_duplicates": skip_duplicates},
        facts={"sizes": [len(rows) for rows in members]},
    )


def _turns(members: list[NDArray[np.int64]], allowed: NDArray[np.bool_]) -> Iterator[int]:
    """Yield one row of each cluster in turn that may be chosen by then, until none is left."""
    waiting = [iter(rows) for rows in members]
    while waiting:
        left = []
        for rows in waiting:
            row = next((row for row in rows if allowed[row]), None)
            if row is not None:
                yield int(row)
                left.append(rows)
        waiting = left
