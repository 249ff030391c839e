"""Entities as one tag a token, and back."""

from __future__ import annotations

from collections.abc import Sequence

from assay.ner.document import Document, Entity, Span, unspaced
from assay.ner.index import tokens as found_in

OUTSIDE = "O"


def token_spans(document: Document) -> list[Span]:
    """Return the tokens of a document: its own, else those of the index; unspaced scripts by the character."""
    if document.tokens is None:
        return found_in(document.text)[1]
    spans: list[Span] = []
    for start, end in document.tokens:
        if any(map(unspaced, document.text[start:end])):
            spans += [(start + a, start + b) for a, b in found_in(document.text[start:end])[1]]
        else:
            spans.append((start, end))
    return spans


def tags(document: Document, spans: Sequence[Span]) -> list[str]:
    """Return a BIO tag for each token.

    Where entities overlap, the longest counts. An entity without a token of its own bounds takes the tokens that it
    touches; of a discontinuous one nothing is tagged, since no run of tags could say it.
    """
    out = [OUTSIDE] * len(spans)
    for entity in sorted(document.entities, key=lambda e: (e.start - e.end, e.start, e.label)):
        if entity.spans is not None:
            continue
        inside = [at for at, (start, end) in enumerate(spans) if start < entity.end and end > entity.start]
        if inside and all(out[at] == OUTSIDE for at in inside):
            out[inside[0]] = f"B-{entity.label}"
            for at in inside[1:]:
                out[at] = f"I-{entity.label}"
    return out


def entities(spans: Sequence[Span], tagged: Sequence[str]) -> tuple[Entity, ...]:
    """Return the entities of BIO tags; an I- that follows nothing of its label begins one."""
    found: list[tuple[int, int, str]] = []
    before = ""
    for (start, end), tag in zip(spans, tagged, strict=True):
        label = tag[2:]
        if tag == OUTSIDE:
            before = ""
            continue
        if tag[0] == "I" and before == label:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
        before = label
    return tuple(Entity(*one) for one in found)
