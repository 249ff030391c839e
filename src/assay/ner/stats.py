"""What an annotated corpus holds, counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from assay.ner.document import Corpus, Document
from assay.ner.nesting import inside

MENTIONS = 10


@dataclass(frozen=True, slots=True)
class SplitStats:
    """One split: `empty` are documents without entities, `nested` the share of entities that lie inside another one."""

    corpus: str
    split: str
    documents: int
    empty: int
    chars: int
    entities: int
    nested: float
    discontinuous: int


@dataclass(frozen=True, slots=True)
class LabelStats:
    """One label: `mentions` are its distinct words, `chars` the mean length, `nested` the share inside another entity.

    `common` are the most frequent mentions with their counts, at most ten.
    """

    corpus: str
    label: str
    entities: int
    mentions: int
    chars: float
    longest: int
    nested: float
    common: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """What some corpora hold.

    `unique_labels` counts different names over all corpora, `summed_labels` adds up what each corpus has: papers give
    either as the number of "types".
    """

    splits: tuple[SplitStats, ...]
    labels: tuple[LabelStats, ...]
    unique_labels: int
    summed_labels: int


def stats(corpora: Sequence[Corpus]) -> Stats:
    """Return the counts of corpora: by split, by label, and of labels in all.

    Lengths are in characters. Mentions are told apart exactly, as they are written. Labels are sorted by entities,
    those that are declared and do not occur last.

    Examples
    --------
    >>> from assay.ner import Corpus, Document, Entity
    >>> corpus = Corpus("mini", (Document("1", "Paris and Paris", (Entity(0, 5, "LOC"), Entity(10, 15, "LOC"))),))
    >>> [(row.label, row.entities, row.mentions) for row in stats([corpus]).labels]
    [('LOC', 2, 1)]
    """
    splits = [_split(corpus, split) for corpus in corpora for split in corpus.splits]
    labels = [row for corpus in corpora for row in _labels(corpus)]
    return Stats(tuple(splits), tuple(labels), len({row.label for row in labels}), len(labels))


def _split(corpus: Corpus, split: str) -> SplitStats:
    documents = [document for document in corpus.documents if document.split == split]
    entities = sum(len(document.entities) for document in documents)
    nested = sum(len(inside(document.entities)) for document in documents)
    return SplitStats(
        corpus.name,
        split,
        len(documents),
        sum(not document.entities for document in documents),
        sum(len(document.text) for document in documents),
        entities,
        nested / entities if entities else 0.0,
        sum(entity.spans is not None for document in documents for entity in document.entities),
    )


def _labels(corpus: Corpus) -> list[LabelStats]:
    mentions: defaultdict[str, Counter[str]] = defaultdict(Counter)
    nested: Counter[str] = Counter()
    for document in corpus.documents:
        _count(document, mentions, nested)
    rows = []
    for label in dict.fromkeys([*corpus.labels, *mentions]):
        counts = mentions[label]
        total = counts.total()
        rows.append(
            LabelStats(
                corpus.name,
                label,
                total,
                len(counts),
                sum(len(words) * count for words, count in counts.items()) / total if total else 0.0,
                max(map(len, counts), default=0),
                nested[label] / total if total else 0.0,
                tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MENTIONS]),
            )
        )
    return sorted(rows, key=lambda row: -row.entities)


def _count(document: Document, mentions: defaultdict[str, Counter[str]], nested: Counter[str]) -> None:
    within = inside(document.entities)
    for place, entity in enumerate(document.entities):
        mentions[entity.label][document.surface(entity)] += 1
        nested[entity.label] += place in within
