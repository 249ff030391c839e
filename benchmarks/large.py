"""Benchmarks at the size of the paper's pool and beyond: minutes to an hour each. ``make bench-large`` runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from assay._parallel import over_blocks
from assay.diversity import novelsum
from assay.neighbors import local_density
from assay.select import kcenter, novelselect, random
from benchmarks.gpu import gpu
from benchmarks.machine import peak_gb
from benchmarks.ner_experiment import ner_experiment, ner_experiment_effects, ner_experiment_labels
from benchmarks.timing import floor, timed
from benchmarks.vectors import KEEP, large
from benchmarks.weights import weights_restore_large

POOL, BUDGET, WIDTH = 396_000, 10_000, 512
ORACLE = Path(__file__).parent / "results" / "plain_20000.npz"


def novelselect_large() -> list[dict]:
    """NovelSelect, 10,000 of 396,000 rows, density of the pool given: the size of the paper's choice.

    Floor: all n x budget distances as one matrix product. The published program: "about one hour" on an H800, with
    4,096 dimensions. NovelSum of each choice beside, by the density of the pool.
    """
    rows = large(POOL)
    density, seconds, peak = pool_density()
    novelselect(rows[:500], budget=20, density=density[:500])
    base = {"n": POOL, "d": WIDTH, "budget": BUDGET}
    row = base | {
        "method": "density of the pool, half of all products",
        "seconds": seconds,
        "peak GB so far": peak,
    }
    out = [row | floor(seconds, 1.0 * POOL * POOL * WIDTH, 0.0)]
    for name, choose in {
        "novelselect, self": lambda: novelselect(rows, budget=BUDGET, density=density, density_side="self"),
        "novelselect, both": lambda: novelselect(rows, budget=BUDGET, density=density),
        "kcenter": lambda: kcenter(rows, budget=BUDGET),
        "random": lambda: random(rows, budget=BUDGET),
    }.items():
        found, seconds = timed(choose)
        value = novelsum(rows[found.indices], density=density[found.indices])
        row = base | {"method": name, "seconds": seconds, "peak GB so far": peak_gb(), "NovelSum": value}
        if name != "random":
            row |= floor(seconds, 2.0 * POOL * BUDGET * WIDTH, 0.0)
        if "compared_share" in found.facts:
            row |= {"share of distances": found.facts["compared_share"]}
            row |= {"scores computed a step": found.facts["evaluations"] / BUDGET}
        out.append(row)
    return out


def density_large() -> list[dict]:
    """Density of a pool within itself, and what the square law makes of it at the size of the paper's pool.

    Floor: the products of all pairs once; half of it where a distance serves both its rows.
    """
    out = []
    for n in (50_000, 100_000, 200_000):
        rows = large(n)
        _, seconds = timed(lambda rows=rows: local_density(rows))
        row = {"n": n, "d": WIDTH, "seconds": seconds, "peak GB so far": peak_gb()}
        out.append(row | floor(seconds, 2.0 * n * n * WIDTH, 0.0))
    out.append({"n": POOL, "d": WIDTH, "seconds": seconds * (POOL / n) ** 2, "note": "extrapolated"})
    return out


def pool_density() -> tuple[np.ndarray, float, float]:
    """Return the density of the pool of 396,000, the seconds it took and the peak in GB, kept from the last run."""
    file = KEEP / f"large-density-{POOL}.npz"
    if not file.exists():
        local_density(large(POOL)[:3000])
        found, seconds = timed(lambda: local_density(large(POOL)))
        np.savez(file, density=found, about=[seconds, peak_gb()])
    with np.load(file) as kept:
        return kept["density"], *kept["about"].tolist()


def novelsum_large() -> list[dict]:
    """NovelSum of 10,000 rows against 396,000. Floor: the products of both stages.

    Published: "about one minute" on an H800, with 4,096 dimensions.
    """
    rows = large(POOL)
    chosen = rows[np.random.default_rng(0).permutation(POOL)[:BUDGET]]
    value, seconds = timed(lambda: novelsum(chosen, reference=rows))
    row = {
        "n": BUDGET,
        "reference": POOL,
        "d": WIDTH,
        "seconds": seconds,
        "peak GB": peak_gb(),
        "NovelSum": value,
    }
    return [row | floor(seconds, 2.0 * BUDGET * (POOL + BUDGET) * WIDTH, 0.0)]


def growth() -> list[dict]:
    """How time and memory grow: NovelSum of 10,000 rows with the reference, NovelSelect of 1,000 with the pool.

    Each in a process of its own, so that the peak is its own. Density given to NovelSelect: that of 5,000 rows.
    """
    sizes = (10_000, 30_000, 100_000, 300_000, 1_000_000)
    large(max(sizes))
    tasks = [("novelsum", n, 10_000) for n in sizes] + [("novelselect", n, 1000) for n in sizes]
    tasks += [("novelselect", 100_000, k) for k in (300, 3000, 10_000)]
    return [_alone(*task) for task in tasks]


def _alone(name: str, n: int, k: int) -> dict:
    """Measure one point in a process of its own."""
    code = f"import json; from benchmarks.large import point; print(json.dumps(point({name!r}, {n}, {k})))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    found: dict = json.loads(done.stdout.splitlines()[-1])
    return found


def point(name: str, n: int, k: int) -> dict:
    """Time one call."""
    rows = large(n)
    if name == "novelsum":
        chosen = rows[:k].copy()
        novelsum(chosen[:500], reference=rows[:2000])
        _, seconds = timed(lambda: novelsum(chosen, reference=rows))
        operations = 2.0 * k * (n + k) * WIDTH
    else:
        density = local_density(rows, reference=rows[:5000])
        novelselect(rows[:500], budget=20, density=density[:500])
        _, seconds = timed(lambda: novelselect(rows, budget=k, density=density))
        operations = 2.0 * n * k * WIDTH
    row = {"task": name, "n": n, "budget": k, "d": WIDTH, "seconds": seconds, "peak GB": peak_gb()}
    return row | floor(seconds, operations, 0.0)


def plain_20000() -> list[dict]:
    """NovelSelect, 2,000 of 20,000 rows, against the plain greedy in float64, row for row and in order.

    The plain greedy ran once; its rows are in ``results/plain_20000.npz`` (delete it to run it again).
    """
    rows = np.array(large(20_000))
    density = local_density(rows)
    out = []
    for side in ("self", "both"):
        expected = _oracle(rows, density, side)
        ways: dict[str, Callable] = {"CPU": lambda **given: novelselect(rows, **given)}
        ways["torch on the CPU"] = lambda **given: novelselect(rows, device="torch:cpu", **given)
        for workers in (1, 2, 4):
            ways[f"Ray, {workers} workers"] = lambda workers=workers, **given: novelselect(
                rows, engine="ray", workers=workers, **given
            )
        for name, choose in ways.items():
            found, seconds = timed(
                lambda choose=choose, side=side: choose(budget=2000, density=density, density_side=side)
            )
            same = int((found.indices == expected).sum())
            row = {"side": side, "how": name, "rows equal": f"{same} of 2000", "seconds": seconds}
            out.append(row | {"close calls": found.facts.get("close_calls", "")})
    return out


def _oracle(rows: np.ndarray, density: np.ndarray, side: str) -> np.ndarray:
    saved = dict(np.load(ORACLE)) if ORACLE.exists() else {}
    if side not in saved:
        start = int(novelselect(rows, budget=1, density=density).indices[0])
        saved[side] = _plain(rows, density**0.5, start, 2000, side)
        np.savez(ORACLE, **saved)
    return saved[side]


def _plain(rows: np.ndarray, scale: np.ndarray, start: int, budget: int, side: str) -> np.ndarray:
    """Return the rows that the definition chooses: all scores at every step, all distances sorted, in float64."""
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    table = np.empty((len(rows), budget))
    chosen = [start]
    v = np.empty(len(rows))
    while len(chosen) < budget:
        m = len(chosen)
        factor = scale + (scale[chosen[-1]] if side == "both" else 0.0)
        table[:, m - 1] = factor * (1 - unit @ unit[chosen[-1]])
        weights = 1 / np.arange(1, m + 1)

        def work(a: int, b: int, m: int = m, weights: np.ndarray = weights) -> None:
            v[a:b] = np.sort(table[a:b, :m], axis=1) @ weights

        over_blocks(len(rows), 512, work)
        v[chosen] = -np.inf
        chosen.append(int(v.argmax()))
    return np.array(chosen)


def two_stage_100000() -> list[dict]:
    """Choice in two stages against the choice from the whole pool: 2,000 of 100,000 rows, density of the pool given."""
    from assay.select import in_parts

    rows, k = np.array(large(100_000)), 2000
    density = local_density(rows)

    def choose(where: np.ndarray, budget: int):
        return novelselect(rows[where], budget=budget, density=density[where])

    whole, seconds = timed(lambda: novelselect(rows, budget=k, density=density))
    best = novelsum(rows[whole.indices], density=density[whole.indices])
    out = [{"parts": 1, "kept of each": "", "seconds": seconds, "NovelSum": best, "loss %": 0.0}]
    for parts in (4, 16, 64):
        for extra in (1.0, 2.0, 4.0):
            found, seconds = timed(
                lambda parts=parts, extra=extra: in_parts(
                    choose, len(rows), budget=k, parts=parts, extra=extra
                )
            )
            value = novelsum(rows[found.indices], density=density[found.indices])
            out.append(
                {"parts": parts, "kept of each": f"{extra:g} x budget / parts", "seconds": seconds}
                | {"NovelSum": value, "loss %": 100 * (1 - value / best)}
                | {"rows shared": len(np.intersect1d(found.indices, whole.indices))}
            )
    picked = random(rows, budget=k).indices
    return [*out, {"parts": "random rows", "NovelSum": novelsum(rows[picked], density=density[picked])}]


LARGE = {
    case.__name__: case
    for case in (
        plain_20000,
        novelselect_large,
        novelsum_large,
        density_large,
        growth,
        two_stage_100000,
        gpu,
        ner_experiment,
        ner_experiment_effects,
        ner_experiment_labels,
        weights_restore_large,
    )
}
