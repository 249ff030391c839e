"""The sections of a page about a pool and what was chosen from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.neighbors import knn
from assay.report.findings import BASELINES, CONFIDENCE, DRAWS, MEASURED, RANDOM, Choice, Findings, Pool, Rows
from assay.report.map import chosen_field, class_field, map_html, number_field
from assay.report.page import Section, plain

SHOWN = 8
SAME_DISTANCE = 1e-9  # cosine distance of copies
POINTS = 2000


def sections(pool: Pool, choices: Sequence[Choice], findings: Findings) -> list[Section]:
    """Return what a page shows of a pool and the choices from it."""
    several = len(choices) > 1
    out = [_measures_section(findings), _curves_section(choices, findings)]
    scored = [choice for choice in choices if np.isfinite(choice.gains).any()]
    for gain in dict.fromkeys(choice.gain for choice in scored):
        out.append(_gains_section([choice for choice in scored if choice.gain == gain]))
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
            name=plain(name),
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
            name=plain(name),
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
    """Return the gains of choices that are scored alike."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for choice in choices:
        at = np.unique(np.linspace(0, len(choice.gains) - 1, POINTS).round().astype(int))
        figure.add_scatter(
            x=at + 1,
            y=choice.gains[at],
            mode="lines",
            name=plain(choice.name),
            hovertemplate="choice %{x:,}: %{y:.4f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis_title_text="order of choice", yaxis_title_text="score at its choice", showlegend=True
    )
    return Section(
        "What each choice added", text=f"Each row when it was chosen: {choices[0].gain}.", figure=figure
    )


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
            name=plain(name),
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
