"""The strict scorer: equal to seqeval and nervaluate on flat entities, to the multiset's definition on all others."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from assay.errors import DataError
from assay.ner import Document, Entity
from assay.ner.score import Counts, Score, labelled, pair_off, score

LABELS = ("PER", "LOC", "ORG")


def _tags(rng: random.Random, tokens: int) -> list[str]:
    """Return random tags, strict BIO."""
    tags: list[str] = []
    while len(tags) < tokens:
        if rng.random() < 0.55:
            tags.append("O")
        else:
            label = rng.choice(LABELS)
            more = rng.choice((0, 0, 1, 2))
            tags += [f"B-{label}", *[f"I-{label}"] * more]
    return tags[:tokens]


def _noisy(rng: random.Random, gold: list[str]) -> list[str]:
    """Return what a middling model would predict: pieces of the gold, and pieces of something else."""
    other = _tags(rng, len(gold))
    start, stop = sorted(rng.choices(range(len(gold) + 1), k=2))
    tags = [*gold[:start], *other[start:stop], *gold[stop:]]
    return [
        f"B{tag[1:]}"
        if tag.startswith("I-") and (at == 0 or tags[at - 1][1:] != tag[1:] or tags[at - 1] == "O")
        else tag
        for at, tag in enumerate(tags)
    ]


def _entities(tags: list[str]) -> tuple[Entity, ...]:
    """Return the entities of strict BIO tags, each token one character wide, with a space between."""
    found: list[Entity] = []
    for at, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append(Entity(2 * at, 2 * at + 1, tag[2:]))
        elif tag.startswith("I-"):
            found[-1] = Entity(found[-1].start, 2 * at + 1, tag[2:])
    return tuple(found)


@pytest.fixture(scope="module")
def flat() -> tuple[list[list[str]], list[list[str]]]:
    """Tags of 10,000 random documents, gold and predicted."""
    rng = random.Random(0)
    gold = [_tags(rng, rng.randint(1, 14)) for _ in range(10_000)]
    return gold, [_noisy(rng, tags) for tags in gold]


def _scored(gold: list[list[str]], predicted: list[list[str]]) -> Score:
    documents = [
        Document(str(at), " ".join("x" * len(tags)), _entities(tags)) for at, tags in enumerate(gold)
    ]
    return score(documents, [_entities(tags) for tags in predicted], resamples=0)


def test_strict_equals_seqeval(flat: tuple[list[list[str]], list[list[str]]]) -> None:
    from seqeval.metrics.v1 import precision_recall_fscore_support
    from seqeval.scheme import IOB2

    gold, predicted = flat
    found = _scored(gold, predicted)
    micro = precision_recall_fscore_support(gold, predicted, average="micro", scheme=IOB2)
    strict = found.counts.strict
    assert (strict.precision, strict.recall, strict.f1) == pytest.approx(micro[:3], abs=1e-12)
    assert 0.2 < strict.f1 < 0.9
    each = precision_recall_fscore_support(gold, predicted, average=None, scheme=IOB2)
    assert [count.strict.f1 for count in found.labels.values()] == pytest.approx(each[2], abs=1e-12)
    assert [count.gold for count in found.labels.values()] == each[3].tolist()
    assert found.macro_f1 == pytest.approx(float(np.mean(each[2])), abs=1e-12)


def test_strict_and_exact_equal_nervaluate(flat: tuple[list[list[str]], list[list[str]]]) -> None:
    from nervaluate import Evaluator

    gold, predicted = flat
    found = _scored(gold, predicted)
    theirs = Evaluator(gold, predicted, tags=list(LABELS), loader="list").evaluate()["overall"]
    assert found.counts.correct == theirs["strict"].correct
    assert (
        found.counts.strict.precision,
        found.counts.strict.recall,
        found.counts.strict.f1,
    ) == pytest.approx((theirs["strict"].precision, theirs["strict"].recall, theirs["strict"].f1), abs=1e-12)
    assert found.exact.f1 == pytest.approx(theirs["exact"].f1, abs=1e-12)


def _random_entities(rng: random.Random, size: int) -> tuple[Entity, ...]:
    """Return entities that nest, overlap, repeat and have holes."""
    found = []
    for _ in range(rng.randint(0, 5)):
        bounds = sorted(rng.sample(range(size), 4))
        holes = rng.random() < 0.3
        spans = ((bounds[0], bounds[1]), (bounds[2], bounds[3])) if holes else None
        found.append(Entity(bounds[0], bounds[3] if holes else bounds[1], rng.choice(LABELS), spans))
    return (*found, *found[: rng.randint(0, 1)])


def test_nested_overlapping_repeated_and_discontinuous_entities_are_a_multiset() -> None:
    rng = random.Random(1)
    gold = [Document(str(at), "x" * 9, _random_entities(rng, 9)) for at in range(500)]
    predicted = [
        (*rng.sample(d.entities, rng.randint(0, len(d.entities))), *_random_entities(rng, 9)) for d in gold
    ]
    found = score(gold, predicted, resamples=0)
    mine, theirs = (
        Counter((at, e.parts, e.label) for at, entities in enumerate(side) for e in entities)
        for side in ([d.entities for d in gold], predicted)
    )
    assert found.counts.correct == sum((mine & theirs).values())
    bounds = [Counter((at, parts) for at, parts, _ in side.elements()) for side in (mine, theirs)]
    right = sum((bounds[0] & bounds[1]).values())
    assert found.exact.recall == right / found.counts.gold
    assert found.exact.precision == right / found.counts.predicted
    assert (found.counts.gold, found.counts.predicted) == (sum(mine.values()), sum(theirs.values()))
    assert found.counts.renamed == found.counts.given > 0
    assert sum(share for share in found.counts.errors.values() if share is not None) == pytest.approx(1)
    wrong = found.counts.missed + found.counts.spurious + 2 * (found.counts.boundary + found.counts.renamed)
    assert wrong == found.counts.gold + found.counts.predicted - 2 * found.counts.correct


def test_pairs_do_not_depend_on_any_order() -> None:
    rng = random.Random(2)
    for _ in range(300):
        gold, predicted = (labelled(_random_entities(rng, 9)) for _ in range(2))
        pairs = sorted((gold[a], predicted[b]) for a, b in pair_off(gold, predicted))
        assert len({a for a, _ in pair_off(gold, predicted)}) == len(pairs)
        rng.shuffle(gold)
        rng.shuffle(predicted)
        assert sorted((gold[a], predicted[b]) for a, b in pair_off(gold, predicted)) == pairs


@pytest.mark.parametrize(
    ("predicted", "counts", "partial", "kind"),
    [
        ([(0, 8, "LOC")], Counts(1, 1, correct=1), 1.0, None),
        ([(4, 8, "LOC")], Counts(1, 1, boundary=1), 0.5, "boundary"),
        ([(0, 8, "ORG")], Counts(1, 1, renamed=1, given=1), 1.0, "type"),
        ([(0, 3, "ORG")], Counts(1, 1, renamed=1, given=1), 0.5, "type"),
        ([], Counts(1, 0), 0.0, "missed"),
    ],
)
def test_each_error_has_its_name(
    predicted: list[tuple[int, int, str]], counts: Counts, partial: float, kind: str | None
) -> None:
    gold = [Document("1", "New York, again", (Entity(0, 8, "LOC"),))]
    found = score(gold, [[Entity(*one) for one in predicted]], resamples=0)
    assert found.counts == counts
    assert found.partial.f1 == partial
    assert found.counts.errors == dict.fromkeys(
        ("boundary", "type", "missed", "spurious"), None if kind is None else 0.0
    ) | ({} if kind is None else {kind: 1.0})


def test_a_prediction_in_no_gold_is_spurious_and_a_second_one_too() -> None:
    gold = [Document("1", "New York, again", (Entity(0, 8, "LOC"),)), Document("2", "nothing")]
    found = score(gold, [[Entity(0, 3, "LOC"), Entity(4, 8, "LOC")], [Entity(0, 7, "PER")]], resamples=0)
    assert found.counts == Counts(1, 3, boundary=1)
    assert (found.counts.spurious, found.counts.missed) == (2, 0)
    assert found.labels == {"LOC": Counts(1, 2, boundary=1), "PER": Counts(0, 1)}


def test_the_interval_holds_the_value_and_narrows_with_documents() -> None:
    def at(n: int) -> tuple[float, float]:
        gold = [Document(str(row), "Bob", (Entity(0, 3, "PER"),)) for row in range(n)]
        found = score(gold, [d.entities if row % 3 else () for row, d in enumerate(gold)], resamples=400)
        assert found.interval is not None
        low, high = found.interval
        assert low < found.counts.strict.f1 < high
        return low, high

    (low, high), (lower, higher) = at(400), at(25)
    assert high - low < (higher - lower) / 2
    assert at(25) == (lower, higher)


def test_nothing_at_all_scores_zero_without_an_interval() -> None:
    found = score([Document("1", "x")], [[]])
    assert (found.counts.strict.f1, found.macro_f1, found.interval) == (0.0, 0.0, None)


def test_refusals() -> None:
    with pytest.raises(
        DataError, match=r"predicted must hold the entities of each of the 1 documents; got 0\."
    ):
        score([Document("1", "x")], [])
    with pytest.raises(DataError, match=r"predicted must lie inside the texts; got \[0, 2\) in document '1'"):
        score([Document("1", "x")], [[Entity(0, 2, "PER")]])
    with pytest.raises(DataError, match="confidence must be from 0 to 1; got 2"):
        score([], [], confidence=2)
    with pytest.raises(DataError, match="seed must be >= 0; got -1"):
        score([], [], seed=-1)


def test_ignored_labels_leave_gold_and_prediction_and_are_told() -> None:
    gold = [Document("1", "Bob in New York", (Entity(0, 3, "PER"), Entity(7, 15, "MISC")))]
    found = score(
        gold, [[Entity(0, 3, "MISC"), Entity(7, 15, "LOC")]], unlocated=[["MISC"]],
        ignore_labels=["MISC", "ELSE"], resamples=0,
    )  # fmt: skip
    assert found.counts == Counts(gold=1, predicted=1)
    assert found.ignored == {"MISC": (1, 2), "ELSE": (0, 0)}
    assert (found.exact.f1, found.unlocated) == (0.0, 0)


def test_a_mention_that_the_text_lacks_is_a_wrong_prediction() -> None:
    gold = [Document("1", "Bob", (Entity(0, 3, "PER"),)), Document("2", "nobody")]
    found = score(gold, [[Entity(0, 3, "PER")], []], unlocated=[["PER"], ["LOC"]])
    assert found.counts == Counts(1, 3, correct=1)
    assert (found.counts.spurious, found.unlocated) == (2, 2)
    assert found.labels["LOC"] == Counts(predicted=1)
    assert found.interval is not None
    assert found.interval[0] < 0.5


def test_labels_that_were_trained_on_and_others_are_scored_apart() -> None:
    gold = [Document("1", "Bob in New York", (Entity(0, 3, "PER"), Entity(7, 15, "LOC")))]
    predicted = [[Entity(0, 3, "PER"), Entity(7, 15, "GPE")]]
    found = score(gold, predicted, trained_labels=["PER", "ORG"], resamples=0)
    assert found.seen == Counts(1, 1, correct=1)
    assert found.unseen == Counts(1, 1, renamed=1, given=1)
    assert score(gold, predicted, resamples=0).seen is None
