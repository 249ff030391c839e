"""Several sets side by side, at one size, with intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.diversity.novelsum import resolve_density_power, resolve_variant
from assay.diversity.partition import kmeans
from assay.errors import AssayWarning, DataError, warn
from assay.neighbors import local_density

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of one set, over repeated draws of `size` of its `n` rows without replacement.

    `value` is the mean over the draws, `low` and `high` bound the share of them asked for. `difference` is this set's
    value less the baseline's, draw by draw; None for the baseline. Where a measure cannot be had, all are None and
    `reason` says why.
    """

    set: str
    measure: str
    n: int
    size: int
    value: float | None
    low: float | None
    high: float | None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    reason: str = ""


def compare(
    sets: Mapping[str, ArrayLike],
    *,
    measures: Sequence[str] = ("novelsum",),
    reference: ArrayLike | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    baseline: str | None = None,
    size: int | None = None,
    fraction: float = 0.5,
    repeats: int = 50,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Comparison]:
    """Return measures of several sets at equal size, with intervals and paired differences.

    From every set the same number of rows is drawn again and again, without replacement, since copies are what these
    measures punish; each draw is measured. What an interval holds is how far a value moves with the rows that
    happen to be in the set. Where the interval of a difference leaves out 0, draws of that size tell two sets apart.

    Parameters
    ----------
    sets : mapping of name to array (n, d)
        All embedded by one model.
    measures : sequence of str
        Rows of `MEASURES`.
    reference : array (N, d), optional
        What density and coverage are measured against, one for all sets. A set is never its own.
    texts : mapping of name to sequence of str, optional
        The texts of the sets, for the measures that take them.
    options : mapping of measure to mapping of option to value, optional
        Such as ``{"novelsum": {"variant": "paper"}}``.
    baseline : str, optional
        The set that the others are compared with. None: the first.
    size : int, optional
        Rows in a draw. None: those of the smallest set. Where a set has exactly so many, every draw would be the
        set itself, so that `fraction` of them are drawn, from all sets alike; the result says how many.
    fraction : float in (0, 1)
        0.5: for a mean, halves drawn without replacement spread as much as new sets of full size would.
    repeats : int
        Draws, at least 2.
    confidence : float in (0, 1)
        Share of the draws inside an interval (percentiles).
    seed : int
        Seed of the draws. Sets of one length are drawn at the same rows, so that versions of one set are paired.
    progress : callable, optional
        Called with (draws measured, draws in all).

    Returns
    -------
    list of Comparison
        For each set, each measure. Comparable within one call only, since most measures move with the size.

    Raises
    ------
    DataError
        Other widths, unknown names, a size beyond the smallest set, a draw of fewer than two rows.

    Warns
    -----
    AssayWarning
        Measures that depend on the size; what the measures themselves warn of, at the first draw of each set.

    Notes
    -----
    `repeats` times the cost of each measure at that size. Densities are computed once for each whole set, and the
    clusters of the reference once. Draws of a larger share of a set overlap more and spread less: an interval from a
    set of twice the draw is narrower than one from a much larger set, for that reason alone. Copies are thinned out:
    half of a set that holds every row twice has few pairs left. Raise `fraction` where copies are the question.

    Source: the delete-half jackknife, Shao & Wu 1989; equal sizes are this project's choice.

    Examples
    --------
    >>> import numpy as np
    >>> pool = np.random.default_rng(0).normal(size=(200, 3))
    >>> wide, narrow = compare({"wide": pool[:60], "narrow": pool[60:120] + 2}, measures=["distsum_cosine"])
    >>> wide.size, narrow.difference_high < 0
    (30, True)
    """
    from assay.diversity import MEASURES

    if not sets:
        raise DataError("sets must hold at least one set; got none.")
    if isinstance(reference, str):
        raise DataError(f"reference must be one for all sets, a matrix or None; got {reference!r}.")
    for name in measures:
        _check.known("measure", name, MEASURES, "assay measures")
    settings = {name: dict((options or {}).get(name, {})) for name in measures}
    for name in options or {}:
        _check.choice("options", name, measures)
    check_draws(size, fraction, repeats, confidence)
    first = next(iter(sets))
    baseline = first if baseline is None else _check.choice("baseline", baseline, sets)
    matrices = {name: _check.embeddings(f"set {name}", rows) for name, rows in sets.items()}
    for name, rows in matrices.items():
        _check.same_width(f"set {first}", matrices[first], f"set {name}", rows)
    lengths = {name: len(rows) for name, rows in matrices.items()}
    pool = None if reference is None else _check.embeddings("reference", reference)
    if pool is not None:
        _check.same_width(f"set {first}", matrices[first], "reference", pool)
    drawn = _size(lengths, size, fraction)
    moving = [name for name in measures if MEASURES[name].moves_with_size]
    if moving:
        warn(
            f"{', '.join(moving)} {'depend' if len(moving) > 1 else 'depends'} on the size: these values are those of "
            f"{drawn:,} rows. Do not set them beside values of another size."
        )
    values: dict[tuple[str, str], NDArray[np.float64] | str] = {}
    done, total = 0, len(matrices) * len(measures) * repeats
    shared: dict[str, Any] = {}  # by measure: what the reference alone decides
    for name, rows in matrices.items():
        order = [
            np.random.default_rng([seed, repeat]).permutation(len(rows))[:drawn] for repeat in range(repeats)
        ]
        for measure in measures:
            try:
                value = _prepared(measure, rows, pool, (texts or {}).get(name), settings[measure], shared)
                values[name, measure] = np.array(
                    [
                        _measured(value, draw, f"{name}, first draw" if n == 0 else "")
                        for n, draw in enumerate(order)
                    ]
                )
            except DataError as error:
                if len(measures) == 1:
                    raise
                values[name, measure] = str(error)
            done += repeats
            if progress is not None:
                progress(done, total)
    return [
        _row(name, measure, lengths[name], drawn, values[name, measure], values[baseline, measure], name == baseline,
             confidence)
        for name in matrices for measure in measures
    ]  # fmt: skip


def check_draws(size: int | None, fraction: float, repeats: int, confidence: float) -> None:
    """Raise by what can be known to be wrong with the draws before there is any set."""
    if size is not None:
        _check.whole("size", size, 2)
    _check.whole("repeats", repeats, 2)
    for what, share in (("fraction", fraction), ("confidence", confidence)):
        if not 0 < share < 1:
            raise DataError(f"{what} must be between 0 and 1; got {share!r}.")


def _size(lengths: Mapping[str, int], size: int | None, fraction: float) -> int:
    """Return how many rows are drawn from every set."""
    name = min(lengths, key=lambda key: lengths[key])
    smallest = lengths[name]
    size = smallest if size is None else size
    if size > smallest:
        raise DataError(f"size must be <= the rows of the smallest set, {name} ({smallest:,}); got {size:,}.")
    if size == smallest:
        size = int(fraction * smallest)
    if size < 2:
        raise DataError(
            f"fraction must leave at least 2 rows of the smallest set, {name} ({smallest:,}); got {fraction:g}. "
            "Use more rows."
        )
    return size


def _prepared(
    measure: str,
    rows: NDArray[np.floating[Any]],
    reference: NDArray[np.floating[Any]] | None,
    texts: Sequence[str] | None,
    options: dict[str, Any],
    shared: dict[str, Any],
) -> Callable[[Rows], float]:
    """Return the measure as a function of drawn rows, with all that the draws share computed once."""
    from assay.diversity import MEASURES

    row = MEASURES[measure]
    if row.takes == "texts":
        if texts is None:
            raise DataError(f"{measure} needs texts; there are none.")
        if len(texts) != len(rows):
            raise DataError(f"texts must be as many as the embeddings ({len(rows)}); got {len(texts)}.")
        return lambda draw: row.function([texts[at] for at in draw], **options)
    if row.reference == "required" and reference is None and "centroids" not in options:
        raise DataError(f"reference must be given for {measure}; got none.")
    if measure == "novelsum":
        return _novelsum(row.function, rows, reference, options)
    alone = options.keys() <= {
        "n_clusters",
        "seed",
        "log_base",
        "normalise",
    }  # the reference decides the clusters
    if measure == "partition_entropy" and reference is not None and alone:
        count, seed = options.get("n_clusters", 1000), options.get("seed", 0)
        if len(reference) < count:
            raise DataError(
                f"reference must have at least n_clusters rows ({count}); got {len(reference)}. Use fewer clusters."
            )
        if measure not in shared:
            shared[measure] = kmeans(reference, count, seed=seed)
        return lambda draw: row.function(rows[draw], centroids=shared[measure], **options)
    if row.reference == "required":
        return lambda draw: row.function(rows[draw], reference=reference, **options)
    return lambda draw: row.function(rows[draw], **options)


def _novelsum(
    function: Callable[..., float],
    rows: NDArray[np.floating[Any]],
    reference: NDArray[np.floating[Any]] | None,
    options: dict[str, Any],
) -> Callable[[Rows], float]:
    """Return NovelSum of drawn rows, their densities those of the whole set under the reference."""
    power = resolve_density_power(options.get("density_power"), reference is not None)
    if power == 0:
        return lambda draw: function(rows[draw], **{**options, "density_power": 0.0})
    form = resolve_variant(
        options.get("variant", "official"), density_statistic=options.get("density_statistic")
    )
    density = local_density(
        rows,
        reference=reference,
        neighbors=options.get("neighbors", 10),
        statistic=form.density_statistic,
        device=options.get("device", "cpu"),
    )
    return lambda draw: function(rows[draw], density=density[draw], **options)


def _measured(value: Callable[[Rows], float], draw: Rows, label: str) -> float:
    """Return the measure of a draw; its warnings are passed on under `label`, or dropped where that is empty."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = value(draw)
    for warning in caught:
        if not issubclass(warning.category, AssayWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif label:
            warn(f"{label}: {warning.message}")
    return found


def _row(
    name: str,
    measure: str,
    n: int,
    size: int,
    values: NDArray[np.float64] | str,
    base: NDArray[np.float64] | str,
    is_baseline: bool,
    confidence: float,
) -> Comparison:
    if isinstance(values, str):
        return Comparison(name, measure, n, size, None, None, None, reason=values)
    if is_baseline or isinstance(base, str):
        return Comparison(name, measure, n, size, *_spread(values, confidence))
    with np.errstate(invalid="ignore"):  # a log determinant of -inf in both
        apart = values - base
    return Comparison(name, measure, n, size, *_spread(values, confidence), *_spread(apart, confidence))


def _spread(values: NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    """Return the mean of the draws and the percentiles that hold the middle `confidence` of them."""
    if not np.isfinite(values).all():
        return float(values.mean()), math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(values.mean()), float(low), float(high)
