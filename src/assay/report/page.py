"""Sections -> one HTML file that needs no network: plotly and all data are inside."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from assay._files import atomic
from assay.embed.encoder import mend
from assay.errors import DataError

# Okabe & Ito's palette, which the common kinds of colour blindness can tell apart, in the order of the page's charts
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#777777")


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page, shown in this order: `text`, `figure`, `html`, `table`.

    `text` is plain: a blank line begins a paragraph. `figure` is a plotly figure, drawn in the page's own colours,
    light or dark, so it should set no template, no background and no font. `table` is rows of equal keys; a column
    of numbers stands on the right, None is a dash; fractions have so many `decimals`, None: four digits or more.
    With `folded`, a line that says what it is, the table is shown when a reader asks for it. `html` goes in as it is:
    only for what holds no text of records.
    """

    heading: str
    text: str = ""
    figure: Any = None
    table: Sequence[Mapping[str, Any]] | None = None
    html: str | None = None
    decimals: int | None = None
    folded: str = ""


def write_page(
    path: str | Path,
    *,
    title: str,
    sections: Sequence[Section],
    subtitle: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write sections as one HTML page that opens in any browser without a network.

    The page is about 5 MB and what its figures hold: plotly's script is in it once, figures as JSON, their numpy
    arrays as base64. It follows the reader's choice of light or dark, fits a phone and can be printed. Equal
    arguments give equal bytes.

    Parameters
    ----------
    path
        File to write; its folder is made if missing.
    title, subtitle
        What the page is about, and a line below it.
    sections
        At least one.
    provenance
        What was run, on what, by which version: shown as two columns at the page's end.

    Raises
    ------
    DataError
        When there is no section.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    if not sections:
        raise DataError("sections must hold at least one section; got none.")
    plotly, script, style = get_plotlyjs(), _part("page.js"), _part("page.css")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    html = environment.from_string(_part("page.html")).render(
        title=title,
        subtitle=subtitle,
        sections=[_shown(number, section) for number, section in enumerate(sections, 1)],
        provenance=[(name, _cell(value)) for name, value in (provenance or {}).items()],
        plotly=Markup(plotly),
        script=Markup(script),
        style=Markup(style),
        script_hashes=Markup(" ".join(f"'sha256-{_digest(text)}'" for text in (plotly, script))),
        colors=embedded_json(COLORS),
    )
    with atomic(path) as f:
        f.write(mend(html).encode("utf-8"))


def embedded_json(value: Any) -> Any:
    """Return `value` as JSON that may stand inside a script element, marked as safe for a template.

    numpy values are numbers, NaN is null.
    """
    from markupsafe import Markup

    text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode("utf-8")
    return Markup(text.replace("<", "\\u003c"))


def plain(text: str) -> str:
    """Return text that plotly, which reads some tags in names and labels, shows as it is."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shown(number: int, section: Section) -> dict[str, Any]:
    """Return what the template shows of a section."""
    from markupsafe import Markup

    figure = None
    if section.figure is not None:
        figure = section.figure.to_dict()
        figure.get("layout", {}).pop("template", None)
        figure = embedded_json({"data": figure["data"], "layout": figure.get("layout", {})})
    rows = list(section.table or ())
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key: all(_is_number(row.get(key)) for row in rows) for key in columns}
    return {
        "id": f"section-{number}",
        "heading": section.heading,
        "paragraphs": [part.strip() for part in section.text.split("\n\n") if part.strip()],
        "figure": figure,
        "html": None if section.html is None else Markup(section.html),
        "columns": [(key, numeric[key]) for key in columns],
        "rows": [[(_cell(row.get(key), section.decimals), numeric[key]) for key in columns] for row in rows],
        "folded": section.folded,
    }


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any, decimals: int | None = None) -> str:
    """Return a value as a person reads it."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float) and decimals is not None:
        return f"{value:,.{decimals}f}"
    if isinstance(value, float):
        return f"{value:,.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"
    return str(value)


def _part(name: str) -> str:
    return files("assay.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
