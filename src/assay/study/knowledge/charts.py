"""The figures of a knowledge study's page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.page import COLORS
from assay.report.panels import GREY, framed, signed
from assay.report.scatter import SYMBOLS
from assay.study.effects import interval
from assay.study.knowledge.claims import Claim
from assay.study.knowledge.tables import (
    PROMPTS,
    Result,
    Row,
    Value,
    accuracy,
    cells_of,
    label,
    mean,
    over_seeds,
    size_label,
    sizes,
    taken,
    trained_bins,
)

CHANGES = {"kept": "#009E73", "lost": "#D55E00", "gained": "#56B4E9", "never": "#9a9a9a"}
DIVERGING = ((0, "#b2182b"), (0.25, "#ef8a62"), (0.5, "#f4f4f2"), (0.75, "#67a9cf"), (1, "#2166ac"))


def effects(found: Sequence[Claim]) -> Any:
    """Return a figure of the effects in points, a panel a claim, a line an effect; None without any."""
    from plotly.subplots import make_subplots

    drawn = [claim for claim in found if claim.unit == "points" and claim.effects]
    names = list(dict.fromkeys(claim.name for claim in drawn))
    if not names:
        return None
    lines = {
        name: list(dict.fromkeys(e.what for c in drawn if c.name == name for e in c.effects))
        for name in names
    }
    heights = [len(lines[name]) + 0.5 for name in names]
    height = 130 + 28 * sum(heights) + 40 * (len(names) - 1)
    figure = make_subplots(
        rows=len(names), cols=1, shared_xaxes=True, subplot_titles=names, row_heights=heights,
        vertical_spacing=40 / (height - 130),
    )  # fmt: skip
    tests = list(dict.fromkeys(claim.on.partition(",")[0] for claim in drawn))
    shown = set[str]()
    for claim in drawn:
        test = claim.on.partition(",")[0]
        number = tests.index(test)
        figure.add_scatter(
            x=[effect.effect for effect in claim.effects],
            y=[effect.what for effect in claim.effects],
            error_x={
                "array": [0 if e.high is None else e.high - e.effect for e in claim.effects],
                "arrayminus": [0 if e.low is None else e.effect - e.low for e in claim.effects],
            },
            mode="markers",
            marker={"size": 9, "symbol": SYMBOLS[number], "color": COLORS[number]},
            name=test,
            legendgroup=test,
            offsetgroup=test,
            showlegend=test not in shown,
            orientation="h",
            hovertemplate="%{y}: %{x:+.2f} points<extra>" + claim.on + "</extra>",
            row=names.index(claim.name) + 1,
            col=1,
        )
        shown.add(test)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=GREY)
    figure.update_xaxes(title_text="points, positive as claimed", row=len(names), col=1)
    figure.update_layout(scattermode="group")
    framed(figure, height)
    return figure


def over_examples(result: Result, panels: Sequence[tuple[str, Value, Mapping[str, float]]]) -> Any:
    """Return a figure of values over examples: a panel each with its title, its value, and lines to hold it against."""
    from plotly.subplots import make_subplots

    bins = trained_bins(result)
    figure = make_subplots(
        rows=len(panels), cols=1, subplot_titles=[title for title, _, _ in panels],
        vertical_spacing=0.16 if len(panels) > 1 else 0,
    )  # fmt: skip
    counts = [count for b in bins for size in sizes(result) if (count := taken(result, b, size)) is not None]
    ends = (min(counts) / 1.25, max(counts) * 1.25)
    dashes = dict(
        zip((f"original, {said}" for said in PROMPTS.values()), ("dash", "dot", "dashdot"), strict=True)
    )
    named = set[str]()
    for row, (_, value, others) in enumerate(panels, 1):
        for number, trained in enumerate(bins):
            points = list[tuple[float, float, float, float]]()
            for size in sizes(result):
                values = list(over_seeds(result, trained, size, value).values())
                middle = mean(values)
                if middle is not None:
                    low, high = interval(values) or (middle, middle)
                    shift = 1 + 0.025 * (number - (len(bins) - 1) / 2)
                    points.append(((taken(result, trained, size) or 1) * shift, middle, low, high))
            points.sort()
            figure.add_scatter(
                x=[x for x, _, _, _ in points],
                y=[y for _, y, _, _ in points],
                error_y={
                    "array": [high - y for _, y, _, high in points],
                    "arrayminus": [y - low for _, y, low, _ in points],
                    "thickness": 1.2,
                    "width": 3,
                },
                mode="lines+markers",
                **_styled(trained, named),
                hovertemplate="%{x:,.0f} examples: %{y:.2f}<extra>" + label(trained) + "</extra>",
                row=row,
                col=1,
            )
        for name, level in others.items():
            figure.add_scatter(
                x=list(ends),
                y=[level, level],
                mode="lines",
                line={"color": GREY, "width": 1.5, "dash": dashes[name]},
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                hovertemplate="%{y:.2f}<extra>" + name + "</extra>",
                row=row,
                col=1,
            )
            named.add(name)
    marks = sorted({size for size in sizes(result) if isinstance(size, int)} | {round(max(counts))})
    figure.update_xaxes(
        type="log", tickvals=marks, ticktext=[f"{mark:,}" for mark in marks],
        range=[math.log10(end) for end in ends],
    )  # fmt: skip
    figure.update_xaxes(title_text="examples (log scale)", row=len(panels), col=1)
    framed(figure, 110 + 320 * len(panels))
    return figure


def bin_map(rows: Sequence[Row], tests: Sequence[str], base: Row | None, columns: Sequence[str]) -> Any:
    """Return heat maps of training bin x test bin, one a test set, coloured by the points over `base`.

    Without a base (the original's row) a column is held against its own mean.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(tests), cols=1, subplot_titles=tests, vertical_spacing=0.14)
    over = {
        test: [[_over(row, rows, base, f"{test} {name}") for name in columns] for row in rows]
        for test in tests
    }
    most = max(
        (abs(v) for many in over.values() for line in many for v in line if v is not None), default=1.0
    )
    for at, test in enumerate(tests, 1):
        figure.add_heatmap(
            x=columns,
            y=[row["training bin"] for row in rows],
            z=over[test],
            text=[
                [_two(row[f"{test} {name}"], z) for name, z in zip(columns, line, strict=True)]
                for row, line in zip(rows, over[test], strict=True)
            ],
            texttemplate="%{text}",
            zmin=-most,
            zmax=most,
            colorscale=[list(step) for step in DIVERGING],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverongaps=False,
            hovertemplate=f"trained on %{{y}}, {test} %{{x}}<br>%{{text}}<extra></extra>",
            row=at,
            col=1,
        )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_xaxes(title_text="test bin", row=len(tests), col=1)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, title_text="trained on")
    framed(figure, 110 + (70 + 44 * len(rows)) * len(tests))
    return figure


def against(result: Result, kinds: Mapping[str, Value], test: str) -> Any:
    """Return a figure of accuracy against divergence, a panel a kind, a point a cell."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(kinds), cols=1, subplot_titles=list(kinds), vertical_spacing=0.16)
    named = set[str]()
    shapes = dict(zip(sizes(result), SYMBOLS, strict=False))
    for row, value in enumerate(kinds.values(), 1):
        for trained in trained_bins(result):
            points = [
                (x, y, size, cell["seed"])
                for size in sizes(result)
                for cell in cells_of(result, trained, size)
                if (x := value(cell)) is not None and (y := accuracy(test)(cell)) is not None
            ]
            styled = _styled(trained, named)
            figure.add_scatter(
                x=[point[0] for point in points],
                y=[point[1] for point in points],
                text=[f"{size_label(size)}, seed {seed}" for _, _, size, seed in points],
                mode="markers",
                **styled
                | {
                    "line": None,
                    "marker": styled["marker"] | {"symbol": [shapes[size] for _, _, size, _ in points]},
                },
                hovertemplate="%{text}<br>%{x:.3f} nats, %{y:.1f} %<extra>" + label(trained) + "</extra>",
                row=row,
                col=1,
            )
    for size, shape in shapes.items():
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=size_label(size) if isinstance(size, int) else "whole bin",
            marker={"symbol": shape, "color": GREY, "size": 8}, row=1, col=1,
        )  # fmt: skip
    figure.update_xaxes(title_text="nats", row=len(kinds), col=1)
    figure.update_yaxes(title_text=f"{test}, percent right")
    framed(figure, 110 + 320 * len(kinds))
    return figure


def changes(rows: Sequence[Row], tests: Sequence[str]) -> Any:
    """Return bars of the facts kept, lost, gained and never right, in percent, by training and test bin."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=len(tests), cols=1, subplot_titles=tests, vertical_spacing=0.08)
    for at, test in enumerate(tests, 1):
        own = [row for row in rows if row["test"] == test]
        for share, color in CHANGES.items():
            figure.add_bar(
                x=[row[share] for row in own],
                y=[[row["training bin"] for row in own], [row["test bin"] for row in own]],
                orientation="h",
                name=share,
                legendgroup=share,
                showlegend=at == 1,
                marker={"color": color, "line": {"width": 0}},
                hovertemplate="%{x:.1f} %<extra>" + share + "</extra>",
                row=at,
                col=1,
            )
    figure.update_yaxes(autorange="reversed", showgrid=False, dividerwidth=1)
    figure.update_xaxes(range=[0, 100])
    figure.update_xaxes(title_text="percent of the facts of a test bin", row=len(tests), col=1)
    figure.update_layout(barmode="stack", bargap=0.25)
    framed(figure, 130 + 19 * len(rows))
    return figure


def _styled(trained: int | str, named: set[str]) -> dict[str, Any]:
    """Return name, colour and symbol of a training bin; it is in the legend where it comes first."""
    number = 7 if isinstance(trained, str) else trained
    name = label(trained)
    first = name not in named
    named.add(name)
    return {
        "name": name,
        "legendgroup": name,
        "showlegend": first,
        "line": {"color": COLORS[number]},
        "marker": {"size": 8, "symbol": SYMBOLS[number], "color": COLORS[number]},
    }


def _over(row: Row, rows: Sequence[Row], base: Row | None, name: str) -> float | None:
    """Return a value of a row less that of the base, or less the rows' mean."""
    other = base[name] if base is not None else mean(one[name] for one in rows if one[name] is not None)
    return None if row[name] is None or other is None else row[name] - other


def _two(value: float | None, difference: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" + ("" if difference is None else f"<br>{signed(difference)}")
