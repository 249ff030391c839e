"""The figures of a comparison of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from assay.report.page import COLORS, plain
from assay.report.panels import GREY, framed
from assay.report.scatter import SYMBOLS
from assay.study.restoration.compare import Result, Row
from assay.study.restoration.tables import state_of
from assay.study.restoration.verdicts import asked, questions, verdicts

SHOWN = ("relative", "random", "shrink")  # have a colour of their own on every page
LINES = {"tuned": ("0 %", "dash"), "original": ("original", "dot")}
ALL = "all groups"
CHOSEN_RING = "chosen on dev"
ANYWHERE = "as many weights anywhere"
GAP = 44  # pixels between panels
SMALL = 3  # groups with a panel of the whole width


def effects(result: Result) -> Any:
    """Return a figure of the chosen differences with their intervals: a panel a question, a line a group."""
    from plotly.subplots import make_subplots

    found = [row for row in verdicts(result) if row["effect"] is not None]
    if not found:
        return None
    there = {asked(row["against"], row["how"]) for row in found}
    panels = [one for one in dict.fromkeys(row["against"] for row in questions(result)) if one in there]
    single = len(result["groups"]) == 1
    lines = list(result["sets"] if single else result["groups"])
    lines += [ALL] if any("groups" in row for row in found) else []
    height = 130 + len(panels) * ((22 if single else 24) * len(lines) + GAP)
    figure = make_subplots(
        rows=len(panels), cols=1, subplot_titles=[f"over {one}" for one in panels],
        vertical_spacing=GAP / (height - 130) if len(panels) > 1 else 0,
    )  # fmt: skip
    for (number, on), (at, panel) in product(enumerate(result["sets"]), enumerate(panels, 1)):
        own = [row for row in found if row["on"] == on and asked(row["against"], row["how"]) == panel]
        figure.add_scatter(
            x=[row["effect"] for row in own],
            y=[plain(on if single else row["group"] or ALL) for row in own],
            error_x={
                "array": [0 if row["high"] is None else row["high"] - row["effect"] for row in own],
                "arrayminus": [0 if row["low"] is None else row["effect"] - row["low"] for row in own],
            },
            mode="markers",
            marker={"size": 8, "symbol": SYMBOLS[number], "color": COLORS[number]},
            name=plain(on),
            legendgroup=on,
            offsetgroup=None if single else on,
            showlegend=at == 1 and not single,
            orientation="h",
            hovertemplate=f"%{{y}}: %{{x:+.2f}} {result['unit']}<extra>{plain(on)}</extra>",
            row=at,
            col=1,
        )
    figure.update_yaxes(
        type="category", showgrid=False, categoryorder="array", categoryarray=[plain(one) for one in lines],
        range=[len(lines) - 0.5, -0.5],
    )  # fmt: skip
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=GREY, rangemode="tozero")
    for at in range(3, len(panels) + 1):  # leads on one scale, gains over the tuned model on their own
        figure.update_xaxes(matches="x2", row=at, col=1)
    unit = f"{result['unit']}, " if result["unit"] else ""
    figure.update_xaxes(title_text=f"{unit}right of 0: better", row=len(panels), col=1)
    figure.update_layout(scattermode="overlay" if single else "group")
    framed(figure, height)
    return figure


def curves(result: Result, value: str, *, dev: str | None = None, over: str = "energy") -> Any:
    """Return values over what is set back, a panel a group, a line a ranking with its band, baselines across.

    `value` is a set or "loss"; `dev` another set, whose line for the reference is grey. `over` is "energy", where every
    state stands at the percent of sum d^2 that it undoes, or "weights", for rankings that set weights back.
    """
    from plotly.subplots import make_subplots

    labels = [label for label, group in result["groups"].items() if value in group["states"][0]]
    if not labels:
        return None
    columns = 1 if len(labels) <= SMALL else 2
    rows = -(-len(labels) // columns)
    height = 130 + (300 if columns == 1 else 200) * rows + GAP * (rows - 1)
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=[plain(label) for label in labels] if len(labels) > 1 else None,
        vertical_spacing=GAP / (height - 130) if rows > 1 else 0, horizontal_spacing=0.1,
    )  # fmt: skip
    seen = set[str]()
    for number, label in enumerate(labels):
        group = result["groups"][label]
        drawn = list[dict[str, Any]]()
        for at, chosen in enumerate(group["choices"]):
            points = _points(group["states"], chosen["ranking"], value, over)
            if dev is not None and at == 0 and points:
                grey = _points(group["states"], chosen["ranking"], dev, over)
                drawn.append(_trace(grey, f"{chosen['ranking']} on {dev}", GREY, width=1.5, dash="dashdot"))
            if points:
                drawn += _curve(points, chosen, at, value, over)
        drawn += _baselines(group["states"], value)
        for trace in drawn:
            group_of = trace["legendgroup"]
            shown = trace.pop("named", True) and group_of not in seen
            seen |= {group_of} if shown else set()
            figure.add_scatter(**trace, showlegend=shown, row=number // columns + 1, col=number % columns + 1)
    figure.update_xaxes(range=[-3, 103], dtick=20 if columns == 1 else 50)
    said = ("percent of sum d² undone", "% of sum d²") if over == "energy" else (
        "percent of weights set back", "% of weights"
    )  # fmt: skip
    for column in range(columns):
        last = rows if (rows - 1) * columns + column < len(labels) else rows - 1
        figure.update_xaxes(title_text=said[columns - 1], row=last, col=column + 1)
    framed(figure, height)
    for number, title in enumerate(figure.layout.annotations):
        title.x = figure.layout[f"xaxis{number + 1 if number else ''}"].domain[0]
    return figure


def _points(states: Sequence[Row], kind: str, value: str, over: str) -> list[Row]:
    """Return the states of a ranking from nothing to all of the scope as x, y and half of the band."""
    own = [row for row in states if row["part"] is None and row["kind"] == kind and row[over] is not None]
    if not own:
        return []
    ends = [row for row in states if row["kind"] in ("tuned", "scope") and row[over] is not None]
    gain = "loss change" if value == "loss" else f"{value} gain"
    return sorted(
        (
            {
                "x": row[over],
                "y": row[value],
                "half": 0.0
                if row[gain] is None or row[f"{value} high"] is None
                else row[f"{value} high"] - row[gain],
                "said": _stated(row),
            }
            for row in (*own, *ends)
        ),
        key=lambda point: (point["x"], point["said"]),
    )


def _stated(row: Row) -> str:
    """Return what a state is, for the pointer."""
    if row["percent"] is None:
        return {"tuned": "nothing set back", "scope": "all of the scope set back"}[row["kind"]]
    return (
        f"{row['percent']:g} % of weights"
        if row["by"] == "weights"
        else f"energy of {row['percent']:g} % of weights"
    )


def _trace(
    points: Sequence[Row], name: str, color: str, *, width: float, dash: str = "solid"
) -> dict[str, Any]:
    return {
        "x": [one["x"] for one in points],
        "y": [one["y"] for one in points],
        "text": [one["said"] for one in points],
        "mode": "lines",
        "line": {"color": color, "width": width, "dash": dash},
        "name": plain(name),
        "legendgroup": name,
        "hovertemplate": f"%{{text}}: %{{y:.4g}}<extra>{plain(name)}</extra>",
    }


def _curve(points: Sequence[Row], chosen: Row, at: int, value: str, over: str) -> list[dict[str, Any]]:
    """Return a ranking's band, its line, and a ring where its chosen percent is."""
    kind, color, name = (
        chosen["ranking"],
        color_of(chosen["ranking"], at),
        chosen["ranking"].replace("_", " "),
    )
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    upper = [one["y"] + one["half"] for one in points]
    lower = [one["y"] - one["half"] for one in points]
    band = {
        "x": [one["x"] for one in (*points, *reversed(points))],
        "y": [*upper, *reversed(lower)],
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},0.12)",
        "hoverinfo": "skip",
        "legendgroup": name,
        "named": False,
    }
    line = _trace(points, name, color, width=2, dash="dot" if at > 5 else "solid")  # colours are used up
    line |= {
        "mode": "lines+markers",
        "marker": {"size": 6, "symbol": SYMBOLS[_rank(kind, at)], "color": color},
    }
    ring = {
        "x": [chosen[over]],
        "y": [chosen[value]],
        "mode": "markers",
        "marker": {"size": 14, "symbol": "circle-open", "color": color, "line": {"width": 2}},
        "name": CHOSEN_RING,
        "legendgroup": CHOSEN_RING,
        "hovertemplate": f"chosen: %{{y:.4g}}<extra>{plain(name)}</extra>",
    }
    return [*([band] if kind in SHOWN else []), line, *([ring] if chosen[over] is not None else [])]


def _rank(kind: str, at: int) -> int:
    """Return the number of a ranking's colour and symbol, `at` its place on the page."""
    return SHOWN.index(kind) if kind in SHOWN else 3 + at % 3  # purple, orange, sky


def color_of(kind: str, at: int) -> str:
    """Return the colour of a ranking."""
    return COLORS[_rank(kind, at)]


def _baselines(states: Sequence[Row], value: str) -> list[dict[str, Any]]:
    """Return lines across at the tuned model and the original."""
    found = []
    for kind, (said, dash) in LINES.items():
        row = state_of(states, kind)
        if row is not None:
            ends = [{"x": x, "y": row[value], "said": said} for x in (0, 100)]
            found.append(_trace(ends, said, GREY, width=1.5, dash=dash))
    return found


def parts(result: Result, on: str) -> Any:
    """Return gains of layers and modules that are set back whole, beside as many weights anywhere; a panel a group."""
    from plotly.subplots import make_subplots

    panels = [
        (label, by, own)
        for label, group in result["groups"].items()
        for by in ("layers", "modules")
        if (own := [row for row in group["states"] if row["by"] == by])
    ]
    if not panels:
        return None
    counts = [len({row["part"] for row in own}) for _, _, own in panels]
    height = 130 + sum(22 * count + GAP for count in counts)
    figure = make_subplots(
        rows=len(panels), cols=1, row_heights=counts, vertical_spacing=GAP / (height - 130) if len(panels) > 1 else 0,
        shared_xaxes="all",
        subplot_titles=[plain(f"{label}: {by}" if len(result["groups"]) > 1 else by) for label, by, _ in panels],
    )  # fmt: skip
    for at, (_, _, own) in enumerate(panels, 1):
        for kind, said, color in (("whole", "set back whole", COLORS[0]), ("random", ANYWHERE, COLORS[1])):
            rows = [row for row in own if row["kind"] == kind]
            figure.add_bar(
                y=[plain(row["part"]) for row in rows],
                x=[row[f"{on} gain"] for row in rows],
                error_x={
                    "array": [
                        0 if row[f"{on} high"] is None else row[f"{on} high"] - row[f"{on} gain"]
                        for row in rows
                    ],
                    "thickness": 1.2,
                    "width": 3,
                    "color": GREY,
                },
                orientation="h",
                name=said,
                legendgroup=kind,
                showlegend=at == 1,
                marker={"color": color, "line": {"width": 0}},
                hovertemplate=f"%{{y}}: %{{x:+.2f}}<extra>{said}</extra>",
                row=at,
                col=1,
            )
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(zeroline=True, zerolinewidth=2, zerolinecolor=GREY, showticklabels=True)
    unit = result["unit"] or result["metric"]
    figure.update_xaxes(title_text=f"gain over the tuned model, {unit}", row=len(panels), col=1)
    figure.update_layout(barmode="group", bargap=0.3)
    framed(figure, height)
    return figure
