"""Does a measure of diversity go with what models trained on the sets are worth?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from assay import _check
from assay.diversity.novelsum import novelsum, resolve_variant
from assay.errors import DataError, warn
from assay.neighbors import local_density

FEWEST = 3
ALL = "all"
JOINED = "mean z-score"

Units = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Correlation:
    """How one measure goes with one performance over one choice of sets.

    `sets` is "all" or the name of what was left out; `n` how many sets are left. `low` and `high` bound the bootstrap
    interval. `difference` is `mean` less the baseline's, resampled together; None without a baseline. `flat` counts
    the resamples that had no variance and bound nothing.
    """

    measure: str
    performance: str
    sets: str
    n: int
    pearson: float
    pearson_low: float
    pearson_high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    mean: float
    mean_low: float
    mean_high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    flat: int


def correlate(
    measures: Mapping[str, ArrayLike],
    performance: Mapping[str, ArrayLike] | ArrayLike,
    *,
    without: Mapping[str, ArrayLike] | None = None,
    lower_is_better: Collection[str] = (),
    baseline: str | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Correlation]:
    """Return the correlation of each measure with each performance, with bootstrap intervals over the sets.

    1 means that a set which the measure calls more diverse gave the better model, always and in proportion; 0 that
    the measure says nothing. Pearson's coefficient sees proportion, Spearman's order; their mean is given too.

    Parameters
    ----------
    measures : mapping of name to array (n,)
        The values of each measure, one a set.
    performance : mapping of name to array (n,), or array (n,)
        What the models trained on the sets are worth. Several are also joined, as the mean of their z-scores over
        all n sets.
    without : mapping of name to boolean array (n,), optional
        Sets to leave out; each entry adds results under its name, such as those without sets built of duplicates,
        which alone can make any measure correlate.
    lower_is_better : collection of str
        Measures that fall as diversity rises and performances such as a loss; their signs are turned.
    baseline : str, optional
        A measure that all others are compared with: how much higher their mean coefficient is, in the same resamples.
    resamples : int
        How many times n sets are drawn with replacement, at least 1.
    confidence : float in (0, 1)
        Share of the resamples inside each interval (percentiles).
    seed : int
        Seed of the resamples, which are the same for all measures.

    Returns
    -------
    list of Correlation
        For each measure and performance: all sets, then each entry of `without`. Coefficients from -1 to 1. An
        interval is nan where no resample has any variance.

    Raises
    ------
    DataError
        Fewer than three sets, values that are not finite or do not vary, columns of different lengths, names that
        are not there.

    Notes
    -----
    About resamples x n x (measures + performances) sorted numbers; memory a few times resamples x n. Sets that were
    built in one way with several seeds are not independent, so that intervals over them are too narrow.

    Source: (Pearson + Spearman) / 2 is taken to be the figure in Yang et al., ACL 2025, arXiv 2502.17184
    (unverified, as is the joining of performances; the published points fit it). The paper gives no intervals.

    Examples
    --------
    >>> [found] = correlate({"novelsum": [0.4, 0.5, 0.6, 0.7]}, {"mt_bench": [5.1, 5.0, 5.9, 6.3]})
    >>> round(found.pearson, 3), round(found.spearman, 3), found.n
    (0.923, 0.8, 4)
    """
    if not isinstance(performance, Mapping):
        performance = {"performance": performance}
    resamples = _check.whole("resamples", resamples, 1)
    if not 0 < confidence < 1:
        raise DataError(f"confidence must be between 0 and 1; got {confidence!r}.")
    both = [name for name in measures if name in performance]
    if both:
        raise DataError(f"performance must not be a measure too; got {both[0]!r} as both.")
    columns = _columns(measures, performance, lower_is_better)
    if baseline is not None:
        _check.choice("baseline", baseline, measures)
    n = len(next(iter(columns.values())))
    kept = {ALL: np.ones(n, dtype=bool)}
    for name, mask in (without or {}).items():
        left_out = np.asarray(mask)
        if left_out.shape != (n,) or left_out.dtype != bool:
            raise DataError(
                f"without[{name!r}] must hold one truth value a set ({n}); got {left_out.dtype} of shape "
                f"{left_out.shape}."
            )
        kept[f"without {name}"] = ~left_out
    goals = list(performance)
    if len(goals) > 1:
        columns[JOINED] = _joined([columns[name] for name in goals])
        goals.append(JOINED)
    points: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    draws: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    for sets, keep in kept.items():
        for name in [*measures, *goals]:
            _varying(name, columns[name][keep], sets)
        order = np.random.default_rng(seed).integers(0, keep.sum(), size=(resamples, int(keep.sum())))
        whole = {goal: _units(columns[goal][keep]) for goal in goals}
        drawn = {goal: _units(columns[goal][keep][order]) for goal in goals}
        for name in measures:
            here, there = _units(columns[name][keep]), _units(columns[name][keep][order])
            for goal in goals:
                points[name, goal, sets] = _coefficients(here, whole[goal])
                draws[name, goal, sets] = _coefficients(there, drawn[goal])
    rows = []
    for name, goal, sets in ((m, g, s) for m in measures for g in goals for s in kept):
        (pearson, spearman, mean), drawn_here = points[name, goal, sets], draws[name, goal, sets]
        bounds = [_interval(values, confidence) for values in drawn_here]
        difference: float | None = None
        apart: tuple[float | None, float | None] = (None, None)
        if baseline is not None and name != baseline:
            difference = float(mean - points[baseline, goal, sets][2])
            apart = _interval(drawn_here[2] - draws[baseline, goal, sets][2], confidence)
        rows.append(
            Correlation(
                name, goal, sets, int(kept[sets].sum()), float(pearson), *bounds[0], float(spearman), *bounds[1],
                float(mean), *bounds[2], difference, *apart, int(np.isnan(drawn_here[2]).sum()),
            )
        )  # fmt: skip
    return rows


def novelsum_grid(
    sets: Mapping[str, ArrayLike],
    *,
    reference: ArrayLike,
    proximity_powers: Iterable[float] = (0.0, 1.0, 2.0),
    density_powers: Iterable[float] = (0.0, 0.25, 0.5),
    neighbors: Iterable[int] = (5, 10),
    variant: str = "official",
    device: str = "cpu",
) -> dict[str, NDArray[np.float64]]:
    """Return NovelSum of every set under every combination of its exponents and neighbours, to be correlated.

    Higher means more diverse. The defaults are the grid of the authors' program, 15 different combinations, since
    without density the number of neighbours does not matter.

    Parameters
    ----------
    sets : mapping of name to array (n, d)
        Sets of one size, embedded by one model.
    reference : array (N, d)
    proximity_powers, density_powers : iterable of float >= 0
    neighbors : iterable of int >= 1
    variant, device
        As in `novelsum`.

    Returns
    -------
    dict of name to array (len(sets),)
        Named "novelsum proximity 1 density 0.5 neighbors 10", in the order of the sets, as `correlate` takes them.
        Compare only within one combination.

    Raises
    ------
    DataError
        As in `novelsum`; no sets.

    Warns
    -----
    AssayWarning
        Sets of different sizes; what `novelsum` warns of.

    Notes
    -----
    One search for the densities of a set for each number of neighbours; its distances once for each combination.

    Source: the grid is in the program of Yang et al., ACL 2025, arXiv 2502.17184.

    Examples
    --------
    >>> import numpy as np
    >>> pool = np.random.default_rng(0).normal(size=(60, 3))
    >>> found = novelsum_grid({"a": pool[:20], "b": pool[20:40]}, reference=pool, neighbors=[5])
    >>> len(found), found["novelsum proximity 0 density 0"].shape
    (9, (2,))
    """
    if not sets:
        raise DataError("sets must hold at least one set; got none.")
    sizes = {len(rows) for rows in map(np.asarray, sets.values())}
    if len(sizes) > 1:
        warn(f"the sets have from {min(sizes)} to {max(sizes)} rows, and NovelSum depends on the size.")
    statistic = resolve_variant(variant).density_statistic
    proximities, powers, counts = list(proximity_powers), list(density_powers), list(neighbors)
    values: dict[str, list[float]] = {}
    for rows in sets.values():
        densities = {
            count: local_density(
                rows, reference=reference, neighbors=count, statistic=statistic, device=device
            )
            for count in counts
            if any(power > 0 for power in powers)
        }
        for proximity in proximities:
            for power in powers:
                for count in counts if power > 0 else [None]:
                    name = f"novelsum proximity {proximity:g} density {power:g}"
                    if count is not None:
                        name += f" neighbors {count}"
                    value = novelsum(
                        rows,
                        variant=variant,
                        density_power=power,
                        proximity_power=proximity,
                        density=None if count is None else densities[count],
                    )
                    values.setdefault(name, []).append(value)
    return {name: np.array(column) for name, column in values.items()}


def _columns(
    measures: Mapping[str, ArrayLike], performance: Mapping[str, ArrayLike], lower_is_better: Collection[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the columns as float64, checked, and the signs of some turned."""
    columns: dict[str, NDArray[np.float64]] = {}
    for kind, table in (("measures", measures), ("performance", performance)):
        if not table:
            raise DataError(f"{kind} must hold at least one column; got none.")
        for name, given in table.items():
            try:
                values = np.asarray(given, dtype=np.float64)
            except (TypeError, ValueError):
                raise DataError(f"{name} must hold numbers; got {given!r:.60}.") from None
            first = next(iter(columns.values()), values)
            if values.ndim != 1 or len(values) != len(first):
                raise DataError(
                    f"{name} must hold one number a set ({len(first)}); got shape {values.shape}."
                )
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise DataError(
                    f"{name} must be finite; {len(bad)} of {len(values)} sets have no number, first set {bad[0]}."
                )
            columns[name] = values
    if isinstance(lower_is_better, str):
        raise DataError(f"lower_is_better must be a collection of names; got {lower_is_better!r}.")
    for name in dict.fromkeys(lower_is_better):
        _check.choice("lower_is_better", name, columns)
        columns[name] = -columns[name]
    return columns


def _varying(name: str, values: NDArray[np.float64], sets: str) -> None:
    """Raise unless there are sets enough and the values differ."""
    where = "" if sets == ALL else f" {sets}"
    if len(values) < FEWEST:
        raise DataError(f"a correlation needs at least {FEWEST} sets; there are {len(values)}{where}.")
    if (values == values[0]).all():
        raise DataError(
            f"{name} must vary to correlate; it is {values[0]:g} in all {len(values)} sets{where}. Leave it out."
        )


def _joined(columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the mean of the z-scores of columns; one that does not vary has none and is refused later."""
    scores = [(values - values.mean()) / (values.std() or 1.0) for values in columns]
    return np.asarray(np.mean(scores, axis=0))


def _units(values: NDArray[np.float64]) -> Units:
    """Return the values and their ranks along the last axis, centred and of norm 1; nan where they do not vary."""
    return _unit(values), _unit(rankdata(values, axis=-1))


def _unit(values: NDArray[Any]) -> NDArray[np.float64]:
    flat = (values == values[..., :1]).all(axis=-1, keepdims=True)
    gap = values - values.mean(axis=-1, keepdims=True)
    gap /= np.where(flat, 1.0, np.abs(gap).max(axis=-1, keepdims=True))  # squares of any size are safe
    norm = np.sqrt((gap * gap).sum(axis=-1, keepdims=True))
    return np.asarray(np.where(flat, np.nan, gap / np.where(flat, 1.0, norm)))


def _coefficients(x: Units, y: Units) -> NDArray[np.float64]:
    """Return Pearson's and Spearman's coefficient and their mean."""
    pearson, spearman = (np.clip((a * b).sum(axis=-1), -1.0, 1.0) for a, b in zip(x, y, strict=True))
    return np.stack([pearson, spearman, (pearson + spearman) / 2])


def _interval(draws: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the percentiles that hold the middle `confidence` of the draws, those without variance aside."""
    found = draws[~np.isnan(draws)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
