"""How exact and sampled mastery of the same facts agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assay.errors import DataError
from assay.knowledge.counts import Tally, shape_of
from assay.knowledge.intervals import Floats, correlation, rank_correlation
from assay.knowledge.mastery import categories, crossed, exact_categories, probabilities_of

EDGES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Facts whose exact score is above `low`, to `high`: their mean exact and mean sampled score, and its error."""

    low: float
    high: float
    facts: int
    exact: float
    sampled: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an exact score and a sampled score of the same facts agree.

    `spearman`, `pearson`: over facts, nan where one side does not vary. `difference`: mean of sampled - exact, in
    points of 100, positive where the exact score is a lower bound, and `z` the same in standard errors.
    `within_percent`: facts whose sampled score is within three standard errors of the exact one. `same_percent`:
    facts of one category, and `same_known_percent` among those whose sampled category is D1 to D4.
    `categories[exact][sampled]`: facts.
    """

    facts: int
    spearman: float
    pearson: float
    difference: float
    z: float
    within_percent: float
    same_percent: float
    same_known_percent: float
    categories: tuple[tuple[int, ...], ...]
    calibration: tuple[Calibration, ...]


def agreement(probabilities: ArrayLike, tally: Tally, *, edges: Sequence[float] = EDGES) -> Agreement:
    """Return how exact probabilities and sampled answers of the same facts and templates agree.

    Parameters
    ----------
    probabilities : array (facts, templates)
        The exact probability of a right answer, counted where the tally has draws.
    tally : Tally
    edges : sequence of float
        Ascending, 0 to 1: limits of the exact score for `calibration`.

    Returns
    -------
    Agreement

    Raises
    ------
    DataError
        For shapes that differ, a probability that is missing where there are draws, edges out of order.

    Notes
    -----
    The standard error of a sampled score is what its draws, independent with the exact probabilities, would have:
    sqrt(sum n p (1 - p)) / N over its templates of n draws. Of facts with sound probabilities some 99.7 % are
    within three of it; fewer where all probabilities are small, since counts are not normal there: `z`, over all
    facts, does not suffer from that. Exact categories are those of `exact_categories` at as many draws as the fact
    has. Templates weigh by their draws.

    Examples
    --------
    >>> found = agreement([[0.5, 0.7], [0.0, 0.1]], Tally([[5, 8], [0, 1]], np.full((2, 2), 10)))
    >>> found.within_percent, found.categories[3]
    (100.0, (0, 0, 0, 1, 0))
    """
    limits = np.asarray(edges, dtype=np.float64)
    if len(limits) < 2 or limits[0] != 0 or limits[-1] != 1 or not (np.diff(limits) > 0).all():
        raise DataError(f"edges must ascend from 0 to 1; got {list(edges)!r}.")
    p = probabilities_of(probabilities)
    shape_of("probabilities", p, tally.hits.shape)
    if not len(p):
        raise DataError("tally must have at least one fact; it has none.")
    missing = np.isnan(p) & (tally.draws > 0)
    if missing.any():
        at = np.argwhere(missing)[0]
        raise DataError(
            f"probabilities must be given where there are draws; {int(missing.sum())} are missing, "
            f"first of fact {at[0]}, template {at[1]}."
        )
    p = np.where(tally.draws > 0, p, 0.0)
    draws = tally.totals[1]
    exact = np.minimum((tally.draws * p).sum(axis=1) / draws, 1.0)
    variance = (tally.draws * p * (1 - p)).sum(axis=1) / draws**2
    gap = tally.scores - exact
    within = abs(gap) <= 3 * np.sqrt(variance) + 1e-12
    sampled_category = categories(*tally.totals)
    exact_category = np.empty_like(sampled_category)
    for number in np.unique(draws):
        exact_category[draws == number] = exact_categories(exact[draws == number], draws=int(number))
    known = sampled_category > 0
    same = exact_category == sampled_category
    error = float(np.sqrt(variance.sum()))
    table = crossed(exact_category, sampled_category, shape=(5, 5))
    return Agreement(
        len(p),
        rank_correlation(exact, tally.scores),
        correlation(exact, tally.scores),
        100 * float(gap.mean()),
        float(gap.sum()) / error if error else float("nan"),
        100 * float(within.mean()),
        100 * float(same.mean()),
        100 * float(same[known].mean()) if known.any() else float("nan"),
        tuple(tuple(int(n) for n in row) for row in table),
        tuple(_calibrated(exact, tally.scores, variance, limits)),
    )


def _calibrated(exact: Floats, sampled: Floats, variance: Floats, limits: Floats) -> list[Calibration]:
    """Return a row for each range of the exact score that has facts; 0 belongs to the first."""
    where = np.maximum(np.searchsorted(limits, exact, side="left") - 1, 0)
    rows = []
    for at in np.unique(where):
        inside = where == at
        n = int(inside.sum())
        rows.append(
            Calibration(
                float(limits[at]),
                float(limits[at + 1]),
                n,
                float(exact[inside].mean()),
                float(sampled[inside].mean()),
                float(np.sqrt(variance[inside].sum())) / n,
            )
        )
    return rows
