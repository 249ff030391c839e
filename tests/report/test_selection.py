"""The numbers of a report, and what becomes of them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from assay.diversity import novelsum, novelty
from assay.errors import DataError
from assay.neighbors import local_density
from assay.report import (
    Choice,
    Findings,
    Pool,
    find,
    plane,
    result_sections,
    sections,
    write_atlas,
    write_page,
)
from assay.select import random

MEASURING = {"variant": "official", "neighbors": 3, "density_power": 0.5, "proximity_power": 1.0}


def _pool(n: int = 60, kept: int = 4) -> Pool:
    vectors = np.random.default_rng(3).normal(size=(n, 6)).astype(np.float32)
    vectors[9] = vectors[8] + 1e-3
    return Pool(
        vectors=vectors,
        texts=[f"text {row}" for row in range(n)],
        ids=[str(row) for row in range(n)],
        reference=vectors,
        density=local_density(vectors, neighbors=3),
        columns={"order": ["a", "b"] * (n // 2)},
        kept=kept,
    )


CHOICES = (
    Choice("one", np.arange(8, 28), np.linspace(2, 1, 20), measured={"selected": 0.5}),
    Choice("two", np.arange(20, 50), np.full(30, np.nan), greedy=False),
)


def _found(pool: Pool, choices: tuple[Choice, ...] = CHOICES, **changes: Any) -> Findings:
    return find(pool, choices, measuring=MEASURING, stage=lambda name: nullcontext(), **changes)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
def test_novelty_of_chosen_and_other_rows() -> None:
    pool = _pool()
    values = _found(pool).novelty[0]
    inside = np.concatenate([CHOICES[0].rows, np.arange(56, 60)])
    assert pool.density is not None
    within = novelty(pool.vectors[inside], density=pool.density[inside], **MEASURING)
    np.testing.assert_allclose(values[inside], within, rtol=1e-6)
    for row in (0, 30, 55):  # joined to the set, and measured there
        joined = np.append(inside, row)
        own = novelty(pool.vectors[joined], density=pool.density[joined], **MEASURING)[-1]
        assert values[row] == pytest.approx(own, rel=1e-6)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
def test_curves_hold_prefixes_and_the_random_selector() -> None:
    pool = _pool()
    curves = _found(pool, seed=7).curves
    assert pool.density is not None
    by_set = {(row["set"], row["budget"]): row for row in curves}
    assert {name for name, _ in by_set} == {"one", "two", "random"}
    kept = np.arange(56, 60)
    for rows, row in (
        (CHOICES[0].rows[:12], by_set["one", 12]),
        (CHOICES[1].rows, by_set["two", 30]),
    ):
        inside = np.concatenate([rows, kept])
        value = novelsum(pool.vectors[inside], density=pool.density[inside], **MEASURING)
        assert row["novelsum"] == pytest.approx(value, rel=1e-9)
    draws = [random(pool.vectors[:56], budget=30, seed=7 + draw).indices for draw in range(5)]
    values = [
        novelsum(pool.vectors[inside], density=pool.density[inside], **MEASURING)
        for inside in (np.concatenate([rows, kept]) for rows in draws)
    ]
    row = by_set["random", 30]
    assert (row["low"], row["high"]) == pytest.approx((min(values), max(values)), rel=1e-9)
    assert row["novelsum"] == pytest.approx(np.mean(values), rel=1e-9)


def test_measures_are_taken_at_half_of_the_smallest_set_beside_a_random_one() -> None:
    rows = _found(_pool()).measures
    assert {row.set for row in rows} == {"one", "two", "random"}
    assert {row.size for row in rows} == {12}
    assert {row.n for row in rows} == {24, 34}
    assert all((row.difference is None) == (row.set == "random") for row in rows)


def test_a_choice_of_two_rows_is_shown_without_draws(tmp_path: Path) -> None:
    pool = _pool(kept=0)
    choice = (Choice("two", np.array([3, 1]), np.array([np.nan, 1.0])),)
    found = _found(pool, choice)
    assert found.measures == []
    write_page(tmp_path / "a.html", title="two", sections=sections(pool, choice, found))


def test_without_density_its_sections_are_left_out() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    names = [str(row) for row in range(30)]
    pool = Pool(vectors, names, names)
    choice = (Choice("all", np.arange(30), np.full(30, np.nan)),)
    found = find(pool, choice, measuring={"density_power": 0.0}, stage=lambda name: nullcontext())
    headings = [section.heading for section in sections(pool, choice, found)]
    assert headings == [
        "Measures",
        "NovelSum at every budget",
        "Map",
        "Most novel rows chosen",
        "Least novel rows chosen",
        "Near duplicates",
    ]


def test_examples() -> None:
    pool = _pool()
    found = _found(pool)
    by_heading = {section.heading: section for section in sections(pool, CHOICES, found)}
    table = by_heading["Most novel rows chosen: one"].table
    assert table is not None
    best = max(CHOICES[0].rows, key=lambda row: found.novelty[0][row])
    assert table[0]["row"] == best
    assert table[0]["text"] == f"text {best}"
    assert table[0]["choice"] == best - 7
    near = by_heading["Near duplicates"].table
    assert near is not None
    assert (near[0]["row"], near[0]["other row"], near[0]["both chosen"]) == (8, 9, "one")
    left = by_heading["What was left out: two"].table
    assert left is not None
    inside = {*CHOICES[1].rows.tolist(), *range(56, 60)}
    assert all(row["row"] not in inside and row["nearest row"] in inside for row in left)
    gaps = [row["cosine distance"] for row in left]
    assert gaps == sorted(gaps)


def test_pca_is_that_of_the_unit_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 5)) * np.array([1, 4, 2, 1, 1])
    points, said = plane(rows)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    left, size, right = np.linalg.svd(centred, full_matrices=False)
    for at in range(2):
        sign = np.sign(right[at][np.abs(right[at]).argmax()])
        np.testing.assert_allclose(points[:, at], sign * left[:, at] * size[at], atol=1e-5)
    assert f"{(size[:2] ** 2).sum() / (size**2).sum():.0%} of their variance" in said


def test_pca_of_one_dimension_or_one_row() -> None:
    assert plane([[1.0], [-1.0], [2.0]])[0][:, 1].tolist() == [0, 0, 0]
    assert plane([[1.0, 2.0]])[0].tolist() == [[0, 0]]


@pytest.mark.slow  # no model, but half a minute of compilation
def test_umap_is_the_same_again() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 5))
    first, said = plane(rows, method="umap", seed=1)
    again, _ = plane(rows, method="umap", seed=1)
    other, _ = plane(rows, method="umap", seed=2)
    assert first.shape == (60, 2)
    assert np.isfinite(first).all()
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert "UMAP" in said


def test_an_unknown_plane() -> None:
    with pytest.raises(DataError, match="method must be one of pca, umap; got 'tsne'"):
        plane([[1.0, 2.0]], method="tsne")


def test_the_atlas_holds_places_and_neighbours(tmp_path: Path) -> None:
    pool = _pool(kept=0)
    found = _found(pool, neighbors=4)
    write_atlas(tmp_path / "atlas.parquet", pool, CHOICES, found)
    table = pq.read_table(tmp_path / "atlas.parquet").to_pydict()
    rows = pool.vectors.astype(float)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    gap = 1 - unit @ unit.T
    np.fill_diagonal(gap, np.inf)
    for row, near in enumerate(table["neighbors"]):
        assert near["ids"] == np.argsort(gap[row], kind="stable")[:4].tolist()
        np.testing.assert_allclose(near["distances"], np.sort(gap[row])[:4], atol=1e-6)
    np.testing.assert_array_equal(np.column_stack([table["x"], table["y"]]).astype("f4"), found.points)
    assert table["text"][3] == "text 3"
    assert table["order"] == ["a", "b"] * 30  # a label column keeps its name where it can
    assert (table["order_1"][8], table["order_1"][27], table["order_1"][28]) == (1, 20, None)
    assert table["novelty_2"] == found.novelty[1].tolist()


def test_results_of_other_commands_are_tables() -> None:
    rows = [{"set": "a", "value": 1.0, "more": {"low": 0.5, "high": 2}}]
    [section] = result_sections("Measure", rows)
    assert section.table == [{"set": "a", "value": 1.0, "more": "low 0.5, high 2"}]
    found = result_sections("Correlate", {"results": rows, "seed": 3, "by_group": [1, 2], "none": []})
    assert [section.heading for section in found] == [
        "Correlate",
        "Correlate: results",
        "Correlate: by group",
    ]
    assert found[0].table == [{"what": "seed", "value": 3}]
    [long] = result_sections("Rows", [{"n": n} for n in range(600)])
    assert long.text == "The first 500 of 600 rows."
    assert long.table is not None
    assert len(long.table) == 500
