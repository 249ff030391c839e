"""The checker of corpora finds what is planted, names where, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, check
from assay.ner.check import KINDS, Finding, summary
from assay.ner.nesting import crossing, flat, inside
from tests.ner.made import corpus, document


def found(corpus: Corpus, **options: float) -> list[tuple[str, str, str]]:
    return [(finding.kind, finding.where, finding.message) for finding in check(corpus, **options)]


def test_a_clean_corpus_has_no_findings() -> None:
    assert (
        check(corpus("mini", "[Ada|PER] is in [Paris|LOC].", "No one.", "[Bob|PER] is in [Rome|LOC].")) == []
    )
    assert summary([]) == {}


@pytest.mark.parametrize(
    ("entities", "kind", "message"),
    [
        (
            (Entity(0, 3, "PER"), Entity(4, 7, "x"), Entity(0, 3, "PER", meta={"a": 1})),
            "duplicate",
            "PER 'Ada' [0, 3]",
        ),
        (
            (Entity(0, 7, "PER"), Entity(4, 11, "x")),
            "crossing",
            "PER 'Ada met' [0, 7] and x 'met Bob' [4, 11]",
        ),
        ((Entity(0, 4, "PER"), Entity(7, 11, "x")), "edge_space", "PER 'Ada ' [0, 4], and 1 more"),
        (
            (Entity(0, 11, "PER", ((0, 4), (8, 11))),),
            "edge_space",
            "PER 'Ada  Bob' [0, 11]",
        ),
    ],
)
def test_entities(entities: tuple[Entity, ...], kind: str, message: str) -> None:
    labels = ("PER", "x")
    mini = Corpus("mini", (Document("7", "Ada met Bob", entities, split="dev"),), labels)
    assert found(mini) == [(kind, "mini (dev): document 7", message)]


def test_nested_entities_and_pieces_between_each_other_do_not_cross() -> None:
    nested = (Entity(0, 11, "a"), Entity(0, 3, "b"), Entity(0, 11, "c"))
    apart = (Entity(0, 11, "a", ((0, 3), (8, 11))), Entity(4, 7, "b"), Entity(8, 11, "c"))
    for entities in (nested, apart):
        assert found(Corpus("mini", (Document("1", "Ada met Bob", entities),))) == []


def test_a_lost_character_is_shown_where_it_is() -> None:
    mini = Corpus("mini", (Document("1", "a caf\ufffd and a caf\ufffd here"),))
    assert found(mini) == [
        ("replacement", "mini: document 1", "in 'a caf\ufffd and a caf\ufffd he', and 1 more"),
    ]


def test_labels() -> None:
    many = [document(number, "[Ada|PER] [Rue|road] [9|roadno] [Ann|per]") for number in range(30)]
    many.append(document("x", "[9|raodno] [Bob|Ｐ_E-R] [Cy|a, b]"))
    mini = Corpus(
        "mini", tuple(replace(one, text=f"{one.text} {one.id}") for one in many), ("PER", "road", "roadno")
    )
    assert found(mini, rare=0) == [
        ("undeclared", "mini", "per (30 entities) is not among PER, road, roadno"),
        ("undeclared", "mini", "raodno (1 entities) is not among PER, road, roadno"),
        ("undeclared", "mini", "Ｐ_E-R (1 entities) is not among PER, road, roadno"),
        ("undeclared", "mini", "a, b (1 entities) is not among PER, road, roadno"),
        ("similar_labels", "mini", "PER (30 entities), per (30 entities), Ｐ_E-R (1 entities)"),
        ("rare_label", "mini", "raodno is on 1 of 123 entities; meant is perhaps roadno (30)"),
        ("label_signs", "mini", "a, b holds one of , ; :"),
    ]
    rare = [message for kind, _, message in found(mini, rare=0.01) if kind == "rare_label"]
    assert rare == [
        "raodno is on 1 of 123 entities; meant is perhaps roadno (30)",
        "Ｐ_E-R is on 1 of 123 entities",
        "a, b is on 1 of 123 entities",
    ]
    with pytest.raises(DataError, match="rare must be from 0 to 1; got 2"):
        check(mini, rare=2)


def test_texts_that_come_twice() -> None:
    one = replace(document(1, "[Ada|PER] met Bob"), split="train")
    other = replace(document(2, "[Ada|LOC] met Bob"), split="train")
    tested = replace(document(3, "[Ada|PER] met Bob"), split="test")
    again = replace(one, id="4")
    mini = Corpus("mini", (one, other, tested, again))
    assert found(mini) == [
        (
            "annotated_differently",
            "mini (train): document 2",
            "LOC 'Ada' is only here; the text is that of mini (train): document 1",
        ),
        ("split_overlap", "mini (test): document 3", "same text as mini (train): document 1"),
    ]


def test_every_kind_has_a_severity_and_a_meaning() -> None:
    assert {Finding(kind, "", "").severity for kind in KINDS} == {"error", "warning"}
    assert all(row.summary for row in KINDS.values())


def test_flat() -> None:
    entities = (
        Entity(0, 3, "a"),
        Entity(0, 9, "b"),
        Entity(4, 12, "c"),
        Entity(10, 12, "d"),
        Entity(0, 3, "e"),
    )
    assert [entity.label for entity in flat(entities, "outer")] == ["b", "d"]
    assert [entity.label for entity in flat(entities, "inner")] == ["a", "d"]
    assert inside(entities) == {0, 3, 4}
    assert [(a.label, b.label) for a, b in crossing(entities)] == [("b", "c")]
