"""NovelSum: proximity-weighted, density-scaled distances between the samples of a set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check, _ray
from assay.diversity.pairs import Steps, Tile, Wants, even, steps_of, stepwise, warn_of_copies
from assay.errors import DataError, warn
from assay.neighbors import DENSITY_STATISTICS, local_density

DENSITY_SIDES = ("self", "neighbor", "both")
RANKINGS = ("distance", "weighted")
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True, slots=True)
class Variant:
    """The settings that a published form of NovelSum stands for."""

    density_side: str
    density_statistic: str
    include_self: bool
    reduction: str
    rank_by: str


VARIANTS = {
    "official": Variant("self", "mean_sq_l2", True, "mean", "distance"),
    "paper": Variant("neighbor", "sum_cosine", False, "sum", "distance"),
}


@stepwise
def novelsum(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike | str | None = None,
    variant: str = "official",
    neighbors: int = 10,
    density_power: float | None = None,
    proximity_power: float = 1.0,
    density_side: str | None = None,
    density_statistic: str | None = None,
    include_self: bool | None = None,
    reduction: str | None = None,
    rank_by: str | None = None,
    density: ArrayLike | None = None,
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
) -> Steps[float]:
    """Return the NovelSum diversity of a set of embeddings.

    Each sample's novelty is a weighted combination of its cosine distances to all samples, where the r-th
    nearest weighs ``r ** -proximity_power``, times the information density of the reference. Higher means
    more diverse. Compare only between sets of the same size, embedded by the same model and measured against
    the same reference.

    Parameters
    ----------
    embeddings : array (n, d)
        The set to measure. float32 is worked on in float32 with float64 sums, float64 in float64.
    reference : array (N, d), "self" or None
        The rows that stand for the natural distribution, such as the pool the set was taken from. "self"
        takes the set itself, and warns: its own outliers then count as uninformative. None leaves density out.
    variant : {"official", "paper"}
        The authors' released program, on the published scale of 0 to about 0.8, or the structure of the
        paper's figure. It sets the defaults of the five options marked (variant).
    neighbors : int
        Nearest reference rows in the density, at least 1. Paper: 10.
    density_power : float >= 0, optional
        Exponent of the density. None: 0.5 (paper) with a reference and 0 without. 0 ignores the reference.
    proximity_power : float >= 0
        Exponent of the rank weight. Paper: 1. 0 weighs all distances alike.
    density_side : {"self", "neighbor", "both"}, optional
        (variant) Whose density scales a distance: the sample's, the other one's, or the sum of both.
    density_statistic : {"mean_sq_l2", "sum_cosine"}, optional
        (variant) See `assay.neighbors.local_density`.
    include_self : bool, optional
        (variant) Whether the sample's distance 0 to itself takes rank 1.
    reduction : {"mean", "sum"}, optional
        (variant) Weighted mean in each row and mean over rows, or sums of both.
    rank_by : {"distance", "weighted"}, optional
        (variant) Rank the others by distance, or by density times distance.
    density : array (n,), optional
        Densities computed before, one a row of `embeddings`, positive. Takes the place of `reference`.
    device : str
        Where the neighbour search of the density and the products of the set with itself run, see
        `assay.neighbors.knn`. On another than "cpu" the value differs by rounding, some 1e-8 of it.
    engine : {"local", "ray"}
        "ray": blocks of rows are measured by Ray workers that have both matrices in the object store of their
        machine. The value is the same, to the last bit, for any number of workers.
    workers : int, optional
        Ray workers of one core, at least 1. None: one for every CPU of the cluster.

    Returns
    -------
    float
        At least 0; 0 for one sample or for copies of one.

    Raises
    ------
    DataError
        Empty, non-finite or zero rows, another width, `neighbors` beyond the usable rows, negative powers,
        a positive `density_power` without a reference.

    Warns
    -----
    AssayWarning
        One sample; exact duplicates; ``reference="self"``; a density weight over 100 times the median.

    Notes
    -----
    Cost 2 n N d operations for the density, 2 n² d for the distances and n² log n for the ranks; memory a few
    blocks of rows, never n x n. Invariant to the order of rows. The paper variant ignores the length of rows;
    the official one takes its density from raw embeddings, so that scaling all by c scales it by
    c ** (-2 density_power).

    Source: Yang et al., "Measuring Data Diversity for Instruction Tuning: A Systematic Analysis and A Reliable
    Metric", ACL 2025, arXiv 2502.17184. Where this differs from the released program: the query's own row is
    left out of its neighbours only if the reference has it, distances are never negative, nothing is
    dropped silently, and no GPU is needed. The paper's text was not at hand: the "paper" variant follows the
    released figure.

    Examples
    --------
    >>> spread = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    >>> clump = [[1.0, 0.0], [0.9, 0.1], [0.8, 0.2]]
    >>> novelsum(spread) > novelsum(clump)
    True
    """
    values = yield from steps_of(novelty)(
        embeddings,
        reference=reference,
        variant=variant,
        neighbors=neighbors,
        density_power=density_power,
        proximity_power=proximity_power,
        density_side=density_side,
        density_statistic=density_statistic,
        include_self=include_self,
        reduction=reduction,
        rank_by=rank_by,
        density=density,
        device=device,
        engine=engine,
        workers=workers,
    )
    total = reduction or VARIANTS[variant].reduction
    return float(values.sum() if total == "sum" else values.mean())


@stepwise
def novelty(
    embeddings: ArrayLike,
    *,
    reference: ArrayLike | str | None = None,
    variant: str = "official",
    neighbors: int = 10,
    density_power: float | None = None,
    proximity_power: float = 1.0,
    density_side: str | None = None,
    density_statistic: str | None = None,
    include_self: bool | None = None,
    reduction: str | None = None,
    rank_by: str | None = None,
    density: ArrayLike | None = None,
    against: ArrayLike | None = None,
    against_density: ArrayLike | None = None,
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
) -> Steps[NDArray[np.float64]]:
    """Return the novelty of every sample, the terms of which `novelsum` is the mean or the sum.

    The parameters that are not below, errors, warnings and cost are those of `novelsum`. Higher means that the
    sample adds more to the set. Comparable within one call, or between sets of one size under one reference.

    Parameters
    ----------
    against : array (m, d), optional
        Another set, such as the one that is kept already. Each sample is then measured alone against it: the
        value that it would have if it alone joined that set. A copy of a row there has that row at distance 0.
    against_density : array (m,), optional
        Densities of the rows of `against`; without them they are computed, where the variant needs them.

    Returns
    -------
    array (n,) of float64

    Examples
    --------
    >>> novelty([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]).argmax()
    np.int64(2)
    """
    _ray.check_engine(engine, workers, device)
    form = resolve_variant(variant, density_side, density_statistic, include_self, reduction, rank_by)
    power = resolve_density_power(density_power, reference is not None or density is not None)
    _check.at_least("proximity_power", proximity_power, 0)
    if isinstance(reference, str):
        _check.choice("reference", reference, ("self",))
    if against is not None and isinstance(reference, str):
        raise DataError(
            "reference must be a matrix or None with against; got 'self'. Give the set against as reference."
        )
    if against is None and against_density is not None:
        raise DataError("against_density must be left out without against; got densities. Give against too.")
    rows = _check.embeddings("embeddings", embeddings, directions=True)
    n = len(rows)
    others = None
    if against is not None:
        others = _check.embeddings("against", against, directions=True)
        _check.same_width("embeddings", rows, "against", others)
    by_self = (
        form.density_side == "self"
    )  # then the density of a row scales all its distances and changes no rank
    single = others is None and n == 1
    scale = theirs = np.ones(n)
    share = np.ones(1) if single else _shares(n if others is None else len(others) + 1, proximity_power, form)
    if others is not None:
        share = share[1:]
    ranked = Wants(rows, others, of=_Ranked(form, share, others is None))
    beside = [ranked] if by_self and not single else []
    if power > 0:
        if density is None:
            density = yield from _density(
                rows, reference, neighbors, form.density_statistic, device, engine, workers, beside
            )
            beside = []
        scale = theirs = density_scale(density, n, power)
    if beside:
        yield beside
    if others is not None:
        theirs = np.ones(len(others))
        if power > 0 and not by_self:
            if against_density is None:
                if reference is None:
                    raise DataError(
                        "against_density must be given with density where there is no reference; got none. Give "
                        "the densities of the rows of against, or the reference."
                    )
                against_density = yield from _density(
                    others, reference, neighbors, form.density_statistic, device, engine, workers, []
                )
            theirs = density_scale(against_density, len(others), power)
    elif single:
        warn("one sample has no distances; its novelty is 0.")
    else:
        warn_of_copies(rows)
    if single:
        return np.zeros(n)
    if not by_self:
        ranked = Wants(rows, others, of=_Ranked(form, share, others is None, scale, theirs))
        yield [ranked]
    assert ranked.values is not None
    return scale * ranked.values if by_self else ranked.values


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The sum of a row's distances, each times its density and the share of its rank."""

    form: Variant
    share: NDArray[np.float64]
    own: bool  # whether a row is among those that it faces
    scale: NDArray[np.float64] | None = None
    theirs: NDArray[np.float64] | None = None

    def __call__(self, part: Tile) -> NDArray[np.float64]:
        if self.scale is None or self.theirs is None:
            value = np.sort(part.gap, axis=1)
        else:
            factor = self.theirs[None, :]
            if self.form.density_side != "neighbor":
                factor = self.scale[part.start : part.stop, None] + factor
            value = part.gap * factor
            if self.form.rank_by == "weighted":
                value.sort(axis=1)
            else:
                gap = part.gap.copy()
                if self.own:  # the row itself first, also among copies
                    gap[np.arange(len(gap)), np.arange(part.start, part.stop)] = -1.0
                value = np.take_along_axis(value, np.argsort(gap, axis=1, kind="stable"), axis=1)
        return np.asarray(np.einsum("ij,j->i", value, self.share, dtype=np.float64))


def resolve_variant(
    variant: str,
    density_side: str | None = None,
    density_statistic: str | None = None,
    include_self: bool | None = None,
    reduction: str | None = None,
    rank_by: str | None = None,
) -> Variant:
    """Return the settings of `variant` with those that are given put in their place, each checked."""
    base = VARIANTS[_check.choice("variant", variant, VARIANTS)]
    return Variant(
        _check.choice("density_side", density_side or base.density_side, DENSITY_SIDES),
        _check.choice("density_statistic", density_statistic or base.density_statistic, DENSITY_STATISTICS),
        base.include_self if include_self is None else include_self,
        _check.choice("reduction", reduction or base.reduction, REDUCTIONS),
        _check.choice("rank_by", rank_by or base.rank_by, RANKINGS),
    )


def resolve_density_power(density_power: float | None, with_reference: bool) -> float:
    """Return the exponent of the density that holds: by default 0.5 with a reference, 0 without."""
    if density_power is None:
        return 0.5 if with_reference else 0.0
    _check.at_least("density_power", density_power, 0)
    if density_power > 0 and not with_reference:
        raise DataError(
            f"density_power must be 0 where there is no reference; got {density_power:g}. "
            "Give a reference (the pool, or 'self')."
        )
    return float(density_power)


def density_scale(density: ArrayLike, n: int, power: float) -> NDArray[np.float64]:
    """Return density ** power, checked; warns where single rows outweigh all others."""
    values = np.asarray(density, dtype=np.float64)
    if values.shape != (n,):
        raise DataError(f"density must have one value a row, shape ({n},); got shape {values.shape}.")
    if not (np.isfinite(values) & (values > 0)).all():
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        raise DataError(
            f"density must be positive and finite; {len(bad)} of {n} values are not, first at row {bad[0]}."
        )
    with np.errstate(over="ignore", under="ignore"):
        scale = values**power
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise DataError(
            f"density_power must keep density ** density_power positive and finite; got {power:g}."
        )
    heavy = int((scale > 100 * np.median(scale)).sum())
    if heavy:
        warn(
            f"the density weight of {heavy} of {n} rows is over 100 times the median: they have near-copies in the "
            "reference, often texts that agree in the tokens that were embedded. Remove near-duplicates first."
        )
    return scale


def _density(
    rows: NDArray[np.floating],
    reference: ArrayLike | str | None,
    neighbors: int,
    statistic: str,
    device: str,
    engine: str,
    workers: int | None,
    beside: list[Wants],
) -> Steps[NDArray[np.float64]]:
    """Return the density of the reference around each row; what is wanted beside may come from the same pass."""
    _check.whole("neighbors", neighbors, 1)
    if isinstance(reference, str):
        warn(
            "the set is its own reference: its outliers count as uninformative. Prefer the pool it comes from."
        )
        reference = None
    cosine = statistic == "sum_cosine"
    pool = None if reference is None else _check.embeddings("reference", reference, directions=cosine)
    if pool is not None:
        _check.same_width("embeddings", rows, "reference", pool)
    nearest = Wants(rows, pool, near=neighbors + 14)
    searched = device == "cpu" and (cosine or even(rows if pool is None else pool))
    yield [*beside, nearest] if searched else beside
    return local_density(
        rows,
        reference=pool,
        neighbors=neighbors,
        statistic=statistic,
        device=device,
        known=nearest.known,
        engine=engine,
        workers=workers,
    )


def _shares(count: int, proximity_power: float, form: Variant) -> NDArray[np.float64]:
    """Return the weights of so many ranks, the row itself among them."""
    weight = np.arange(1, count + 1, dtype=np.float64) ** -proximity_power
    if not form.include_self:  # the own distance, 0, sorts first and counts nothing
        weight = np.concatenate([[0.0], weight[:-1]])
    return weight / weight.sum() if form.reduction == "mean" else weight
