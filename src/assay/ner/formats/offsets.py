"""Where entities stand, by offsets that may count something else than code points.

A reader says what its records say (`Rough`, `Mark`); `settled` makes documents of them. One unit is chosen for all that
is read together, the one in which most entities fit their words; a single entity that does not fit in it is tried in
the other units, then looked for by its words. Whatever is mended is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay._check import choice
from assay.data.json_text import excerpt
from assay.ner.document import Document, Entity, Span, unspaced
from assay.ner.formats.format import OnBad, refuse

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mark:
    """An entity as a record has it: its pieces, none where it has only the words, and the words, if it has them."""

    label: str
    spans: tuple[Span, ...]
    surface: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rough:
    """A document as a record has it; `origin` is where it stood (``file:line``)."""

    origin: str
    id: str
    text: str
    marks: tuple[Mark, ...]
    tokens: tuple[Span, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    split: str = ""


class _Text:
    """A text and what its offsets are in each unit, computed when first asked for."""

    __slots__ = ("_maps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._maps: dict[str, dict[int, int] | None] = {}

    def place(self, spans: Sequence[Span], unit: str) -> tuple[Span, ...] | None:
        """Return spans given in a unit as code points, None where they are not inside the text or cut a character."""
        plus = int(unit == "inclusive")
        if unit in _WIDTHS:
            if unit not in self._maps:
                self._maps[unit] = _map(self.text, _WIDTHS[unit])
            known = self._maps[unit]
            if known is not None:
                if not all(start in known and end in known for start, end in spans):
                    return None
                spans = [(known[start], known[end]) for start, end in spans]
        before = 0
        for start, end in spans:
            if not before <= start < end + plus <= len(self.text):
                return None
            before = end + plus
        return tuple((start, end + plus) for start, end in spans)

    def fits(self, mark: Mark, unit: str) -> tuple[Span, ...] | None:
        """Return the place of a mark in a unit if its words, where they are known, stand there."""
        found = self.place(mark.spans, unit) if mark.spans else None
        if found is None or mark.surface is None:
            return found
        words = " ".join(self.text[start:end] for start, end in found)
        same = words == mark.surface or _plain(words) == _plain(mark.surface)
        return found if same else None


_WIDTHS: dict[str, Callable[[str], int]] = {
    "utf-16": lambda c: 2 if c > "\uffff" else 1,
    "bytes": lambda c: 1 if c < "\x80" else 2 if c < "\u0800" else 3 if c <= "\uffff" else 4,
}
UNITS = ("code points", "inclusive", "utf-16", "bytes")
_SAID = {
    "code points": "code points to before the end",
    "inclusive": "code points to the last character",
    "utf-16": "UTF-16 units",
    "bytes": "UTF-8 bytes",
}
_MENDED = {
    "code points": "counted code points, unlike the others",
    "inclusive": "ended on the last character, unlike the others",
    "utf-16": "counted UTF-16 units, unlike the others",
    "bytes": "counted UTF-8 bytes, unlike the others",
    "words": "were wrong, and are now those of the only place of its words",
    "located": "were missing: located by their words",
    "repeated": "were missing, and the words occur more often than they are named: located from left to right",
}


def _map(text: str, width: Callable[[str], int]) -> dict[int, int] | None:
    """Return code points by offset in another unit, None where both are the same."""
    if text.isascii():
        return None
    known = {0: 0}
    at = 0
    for number, character in enumerate(text, 1):
        at += width(character)
        known[at] = number
    return known


def _plain(words: str) -> str:
    return _SPACE.sub(" ", words)


def settled(
    roughs: Iterable[Rough],
    *,
    offsets: str | None = None,
    declared: str = "code points",
    on_bad: OnBad = refuse,
) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Return documents, and in a sentence each what was chosen or mended.

    Parameters
    ----------
    roughs
        All that is read together: the files of a corpus. One unit is chosen for them all.
    offsets
        One of `UNITS`, in which every entity must then be right; by default chosen.
    declared
        The unit that the format promises: chosen unless another fits more entities.
    on_bad
        Takes (kind, origin, message) of what cannot be mended, which is then left out. By default an error.

    Notes
    -----
    Without words there is no proof: then an entity fits where it lies inside the text and cuts no character, and
    ``inclusive`` is never chosen, since it could not be told from ``code points``. Words are equal but for runs of
    white space. An entity mended alone is put where its words occur if they occur once, or once between word bounds.
    """
    if offsets is not None:
        choice("offsets", offsets, UNITS)
    rough = list(roughs)
    texts = [_Text(one.text) for one in rough]
    order = [declared, *(unit for unit in UNITS if unit != declared)]
    marks = [(text, mark) for text, one in zip(texts, rough, strict=True) for mark in one.marks if mark.spans]
    unit = offsets or _chosen(marks, order)
    notes = []
    if unit != declared and marks:
        count = sum(text.fits(mark, unit) is not None for text, mark in marks)
        other = sum(text.fits(mark, declared) is not None for text, mark in marks)
        notes.append(
            f"offsets are read as {_SAID[unit]}: {count} of {len(marks)} entities fit so, {other} as {_SAID[declared]}"
        )
    mended: Counter[str] = Counter()
    first: dict[str, str] = {}

    def mend(how: str, mark: Mark, origin: str) -> None:
        mended[how] += 1
        first.setdefault(how, f"{excerpt(mark.surface)} at {origin}")

    documents = []
    for one, text in zip(rough, texts, strict=True):
        entities = []
        located = {} if all(mark.spans for mark in one.marks) else _located(text, one.marks, unit)
        for number, mark in enumerate(one.marks):
            how, spans = unit, text.fits(mark, unit)
            if number in located:
                spans, repeated = located[number]
                mend("repeated" if repeated else "located", mark, one.origin)
            elif spans is None and offsets is None and mark.surface is not None:
                how, spans = _alone(text, mark, order)
                if spans is not None:
                    mend(how, mark, one.origin)
            if spans is None:
                on_bad(*_trouble(one, mark, unit))
            else:
                entities.append(
                    Entity(
                        spans[0][0], spans[-1][1], mark.label, spans if len(spans) > 1 else None, mark.meta
                    )
                )
        documents.append(
            Document(one.id, one.text, tuple(entities), split=one.split, tokens=one.tokens, meta=one.meta)
        )
    for how, count in sorted(mended.items()):
        what = "of 1 entity" if count == 1 else f"of {count} entities"
        notes.append(f"the offsets {what} {_MENDED[how]}; the first: {first[how]}")
    return tuple(documents), tuple(notes)


def _chosen(marks: Sequence[tuple[_Text, Mark]], order: Sequence[str]) -> str:
    """Return the unit in which most marks with words fit; without words the first in which all lie inside."""
    proofs = [(text, mark) for text, mark in marks if mark.surface is not None]
    if proofs:
        counts: dict[str, int] = {}
        for unit in order:
            counts[unit] = sum(text.fits(mark, unit) is not None for text, mark in proofs)
            if counts[unit] == len(proofs):
                return unit
        return max(order, key=lambda unit: counts[unit])
    for unit in order:
        if (unit != "inclusive" or unit == order[0]) and all(text.fits(mark, unit) for text, mark in marks):
            return unit
    return order[0]


def _alone(text: _Text, mark: Mark, order: Sequence[str]) -> tuple[str, tuple[Span, ...] | None]:
    """Return how one mark can be mended: another unit, or the one place where its words occur."""
    for unit in order:
        found = text.fits(mark, unit)
        if found is not None:
            return unit, found
    if mark.surface and len(mark.spans) <= 1:
        places = list(occurrences(text.text, mark.surface))
        bounded = [place for place in places if between_words(text.text, place)]
        for found_places in (places, bounded):
            if len(found_places) == 1:
                return "words", (found_places[0],)
    return "words", None


def _located(text: _Text, marks: Sequence[Mark], unit: str) -> dict[int, tuple[tuple[Span, ...], bool]]:
    """Return where marks without offsets stand, from left to right, and whether their words occur more often.

    Entities are listed in the order of the text, so each is looked for from the start of the one before, and after
    the last one of the same label and words; places between word bounds come before others.
    """
    wanted = Counter(mark.surface for mark in marks)
    last: dict[tuple[str, str], int] = {}
    found: dict[int, tuple[tuple[Span, ...], bool]] = {}
    cursor = 0
    for number, mark in enumerate(marks):
        if mark.spans or not mark.surface:
            known = text.fits(mark, unit)
            cursor = known[0][0] if known else cursor
            continue
        places = list(occurrences(text.text, mark.surface))
        places = [place for place in places if between_words(text.text, place)] or places
        if not places:
            continue
        after = last.get((mark.label, mark.surface), -1)
        free = [place for place in places if place[0] > after] or places[-1:]
        place = next((place for place in free if place[0] >= cursor), free[0])
        cursor = last[mark.label, mark.surface] = place[0]
        found[number] = (place,), len(places) > wanted[mark.surface]
    return found


def _trouble(one: Rough, mark: Mark, unit: str) -> tuple[str, str, str]:
    """Return (kind, origin, message) for a mark that no repair has helped."""
    size = len(one.text)
    shown = (
        f"{list(map(list, mark.spans)) if len(mark.spans) > 1 else list(mark.spans[0])} {mark.label}"
        if mark.spans
        else ""
    )
    if not mark.spans:
        words = excerpt(mark.surface)
        return (
            "unlocated",
            one.origin,
            f"entity must stand in the text; got {words} ({mark.label}), which does not.",
        )
    if any(start >= end + (unit == "inclusive") for start, end in mark.spans):
        return "empty", one.origin, f"entity must have start < end; got {shown}."
    if min(start for start, _ in mark.spans) < 0 or mark.spans[-1][1] > size:
        return (
            "out_of_range",
            one.origin,
            f"entity must lie inside the text of {size} characters; got {shown}.",
        )
    if mark.surface is None:
        return "out_of_range", one.origin, f"entity must have ascending whole characters; got {shown}."
    there = " ".join(one.text[start:end] for start, end in mark.spans)
    return (
        "surface",
        one.origin,
        f"entity must have the words that it names, {excerpt(mark.surface)}; got {excerpt(there)} at {shown}.",
    )


def occurrences(text: str, words: str, start: int = 0) -> Iterator[Span]:
    """Yield every place of words in a text from `start` on, overlapping ones too."""
    at = text.find(words, start)
    while at >= 0:
        yield at, at + len(words)
        at = text.find(words, at + 1)


def between_words(text: str, place: Span) -> bool:
    """Tell whether a place begins and ends where words do; unspaced scripts have no such bounds."""
    start, end = place
    return not (_inside(text, start) or _inside(text, end))


def _inside(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    return before.isalnum() and after.isalnum() and not unspaced(before) and not unspaced(after)
