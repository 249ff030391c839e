"""A study's table as a page: what predicted the score, with intervals, and every measure against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.diversity.correlate import ALL, JOINED, Correlation
from assay.report import Section
from assay.report.page import COLORS, plain
from assay.report.scatter import SYMBOLS
from assay.study.conclusions import BUILT_OF_COPIES, Conclusions, of_grid

READING = (
    "A correlation near 1 means that the sets which the measure calls more diverse gave the better models. Intervals "
    "are of a bootstrap over the sets; sets of one strategy are not independent, so they are rather too narrow. Sets "
    "built of repeated rows are so poor that any measure finds them: read the numbers without them."
)


def sections(
    rows: Sequence[Mapping[str, Any]],
    concluded: Sequence[Conclusions],
    metrics: Sequence[str],
    untuned: Mapping[str, float],
) -> list[Section]:
    """Return the sections of the page, for each size of set; the grid of NovelSum's settings has its own tables."""
    goal = metrics[0] if len(metrics) == 1 else JOINED
    out, late = list[Section](), list[Section]()
    for one in concluded:
        own = [row for row in rows if row["size"] == one.size]
        found = [row for row in one.correlations if row.performance == goal and not of_grid(row.measure)]
        out.append(
            Section(
                heading=f"What predicted the score, sets of {one.size:,} rows",
                text=READING
                + (
                    ""
                    if one.ceiling is None
                    else f" Under two training seeds {metrics[0]} correlates at {one.agreement:.3f}, which leaves "
                    f"{one.ceiling:.3f} for any measure to reach."
                ),
                figure=_intervals(found),
            )
        )
        names = list(dict.fromkeys(row.measure for row in one.correlations if not of_grid(row.measure)))
        others = [row for row in own if row["strategy"] != BUILT_OF_COPIES]
        for metric in metrics:
            for shown, which in ((own, ""), (others, ", without the sets built of copies")):
                out.append(
                    Section(
                        heading=f"Every measure against {metric}, sets of {one.size:,} rows{which}",
                        text=f"A point is a set, its {metric} the mean over the training seeds. Untuned, the model has "
                        f"{untuned[metric]:.4f}.",
                        figure=_panels(shown, names, metric),
                    )
                )
        for sets in dict.fromkeys(row.sets for row in one.correlations):
            chosen = [row for row in one.correlations if row.sets == sets and row.performance == goal]
            chosen.sort(key=lambda row: -row.mean)
            which = "all sets" if sets == ALL else sets
            out.append(
                Section(
                    heading=f"Sets of {one.size:,} rows, {which} ({chosen[0].n})",
                    table=[_line(row) for row in chosen if not of_grid(row.measure)],
                )
            )
            late.append(
                Section(
                    heading=f"NovelSum's settings, sets of {one.size:,} rows, {which}",
                    table=[_line(row) for row in chosen if of_grid(row.measure)],
                )
            )
        if one.left_out:
            out.append(
                Section(
                    heading=f"Left out at {one.size:,} rows",
                    table=[{"measure": name, "why": why} for name, why in one.left_out.items()],
                )
            )
    columns = ["set", "strategy", "distinct", *metrics, *(f"{metric} sd" for metric in metrics)]
    columns += [f"{space}/novelsum" for space in ("model", "encoder")]
    out.append(Section(heading="Every set", table=[{name: row[name] for name in columns} for row in rows]))
    return [*out, *late]


def _intervals(found: Sequence[Correlation]) -> Any:
    """Return a figure of correlations with their intervals: a line a measure, with and without built copies."""
    import plotly.graph_objects as go

    order = sorted((row for row in found if row.sets == ALL), key=lambda row: row.mean)
    figure = go.Figure()
    for number, sets in enumerate(dict.fromkeys(row.sets for row in found)):
        by_measure = {row.measure: row for row in found if row.sets == sets}
        rows = [by_measure[row.measure] for row in order]
        figure.add_scatter(
            x=[row.mean for row in rows],
            y=[row.measure for row in rows],
            error_x={
                "array": [row.mean_high - row.mean for row in rows],
                "arrayminus": [row.mean - row.mean_low for row in rows],
            },
            name="all sets" if sets == ALL else sets,
            mode="markers",
            orientation="h",
            marker={"size": 9, "symbol": SYMBOLS[number]},
            hovertemplate="%{y}: %{x:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        xaxis={"title": {"text": "(Pearson + Spearman) / 2"}, "range": [-1, 1]},
        yaxis={"automargin": True},
        scattermode="group",
        height=160 + 26 * len(order),
    )
    return figure


def _panels(rows: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str) -> Any:
    """Return a figure of small scatters, one a measure, coloured and shaped by strategy."""
    from plotly.subplots import make_subplots

    high = -(-len(names) // 2)
    figure = make_subplots(rows=high, cols=2, subplot_titles=names, vertical_spacing=0.35 / high)
    for at, name in enumerate(names):
        for number, strategy in enumerate(dict.fromkeys(row["strategy"] for row in rows)):
            own = [row for row in rows if row["strategy"] == strategy]
            figure.add_scatter(
                x=[row[name] for row in own],
                y=[row[metric] for row in own],
                text=[plain(row["set"]) for row in own],
                name=strategy,
                legendgroup=strategy,
                showlegend=at == 0,
                mode="markers",
                marker={
                    "size": 8,
                    "color": COLORS[number % len(COLORS)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "line": {"width": 1 if number >= len(COLORS) else 0},
                },
                hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                row=at // 2 + 1,
                col=at % 2 + 1,
            )
    figure.update_layout(height=230 * high)
    return figure


def _line(row: Correlation) -> dict[str, Any]:
    return {
        "measure": row.measure, "Pearson": row.pearson, "Spearman": row.spearman, "mean": row.mean,
        "low": row.mean_low, "high": row.mean_high, "over NovelSum": row.difference, "its low": row.difference_low,
        "its high": row.difference_high,
    }  # fmt: skip
