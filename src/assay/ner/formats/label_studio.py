"""Label Studio: a task with ``data`` and ``annotations``, or its short form (JSON-MIN). Read only.

A task may have several annotations; each that was not cancelled is a document, and each label of a span an entity.
Predictions are not read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.document import Span
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough
from assay.ner.formats.rows import list_of, name_of, object_of, others, read_rows, span_of, string_of

TASK = ("id", "data", "annotations", "completions", "predictions")


def detect(head: Head) -> bool:
    """Tell whether the first record of a file is of this format."""
    row = head.row
    if not isinstance(row, dict):
        return False
    if "data" in row and ("annotations" in row or "completions" in row):
        return True
    spans = row.get("label")
    return isinstance(spans, list) and any(isinstance(span, dict) and "labels" in span for span in spans)


def _parse(origin: str, row: dict[str, Any], skipped: Counter[str]) -> Iterator[Rough]:
    """Yield a document for each annotation of a task; see `rows.read_rows`."""
    name = name_of(row)
    if "data" not in row:
        marks = tuple(mark for span in list_of(row, "label") for mark in _marks(object_of(span, "label"), {}))
        yield Rough(origin, name, string_of(row, "text"), marks, meta=others(row, "id", "text", "label"))
        return
    data = object_of(row["data"], "data")
    key = _text_key(data)
    kept = []
    for annotation in list_of(row, "annotations" if "annotations" in row else "completions"):
        annotation = object_of(annotation, "annotation")
        if annotation.get("was_cancelled"):
            skipped["annotations that were cancelled"] += 1
        else:
            kept.append(annotation)
    if not kept:
        skipped["tasks that nobody has annotated"] += 1
    for place, annotation in enumerate(kept):
        marks = tuple(_results(annotation, skipped))
        meta = others(row, *TASK) | {"data": others(data, key), "annotation": others(annotation, "result")}
        own = name if len(kept) == 1 else f"{name}:{annotation.get('id', place)}"
        yield Rough(origin, own, data[key], marks, meta=meta)


def _text_key(data: dict[str, Any]) -> str:
    strings = [key for key, value in data.items() if isinstance(value, str)]
    if "text" in strings:
        return "text"
    if len(strings) != 1:
        raise DataError(f"data must have a text; got {excerpt(data)}.")
    return strings[0]


def _results(annotation: dict[str, Any], skipped: Counter[str]) -> Iterator[Mark]:
    for result in list_of(annotation, "result"):
        result = object_of(result, "result")
        value = result.get("value")
        if not isinstance(value, dict) or "start" not in value or "end" not in value:
            skipped["results that are no spans of text"] += 1
            continue
        yield from _marks(value, others(result, "value"))


def _marks(value: dict[str, Any], meta: dict[str, Any]) -> Iterator[Mark]:
    """Yield a mark for each label of a span; the labels stand under the name of the tag that made them."""
    labels = value.get("labels", value.get(str(meta.get("type")).lower()))
    if not isinstance(labels, list) or not labels or not all(isinstance(one, str) and one for one in labels):
        raise DataError(f"labels must be a list of strings; got {excerpt(labels)}.")
    surface = value.get("text") if isinstance(value.get("text"), str) else None
    for label in labels:
        yield Mark(label, (_place(value),), surface, meta)


def _place(value: dict[str, Any]) -> Span:
    """Return the offsets of a span; in hypertext they stand under globalOffsets, beside paths."""
    offsets = value.get("globalOffsets")
    inside = offsets if isinstance(offsets, dict) else value
    return span_of(inside.get("start"), inside.get("end"))


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files."""
    return read_rows(files, _parse, offsets=offsets, on_bad=on_bad)


LABEL_STUDIO = NerFormat(
    "label_studio",
    "Label Studio JSON: data, annotations",
    (".json", ".jsonl"),
    detect,
    read,
    None,
    frozenset({"text", "nested", "overlapping"}),
    tokens=False,
    options=("offsets",),
)
