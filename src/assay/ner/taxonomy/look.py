"""Finding types in a taxonomy: by words, by place in the tree."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from assay.errors import DataError
from assay.ner.taxonomy.types import Taxonomy, Type

# how much a text of a type counts where it holds what is looked for
NAME, ALIAS, LABEL, TEXT, EXAMPLE = 1.0, 0.95, 0.9, 0.4, 0.3
# how much it counts where it is that, starts or ends with it, or holds it somewhere
WHOLE, EDGE, WITHIN = 1.0, 0.75, 0.5


@dataclass(frozen=True, slots=True)
class Hit:
    """A type that was found: how well (0 to 1), and in which of its texts."""

    type: Type
    score: float
    where: str
    text: str


def search(taxonomy: Taxonomy, words: str) -> list[Hit]:
    """Return the living types that hold some words, the best first, each with where they stand.

    Looked through are ids, names, aliases, raw labels, definitions with what counts and what does not, and examples, in
    both languages, without regard to case, width, ``_`` and ``-``. Names count more than aliases, these more than
    labels, these more than definitions, a whole text more than a part; ties keep the order of the taxonomy.

    Raises
    ------
    DataError
        No type has the words; the message names the nearest names.

    Examples
    --------
    >>> types = Type(id="t1", en="movie title"), Type(id="t2", en="title of a person", sources=("resume/TITLE",))
    >>> [(hit.type.id, hit.where) for hit in search(Taxonomy(types=types), "title")]
    [('t2', 'label'), ('t1', 'name')]
    """
    wanted = _plain(words)
    if not wanted:
        raise DataError(f"search must be a word or more; got {words!r}.")
    hits = [hit for kind in taxonomy.living if (hit := _best(kind, wanted)) is not None]
    if not hits:
        names = [name for kind in taxonomy.living for name in _names(kind)]
        raise DataError(f"search must be words that a type has; none has {words!r}.{nearest(words, names)}")
    return sorted(hits, key=lambda hit: -hit.score)


def subtree(taxonomy: Taxonomy, name: str) -> Taxonomy:
    """Return the part of a taxonomy from one living type down; `name` is its id, or its name in either language.

    The type at the top has no parent there, so that the part is a taxonomy that keeps the laws (`faults`).

    Raises
    ------
    DataError
        There is no such type; the message names the nearest.
    """
    top = next((kind for kind in taxonomy.living if kind.id == name), None) or taxonomy.named(name)
    if top is None:
        names = [name for kind in taxonomy.living for name in (kind.id, *_names(kind))]
        raise DataError(f"subtree must be the id or name of a type; got {name!r}.{nearest(name, names)}")
    inside = {top.id}
    rest = list(taxonomy.living)
    while below := [kind for kind in rest if kind.parent in inside and kind.id not in inside]:
        inside.update(kind.id for kind in below)
    part = (kind for kind in rest if kind.id in inside)
    alone = {"parent": None, "other": False}
    types = tuple(kind.model_copy(update=alone) if kind.id == top.id else kind for kind in part)
    return taxonomy.model_copy(update={"types": types})


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint that names what is spelled most alike, or nothing."""
    folded = {_plain(each): each for each in reversed(list(names))}
    near = difflib.get_close_matches(_plain(name), folded, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(folded[each]) for each in near)}?" if near else ""


def _names(kind: Type) -> tuple[str, ...]:
    return tuple(filter(None, (kind.en, kind.zh, *kind.aliases.en, *kind.aliases.zh)))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[_-]+", " ", unicodedata.normalize("NFKC", text).casefold()).split())


def _texts(kind: Type) -> Iterable[tuple[str, float, str]]:
    yield from (("name", NAME, text) for text in (kind.en, kind.zh, *kind.zh.split("->")[1:]))
    yield "id", NAME, kind.id
    yield from (("alias", ALIAS, text) for text in (*kind.aliases.en, *kind.aliases.zh))
    yield from (("label", LABEL, label.partition("/")[2]) for label in kind.sources)
    for words in (kind.definition, kind.includes, kind.excludes):
        yield from (("definition", TEXT, text) for text in (words.en, words.zh))
    yield from (("example", EXAMPLE, text) for text in (*kind.examples.en, *kind.examples.zh))


def _best(kind: Type, wanted: str) -> Hit | None:
    best: Hit | None = None
    for where, weight, text in _texts(kind):
        score = weight * _held(_plain(text), wanted)
        if score > (best.score if best else 0.0):
            best = Hit(kind, round(score, 4), where, text)
    return best


def _held(text: str, wanted: str) -> float:
    if text == wanted:
        return WHOLE
    if not wanted.isascii():
        edge = text.startswith(wanted) or text.endswith(wanted)
        return EDGE if edge else WITHIN * (wanted in text)
    parts, words = re.findall(r"\w+", text), wanted.split()
    padded = f" {' '.join(parts)} "
    if padded.startswith(f" {wanted} ") or padded.endswith(f" {wanted} "):
        return EDGE
    if all(f" {word}" in padded for word in words):  # also plurals and beginnings of words
        return WITHIN if all(f" {word} " in padded for word in words) else WITHIN / 2
    return 0.0
