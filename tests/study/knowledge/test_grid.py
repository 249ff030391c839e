"""Which facts a study asks, and which fine-tunings it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from assay.errors import DataError
from assay.knowledge import Question
from assay.study.knowledge.grid import GridCell, checked, grid, sets_of


def questions(*, split: bool = True) -> list[Question]:
    """Ten facts of two relations in the domain and one out of it; the last four of each to test on."""
    return [
        Question(
            f"{relation}:{row}", f"s{row}", relation, f"{relation} s{row}?", ("a",),
            domain="OOD" if relation == "P3" else "ID",
            split="" if not split else "test" if row > 5 or relation == "P3" else "train",
        )
        for relation in ("P1", "P2", "P3")
        for row in range(10)
    ]  # fmt: skip


def test_sets_are_the_splits_by_domain() -> None:
    found, notes = sets_of(questions())
    assert {name: len(part) for name, part in found.items()} == {"train": 12, "ID": 8, "OOD": 10}
    assert notes == []


def test_sets_are_cut_evenly_and_the_cut_is_told() -> None:
    found, notes = sets_of(questions(), train_facts=4, test_facts=8, ood_facts=0, seed=3)
    assert Counter(one.relation for one in found["train"]) == {"P1": 2, "P2": 2}
    assert [len(found[name]) for name in ("ID", "OOD")] == [8, 0]
    assert notes == [
        "train: 4 of 12 facts, balanced over relations",
        "OOD: 0 of 10 facts, balanced over relations",
    ]
    assert sets_of(questions()[::-1], train_facts=4, seed=3)[0]["train"] == found["train"][::-1]
    assert sets_of(questions(), train_facts=4, seed=4)[0]["train"] != found["train"]


def test_facts_of_no_set_are_counted() -> None:
    some = questions()
    some[0], some[25] = replace(some[0], split="dev"), replace(some[25], split="train")
    assert sets_of(some)[1] == ["2 of 30 facts are of no set: of other splits, or to train on out of domain"]


def test_facts_without_a_split_are_halved() -> None:
    found, notes = sets_of(questions(split=False))
    assert Counter(one.relation for one in found["train"]) == {"P1": 5, "P2": 5}
    assert Counter(one.relation for one in found["ID"]) == {"P1": 5, "P2": 5}
    assert {one.split for one in found["train"]} == {"train"}
    assert len(found["OOD"]) == 10
    assert notes == ["the facts have no split: of each relation half of them are to train on"]


def test_what_a_bin_cannot_fill_is_left_out_with_the_reason() -> None:
    categories = [0] * 20 + [2] * 9 + [4] * 3
    cells, left_out = grid(categories, bins=[0, 2, 3, 4], sizes=[8, 16, "all"], seeds=[5, 6], mixed=True)
    assert [cell.name for cell in cells if cell.seed == 5] == [
        "D0-8-s5", "D0-16-s5", "D0-all-s5", "D2-8-s5", "D2-all-s5", "mixed-8-s5", "mixed-16-s5",
    ]  # fmt: skip
    assert len(cells) == 14
    told = {(row["bin"], row["size"]): row["reason"] for row in left_out}
    assert told == {
        (2, 16): "9 training facts, fewer than 16",
        (3, 8): "0 training facts, fewer than 8",
        (3, 16): "0 training facts, fewer than 16",
        (3, "all"): "0 training facts, fewer than 8",
        (4, 8): "3 training facts, fewer than 8",
        (4, 16): "3 training facts, fewer than 16",
        (4, "all"): "3 training facts, fewer than 8",
        ("mixed", "all"): "whole bins differ in size",
    }


def test_the_grid_is_put_in_order() -> None:
    assert checked([4, 0, 4], ["all", 9, 3], 2, 7) == ([0, 4], [3, 9, "all"], [7, 8])
    assert GridCell(2, 240, 0).name == "D2-240-s0"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bins": [5]}, r"bins must be <= 4; got 5\."),
        ({"bins": []}, r"bins must hold at least one; got none\."),
        ({"sizes": []}, r"sizes must hold at least one; got none\."),
        ({"sizes": [0]}, r"sizes must be >= 1; got 0\."),
        ({"sizes": ["al"]}, r"sizes must be one of all; got 'al'"),
        ({"seeds": 0}, r"seeds must be >= 1; got 0\."),
        ({"seed": -1}, r"seed must be >= 0; got -1\."),
    ],
)
def test_refusals(changed: dict[str, object], message: str) -> None:
    arguments = {"bins": [0], "sizes": [1], "seeds": 1, "seed": 0} | changed
    with pytest.raises(DataError, match=message):
        checked(*arguments.values())  # type: ignore[arg-type]


def test_sets_and_grids_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"facts must have some of the split train; got none of 12\."):
        sets_of(
            [one for one in questions() if one.split == "test" and one.relation != "P3"][:8]
            + questions()[-4:]
        )
    with pytest.raises(DataError, match=r"train_facts must be >= 1; got 0\."):
        sets_of(questions(), train_facts=0)
    with pytest.raises(
        DataError, match=r"sizes must be such that a bin can fill one; got 60 for .* D0 3, D1 0\."
    ):
        grid([0, 0, 0], bins=[0, 1], sizes=[60], seeds=[0], mixed=True)
