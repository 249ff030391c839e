"""Tables of a knowledge study: worked out by hand on a few cells, and the paper's own in our layout."""

from __future__ import annotations

from typing import Any

import pytest

from assay.study.knowledge import published
from assay.study.knowledge.tables import tables
from tests.study.knowledge.made import accuracy, cell, study

LOW, HIGH = [0.0, 10.0, 20.0, 30.0, 40.0], [2.0, 20.0, 20.0, 30.0, 48.0]  # means 20 and 24


@pytest.fixture
def small() -> dict[str, Any]:
    """Two bins, two sizes, one or two seeds; no bin 3 out of domain."""
    return {
        "counts": {"train": [5, 4, 3, 2, 1], "ID": [1, 1, 1, 1, 1]},
        "original": {"sft": {"ID": accuracy([0.0, 0.0, 10.0, 10.0, 30.0])}},
        "cells": [
            cell(4, "all", 0, {"ID": LOW}, taken=1, train_accuracy=100.0),
            cell(4, 2, 1, {"ID": HIGH, "OOD": [1.0, 2.0, 3.0, None, 6.0]}, taken=1, train_accuracy=90.0),
            cell(4, 2, 0, {"ID": LOW, "OOD": [1.0, 2.0, 3.0, None, 2.0]}, taken=1, train_accuracy=80.0),
            cell(
                0, 2, 0, {"ID": LOW, "OOD": [1.0, 2.0, 3.0, None, 6.0]}, kl=0.5, train_accuracy=float("nan")
            ),
        ],
    }


def test_by_hand(small: dict[str, Any]) -> None:
    found = tables(small)
    assert list(found) == ["counts", "sizes", "bins-2", "bins-all", "train_accuracy", "kl"]
    assert found["counts"] == [
        {"facts": "train", "D0": 5, "D1": 4, "D2": 3, "D3": 2, "D4": 1, "all": 15},
        {"facts": "ID", "D0": 1, "D1": 1, "D2": 1, "D3": 1, "D4": 1, "all": 5},
    ]
    assert found["sizes"] == [
        {"test": "ID", "size": "original, SFT prompt", "D0": 10.0, "D0 sd": None, "D4": 10.0, "D4 sd": None},
        {"test": "ID", "size": "2", "D0": 20.0, "D0 sd": None, "D4": 22.0, "D4 sd": pytest.approx(8**0.5)},
        {"test": "ID", "size": "all", "D0": None, "D0 sd": None, "D4": 20.0, "D4 sd": None},
        {"test": "OOD", "size": "2", "D0": 3.0, "D0 sd": None, "D4": 2.5, "D4 sd": pytest.approx(0.5**0.5)},
        {"test": "OOD", "size": "all", "D0": None, "D0 sd": None, "D4": None, "D4 sd": None},
    ]
    original, low, high = found["bins-2"]
    assert (original["training bin"], original["ID D4"], original["OOD mean"]) == (
        "original, SFT prompt",
        30.0,
        None,
    )
    assert (low["training bin"], low["examples"], low["seeds"], low["ID mean"]) == ("D0", 2.0, 1, 20.0)
    assert (high["training bin"], high["examples"], high["seeds"]) == ("D4", 1.0, 2)
    assert [high[f"ID {name}"] for name in ("D0", "D1", "D4", "mean", "micro")] == [
        1.0,
        15.0,
        44.0,
        22.0,
        22.0,
    ]
    assert high["ID D1 sd"] == pytest.approx(50**0.5)
    assert [high[f"OOD {name}"] for name in ("D3", "D4", "mean")] == [None, 4.0, 2.5]
    assert found["train_accuracy"] == [
        {"size": "2", "D0": None, "D0 sd": None, "D4": 85.0, "D4 sd": pytest.approx(50**0.5)},
        {"size": "all", "D0": None, "D0 sd": None, "D4": 100.0, "D4 sd": None},
    ]
    (kl,) = found["kl"]
    assert (kl["training bin"], kl["paper, top 10"], kl["paper, top 5"], kl["seeds"]) == ("D0", 0.5, None, 1)


def test_rows_of_a_table_have_equal_keys() -> None:
    for rows in (*tables(study()).values(), *tables(study(sizes=(60,), seeds=1, mixed=False)).values()):
        assert len({tuple(row) for row in rows}) == 1


def test_the_papers_tables_are_sound() -> None:
    eight = published.COUNTS[published.MODEL]
    assert [sum(eight[name]) for name in ("train", "ID", "OOD")] == [75_944, 9_555, 11_613]
    for model in published.COUNTS.values():
        assert [sum(model[name]) for name in ("train", "ID", "OOD")] == [75_944, 9_555, 11_613]
    for tests in published.BINS.values():
        for rows in tests.values():
            for row in rows:
                assert row.mean == pytest.approx(sum(row.bins) / 5, abs=0.02)


def test_the_papers_table_comes_back_in_its_layout() -> None:
    rows = {test: published.BINS[published.MODEL][test] for test in ("ID", "OOD")}
    cells = [cell(b, 1920, 0, {test: rows[test][b].bins for test in rows}) for b in range(5)]
    found = tables({"counts": published.COUNTS[published.MODEL], "original": {}, "cells": cells})
    assert [found["bins-1920"].pop(0)[f"ID D{at}"] for at in (4,)] == [915]
    assert [row["all"] for row in found["counts"]] == [75_944, 9_555, 11_613]
    for b, row in enumerate(found["bins-1920"]):
        for test in rows:
            assert [row[f"{test} D{at}"] for at in range(5)] == list(rows[test][b].bins)
            assert row[f"{test} mean"] == pytest.approx(rows[test][b].mean, abs=0.02)
