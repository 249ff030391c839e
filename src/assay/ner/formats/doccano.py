"""doccano: ``{"text", "label": [[start, end, label]]}`` a line. Read only.

The key is ``labels`` in some versions, or ``entities`` with objects in place of triples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough
from assay.ner.formats.rows import list_of, name_of, others, read_rows, span_of, string_of

KEYS = ("label", "labels", "entities")


def detect(head: Head) -> bool:
    """Tell whether the first record of a file is of this format."""
    row = head.row
    if not isinstance(row, dict) or not {"text", "data"} & row.keys():
        return False
    return any(isinstance(row.get(key), list) and all(map(_is_entity, row[key])) for key in KEYS)


def _is_entity(value: Any) -> bool:
    if isinstance(value, dict):
        return "start_offset" in value
    return isinstance(value, list) and len(value) == 3


def _parse(origin: str, row: dict[str, Any], skipped: Counter[str]) -> Iterator[Rough]:
    """Yield the document of a record; see `rows.read_rows`."""
    key = next((key for key in KEYS if key in row), KEYS[0])
    name = "text" if "text" in row else "data"
    marks = []
    for entity in list_of(row, key):
        if not _is_entity(entity):
            raise DataError(f"{key} must hold [start, end, label]; got {excerpt(entity)}.")
        if isinstance(entity, dict):
            start, end, label = entity["start_offset"], entity.get("end_offset"), entity.get("label")
            meta = others(entity, "start_offset", "end_offset", "label")
        else:
            (start, end, label), meta = entity, {}
        if not isinstance(label, str) or not label:
            raise DataError(f"label must be a string; got {excerpt(label)}.")
        marks.append(Mark(label, (span_of(start, end),), meta=meta))
    yield Rough(origin, name_of(row), string_of(row, name), tuple(marks), meta=others(row, "id", name, key))


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files."""
    return read_rows(files, _parse, offsets=offsets, on_bad=on_bad)


DOCCANO = NerFormat(
    "doccano",
    "doccano JSON Lines: text, label as [start, end, label]",
    (".jsonl", ".json"),
    detect,
    read,
    None,
    frozenset({"text", "nested", "overlapping"}),
    tokens=False,
    options=("offsets",),
)
