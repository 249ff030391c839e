"""Several measures of one set, side by side over shared distances."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from assay import _check, _ray
from assay.diversity.novelsum import resolve_density_power, resolve_variant
from assay.diversity.pairs import Steps, Wants, serve, steps_of
from assay.errors import AssayWarning, DataError, warn

ARRAYS = ("reference", "density", "centroids")  # data, not settings
ENGINE = ("engine", "workers")  # how a value is computed, which does not change it


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a measure came to.

    `value` is None where it cannot be had, and `reason` says why. `parameters` holds all settings, defaults included,
    `n` the number of samples, `warnings` what there is to know about the value.
    """

    measure: str
    value: float | None
    reason: str
    parameters: dict[str, Any]
    n: int
    warnings: tuple[str, ...]


def together(
    embeddings: ArrayLike | None = None,
    *,
    texts: Sequence[str] | None = None,
    reference: ArrayLike | str | None = None,
    measures: Iterable[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Measurement]:
    """Return several measures of one set, with the distances that they share computed once.

    The values are those of the single functions, to the last bit. All products of the set with itself are one pass,
    which serves `novelsum`, `distsum_l2` and `knn_distance`; those with the reference are another, which serves the
    density in `novelsum` and `facility_location`. A reference that equals the set takes no pass of its own.

    Parameters
    ----------
    embeddings : array (n, d), optional
        What the measures that take vectors measure.
    texts : sequence of str, optional
        What the measures that take texts measure.
    reference : array (N, d), "self" or None
        For the measures that take one; "self" is for `novelsum` only.
    measures : iterable of str, optional
        Names of `MEASURES`; None: all.
    options : mapping, optional
        From the name of a measure to its keyword arguments.
    device : str
        Where neighbour searches run. Anything but "cpu" shares no pass.
    engine : {"local", "ray"}
        "ray": the passes run in Ray workers, with the same values; all measures asked for must be able to.
    workers : int, optional
        Ray workers of one core, at least 1. None: one for every CPU of the cluster.
    progress : callable, optional
        Called with how many measures are done, and of how many.

    Returns
    -------
    dict of str to Measurement
        In the order asked for. A measure that cannot be had says why in `reason`; its error is not raised.

    Raises
    ------
    DataError
        Unknown measures or options, matrices that are not finite, measures that have no `engine` with "ray".

    Notes
    -----
    Time: 2 n² d + 2 n N d operations beside what single measures do. Memory: a tile of distances of at most
    max(64 n, 2**24) numbers per thread. The sorting of ranks, the square roots and the search run on parts of the
    tile that stay in the cache. Warnings are in the result and are issued too.

    Examples
    --------
    >>> found = together([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], measures=["distsum_cosine", "ttr"])
    >>> found["distsum_cosine"].value, found["ttr"].reason
    (1.3333333333333333, 'ttr needs texts; got none.')
    """
    from assay.diversity import MEASURES

    names = list(MEASURES) if measures is None else list(measures)
    for name in [*names, *(options or {})]:
        _check.known("measure", name, MEASURES, "assay measures")
        check_options(name, (options or {}).get(name, {}))
    check_engine(names, engine, workers, device)
    given = {name: dict((options or {}).get(name, {})) for name in names}
    rows = None if embeddings is None else _check.embeddings("embeddings", embeddings)
    pool = reference if isinstance(reference, str | None) else _check.embeddings("reference", reference)
    walks: dict[str, Steps[float]] = {}
    resolved: dict[str, dict[str, Any]] = {}
    ended: dict[str, tuple[float | None, str]] = {}
    told: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        row, keywords = MEASURES[name], given[name]
        data = texts if row.takes == "texts" else rows
        known = inspect.signature(row.function).parameters
        if "device" in known:
            keywords.setdefault("device", device)
        if engine == "ray":
            keywords.update(engine=engine, workers=workers)
        usable = row.reference == "optional" or (row.reference == "required" and not isinstance(pool, str))
        if pool is not None and usable and "centroids" not in keywords:
            keywords.setdefault("reference", pool)
        resolved[name] = settings(name, keywords)
        if data is None:
            ended[name] = None, f"{name} needs {'texts' if row.takes == 'texts' else 'embeddings'}; got none."
        elif row.reference == "required" and not {"reference", "centroids"} & set(keywords):
            ended[name] = None, f"{name} needs a reference; got {'none' if pool is None else repr(pool)}."
        else:
            walks[name] = steps_of(row.function)(data, **keywords)
    while walks:
        wanted: list[Wants] = []
        for name in list(walks):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    wanted += next(walks[name])
                except StopIteration as done:
                    ended[name] = done.value, ""
                except DataError as error:
                    ended[name] = None, str(error)
            for one in caught:
                if issubclass(one.category, AssayWarning):
                    told[name].append(str(one.message))
                else:
                    warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            if name in ended:
                del walks[name]
                if progress is not None:
                    progress(len(ended), len(names))
        serve(wanted, engine=engine, workers=workers, device=device)
    for text in dict.fromkeys(text for name in names for text in told[name]):
        warn(text)
    return {
        name: Measurement(
            name,
            *ended[name],
            parameters=resolved[name],
            n=len(texts or ()) if MEASURES[name].takes == "texts" else 0 if rows is None else len(rows),
            warnings=tuple(told[name]),
        )
        for name in names
    }


def check_engine(names: Iterable[str], engine: str, workers: int | None, device: str = "cpu") -> None:
    """Raise unless all these measures can run on that engine."""
    from assay.diversity import MEASURES

    _ray.check_engine(engine, workers, device)
    able = [name for name, row in MEASURES.items() if "engine" in inspect.signature(row.function).parameters]
    unable = [name for name in names if name not in able]
    if engine == "ray" and unable:
        raise DataError(
            f"engine must be 'local' for {', '.join(unable)}; got 'ray'. With 'ray' there are: {', '.join(able)}."
        )


def check_options(measure: str, options: Iterable[str]) -> None:
    """Raise unless the measure has all of these options."""
    from assay.diversity import MEASURES

    known = list(inspect.signature(MEASURES[measure].function).parameters)[1:]
    for name in options:
        _check.known(f"option of {measure}", name, known, f"assay measures {measure}")


def settings(measure: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a measure, those that were not given by their defaults; data is left out."""
    from assay.diversity import MEASURES

    parameters = list(inspect.signature(MEASURES[measure].function).parameters.values())[1:]
    found = {one.name: given.get(one.name, one.default) for one in parameters}
    if measure == "novelsum":
        form = resolve_variant(*(found[name] for name in ("variant", *_BY_VARIANT)))
        found |= {name: getattr(form, name) for name in _BY_VARIANT}
        has = found["reference"] is not None or found["density"] is not None
        found["density_power"] = resolve_density_power(found["density_power"], has)
    return {
        name: getattr(value, "__name__", value)
        for name, value in found.items()
        if name not in (*ARRAYS, *ENGINE)
    }


_BY_VARIANT = ("density_side", "density_statistic", "include_self", "reduction", "rank_by")
