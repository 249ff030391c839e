"""What a model answers: entities -> text, and text -> entities in their places.

An answer is `` label: entity; label: entity`` in the order of the entities, or `` None``. It says neither where an
entity stands nor that it is in pieces, and a mention with ``;`` or ``；`` in it cannot be told from two: `lost` says
which entities of a document an answer does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.ner.document import Document, Entity, Span
from assay.ner.formats.offsets import between_words, occurrences
from assay.ner.prompts import NONE, PROMPTS

Pair = tuple[str, str]  # label, mention
_ITEMS = re.compile("[;；]")
_COLON = re.compile("[:：]")
_COMMAS = re.compile("[,，、]")


@dataclass(frozen=True, slots=True)
class Aligned:
    """The entities of an answer in the order of the answer, and what of it has no place in the text.

    `hallucinated` are mentions that the text does not have, `unknown_label` pairs whose label was not asked for,
    `repeated` mentions that were answered more often than they occur. All three are wrong answers: a score that leaves
    them out of its false positives is too high by them.
    """

    entities: tuple[Entity, ...]
    hallucinated: tuple[Pair, ...] = ()
    unknown_label: tuple[Pair, ...] = ()
    repeated: tuple[Pair, ...] = ()

    @property
    def unplaced(self) -> int:
        """How many answers have no place in the text: false positives beside those among `entities`."""
        return len(self.hallucinated) + len(self.unknown_label) + len(self.repeated)


def target(text: str, entities: Iterable[Entity]) -> str:
    """Return the answer that a model should give, with its leading space.

    A discontinuous entity is written from its first piece to its last, as B2NERD's files have it.

    >>> target("Ada in Paris", [Entity(0, 3, "person"), Entity(7, 12, "location")])
    ' person: Ada; location: Paris'
    >>> target("nobody", [])
    ' None'
    """
    pairs = [f"{entity.label}: {text[entity.start : entity.end]}" for entity in entities]
    return " " + "; ".join(pairs) if pairs else NONE


def lost(document: Document) -> tuple[Entity, ...]:
    """Return the entities that an answer does not give back: with ``;`` or white space at an edge, or in pieces."""
    return tuple(
        entity
        for entity in document.entities
        if entity.spans is not None
        or _ITEMS.search(words := document.text[entity.start : entity.end])
        or words != words.strip()
    )


def parse_answer(text: str, *, commas: bool = False) -> list[Pair]:
    """Return the (label, mention) pairs of an answer, in its order and with repetitions.

    Parameters
    ----------
    text
        What a model generated, with or without ``Answer:`` before it. Items end at ``;`` or ``；``, a label ends at the
        first ``:`` or ``：`` of its item; white space around both is taken off.
    commas
        Take ``person: Ada, Bob`` for two mentions, as models answer that were not trained on this format. Mentions
        with commas of their own (``Paris, Texas``) fall apart.

    Returns
    -------
    list of (str, str)
        Empty for ``None``. Items without colon, label or mention say nothing and are left out.

    Notes
    -----
    Made for answers to be placed by `align`, so that spelling stays as it is. B2NER's own comparison of answers, which
    rewrites both sides, is the score's ``compat="b2ner"``.

    Examples
    --------
    >>> parse_answer(" work: Star Trek: Picard; person: Ada")
    [('work', 'Star Trek: Picard'), ('person', 'Ada')]
    >>> parse_answer(" None"), parse_answer("person: Ada, Bob", commas=True)
    ([], [('person', 'Ada'), ('person', 'Bob')])
    """
    text = text.strip()
    for wording in PROMPTS.values():
        text = text.removeprefix(wording.marker)
    pairs = []
    for item in _ITEMS.split(text):
        label, *mention = (part.strip() for part in _COLON.split(item, maxsplit=1))
        if not label or not mention:
            continue
        parts = _COMMAS.split(mention[0]) if commas else mention
        pairs += [(label, part.strip()) for part in parts if part.strip()]
    return pairs


def align(text: str, pairs: Sequence[Pair], *, labels: Iterable[str] | None = None) -> Aligned:
    """Return the pairs of an answer as entities of the text that was asked about.

    Answers follow the order of the text, so each mention takes the first place from the start of the one before it,
    else the first of all; places that no other answer has come before others, and where words are spaced, those
    between word bounds. A mention that is answered again under its label takes another place.

    Parameters
    ----------
    text
        The text of the prompt.
    pairs
        As `parse_answer` returns them.
    labels
        Those that were asked for; by default any label is taken. One that differs only in case is taken for it.

    Notes
    -----
    Answers do not say which of several places they mean: of the 101,663 entities of twelve public corpora, English and
    Chinese, 99.85 % come back from their own targets to the place that they had, from 99.4 % to all by corpus
    (measured).

    Examples
    --------
    >>> found = align("Ada met Ada", [("person", "Ada"), ("person", "Ada"), ("person", "Bob")])
    >>> [(entity.start, entity.end) for entity in found.entities], found.hallucinated
    ([(0, 3), (8, 11)], (('person', 'Bob'),))
    """
    asked = None if labels is None else tuple(labels)
    folded = {label.casefold(): label for label in reversed(asked or ())}
    entities: list[Entity] = []
    hallucinated, unknown, repeated = [], [], []
    taken: dict[Pair, list[Span]] = {}
    cursor = 0
    for label, mention in pairs:
        if asked is not None and label not in asked:
            if label.casefold() not in folded:
                unknown.append((label, mention))
                continue
            label = folded[label.casefold()]
        places = list(occurrences(text, mention)) if mention else []
        used = taken.setdefault((label, mention), [])
        place = _next(text, places, used, entities, cursor)
        if not places:
            hallucinated.append((label, mention))
        elif place is None:
            repeated.append((label, mention))
        else:
            used.append(place)
            entities.append(Entity(*place, label))
            cursor = place[0]
    return Aligned(tuple(entities), tuple(hallucinated), tuple(unknown), tuple(repeated))


def _next(
    text: str, places: Sequence[Span], used: Sequence[Span], placed: Sequence[Entity], cursor: int
) -> Span | None:
    """Return the best place that is not used by the same pair.

    Best is the leftmost one that is apart from all that is placed, stands between words, and is not before the cursor.
    """
    free = [place for place in places if place not in used]
    if len(free) < 2:
        return free[0] if free else None
    return min(
        free,
        key=lambda place: (
            any(place[0] < end and start < place[1] for start, end in used),
            any(place[0] < entity.end and entity.start < place[1] for entity in placed),
            not between_words(text, place),
            place[0] < cursor,
            place,
        ),
    )
