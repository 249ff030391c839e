"""Measures made of the eigenvalues of the similarity matrix, through its d x d dual."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay._parallel import Crew
from assay.diversity.pairs import warn_of_copies
from assay.errors import warn
from assay.neighbors import unit_rows


def log_determinant(embeddings: ArrayLike, *, ridge: float = 1e-6) -> float:
    """Return the log determinant of the matrix of cosine similarities, plus a ridge on its diagonal.

    Higher means more diverse. Very dependent on n, and with more samples than dimensions **the ridge decides the
    value**: compare only equal sizes, one encoder and one ridge.

    Parameters
    ----------
    embeddings : array (n, d)
        No zero rows.
    ridge : float >= 0
        Added to the diagonal. The paper's is unknown; 1e-6 is ours and that of emb-diversity, OpenDataArena has 1e-10.
        0 gives -inf (with a warning) where the matrix is singular.

    Returns
    -------
    float
        Of any sign; -inf for a singular matrix.

    Raises
    ------
    DataError
        Rows that are not finite or zero, a negative ridge.

    Notes
    -----
    log det(Û Ûᵀ + ε I_n) = (n - d) log ε + log det(Ûᵀ Û + ε I_d) for n > d: 2 n d² + d³ operations and d² memory.
    Source: Wang et al. 2024, arXiv 2402.02318, whose own form compares with a maximally diverse reference and
    divides by n, so that smaller means more diverse.

    Examples
    --------
    >>> log_determinant([[1.0, 0.0], [0.0, 1.0]], ridge=0.0)
    0.0
    """
    _check.at_least("ridge", ridge, 0)
    rows = _check.embeddings("embeddings", embeddings, directions=True)
    warn_of_copies(rows)
    n, d = rows.shape
    more = max(0, n - d)
    values = _spectrum(rows) + ridge
    if ridge == 0 and (more > 0 or values[0] <= len(values) * np.finfo(np.float64).eps * max(values[-1], 0)):
        warn("the similarity matrix is singular and there is no ridge; its log determinant is -inf.")
        return -math.inf
    base = np.log(np.maximum(values, ridge if ridge > 0 else np.finfo(np.float64).tiny)).sum()
    return float(base + (more * math.log(ridge) if more else 0.0))


def vendi_score(embeddings: ArrayLike, *, order: float = 1.0) -> float:
    """Return the effective number of different samples: the exponential of the entropy of the similarity spectrum.

    Higher means more diverse. From 1 (all alike) to n (all orthogonal); grows with n, so compare equal sizes.

    Parameters
    ----------
    embeddings : array (n, d)
        No zero rows.
    order : float > 0
        1 is Shannon entropy; smaller orders weigh rare directions more; ``inf`` counts the largest eigenvalue alone.
        The paper's 0.5 is unverified.

    Returns
    -------
    float
        From 1 to min(n, d).

    Raises
    ------
    DataError
        Rows that are not finite or zero, an order that is not positive.

    Notes
    -----
    Eigenvalues of Ûᵀ Û / n (d x d), summed over blocks of rows: 2 n d² + d³ operations and d² memory, beside n² d and
    n³ for the kernel form. Eigenvalues up to 1e-12 are left out.
    Source: Friedman & Dieng, TMLR 2023, arXiv 2210.02410; orders: Pasarkar & Dieng, arXiv 2310.12952.

    Examples
    --------
    >>> round(vendi_score([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), 4)
    1.8899
    """
    if order != math.inf:
        _check.at_least("order", order, 0, strict=True)
    rows = _check.embeddings("embeddings", embeddings, directions=True)
    warn_of_copies(rows)
    values = _spectrum(rows) / len(rows)
    values = values[values > 1e-12]
    values /= values.sum()
    if order == math.inf:
        return float(1.0 / values.max())
    if order == 1:
        return float(np.exp(-(values * np.log(values)).sum()))
    largest = values.max()  # taken out, so that no power vanishes
    total = order * np.log(largest) + np.log(((values / largest) ** order).sum())
    return float(np.exp(total / (1.0 - order)))


def _spectrum(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the eigenvalues, ascending, of the products of unit rows with each other, or of their dimensions.

    That is whichever matrix is smaller; they are the same but for zeros. BLAS has one thread, so that the bits do not
    depend on how many there are.
    """
    n, d = rows.shape
    total = np.zeros((min(n, d), min(n, d)))
    with Crew() as crew:
        for start in range(0, n, 4096 if n > d else n):
            unit = unit_rows(rows[start : start + 4096] if n > d else rows, np.float64)
            _add_products(unit if n > d else unit.T, total, crew)
        return np.linalg.eigvalsh(total, UPLO="U")


def _add_products(columns: NDArray[np.floating], total: NDArray[np.float64], crew: Crew) -> None:
    """Add the products of columns with each other to the upper half of `total`."""

    def work(start: int, stop: int) -> None:
        total[start:stop, start:] += columns[:, start:stop].T @ columns[:, start:]

    crew.over_blocks(len(total), 64, work)
