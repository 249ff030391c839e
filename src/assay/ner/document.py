"""Entities, documents and corpora: what every reader makes and every writer takes, and their laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.errors import DataError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled stretch of a text: half-open code points ``[start, end)``.

    `spans` are the parts of a discontinuous entity, ascending, none over another, from `start` to `end`; None where
    the entity is one piece. `meta` holds whatever else the record said of it.
    """

    start: int
    end: int
    label: str
    spans: tuple[Span, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise DataError(f"entity must have 0 <= start < end; got [{self.start}, {self.end}).")
        if not self.label:
            raise DataError(f"label must not be empty; got one at [{self.start}, {self.end}).")
        if self.spans is not None:
            flat = [offset for span in self.spans for offset in span]
            if (
                len(self.spans) < 2
                or any(a >= b for a, b in self.spans)
                or flat != sorted(flat)
                or (flat[0], flat[-1]) != (self.start, self.end)
            ):
                raise DataError(
                    "spans must be two or more ascending parts that do not overlap, from start to end; "
                    f"got {self.spans} for [{self.start}, {self.end})."
                )

    @property
    def parts(self) -> tuple[Span, ...]:
        """The pieces of the entity: one, unless it is discontinuous."""
        return self.spans or ((self.start, self.end),)


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its entities, which may nest and overlap.

    `text` is as it was read, never normalised. `entities` keep their order. `tokens` are the offsets of the tokens
    where the record had them. `meta` holds whatever else the record said. A document without entities is one too.
    """

    id: str
    text: str
    entities: tuple[Entity, ...] = ()
    language: str = ""
    corpus: str = ""
    split: str = ""
    tokens: tuple[Span, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = len(self.text)
        for entity in self.entities:
            if entity.end > size:
                raise DataError(
                    f"entity must end inside the text of {size} characters; got "
                    f"[{entity.start}, {entity.end}) {entity.label!r} in document {self.id!r}."
                )
        before = 0
        for start, end in self.tokens or ():
            if not before <= start < end <= size:
                raise DataError(
                    f"tokens must ascend inside the text; got [{start}, {end}) in document {self.id!r}."
                )
            before = end

    def surface(self, entity: Entity) -> str:
        """Return the words of an entity; the pieces of a discontinuous one stand with a space between."""
        return " ".join(self.text[start:end] for start, end in entity.parts)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents that were labelled by one rule book.

    `name` has no ``/``, so that ``name/label`` names a label of a corpus. `labels` are the declared ones where the
    source declares them, else those that occur, in order of appearance. `notes` say what the reader inferred or mended
    (scheme, offsets, invalid tags), a sentence each, for the person who reads the terminal. `meta` holds what else is
    known of the corpus, such as its labels before decisions were applied.
    """

    name: str
    documents: tuple[Document, ...]
    labels: tuple[str, ...] = ()
    language: str = ""
    licence: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise DataError(f"name of a corpus must be a word without /; got {self.name!r}.")
        if not self.labels:
            found = dict.fromkeys(e.label for d in self.documents for e in d.entities)
            object.__setattr__(self, "labels", tuple(found))

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in order of appearance."""
        return tuple(dict.fromkeys(document.split for document in self.documents))


_SHARED: dict[Span, Span] = {}  # so that documents with equal offsets hold the same ones in memory


def joined(tokens: list[str]) -> tuple[str, tuple[Span, ...]]:
    """Return tokens as one text with the offset of each: a space between them, none where unspaced script meets.

    ``joined(["我", "用", "Mac", "OS"])`` is ``我用Mac OS``: a space stands only between two tokens whose touching
    characters both belong to scripts that put spaces between words.
    """
    pieces: list[str] = []
    offsets: list[Span] = []
    if len(_SHARED) > 1 << 17:
        _SHARED.clear()
    at, spaced = 0, False
    text = " ".join(tokens)
    if text.isascii():
        for token in tokens:
            span = (at, at + len(token))
            offsets.append(_SHARED.setdefault(span, span))
            at = span[1] + 1
        return text, tuple(offsets)
    for token in tokens:
        if spaced and not unspaced(token[0]):
            pieces.append(" ")
            at += 1
        pieces.append(token)
        span = (at, at + len(token))
        offsets.append(_SHARED.setdefault(span, span))
        at = span[1]
        spaced = not unspaced(token[-1])
    return "".join(pieces), tuple(offsets)


def unspaced(character: str) -> bool:
    """Tell whether a character belongs to a script without spaces between words, or to its punctuation.

    Han, kana, bopomofo, Thai, Lao, Khmer, Burmese, full-width forms and half-width kana.
    """
    if character < "\u0e00":
        return False
    code = ord(character)
    return any(low <= code <= high for low, high in UNSPACED)


UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x30FF),
    (0x3100, 0x312F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFF9F),
    (0x20000, 0x3FFFF),
)
