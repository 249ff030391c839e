"""Facility location: the page's vectors, row-for-row equality with plain greedy, and the objective of others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay import diversity
from assay.errors import AssayWarning, DataError
from assay.select import coverage, facility_location
from tests.conftest import alpaca_vectors
from tests.golden.vectors import T3_R
from tests.oracles import selectors as oracle
from tests.oracles.novelsum import cosine_distances


def test_t3():
    chosen = facility_location(T3_R, budget=6)
    assert chosen.indices.tolist() == [16, 13, 19, 21, 20, 9]
    assert f"{chosen.facts['coverage']:.10f}" == "22.6088901796"
    assert_allclose(chosen.gains.sum(), chosen.facts["coverage"])
    measure = diversity.facility_location(T3_R[chosen.indices], reference=T3_R)
    assert_allclose(measure, 2 * chosen.facts["coverage"] - 24)
    weighed = facility_location(T3_R, budget=6, quality=np.arange(24) / 23, quality_weight=0.05)
    assert weighed.indices.tolist() == [20, 12, 23, 19, 21, 22]


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("listed", [0, coverage.LISTED], ids=["products", "lists"])
@pytest.mark.parametrize("seed", range(25))
def test_equals_plain_greedy_row_for_row(seed, listed, monkeypatch):
    monkeypatch.setattr(coverage, "LISTED", listed)
    rng = np.random.default_rng(seed)
    n, width = int(rng.integers(20, 70)), int(rng.integers(2, 9))
    rows = rng.normal(size=(n, width)) + 2 * rng.normal(size=(4, width))[rng.integers(4, size=n)]
    if seed % 3 == 0:  # copies tie
        rows[rng.choice(n, size=n // 4, replace=False)] = rows[rng.choice(n, size=n // 4, replace=False)]
    if seed % 2:
        rows = rows.astype(np.float32)
    options, rules = {"budget": n // 2}, {"budget": n // 2}
    if seed % 4 == 1:
        options["quality"] = rules["quality"] = rng.uniform(size=n)
        options["quality_weight"] = rules["weight"] = float(rng.choice([0, 0.01, 0.3, 1]))
    if seed % 5 < 2:
        options["initial_selected"] = rules["initial"] = rng.choice(n, size=3, replace=False).tolist()
    if seed % 5 == 1:
        options["groups"] = rules["groups"] = rng.integers(3, size=n).tolist()
        left = np.ones(n, dtype=bool)
        left[options["initial_selected"]] = False
        most = int(np.bincount(np.array(options["groups"])[left]).min())
        options["max_per_group"] = rules["maximum"] = dict.fromkeys(range(3), most)
        options["budget"] = rules["budget"] = min(n // 2, 3 * most)
    found = facility_location(rows, **options)
    chosen, gains, objective = oracle.facility_location(cosine_distances(rows), **rules)
    assert found.indices.tolist() == chosen
    assert_allclose(found.gains, gains, rtol=1e-9, atol=1e-12)
    assert_allclose(found.facts["coverage"], objective, rtol=1e-12)


def test_the_lists_change_nothing_on_real_rows(monkeypatch):
    rows = alpaca_vectors(6000)[:1200]
    listed = facility_location(rows, budget=120)
    monkeypatch.setattr(coverage, "LISTED", 60_000)  # after some dozens of choices
    late = facility_location(rows, budget=120)
    monkeypatch.setattr(coverage, "LISTED", 0)
    never = facility_location(rows, budget=120)
    for other in (late, never):
        assert other.indices.tolist() == listed.indices.tolist()
        assert other.gains.tobytes() == listed.gains.tobytes()
    assert listed.facts["evaluations"] < 0.2 * 1200 * 120


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # of submodlib's own imports
def test_submodlib_reaches_no_more():
    from submodlib import FacilityLocationFunction

    rows = np.random.default_rng(2).normal(size=(400, 8))
    similarity = 1 - cosine_distances(rows) / 2
    theirs = FacilityLocationFunction(n=400, mode="dense", sijs=similarity, separate_rep=False)
    found = theirs.maximize(budget=40, optimizer="LazyGreedy", show_progress=False)
    value = similarity[[i for i, _ in found]].max(axis=0).sum()
    assert_allclose(facility_location(rows, budget=40).facts["coverage"], value, rtol=1e-6)


def test_a_pool_of_copies_ends():
    with pytest.warns(AssayWarning, match="chosen rows are copies"):
        found = facility_location(np.repeat(T3_R, 10, axis=0), budget=100)
    assert found.indices[24:].tolist() == [i for i in range(240) if i not in set(found.indices[:24])][:76]
    assert (found.gains[24:] == 0).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"quality": np.arange(24)},
            r"quality must be from 0 to 1; 22 of 24 values are not, first at row 2 \(2\)",
        ),
        (
            {"quality": [np.nan] * 24},
            r"quality must be from 0 to 1; 24 of 24 values are not, first at row 0 \(nan",
        ),
        ({"quality": [1.0]}, r"quality must have one value a row, shape \(24,\); got shape \(1,\)\."),
        ({"quality_weight": 1.5}, r"quality_weight must be from 0 to 1; got 1\.5\."),
        ({"quality_weight": np.nan}, r"quality_weight must be from 0 to 1; got nan\."),
    ],
)
def test_errors(options, text):
    with pytest.raises(DataError, match=text):
        facility_location(T3_R, budget=3, **options)
