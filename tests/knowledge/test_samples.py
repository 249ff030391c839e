"""Facts as training data: the conversations, and the cells of the grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.data import read, write
from assay.errors import DataError
from assay.knowledge import Question, balanced_subset, bin_subset, mixed_subset, samples_of, trainable


def made(count: int = 20) -> tuple[list[Question], list[int]]:
    questions = [
        Question(f"f{n}", f"subject {n}", f"r{n % 3}", f"What is r of subject {n}?", (f"a{n}", "other"))
        for n in range(count)
    ]
    return questions, [(0, 2, 4)[n // 2 % 3] for n in range(count)]


def test_conversations_are_read_back_as_they_were(tmp_path: Path) -> None:
    questions, _ = made(4)
    samples = samples_of(questions)
    assert [one.messages[1].content for one in samples] == ["a0", "a1", "a2", "a3"]
    assert write(samples, tmp_path / "train.jsonl") == 4
    back = list(read(tmp_path / "train.jsonl"))
    assert [(one.id, one.messages, one.row) for one in back] == [
        (one.id, one.messages, one.row) for one in samples
    ]
    assert {one.format for one in back} == {"messages"}


def test_each_bin_is_the_choice_that_it_names() -> None:
    questions, categories = made()
    ids, relations = [one.id for one in questions], [one.relation for one in questions]
    for bin, category in (("D2", 2), ("D4", 4)):
        found = bin_subset(questions, categories, bin=bin, size=5, seed=3)
        expected = balanced_subset(
            ids, relations, size=5, categories=categories, category=category, seed=3
        )  # fmt: skip
        assert found.indices.tolist() == expected.indices.tolist()
        assert {categories[at] for at in found.indices} == {category}
    mixed = bin_subset(questions, categories, bin="mixed", size=9, seed=3)
    assert mixed.indices.tolist() == mixed_subset(ids, relations, categories, size=9, seed=3).indices.tolist()
    every = bin_subset(questions, categories, bin="all")
    assert sorted(every.indices.tolist()) == list(range(20))


def test_what_is_asked_for_must_be_there() -> None:
    questions, categories = made()
    with pytest.raises(
        DataError, match=r"bin must be one that facts are in, D0, D2, D4; got D1, which is empty"
    ):
        bin_subset(questions, categories, bin="D1")
    with pytest.raises(DataError, match="bin must be one of D0, D1, D2, D3, D4, mixed, all; got 'D5'"):
        bin_subset(questions, categories, bin="D5")
    with pytest.raises(DataError, match=r"size must be <= the facts there are \(8\); got 9"):
        bin_subset(questions, categories, bin="D0", size=9)


def test_tests_and_other_domains_are_not_trained_on() -> None:
    kinds = [("train", "ID"), ("train", "OOD"), ("test", "ID"), ("", ""), ("dev", "")]
    asked = [
        Question(str(n), "s", "r", "?", ("a",), split=split, domain=domain)
        for n, (split, domain) in enumerate(kinds)
    ]
    assert [one.id for one in trainable(asked)] == ["0", "3"]
