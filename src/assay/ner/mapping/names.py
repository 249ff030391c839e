"""How alike the names of labels and of types are, as people write them short, joined or in Chinese."""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

NUMBERED = re.compile(r"[\s\d]+$")
_CASES = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_ABBREVIATED = re.compile(r"([A-Z]{3,})([a-z]{4,})")
EMPTY = ("name", "entity", "type", "nam")
_HAN = re.compile(r"[\u3400-\u9fff]")
EXACT, SAME_WORDS, SHORT, SHARED, SPELLED = 1.0, 0.95, 0.85, 0.85, 0.7


@lru_cache(maxsize=1 << 16)
def phrase(label: str) -> str:
    """Return a label as plain words: parts apart, folded, plurals and final digits gone.

    >>> phrase("vehicle_type-suv"), phrase("MusicalGRP"), phrase("Works of Art"), phrase("组织机构名->公司")
    ('vehicle type suv', 'musical grp', 'work of art', '组织机构名 公司')
    """
    text = _CASES.sub(" ", unicodedata.normalize("NFKC", label))
    words = re.findall(r"\w+", text.casefold().replace("_", " "))
    plain = " ".join(_singular(word) for word in words)
    return NUMBERED.sub("", plain) or plain


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies") and word != "series":
        return f"{word[:-3]}y"
    return (
        word[:-1]
        if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "ies"))
        else word
    )


def readings(labels: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """Return for each label the phrases that it may stand for, with how much each counts.

    None for labels without a letter: a number or sign says nothing, whatever another corpus means by it.

    Labels of a pattern, such as ``type-suv`` or ``PER.NAM``, also stand for their last part, or for their first where
    the last is that of several labels; ``attack/battle`` for each of its two, ``person_name`` for a person.

    >>> readings(["PER.NAM", "LOC.NAM"])["PER.NAM"]
    [('per nam', 1.0), ('per', 0.9)]
    >>> readings(["event-attack/battle", "person_name"])["event-attack/battle"]
    [('event attack battle', 1.0), ('attack battle', 0.9), ('attack', 0.8), ('battle', 0.8)]
    """
    parts = {label: [part for part in re.split(r"[-.:]+", label.strip("/")) if part] for label in labels}
    last = Counter(found[-1] for found in parts.values() if len(found) > 1)
    out = {}
    for label, found in parts.items():
        given = {phrase(label): 1.0}
        if len(found) > 1:
            part = found[0] if last[found[-1]] > 1 else found[-1]
            given.setdefault(phrase(part), 0.9)
        else:
            part = label
        for each in part.split("/") if "/" in part else ():
            given.setdefault(phrase(each), 0.8)
        words = phrase(part).split()
        if len(words) > 1 and words[-1] in EMPTY:
            given.setdefault(" ".join(words[:-1]), 0.9)
        short = _ABBREVIATED.fullmatch(label)
        if short:
            given.setdefault(phrase(f"{short[1]} {short[2]}"), 0.95)
        out[label] = [(text, weight) for text, weight in given.items() if any(map(str.isalpha, text))]
    return out


class Alike:
    """Compares phrases; words count by how seldom they stand in the names that are known."""

    def __init__(self, names: Iterable[str]) -> None:
        lines = {phrase(name) for name in names}
        counts = Counter(word for line in lines for word in set(line.split()))
        self._total = len(lines) + 1
        self._weights = {word: math.log(self._total / count) for word, count in counts.items()}
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, one: str, two: str) -> float:
        """Return how alike two phrases are, from 0 to 1: equal, the same words, one short for the other, ...

        Not symmetric: the first may be short for the second.
        """
        key = (one, two)
        if key not in self._known:
            self._known[key] = self._compare(one, two)
        return self._known[key]

    def _compare(self, one: str, two: str) -> float:
        a, b = _taken_apart(one), _taken_apart(two)
        if a.joined == b.joined:
            return EXACT
        if a.han or b.han:
            return SHARED * _characters(a.joined, b.joined) if a.han and b.han else 0.0
        if a.words == b.words:
            return SAME_WORDS
        best = SHARED * self._words(a, b) if a.beginnings & b.beginnings else 0.0
        best = max(best, short_for(a.joined, b))
        common = len(a.trigrams & b.trigrams)
        dice = 2 * common / (len(a.trigrams) + len(b.trigrams)) if common else 0.0
        return max(best, SPELLED * dice if dice > 0.5 else 0.0)

    def _words(self, one: _Parts, two: _Parts) -> float:
        """Return the weighted share of words that both have; a word and a beginning of it count for less."""
        both = 0.0
        left = list(two.words)
        for word in one.words:
            if word in left:
                left.remove(word)
                both += 2 * self._weight(word)
                continue
            longer = next((other for other in left if _begins(word, other)), None)
            if longer is not None:
                left.remove(longer)
                both += 0.6 * (self._weight(word) + self._weight(longer))
        whole = sum(map(self._weight, one.words)) + sum(map(self._weight, two.words))
        return both / whole if whole else 0.0

    def _weight(self, word: str) -> float:
        return self._weights.get(word, math.log(self._total))


@dataclass(frozen=True, slots=True)
class _Parts:
    """A phrase taken apart once: it is compared with thousands."""

    joined: str
    words: tuple[str, ...]
    order: tuple[str, ...]
    beginnings: frozenset[str]
    trigrams: frozenset[str]
    han: bool


@lru_cache(maxsize=1 << 16)
def _taken_apart(text: str) -> _Parts:
    words = tuple(text.split())
    joined = "".join(words)
    return _Parts(
        joined,
        tuple(sorted(words)),
        words,
        frozenset(word[:3] for word in words),
        frozenset(joined[n : n + 3] for n in range(len(joined) - 2)),
        bool(_HAN.search(joined)),
    )


def _begins(one: str, two: str) -> bool:
    return min(len(one), len(two)) > 2 and (one.startswith(two) or two.startswith(one))


def short_for(joined: str, full: _Parts) -> float:
    """Return how well a word without spaces is a short form of a phrase, 0 where it is none."""
    if not 3 <= len(joined) < len(full.joined) or joined[0] != full.joined[0]:
        return 0.0
    return SHORT * (0.6 + 0.4 * len(joined) / len(full.joined)) if shortened(joined, full.order) else 0.0


def same(one: str, two: str) -> float:
    """Return whether two phrases are one: 1 where they are equal, less for other order, 0 for anything else."""
    a, b = _taken_apart(one), _taken_apart(two)
    return EXACT if a.joined == b.joined else SAME_WORDS if a.words == b.words else 0.0


@lru_cache(maxsize=1 << 18)
def shortened(short: str, words: tuple[str, ...]) -> bool:
    """Tell whether a word is made of the beginnings of others, in order; small words may be left out.

    >>> shortened("programlang", ("programming", "language")), shortened("poi", ("point", "of", "interest"))
    (True, True)
    """
    if not short or not words:
        return not short
    word = words[0]
    if word in ("of", "and", "the", "or", "a", "in") and shortened(short, words[1:]):
        return True
    size = next(
        (n for n, (a, b) in enumerate(zip(short, word, strict=False)) if a != b), min(len(short), len(word))
    )
    return any(shortened(short[n:], words[1:]) for n in range(size, 0, -1))


def _characters(one: str, two: str) -> float:
    """Return the share of characters, and of pairs of them, that two Chinese names have in common."""
    a, b = Counter(one), Counter(two)
    singles = 2 * (a & b).total() / (a.total() + b.total())
    p, q = Counter(itertools.pairwise(one)), Counter(itertools.pairwise(two))
    total = p.total() + q.total()
    return 0.5 * singles + 0.5 * (2 * (p & q).total() / total if total else singles)
