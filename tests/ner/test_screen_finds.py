"""What was planted is found at 10 % noise, and little else; more than the official screen finds."""

from __future__ import annotations

import pytest

from assay.ner import Corpus, Document, Entity
from assay.ner.planted import planted
from benchmarks.ner import COLUMNS, Findings, Tally, judge, official, ours
from benchmarks.official_screen import official_screen


@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_planted_conflicts_at_ten_percent_noise(language):
    corpora, truth = planted(language=language, noise=0.1, names=60, seed=7)
    tallies = {kind: Tally() for kind in COLUMNS}
    judge(ours(corpora), truth, tallies)
    for kind, tally in tallies.items():
        assert tally.recall == 1.0, kind
    said, right = (sum(getattr(t, name) for t in tallies.values()) for name in ("said", "right"))
    assert said - right <= 0.05 * said
    theirs = {kind: Tally() for kind in COLUMNS}
    judge(official(corpora, seed=7), truth, theirs)
    for kind in ("equal", "part", "overlap", "gap", "boundary"):
        assert theirs[kind].recall < 0.5


def test_judging():
    """Findings that are all wrong, on truth that is known."""
    _, truth = planted(names=12)
    tallies = {kind: Tally() for kind in COLUMNS}
    said = {("amber/DIS", "birch/disease"): "subset", ("amber/DIS", "birch/river"): "equal"}
    judge(Findings(said, [{("amber/DIS", "birch")}], []), truth, tallies)
    assert {kind: (t.right, t.said, t.found) for kind, t in tallies.items()} == {
        "equal": (0, 1, 0),
        "part": (0, 1, 0),
        "overlap": (0, 0, 0),
        "disjoint": (0, 0, 0),
        "gap": (0, 1, 0),
        "boundary": (0, 0, 0),
    }
    assert tallies["equal"].planted == sum(row.relation == "equal" for row in truth)


def corpus(name: str, *sentences: tuple[str, list[tuple[str, str]]]) -> Corpus:
    """A corpus in which the first place of each surface is the entity."""
    documents = []
    for number, (text, marked) in enumerate(sentences):
        places = [(text.index(surface), surface, label) for surface, label in marked]
        entities = tuple(Entity(at, at + len(surface), label) for at, surface, label in places)
        documents.append(Document(str(number), text, entities))
    return Corpus(name, tuple(documents), labels=("LOC", "PER"))


@pytest.mark.parametrize(
    ("text", "marked", "outcome"),
    [
        ("we saw Paris today", [("Paris", "LOC")], "same"),
        ("we saw paris today", [("paris", "LOC")], "same"),  # case is not looked at
        ("we saw Paris today", [("Paris", "PER")], "other type"),
        ("we saw Paris today", [], "not extracted"),
        ("Paris is far", [("Paris", "LOC")], "same"),
        ("far is Paris", [("Paris", "LOC")], "same"),
        ("far is Paris.", [("Paris", "LOC")], None),  # the sign is part of the word
        ("Paris", [("Paris", "LOC")], None),  # the mention is the sentence
        ("Paris Hilton smiled", [("Paris Hilton", "PER")], None),  # only in a longer entity
    ],
)
def test_the_official_screen_and_its_defects(text, marked, outcome):
    one = corpus("one", ("to Paris we went", [("Paris", "LOC")]))
    two = corpus("two", (text, marked))
    run = next(
        r for r in official_screen([one, two]) if (r.label, r.target) == (("one", "LOC"), ("two", "LOC"))
    )
    assert dict(run.counts) == ({outcome: 1} if outcome else {})


def test_the_official_screen_looks_at_one_sentence_a_mention_and_knows_its_seed():
    one = corpus("one", *[("to Paris we went", [("Paris", "LOC")])] * 3)
    two = corpus("two", *[("in Paris now", [("Paris", "LOC")])] * 30, ("in Paris here", []))
    outcomes = {str(sorted(r.counts.items())) for s in range(20) for r in official_screen([one, two], seed=s)}
    assert "[('same', 3)]" in outcomes  # a mention counts as often as it is annotated
    assert official_screen([one, two], seed=3) == official_screen([one, two], seed=3)
    inner = corpus("three", ("the old Paris gate is shut", [("Paris", "LOC")]))
    longer = corpus("four", ("the old Paris gate fell", [("old Paris gate", "LOC")]))
    runs = {r.label[0]: dict(r.counts) for r in official_screen([inner, longer]) if r.label[1] == "LOC"}
    assert runs == {"three": {}, "four": {"same type inside": 1}}
