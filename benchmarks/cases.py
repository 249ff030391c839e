"""The benchmarks, one function each; `CASES` names them."""

from __future__ import annotations

from functools import partial

import numpy as np

from assay.diversity import novelsum
from assay.neighbors import local_density
from assay.select import SELECTORS, facility_location, kcenter, novelselect
from benchmarks.crossval import ner_crossval
from benchmarks.knowledge import knowledge_throughput
from benchmarks.large import LARGE
from benchmarks.machine import peak_gb
from benchmarks.mapping import ner_map
from benchmarks.measures import measures_10000, measures_52002, spectrum_5000
from benchmarks.ner import ner_planted, ner_published, ner_shared, ner_speed
from benchmarks.ner_build import ner_build
from benchmarks.pruning import ner_near, ner_prune, ner_strategies
from benchmarks.timing import floor, timed
from benchmarks.vectors import clusters, pool
from benchmarks.weights import weights_official, weights_restore
from benchmarks.weights_null import weights_null


def plain_greedy() -> list[dict]:
    """NovelSelect against the plain greedy of the paper, both sides' density, in one run, warm, the median of five.

    Plain: every step computes the distances of all rows to all chosen ones and sorts them anew, as the released
    program does, in float64. Plain with memory: the same, but distances are kept from step to step.
    """
    n, k = 6000, 600
    rows, name = pool(n)
    density = local_density(rows)
    runs = [timed(lambda: novelselect(rows, budget=k, density=density)) for _ in range(6)]
    lazy = runs[0][0]
    seconds = float(np.median([each for _, each in runs[1:]]))  # the first one compiles
    start = int(lazy.indices[0])
    kept, kept_seconds = timed(lambda: _greedy(rows, density**0.5, start, k, keep=True))
    plain, plain_seconds = timed(lambda: _greedy(rows, density**0.5, start, k, keep=False))
    same = bool((lazy.indices == plain).all() and (lazy.indices == kept).all())
    base = {"data": name, "n": n, "d": 512, "budget": k, "same rows in the same order": same}
    return [
        base | {"method": "plain", "seconds": plain_seconds, "times slower": plain_seconds / seconds},
        base
        | {"method": "plain with memory", "seconds": kept_seconds, "times slower": kept_seconds / seconds},
        base
        | {
            "method": "novelselect",
            "seconds": seconds,
            "times slower": 1.0,
            "share of scores evaluated": lazy.facts["evaluations_share"],
        },
    ]


def _greedy(rows: np.ndarray, scale: np.ndarray, start: int, budget: int, *, keep: bool) -> np.ndarray:
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    chosen = [start]
    table = np.empty((len(rows), budget))
    while len(chosen) < budget:
        m = len(chosen)
        if keep:
            table[:, m - 1] = 1 - unit @ unit[chosen[-1]]
        else:
            table[:, :m] = 1 - unit @ unit[chosen].T
        scaled = table[:, :m] * (scale[:, None] + scale[chosen])
        v = np.sort(scaled, axis=1) @ (1 / np.arange(1, m + 1))
        v[chosen] = -np.inf
        chosen.append(int(v.argmax()))
    return np.array(chosen)


def density() -> list[dict]:
    """Density of a pool within itself: the true 11 nearest rows of every row. Floor: the products alone."""
    rows, name = pool(52_002)
    _, seconds = timed(lambda: local_density(rows))
    return [
        {"data": name, "n": len(rows), "d": 512, "seconds": seconds, "peak GB": peak_gb()}
        | floor(seconds, 2.0 * len(rows) ** 2 * 512, 0.0)
    ]


def select_5000() -> list[dict]:
    """Selectors, 5,000 of 52,002 rows, density given; the NovelSum of the choice beside.

    Floor: n x budget distances as matrix products, and each distance written and read once (float32).
    """
    rows, name = pool(52_002)
    k, n = 5000, len(rows)
    density = local_density(rows)
    for warm in (novelselect, kcenter, facility_location):
        warm(rows[:500], budget=20)
    runs = [
        ("novelselect", {"density": density}),
        ("novelselect", {"density": density, "density_side": "self"}),
    ]
    runs += [
        (name, {}) for name in ("kcenter", "facility_location", "kmeans", "repr_filter", "farthest", "random")
    ]
    out = []
    for method, options in runs:
        found, seconds = timed(partial(SELECTORS[method].function, rows, budget=k, **options))
        value = novelsum(rows[found.indices], density=density[found.indices])
        side = options.get("density_side", "both") if method == "novelselect" else ""
        row = {"data": name, "n": n, "d": 512, "budget": k, "method": method, "density side": side}
        row |= {"seconds": seconds, "peak GB so far": peak_gb(), "NovelSum": value}
        if method in ("novelselect", "kcenter"):
            row |= floor(seconds, 2.0 * n * k * 512, 8.0 * n * k)
        if method == "facility_location":
            row |= floor(seconds, 2.0 * n * n * 512, 0.0)
        if method == "novelselect":
            row |= {"evaluations a row": found.facts["evaluations"] / n}
            row |= {"share of scores evaluated": found.facts["evaluations_share"]}
        out.append(row)
    return out


def kcenter_100000() -> list[dict]:
    """k-center, 1,000 of 100,000 rows, against numpy: each step one product of the pool with the row chosen last.

    Floor: all n x budget distances as matrix products, though the lazy version computes a part of them only.
    """
    n, k = 100_000, 1000
    rows = clusters(n)
    kcenter(rows[:500], budget=20)
    found, seconds = timed(lambda: kcenter(rows, budget=k, start=0))
    (plain, radius), plain_seconds = timed(lambda: _kcenter(rows, k))
    base = {"data": "synthetic clusters", "n": n, "d": 512, "budget": k}
    base |= {"same rows in the same order": bool((found.indices == plain).all())}
    return [
        base
        | {
            "method": "numpy",
            "seconds": plain_seconds,
            "times slower": plain_seconds / seconds,
            "radius": radius,
        },
        base
        | {"method": "kcenter", "seconds": seconds, "times slower": 1.0, "radius": found.facts["radius"]}
        | {"share of distances computed": found.facts["distances_share"]}
        | floor(seconds, 2.0 * n * k * 512, 0.0),
    ]


def _kcenter(rows: np.ndarray, budget: int) -> tuple[np.ndarray, float]:
    chosen, nearest = [0], 1 - rows @ rows[0]
    while len(chosen) < budget:
        chosen.append(int(nearest.argmax()))
        np.minimum(nearest, 1 - rows @ rows[chosen[-1]], out=nearest)
    return np.array(chosen), float(nearest.max())


def facility_location_5000() -> list[dict]:
    """Facility location, 500 of 5,000 rows, against apricot-select and submodlib-py, which are given the similarities.

    Objective: the sum over the pool of (1 + cosine) / 2 to the nearest chosen row, computed alike for all. Seconds:
    ours from the vectors, the median of five; theirs from the matrix of similarities. Floor: that matrix once, as a
    product.
    """
    n, k = 5000, 500
    rows, name = pool(n)
    facility_location(rows[:500], budget=20)
    runs = [timed(lambda: facility_location(rows, budget=k)) for _ in range(5)]
    found, seconds = runs[0][0], float(np.median([each for _, each in runs]))
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = (1 + unit @ unit.T) / 2
    out = []
    for method, (indices, took) in {
        "submodlib-py, LazyGreedy": timed(lambda: _submodlib(similarity, k)),
        "apricot-select, two-stage": timed(lambda: _apricot(similarity, k)),
        "facility_location": (found.indices, seconds),
    }.items():
        row = {"data": name, "n": n, "d": 512, "budget": k, "method": method, "seconds": took}
        row |= {"times slower": took / seconds, "objective": f"{similarity[indices].max(axis=0).sum():.6f}"}
        out.append(row | (floor(seconds, 2.0 * n * n * 512, 0.0) if method == "facility_location" else {}))
    return out


def _submodlib(similarity: np.ndarray, budget: int) -> np.ndarray:
    from submodlib import FacilityLocationFunction

    function = FacilityLocationFunction(n=len(similarity), mode="dense", sijs=similarity, separate_rep=False)
    return np.array(
        [i for i, _ in function.maximize(budget=budget, optimizer="LazyGreedy", show_progress=False)]
    )


def _apricot(similarity: np.ndarray, budget: int) -> np.ndarray:
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(budget, metric="precomputed").fit(similarity).ranking


def novelsum_10000() -> list[dict]:
    """NovelSum of 10,000 rows against a reference of 52,002, density and distances.

    Floor: both products, and one pass over the n x n distances.
    """
    rows, name = pool(52_002)
    chosen = rows[np.random.default_rng(0).permutation(len(rows))[:10_000]]
    found, density_seconds = timed(lambda: local_density(chosen, reference=rows))
    value, seconds = timed(lambda: novelsum(chosen, density=found))
    n = float(len(chosen))
    base = {"data": name, "n": len(chosen), "reference": len(rows), "d": 512}
    return [
        base
        | {"stage": "density", "seconds": density_seconds}
        | floor(density_seconds, 2 * n * len(rows) * 512, 0.0),
        base
        | {"stage": "distances and ranks", "seconds": seconds}
        | floor(seconds, 2 * n * n * 512, 4 * n * n),
        base
        | {"stage": "all", "seconds": density_seconds + seconds, "peak GB": peak_gb(), "NovelSum": value}
        | floor(density_seconds + seconds, 2 * n * (len(rows) + n) * 512, 4 * n * n),
    ]


CASES = {
    case.__name__: case
    for case in (
        plain_greedy,
        density,
        select_5000,
        novelsum_10000,
        kcenter_100000,
        facility_location_5000,
        spectrum_5000,
        measures_10000,
        measures_52002,
        ner_planted,
        ner_speed,
        ner_shared,
        ner_published,
        ner_crossval,
        ner_build,
        ner_prune,
        ner_near,
        ner_strategies,
        ner_map,
        knowledge_throughput,
        weights_restore,
        weights_official,
        weights_null,
    )
} | LARGE
