"""Predicted entities against gold: how many are right, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from assay._check import between, whole
from assay.errors import DataError
from assay.ner.document import Document, Entity, Span

Labelled = tuple[tuple[Span, ...], str]  # the parts of an entity, and its label
BLOCK = 1 << 22  # entries of a block of bootstrap weights


@dataclass(frozen=True, slots=True)
class Figures:
    """Precision, recall and their harmonic mean, each 0 to 1, and 0 where nothing decides it."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Counts:
    """How the entities of gold and prediction pair off, one to one.

    `correct` pairs have the same bounds and label; `boundary` pairs overlap under one label. `renamed` and `given` are
    the gold and the predicted entities whose partner has another label, which over all labels are equally many.
    """

    gold: int = 0
    predicted: int = 0
    correct: int = 0
    boundary: int = 0
    renamed: int = 0
    given: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def strict(self) -> Figures:
        """Same bounds and label."""
        return self.figures(self.correct)

    @property
    def type(self) -> Figures:
        """Same label, overlapping bounds."""
        return self.figures(self.correct + self.boundary)

    @property
    def missed(self) -> int:
        """Gold entities without a partner."""
        return self.gold - self.correct - self.boundary - self.renamed

    @property
    def spurious(self) -> int:
        """Predicted entities without a partner."""
        return self.predicted - self.correct - self.boundary - self.given

    @property
    def errors(self) -> dict[str, float | None]:
        """The shares of what is wrong: of all entities, gold and predicted, that are in no correct pair.

        They sum to 1, and 1 - strict F1 times them is what each costs. None each where nothing is wrong.
        """
        wrong = self.gold + self.predicted - 2 * self.correct
        parts = {
            "boundary": 2 * self.boundary,
            "type": self.renamed + self.given,
            "missed": self.missed,
            "spurious": self.spurious,
        }
        return {name: part / wrong if wrong else None for name, part in parts.items()}

    def figures(self, right: float) -> Figures:
        """Return the figures where so many are right."""
        return Figures(
            right / self.predicted if self.predicted else 0.0,
            right / self.gold if self.gold else 0.0,
            2 * right / (self.gold + self.predicted) if self.gold + self.predicted else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Score:
    """What `score` found.

    `exact` asks for the same bounds, whatever the label; for `partial`, same bounds count 1 and overlapping ones 1/2.
    `interval` holds the middle of the resampled strict F1s, None without entities. `macro_f1` is the mean of the
    strict F1 of `labels`, which are those of gold and prediction, by name. `seen` and `unseen` are the counts of the
    labels that a model was trained on and of the others, None where that was not said. `ignored` has for each ignored
    label how many entities were dropped, gold and predicted; `unlocated` counts predictions that stand nowhere.
    """

    counts: Counts
    exact: Figures
    partial: Figures
    interval: tuple[float, float] | None
    macro_f1: float
    labels: Mapping[str, Counts]
    documents: int
    seen: Counts | None = None
    unseen: Counts | None = None
    ignored: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unlocated: int = 0


def score(
    gold: Sequence[Document],
    predicted: Sequence[Sequence[Entity]],
    *,
    unlocated: Sequence[Sequence[str]] | None = None,
    ignore_labels: Collection[str] = (),
    trained_labels: Collection[str] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Score:
    """Score predicted entities against the gold ones of the same documents.

    Strict scores compare two multisets of (document, bounds, label): an entity is right where both have it, as often
    as both have it. Nested, overlapping and repeated entities need no rule of their own; the bounds of a
    discontinuous entity are those of all its parts. Other scores and the errors come from `pair_off`.

    Parameters
    ----------
    gold
        Documents with their entities.
    predicted
        For each document its predicted entities, in any order.
    unlocated
        For each document the labels of predicted mentions that its text does not have: each is a wrong prediction.
    ignore_labels
        Labels whose entities are dropped, gold and predicted; what was dropped is told. Averages shift with it: GLiNER
        keeps ``else`` and ``misc``, UniNER and GNER drop them.
    trained_labels
        Labels that the model was trained on, to score them and the others apart.
    resamples
        Draws of documents, with replacement, behind the interval of strict F1; 0 leaves it out.
    confidence
        Share of the draws inside the interval (0 to 1).
    seed
        Of the draws.

    Returns
    -------
    Score
        Micro counts and figures, the same by label, macro F1 and interval. Compare figures only on the same documents.

    Raises
    ------
    DataError
        Not as many predictions as documents, an entity outside its text, or an option out of range.

    Notes
    -----
    Labels compare as they are written. On flat entities strict figures equal those of seqeval (``mode="strict"`` with
    an explicit scheme) and nervaluate. "Exact", "type" and "partial" follow SemEval-2013 task 9 (Segura-Bedmar et
    al.), with pairs that do not depend on any order. O(entities) time; within a document all pairs that overlap are
    looked at.

    Examples
    --------
    >>> gold = [Document("1", "Bob in New York", (Entity(0, 3, "PER"), Entity(7, 15, "LOC")))]
    >>> found = score(gold, [[Entity(0, 3, "PER"), Entity(11, 15, "LOC")]])
    >>> found.counts.strict.f1, found.counts.type.f1, found.counts.errors["boundary"]
    (0.5, 1.0, 1.0)
    """
    check_aligned(gold, predicted, unlocated)
    labels: dict[str, Counts] = {}
    dropped = {label: [0, 0] for label in ignore_labels}
    per_document = np.zeros((len(gold), 3), dtype=np.int64)
    total, bounds, lost = Counts(), 0, 0
    for at, (document, found) in enumerate(zip(gold, predicted, strict=True)):
        nowhere = () if unlocated is None else unlocated[at]
        if not document.entities and not found and not nowhere:
            continue
        for entity in found:
            if entity.end > len(document.text):
                raise DataError(
                    f"predicted must lie inside the texts; got [{entity.start}, {entity.end}) in document "
                    f"{document.id!r} of {len(document.text)} characters."
                )
        sides: list[list[Labelled]] = [
            labelled(document.entities),
            labelled(found),
            [((), label) for label in nowhere],
        ]
        if dropped:
            for side, pairs in enumerate(sides):
                for _, label in pairs:
                    if label in dropped:
                        dropped[label][side > 0] += 1
            sides = [[pair for pair in pairs if pair[1] not in dropped] for pairs in sides]
        here, same = tally(sides[0], sides[1])
        for _, label in sides[2]:
            here[label] = here.get(label, Counts()) + Counts(predicted=1)
        bounds += same
        lost += len(sides[2])
        for label, count in here.items():
            labels[label] = labels.get(label, Counts()) + count
            total += count
            per_document[at] += count.correct, count.gold, count.predicted
    f1s = [count.strict.f1 for count in labels.values()]
    return Score(
        total,
        total.figures(bounds),
        total.figures((bounds + total.correct + total.boundary + total.renamed) / 2),
        interval(per_document, resamples=resamples, confidence=confidence, seed=seed),
        sum(f1s) / len(f1s) if f1s else 0.0,
        dict(sorted(labels.items())),
        len(gold),
        *_seen(labels, trained_labels),
        {label: (gold_side, other) for label, (gold_side, other) in dropped.items()},
        lost,
    )


def check_aligned(
    gold: Sequence[Document],
    predicted: Sequence[Sequence[Entity]],
    unlocated: Sequence[Sequence[str]] | None,
) -> None:
    """Raise unless every document has its predictions."""
    if len(gold) != len(predicted):
        raise DataError(
            f"predicted must hold the entities of each of the {len(gold)} documents; got {len(predicted)}."
        )
    if unlocated is not None and len(unlocated) != len(gold):
        raise DataError(
            f"unlocated must hold labels for each of the {len(gold)} documents; got {len(unlocated)}."
        )


def _seen(
    labels: Mapping[str, Counts], trained: Collection[str] | None
) -> tuple[Counts | None, Counts | None]:
    """Return the counts of labels that a model was trained on, and of the others."""
    if trained is None:
        return None, None
    known = set(trained)
    return (
        sum((count for label, count in labels.items() if label in known), Counts()),
        sum((count for label, count in labels.items() if label not in known), Counts()),
    )


def labelled(entities: Sequence[Entity]) -> list[Labelled]:
    """Return what of each entity is scored."""
    return [(entity.parts, entity.label) for entity in entities]


def tally(gold: Sequence[Labelled], predicted: Sequence[Labelled]) -> tuple[dict[str, Counts], int]:
    """Return the counts of one document by label, and how many pairs have the same bounds."""
    by: dict[str, dict[str, int]] = {}

    def count(label: str, what: str) -> None:
        own = by.setdefault(label, {})
        own[what] = own.get(what, 0) + 1

    for _, label in gold:
        count(label, "gold")
    for _, label in predicted:
        count(label, "predicted")
    bounds = 0
    for one, other in pair_off(gold, predicted):
        (parts, label), (found, called) = gold[one], predicted[other]
        bounds += parts == found
        if label == called:
            count(label, "correct" if parts == found else "boundary")
        else:
            count(label, "renamed")
            count(called, "given")
    return {label: Counts(**own) for label, own in by.items()}, bounds


def pair_off(gold: Sequence[Labelled], predicted: Sequence[Labelled]) -> list[tuple[int, int]]:
    """Return pairs (gold, predicted) of one document, one to one, the same for any order of either.

    Taken are first the pairs of same bounds and label, then those of same bounds, then the overlapping ones of the same
    label, then the other overlapping ones, each time the most overlap first and the earliest where that is equal.
    """
    pairs: list[tuple[int, int]] = []
    left, right = list(range(len(gold))), list(range(len(predicted)))
    for part in (slice(2), 0):  # bounds and label, then bounds alone
        places: dict[object, list[int]] = {}
        for at in sorted(right, key=predicted.__getitem__, reverse=True):
            places.setdefault(predicted[at][part], []).append(at)
        unpaired = []
        for at in sorted(left, key=gold.__getitem__):
            if there := places.get(gold[at][part]):
                pairs.append((at, there.pop()))
            else:
                unpaired.append(at)
        taken = {other for _, other in pairs}
        left, right = unpaired, [at for at in right if at not in taken]
        if not left or not right:
            return pairs
    near = []
    for one in left:
        parts, label = gold[one]
        for other in right:
            found, called = predicted[other]
            if shared := _overlap(parts, found):
                near.append((label != called, -shared, gold[one], predicted[other], one, other))
    used: set[int] = set()
    taken = set()
    for *_, one, other in sorted(near):
        if one not in used and other not in taken:
            used.add(one)
            taken.add(other)
            pairs.append((one, other))
    return pairs


def _overlap(parts: tuple[Span, ...], others: tuple[Span, ...]) -> int:
    """Return how many characters two entities share."""
    return sum(max(0, min(b, d) - max(a, c)) for a, b in parts for c, d in others)


def interval(
    counts: NDArray[np.int64], *, resamples: int, confidence: float, seed: int
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of micro F1 over documents, from rows (correct, gold, predicted).

    Documents are drawn with replacement; draws without any entity are left out. None where there is nothing to draw.
    """
    whole("resamples", resamples, 0)
    between("confidence", confidence, 0, 1)
    whole("seed", seed, 0)
    n = len(counts)
    if not resamples or not counts[:, 1:].any():
        return None
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // n)
    sums = []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        sums.append(np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n) @ counts)
    correct, gold, predicted = np.concatenate(sums).T
    some = gold + predicted > 0
    f1 = 2 * correct[some] / (gold + predicted)[some]
    low, high = np.quantile(f1, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
