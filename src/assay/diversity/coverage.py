"""How well a set covers a reference."""

from __future__ import annotations

import threading
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from assay import _check, _ray
from assay.diversity.pairs import Steps, Tile, Wants, even, stepwise, warn_of_copies
from assay.neighbors import Known, knn


@stepwise
def facility_location(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike,
    form: Literal["coverage", "cost", "mean_coverage"] = "coverage",
    metric: Literal["cosine", "l2"] = "cosine",
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
) -> Steps[float]:
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
        Which of them the paper's tables show is unverified; their magnitudes suggest coverage. OpenDataArena has the
        cost by "l2".
    metric : {"cosine", "l2"}
        Distance. Coverage by "l2" may be negative.
    device : str
        Where the neighbour search runs.
    engine, workers
        As in `novelsum`; the workers search.

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
    _ray.check_engine(engine, workers, device)
    rows = _check.embeddings("embeddings", embeddings, directions=metric == "cosine")
    pool = _check.embeddings("reference", reference, directions=metric == "cosine")
    _check.same_width("embeddings", rows, "reference", pool)
    nearest = _Nearest(len(pool))
    searched = engine == "local" and device == "cpu" and (metric == "cosine" or even(rows))
    if searched:
        yield [Wants(rows, pool, take=nearest.take)]
    near = knn(
        pool,
        1,
        reference=rows,
        metric=metric,
        device=device,
        known=nearest.known() if searched else None,
        engine=engine,
        workers=workers,
    )
    warn_of_copies(rows)
    cost = float(near.distances.sum())
    return {"cost": cost, "coverage": len(pool) - cost, "mean_coverage": 1 - cost / len(pool)}[form]


class _Nearest:
    """For each row that is faced the nearest row, from tiles in any order, and how near the next one may be."""

    def __init__(self, count: int) -> None:
        self.least = np.full(count, np.inf)
        self.second = np.full(count, np.inf)
        self.row = np.zeros(count, dtype=np.int64)
        self.rounding = 0.0
        self.lock = threading.Lock()

    def take(self, tile: Tile) -> None:
        least = tile.gap.min(axis=0)
        with self.lock:
            self.rounding = tile.rounding
            better = np.flatnonzero(least < self.least)
            np.minimum(self.second, np.maximum(least, self.least), out=self.second)
            part = tile.gap[:, better]
            row = part.argmin(axis=0)
            part[row, np.arange(len(better))] = np.inf
            self.least[better], self.row[better] = least[better], tile.start + row
            self.second[better] = np.minimum(self.second[better], part.min(axis=0))

    def known(self) -> Known:
        return Known(self.row[:, None], self.second - self.rounding)
