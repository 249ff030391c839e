"""`assay measures` and `assay selectors`: the tables, printed."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import typer

from assay.cli import options


def measures(
    name: Annotated[str | None, typer.Argument(help="Show one measure whole.", show_default=False)] = None,
    format: options.Format = "table",
) -> None:
    """List the measures: what each takes, which direction is more diverse, what it costs, where it is from."""
    from assay.diversity import MEASURES

    rows = [
        {
            "measure": key,
            "summary": row.summary,
            "takes": row.takes,
            "reference": row.reference,
            "direction": row.direction,
            "size": row.size,
            "options": _options(row.function),
            "cost": row.cost,
            "source": row.source,
        }
        for key, row in MEASURES.items()
    ]
    _print(rows, name, format, "measure")


def selectors(
    name: Annotated[str | None, typer.Argument(help="Show one selector whole.", show_default=False)] = None,
    format: options.Format = "table",
) -> None:
    """List the selectors: what each does, which options it takes, what it costs, where it is from."""
    from assay.select import SELECTORS

    rows = [
        {
            "selector": key,
            "summary": row.summary,
            "options": ", ".join(row.options),
            "needs": ", ".join(row.needs),
            "greedy": "yes" if row.greedy else "no",
            "seed": row.seed,
            "cost": row.cost,
            "source": row.source,
        }
        for key, row in SELECTORS.items()
    ]
    _print(rows, name, format, "selector")


def _options(function: Callable[..., Any]) -> str:
    """Return the options of a measure with their defaults, the other choices in brackets."""
    hints = typing.get_type_hints(function)
    shown = []
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if name in ("reference", "density", "device"):
            continue
        default = getattr(parameter.default, "__name__", parameter.default)
        others = [str(one) for one in typing.get_args(hints[name]) if one != default]
        choices = typing.get_origin(hints[name]) is typing.Literal
        shown.append(f"{name}={default}" + (f" ({', '.join(others)})" if choices else ""))
    return ", ".join(shown)


def _print(rows: list[dict[str, Any]], name: str | None, form: str, kind: str) -> None:
    from assay._check import known
    from assay.cli.console import show

    if name is not None:
        known(kind, name, (row[kind] for row in rows), f"assay {kind}s")
        [row] = [row for row in rows if row[kind] == name]
        if form == "table":
            rows = [{"": key, " ": "-" if value is None else str(value)} for key, value in row.items()]
        else:
            rows = [row]
    elif form == "table":
        rows = [{key: row[key] for key in (kind, "summary", "source")} for row in rows]
    show(rows, form)
