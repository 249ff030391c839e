"""A mapping recovered from two versions of a corpus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, recover
from assay.ner.recover import recovered_decisions
from tests.ner.made import corpus, document

RAW = corpus(
    "set", "[Ada|PER] in [Rome|LOC]", "[Bo|PER]", "[Rome|LOC]", "[Rome|LOC]", "alone [Oslo|LOC]", "[x|GPE]"
)


def in_split(found: Corpus, split: str) -> tuple[Document, ...]:
    return tuple(replace(one, split=split) for one in found.documents)


def rows(found):
    return [(row.label, row.name, row.entities) for row in found.renamed]


def test_labels_by_text_and_bounds_whatever_the_order():
    standard = corpus(
        "std", "[Rome|place]", "[Bo|person]", "[Rome|country]", "[Ada|person] in [Rome|place]", "[x|place]"
    )
    found = recover(RAW, standard)
    # copies pair in order: the first "Rome" is a place, the second a country
    assert rows(found) == [
        ("PER", "person", 2),
        ("LOC", "place", 2),
        ("LOC", "country", 1),
        ("GPE", "place", 1),
    ]
    assert found.conflicts == ("set/LOC",)
    assert (found.documents, found.unaligned) == (5, (("4",), ()))
    assert [row.share for row in found.renamed] == [1.0, 2 / 3, 1 / 3, 1.0]


def test_copies_pair_within_their_split_first():
    raw = Corpus(
        "set", (*in_split(corpus("set", "[a|X]"), "train"), *in_split(corpus("set", "[a|Y]"), "test"))
    )
    standard = Corpus(
        "set", (*in_split(corpus("set", "[a|y]"), "test"), *in_split(corpus("set", "[a|x]"), "train"))
    )
    assert rows(recover(raw, standard)) == [("X", "x", 1), ("Y", "y", 1)]
    moved = Corpus("set", tuple(replace(one, split="dev") for one in standard.documents))
    assert recover(raw, moved).documents == 2


def test_nested_entities_of_equal_bounds_pair_in_order_or_not_at_all():
    both = Document("1", "ab", (Entity(0, 2, "X"), Entity(0, 2, "Y"), Entity(1, 2, "X")))
    same = Document("1", "ab", (Entity(0, 2, "x"), Entity(0, 2, "y"), Entity(0, 1, "z")))
    found = recover(Corpus("a", (both,)), Corpus("b", (same,)))
    assert rows(found) == [("X", "x", 1), ("Y", "y", 1)]
    assert (found.only_raw, found.only_standard) == (1, 1)
    found = recover(Corpus("a", (both,)), Corpus("b", (replace(same, entities=same.entities[:1]),)))
    assert rows(found) == []
    assert (found.only_raw, found.only_standard) == (3, 1)


def test_decisions_join_what_has_one_name_and_leave_conflicts_to_a_person():
    standard = corpus(
        "std",
        "[Ada|person] in [Rome|place]",
        "[Bo|person]",
        "[Rome|place]",
        "[Rome|country]",
        "alone [Oslo|place]",
        "[x|place]",
    )
    other = recover(corpus("web", "[Ed|human] [q|place]"), corpus("web", "[Ed|person] [q|q]"))
    found = [recover(RAW, standard), other]
    decisions = recovered_decisions(found)
    assert [(d.id, d.action, d.labels, d.name) for d in decisions] == [
        ("d1", "same", ("set/PER", "web/human"), "person"),
        ("d2", "rename", ("set/GPE",), "place"),
        ("d3", "rename", ("web/place",), "q"),
    ]
    assert decisions[0].reason == "3 of 3 aligned entities have this name"
    [person, place, _] = recovered_decisions(found, min_share=0.75)
    assert (place.action, place.labels) == ("merge", ("set/LOC", "set/GPE"))
    assert place.reason == "4 of 5 aligned entities have this name"
    assert person.author == "recover-mapping"


def test_a_name_that_stays_needs_no_decision():
    assert recovered_decisions([recover(RAW, RAW)]) == []


def test_a_share_that_is_no_majority_is_refused():
    with pytest.raises(DataError, match=r"min_share must be from 0\.5 to 1; got 0\.4"):
        recovered_decisions([], min_share=0.4)


def test_documents_with_the_same_text_are_found_in_one_pass():
    many = Corpus("m", tuple(document(n, "[same|X] text") for n in range(3000)))
    assert recover(many, many).documents == 3000
