"""What a study's table says: which measures went with the scores, how sure that is, and what bounds it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.diversity.correlate import Correlation, correlate
from assay.study.tune import MEASURED

BUILT_OF_COPIES = "duplicate"


def of_grid(measure: str) -> bool:
    """Tell whether a column is NovelSum under one of the settings of its grid."""
    return " proximity " in measure


@dataclass(frozen=True, slots=True)
class Conclusions:
    """`correlations` of every measure that varies, the names `left_out` with the reasons, and the noise of training.

    `agreement` is the mean Pearson correlation of the scores of the sets under two training seeds, `ceiling` what it
    leaves for the correlation of any measure with the mean over all k seeds: the square root of that mean's
    reliability, k a / (1 + (k - 1) a) at agreement a (Spearman 1910, Brown 1910). Both None with one seed or with
    scores that do not vary; the ceiling is 0 where the agreement is not positive.
    """

    size: int
    correlations: list[Correlation]
    left_out: dict[str, str]
    agreement: float | None
    ceiling: float | None


def conclude(
    rows: Sequence[Mapping[str, Any]],
    *,
    metrics: Sequence[str],
    lower_is_better: Collection[str],
    by_seed: Sequence[Sequence[float]],
    resamples: int = 2000,
    seed: int = 0,
) -> Conclusions:
    """Return the correlations of the measures of sets of one size with their scores, with and without built copies.

    Parameters
    ----------
    rows : sequence of mappings
        Lines of the table of `diversity_study`, all of one size.
    metrics : sequence of str
        Columns that are the scores; several are joined as a mean of z-scores, the last of their correlations.
    lower_is_better : collection of str
        Those of them that are losses.
    by_seed : sequence of sequences of float
        The first metric of every set under every training seed.
    resamples, seed
        As in `assay.diversity.correlate`.

    Returns
    -------
    Conclusions
        Its correlations may be compared within one size, score and choice of sets.

    Raises
    ------
    DataError
        As in `assay.diversity.correlate`: fewer than three sets, a score or all measures that do not vary.

    Notes
    -----
    The sets built of copies are left out a second time where three others remain. Every measure is compared with
    ``model/novelsum``, where that varies. Cost: as in `assay.diversity.correlate`.
    """
    copies = np.array([row["strategy"] == BUILT_OF_COPIES for row in rows])
    columns: dict[str, list[float]] = {}
    left_out: dict[str, str] = {}
    for name in (name for name in rows[0] if name.startswith(MEASURED)):
        values = [row[name] for row in rows]
        if None in values:
            left_out[name] = f"not to be had in {values.count(None)} of {len(rows)} sets"
        elif (
            len(set(values)) == 1 or len({v for v, copy in zip(values, copies, strict=True) if not copy}) <= 1
        ):
            left_out[name] = "does not vary"
        else:
            columns[name] = values
    without = {f"{BUILT_OF_COPIES} sets": copies} if copies.any() and (~copies).sum() >= 3 else None
    baseline = "model/novelsum"
    found = correlate(
        columns,
        {name: [row[name] for row in rows] for name in metrics},
        without=without,
        lower_is_better=list(lower_is_better),
        baseline=baseline if baseline in columns else None,
        resamples=resamples,
        seed=seed,
    )
    scores = np.asarray(by_seed, dtype=np.float64).T
    varying = [one for one in scores if np.ptp(one) > 0]
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in itertools.combinations(varying, 2)]
    if not pairs:
        return Conclusions(rows[0]["size"], found, left_out, None, None)
    agreement, count = float(np.mean(pairs)), len(scores)
    shared = max(agreement, 0.0)
    ceiling = math.sqrt(count * shared / (1 + (count - 1) * shared))
    return Conclusions(rows[0]["size"], found, left_out, agreement, ceiling)
