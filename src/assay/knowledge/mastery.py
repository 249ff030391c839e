"""How well each fact is known: counts or probabilities in; scores, categories, intervals and agreement out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError
from assay.knowledge.counts import Tally
from assay.knowledge.intervals import (
    BLOCK,
    Floats,
    Ints,
    hits_of_draws,
    share,
    share_interval,
)

CATEGORIES = ("D0", "D1", "D2", "D3", "D4")
SLICK = ("HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown")
DRAWS = 210  # the paper's: 21 templates, 10 samples each


def categories(hits: ArrayLike, draws: ArrayLike) -> Ints:
    """Return the mastery category of each fact, 0 (D0) to 4 (D4).

    D0 if no draw hit, else ceil(4 hits / draws) in whole numbers: D1 is a score in (0, 1/4], D4 one in (3/4, 1].

    Parameters
    ----------
    hits, draws : array of int
        Of one shape, or one of them a number.

    Returns
    -------
    array of int
        They belong to one model. D0 is not "unknown": of facts with R = .003, 53 % have no hit in 210 draws.

    Raises
    ------
    DataError
        For more hits than draws, or no draw.

    Notes
    -----
    Source: Ye et al., "Analyzing the Effects of Supervised Fine-Tuning on Model Knowledge from Token and Parameter
    Levels", EMNLP 2025, arXiv 2509.16596; with 21 templates x 10 samples there. No difference.

    Examples
    --------
    >>> categories([0, 1, 52, 53, 105, 106, 157, 158, 210], 210).tolist()
    [0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    h, n = hits_of_draws(hits, draws)
    return np.asarray(-(-4 * h // n))


def exact_scores(probabilities: ArrayLike) -> Floats:
    """Return the exact score of each fact: the mean over its templates of the probability of a right answer.

    Parameters
    ----------
    probabilities : array (facts, templates)
        0 to 1 (1e-6 above is rounding); nan where the fact has no such template.

    Returns
    -------
    array (facts,)
        0 to 1, what `Tally.scores` tends to with ever more draws, as many of each template; lower where the
        probability leaves out ways to be right, such as late mentions.

    Raises
    ------
    DataError
        For what is no probability, or a fact without any.

    Examples
    --------
    >>> exact_scores([[0.25, 0.75], [1.0, float("nan")]]).tolist()
    [0.5, 1.0]
    """
    p = probabilities_of(probabilities)
    return np.asarray(np.nansum(p, axis=1) / (~np.isnan(p)).sum(axis=1))


def exact_categories(scores: ArrayLike, *, draws: int = DRAWS) -> Ints:
    """Return the category of each exact score: D0 where `draws` draws would more likely than not have no hit.

    An exact score is hardly ever 0, so that D0 would be empty. A fact is D0 here if (1 - R)**draws >= 1/2, which
    for 210 draws is R <= .0033, else ceil(4 R).

    Parameters
    ----------
    scores : array
        0 to 1.
    draws : int
        Of the sampled score that the categories are compared with; 210 is the paper's.

    Returns
    -------
    array of int
        0 to 4.

    Raises
    ------
    DataError
        For what is no score.

    Notes
    -----
    Ours; the paper has sampled scores only. Facts near a border have either category by chance when sampled.

    Examples
    --------
    >>> exact_categories([0.0, 0.003, 0.004, 0.25, 0.26, 1.0]).tolist()
    [0, 0, 1, 1, 2, 4]
    """
    _check.whole("draws", draws, 1)
    r = np.asarray(scores, dtype=np.float64)
    if not ((r >= 0) & (r <= 1)).all():
        raise DataError("scores must be from 0 to 1; some are not.")
    with np.errstate(divide="ignore"):
        silent = draws * np.log1p(-r) >= np.log(0.5)
    return np.where(silent, 0, np.maximum(np.ceil(4 * r), 1)).astype(np.int64)


def slick(tally: Tally) -> Ints:
    """Return the SliCK category of each fact, 0 to 3: a row of `SLICK`.

    HighlyKnown: all greedy answers right. MaybeKnown: some. WeaklyKnown: none, but some sample. Unknown: none.

    Parameters
    ----------
    tally : Tally
        With greedy answers, from the same run as the samples.

    Returns
    -------
    array of int

    Raises
    ------
    DataError
        Without greedy answers.

    Notes
    -----
    Source: Gekhman et al., EMNLP 2024, arXiv 2405.05904. Theirs (*unverified*): 10 random prompts of 4 examples,
    greedy and 16 samples at temperature .5, exact match. Ours counts what the mastery run has: other prompts,
    temperature and matching, so that shares are not comparable with theirs.

    Examples
    --------
    >>> found = slick(Tally([[4, 4], [1, 0], [1, 0], [0, 0]], np.full((4, 2), 4), [[1, 1], [1, 0], [0, 0], [0, 0]]))
    >>> [SLICK[one] for one in found]
    ['HighlyKnown', 'MaybeKnown', 'WeaklyKnown', 'Unknown']
    """
    if tally.greedy is None:
        raise DataError("tally must have greedy answers for SliCK; it has none. Grade with greedy answers.")
    asked = tally.draws > 0
    right = (tally.greedy & asked).sum(axis=1)
    sampled = tally.hits.any(axis=1)
    return np.where(right == asked.sum(axis=1), 0, np.where(right > 0, 1, np.where(sampled, 2, 3))).astype(
        np.int64
    )


def crossed(rows: ArrayLike, columns: ArrayLike, *, shape: tuple[int, int]) -> Ints:
    """Return how many facts have each pair of categories, such as SliCK (4) by mastery (5).

    Parameters
    ----------
    rows, columns : array of int (facts,)
    shape : (int, int)
        How many categories each has.

    Raises
    ------
    DataError
        For lengths that differ, or a category beyond the shape.

    Examples
    --------
    >>> crossed([0, 1, 1], [0, 1, 0], shape=(2, 2)).tolist()
    [[1, 0], [1, 1]]
    """
    a, b = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
    if a.ndim != 1 or a.shape != b.shape:
        raise DataError(f"columns must be as many as the rows {a.shape}; got {b.shape}.")
    for name, given, size in (("rows", a, shape[0]), ("columns", b, shape[1])):
        if len(given) and not 0 <= given.min() <= given.max() < size:
            raise DataError(f"{name} must be from 0 to {size - 1}; got {given.min()} to {given.max()}.")
    table = np.zeros(shape, dtype=np.int64)
    np.add.at(table, (a, b), 1)
    return table


def unsettled(
    hits: ArrayLike, draws: ArrayLike, *, method: str = "flat", confidence: float = 0.95
) -> NDArray[np.bool_]:
    """Return whether each fact could have another category: whether its interval reaches into one.

    Parameters
    ----------
    hits, draws : array of int
    method, confidence
        As in `assay.knowledge.share_interval`.

    Returns
    -------
    array of bool
        True where `exact_categories` of the interval's ends, at as many draws, are not both the fact's category.
        Every D0 fact is: no number of draws rules out a small score.

    Raises
    ------
    DataError
        As in `categories`.

    Examples
    --------
    >>> unsettled([0, 1, 26, 50, 52, 210], 210).tolist()
    [True, True, False, True, True, False]
    """
    h, n = hits_of_draws(hits, draws)
    found = categories(h, n)
    low, high = share_interval(h, n, method=method, confidence=confidence)
    ends = [np.empty(h.shape, dtype=np.int64) for _ in range(2)]
    for number in np.unique(n):
        at = n == number
        for end, bound in zip(ends, (low, high), strict=True):
            end[at] = exact_categories(bound[at], draws=int(number))
    return np.asarray((ends[0] != found) | (ends[1] != found))


def template_interval(
    tally: Tally, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return an interval around each score for templates that could have been others.

    Templates of a fact are drawn with replacement, whole, again and again, and their draws counted anew.

    Parameters
    ----------
    tally : Tally
        At least 2 templates a fact.
    confidence : float in (0, 1)
        Percentiles of the resamples.
    resamples : int
        At least 2.
    seed : int
        Facts with as many templates share their draws, so that a fact's interval does not depend on other facts.

    Returns
    -------
    low, high : array (facts,)
        0 to 1. Few templates make it too narrow, and where no draw hit, or all, it has no width: see
        `assay.knowledge.share_interval` for those.

    Raises
    ------
    DataError
        For a fact with one template.

    Notes
    -----
    facts x templates x resamples steps; memory does not grow with the facts.

    Examples
    --------
    >>> low, high = template_interval(Tally([[10, 0, 10, 0]], [[10, 10, 10, 10]]))
    >>> low.tolist(), high.tolist()
    ([0.0], [1.0])
    """
    share("confidence", confidence)
    _check.whole("resamples", resamples, 2)
    _check.whole("seed", seed, 0)
    asked = tally.draws > 0
    count = asked.sum(axis=1)
    if (count < 2).any():
        at = np.flatnonzero(count < 2)
        raise DataError(
            f"tally must have at least 2 templates a fact; {len(at)} facts have one, first {at[0]}. "
            "Use share_interval."
        )
    low, high = np.empty(len(count)), np.empty(len(count))
    for templates in np.unique(count):
        weights = (
            np.random.default_rng([seed, int(templates)])
            .multinomial(templates, np.full(templates, 1 / templates), size=resamples)
            .astype(np.float64)
        )
        rows = np.flatnonzero(count == templates)
        for start in range(0, len(rows), max(1, BLOCK // resamples)):
            taken = rows[start : start + max(1, BLOCK // resamples)]
            inside = asked[taken]
            hits = tally.hits[taken][inside].reshape(len(taken), templates)
            draws = tally.draws[taken][inside].reshape(len(taken), templates)
            scores = (hits @ weights.T) / (draws @ weights.T)  # whole numbers, so exact
            low[taken], high[taken] = np.quantile(
                scores, [(1 - confidence) / 2, (1 + confidence) / 2], axis=1
            )
    return low, high


def probabilities_of(values: ArrayLike) -> Floats:
    """Return probabilities of facts and templates, rounding above 1 taken off, or raise."""
    p = np.asarray(values, dtype=np.float64)
    if p.ndim != 2 or not p.shape[1]:
        raise DataError(f"probabilities must be a matrix (facts, templates); got shape {p.shape}.")
    bad = (p < 0) | (p > 1 + 1e-6)
    if bad.any():
        at = np.argwhere(bad)[0]
        raise DataError(
            f"probabilities must be from 0 to 1; {int(bad.sum())} are not, first {p[at[0], at[1]]:g} of fact {at[0]}."
        )
    if np.isnan(p).all(axis=1).any():
        at = int(np.argmax(np.isnan(p).all(axis=1)))
        raise DataError(f"probabilities must have at least one for each fact; fact {at} has none.")
    return np.minimum(p, 1.0)
