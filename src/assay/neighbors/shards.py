"""The nearest rows of a reference that is cut into shards, each held by a Ray worker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay import _ray
from assay.neighbors.exact import knn

BLOCK = 8192  # queries under way at a time


class Shard:
    """Some rows of a reference, in a worker."""

    def __init__(self, rows: NDArray[np.floating], metric: str) -> None:
        self._rows, self._metric = rows, metric

    def nearest(self, queries: NDArray[np.floating], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the k nearest rows of the shard, or all where it has fewer."""
        found = knn(queries, min(k, len(self._rows)), reference=self._rows, metric=self._metric)
        return found.indices, found.distances


def nearest_of_shards(
    queries: NDArray[np.floating],
    reference: NDArray[np.floating],
    k: int,
    metric: str,
    own: bool,
    workers: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the k nearest of the nearest rows of all shards: indices and distances, ties by lower row.

    With `own` no row is its own neighbour. Distances are float64 sums over direct differences of two rows, so that
    they do not depend on the shard; "l2" is compared by its squares, as in one process.
    """
    count = min(_ray.worker_count(workers), len(reference))
    edge = [i * len(reference) // count for i in range(count + 1)]
    compared = "sqeuclidean" if metric == "l2" else metric
    indices, distances = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
    with _ray.Actors(
        count, "assay.neighbors.shards:Shard", lambda i: (reference[edge[i] : edge[i + 1]], compared)
    ) as shards:
        for start in range(0, len(queries), BLOCK):
            here = slice(start, start + BLOCK)
            answers = shards.all("nearest", queries[here], k + own)
            index = np.concatenate([found + edge[i] for i, (found, _) in enumerate(answers)], axis=1)
            distance = np.concatenate([found for _, found in answers], axis=1)
            if own:
                distance[index == np.arange(start, start + len(index))[:, None]] = np.inf
            order = np.argsort(distance, axis=1, kind="stable")[
                :, :k
            ]  # ties by shard and row of it, so by row
            indices[here] = np.take_along_axis(index, order, 1)
            distances[here] = np.take_along_axis(distance, order, 1)
    return indices, np.sqrt(distances, out=distances) if metric == "l2" else distances
