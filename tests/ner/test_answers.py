"""Answers: what a model is taught to say is read back to the same entities, and what it makes up is counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.ner import Document, Entity
from assay.ner.answers import Aligned, align, lost, parse_answer, target

LABELS = ("person", "award->other", "地名")
PLAIN = st.characters(exclude_characters=";；:：", exclude_categories=("Cs",))
EDGE = PLAIN.filter(lambda sign: not sign.isspace())
SURFACES = st.one_of(
    st.sampled_from(["a", "aa", "an", "北京", "京", "None", "Answer", "U.S."]),
    st.builds(lambda a, b, c: a + b + c, EDGE, st.text(PLAIN, max_size=3), EDGE),
)
GAPS = st.sampled_from(["", " ", "a", ", ", "; ", "北", "\n", ": "])


@st.composite
def flat_documents(draw: st.DrawFn) -> Document:
    """Texts of mentions between gaps, no two of which share a character."""
    text, entities = draw(GAPS), []
    for surface in draw(st.lists(SURFACES, max_size=8)):
        if draw(st.integers(0, 3)):
            entities.append(Entity(len(text), len(text) + len(surface), draw(st.sampled_from(LABELS))))
        text += surface + draw(GAPS)
    return Document("1", text, tuple(entities))


@settings(derandomize=True, max_examples=300, deadline=None)
@given(flat_documents())
def test_what_is_taught_is_read_back(document: Document) -> None:
    assert lost(document) == ()
    pairs = parse_answer(target(document.text, document.entities))
    gold = sorted((e.label, document.surface(e)) for e in document.entities)
    assert sorted(pairs) == gold
    found = align(document.text, pairs, labels=LABELS)
    assert found.unplaced == 0
    assert sorted((e.label, document.text[e.start : e.end]) for e in found.entities) == gold
    assert len({(e.start, e.end, e.label) for e in found.entities}) == len(gold)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("None", []),
        ("", []),
        (" person: Ada; city: Rome", [("person", "Ada"), ("city", "Rome")]),
        ("Answer: person: Ada", [("person", "Ada")]),
        ("答案: 人名：张三；地名：北京", [("人名", "张三"), ("地名", "北京")]),
        ("work: Star Trek: Picard", [("work", "Star Trek: Picard")]),
        ("person: Ada; person: Ada", [("person", "Ada"), ("person", "Ada")]),
        ("person: ; : Ada; Bob; city :Rome;", [("city", "Rome")]),
        ("place: Paris, Texas", [("place", "Paris, Texas")]),
    ],
)
def test_answers_are_parsed(text: str, pairs: list[tuple[str, str]]) -> None:
    assert parse_answer(text) == pairs


def test_lists_of_mentions_are_parsed_where_asked() -> None:
    assert parse_answer("person: Ada, Bob; 地名: 北京、上海，广州", commas=True) == [
        ("person", "Ada"), ("person", "Bob"), ("地名", "北京"), ("地名", "上海"), ("地名", "广州"),
    ]  # fmt: skip


def places(found: Aligned) -> list[tuple[int, int]]:
    return [(e.start, e.end) for e in found.entities]


def test_mentions_take_their_places_from_left_to_right() -> None:
    text = "Paris said Paris Hilton of Paris"
    assert places(align(text, [("city", "Paris"), ("person", "Paris Hilton"), ("city", "Paris")])) == [
        (0, 5), (11, 23), (27, 32),
    ]  # fmt: skip
    assert places(align(text, [("person", "Paris Hilton"), ("city", "Paris")])) == [(11, 23), (27, 32)]
    assert places(align("Paris Hilton", [("person", "Paris Hilton"), ("city", "Paris")])) == [(0, 12), (0, 5)]
    assert places(align("in Rome", [("city", "Rome"), ("team", "Rome")])) == [(3, 7), (3, 7)]
    # against the order of the text, and inside a word only where it stands nowhere else
    assert places(align("Ann ran to an ant", [("x", "to"), ("x", "an"), ("x", "an"), ("x", "Ann")])) == [
        (8, 10), (11, 13), (14, 16), (0, 3),
    ]  # fmt: skip
    assert places(align("我爱北京天安门北京", [("地名", "北京"), ("地名", "北京")])) == [(2, 4), (7, 9)]


def test_what_has_no_place_is_counted() -> None:
    pairs = [("person", "Ada"), ("person", "Ada"), ("Person", "Bob"), ("animal", "Ada"), ("person", "ada")]
    found = align("Ada and Bob", pairs, labels=["person"])
    assert found == Aligned(
        (Entity(0, 3, "person"), Entity(8, 11, "person")),
        hallucinated=(("person", "ada"),),
        unknown_label=(("animal", "Ada"),),
        repeated=(("person", "Ada"),),
    )
    assert found.unplaced == 3
    assert len(align("Ada and Bob", pairs).entities) == 3


def test_what_an_answer_cannot_hold_is_known() -> None:
    text = "ab; cd left x right"
    kept = Entity(0, 2, "a")
    gone = (Entity(0, 6, "a"), Entity(3, 6, "a"), Entity(7, 19, "a", ((7, 11), (14, 19))))
    assert lost(Document("1", text, (kept, *gone))) == gone
    assert target(text, gone[2:]) == " a: left x right"
