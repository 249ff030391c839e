"""Relations -> ranked conflict cards: what a person is shown, with sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import fsum, log10
from typing import Any

from assay import __version__
from assay.ner.cards import (
    Card,
    Cards,
    CorpusSummary,
    Direction,
    Example,
    Gap,
    Kind,
    LabelCount,
    Sentence,
    Suggestion,
    card_id,
)
from assay.ner.document import Corpus, Document
from assay.ner.relations import (
    BOUNDARY,
    GAP,
    SPLIT,
    Label,
    Pair,
    Thresholds,
    mean_shares,
    plain_name,
    relations,
    same_name,
    subsets,
    wilson,
)
from assay.ner.screen import NONE, Evidence, Place, Witness

VERDICTS, MENTIONS, WINDOW = 4, 3, 100  # verdicts a direction, mentions a verdict, characters on either side
_SURROGATE = re.compile("[\ud800-\udfff]")
OFTEN = 50  # entities from which a mention is no better an example
# how much a kind of conflict weighs in the ranking beside the share of mentions that shows it
WEIGHTS: Mapping[Kind, float] = {
    "same name": 1.0,
    "gap": 0.8,
    "boundary": 0.8,
    "part": 0.6,
    "overlap": 0.4,
    "same meaning": 0.3,
}


def conflicts(
    evidence: Evidence,
    *,
    thresholds: Thresholds | None = None,
    readings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Cards:
    """Return the ranked conflict cards of screened corpora, and the labels that a corpus does not annotate at all.

    Every two labels that relate (`assay.ner.relations`) make a card, but for those that agree in name, meaning and
    bounds. Its kind is what keeps the two from being one label, the first that applies of: ``gap`` or ``boundary``,
    where that explains most of the mentions that disagree; ``same name``, for labels spelled alike that mean different
    things; ``same meaning``, for equal labels spelled differently; ``part``, for a label that is part of the
    other; ``overlap``.

    Cards are ranked by score: how large a share of the mentions shows the conflict at least (the lower end of
    Wilson's interval), times log10 of the entities that it affects, times a weight of the kind, so that labels which
    would silently mix come before those that only need one name; half of that where one direction has too few mentions
    to tell. The order has no claim beyond that.

    Parameters
    ----------
    evidence
        From `screen`.
    thresholds
        Where relations begin and end.
    readings
        For each corpus by name, how it was read: kept in the file, so that it can be read again.

    Returns
    -------
    Cards
        The same whatever the order of corpora and documents.
    """
    limits = thresholds or Thresholds()
    pairs = relations(evidence, thresholds=limits)
    parts = subsets(pairs)
    documents = {corpus.name: corpus for corpus in evidence.corpora}
    cards = [card for pair in pairs if (card := _card(evidence, documents, pair, parts, limits)) is not None]
    cards.sort(key=lambda card: (-card.score, card.labels))
    return Cards(
        assay=__version__,
        settings={**asdict(evidence.settings), "thresholds": asdict(limits)},
        corpora=tuple(
            _summary(corpus, evidence, dict((readings or {}).get(corpus.name, {})))
            for corpus in evidence.corpora
        ),
        cards=tuple(cards),
        gaps=tuple(_gaps(evidence, documents, limits)),
    )


def _summary(corpus: Corpus, evidence: Evidence, reading: dict[str, Any]) -> CorpusSummary:
    entities: dict[str, int] = dict.fromkeys(corpus.labels, 0)
    splits: dict[str, int] = {}
    for document in corpus.documents:
        splits[document.split] = splits.get(document.split, 0) + 1
        for entity in document.entities:
            entities[entity.label] = entities.get(entity.label, 0) + 1
    gold = evidence.gold[corpus.name]
    return CorpusSummary(
        name=corpus.name,
        source=corpus.source,
        reading=reading,
        language=corpus.language,
        documents=len(corpus.documents),
        splits=dict(sorted(splits.items())),
        labels={
            label: LabelCount(entities=count, mentions=len(gold.get(label, ())))
            for label, count in sorted(entities.items())
        },
    )


def _card(
    evidence: Evidence,
    documents: Mapping[str, Corpus],
    pair: Pair,
    parts: Mapping[tuple[Label, str], Sequence[Label]],
    limits: Thresholds,
) -> Card | None:
    moved = _moved(evidence, pair, limits)
    kind = _kind(pair, moved, limits)
    if kind is None:
        return None
    severity, affected = _severity(kind, pair, moved, limits), _affected(evidence, kind, pair)
    score = WEIGHTS[kind] * severity * log10(1 + affected) * (0.5 if pair.relation == "open" else 1.0)
    labels = ("/".join(pair.first), "/".join(pair.second))
    return Card(
        id=card_id(*labels),
        kind=kind,
        labels=labels,
        relation=pair.relation,
        likely=pair.likely,
        flags=pair.flags,
        score=round(score, 6),
        affected=affected,
        directions=pair.directions,
        examples=tuple(_examples(evidence, documents, pair)),
        suggestion=_suggestion(kind, pair, parts, limits),
    )


def _kind(pair: Pair, moved: Sequence[tuple[float, int]], limits: Thresholds) -> Kind | None:
    """Return what keeps two labels from being one; None where nothing does, or nothing is known."""
    named = same_name(pair.first[1], pair.second[1])
    known = _known(pair, limits)
    worst = min(known, key=lambda d: d.share or 0.0, default=None)
    other = 0.0 if worst is None else _other_labels(worst)
    none = 0.0 if worst is None else _none(worst)
    bounds = max((share for share, _ in moved), default=0.0) if BOUNDARY in pair.flags else 0.0
    if GAP in pair.flags and none >= max(other, bounds):
        return "gap"
    if BOUNDARY in pair.flags and (bounds >= max(other, none) or other < limits.disjoint):
        return "boundary"
    if worst is None:
        return None
    if pair.relation == "equal":
        return None if named else "same meaning"
    if named:
        if pair.relation == "open" and (worst.share or 0.0) >= limits.same:
            return None
        return "same name"
    if pair.relation in ("subset", "superset"):
        return "part"
    if pair.relation == "open":
        return "part" if (worst.share or 0.0) >= limits.same else "overlap"
    return "overlap" if pair.relation == "overlap" else None


def _known(pair: Pair, limits: Thresholds) -> list[Direction]:
    """Return the directions that have mentions enough to tell."""
    return [direction for direction in pair.directions if direction.mentions >= limits.mentions]


def _none(direction: Direction) -> float:
    return dict(direction.verdicts).get(NONE, 0.0)


def _other_labels(direction: Direction) -> float:
    """Return the share of mentions that the other corpus has, exactly so, under another label."""
    return fsum(
        share
        for name, share in direction.verdicts
        if name.startswith("same:") and name != f"same:{_label(direction.target)}"
    )


def _moved(evidence: Evidence, pair: Pair, limits: Thresholds) -> list[tuple[float, int]]:
    """Return how large a share of the mentions has other bounds there than at home, and n, of either direction."""
    out = []
    for (corpus, label), (other, there) in ((pair.first, pair.second), (pair.second, pair.first)):
        witnesses = evidence.witnesses.get((corpus, label, other), ())
        if len(witnesses) >= limits.mentions:
            more = fsum(
                _other_bounds(w.bounds, there) - _other_bounds(w.own_bounds, label) for w in witnesses
            )
            out.append((max(0.0, more / len(witnesses)), len(witnesses)))
    return out


def _other_bounds(bounds: Mapping[str, float], label: str) -> float:
    """Return the share of places where entities lie in the mention or cut it, or one of the label holds it."""
    return fsum(
        share for name, share in bounds.items() if not name.startswith("inside:") or name == f"inside:{label}"
    )


def _severity(kind: Kind, pair: Pair, moved: Sequence[tuple[float, int]], limits: Thresholds) -> float:
    """Return the share of mentions that shows the conflict, at least."""
    known = _known(pair, limits)
    if kind == "same name":
        return max(1 - (d.wilson or (0.0, 1.0))[1] for d in known)
    if kind in ("same meaning", "part", "overlap"):
        of = min if kind == "same meaning" else max
        return of((d.wilson or (0.0, 1.0))[0] for d in known)
    if kind == "gap":
        return max(wilson(_none(d), d.mentions)[0] for d in known)
    return max(wilson(min(1.0, share), n)[0] for share, n in moved)


def _affected(evidence: Evidence, kind: Kind, pair: Pair) -> int:
    """Return how many entities of both labels the conflict touches, by the shares of their mentions; see `Card`."""
    touched = []
    for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
        for witness in evidence.witnesses.get((*here, there[0]), ()):
            same = witness.verdicts.get(f"same:{there[1]}", 0.0)
            if kind == "same name":
                share = 1 - same if witness.verdicts else 0.0
            elif kind == "gap":
                share = witness.verdicts.get(NONE, 0.0)
            elif kind == "boundary":
                share = _other_bounds(witness.bounds, there[1])
            else:
                share = same
            touched.append(witness.gold * share)
    return round(fsum(touched))


def _suggestion(
    kind: Kind, pair: Pair, parts: Mapping[tuple[Label, str], Sequence[Label]], limits: Thresholds
) -> Suggestion:
    one, two = "/".join(pair.first), "/".join(pair.second)
    known = _known(pair, limits)
    if kind == "same meaning":
        return Suggestion(action="same", text=f"{one} and {two} mean the same: give them one name.")
    if kind == "gap":
        worst = max(known, key=_none)
        return Suggestion(
            action="ignore",
            text=f"{_corpus(worst.target)} leaves {_none(worst):.0%} of the mentions of {worst.source} "
            f"without a label: do not take its texts as proof that they are none.",
        )
    apart = all((direction.share or 0.0) < limits.disjoint for direction in pair.directions)
    if kind == "boundary" and apart and not same_name(pair.first[1], pair.second[1]):
        return Suggestion(
            action="ignore",
            text=f"{one} and {two} mark the one what lies in the other: keep them apart, or agree on one rule.",
        )
    if kind == "boundary":
        return Suggestion(
            action="merge",
            text=f"{one} and {two} draw other bounds: agree on one rule, then give them one name.",
        )
    narrow, broad = (one, two) if pair.relation == "subset" else (two, one)
    if SPLIT in pair.flags:
        label, other = (pair.second, pair.first) if pair.relation == "subset" else (pair.first, pair.second)
        covered = ["/".join(part) for part in parts[label, other[0]]]
        return Suggestion(
            action="split",
            text=f"{broad} covers {', '.join(covered[:-1])} and {covered[-1]}: split it, or merge those.",
        )
    if kind == "part" and pair.relation == "open":
        [told] = known
        return Suggestion(
            action="ignore",
            text=f"{told.source} is {told.target} or part of it; only one direction has mentions enough to tell.",
        )
    if kind == "part":
        return Suggestion(
            action="merge",
            text=f"{narrow} is part of {broad}: keep both, one below the other, or merge them into the broader.",
        )
    if kind == "same name" and pair.relation == "open":
        return Suggestion(
            action="rename",
            text=f"{one} and {two} may not mean the same; only one direction has mentions enough to tell.",
        )
    if kind == "same name":
        if pair.relation in ("subset", "superset"):
            return Suggestion(
                action="rename",
                text=f"{broad} is broader than {narrow} under the same name: rename one, or split the broader.",
            )
        return Suggestion(
            action="rename", text=f"{one} and {two} do not mean the same: give them different names."
        )
    return Suggestion(action="ignore", text=f"{one} and {two} share some mentions: look whether they should.")


def _examples(evidence: Evidence, documents: Mapping[str, Corpus], pair: Pair) -> Iterable[Example]:
    for number, (here, there) in enumerate(((pair.first, pair.second), (pair.second, pair.first))):
        witnesses = evidence.witnesses.get((*here, there[0]), ())
        shares = [_shown_shares(witness, BOUNDARY in pair.flags) for witness in witnesses]
        total: dict[str, float] = {}
        for each in shares:
            for name, share in each.items():
                total[name] = total.get(name, 0.0) + share
        for verdict in sorted(total, key=lambda name: (-total[name], name))[:VERDICTS]:
            shown = sorted(
                (-each[verdict] * min(witness.gold, OFTEN), witness.mention, at)
                for at, (witness, each) in enumerate(zip(witnesses, shares, strict=True))
                if each.get(verdict)
            )
            for _, _, at in shown[:MENTIONS]:
                witness = witnesses[at]
                count, places = _places(evidence, there[0], witness, verdict)
                _, at_home = _places(evidence, here[0], witness, f"same:{here[1]}")
                sentences = [_sentence(documents[there[0]], place) for place in places[:2]]
                sentences += [_sentence(documents[here[0]], place) for place in at_home[:1]]
                yield Example(
                    direction=number,
                    verdict=verdict,
                    mention=_shown(evidence.mentions[witness.mention]),
                    count=count,
                    gold=witness.gold,
                    sentences=tuple(sentences),
                )


def _shown_shares(witness: Witness, inside: bool) -> dict[str, float]:
    """Return the shares of a witness, where wanted with ``inside`` among them."""
    held = {name: share for name, share in witness.bounds.items() if inside and name.startswith("inside:")}
    return {**witness.verdicts, **held}


def _places(evidence: Evidence, corpus: str, witness: Witness, verdict: str) -> tuple[int, list[Place]]:
    """Return how often a mention has a verdict in a corpus, and some of the places."""
    found = evidence.found[corpus][witness.mention]
    count = 0
    places: list[Place] = []
    for case, number in found.counts.items():
        pattern, name, labels = case
        if pattern in witness.shapes and verdict in [f"{name}:{label}" for label in labels] + [name]:
            count += number
            places += found.places[case]
    return count, places


def _sentence(corpus: Corpus, place: Place) -> Sentence:
    at, start, end = place
    document: Document = corpus.documents[at]
    low, high = _window(document.text, start, end)
    entities = []
    for entity in document.entities:
        if entity.start < high and entity.end > low:
            for first, last in entity.parts:
                if first < high and last > low:
                    entities.append((max(first, low) - low, min(last, high) - low, entity.label))
    return Sentence(
        corpus=corpus.name,
        document=document.id,
        split=document.split,
        text=_shown(document.text[low:high]),
        mark=(start - low, end - low),
        entities=tuple(sorted(entities)),
        before=low > 0,
        after=high < len(document.text),
    )


def _shown(text: str) -> str:
    """Return a text with U+FFFD for lone surrogates, which no file of UTF-8 can hold; offsets stay."""
    return _SURROGATE.sub("\ufffd", text)


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the bounds of a window around a place, moved out of the middle of a word of a spaced script."""
    low, high = max(0, start - WINDOW), min(len(text), end + WINDOW)
    space = text.find(" ", low, start)
    if low > 0 and 0 <= space - low < 20:
        low = space + 1
    space = text.rfind(" ", end, high)
    if high < len(text) and 0 <= high - space < 20:
        high = space
    return low, high


def _gaps(evidence: Evidence, documents: Mapping[str, Corpus], limits: Thresholds) -> list[Gap]:
    """Return the labels that have no counterpart in another corpus, whose texts hold their mentions unannotated."""
    names = {corpus: {plain_name(label) for label in labels} for corpus, labels in evidence.gold.items()}
    gaps = []
    for (corpus, label, other), witnesses in evidence.witnesses.items():
        found = [witness for witness in witnesses if witness.verdicts]
        if len(found) < limits.mentions or plain_name(label) in names[other]:
            continue
        means = mean_shares([witness.verdicts for witness in found])
        none = means.get(NONE, 0.0)
        same = max((share for name, share in means.items() if name.startswith("same:")), default=0.0)
        if none < limits.gap or same >= limits.disjoint:
            continue
        worst = sorted(found, key=lambda w: (-w.verdicts.get(NONE, 0.0) * w.gold, w.mention))[:MENTIONS]
        sentences = []
        for witness in worst:
            _, places = _places(evidence, other, witness, NONE)
            sentences += [_sentence(documents[other], place) for place in places[:1]]
        gaps.append(
            Gap(
                label=f"{corpus}/{label}",
                corpus=other,
                mentions=len(found),
                share=none,
                wilson=wilson(none, len(found)),
                affected=round(fsum(w.gold * w.verdicts.get(NONE, 0.0) for w in found)),
                sentences=tuple(sentences),
            )
        )
    return sorted(gaps, key=lambda gap: (-gap.wilson[0] * log10(1 + gap.affected), gap.label, gap.corpus))


def _label(reference: str) -> str:
    return reference.split("/", 1)[1]


def _corpus(reference: str) -> str:
    return reference.split("/", 1)[0]
