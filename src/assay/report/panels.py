"""What figures of several panels have in common."""

from __future__ import annotations

from typing import Any

GREY = "#888888"


def framed(figure: Any, height: float) -> None:
    """Set the height; put panels' titles at their left, where a narrow page shows them, and the legend above them."""
    top, bottom = 76, 54
    figure.update_annotations(x=0, xanchor="left", font_size=13)
    figure.update_layout(
        height=height, margin={"t": top, "b": bottom}, legend_y=1 + 24 / (height - top - bottom)
    )


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign; 0 has none."""
    return f"{value:+.{decimals}f}" if round(value, decimals) else f"{0:.{decimals}f}"


def between(low: float | None, high: float | None, decimals: int = 1) -> str:
    """Return the ends of an interval as a reader takes them; a dash where there is none."""
    return "–" if low is None or high is None else f"{signed(low, decimals)} to {signed(high, decimals)}"
