"""The evidence of the screen as slow loops: for each mention, every text is read again from its first character.

Written from the definition: the key of a mention is its folded tokens; an occurrence has one verdict; a mention counts
where its own corpus marks it at least twice and, outside longer entities, in at least 7 of 10 places; every mention
that stands in the other corpus outside longer entities weighs 1.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict


def tokens(text):
    """Return (folded token, start, end): words of letters and digits, single Chinese characters, single signs."""
    found, word = [], None
    for place, character in enumerate(text):
        if character.isalnum() and not "\u2e80" <= character <= "\u9fff":
            word = place if word is None else word
            continue
        if word is not None:
            found.append((word, place))
            word = None
        if not character.isspace():
            found.append((place, place + 1))
    if word is not None:
        found.append((word, len(text)))
    return [(unicodedata.normalize("NFKC", text[a:b]).casefold(), a, b) for a, b in found]


def key(text):
    return tuple(token for token, _, _ in tokens(text))


def occurrences(text, mention):
    words = tokens(text)
    size = len(mention)
    for at in range(len(words) - size + 1):
        if all(words[at + step][0] == mention[step] for step in range(size)):
            yield words[at][1], words[at + size - 1][2]


def verdicts(document, start, end):
    """Return the verdicts that share the weight of one occurrence."""
    gold = [(e.start, e.end, e.label) for e in document.entities]
    exact = {label for a, b, label in gold if (a, b) == (start, end)}
    if exact:
        return [f"same:{label}" for label in exact]
    if any(a <= start and end <= b for a, b, _ in gold):
        return ["inside"]
    parts = {label for a, b, label in gold if start <= a and b <= end}
    if parts:
        return [f"part:{label}" for label in parts]
    crossing = {label for a, b, label in gold if a < end and start < b}
    return [f"cross:{label}" for label in crossing] or ["none"]


def capitals(surface):
    """Return 2 for upper case, 1 for a capital first letter, 0 for others."""
    letters = [c for c in surface if c.lower() != c.upper()]
    if len(letters) > 1 and all(c == c.upper() for c in letters):
        return 2
    return 1 if letters and letters[0] == letters[0].upper() else 0


def distribution(corpus, mention, allowed):
    """Return the shares of the verdicts of a mention in a corpus, without ``inside``; None where it has none."""
    total, weights = 0, defaultdict(float)
    for document in corpus.documents:
        for start, end in occurrences(document.text, mention):
            if capitals(document.text[start:end]) in allowed:
                found = verdicts(document, start, end)
                if found != ["inside"]:
                    total += 1
                    for verdict in found:
                        weights[verdict] += 1 / len(found)
    return {verdict: weight / total for verdict, weight in weights.items()} if total else None


def evidence(source, label, other, *, case_guard=True):
    """Return {mention: its distribution in the other corpus}: n is its length, w the mean share of a verdict."""
    gold = defaultdict(list)
    for document in source.documents:
        for entity in document.entities:
            if entity.label == label:
                surface = document.text[entity.start : entity.end]
                gold[key(surface)].append(capitals(surface))
    kept = {}
    for mention, shapes in gold.items():
        if len(shapes) < 2 or len("".join(mention)) < 2:
            continue
        allowed = {0, 1, 2}
        if case_guard and shapes.count(2) >= 0.8 * len(shapes):
            allowed = {2}
        elif case_guard and shapes.count(1) + shapes.count(2) >= 0.8 * len(shapes):
            allowed = {1, 2}
        own = distribution(source, mention, allowed)
        if own is None or own.get(f"same:{label}", 0) < 0.7:
            continue
        there = distribution(other, mention, allowed)
        if there is not None:
            kept[mention] = there
    return kept


def weight(kept, label):
    """Return w: the mean share of ``same:label``."""
    return sum(there.get(f"same:{label}", 0) for there in kept.values()) / len(kept) if kept else 0.0
