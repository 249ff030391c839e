"""Which sets a study compares, and how they are drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from assay.errors import DataError
from assay.study import STRATEGIES, plan
from assay.study.plan import draw, file_name

SOURCES = {"a": 3000, "b": 2500, "c": 2000, "d": 1500, "e": 1200, "f": 1100, "tiny": 90}


def test_the_paper_has_53_sets() -> None:
    planned = plan(53, 1000, SOURCES)
    assert Counter(one.strategy for one in planned) == {name: row.share for name, row in STRATEGIES.items()}
    assert sum(row.share for row in STRATEGIES.values()) == 53
    assert len({one.name for one in planned}) == 53
    distinct = [one.settings["distinct"] for one in planned if one.strategy == "duplicate"]
    assert distinct[:8] == [1, 1, 5, 10, 50, 100, 200, 500]
    assert {one.settings["source"] for one in planned if one.strategy == "source"} == set("abcdef")


@pytest.mark.parametrize("count", [9, 10, 20, 31, 52, 54, 106, 200])
def test_any_number_of_sets(count: int) -> None:
    planned = plan(count, 1000, SOURCES)
    assert len(planned) == count
    assert len({one.name for one in planned}) == count
    assert {one.strategy for one in planned} == set(STRATEGIES)
    assert sum(one.strategy == "source" for one in planned) <= 6


def test_sources_too_small_go_to_random() -> None:
    planned = Counter(one.strategy for one in plan(53, 1000, {"a": 3000, "b": 900}))
    assert planned["source"] == 0
    assert planned["random"] == 11
    assert sum(planned.values()) == 53


def test_names_of_sources_stay_inside_the_folder() -> None:
    sources = {"../../a/b c": 100, "数学": 100, "x" * 300: 100}
    planned = plan(53, 20, sources)
    assert [one.name for one in planned if one.strategy == "source"] == [
        "20-source-.._.._a_b_c", "20-source-数学", f"20-source-{'x' * 60}",
    ]  # fmt: skip
    assert {one.settings.get("source") for one in planned} >= set(sources)
    assert file_name("gsm_8k-train.v2") == "gsm_8k-train.v2"


def test_draws_follow_their_strategy() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 8))
    vectors = (centres[rng.integers(4, size=400)] + 0.4 * rng.normal(size=(400, 8))).astype(np.float32)
    source_of = np.array(["a", "b"] * 200)
    for one in plan(40, 60, {"a": 200, "b": 200}):
        rows, facts = draw(one, vectors, source_of, 7)
        assert len(rows) == 60
        again, _ = draw(one, vectors, source_of, 7)
        assert rows.tolist() == again.tolist()
        if one.strategy == "duplicate":
            assert len(set(rows.tolist())) == one.settings["distinct"]
        else:
            assert len(set(rows.tolist())) == 60
            assert draw(one, vectors, source_of, 8)[0].tolist() != rows.tolist()
        if one.strategy == "source":
            assert set(source_of[rows]) == {one.settings["source"]}
        if one.strategy == "repr_filter":
            assert 0.9 <= facts["threshold"] < 1


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"sets must be >= 9, one for each strategy; got 8\."):
        plan(8, 1000, SOURCES)
    with pytest.raises(DataError, match=r"size must be <= half the pool \(5695 rows\).*got 5696\."):
        plan(53, 5696, SOURCES)
