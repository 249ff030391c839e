"""The screen released with B2NERD, re-implemented from its description with all that is wrong with it.

Source: section 3.1 of the description that this project was written from; Yang et al., COLING 2025, arXiv 2406.11192.
It is here to be measured against, and has a seed, which the original lacks.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assay.ner import Corpus

CUT = 2000  # mentions of a label, sentences of a corpus
SAME, OTHER, INNER, MISSED = "same", "other type", "same type inside", "not extracted"


@dataclass(frozen=True)
class Run:
    """What became of the mentions of one label in a corpus that has a label of the same name."""

    label: tuple[str, str]
    target: tuple[str, str]
    counts: Counter

    @property
    def found(self) -> int:
        return sum(self.counts.values())

    def share(self, outcome: str) -> float:
        return self.counts[outcome] / self.found if self.found else 0.0


def official_screen(corpora: Sequence[Corpus], *, seed: int = 0, cut: int | None = CUT) -> list[Run]:
    """Return all directed runs, those that agree least first; without `cut` all mentions meet all sentences."""
    rng = random.Random(seed)
    runs = []
    trains = {corpus.name: _train(corpus) for corpus in corpora}
    for one in corpora:
        for two in corpora:
            for x in one.labels:
                for y in two.labels:
                    if one.name != two.name and x.lower() == y.lower():
                        counts = _run(trains[one.name], x, trains[two.name], y, rng, cut)
                        runs.append(Run((one.name, x), (two.name, y), counts))
    return sorted(runs, key=lambda run: -sum(run.share(o) for o in (OTHER, INNER, MISSED)))


def _train(corpus: Corpus) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sentences of the train split (of all where there is none) in small letters, with their entities."""
    documents = [d for d in corpus.documents if d.split == "train"] or corpus.documents
    return [
        (d.text.lower(), [(d.surface(entity).lower(), entity.label.lower()) for entity in d.entities])
        for d in documents
    ]


def _run(source: list, x: str, target: list, y: str, rng: random.Random, cut: int | None) -> Counter:
    mentions = [mention for _, entities in source for mention, label in entities if label == x.lower()]
    rng.shuffle(mentions)
    sentences = list(target)
    rng.shuffle(sentences)
    sentences = sentences[:cut]
    counts: Counter = Counter()
    for mention in mentions[:cut]:
        between, first, last = f" {mention} ", f"{mention} ", f" {mention}"
        for text, entities in sentences:
            if not (between in text or text.startswith(first) or text.endswith(last)):
                continue
            if any(mention in name and len(name) > len(mention) for name, _ in entities):
                continue
            counts[_outcome(mention, y.lower(), entities)] += 1
            break
    return counts


def _outcome(mention: str, label: str, entities: list[tuple[str, str]]) -> str:
    types = [kind for name, kind in entities if name == mention]
    if label in types:
        return SAME
    if types:
        return OTHER
    if any(name in mention and kind == label for name, kind in entities):
        return INNER
    return MISSED
