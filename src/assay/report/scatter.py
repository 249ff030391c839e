"""Two columns against each other, a point a set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.report.page import plain

SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star", "hexagon", "x")


def scatter(
    x: Sequence[float],
    y: Sequence[float],
    *,
    x_title: str,
    y_title: str,
    groups: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """Return a plotly figure of points, coloured and shaped by group, with their names where the pointer rests."""
    import plotly.graph_objects as go

    figure = go.Figure()
    hover = f"{plain(x_title)} %{{x:.4g}}<br>{plain(y_title)} %{{y:.4g}}<extra>%{{fullData.name}}</extra>"
    if names is not None:
        hover = f"%{{text}}<br>{hover}"
    kinds = ["all sets"] * len(x) if groups is None else list(groups)
    for number, kind in enumerate(dict.fromkeys(kinds)):
        rows = [row for row, other in enumerate(kinds) if other == kind]
        figure.add_scatter(
            x=[x[row] for row in rows],
            y=[y[row] for row in rows],
            text=None if names is None else [plain(names[row]) for row in rows],
            name=plain(kind),
            mode="markers",
            marker={"size": 9, "symbol": SYMBOLS[number % len(SYMBOLS)]},
            hovertemplate=hover,
        )
    figure.update_layout(
        xaxis_title_text=plain(x_title), yaxis_title_text=plain(y_title), showlegend=groups is not None
    )
    return figure
