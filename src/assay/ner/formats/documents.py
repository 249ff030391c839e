"""assay's own JSON Lines, which lose nothing: a line on the corpus, then a document a line with every field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from assay.data.json_text import dumps, excerpt
from assay.errors import DataError
from assay.ner.document import Corpus, Document, Entity, Span
from assay.ner.formats.format import File, Head, Holds, NerFormat, OnBad, Read, refuse
from assay.ner.formats.rows import list_of, object_of, rows, span_of, string_of

FORMAT = "assay.ner.documents/1"
HEAD = ("name", "language", "licence", "source")


def detect(head: Head) -> bool:
    """Tell whether a file begins with the line of this format."""
    return isinstance(head.row, dict) and head.row.get("format") == FORMAT


def read(files: Sequence[File], *, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files, and what their first lines say of the corpus."""
    documents = []
    labels: dict[str, None] = {}
    said: dict[str, str] = {}
    meta: dict[str, Any] = {}
    for file in files:
        for number, (origin, row) in enumerate(rows(file.path, on_bad=on_bad)):
            try:
                row = object_of(row, "row")
                if number:
                    documents.append(_document(row, file.split))
                elif row.get("format") != FORMAT:
                    raise DataError(
                        f"format must be {FORMAT} in the first line; got {excerpt(row.get('format'))}."
                    )
                else:
                    labels |= dict.fromkeys(list_of(row, "labels"))
                    said |= {key: string_of(row, key) for key in HEAD}
                    meta |= object_of(row.get("meta", {}), "meta")
            except DataError as error:
                on_bad("malformed", origin, str(error))
    return Read(
        tuple(documents),
        tuple(labels),
        name=said.get("name", ""),
        language=said.get("language", ""),
        licence=said.get("licence", ""),
        source=said.get("source", ""),
        meta=meta,
    )


def _document(row: dict[str, Any], split: str) -> Document:
    entities = []
    for entity in list_of(row, "entities"):
        entity = object_of(entity, "entity")
        start, end = span_of(entity.get("start"), entity.get("end"))
        label = string_of(entity, "label")
        entities.append(Entity(start, end, label, _spans(entity, "spans"), entity.get("meta") or {}))
    return Document(
        id=string_of(row, "id"),
        text=string_of(row, "text"),
        entities=tuple(entities),
        language=row.get("language", ""),
        corpus=row.get("corpus", ""),
        split=row.get("split", split),
        tokens=_spans(row, "tokens"),
        meta=row.get("meta") or {},
    )


def _spans(row: dict[str, Any], key: str) -> tuple[Span, ...] | None:
    if row.get(key) is None:
        return None
    spans = []
    for place in list_of(row, key):
        if not isinstance(place, list) or len(place) != 2:
            raise DataError(f"{key} must hold [start, end]; got {excerpt(place)}.")
        spans.append(span_of(*place))
    return tuple(spans)


def write(documents: Sequence[Document], path: Path, *, corpus: Corpus) -> None:
    """Write documents of a corpus, whose other fields stand in the first line."""
    head = {"format": FORMAT} | {key: getattr(corpus, key) for key in HEAD}
    head |= {"labels": corpus.labels, "meta": dict(corpus.meta)}
    with open(path, "wb") as out:
        out.write(dumps(head) + b"\n")
        for document in documents:
            out.write(dumps(row_of(document)) + b"\n")


def row_of(document: Document) -> dict[str, Any]:
    """Return a document as it stands in a line."""
    row: dict[str, Any] = {"id": document.id, "text": document.text}
    row["entities"] = [_entity(entity) for entity in document.entities]
    row |= {"language": document.language, "corpus": document.corpus, "split": document.split}
    if document.tokens is not None:
        row["tokens"] = document.tokens
    if document.meta:
        row["meta"] = dict(document.meta)
    return row


def _entity(entity: Entity) -> dict[str, Any]:
    row: dict[str, Any] = {"start": entity.start, "end": entity.end, "label": entity.label}
    if entity.spans is not None:
        row["spans"] = entity.spans
    if entity.meta:
        row["meta"] = dict(entity.meta)
    return row


DOCUMENTS = NerFormat(
    "documents",
    "assay's own JSON Lines, which lose nothing",
    (".jsonl",),
    detect,
    read,
    write,
    frozenset(get_args(Holds)),
    tokens=False,
    write_options=("corpus",),
)
