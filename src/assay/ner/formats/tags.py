"""Tag schemes: spans of tokens as a tag for each token, and back.

A tag is ``O`` (also ``o`` or ``0``), or a letter, ``-`` or ``_``, and a label, which may hold either sign itself.

=======  ==================================================================
IOB1     ``I`` in an entity, ``B`` only where it follows one of its label
IOB2     ``B`` begins, ``I`` goes on
BIOES    as IOB2, ``E`` on the last token, ``S`` where it is the only one
BMES     as BIOES, with ``M`` for ``I``
BILOU    as BIOES, with ``L`` for ``E`` and ``U`` for ``S``
=======  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from assay.errors import DataError
from assay.ner.document import Document, Entity, Span
from assay.ner.formats.format import OnBad, refuse

Scheme = Literal["IOB1", "IOB2", "BIOES", "BMES", "BILOU"]
Repair = Literal["begin", "drop", "error"]
TokenSpan = tuple[int, int, str]

SCHEMES: dict[str, tuple[str, str, str, str]] = {
    # the letters on the first, an inner, the last and an only token
    "IOB1": ("I", "I", "I", "I"),
    "IOB2": ("B", "I", "I", "B"),
    "BIOES": ("B", "I", "E", "S"),
    "BMES": ("B", "M", "E", "S"),
    "BILOU": ("B", "I", "L", "U"),
}
REPAIRS = ("begin", "drop", "error")
OUTSIDE = frozenset(("O", "o", "0"))
_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}


@lru_cache(maxsize=1 << 16)
def parsed(tag: str) -> tuple[str, str] | None:
    """Return (letter, label) of a tag, ``("O", "")`` outside of entities, None of what is no tag.

    >>> parsed("B-creative-work"), parsed("I_Time"), parsed("0"), parsed("person")
    (('B', 'creative-work'), ('I', 'Time'), ('O', ''), None)
    """
    if tag in OUTSIDE:
        return "O", ""
    if len(tag) > 2 and tag[0] in _ROLES and tag[1] in "-_":
        return tag[0], tag[2:]
    return None


def inferred(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Return the scheme of all sequences together; each must be made of tags.

    ``S`` or ``E`` make it BIOES, or BMES where there is an ``M``; ``L`` or ``U`` BILOU. Of ``B`` and ``I`` alone it is
    IOB1 where an ``I`` begins an entity and no ``B`` stands but after an entity of its label.
    """
    kept = [tags for tags in sequences if not OUTSIDE.issuperset(tags)]
    letters = {tag[0] for tags in kept for tag in set(tags)}
    if letters & {"S", "E", "M"}:
        return "BMES" if "M" in letters else "BIOES"
    if letters & {"L", "U"}:
        return "BILOU"
    begins = False
    for tags in kept:
        before = ("O", "")
        for tag in tags:
            here = parsed(tag) or ("O", "")
            if here[0] == "B" and before[1] != here[1]:
                return "IOB2"
            begins = begins or (here[0] == "I" and before[1] != here[1])
            before = here
    return "IOB1" if begins else "IOB2"


def decoded(tags: Sequence[str], scheme: str, *, repair: str = "begin") -> tuple[list[TokenSpan], list[int]]:
    """Return the entities of a sequence as half-open spans of tokens, and where it breaks the scheme.

    A break is an ``I`` or ``E`` without an entity of its label before it, or (where the last token is marked) an entity
    that ends without its mark; each is told once, at its first token. ``begin`` makes it an entity all the same, as far
    as its label goes on; ``drop`` leaves it out. Where ``error`` is wanted the caller raises at the first break.
    """
    ended = scheme in ("BIOES", "BMES", "BILOU")
    spans: list[TokenSpan] = []
    broken: list[int] = []
    keep = repair != "drop"
    start, label, whole = -1, "", True  # of the open entity; whole: nothing is wrong with it so far
    for at, tag in enumerate(tags):
        found = parsed(tag)
        if found is None:
            raise DataError(f"tag must be O, or a letter of {scheme}, - or _, and a label; got {tag!r}.")
        letter, own = found
        role = _ROLES.get(letter, "O")
        if role in "IE" and start >= 0 and own == label:
            if role == "E":
                if whole or keep:
                    spans.append((start, at + 1, label))
                start = -1
            continue
        if start >= 0:
            if ended and whole:
                broken.append(start)
            if keep or (whole and not ended):
                spans.append((start, at, label))
            start = -1
        if role == "S":
            spans.append((at, at + 1, own))
        elif role != "O":
            whole = role == "B" or (role == "I" and scheme == "IOB1")
            if not whole:
                broken.append(at)
            if role != "E":
                start, label = at, own
            elif keep:
                spans.append((at, at + 1, own))
    if start >= 0:
        if ended and whole:
            broken.append(start)
        if keep or (whole and not ended):
            spans.append((start, len(tags), label))
    return spans, broken


def encoded(spans: Iterable[TokenSpan], length: int, scheme: str) -> list[str]:
    """Return the tags of `length` tokens whose entities are `spans`, which must not overlap.

    >>> encoded([(0, 2, "PER"), (2, 3, "PER")], 4, "BIOES")
    ['B-PER', 'E-PER', 'S-PER', 'O']
    """
    first, inner, last, only = SCHEMES[scheme]
    tags = ["O"] * length
    before: TokenSpan = (0, -1, "")
    for start, end, label in sorted(spans):
        if start < before[1]:
            raise DataError(f"entities must not overlap in tags; got {before} and {(start, end, label)}.")
        letters = [only] if end - start == 1 else [first, *[inner] * (end - start - 2), last]
        if scheme == "IOB1" and before[1:] == (start, label):
            letters[0] = "B"
        tags[start:end] = [f"{letter}-{label}" for letter in letters]
        before = (start, end, label)
    return tags


@dataclass(frozen=True, slots=True)
class Tagged:
    """A sentence as a reader found it: `columns` are its tags, of one column or several, none where all are ``O``.

    `file` and `line` say where its first token stood, `skipped` before which tokens a line was left out. A sentence
    that is a row has ``file:row`` as `file`, and 0 as `line`.
    """

    split: str
    id: str
    text: str
    tokens: tuple[Span, ...]
    columns: tuple[Sequence[str], ...]
    meta: Mapping[str, Any]
    file: str
    line: int
    skipped: tuple[int, ...] = ()

    def origin(self, at: int) -> str:
        """Return ``file:line`` of a token."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line + at + sum(before <= at for before in self.skipped)}"


def documents(
    sentences: Sequence[Tagged], *, scheme: str | None, repair: str, on_bad: OnBad = refuse
) -> tuple[tuple[Document, ...], tuple[str, ...]]:
    """Return the documents of all sentences under one scheme, inferred unless given, and what was found out."""
    notes = []
    used: str
    if scheme is None:
        used = inferred(tags for sentence in sentences for tags in sentence.columns)
        if any(sentence.columns for sentence in sentences):
            notes.append(f"{used} inferred")
    else:
        used = scheme
        _check_letters(sentences, used)
    count, first = 0, ""
    made = []
    for sentence in sentences:
        entities: dict[TokenSpan, Entity] = {}
        tokens = sentence.tokens
        for tags in sentence.columns:
            spans, broken = decoded(tags, used, repair=repair)
            if broken:
                count += len(broken)
                if repair == "error":
                    for at in broken:
                        on_bad(
                            "tag",
                            sentence.origin(at),
                            f"tag must fit {used}; got {tags[at]!r} after {tags[at - 1] if at else 'no tag'!r}. "
                            "Read with repair='begin' to begin an entity there, or 'drop' to leave it out.",
                        )
                first = first or sentence.origin(broken[0])
            for start, end, label in spans:
                entities[start, end, label] = Entity(tokens[start][0], tokens[end - 1][1], label)
        made.append(
            Document(
                sentence.id,
                sentence.text,
                tuple(entities.values()),
                split=sentence.split,
                tokens=tokens,
                meta=sentence.meta,
            )
        )
    if count and repair != "error":
        done = "begun as entities" if repair == "begin" else "left out"
        notes.append(f"tags that do not fit {used}, {done}: {count:,}; the first: {first}")
    return tuple(made), tuple(notes)


def _check_letters(sentences: Sequence[Tagged], scheme: str) -> None:
    allowed = {"B", *SCHEMES[scheme]}
    for sentence in sentences:
        for tags in sentence.columns:
            for at, tag in enumerate(tags):
                if tag not in OUTSIDE and tag[0] not in allowed:
                    raise DataError(
                        f"{sentence.origin(at)}: scheme must fit the tags; got {tag!r} under {scheme}. "
                        "Leave it out to have it inferred."
                    )


def token_spans(document: Document) -> list[TokenSpan]:
    """Return the entities of a document as spans of its tokens, for a writer of tokens.

    Raises
    ------
    DataError
        Where it has no tokens, or an entity is discontinuous or does not begin and end with tokens.
    """
    if document.tokens is None:
        raise DataError(f"document {document.id!r} must have tokens; it has none.")
    starts = {start: number for number, (start, _) in enumerate(document.tokens)}
    ends = {end: number for number, (_, end) in enumerate(document.tokens, 1)}
    spans = []
    for entity in document.entities:
        if entity.spans is not None or entity.start not in starts or entity.end not in ends:
            raise DataError(
                f"entity must begin and end with tokens, in one piece; got {list(entity.parts)} {entity.label!r} in "
                f"document {document.id!r}."
            )
        spans.append((starts[entity.start], ends[entity.end], entity.label))
    return spans
