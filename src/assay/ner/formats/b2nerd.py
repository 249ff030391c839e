"""B2NERD and InstructUIE: ``{"sentence", "entities": [{"name", "type", "pos": [start, end]}]}``, end exclusive.

`pos` may be ``[]``: such entities are located by their names. A ``labels.json`` beside the files lists the labels in
the order of the prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.data.json_text import dumps, excerpt, loads
from assay.errors import DataError
from assay.ner.document import Corpus, Document
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough
from assay.ner.formats.rows import list_of, name_of, object_of, others, read_rows, span_of, string_of

LABELS = "labels.json"
NO_TYPES = (None, "", "NA")


def detect(head: Head) -> bool:
    """Tell whether the first record of a file is of this format."""
    return isinstance(head.row, dict) and "sentence" in head.row and "entities" in head.row


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files, and the labels that a ``labels.json`` beside the first declares."""
    found = read_rows(files, _parse, offsets=offsets, on_bad=on_bad)
    return replace(found, labels=_labels(files[0].path.parent / LABELS))


def _labels(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        labels = loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: must be JSON; {error}.") from None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise DataError(f"{path}: must be a list of labels; got {excerpt(labels)}.")
    return tuple(label for label in labels if label not in NO_TYPES)


def _parse(origin: str, row: dict[str, Any], skipped: Counter[str]) -> Iterator[Rough]:
    marks = []
    for entity in list_of(row, "entities"):
        entity = object_of(entity, "entity")
        if entity.get("type") in NO_TYPES:
            skipped["entities of the type NA or of none"] += 1
            continue
        label, name = string_of(entity, "type"), string_of(entity, "name")
        pos = entity.get("pos") or []
        if not isinstance(pos, list) or len(pos) not in (0, 2):
            raise DataError(f"pos must be [start, end] or []; got {excerpt(pos)}.")
        if not pos and not name:
            raise DataError("entity must have a name or a pos; got neither.")
        spans = (span_of(*pos),) if pos else ()
        marks.append(Mark(label, spans, name or None, others(entity, "name", "type", "pos")))
    text = string_of(row, "sentence")
    yield Rough(origin, name_of(row), text, tuple(marks), meta=others(row, "id", "sentence", "entities"))


def write(documents: Sequence[Document], path: Path) -> None:
    """Write a JSON array, a record a line, or JSON Lines where `path` ends so.

    The id and the `meta` of a document and of its entities stand beside the format's own fields.
    """
    lines = path.suffix == ".jsonl"
    between, last = (b"\n", b"\n") if lines else (b",\n", b"\n]\n")
    with open(path, "wb") as out:
        out.write(b"" if lines else b"[\n")
        for number, document in enumerate(documents):
            out.write((between if number else b"") + dumps(_record(document)))
        out.write(last if documents or not lines else b"")


def _record(document: Document) -> dict[str, Any]:
    row: dict[str, Any] = {"id": document.id} if document.id else {}
    row["sentence"] = document.text
    row["entities"] = [
        {
            "name": document.text[entity.start : entity.end],
            "type": entity.label,
            "pos": [entity.start, entity.end],
        }
        | others(dict(entity.meta), "name", "type", "pos")
        for entity in document.entities
    ]
    return row | others(dict(document.meta), "id", "sentence", "entities")


def _write_labels(corpus: Corpus, folder: Path) -> None:
    (folder / LABELS).write_bytes(dumps(corpus.labels, indent=True) + b"\n")


B2NERD = NerFormat(
    "b2nerd",
    "B2NERD and InstructUIE JSON: sentence, entities with name, type, pos",
    (".json", ".jsonl"),
    detect,
    read,
    write,
    frozenset({"text", "surrogates", "nested", "overlapping", "duplicates", "id", "meta", "entity meta"}),
    tokens=False,
    options=("offsets",),
    beside=_write_labels,
)
