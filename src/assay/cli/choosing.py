"""From the options of `assay select` to rows: which methods, how many rows, with what settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.cli.console import Talk
from assay.cli.estimate import seconds_of_products
from assay.diversity.novelsum import resolve_density_power, resolve_variant
from assay.errors import DataError
from assay.neighbors import local_density
from assay.select import SELECTORS, Selection, in_parts
from assay.select.candidates import MEMORY_GB, bins_within
from assay.select.checkpoint import fingerprint, read_kept, write_kept

# options of the chosen method alone: the methods beside it show what it does without them
OWN = ("start", "quality", "quality_power", "quality_weight", "groups", "max_per_group", "skip_duplicates")
MEASURED = ("variant", "neighbors", "density_power", "proximity_power", "density_statistic")


class Budget:
    """How many rows to choose: a number, or a share of the pool."""

    def __init__(self, given: str) -> None:
        self.given = given
        count = re.fullmatch(r"[0-9]+|[0-9]{1,3}([,_][0-9]{3})+", given)
        share = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", given)
        if count:
            self._number = Fraction(re.sub("[,_]", "", given))
        elif share:
            self._number = Fraction(share[1])
        if not (count or share) or self._number == 0 or (share and self._number > 100):
            raise DataError(
                f"budget must be a whole number >= 1, or a share over 0% and up to 100%; got {given!r}."
            )
        self._is_share = bool(share)

    def rows(self, n: int) -> int:
        """Return the number of rows of a pool of n, a share rounded down."""
        k = int(self._number * n / 100 if self._is_share else self._number)
        if not 1 <= k <= n:
            came = f"{self.given}, which is {k} rows" if self._is_share else self.given
            raise DataError(f"budget must be from 1 to the rows of the pool ({n}); got {came}.")
        return k


def methods(method: str, compare: str) -> list[str]:
    """Return the method and those to be measured beside it, each once."""
    beside = [] if compare == "none" else [name.strip() for name in compare.split(",")]
    for name in (method, *beside):
        _check.known("method", name, SELECTORS, "assay selectors")
    return list(dict.fromkeys([method, *beside]))


def settings(
    names: list[str],
    *,
    initial: bool,
    start: str | None,
    quality: str | None,
    quality_power: float,
    quality_weight: float | None,
    threshold: str | None,
    n_clusters: int | None,
    group_by: str | None,
    max_per_group: int | None,
    skip_duplicates: bool,
    seed: int | None,
    variant: str,
    neighbors: int,
    density_power: float | None,
    proximity_power: float,
    density_side: str | None,
    density_statistic: str | None,
    rank_by: str | None,
    memory_gb: float | None,
    parts: int | None,
    with_reference: bool,
) -> dict[str, Any]:
    """Return the options as keywords of the selectors, or raise by one that is wrong or that nothing would use."""
    method = names[0]
    for option, name, value in (
        ("initial_selected", "initial", initial or None),
        ("start", "start", start),
        ("quality", "quality", quality),
        ("quality_power", "quality_power", None if quality_power == 1 else quality_power),
        ("quality_weight", "quality_weight", quality_weight),
        ("threshold", "threshold", threshold),
        ("n_clusters", "n_clusters", n_clusters),
        ("groups", "group_by", group_by),
        ("skip_duplicates", "skip_duplicates", skip_duplicates or None),
        ("density_side", "density_side", density_side),
        ("rank_by", "rank_by", rank_by),
        ("memory_gb", "memory_gb", memory_gb),
        ("memory_gb", "parts", parts),
    ):
        users = names
        if option in (*OWN, "initial_selected"):
            users = [name for name in names if name == method or option in SELECTORS[name].needs]
        if value is not None and not any(option in SELECTORS[user].options for user in users):
            can = ", ".join(key for key, row in SELECTORS.items() if option in row.options)
            got = "" if value is True else f"; got {value!r}"
            raise DataError(
                f"{name} must be left out with method {method!r}, which cannot use it{got}. Methods that can: {can}."
            )
    for name in names:
        if "quality" in SELECTORS[name].needs and quality is None:
            raise DataError(
                f"quality must be given with {name!r}, which chooses by it. Name the column of the score."
            )
    if seed is not None and all(SELECTORS[name].seed is None for name in names):
        raise DataError(f"seed must be left out with method {method!r}, which draws nothing; got {seed}.")
    if initial and start is not None:
        raise DataError(f"start must be left out with initial, whose rows are the start; got {start!r}.")
    for name, value in (
        ("quality_power", None if quality_power == 1 else quality_power),
        ("quality_weight", quality_weight),
    ):
        if quality is None and value is not None:
            raise DataError(f"{name} must come with quality; got {value:g} alone.")
    if (group_by is None) != (max_per_group is None):
        raise DataError("group_by and max_per_group must be given together; got one of them.")
    _check.at_least("quality_power", quality_power, 0)
    _check.at_least("proximity_power", proximity_power, 0)
    _check.at_least("neighbors", neighbors, 1)
    if quality_weight is not None:
        _check.between("quality_weight", quality_weight, 0, 1)
    if n_clusters is not None:
        _check.at_least("n_clusters", n_clusters, 1)
    if max_per_group is not None:
        _check.at_least("max_per_group", max_per_group, 1)
    if seed is not None and not 0 <= seed < 2**32:
        raise DataError(f"seed must be from 0 to {2**32 - 1}; got {seed}.")
    if parts is not None:
        _check.at_least("parts", parts, 1)
        for name, value in (("group_by", group_by), ("start", start)):
            if value is not None:
                raise DataError(
                    f"{name} must be left out with parts, which it does not hold for; got {value!r}."
                )
    resolve_variant(variant, density_side, density_statistic, None, None, rank_by)
    first: int | str | None = start
    if start is not None and re.fullmatch("[+-]?[0-9]+", start):
        first = int(start)
    elif start is not None:
        densest = ("densest",) if "density" in SELECTORS[method].options else ()
        _check.choice("start", start, ("random", *densest))
    found = {} if threshold is None else {"threshold": _threshold(threshold, names)}
    return found | {
        "reference": None,  # the density is computed once, for every method
        "seed": seed,
        "start": first,
        "quality_power": quality_power,
        "quality_weight": quality_weight,
        "n_clusters": n_clusters,
        "max_per_group": max_per_group,
        "skip_duplicates": skip_duplicates,
        "variant": variant,
        "neighbors": neighbors,
        "density_power": resolve_density_power(density_power, with_reference),
        "proximity_power": proximity_power,
        "density_side": density_side,
        "density_statistic": density_statistic,
        "rank_by": rank_by,
        "memory_gb": memory_gb,
        "parts": parts,
    }


def _threshold(given: str, names: list[str]) -> float | None:
    """Return the largest cosine that passes, or None for no filter."""
    if given == "none" and "repr_filter" not in names:
        return None
    try:
        number = float(given)
    except ValueError:
        rule = "a number from -1 to 1" + (", or none without repr_filter" if given == "none" else ", or none")
        raise DataError(f"threshold must be {rule}; got {given!r}.") from None
    _check.between("threshold", number, -1, 1)
    return number


class Keep:
    """What a run has worked out, in hidden files of its output folder until it is done; used again with --resume."""

    def __init__(self, folder: Path, resume: bool) -> None:
        self._folder = folder
        if not resume:
            self.clear()

    def file(self, name: str) -> Path:
        """Return the file for a method's choice, or for the density."""
        return self._folder / f".unfinished-{name}.npz"

    def density(self, key: str) -> NDArray[np.float64] | None:
        """Return the density kept under `key`, if there is one."""
        if not self.file("density").exists():
            return None
        kept, found = read_kept(self.file("density"), "density")
        return np.asarray(found) if kept == key else None

    def set_density(self, key: str, density: NDArray[np.float64]) -> None:
        """Keep a density under `key`."""
        write_kept(self.file("density"), key, {"density": density})

    def clear(self) -> None:
        """Remove the files."""
        for path in self._folder.glob(".unfinished-*.npz"):
            path.unlink()


def density(
    matrix: NDArray[np.floating[Any]],
    against: NDArray[np.floating[Any]],
    settings: dict[str, Any],
    device: str,
    talk: Talk,
    *,
    keep: Keep | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> NDArray[np.float64]:
    """Return the density of the reference at every row."""
    _check.same_width("pool", matrix, "reference", against)
    form = resolve_variant(settings["variant"], None, settings["density_statistic"])
    options = {"neighbors": settings["neighbors"], "statistic": form.density_statistic}
    key, found = "", None
    if keep is not None:
        other = None if against is matrix else fingerprint(against, {})
        key = fingerprint(matrix, options | {"reference": other})
        found = keep.density(key)
    if found is None:
        expect = seconds_of_products(len(matrix), len(against), matrix.shape[1])
        with talk.stage("density", f"{len(matrix):,} rows against {len(against):,}, {expect}"):
            found = local_density(
                matrix, reference=against, device=device, engine=engine, workers=workers, **options
            )
        if keep is not None:
            keep.set_density(key, found)
    return found


def check_memory(
    names: list[str],
    matrix: NDArray[np.floating[Any]],
    most: int,
    settings: dict[str, Any],
    device: str,
    *,
    engine: str,
    workers: int | None,
) -> None:
    """Raise, before the density is computed, if a method would not fit into memory."""
    memory_gb = MEMORY_GB if settings["memory_gb"] is None else settings["memory_gb"]
    n, d = matrix.shape
    if settings["parts"] is not None:  # a part, or the rows of the second stage
        n = min(n, max(-(-n // settings["parts"]), 2 * most))
    for name in names:
        if "memory_gb" not in SELECTORS[name].options:
            continue
        if device != "cpu":
            from assay.select.through_torch import bins_on

            bins_on(device, matrix[:n], most)
        else:
            bins_within(
                memory_gb,
                *(n, d, most),
                bare=name == "kcenter",
                itemsize=matrix.itemsize,
                engine=engine,
                workers=workers,
            )


def choose(
    name: str,
    matrix: NDArray[np.floating[Any]],
    budget: int,
    inside: NDArray[np.int64],
    settings: dict[str, Any],
    talk: Talk,
    *,
    keep: Keep,
    plain: bool = False,
) -> Selection:
    """Return what a method chooses beside the rows `inside`; `plain` is without the options of the chosen method."""
    row = SELECTORS[name]
    use = {
        key: value
        for key, value in settings.items()
        if key in row.options
        and not (plain and key in OWN and key not in row.needs)
        and (value is not None or key in ("reference", "threshold"))
    }
    if len(inside):
        use["initial_selected"] = inside
    if "quality" in use:
        use["quality"] = np.concatenate([use["quality"], np.ones(len(inside))])
    if "groups" in use:
        use["groups"] = [*use["groups"], *["\0kept"] * len(inside)]
    if "checkpoint" in row.options:
        use["checkpoint"] = keep.file(name)
    if row.seed is not None:
        use["seed"] = row.seed if settings["seed"] is None else settings["seed"]
    n, d = matrix.shape
    parts = settings["parts"] if "memory_gb" in row.options else None
    with talk.stage(name, _expected(name, n, budget + len(inside), d)) as progress:
        if parts is not None:
            found = _in_parts(row.function, matrix, budget, inside, use, parts)
        else:
            found = row.function(matrix, budget=budget, progress=progress, **use)
    if "close_calls" in found.facts:
        talk.say(
            f"{name}: {found.facts['close_calls']:,} of {budget:,} choices were too close for {use['device']}"
        )
    if not len(found.indices):
        raise DataError(
            "threshold must be one that a row passes beside the kept ones; got one that none does. Raise it."
        )
    return found


def _in_parts(
    function: Callable[..., Selection],
    matrix: NDArray[np.floating[Any]],
    budget: int,
    inside: NDArray[np.int64],
    use: dict[str, Any],
    parts: int,
) -> Selection:
    """Return a choice in two stages, each made beside the rows `inside`, which are the last of the matrix."""
    whole = {key: value for key, value in use.items() if key not in ("checkpoint", "initial_selected")}

    def some(rows: NDArray[np.int64], size: int) -> Selection:
        where = np.concatenate([rows, inside])
        given = whole | {key: whole[key][where] for key in ("density", "quality") if key in whole}
        kept = np.arange(len(rows), len(where))
        return function(matrix[where], budget=size, initial_selected=kept if len(kept) else None, **given)

    return in_parts(some, len(matrix) - len(inside), budget=budget, parts=parts)


def measuring(settings: dict[str, Any], rows: NDArray[np.int64]) -> dict[str, Any]:
    """Return the options of `novelsum` for some of the rows."""
    found = settings.get("density")
    return {key: settings[key] for key in MEASURED} | {"density": None if found is None else found[rows]}


def _expected(name: str, n: int, k: int, d: int) -> str:
    """Say what is ahead: how many rows, how long, and what memory for."""
    rows = f"{k:,} of {n:,} rows"
    if name == "novelselect":
        return f"{rows}, {seconds_of_products(n, k, d, factor=20)}"
    if name == "facility_location":
        return f"{rows}, {seconds_of_products(n, n, d, factor=3)}"
    return rows if name in ("random", "farthest", "kmeans") else f"{rows}, {seconds_of_products(n, k, d)}"
