"""Vectors -> two coordinates a row, for a map."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from assay import _check
from assay.neighbors import unit_rows

PLANES = ("pca", "umap")
BLOCK = 4096


def plane(embeddings: ArrayLike, *, method: str = "pca", seed: int = 0) -> tuple[NDArray[np.float32], str]:
    """Return two coordinates of every row, and a sentence that says what they are.

    Parameters
    ----------
    embeddings : array (n, d)
        Scaled to unit length first, as every distance in a report is the cosine distance.
    method : {"pca", "umap"}
        The two directions along which the rows vary most, or UMAP (15 neighbours, minimum distance 0.1, cosine),
        which shows groups better, keeps no distances, and takes minutes from some ten thousand rows on.
    seed : int
        Of UMAP; PCA has no chance in it.

    Returns
    -------
    array (n, 2) of float32, and a sentence

    Raises
    ------
    MissingExtraError
        When UMAP is asked for and umap-learn is not installed.

    Notes
    -----
    PCA: 2 n d^2 operations and the eigenvectors of a d x d matrix, on one BLAS thread; of each direction the sign is
    taken that makes its largest entry positive.

    Examples
    --------
    >>> points, said = plane([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> points.shape
    (3, 2)
    """
    _check.choice("method", method, PLANES)
    rows = _check.embeddings("embeddings", embeddings, directions=True)
    unit = unit_rows(rows, np.float32)
    if method == "umap":
        return _umap(
            unit, seed
        ), "UMAP of the embeddings: near rows are related, distances and axes mean nothing"
    return _pca(unit)


def _pca(unit: NDArray[Any]) -> tuple[NDArray[np.float32], str]:
    from scipy.linalg import eigh

    n, d = unit.shape
    with threadpool_limits(limits=1):
        centre = unit.mean(axis=0, dtype=np.float64)
        spread = np.zeros((d, d))
        for start in range(0, n, BLOCK):
            block = unit[start : start + BLOCK] - centre
            spread += block.T @ block
        values, directions = eigh(spread, subset_by_index=[max(0, d - 2), d - 1])
        values, directions = values[::-1], directions[:, ::-1]
        largest = np.abs(directions).argmax(axis=0)
        directions = directions * np.where(directions[largest, range(directions.shape[1])] < 0, -1.0, 1.0)
        points = np.zeros((n, 2), dtype=np.float32)
        for start in range(0, n, BLOCK):
            points[start : start + BLOCK, : directions.shape[1]] = (
                unit[start : start + BLOCK] - centre
            ) @ directions
    total = float(np.trace(spread))
    share = max(float(values.sum()) / total, 0.0) if total > 0 else 1.0
    return points, f"the first two principal components of the embeddings, {share:.0%} of their variance"


def _umap(unit: NDArray[Any], seed: int) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages that UMAP can do without, and of layouts of few rows
        umap = _check.require("umap", "map", "map 'umap'")
        neighbors = min(15, len(unit) - 1)
        if neighbors < 2:
            return np.zeros((len(unit), 2), dtype=np.float32)
        layout = umap.UMAP(
            n_neighbors=neighbors, min_dist=0.1, metric="cosine", random_state=seed, n_jobs=1,
            init="spectral" if len(unit) > 50 else "random",
        )  # fmt: skip
        return np.asarray(layout.fit_transform(unit), dtype=np.float32)
