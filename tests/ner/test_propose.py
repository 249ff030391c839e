"""What the cards suggest: groups, names, parents."""

from __future__ import annotations

from itertools import permutations

import pytest

from assay.ner import planted, propose, validate
from assay.ner.names import name_fault
from assay.ner.taxonomy import faults
from tests.ner.made_cards import card, cards


def groups(found):
    return {kind.en or kind.zh: kind.sources for kind in found.taxonomy.types if kind.sources}


def parents(found):
    names = {kind.id: kind.en or kind.zh for kind in found.taxonomy.types}
    return {names[k.id]: names[k.parent] for k in found.taxonomy.types if k.parent and not k.other}


def test_equal_labels_become_one_type_with_a_plain_name():
    found = propose(
        cards(
            {"a": {"PER": 9, "x": 1}, "b": {"person": 5}, "c": {"PERSON": 5}},
            card("a/PER", "b/person", "equal", 0.9, 0.95),
        )
    )
    assert groups(found) == {"person": ("a/PER", "b/person", "c/PERSON"), "x": ("a/x",)}
    [decision] = found.decisions
    assert (decision.action, decision.name, decision.author) == ("same", "person", "proposal")
    assert decision.labels == ("a/PER", "b/person", "c/PERSON")
    assert "a/PER = b/person (0.90 and 0.95, c" in decision.reason
    assert "b/person and c/PERSON are spelled alike, and no card speaks against it" in decision.reason
    assert found.taxonomy.named("person").zh == "人名"


def test_never_across_a_disjoint_edge_nor_within_a_corpus():
    made = [
        card("a/x", "b/y", "equal", 0.95, 0.95),
        card("b/y", "c/z", "equal", 0.9, 0.9),
        card("a/x", "c/z", "disjoint", 0.0, 0.0),
        card("a/w", "b/y", "equal", 0.85, 0.85),
    ]
    for order in permutations(made):
        found = propose(cards({"a": {"x": 9, "w": 8}, "b": {"y": 7}, "c": {"z": 6}}, *order))
        assert sorted(groups(found).values()) == [("a/w",), ("a/x", "b/y"), ("c/z",)]


def test_labels_of_one_name_and_another_meaning_stay_apart_with_names_of_their_own():
    found = propose(
        cards(
            {"a": {"LOC": 9}, "b": {"location": 5}, "politics": {"location": 4}},
            card("a/LOC", "b/location", "equal"),
            card("a/LOC", "politics/location", "overlap", 0.5, 0.6),
            card("b/location", "politics/location", "overlap", 0.5, 0.6),
        )
    )
    assert groups(found) == {
        "location": ("a/LOC", "b/location"),
        "politics location": ("politics/location",),
    }
    assert [(d.action, d.name) for d in found.decisions] == [
        ("same", "location"),
        ("rename", "politics location"),
    ]


def test_a_subset_becomes_a_child_and_parents_get_an_other_child():
    found = propose(
        cards(
            {"a": {"place": 9}, "b": {"country": 5}, "c": {"republic": 2}},
            card("a/place", "b/country", "superset", 0.4, 0.97),
            card("b/country", "c/republic", "superset", 0.3, 0.9),
            card("c/republic", "a/place", "subset", 0.8, 0.1),
        )
    )
    assert parents(found) == {"country": "place", "republic": "country"}
    assert found.notes == ("republic as part of place (0.80) was dropped: it follows from the others.",)
    others = {kind.en: kind.parent for kind in found.taxonomy.types if kind.other}
    assert others == {"other place": "t1", "other country": "t2"}


def test_a_circle_is_cut_at_its_weakest_edge():
    made = [
        card("a/x", "b/y", "subset", 0.9, 0.1),
        card("b/y", "c/z", "subset", 0.8, 0.1),
        card("a/x", "c/z", "superset", 0.1, 0.85),
    ]
    for order in permutations(made):
        found = propose(cards({"a": {"x": 9}, "b": {"y": 8}, "c": {"z": 7}}, *order))
        assert parents(found) == {"x": "y", "z": "x"}
        assert found.notes == ("y as part of z (0.80) was cut: the edges went in a circle.",)


def test_of_two_parents_the_one_that_holds_more_stays():
    found = propose(
        cards(
            {"a": {"x": 9}, "b": {"y": 8}, "c": {"z": 7}},
            card("a/x", "b/y", "subset", 0.8, 0.1),
            card("a/x", "c/z", "subset", 0.9, 0.1),
        )
    )
    assert parents(found) == {"x": "z"}
    assert found.notes == ("x as part of y (0.80) was dropped: the type has a nearer parent.",)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("organisation", "organization"),
        ("creative_work", "creative work"),
        ("B1", "b1 entity"),
        ("a:b;c", "a b c"),
        ("{x}", "x"),
        ("地点", "地点"),
        ("::", "entity"),
    ],
)
def test_names_are_lawful(label, name):
    found = propose(cards({"a": {label: 3}}))
    [kind] = found.taxonomy.types
    assert (kind.en or kind.zh) == name
    assert name_fault(name) is None


def test_a_label_in_two_languages_has_both_names():
    found = propose(cards({"a": {"PER": 3}, "b": {"人物": 2}}, card("a/PER", "b/人物", "equal")))
    [kind] = found.taxonomy.types
    assert (kind.en, kind.zh, found.decisions[0].name) == ("person", "人物", "person")


def test_a_proposal_is_refused_until_somebody_confirms_and_then_keeps_every_law():
    from assay.ner import conflicts, screen

    made, _ = planted(noise=0.05, language="mixed")
    found = conflicts(screen(made))
    proposal = propose(found)
    assert proposal == propose(found.model_copy(update={"cards": tuple(reversed(found.cards))}))
    errors = [p.message for p in validate(proposal.decisions, found) if p.severity == "error"]
    assert len(errors) == len(proposal.decisions) > 0
    assert all("got a proposal" in message for message in errors)
    confirmed = [decision.model_copy(update={"author": "jane"}) for decision in proposal.decisions]
    assert [p for p in validate(confirmed, found) if p.severity == "error"] == []
    assert {p.message.split(": ", 1)[1] for p in faults(proposal.taxonomy)} <= {
        "en must be given. Name it in both languages.",
        "zh must be given. Name it in both languages.",
    }
