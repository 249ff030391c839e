"""One corpus under two names, raw and standard: gold and predictions as each of them has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assay._check import choice
from assay.ner.apply import KEY, revert
from assay.ner.document import Corpus, Entity

NAMINGS = ("raw", "standard")


@dataclass(frozen=True, slots=True)
class Naming:
    """What the labels of a corpus are called, raw and standard.

    `to_raw` has the raw labels of each standard name, `to_standard` the standard names of each raw label. A label with
    several on the other side cannot be translated by its name alone.
    """

    to_raw: Mapping[str, tuple[str, ...]]
    to_standard: Mapping[str, tuple[str, ...]]

    def labels(self, naming: str) -> tuple[str, ...]:
        """Return the labels under ``raw`` or ``standard`` names."""
        return tuple(self.to_standard if choice("naming", naming, NAMINGS) == "raw" else self.to_raw)

    def of(self, predicted: Sequence[Sequence[Entity]], unlocated: Sequence[str] = ()) -> str:
        """Return the naming that has more of the labels of predictions; standard where both have as many."""
        counts = Counter(entity.label for entities in predicted for entity in entities)
        counts.update(unlocated)
        raw, standard = (sum(counts[label] for label in self.labels(naming)) for naming in NAMINGS)
        return "raw" if raw > standard else "standard"


@dataclass(frozen=True, slots=True)
class Translated:
    """Predictions under the other names.

    `worst` takes every prediction whose name could be several for wrong (it keeps its name), `best` gives it the label
    of the gold entity at its place where that is one of them, else the first. `undecidable` counts such predictions by
    label, and is empty where `worst` and `best` are the same.
    """

    worst: list[tuple[Entity, ...]]
    best: list[tuple[Entity, ...]]
    undecidable: Mapping[str, int]


def naming(corpus: Corpus) -> Naming | None:
    """Return what decisions made of the labels of a corpus, from its entities; None where none was decided.

    An entity that nothing decided has one name under both.
    """
    pairs: dict[tuple[str, str], None] = {}
    decided = KEY in corpus.meta
    for document in corpus.documents:
        for entity in document.entities:
            mark = entity.meta.get(KEY)
            raw = entity.label
            if isinstance(mark, Mapping) and "label" in mark:
                decided = True
                raw = str(mark["label"])
                for copy in mark.get("copies", ()):
                    pairs[str(copy["label"]), entity.label] = None
            pairs[raw, entity.label] = None
    if not decided:
        return None
    to_raw: dict[str, tuple[str, ...]] = {}
    to_standard: dict[str, tuple[str, ...]] = {}
    for raw, standard in pairs:
        to_raw[standard] = (*to_raw.get(standard, ()), raw)
        to_standard[raw] = (*to_standard.get(raw, ()), standard)
    return Naming(to_raw, to_standard)


def named(corpus: Corpus, naming: str) -> Corpus:
    """Return a corpus under its ``raw`` or its ``standard`` names."""
    return revert([corpus])[0] if choice("naming", naming, NAMINGS) == "raw" else corpus


def translate(
    predicted: Sequence[Sequence[Entity]], gold: Corpus, names: Mapping[str, tuple[str, ...]]
) -> Translated:
    """Return predictions under other names.

    Parameters
    ----------
    predicted
        For each document of `gold` its predicted entities.
    gold
        Under the names that are wanted; it settles what `best` is.
    names
        `Naming.to_raw` or `Naming.to_standard`. Labels that it lacks are kept.
    """
    undecidable: Counter[str] = Counter()
    worst, best = [], []
    for document, entities in zip(gold.documents, predicted, strict=True):
        right: dict[object, list[str]] = {}
        for entity in document.entities:
            right.setdefault(entity.parts, []).append(entity.label)
        low, high = [], []
        for entity in entities:
            may_be = names.get(entity.label, (entity.label,))
            if len(may_be) == 1:
                sure = replace(entity, label=may_be[0])
                low.append(sure)
                high.append(sure)
                continue
            undecidable[entity.label] += 1
            there = [label for label in right.get(entity.parts, ()) if label in may_be]
            low.append(replace(entity, label=f"{entity.label}: {' or '.join(may_be)}"))
            high.append(replace(entity, label=(there or may_be)[0]))
        worst.append(tuple(low))
        best.append(tuple(high))
    return Translated(worst, best, dict(undecidable))
