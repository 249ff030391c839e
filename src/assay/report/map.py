"""A map of rows: points in a plane, what is known of each, and the texts that are searched."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.report.page import embedded_json


def chosen_field(name: str, rows: ArrayLike, *, kept: ArrayLike = ()) -> dict[str, Any]:
    """Return the field that colours the chosen `rows`, in order of choice, and those `kept` from the start."""
    return {
        "name": name,
        "kind": "chosen",
        "rows": _typed(np.asarray(rows), "<u4"),
        "kept": _typed(np.asarray(kept), "<u4"),
    }


def number_field(name: str, values: NDArray[np.floating[Any]], note: str) -> dict[str, Any]:
    """Return the field that colours by a number, from its 1st to its 99th percentile."""
    low, high = np.nanpercentile(values, [1, 99])
    return {
        "name": name,
        "kind": "number",
        "values": _typed(values, "<f4"),
        "range": [low, high],
        "note": note,
    }


def class_field(name: str, values: Sequence[str]) -> dict[str, Any]:
    """Return the field that colours by a label; the page gives a colour to the most frequent ones."""
    counts = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    labels = [label for label, _ in counts]
    code = {label: number for number, label in enumerate(labels)}
    codes = np.array([code[value] for value in values])
    return {"name": name, "kind": "class", "labels": labels, "codes": _typed(codes, "<u4")}


def map_html(
    points: NDArray[np.floating[Any]],
    texts: Sequence[str],
    fields: Sequence[Mapping[str, Any]],
    *,
    ids: Sequence[str] | None = None,
) -> str:
    """Return the HTML of a map for a `Section`: the page's own script draws it, with hover text, colours and search.

    `points` (n, 2), a text a row, `fields` from the functions above, the first shown at first. `ids` name the rows
    where their numbers do not.
    """
    data = {
        "x": _typed(points[:, 0], "<f4"),
        "y": _typed(points[:, 1], "<f4"),
        "texts": list(texts),
        "ids": None if ids is None else list(ids),
        "fields": list(fields),
    }
    return f'<div class="map"></div>\n<script type="application/json">{embedded_json(data)}</script>'


def _typed(values: NDArray[Any], dtype: str) -> dict[str, str]:
    """Return an array as its bytes in base64, as the page's script reads it."""
    data = np.ascontiguousarray(values, dtype=dtype).tobytes()
    return {"dtype": dtype.lstrip("<"), "bdata": base64.b64encode(data).decode("ascii")}
