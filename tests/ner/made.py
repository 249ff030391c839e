"""Corpora written as text with marked entities."""

from __future__ import annotations

import re

from assay.ner import Corpus, Document, Entity


def document(number: object, marked: str) -> Document:
    """Return the document of a text like ``in [Paris|LOC] now``."""
    pieces: list[str] = []
    entities: list[Entity] = []
    at = last = 0
    for match in re.finditer(r"\[([^|\]]+)\|([^\]]+)\]", marked):
        pieces.append(marked[last : match.start()])
        at += match.start() - last
        entities.append(Entity(at, at + len(match[1]), match[2]))
        pieces.append(match[1])
        at += len(match[1])
        last = match.end()
    pieces.append(marked[last:])
    return Document(str(number), "".join(pieces), tuple(entities))


def corpus(name: str, *marked: str) -> Corpus:
    """Return a corpus of such texts."""
    return Corpus(name, tuple(document(number, text) for number, text in enumerate(marked)))
