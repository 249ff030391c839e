"""How well a set covers a reference."""

from __future__ import annotations

from numpy.typing import ArrayLike

from assay import _check
from assay.neighbors import knn


def facility_location(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike,
    form: str = "coverage",
    metric: str = "cosine",
    device: str = "cpu",
) -> float:
    """Return how near each row of the reference is to its nearest sample.

    As coverage (default) higher means more diverse and it never falls as the set grows; as cost lower does.
    Compare only under one reference and one encoder.

    Parameters
    ----------
    embeddings : array (n, d)
    reference : array (N, d)
        The rows to be covered, usually the pool that the set was taken from.
    form : {"coverage", "cost", "mean_coverage"}
        Sum over the reference of 1 - distance to the nearest sample; sum of that distance; coverage divided by N.
        Which of them the paper's tables show is unverified; their magnitudes suggest coverage.
    metric : {"cosine", "l2"}
        Distance. Coverage by "l2" may be negative.
    device : str
        Where the neighbour search runs.

    Returns
    -------
    float
        Coverage by cosine: -N to N; cost: 0 to 2 N.

    Raises
    ------
    DataError
        Rows that are not finite, of different widths, or zero under cosine.

    Notes
    -----
    2 n N d operations. coverage + cost = N. Source: Farahani & Hekmatfar 2009; as a selection objective Bukharin et
    al. (QDIT), Findings of EMNLP 2024, arXiv 2311.14736.

    Examples
    --------
    >>> facility_location([[1.0, 0.0]], reference=[[1.0, 0.0], [0.0, 1.0]])
    1.0
    """
    _check.choice("form", form, ("coverage", "cost", "mean_coverage"))
    _check.choice("metric", metric, ("cosine", "l2"))
    rows = _check.embeddings("embeddings", embeddings, directions=metric == "cosine")
    pool = _check.embeddings("reference", reference, directions=metric == "cosine")
    _check.same_width("embeddings", rows, "reference", pool)
    cost = float(knn(pool, 1, reference=rows, metric=metric, device=device).distances.sum())
    return {"cost": cost, "coverage": len(pool) - cost, "mean_coverage": 1 - cost / len(pool)}[form]
