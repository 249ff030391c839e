"""Boson: a text a line, entities inline as ``{{type:words}}``. Read only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assay.data.containers import opened
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.document import Document, Entity
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse

_MARKUP = re.compile(r"\{\{([^:{}]+):|\}\}")


def detect(head: Head) -> bool:
    """Tell whether a line of the first part of a file has the markup."""
    return any(re.search(r"\{\{[^:{}]+:.+?\}\}", line) for line in head.lines) and head.row is None


def read(files: Sequence[File], *, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files, one a line that is not blank."""
    documents = []
    for file in files:
        with opened(file.path) as stream:
            data = stream.read()
        for number, line in enumerate(data.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                documents.append(_document(line.decode("utf-8").removesuffix("\r"), file.split))
            except UnicodeDecodeError:
                on_bad("malformed", f"{file.path}:{number}", "line must be UTF-8; it is not.")
            except DataError as error:
                on_bad("malformed", f"{file.path}:{number}", str(error))
    return Read(tuple(documents))


def _document(line: str, split: str) -> Document:
    text = ""
    at = 0
    unclosed: list[tuple[int, str]] = []
    entities = []
    for found in _MARKUP.finditer(line):
        text += line[at : found.start()]
        at = found.end()
        if found[1] is not None:
            unclosed.append((len(text), found[1].strip()))
            continue
        if not unclosed:
            raise DataError(f"}}}} must close {{{{type:words; got {excerpt(line[: found.end()][-40:])}.")
        start, label = unclosed.pop()
        if start == len(text) or not label:
            raise DataError(f"entity must be {{{{type:words}}}}; got {excerpt(line[: found.end()][-40:])}.")
        entities.append(Entity(start, len(text), label))
    if unclosed:
        raise DataError(f"{{{{{unclosed[-1][1]}: must be closed by }}}} in its line; it is not.")
    entities.sort(key=lambda entity: (entity.start, -entity.end))
    return Document("", text + line[at:], tuple(entities), split=split)


BOSON = NerFormat(
    "boson",
    "Boson: a text a line, entities inline as {{type:words}}",
    (".txt",),
    detect,
    read,
    None,
    frozenset({"text", "nested"}),
    tokens=False,
)
