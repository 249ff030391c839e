"""Filters against loops, and what holds for every set; traps against counting by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.knowledge import FILTERS, Question, hold_out, keep, read_facts, traps
from tests.knowledge import made
from tests.oracles.facts import kept_by_a_loop

rows = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["train", "test"]),
        st.lists(st.sampled_from("xyz"), min_size=1),
    ),
    max_size=12,
)


def asked(drawn: list[tuple[str, str, list[str]]]) -> list[Question]:
    return [
        Question(str(number), text, text, f"{text}?", tuple(answers), split=split)
        for number, (text, split, answers) in enumerate(drawn)
    ]


@settings(derandomize=True, max_examples=200)
@given(rows, st.permutations(list(FILTERS)))
def test_kept_as_by_a_loop(drawn: list[tuple[str, str, list[str]]], order: list[str]) -> None:
    questions = asked(drawn)
    kept = keep(questions, order)
    assert [q.id for q in kept.questions] == kept_by_a_loop(drawn, order)
    assert [name for name, _ in kept.steps] == ["raw", *order]
    assert kept.steps[-1][1] == kept.questions
    assert keep(kept.questions, order).questions == kept.questions
    assert keep(questions, ()).questions == tuple(questions)


def test_one_answer_first_keeps_more(tmp_path: Path) -> None:
    facts = read_facts(made.entityquestions(tmp_path))
    train = [question for question in facts.questions if question.split == "train"]
    first = keep(train, ("one-answer", "unique"))
    assert [len(left) for _, left in first.steps] == [7, 6, 5]
    swapped = keep(train, ("unique", "one-answer"))
    assert [len(left) for _, left in swapped.steps] == [7, 5, 4]
    assert {q.id for q in first.questions} - {q.id for q in swapped.questions} == {"train:P276:1"}


def test_refusals() -> None:
    with pytest.raises(
        DataError, match=r"filter must be one of one-answer, unique; got 'uniq'\. Did you mean"
    ):
        keep([], ("uniq",))
    with pytest.raises(DataError, match="filter must be named once; got 'unique' twice"):
        keep([], ("unique", "unique"))


def test_held_out() -> None:
    questions = [
        Question(f"{relation}{n}", "", relation, f"{relation}{n}?", ("a",), split=split)
        for relation, size in (("P1", 40), ("P2", 10), ("P3", 3))
        for split in ("train", "test")
        for n in ([*range(size)] if split == "train" else [f"t{m}" for m in range(size)])
    ]
    held = hold_out(questions, percent=25)
    dev = [question for question in held if question.split == "dev"]
    assert [sum(q.relation == r for q in dev) for r in ("P1", "P2", "P3")] == [10, 2, 0]
    assert [q.id for q in held] == [q.id for q in questions]
    assert [q for q in held if q.split == "test"] == [q for q in questions if q.split == "test"]
    # by id and seed alone: the order of rows does not matter
    assert {q.id for q in hold_out(questions[::-1], percent=25) if q.split == "dev"} == {q.id for q in dev}
    assert {q.id for q in hold_out(questions, percent=25, seed=1) if q.split == "dev"} != {q.id for q in dev}
    more = [*questions, Question("P1x", "", "P1", "x?", ("a",), split="train")]
    assert len({q.id for q in dev} - {q.id for q in hold_out(more, percent=25) if q.split == "dev"}) <= 1
    assert hold_out(questions, percent=0) == tuple(questions)
    with pytest.raises(DataError, match="questions must have no split 'dev'"):
        hold_out(held)
    with pytest.raises(DataError, match="questions must have a split 'train'"):
        hold_out([question for question in questions if question.split == "test"])
    with pytest.raises(DataError, match="percent must be from 0 to 100; got 101"):
        hold_out(questions, percent=101)


def test_traps(tmp_path: Path) -> None:
    facts = read_facts(made.entityquestions(tmp_path))
    train = [question for question in facts.questions if question.split == "train"]
    found = traps(train)
    # P36: Munich, Ulm; P131: Swabia twice of two; P276: Germany twice of three
    assert found.majority_percent == pytest.approx(100 * (1 + 2 + 2) / 7)
    assert found.majority_answer == "Germany"
    # the Ulm District and one Ulm fair
    assert found.subject_percent == pytest.approx(100 * 2 / 7)
    assert (found.trained_answer_percent, found.trained_questions) == (None, None)
    asked = [
        Question("1", "Ulm", "P276", "Where is Ulm located?", ("Bavaria", "Swabia")),
        Question("2", "Bonn", "P276", "Where is Bonn located?", ("Bonn am Rhein",)),
    ]
    found = traps(asked, train=train)
    assert (found.trained_answer_percent, found.trained_questions, found.subject_percent) == (50, 1, 0)
