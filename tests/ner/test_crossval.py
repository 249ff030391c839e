"""Cross validation: planted conflicts show in the right figure, splits and copies are respected, runs go on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.errors import AssayWarning, DataError
from assay.ner import Corpus, Document, Entity
from assay.ner.cards import Cards
from assay.ner.crossval import Cell, CrossValidation, attach, cross_validate
from assay.ner.score import score
from assay.ner.taggers import Fingerprint, Tagger, resolve
from assay.ner.taggers.ready import Ready
from tests.ner.made import document

PEOPLE = ("Ann", "Bob", "Cleo", "Dana", "Egon")
TOWNS = ("Paris", "Oslo", "Rome")
LANDS = ("Chile", "Peru", "Togo")


def made(
    name: str, *, person: str = "PER", town: str = "LOC", land: str = "LOC", title: str = "", seed: int = 0
) -> Corpus:
    """Return a corpus of journeys; an empty label leaves the mention bare, a title stands inside the person."""
    rng = random.Random(seed)

    def mark(words: str, label: str) -> str:
        return f"[{words}|{label}]" if label else words

    rows = [
        document(
            f"{name}{n}",
            f"on day {n}{seed} {mark(title + rng.choice(PEOPLE), person)} went from {mark(rng.choice(TOWNS), town)} "
            f"to {mark(rng.choice(LANDS), land)} again",
        )
        for n in range(80)
    ]
    return Corpus(name, tuple(rows))


def cell(found: CrossValidation, train: str, test: str) -> Cell:
    return next(cell for cell in found.cells if (cell.train, cell.test) == (train, test))


@pytest.fixture(scope="module")
def planted() -> CrossValidation:
    """Three corpora: b splits places in two, c has no lands, and its persons begin with a word of the text."""
    corpora = [
        made("a"),
        made("b", town="town", land="country", seed=1),
        Corpus("c", made("c", land="", title="Doctor ", seed=2).documents),
    ]
    pairs = [
        ("a/LOC", "b/town"),
        ("b/country", "a/LOC"),
        ("a/LOC", "c/LOC"),
        ("a/PER", "c/PER"),
        ("b/PER", "a/PER"),
    ]
    return cross_validate(corpora, pairs=pairs)


def test_agreement_scores_full(planted: CrossValidation) -> None:
    found = cell(planted, "a/PER", "b/PER")
    assert (found.f1, found.transfer, found.seen_f1) == (1.0, 1.0, 1.0)
    assert found.interval == (1.0, 1.0)
    assert found.row()["boundary"] is None
    assert all(cell(planted, label, label).f1 == 1.0 for label in ("a/LOC", "b/town", "c/PER"))


def test_a_split_label_shows_as_type_errors(planted: CrossValidation) -> None:
    found = cell(planted, "a/LOC", "b/town")
    assert found.counts.strict.recall == 1.0
    assert found.counts.strict.precision == 0.5
    assert found.row()["type"] == 1.0
    back = cell(planted, "b/town", "a/LOC")
    assert (back.counts.strict.precision, back.counts.strict.recall) == (1.0, 0.5)
    assert back.row()["type"] == 1.0
    assert back.transfer == back.f1 == pytest.approx(2 / 3)


def test_a_gap_shows_as_spurious_one_way_and_missed_the_other(planted: CrossValidation) -> None:
    assert cell(planted, "a/LOC", "c/LOC").row()["spurious"] == 1.0
    assert cell(planted, "c/LOC", "a/LOC").row()["missed"] == 1.0


def test_another_boundary_shows_as_boundary(planted: CrossValidation) -> None:
    found = cell(planted, "a/PER", "c/PER")
    assert (found.f1, found.row()["boundary"]) == (0.0, 1.0)
    assert found.own.strict.f1 == 1.0
    assert found.row()["seen_gold"] == 0


def test_seen_mentions_are_those_of_the_training_gold() -> None:
    known, new = made("a"), made("b", seed=1)
    renamed = tuple(
        document(d.id, d.text.replace("Ann", "[Anton|PER]").replace("Bob", "[Bob|PER]"))
        for d in new.documents
    )
    found = cross_validate([known, Corpus("b", renamed)], pairs=[("a/PER", "b/PER")])
    here = cell(found, "a/PER", "b/PER")
    bobs = sum("Bob" in d.text for d in renamed)
    assert 0 < here.seen.gold < here.counts.gold < bobs
    assert here.seen.correct == here.seen.gold
    assert here.seen.predicted > here.seen.gold  # Cleo, Dana and Egon, whom b has not annotated


def _guessed(rng: random.Random, found: Document) -> Document:
    """Return the document as a bad model would have it: entities lost, cut, called something else, made up."""
    entities = []
    for entity in found.entities:
        kind = rng.randrange(5)
        if kind:
            label = rng.choice(("PER", "LOC", "X")) if kind == 1 else entity.label
            entities.append(Entity(entity.start + (kind == 2), entity.end, label))
    return replace(found, entities=(*entities, *[Entity(0, 2, "LOC")] * rng.randrange(2)))


def test_figures_are_those_of_the_scorer() -> None:
    rng = random.Random(5)
    corpora = [_in_splits(made(name, seed=n), train=30, test=50) for n, name in enumerate("ab")]
    everything = [document for corpus in corpora for document in corpus.documents]
    guesses = {name: Ready([_guessed(rng, document) for document in everything]) for name in "ab"}
    found = cross_validate(corpora, tagger=guesses.__getitem__)
    tests = {corpus.name: [d for d in corpus.documents if d.split == "test"] for corpus in corpora}
    for one in found.cells:
        (trained, label), (tested, _) = one.train.split("/"), one.test.split("/")
        by_hand = score(tests[tested], guesses[trained].predict(tests[tested]))
        assert one.counts == by_hand.labels[label]
        assert one.own == score(tests[tested], guesses[tested].predict(tests[tested])).labels[label]
        assert one.interval is not None
        assert one.interval[0] < one.counts.strict.f1 < one.interval[1]
        assert 0 < one.counts.strict.f1 < 1
        row = one.row()
        assert row["boundary"] + row["type"] + row["missed"] + row["spurious"] == pytest.approx(1)
        assert row["transfer"] == pytest.approx(one.counts.strict.f1 / one.own.strict.f1)


def test_matrices_hold_what_the_cells_say(planted: CrossValidation) -> None:
    [people] = [matrix for matrix in planted.matrices("f1") if matrix.name == "PER"]
    assert people.labels == ("a/PER", "b/PER", "c/PER")
    np.testing.assert_array_equal(people.values, [[1, 1, 0], [1, 1, np.nan], [0, np.nan, 1]])
    [places] = [matrix for matrix in planted.matrices("transfer") if matrix.name != "PER"]
    assert places.labels == ("a/LOC", "b/town", "b/country", "c/LOC")
    assert places.values[1, 0] == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="measure must be one of f1, transfer, seen_f1; got 'F1'"):
        planted.matrices("F1")  # type: ignore[arg-type]


def test_equal_names_are_paired_after_folding_and_new_names_first() -> None:
    corpora = [
        made("a", person="PER", town="geo_area", land="x"),
        made("b", person="per", town="Geo-Area", land="y"),
    ]
    found = cross_validate(corpora)
    assert {(c.train, c.test) for c in found.cells if c.train[0] != c.test[0]} == {
        ("a/PER", "b/per"), ("b/per", "a/PER"), ("a/geo_area", "b/Geo-Area"), ("b/Geo-Area", "a/geo_area")
    }  # fmt: skip
    names = {"a/geo_area": "place", "a/x": "place", "Geo-Area": "place", "y": "", "per": "", "PER": "person"}
    found = cross_validate(corpora, names=names)
    assert {(c.train, c.test) for c in found.cells} == {
        (f"{one}/place", f"{other}/place") for one in "ab" for other in "ab"
    }
    assert cell(found, "a/place", "a/place").counts.gold == 40


def _in_splits(corpus: Corpus, **splits: int) -> Corpus:
    names = [name for name, count in splits.items() for _ in range(count)]
    return replace(
        corpus, documents=tuple(replace(d, split=s) for d, s in zip(corpus.documents, names, strict=False))
    )


class Recorder:
    """A tagger that writes down what it is given."""

    def __init__(self, log: dict[str, list[str]], name: str) -> None:
        self.log, self.name = log, name

    @property
    def fingerprint(self) -> Fingerprint:
        return {"tagger": "recorder"}

    def fit(self, documents: Sequence[Document]) -> None:
        self.log[f"fit {self.name}"] = [d.id for d in documents]

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        self.log.setdefault(f"predict {self.name}", []).extend(d.id for d in documents)
        return [()] * len(documents)


@pytest.mark.parametrize(
    ("splits", "split", "trained"),
    [
        ({"train": 40, "dev": 10, "test": 30}, "own", 50),
        ({"train": 60, "dev": 20}, "own", 60),
        ({"dev": 20, "test": 60}, "own", 20),
        ({"train": 80}, "own", 60),
        ({"a": 40, "b": 40}, "own", 60),
        ({"train": 40, "dev": 10, "test": 30}, "seeded", 60),
    ],
)
def test_own_splits_are_respected(splits: dict[str, int], split: str, trained: int) -> None:
    log: dict[str, list[str]] = {}
    corpus = _in_splits(made("a"), **splits)
    found = cross_validate([corpus, made("b", seed=1)], tagger=lambda name: Recorder(log, name), split=split)
    assert found.corpora["a"] == {"train": trained, "test": 80 - trained}
    where = {d.id: d.split for d in corpus.documents}
    held = {where[name] for name in log["predict a"] if name in where}
    if split == "own" and len(splits) > 1 and "a" not in splits:
        assert held == {"test" if "test" in splits else "dev"}
        assert held.isdisjoint(where[name] for name in log["fit a"])
    assert set(log["fit a"]).isdisjoint(log["predict a"])


def test_draws_are_bounded_seeded_and_of_no_order() -> None:
    def drawn(corpora: list[Corpus], seed: int) -> dict[str, list[str]]:
        log: dict[str, list[str]] = {}
        cross_validate(corpora, tagger=lambda name: Recorder(log, name), train=10, test=5, seed=seed)
        return log

    corpora = [made("a"), made("b", seed=1)]
    first = drawn(corpora, 0)
    assert {name: len(ids) for name, ids in first.items()} == {
        "fit a": 10, "predict a": 10, "fit b": 10, "predict b": 10
    }  # fmt: skip
    assert drawn([replace(c, documents=c.documents[::-1]) for c in corpora], 0) == first
    assert drawn(corpora, 1) != first
    log: dict[str, list[str]] = {}
    cross_validate(corpora, tagger=lambda name: Recorder(log, name), train=1, test=1000)
    assert len(log["fit a"]) == 1


def test_texts_that_either_corpus_trains_on_are_not_tested() -> None:
    whole = made("a")
    copy = Corpus("b", tuple(replace(d, text=f" {d.text}", entities=tuple(
        Entity(e.start + 1, e.end + 1, e.label) for e in d.entities)) for d in whole.documents[:40]))  # fmt: skip
    found = cross_validate([_in_splits(whole, train=60, test=20), _in_splits(copy, dev=10, test=30)])
    assert cell(found, "a/PER", "b/PER").duplicates == 30
    assert cell(found, "a/PER", "b/PER").f1 is None
    assert cell(found, "a/PER", "a/PER").duplicates == 0


def test_an_interrupted_run_goes_on_with_the_same_result(tmp_path: Path) -> None:
    corpora = [made("a"), made("b", town="", seed=1), made("c", seed=2)]
    whole = cross_validate(corpora)

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        cross_validate(corpora, folder=tmp_path, progress=stop)
    assert len(list(tmp_path.iterdir())) == 2
    trained: list[str] = []

    def tagger(name: str) -> Tagger:
        trained.append(name)
        return resolve("crf")

    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert cross_validate(corpora, tagger=tagger, folder=tmp_path) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(tmp_path.iterdir())) == 3
    changed = [made("a", land=""), *corpora[1:]]
    assert cross_validate(changed, folder=tmp_path) == cross_validate(changed)


def test_a_cell_depends_on_its_two_corpora_alone() -> None:
    corpora = [made("a"), made("b", town="", seed=1), made("c", title="Sir ", seed=2)]
    both, three = cross_validate(corpora[:2]), cross_validate(corpora)
    assert set(both.cells) < set(three.cells)


def test_figures_join_the_cards(planted: CrossValidation) -> None:
    from tests.ner.sample_cards import sample_cards

    cards = sample_cards()
    one, other = cards.cards[:2]
    cards = Cards(**{**dict(cards), "cards": (
        one.model_copy(update={"labels": ("b/town", "a/LOC")}), other)})  # fmt: skip
    joined = attach(cards, planted)
    assert joined.cards[1] == other
    figures = joined.cards[0].crossval
    assert figures is not None
    assert list(figures) == ["tagger", "b/town → a/LOC", "a/LOC → b/town"]
    assert figures["tagger"] == "crf"
    assert figures["a/LOC → b/town"]["precision"] == 0.5
    assert figures["a/LOC → b/town"]["type"] == 1.0
    assert {"f1", "transfer", "seen_f1", "own_f1", "boundary", "missed", "spurious"} <= set(
        figures["a/LOC → b/town"]
    )


def test_refusals() -> None:
    a, b = made("a"), made("b", person="human", town="town", land="land")
    with pytest.raises(DataError, match="corpora must be two or more; got 1"):
        cross_validate([a])
    with pytest.raises(
        DataError, match=r"corpora must have different names; got 'a' twice\. Name one: NAME=PATH\."
    ):
        cross_validate([a, a])
    with pytest.raises(DataError, match="corpora must share names of labels; got none in a, b"):
        cross_validate([a, b])
    with pytest.raises(DataError, match=r"unknown label 'b/lnd'\. Did you mean 'b/land'"):
        cross_validate([a, b], pairs=[("a/LOC", "b/lnd")])
    with pytest.raises(DataError, match="pairs must be of labels of two corpora; got a/PER and a/LOC"):
        cross_validate([a, b], pairs=[("a/LOC", "a/PER")])
    with pytest.raises(DataError, match="pairs must hold at least one pair of labels; got none"):
        cross_validate([a, b], pairs=[])
    with pytest.raises(DataError, match="corpora must hold two documents or more; got 1 in c"):
        cross_validate([a, Corpus("c", a.documents[:1])])
    with pytest.raises(DataError, match="split must be one of own, seeded; got 'random'"):
        cross_validate([a, b], split="random")
    with pytest.raises(DataError, match="train must be >= 1; got 0"):
        cross_validate([a, b], train=0)


def test_a_corpus_that_trains_on_nothing_is_told_of() -> None:
    bare = tuple(replace(d, entities=(), split="train") for d in made("b").documents[:20])
    some = tuple(replace(d, split="test") for d in made("b").documents[20:])
    with pytest.warns(AssayWarning, match="corpus b has no entities among the 20 documents drawn"):
        found = cross_validate([made("a", seed=1), Corpus("b", bare + some)])
    assert cell(found, "b/PER", "a/PER").f1 == 0.0
    assert cell(found, "a/PER", "b/PER").transfer is None
