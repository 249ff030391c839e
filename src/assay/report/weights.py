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
    "where changes do not look at the weights; sum d^2 has no such excess."
)
FAIR = {
    "shuffled": "Compare with chance, shuffled: every change stays in its matrix, at another weight. Drawn changes are "
    "Gaussian, as large on average, and differ by the shape of real ones, which Adam makes nearly equal in size.",
    "drawn": "The tuned model is stored in bf16 or fp16, where small changes of large weights are lost. Compare with "
    "chance, drawn: Gaussian changes, as large on average, rounded as the model is stored. Shuffling gives steps of "
    "large weights to small ones, so that its lines are too high.",
}
WHERE = (
    "Enrichment: the part that a module of a layer has of the selected weights that changed, over its part of all "
    "weights. 1 is as if drawn at random. Weights that are smaller, or changes that are larger, raise it without any "
    "training"
)
SHOWN = (
    "unchanged", "relative", "absolute", "scaled", "signed", "norm_ratio", "share_squared"
)  # fmt: skip


def weights_sections(result: Mapping[str, Any]) -> list[Section]:
    """Return the sections of a page.

    Parameters
    ----------
    result : mapping
        What `assay weights diff` writes as diff.json.
    """
    shares: Sequence[Row] = result["shares"]
    percent, fair, chance = result["middle_percent"], result["fair"], result["draws"] > 0
    zero = next((row for row in result["magnitudes"] if not row["from"]), {"original": 0, "change": 0})
    out = [
        Section("In short", text="\n\n".join(result["said"])),
        Section(
            "Shares against chance",
            text=SHARES + (f"\n\n{FAIR[fair]}" if chance else ""),
            figure=_curves(shares, fair),
        ),
        Section(
            "Shares in percent",
            text="sd: over the draws of chance. gaussian and constant: formulas, for weights of the sizes that there "
            f"are (root mean square {result['sigma']:.3g}) and changes of that kind, with no rounding.",
            table=[
                dict(row) | {"percent": int(row["percent"]) if row["percent"] % 1 == 0 else row["percent"]}
                for row in shares
            ],
            decimals=3,
        ),
        Section(
            f"Where the top {percent:g} % are",
            text=WHERE + (f": on the right it is divided by that of chance ({fair})." if chance else "."),
            figure=_map(result["enrichment"]["cell"], percent, fair if chance else None),
        ),
        Section(
            "How large weights and changes are",
            text="Weights counted by factors of two of |p| and of |d|. Left out: "
            + " and ".join(
                f"{zero[name]:,} {said} of 0"
                for name, said in (("original", "weights"), ("change", "changes"))
            )
            + ".",
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
    "Enrichment as above, with chance and its sd over draws. Means a weight: relative of r, absolute of |d|, scaled of "
    "|d| in standard deviations of its tensor's original weights, signed of d. unchanged and share_*: percent. "
    "norm_ratio: norm of d over that of p. More columns, and other percents, are in the tables beside this page."
)


def _with_enrichment(result: Mapping[str, Any], by: str) -> list[dict[str, Any]]:
    """Return the rows of a grouping with the enrichment at the middle percent."""
    fair = result["fair"]
    found = {row[by]: row for row in result["enrichment"][by] if row["percent"] == result["middle_percent"]}
    return [
        {
            by: row[by],
            "weights": row["weights"],
            "enrichment": found[row[by]]["enrichment"],
            "chance": found[row[by]][fair],
            "sd": found[row[by]][f"{fair}_sd"],
        }
        | {name: row[name] for name in SHOWN}
        for row in result["by"][by]
    ]


def _curves(shares: Sequence[Row], fair: str) -> Any:
    """Return a figure of shares over percents, a panel a sum."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=1, cols=3, subplot_titles=SUMS, shared_yaxes=True, horizontal_spacing=0.03)
    for at, of in enumerate(SUMS, 1):
        rows = [row for row in shares if row["of"] == of]
        for name in sorted(
            LINES, key=lambda name: (name == fair, name == "share")
        ):  # chance is seen on the measured
            said, color, dash = LINES[name]
            values = [row[name] for row in rows]
            if all(value is None for value in values):
                continue
            figure.add_scatter(
                x=[row["percent"] for row in rows],
                y=values,
                name=said,
                legendgroup=name,
                showlegend=at == 1,
                legendrank={"share": 1, fair: 2}.get(name, 3),
                mode="lines+markers" if name == "share" else "lines",
                line={"color": color, "dash": dash, "width": {"share": 4, fair: 2}.get(name, 1.5)},
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


def _map(cells: Sequence[Row], percent: float, fair: str | None) -> Any:
    """Return heat maps of layer x module, measured and over chance, in factors of two around 1."""
    import math

    from plotly.subplots import make_subplots

    own = [row for row in cells if row["percent"] == percent]
    layers = list(dict.fromkeys(_layer(row) for row in own))
    modules = list(dict.fromkeys(row["module"] for row in own))
    values = {"measured": {(_layer(row), row["module"]): row["enrichment"] for row in own}}
    if fair is not None:
        values["over chance"] = {
            (_layer(row), row["module"]): row["enrichment"] / row[fair]
            if row[fair] and row["enrichment"] is not None
            else None
            for row in own
        }
    logs = [abs(math.log2(v)) for panel in values.values() for v in panel.values() if v]
    most = max([0.25, *logs])
    figure = make_subplots(
        rows=1,
        cols=len(values),
        subplot_titles=list(values),
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
            hovertemplate=f"layer %{{y}}, %{{x}}: %{{text}}<extra>{name}</extra>",
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
