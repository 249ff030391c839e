"""GLiNER's training rows: ``{"tokenized_text": [...], "ner": [[first, last, label], ...]}``, last included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay._files import atomic
from assay.data.json_text import dumps, excerpt
from assay.ner.document import Document, Entity, Span, joined
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.rows import name_of, others, rows
from assay.ner.formats.tags import token_spans

TOKENS, ENTITIES = "tokenized_text", "ner"


def detect(head: Head) -> bool:
    """Tell whether the first row has GLiNER's keys."""
    return isinstance(head.row, dict) and TOKENS in head.row and ENTITIES in head.row


def read(files: Sequence[File], *, on_bad: OnBad = refuse) -> Read:
    """Read JSON or JSON Lines."""
    documents = []
    empty = 0
    for file in files:
        for origin, row in rows(file.path, on_bad=on_bad):
            problem = _problem(row)
            if problem:
                on_bad("malformed", origin, problem)
                continue
            tokens = [token for token in row[TOKENS] if token]
            text, kept = joined(tokens)
            empty += len(row[TOKENS]) - len(tokens)
            offsets = list(kept) if len(tokens) == len(row[TOKENS]) else _spread(row[TOKENS], kept)
            entities = []
            for first, last, label in row[ENTITIES]:
                start, end = offsets[first][0], offsets[last][1]
                if start < end:
                    entities.append(Entity(start, end, label))
                else:
                    on_bad("empty", origin, f"entity must have words; got [{first}, {last}] {label!r}.")
            name = name_of(row)
            meta = others(row, TOKENS, ENTITIES, "id" if name else "")
            documents.append(Document(name, text, tuple(entities), split=file.split, tokens=kept, meta=meta))
    return Read(tuple(documents), notes=(f"empty tokens, left out: {empty:,}",) if empty else ())


def write(documents: Sequence[Document], path: Path) -> None:
    """Write a JSON array, or JSON Lines by the suffix; the id and `Document.meta` become further keys of a row."""
    made = []
    for document in documents:
        tokens = [document.text[start:end] for start, end in document.tokens or ()]
        entities = [[start, end - 1, label] for start, end, label in token_spans(document)]
        row: dict[str, Any] = {TOKENS: tokens, ENTITIES: entities} | (
            {"id": document.id} if document.id else {}
        )
        made.append(row | others(dict(document.meta), *row))
    with atomic(path) as out:
        if ".jsonl" in path.suffixes:
            out.writelines(dumps(row) + b"\n" for row in made)
        else:
            out.write(b"[\n" + b",\n".join(dumps(row) for row in made) + b"\n]\n")


def _spread(tokens: Sequence[str], kept: Sequence[Span]) -> list[Span]:
    """Return offsets for all tokens, those of an empty one of no width, where the next begins."""
    spans = iter(kept)
    offsets: list[Span] = []
    end = 0
    for token in tokens:
        span = next(spans) if token else (end, end)
        end = span[1]
        offsets.append(span)
    return offsets


def _problem(row: Any) -> str:
    if not isinstance(row, dict) or TOKENS not in row or ENTITIES not in row:
        return f"row must have {TOKENS} and {ENTITIES}; got {excerpt(row)}."
    tokens, entities = row[TOKENS], row[ENTITIES]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return f"{TOKENS} must be a list of texts; got {excerpt(tokens)}."
    if not isinstance(entities, list):
        return f"{ENTITIES} must be a list of [first, last, label]; got {excerpt(entities)}."
    for number, entity in enumerate(entities):
        if not (
            isinstance(entity, list | tuple) and len(entity) == 3 and isinstance(entity[2], str) and entity[2]
        ):
            return f"{ENTITIES}[{number}] must be [first, last, label]; got {excerpt(entity)}."
        first, last = entity[:2]
        if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last < len(tokens)):
            return (
                f"{ENTITIES}[{number}] must have 0 <= first <= last < {len(tokens)}, the number of tokens; "
                f"got {excerpt(entity)}."
            )
    return ""


GLINER = NerFormat(
    "gliner",
    "GLiNER: tokenized_text and ner, with the last token of each entity",
    (".json", ".jsonl"),
    detect,
    read,
    write,
    holds=frozenset(("surrogates", "nested", "overlapping", "duplicates", "id", "meta")),
    tokens=True,
    characters=True,
)
