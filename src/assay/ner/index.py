"""Every mention of every corpus, found again in every text, in one pass.

A text becomes tokens: a word of a spaced script (with the ``@`` or ``#`` before it), one character of an unspaced one,
one sign, one address of the web. All mentions stand in one trie of such tokens, so that Latin names in Chinese text
and Chinese names in English text need no rule of their own.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from assay.ner.document import UNSPACED, Document, Span, unspaced

NOT_CAPITALISED, CAPITALISED, UPPER = 0, 1, 2
_ASCII = re.compile(r"https?://\S+|www\.\S+|[@#]?[a-z0-9_]+|\S")
END = ""  # the key of a node under which the mention's number stands; no token is empty

Trie = dict[str, Any]


def tokens(text: str) -> tuple[list[str], list[Span]]:
    """Return the tokens of a text, folded (NFKC, case), and where each stands in the text as it is.

    >>> tokens("Paris. 我爱北京")
    (['paris', '.', '我', '爱', '北', '京'], [(0, 5), (5, 6), (7, 8), (8, 9), (9, 10), (10, 11)])
    """
    if text.isascii():
        found = list(_ASCII.finditer(text.lower()))
        return [match[0] for match in found], [match.span() for match in found]
    folded, starts, ends = _fold(text)
    matches = list(_general().finditer(folded))
    spans = [match.span() for match in matches]
    if starts is not None and ends is not None:
        spans = [(starts[start], ends[end - 1]) for start, end in spans]
    return [match[0] for match in matches], spans


def key(text: str) -> tuple[str, ...]:
    """Return what makes two mentions the same: their folded tokens."""
    return tuple(tokens(text)[0])


def indexable(mention: Sequence[str]) -> bool:
    """Tell whether a mention is worth looking for: a word or, in an unspaced script, two characters and more."""
    letters = "".join(mention)
    return any(map(str.isalnum, letters)) and (len(letters) > 1 or not unspaced(letters))


def trie(mentions: Iterable[tuple[str, ...]]) -> Trie:
    """Return the trie of mentions; the number of each is its place in the order given."""
    root: Trie = {}
    for number, mention in enumerate(mentions):
        node = root
        for token in mention:
            node = node.setdefault(sys.intern(token), {})
        node[END] = number
    return root


def occurrences(text: str, root: Trie) -> list[tuple[int, int, int]]:
    """Return (mention, start, end) of every place where a mention stands, by start, the shorter before the longer."""
    words, spans = tokens(text)
    found = []
    last = len(words)
    for at, word in enumerate(words):
        node = root.get(word)
        if node is None:
            continue
        ahead = at
        while True:
            number = node.get(END)
            if number is not None:
                found.append((number, spans[at][0], spans[ahead][1]))
            ahead += 1
            if ahead == last:
                break
            node = node.get(words[ahead])
            if node is None:
                break
    return found


def shape(surface: str) -> int:
    """Return `UPPER` (two capitals or more, nothing small), `CAPITALISED` (its first letter is) or `NOT_CAPITALISED`.

    >>> shape("US"), shape("Us"), shape("us"), shape("iPhone"), shape("北京")
    (2, 1, 0, 0, 0)
    """
    small = surface.lower()
    if small == surface:
        return NOT_CAPITALISED
    if surface == surface.upper() and sum(a != b for a, b in zip(surface, small, strict=False)) > 1:
        return UPPER
    first = next((letter for letter in surface if letter.lower() != letter.upper()), "")
    return CAPITALISED if first.isupper() or first.istitle() else NOT_CAPITALISED


class Gold:
    """The entities of one document, asked what stands at a place; blanks at their edges do not count."""

    __slots__ = ("_exact", "_pieces", "_reach", "_starts")

    def __init__(self, document: Document) -> None:
        exact: dict[Span, set[str]] = {}
        pieces: list[tuple[int, int, str]] = []
        for entity in document.entities:
            parts = [_trimmed(document.text, part) for part in entity.parts]
            if entity.spans is None:
                exact.setdefault(parts[0], set()).add(entity.label)
            pieces += [(*part, entity.label) for part in parts]
        pieces.sort()
        self._exact = {place: tuple(sorted(labels)) for place, labels in exact.items()}
        self._pieces = pieces
        self._starts = [start for start, _, _ in pieces]
        self._reach = list(accumulate((end for _, end, _ in pieces), max))  # where all up to here have ended

    def verdict(self, start: int, end: int) -> tuple[str, tuple[str, ...]]:
        """Return how ``[start, end)`` is annotated: same, inside, part, cross (each with labels) or none."""
        labels = self._exact.get((start, end))
        if labels is not None:
            return "same", labels
        around: tuple[int, str] | None = None
        within: set[str] = set()
        across: set[str] = set()
        near = slice(bisect_right(self._reach, start), bisect_left(self._starts, end))
        for first, last, label in self._pieces[near]:
            if last <= start:
                continue
            if first <= start and last >= end:
                if around is None or (last - first, label) < around:
                    around = (last - first, label)
            elif start <= first and last <= end:
                within.add(label)
            else:
                across.add(label)
        if around is not None:
            return "inside", (around[1],)
        if within:
            return "part", tuple(sorted(within))
        if across:
            return "cross", tuple(sorted(across))
        return "none", ()


def _trimmed(text: str, part: Span) -> Span:
    """Return a part without the blanks at its edges, unless it is nothing else."""
    start, end = part
    if not (text[start].isspace() or text[end - 1].isspace()):
        return part
    words = text[start:end]
    size = len(words.strip())
    start += len(words) - len(words.lstrip())
    return (start, start + size) if size else part


def _fold(text: str) -> tuple[str, list[int] | None, list[int] | None]:
    """Return the folded text and, where offsets move, for each of its characters where it came from."""
    folded = text.casefold()
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", text):
        return folded, None, None
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    while at < len(text):
        stop = at + 1
        while stop < len(text) and _continues(text[stop]):
            stop += 1
        raw = text[at:stop]
        piece = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", raw).casefold())
        if not raw[0].isalnum() and piece[:1].isalnum():  # a sign that folds to letters (™) joins no word
            piece = f" {piece} "
        pieces.append(piece)
        if len(piece) == len(raw) and piece == raw.casefold():  # nothing was composed: each stands for itself
            starts.extend(range(at, stop))
            ends.extend(range(at + 1, stop + 1))
        else:
            starts.extend([at] * len(piece))
            ends.extend([stop] * len(piece))
        at = stop
    return "".join(pieces), starts, ends


def _continues(character: str) -> bool:
    """Tell whether a character may be composed with the one before it: a mark, a jamo vowel or final."""
    return character > "\u02ff" and (
        unicodedata.category(character)[0] == "M"
        or "\u1160" <= character <= "\u11ff"
        or character in "\uff9e\uff9f"
    )


@functools.cache
def _general() -> re.Pattern[str]:
    """Return the pattern of tokens in any script."""
    marks = "".join(
        map(chr, (c for c in range(0x300, 0x10000) if unicodedata.category(chr(c)) in ("Mn", "Mc")))
    )
    alone = "".join(f"{chr(low)}-{chr(high)}" for low, high in UNSPACED)
    word = f"(?:[^\\W{alone}]|[{re.escape(marks)}])+"
    return re.compile(f"https?://[!-~]+|www\\.[!-~]+|[{alone}]|[@#]?{word}|\\S")
