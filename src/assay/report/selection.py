"""One pool and what was chosen from it, by one selection or several: numbers first, then the sections of a page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.diversity import novelsum, novelty
from assay.diversity.compare import Comparison, compare
from assay.errors import AssayWarning
from assay.neighbors import Neighbors, knn
from assay.report.map import chosen_field, class_field, map_html, number_field
from assay.report.page import Section
from assay.report.plane import plane

MEASURED = ("novelsum", "distsum_cosine", "knn_distance", "vendi_score", "radius")
RANDOM = "random"
DRAWS = 20
CONFIDENCE = 0.9
MOST_DRAWN = 4000
BASELINES = 5
BUDGETS = 10
SHOWN = 8
SAME_DISTANCE = 1e-9  # cosine distance of copies
POINTS = 2000
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
    Warnings of copies and sizes are not repeated here: the run that chose gave them.
    """
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


def sections(pool: Pool, choices: Sequence[Choice], findings: Findings) -> list[Section]:
    """Return what a page shows of a pool and the choices from it."""
    several = len(choices) > 1
    out = [_measures_section(findings), _curves_section(choices, findings)]
    if any(np.isfinite(choice.gains).any() for choice in choices):
        out.append(_gains_section(choices))
    out.append(_map_section(pool, choices, findings))
    if pool.density is not None:
        out.append(_density_section(pool, choices))
    for choice, values in zip(choices, findings.novelty, strict=True):
        out += _examples(pool, choice, values, f": {choice.name}" if several else "")
    out.append(_near_section(pool, choices, findings))
    for choice in choices:
        out += _dropped(pool, choice, f": {choice.name}" if several else "")
    if pool.skipped:
        out.append(
            Section(
                "Rows that could not be read",
                text=f"{len(pool.skipped):,} rows were skipped; the first {min(len(pool.skipped), 20)}:",
                table=[{"where": where, "why": why} for where, why in pool.skipped[:20]],
            )
        )
    return out


def _measures_section(findings: Findings) -> Section:
    import plotly.graph_objects as go

    rows = findings.measures
    if not rows:
        return Section("Measures", text="The sets are too small for draws of half their rows.")
    text = (
        "Most measures move with the size of a set, so sets are compared on draws of one size: "
        f"{DRAWS} draws of {rows[0].size:,} rows without replacement, with density against the whole reference. The "
        f"chart shows the mean and the middle {CONFIDENCE:.0%} of the draws, as multiples of the random set's mean. "
        "Higher is more diverse. Where the interval of a difference leaves out 0, draws of that size tell them apart."
    )
    base = {row.measure: row.value for row in rows if row.set == RANDOM}
    figure = go.Figure()
    for name in dict.fromkeys(row.set for row in rows):
        own = [row for row in rows if row.set == name and row.value is not None and base[row.measure]]
        scale = np.array([base[row.measure] for row in own], dtype=np.float64)
        parts = np.array([(row.value, row.low, row.high) for row in own], dtype=np.float64).reshape(-1, 3)
        value, low, high = (parts[:, at] / scale for at in range(3))
        figure.add_bar(
            y=[row.measure for row in own],
            x=value,
            error_x=_error(value, low, high),
            orientation="h",
            name=_plain(name),
            hovertemplate="%{y}: %{x:.3f} × random<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis_title_text="× random", yaxis_autorange="reversed", barmode="group", bargap=0.35
    )
    table = [
        {
            "measure": row.measure,
            "set": row.set,
            "rows": row.n,
            "mean": row.value,
            f"{CONFIDENCE:.0%} of draws": _between(row.low, row.high),
            "less random": row.difference,
            f"{CONFIDENCE:.0%} of differences": _between(row.difference_low, row.difference_high),
        }
        for row in sorted(rows, key=lambda row: MEASURED.index(row.measure))
    ]
    return Section("Measures", text=text, figure=figure, table=table)


def _curves_section(choices: Sequence[Choice], findings: Findings) -> Section:
    import plotly.graph_objects as go

    figure = go.Figure()
    for name in dict.fromkeys(row["set"] for row in findings.curves):
        own = [row for row in findings.curves if row["set"] == name]
        value = np.array([row["novelsum"] for row in own])
        low, high = (np.array([row[key] for row in own]) for key in ("low", "high"))
        figure.add_scatter(
            x=[row["budget"] for row in own],
            y=value,
            error_y=_error(value, low, high) if name == RANDOM else None,
            mode="lines+markers",
            name=_plain(name),
            hovertemplate="%{x:,} rows: %{y:.4f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis_title_text="rows chosen", yaxis_title_text="NovelSum", xaxis_rangemode="tozero"
    )
    text = f"NovelSum of the first rows of each choice, beside {BASELINES} random orders (mean and range)."
    if rest := [choice.name for choice in choices if not choice.greedy]:
        text += f" A smaller budget would have given {', '.join(rest)} other rows than its first ones."
    table = [
        {"run": choice.name, "set": name, "rows": len(choice.rows), "NovelSum in the run": value}
        for choice in choices
        for name, value in choice.measured.items()
    ]
    return Section("NovelSum at every budget", text=text, figure=figure, table=table)


def _gains_section(choices: Sequence[Choice]) -> Section:
    import plotly.graph_objects as go

    figure = go.Figure()
    for choice in choices:
        if not np.isfinite(choice.gains).any():
            continue
        at = np.unique(np.linspace(0, len(choice.gains) - 1, POINTS).round().astype(int))
        figure.add_scatter(
            x=at + 1,
            y=choice.gains[at],
            mode="lines",
            name=_plain(choice.name),
            hovertemplate="choice %{x:,}: %{y:.4f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis_title_text="order of choice",
        yaxis_title_text="score at its choice",
        showlegend=len(choices) > 1,
    )
    said = "; ".join(dict.fromkeys(choice.gain for choice in choices if np.isfinite(choice.gains).any()))
    return Section("What each choice added", text=f"Each row when it was chosen: {said}.", figure=figure)


def _map_section(pool: Pool, choices: Sequence[Choice], findings: Findings) -> Section:
    several = len(choices) > 1
    fields = []
    for choice in choices:
        fields.append(
            chosen_field(f"chosen: {choice.name}" if several else "chosen", choice.rows, kept=pool.inside)
        )
    for choice, values in zip(choices, findings.novelty, strict=True):
        note = "Novelty of a chosen row within the set, of any other row as if it alone joined the set."
        fields.append(number_field(f"novelty: {choice.name}" if several else "novelty", values, note))
    if pool.density is not None:
        note = "Density of the reference around each row, as its logarithm to base 10."
        fields.append(number_field("density (log)", np.log10(pool.density), note))
    fields += [class_field(name, values) for name, values in pool.columns.items()]
    ids = None if list(pool.ids) == [str(row) for row in range(len(pool.ids))] else pool.ids
    return Section(
        "Map",
        text=f"Each point is a row, placed by {findings.plane}. Point at one to read it; drag to zoom, double-click to "
        "go back. The search looks through the beginnings of the texts that are kept in this page.",
        html=map_html(findings.points, pool.texts, fields, ids=ids),
    )


def _density_section(pool: Pool, choices: Sequence[Choice]) -> Section:
    import plotly.graph_objects as go

    assert pool.density is not None
    values = np.log10(pool.density)
    low, high = np.quantile(values, [0.001, 0.999])
    bins = int(np.clip(np.sqrt(min(len(choice.rows) for choice in choices)), 8, 40))
    edges = np.linspace(low, high, bins + 1)
    figure = go.Figure()
    sets = {choice.name: choice.rows for choice in choices} | {"pool": np.arange(len(values) - pool.kept)}
    for name, rows in sets.items():
        share = np.histogram(np.clip(values[rows], edges[0], edges[-1]), edges)[0] / len(rows)
        figure.add_scatter(
            x=10 ** ((edges[:-1] + edges[1:]) / 2),
            y=share,
            mode="lines",
            line={"shape": "hvh", "color": "#888888"} if name == "pool" else {"shape": "hvh"},
            name=_plain(name),
            hovertemplate="density %{x:.3g}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis_title_text="density", yaxis_title_text="share of rows", xaxis_type="log", yaxis_tickformat=".0%"
    )
    text = "How densely the reference lies around the rows. High is where many rows are nearly alike."
    return Section("Density", text=text, figure=figure)


def _row(pool: Pool, row: int, prefix: str = "") -> dict[str, Any]:
    name = {} if pool.ids[row] == str(row) else {f"{prefix}id": pool.ids[row]}
    return {f"{prefix}row": int(row), **name, f"{prefix}text": pool.texts[row]}


def _examples(pool: Pool, choice: Choice, values: NDArray[np.float64], suffix: str) -> list[Section]:
    """Return the most and least novel of the chosen rows, and the most novel of the others."""
    place = {int(row): at for at, row in enumerate(choice.rows, 1)}
    chosen = choice.rows[np.argsort(-values[choice.rows], kind="stable")]
    outside = np.setdiff1d(np.arange(len(pool.vectors)), np.concatenate([choice.rows, pool.inside]))
    others = outside[np.argsort(-values[outside], kind="stable")]

    def table(rows: Rows) -> list[dict[str, Any]]:
        return [
            {"novelty": float(values[row]), "choice": place.get(int(row)), **_row(pool, row)} for row in rows
        ]

    found = [
        Section(f"Most novel rows chosen{suffix}", table=table(chosen[:SHOWN])),
        Section(f"Least novel rows chosen{suffix}", table=table(chosen[::-1][:SHOWN])),
    ]
    if len(others):
        rows = [
            {key: value for key, value in row.items() if key != "choice"} for row in table(others[:SHOWN])
        ]
        found.append(Section(f"Most novel rows left out{suffix}", table=rows))
    return found


def _near_section(pool: Pool, choices: Sequence[Choice], findings: Findings) -> Section:
    """Return the pairs of rows that are nearest to each other; copies are shown only where there is nothing else."""
    nearest, distance = findings.neighbors.indices[:, 0], findings.neighbors.distances[:, 0]
    copies = int((distance < SAME_DISTANCE).sum())
    pairs: dict[tuple[int, int], float] = {}
    for row in np.argsort(distance, kind="stable")[copies if copies < len(distance) else 0 :].tolist():
        pairs.setdefault((min(row, int(nearest[row])), max(row, int(nearest[row]))), float(distance[row]))
        if len(pairs) == SHOWN:
            break
    sets = [set(choice.rows.tolist()) for choice in choices]
    table = []
    for (one, other), gap in pairs.items():
        both = [
            choice.name for choice, rows in zip(choices, sets, strict=True) if one in rows and other in rows
        ]
        table.append(
            {
                "cosine distance": gap,
                **_row(pool, one),
                **_row(pool, other, "other "),
                "both chosen": ", ".join(both) if len(choices) > 1 and both else bool(both),
            }
        )
    text = f"{copies:,} rows have a copy of their embedding. The pairs that are nearest to each other, copies aside:"
    return Section("Near duplicates", text=text, table=table)


def _dropped(pool: Pool, choice: Choice, suffix: str) -> list[Section]:
    """Return the rows left out that are nearest to a row in the set."""
    inside = np.concatenate([choice.rows, pool.inside])
    outside = np.setdiff1d(np.arange(len(pool.vectors)), inside)
    if not len(outside):
        return []
    near = knn(pool.vectors[outside], 1, reference=pool.vectors[inside], metric="cosine")
    gap = near.distances[:, 0]
    table = [
        {
            "cosine distance": float(gap[at]),
            **_row(pool, int(outside[at])),
            **_row(pool, int(inside[near.indices[at, 0]]), "nearest "),
        }
        for at in np.argsort(gap, kind="stable")[:SHOWN]
    ]
    text = (
        f"{len(outside):,} rows were left out. Half of them have a row of the set within a cosine distance of "
        f"{np.median(gap):.3f}, nine in ten within {np.quantile(gap, 0.9):.3f}. The ones nearest to the set, and the "
        "row there that stands for each:"
    )
    return [Section(f"What was left out{suffix}", text=text, table=table)]


def _between(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _error(value: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> dict[str, Any]:
    """Return the bars of an interval, as plotly wants them."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "thickness": 1.5,
    }


def _plain(text: str) -> str:
    """Return text that plotly, which reads some tags, shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
