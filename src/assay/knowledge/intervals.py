"""How far a number could have come out elsewhere: shares of draws, and means over facts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INTERVALS = ("flat", "wilson")
BLOCK = 1 << 22  # entries of a block of resamples: 32 MiB


def counts(name: str, values: ArrayLike) -> Ints:
    """Return `values` as whole numbers >= 0, or raise by their name."""
    found: NDArray[Any] = np.asarray(values)
    if found.dtype.kind not in "biuf":
        raise DataError(f"{name} must be whole numbers; got dtype {found.dtype}.")
    fraction = ~(np.floor(found) == found) | np.isinf(found)
    if fraction.any():
        raise DataError(f"{name} must be whole numbers; got {found[fraction].flat[0]}.")
    if (found < 0).any():
        raise DataError(f"{name} must be >= 0; got {found.min()}.")
    return found.astype(np.int64)


def hits_of_draws(hits: ArrayLike, draws: ArrayLike, *, least: int = 1) -> tuple[Ints, Ints]:
    """Return both as whole numbers of one shape, `least` <= draws and hits <= draws, or raise."""
    h, n = counts("hits", hits), counts("draws", draws)
    try:
        h, n = np.broadcast_arrays(h, n)
    except ValueError:
        raise DataError(f"draws must have the shape of hits {h.shape}, or be one; got {n.shape}.") from None
    if (n < least).any():
        raise DataError(f"draws must be >= {least}; got {n.min()}.")
    if (h > n).any():
        at = int(np.flatnonzero((h > n).ravel())[0])
        raise DataError(
            f"hits must be <= draws; {int((h > n).sum())} of {h.size} are not, first {h.flat[at]} of {n.flat[at]}."
        )
    return h, n


def share(name: str, value: float) -> None:
    """Raise unless `value` is between 0 and 1."""
    if not 0 < value < 1:
        raise DataError(f"{name} must be between 0 and 1; got {value!r}.")


def share_interval(
    hits: ArrayLike, draws: ArrayLike, *, method: str = "flat", confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Return an interval around the probability behind hits of draws.

    Parameters
    ----------
    hits, draws : array of int, of one shape
        At least one draw each.
    method : {"flat", "wilson"}
        "flat": what a flat prior and the draws leave likely, Beta(h + 1, N - h + 1); both tails are left out alike,
        but only one where h is 0 or N, so that the interval reaches 0 or 1. "wilson": the score interval, whose
        long-run coverage is near the confidence.
    confidence : float in (0, 1)

    Returns
    -------
    low, high : array
        From 0 to 1.

    Raises
    ------
    DataError
        More hits than draws, no draw, an unknown method.

    Notes
    -----
    For draws that are alike. Draws of several templates with the same number each spread less than that: the interval
    is then too wide rather than too narrow, for the templates at hand. For other templates it is too narrow: see
    `assay.knowledge.template_interval`.

    Examples
    --------
    >>> low, high = share_interval([0, 105], 210)
    >>> high.round(3).tolist()
    [0.014, 0.567]
    """
    _check.choice("method", method, INTERVALS)
    share("confidence", confidence)
    h, n = hits_of_draws(hits, draws)
    if method == "wilson":
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        r = h / n
        centre = (r + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(r * (1 - r) / n + z * z / (4 * n * n))
        low, high = np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
    else:
        from scipy.special import betaincinv  # a second that readers of facts need not wait

        tail = (1 - confidence) / np.where((h == 0) | (h == n), 1, 2)
        low, high = betaincinv(h + 1, n - h + 1, tail), betaincinv(h + 1, n - h + 1, 1 - tail)
    return np.where(h == 0, 0.0, low), np.where(h == n, 1.0, high)


@dataclass(frozen=True, slots=True)
class Spread:
    """One number a token over a group: mean a token with its interval over facts, and quantiles over tokens."""

    group: Hashable
    facts: int
    tokens: int
    mean: float
    low: float
    high: float
    q50: float
    q90: float
    q95: float
    q99: float


def spread(
    values: ArrayLike,
    *,
    facts: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Spread]:
    """Return mean, interval and quantiles of one number a token, for each group.

    Parameters
    ----------
    values : array (n,)
        Such as an array of a `Divergence`: finite.
    facts : sequence, optional
        The fact that each token belongs to. None: each its own. Facts, not tokens, are drawn for the interval,
        since tokens of one answer move together.
    groups : sequence, optional
        Of each token: a category, a relation, or both as a tuple. None: one group, ``"all"``.
    confidence : float in (0, 1)
        Of the interval (percentiles).
    resamples : int
        Of the facts of a group, with replacement; at least 2.
    seed : int

    Returns
    -------
    list of Spread
        In the order in which groups first come. The mean is that of the tokens, so that long answers weigh more.

    Raises
    ------
    DataError
        For NaN or inf, no value, or lengths that differ.

    Examples
    --------
    >>> row, = spread([0.1, 0.3, 0.2, 0.4], facts=["Oslo", "Oslo", "Bern", "Bern"])
    >>> row.facts, row.tokens, round(row.mean, 2), round(row.low, 2), round(row.high, 2)
    (2, 4, 0.25, 0.2, 0.3)
    """
    share("confidence", confidence)
    _check.whole("resamples", resamples, 2)
    _check.whole("seed", seed, 0)
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise DataError(f"values must be a list of at least one number; got shape {numbers.shape}.")
    if not np.isfinite(numbers).all():
        bad = np.flatnonzero(~np.isfinite(numbers))
        raise DataError(
            f"values must be finite; {len(bad)} of {len(numbers)} are NaN or inf, first at {bad[0]}. "
            "A KL is inf where a model rules a token out; Jensen-Shannon is not."
        )
    for name, given in (("facts", facts), ("groups", groups)):
        if given is not None and len(given) != len(numbers):
            raise DataError(f"{name} must be as many as the values ({len(numbers)}); got {len(given)}.")
    owner = np.arange(len(numbers)) if facts is None else _numbered(facts)
    rows: dict[Hashable, list[int]] = {}
    for at, group in enumerate(["all"] * len(numbers) if groups is None else groups):
        rows.setdefault(group, []).append(at)
    found = []
    for group, taken in rows.items():
        x, of = numbers[taken], owner[taken]
        low, high = _mean_interval(x, of, confidence=confidence, resamples=resamples, seed=seed)
        quantiles = [float(q) for q in np.quantile(x, [0.5, 0.9, 0.95, 0.99])]
        found.append(Spread(group, len(np.unique(of)), len(x), float(x.mean()), low, high, *quantiles))
    return found


def _numbered(names: Sequence[Hashable]) -> Ints:
    """Return a number for each name, equal names the same."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], dtype=np.int64)


def _mean_interval(
    values: Floats, facts: Ints, *, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the percentile interval of the mean of `values`, from resamples of the facts that they belong to."""
    _, at = np.unique(facts, return_inverse=True)
    sums, rows = np.bincount(at, weights=values), np.bincount(at).astype(np.float64)
    n = len(sums)
    draws = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, BLOCK // n)
    for start in range(0, resamples, step):
        chosen = draws.integers(0, n, size=(min(step, resamples - start), n))
        means[start : start + step] = sums[chosen].sum(axis=1) / rows[chosen].sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def correlation(x: Floats, y: Floats) -> float:
    """Return Pearson's coefficient; nan where one side does not vary."""
    u, v = x - x.mean(), y - y.mean()
    length = float(np.sqrt((u @ u) * (v @ v)))
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0 or length == 0:
        return float("nan")
    return float(np.clip(u @ v / length, -1.0, 1.0))


def rank_correlation(x: Floats, y: Floats) -> float:
    """Return Spearman's coefficient, equal values sharing their mean rank; nan where one side does not vary."""
    return correlation(_ranks(x), _ranks(y))


@dataclass(frozen=True, slots=True)
class Correlated:
    """Spearman's coefficient over `runs` in `groups`, with its interval; nan where one side is level."""

    runs: int
    groups: int
    spearman: float
    low: float
    high: float


def with_accuracy(
    shifts: ArrayLike,
    accuracies: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Correlated:
    """Return how a number a run, such as its mean KL, goes with the run's accuracy: the paper has it fall.

    Parameters
    ----------
    shifts, accuracies : array (runs,)
        Finite.
    groups : sequence, optional
        Of each run, such as its bin and size: groups are drawn whole, since runs of one are alike. None: each its own.
    confidence : float in (0, 1)
        Percentiles of the resamples.
    resamples : int
        Of the groups, with replacement; those of which one side is level have no coefficient and are left out.
    seed : int

    Returns
    -------
    Correlated
        Without an interval for fewer than three groups.

    Raises
    ------
    DataError
        Lengths that differ, NaN or inf.

    Notes
    -----
    The paper shows curves and gives no coefficient. Runs of several bins and sizes differ in both numbers for reasons
    of their own: a coefficient over them is no effect of one on the other. Few groups, wide intervals: of 4 there are
    35 resamples that differ.

    Examples
    --------
    >>> found = with_accuracy([0.3, 0.5, 0.9, 1.2], [60.0, 55.0, 56.0, 40.0])
    >>> found.runs, found.spearman
    (4, -0.8)
    """
    share("confidence", confidence)
    _check.whole("resamples", resamples, 2)
    _check.whole("seed", seed, 0)
    x, y = np.asarray(shifts, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise DataError(f"accuracies must be as many as the shifts {x.shape}; got {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("shifts and accuracies must be finite; some are NaN or inf. Leave those runs out.")
    of = np.arange(len(x)) if groups is None else _numbered(groups)
    if len(of) != len(x):
        raise DataError(f"groups must be as many as the shifts ({len(x)}); got {len(of)}.")
    members = [np.flatnonzero(of == one) for one in dict.fromkeys(of.tolist())]
    nan = float("nan")
    if len(members) < 3:
        return Correlated(len(x), len(members), nan, nan, nan)
    draws = np.random.default_rng(seed).integers(0, len(members), size=(resamples, len(members)))
    taken = (np.concatenate([members[one] for one in row]) for row in draws.tolist())
    found = np.array([rank_correlation(x[rows], y[rows]) for rows in taken])
    found = found[~np.isnan(found)]
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2]) if len(found) else (nan, nan)
    return Correlated(len(x), len(members), rank_correlation(x, y), float(low), float(high))


def _ranks(values: Floats) -> Floats:
    """Return ranks from 1, equal values sharing their mean rank."""
    _, where, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[where])
