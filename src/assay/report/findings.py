"""One pool and what was chosen from it, by one selection or several: the numbers of a report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.diversity import novelsum, novelty
from assay.diversity.compare import Comparison, compare
from assay.errors import AssayWarning, DataError
from assay.neighbors import Neighbors, knn
from assay.report.plane import plane

MEASURED = ("novelsum", "distsum_cosine", "knn_distance", "vendi_score", "radius")
RANDOM = "random"
DRAWS = 20
CONFIDENCE = 0.9
MOST_DRAWN = 4000
BASELINES = 5
BUDGETS = 10
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The rows that were chosen from.

    `vectors` (n, d); `texts`, an excerpt a row; `ids`, a name a row; `reference` (N, d), what density is measured
    against, and `density` (n,), or None without one; `columns`, labels that colour the map; `kept`, how many rows at
    the end were in the set from the start; `skipped`, the rows that could not be read, as (where, why).
    """

    vectors: NDArray[np.floating[Any]]
    texts: Sequence[str]
    ids: Sequence[str]
    reference: NDArray[np.floating[Any]] | None = None
    density: NDArray[np.float64] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: int = 0
    skipped: Sequence[tuple[str, str]] = ()

    @property
    def inside(self) -> Rows:
        """The rows that were in the set from the start."""
        return np.arange(len(self.vectors) - self.kept, len(self.vectors))


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Rows of the pool in order of choice, by `name`.

    `gains`, the score of each at its choice, nan where there was none; `gain`, what that score is. `greedy`: the first
    rows are what the method chooses at a smaller budget. `measured`, NovelSum as the run itself measured it, and of
    the methods beside it.
    """

    name: str
    rows: Rows
    gains: NDArray[np.float64]
    gain: str = "gain"
    greedy: bool = True
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What a report shows and a person may want as numbers.

    `points` (n, 2) and what they are; `neighbors`, the nearest rows of every row by cosine; `novelty`, for each
    choice (n,); `measures`, each of each set; `curves`, one row a set and budget.
    """

    points: NDArray[np.float32]
    plane: str
    neighbors: Neighbors
    novelty: list[NDArray[np.float64]]
    measures: list[Comparison]
    curves: list[dict[str, Any]]


def find(
    pool: Pool,
    choices: Sequence[Choice],
    *,
    measuring: Mapping[str, Any],
    map_method: str = "pca",
    neighbors: int = 1,
    seed: int = 0,
    device: str = "cpu",
    stage: Callable[[str], Any],
) -> Findings:
    """Return the numbers of a report.

    `measuring` are the options of `novelsum`, density aside. `stage(name)` is entered for each part of the work.
    Warnings of copies and sizes are not repeated here: the run that chose gave them. Raises `DataError` for a pool
    of one row, which has no nearest row.
    """
    if len(pool.vectors) < 2:
        raise DataError("pool must have at least two rows to be shown; got 1.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        with stage("map"):
            points, said = plane(pool.vectors, method=map_method, seed=seed)
        with stage("nearest rows"):
            near = knn(pool.vectors, min(neighbors, len(pool.vectors) - 1), metric="cosine", device=device)
        with stage("novelty"):
            novel = [_novelty(pool, choice, measuring) for choice in choices]
        with stage("measures"):
            measures = _measures(pool, choices, measuring, seed)
        with stage("budgets"):
            curves = _curves(pool, choices, measuring, seed)
    return Findings(points, said, near, novel, measures, curves)


def _novelsum(pool: Pool, rows: Rows, measuring: Mapping[str, Any]) -> float:
    density = None if pool.density is None else pool.density[rows]
    return novelsum(pool.vectors[rows], density=density, **measuring)


def _novelty(pool: Pool, choice: Choice, measuring: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the novelty of every row: of a chosen one within the set, of any other as if it alone joined it."""
    inside = np.concatenate([choice.rows, pool.inside])
    outside = np.setdiff1d(np.arange(len(pool.vectors)), inside)
    within, beyond = (None if pool.density is None else pool.density[rows] for rows in (inside, outside))
    out = np.empty(len(pool.vectors))
    out[inside] = novelty(pool.vectors[inside], density=within, **measuring)
    if len(outside):
        out[outside] = novelty(
            pool.vectors[outside],
            density=beyond,
            against=pool.vectors[inside],
            against_density=within,
            **measuring,
        )
    return out


def _random(pool: Pool, k: int, seed: int) -> Rows:
    """Return the rows of the selector `random`, without rules."""
    return np.random.default_rng(seed).permutation(len(pool.vectors) - pool.kept)[:k]


def _measures(
    pool: Pool, choices: Sequence[Choice], measuring: Mapping[str, Any], seed: int
) -> list[Comparison]:
    """Return each measure of each set and of a random one, on draws of one size."""
    most = max(len(choice.rows) for choice in choices)
    sets = {choice.name: choice.rows for choice in choices} | {RANDOM: _random(pool, most, seed)}
    rows = {name: np.concatenate([found, pool.inside]) for name, found in sets.items()}
    smallest = min(len(found) for found in rows.values())
    if smallest < 4:
        return []
    return compare(
        {name: pool.vectors[found] for name, found in rows.items()},
        measures=MEASURED,
        reference=pool.reference,
        options={"novelsum": measuring},
        baseline=RANDOM,
        size=min(smallest // 2, MOST_DRAWN),
        repeats=DRAWS,
        confidence=CONFIDENCE,
        seed=seed,
    )


def _curves(
    pool: Pool, choices: Sequence[Choice], measuring: Mapping[str, Any], seed: int
) -> list[dict[str, Any]]:
    """Return NovelSum of the first rows of each choice and of random orders, at about ten budgets."""
    most = max(len(choice.rows) for choice in choices)
    budgets = np.unique(np.linspace(most / BUDGETS, most, BUDGETS).round().astype(int))
    orders = {choice.name: [choice.rows] for choice in choices}
    orders[RANDOM] = [_random(pool, most, seed + draw) for draw in range(BASELINES)]
    out = []
    for name, found in orders.items():
        for budget in budgets.tolist():
            if budget + pool.kept < 2 or budget > len(found[0]):
                continue
            values = [
                _novelsum(pool, np.concatenate([rows[:budget], pool.inside]), measuring) for rows in found
            ]
            row = {"novelsum": float(np.mean(values)), "low": min(values), "high": max(values)}
            out.append({"set": name, "budget": budget, **row})
    return out
