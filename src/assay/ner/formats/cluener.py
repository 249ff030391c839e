"""CLUENER: ``{"text", "label": {type: {words: [[start, end]]}}}`` a line, ends inclusive. Read only.

Some copies are pretty-printed objects one after the other. Records without labels, as the test set has, are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough
from assay.ner.formats.rows import name_of, object_of, others, read_rows, span_of, string_of


def detect(head: Head) -> bool:
    """Tell whether the first record of a file is of this format."""
    row = head.row
    return isinstance(row, dict) and "text" in row and isinstance(row.get("label"), dict)


def _parse(origin: str, row: dict[str, Any], skipped: Counter[str]) -> Iterator[Rough]:
    """Yield the document of a record; see `rows.read_rows`."""
    if "label" not in row:
        skipped["records without labels"] += 1
        return
    marks = []
    for label, surfaces in object_of(row["label"], "label").items():
        for surface, places in object_of(surfaces, f"label.{label}").items():
            if not label or not isinstance(places, list):
                raise DataError(f"label.{label} must map words to places; got {excerpt(surfaces)}.")
            for place in places:
                if not isinstance(place, list) or len(place) != 2:
                    raise DataError(f"label.{label} must hold [start, end]; got {excerpt(place)}.")
                marks.append(Mark(label, (span_of(*place),), surface))
    text = string_of(row, "text")
    yield Rough(origin, name_of(row), text, tuple(marks), meta=others(row, "id", "text", "label"))


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files."""
    return read_rows(files, _parse, declared="inclusive", offsets=offsets, on_bad=on_bad)


CLUENER = NerFormat(
    "cluener",
    "CLUENER: text, label as {type: {words: [[start, end]]}}, ends inclusive",
    (".json", ".jsonl"),
    detect,
    read,
    None,
    frozenset({"text", "nested", "overlapping"}),
    tokens=False,
    options=("offsets",),
)
