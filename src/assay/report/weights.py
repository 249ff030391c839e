"""Which weights of two models moved -> sections: shares against chance, where the moved ones are, how far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from assay.report.page import COLORS, Section, plain

Row = Mapping[str, Any]
DIVERGING = ((0, "#b2182b"), (0.25, "#ef8a62"), (0.5, "#f4f4f2"), (0.75, "#67a9cf"), (1, "#2166ac"))
LINES = {  # what a share is drawn as: name, colour, dash
    "share": ("measured", COLORS[0], "solid"),
    "drawn": ("chance, drawn", COLORS[1], "dash"),
    "shuffled": ("chance, shuffled", COLORS[2], "dot"),
    "gaussian": ("formula, Gaussian", COLORS[3], "dashdot"),
    "constant": ("formula, constant |d|", COLORS[4], "longdash"),
}
SUMS = ("sum r", "sum |d|", "sum d^2")
SHARES = (
    "The top percent of weights by the ranking, and how much of all change they hold. d is tuned less original, r is "
    "|d| / (|p| + 1e-8). Divided by weights p near zero, r is huge for a few of them whatever training did: a large "
    "share of sum r says how wide the weights are and what the 1e-8 is. Read a line only against the lines of chance, "
    "where changes do not look at the weights; sum d^2 has no such excess.\n\n"
    "Shuffled keeps every change and its matrix. Drawn is Gaussian, as large on average, and rounded to the type that "
    "the tuned model is stored in: in bf16 and fp16 small changes of large weights are lost, which shuffling cannot "
    "undo, so there the drawn one is the fair one."
)
WHERE = (
    "Enrichment: the part that a module of a layer has of the selected weights, over its part of all weights. 1 is as "
    "if drawn at random. Weights that are smaller, or changes that are larger, raise it: what chance gives stands "
    "beside it."
)


def weights_sections(result: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a page.

    Parameters
    ----------
    result : mapping
        What `assay weights diff` writes as diff.json.
    """
    shares: Sequence[Row] = result["shares"]
    percent = result["middle_percent"]
    out = [
        Section("In short", text="\n\n".join(result["said"])),
        Section("Shares against chance", text=SHARES, figure=_curves(shares)),
        Section(
            "Shares in percent",
            text="sd: over the draws of chance. Formulas take the weights as Gaussian with the measured sigma, "
            f"{result['sigma']:.3g}.",
            table=shares,
            decimals=2,
        ),
        Section(
            f"Where the top {percent:g} % are",
            text=WHERE,
            figure=_map(result["enrichment"]["cell"], percent, result["draws"] > 0),
        ),
        Section(
            "How large weights and changes are",
            text="Weights counted by factors of two of |p| and of |d|; zeros are left out.",
            figure=_magnitudes(result["magnitudes"]),
        ),
    ]
    for by in ("region", "module", "layer", "tensor"):
        rows = _with_enrichment(result, by)
        folded = f"{len(rows):,} {by}s" if len(rows) > 12 else ""
        out.append(
            Section(f"Change by {by}", text=_LEGEND if by == "region" else "", table=rows, folded=folded)
        )
    return out


_LEGEND = (
    "Enrichment as above, with chance, shuffled and drawn. Means a weight: relative of r, absolute of |d|, scaled of "
    "|d| in standard deviations of its tensor's original weights, signed of d. unchanged and share_*: percent. "
    "norm_ratio: norm of d over that of p. largest: |d|."
)


def _with_enrichment(result: Mapping[str, Any], by: str) -> list[dict[str, Any]]:
    """Return the rows of a grouping with the enrichment at the middle percent."""
    found = {row[by]: row for row in result["enrichment"][by] if row["percent"] == result["middle_percent"]}
    return [
        {by: row[by], "weights": row["weights"]}
        | {name: found[row[by]][name] for name in ("enrichment", "shuffled", "drawn")}
        | row
        for row in result["by"][by]
    ]


def _curves(shares: Sequence[Row]) -> Any:
    """Return a figure of shares over percents, a panel a sum."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=3, subplot_titles=SUMS, shared_yaxes=True, horizontal_spacing=0.03)
    for at, of in enumerate(SUMS, 1):
        rows = [row for row in shares if row["of"] == of]
        for name, (said, color, dash) in LINES.items():
            values = [row[name] for row in rows]
            if all(value is None for value in values):
                continue
            figure.add_scatter(
                x=[row["percent"] for row in rows],
                y=values,
                name=said,
                legendgroup=name,
                showlegend=at == 1,
                mode="lines+markers" if name == "share" else "lines",
                line={"color": color, "dash": dash, "width": 3 if name == "share" else 2},
                hovertemplate=f"top %{{x:g}} %: %{{y:.2f}} % of {plain(of)}<extra>{plain(said)}</extra>",
                row=1,
                col=at,
            )
    figure.update_xaxes(title_text="percent of weights", row=1, col=2)
    figure.update_yaxes(range=[0, 101])
    figure.update_yaxes(title_text="percent held", row=1, col=1)
    figure.update_layout(
        height=480, margin={"t": 40}, legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0}
    )
    return figure


def _map(cells: Sequence[Row], percent: float, chance: bool) -> Any:
    """Return heat maps of layer x module, measured and of chance, in factors of two around 1."""
    import math

    from plotly.subplots import make_subplots

    own = [row for row in cells if row["percent"] == percent]
    layers = list(dict.fromkeys(_layer(row) for row in own))
    modules = list(dict.fromkeys(row["module"] for row in own))
    panels = {"enrichment": "measured"} | ({"drawn": "chance (drawn)"} if chance else {})
    values = {name: {(_layer(row), row["module"]): row[name] for row in own} for name in panels}
    logs = [abs(math.log2(v)) for panel in values.values() for v in panel.values() if v]
    most = max([0.25, *logs])
    figure = make_subplots(
        rows=1,
        cols=len(panels),
        subplot_titles=list(panels.values()),
        shared_yaxes=True,
        horizontal_spacing=0.03,
    )
    written = len(layers) * len(modules) <= 400
    for at, (name, panel) in enumerate(values.items(), 1):
        grid = [[panel.get((layer, module)) for module in modules] for layer in layers]
        figure.add_heatmap(
            x=[plain(module) for module in modules],
            y=layers,
            z=[[None if v is None else math.log2(v) if v else -most for v in line] for line in grid],
            text=[["" if v is None else f"{v:.2f}" for v in line] for line in grid],
            texttemplate="%{text}" if written else None,
            zmin=-most,
            zmax=most,
            colorscale=[list(step) for step in DIVERGING],
            showscale=False,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            hovertemplate=f"layer %{{y}}, %{{x}}: %{{text}}<extra>{panels[name]}</extra>",
            row=1,
            col=at,
        )
    figure.update_xaxes(type="category", showgrid=False, automargin=True)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="layer", row=1, col=1)
    figure.update_layout(height=240 + 22 * len(layers), margin={"t": 40})
    return figure


def _layer(row: Row) -> str:
    return "none" if row["layer"] is None else str(row["layer"])


def _magnitudes(rows: Sequence[Row]) -> Any:
    """Return a figure of counts by factors of two of |p| and |d|."""
    import plotly.graph_objects as go

    seen = [row for row in rows if row["from"]]
    counts = {row["from"]: row for row in seen}
    figure = go.Figure()
    edges = [2.0**e for e in range(*_exponents(list(counts)))] if counts else []
    for name, said, color in (("original", "original |p|", COLORS[7]), ("change", "change |d|", COLORS[0])):
        figure.add_scatter(
            x=edges,
            y=[counts[edge][name] if edge in counts else 0 for edge in edges],
            name=said,
            mode="lines",
            line={"shape": "hv", "color": color, "width": 2},
            hovertemplate="from %{x:.3g} to twice that: %{y:,} weights<extra>" + said + "</extra>",
        )
    figure.update_xaxes(type="log", exponentformat="power", title_text="size (log scale)")
    figure.update_yaxes(title_text="weights")
    figure.update_layout(height=360)
    return figure


def _exponents(edges: Sequence[float]) -> tuple[int, int]:
    """Return the range of binary exponents of sorted powers of two, with an empty one at its end."""
    import math

    assert all(a < b for a, b in pairwise(edges))
    return round(math.log2(edges[0])), round(math.log2(edges[-1])) + 2
