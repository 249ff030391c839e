"""Faults of predictions, on every item of every answer."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.ner import Document, Entity
from assay.ner.audit import FAULTS, audit_answers, audit_entities

BOB = Document("7", "Bob: a 《New  York》 story; Bob left", (Entity(0, 3, "person"),))


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ("person: Bob; person: bob; location: New York", []),
        ("None", []),
        (" 无 ", []),
        ("animal: Bob", [("label", "animal:bob")]),
        ("Person: Bob; person: Zoe; person: Rex", [("mention", "person:zoe"), ("mention", "person:rex")]),
        ("person: Bob; person: Bob; person: Bob", [("repeat", "person:bob")]),
        ("", [("empty", "")]),
        ("person: ; : Bob", [("empty", "person:"), ("empty", ":bob")]),
        ("I found Bob; person: Bob", [("format", "i found bob")]),
        ("None; person: Bob", [("format", "none")]),
        ("animal: Rex", [("label", "animal:rex"), ("mention", "animal:rex")]),
    ],
)
def test_answers(answer: str, faults: list[tuple[str, str]]) -> None:
    found = audit_answers([BOB], [answer], labels=["person", "location"])
    assert [(fault.kind, fault.item) for fault in found.faults] == faults
    assert {fault.document for fault in found.faults} <= {"7"}
    assert found.faulty == bool(faults)
    assert sum(found.counts.values()) == len(faults)
    assert tuple(found.counts) == tuple(FAULTS)


def test_entities() -> None:
    again = Entity(0, 3, "person")
    found = audit_entities(
        [BOB, BOB], [[again, again, Entity(8, 11, "place")], []], labels=["person"], unlocated=[[], ["pet"]]
    )
    assert [(fault.kind, fault.item) for fault in found.faults] == [
        ("repeat", "person: Bob"),
        ("label", "place: New"),
        ("mention", "pet: ?"),
        ("label", "pet: ?"),
    ]
    assert (found.documents, found.items) == (2, 4)


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"answers must be as many as documents \(1\); got 0"):
        audit_answers([BOB], [], labels=[])
    with pytest.raises(DataError, match="predicted must hold the entities of each of the 1 documents; got 0"):
        audit_entities([BOB], [], labels=[])
    with pytest.raises(DataError, match="unlocated must hold labels for each of the 1 documents; got 0"):
        audit_entities([BOB], [[]], labels=[], unlocated=[])


def test_labels_that_are_not_known_are_no_faults() -> None:
    assert audit_answers([BOB], ["animal: Bob"], labels=None).faults == ()
    assert audit_answers([BOB], ["animal: Bob"], labels=[]).counts["label"] == 1
