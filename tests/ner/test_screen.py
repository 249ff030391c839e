"""The evidence of the screen on corpora small enough to count by hand."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, conflicts, screen
from tests.ner.made import corpus


def verdicts(evidence, source, label, target):
    """Return {mention: verdicts} of the witnesses of a label in another corpus."""
    return {
        evidence.mentions[w.mention]: dict(w.verdicts)
        for w in evidence.witnesses.get((source, label, target), ())
    }


def test_each_mention_weighs_one_and_gives_its_shares():
    a = corpus("a", "[Paris|LOC] is nice", "[Paris|LOC]", "[Oslo|LOC]", "[Oslo|LOC]")
    b = corpus(
        "b",
        "[Paris|city] and [Paris|city]",
        "Paris",
        "to [Paris|PER]",
        "[Oslo|city]",
        "in [Oslo Fjord|water]",
    )
    found = verdicts(screen([a, b]), "a", "LOC", "b")
    assert found == {
        "Paris": {"same:city": 0.5, "none": 0.25, "same:PER": 0.25},
        "Oslo": {"same:city": 1.0},  # inside a longer entity does not count
    }


def test_bounds_keep_what_stands_inside_longer_entities():
    a = corpus("a", "[Oslo|LOC]", "[Oslo|LOC]", "[Big Oslo Park|LOC]", "[Big Oslo Park|LOC]")
    b = corpus("b", "in [Oslo Fjord|water]", "in [Oslo|LOC]", "Big [Oslo|LOC] Park")
    evidence = screen([a, b])
    [big, oslo] = evidence.witnesses["a", "LOC", "b"]
    assert evidence.mentions[oslo.mention] == "Oslo"
    assert dict(oslo.bounds) == {"inside:water": pytest.approx(1 / 3)}
    assert dict(oslo.own_bounds) == {"inside:LOC": 0.5}
    assert dict(big.verdicts) == {"part:LOC": 1.0}


def test_labels_on_the_same_words_share_the_weight():
    a = corpus("a", "[Oslo|LOC]", "[Oslo|LOC]")
    both = Document("1", "Oslo", (Entity(0, 4, "city"), Entity(0, 4, "port")))
    found = verdicts(screen([a, Corpus("b", (both,))]), "a", "LOC", "b")
    assert found == {"Oslo": {"same:city": 0.5, "same:port": 0.5}}


def test_a_mention_vouches_only_from_two_entities_on_and_if_it_is_consistent():
    often = ["[Oslo|LOC]"] * 2
    b = corpus("b", "[Oslo|city]", "[Rome|city]", "[the|x]")
    assert set(verdicts(screen([corpus("a", *often, "[Rome|LOC]"), b]), "a", "LOC", "b")) == {"Oslo"}
    wavering = corpus("a", "[the|LOC]", "[the|LOC]", *["the cat"] * 8, *often)
    assert set(verdicts(screen([wavering, b]), "a", "LOC", "b")) == {"Oslo"}
    assert set(verdicts(screen([wavering, b], consistency=0.2), "a", "LOC", "b")) == {"Oslo", "the"}
    assert set(verdicts(screen([corpus("a", "[Rome|LOC]"), b], min_gold=1), "a", "LOC", "b")) == {"Rome"}


def test_mentions_in_capitals_are_looked_for_in_capitals():
    a = corpus("a", "[US|LOC]", "[US|LOC]", "[May|PER]", "[May|PER]")
    b = corpus("b", "they told us", "Us too", "[US|GPE]", "it may", "[May|PER]", "MAY")
    guarded = verdicts(screen([a, b]), "a", "LOC", "b") | verdicts(screen([a, b]), "a", "PER", "b")
    assert guarded == {"US": {"same:GPE": 1.0}, "May": {"none": 0.5, "same:PER": 0.5}}
    free = verdicts(screen([a, b], case_guard=False), "a", "LOC", "b")
    assert free == {"US": {"none": pytest.approx(2 / 3), "same:GPE": pytest.approx(1 / 3)}}


def test_blanks_at_the_edges_of_entities_do_not_cost_their_evidence():
    a = Corpus("a", (Document("1", "in Oslo and Oslo ", (Entity(2, 7, "LOC"), Entity(12, 17, "LOC"))),))
    b = Corpus("b", (Document("1", "to Oslo ", (Entity(3, 8, "city"),)),))
    assert verdicts(screen([a, b]), "a", "LOC", "b") == {"Oslo": {"same:city": 1.0}}


def test_unspaced_and_mixed_text():
    a = corpus("a", "我在[北京|LOC]", "[北京|LOC]人", "用[Mac OS|P]吧", "[Mac OS|P]")
    b = corpus("b", "我爱[北京|city]天安门", "北京好", "[北京大学|org]", "我的Mac OS很好")
    evidence = screen([a, b])
    assert verdicts(evidence, "a", "LOC", "b") == {"北京": {"none": 0.5, "same:city": 0.5}}
    assert verdicts(evidence, "a", "P", "b") == {"Mac OS": {"none": 1.0}}


def made(seed: int) -> list[Corpus]:
    draw = random.Random(seed)
    names = [f"Name{number}" for number in range(30)]
    return [
        corpus(
            letter,
            *(
                f"{draw.choice(['in', 'by'])} [{draw.choice(names)}|{draw.choice(labels)}] and {draw.choice(names)}"
                for _ in range(150)
            ),
        )
        for letter, labels in (("a", "XY"), ("b", "XZ"), ("c", "YW"))
    ]


def test_the_order_of_corpora_and_documents_does_not_matter():
    corpora = made(1)
    before = conflicts(screen(corpora)).model_dump_json()
    mixed = [
        Corpus(c.name, tuple(random.Random(3).sample(c.documents, len(c.documents))))
        for c in reversed(corpora)
    ]
    assert conflicts(screen(mixed)).model_dump_json() == before


def test_the_evidence_between_two_does_not_depend_on_a_third():
    corpora = made(2)
    three, two = screen(corpora, consistency=0.4), screen(corpora[:2], consistency=0.4)
    for (one, label, other), witnesses in two.witnesses.items():
        with_third = three.witnesses[one, label, other]
        assert [(two.mentions[w.mention], w.verdicts) for w in witnesses] == [
            (three.mentions[w.mention], w.verdicts) for w in with_third
        ]
    assert two.witnesses


def test_hash_seeds_do_not_matter():
    program = (
        "from tests.ner.test_screen import made; from assay.ner import conflicts, screen;"
        "print(conflicts(screen(made(1))).model_dump_json())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_the_seed_draws_the_examples_and_nothing_else():
    corpora = made(1)
    one, two = screen(corpora, seed=1), screen(corpora, seed=2)
    assert one.witnesses == two.witnesses
    assert {m: f.places for m, f in one.found["a"].items()} != {
        m: f.places for m, f in two.found["a"].items()
    }


def test_progress_counts_all_documents():
    calls: list[tuple[int, int]] = []
    screen(made(1), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (450, 450)
    assert calls == sorted(calls)


def test_refusals():
    a = corpus("a", "[Oslo|LOC]")
    with pytest.raises(DataError, match=r"corpora must be two or more; got 1\."):
        screen([a])
    with pytest.raises(
        DataError, match=r"corpora must have different names; got 'a' twice\. Name one: NAME=PATH\."
    ):
        screen([a, a])
    with pytest.raises(
        DataError, match=r"corpora must hold entities; got none in any\. Check with: assay ner stats"
    ):
        screen([corpus("a", "x"), corpus("b", "y")])
    for setting in ({"min_gold": 0}, {"consistency": 1.1}, {"seed": -1}, {"seed": 0.5}, {"seed": 2**64}):
        with pytest.raises(DataError, match=next(iter(setting))):
            screen([a, corpus("b", "y")], **setting)
