"""The null model, enrichment and shrinking against the description's numbers and samples."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr

from assay.errors import DataError
from assay.weights import closed_form, counted, enrichment, null_shares, redrawn, select, shrink
from tests.golden import weights as golden


@pytest.mark.parametrize(("change", "sigma"), golden.NULL)
def test_the_table_of_the_description(change, sigma):
    found = 100 * null_shares(golden.PERCENTS, change=change, sigma=sigma)
    assert found[:, 0] == pytest.approx(golden.NULL[change, sigma], abs=0.0051)
    if change == "gaussian":
        assert found[:, 1] == pytest.approx(golden.NULL_ABSOLUTE, abs=0.0051)
        assert found[:, 2] == pytest.approx(golden.NULL_ENERGY, abs=0.0051)
    else:
        assert found[:, 1] == pytest.approx(golden.PERCENTS)
        assert found[:, 2] == pytest.approx(golden.PERCENTS)


def test_epsilon_makes_the_share():
    for epsilon, share in golden.NULL_BY_EPSILON.items():
        found = 100 * null_shares([1], change="constant", epsilon=epsilon)[0, 0]
        assert found == pytest.approx(share, abs=0.0051)


def test_the_closed_form():
    found = [100 * closed_form(percent) for percent in golden.PERCENTS[:4]]
    assert found == pytest.approx(golden.CLOSED_FORM, abs=0.0051)
    for sigma, epsilon in ((0.03, 1e-8), (0.015, 1e-10)):
        exact = null_shares([0.01, 1], change="constant", sigma=sigma, epsilon=epsilon)[:, 0]
        assert [closed_form(one, sigma=sigma, epsilon=epsilon) for one in (0.01, 1)] == pytest.approx(
            exact, abs=2e-5
        )


def test_the_paper_s_shares_are_the_null_s():
    null = 100 * null_shares(golden.PERCENTS)[:, 0]
    assert np.abs(np.array(golden.TABLE_3) - null).max() <= 0.8


def test_ends_and_errors():
    for change in ("gaussian", "constant"):
        assert null_shares([0, 100], change=change) == pytest.approx(np.array([[0] * 3, [1] * 3]), abs=1e-12)
    for wrong in ({"sigma": 0}, {"epsilon": -1}, {"change": "cauchy"}):
        with pytest.raises(DataError, match=f"{next(iter(wrong))} must be"):
            null_shares([1], **wrong)
    with pytest.raises(DataError, match="percents must be from 0 to 100"):
        null_shares([101])


def test_a_sample_has_the_shares_of_the_null_and_a_factor_on_the_change_none():
    rng = np.random.default_rng(0)
    p = rng.normal(0, 0.015, 1_000_000).astype(np.float32)
    d = rng.normal(0, 1, len(p)).astype(np.float32)
    shares = []
    for factor in (2.0**-15, 2.0**-10):
        s = (p.astype(np.float64) + factor * d).astype(np.float32)
        shares.append(select(lambda s=s: [("w", 0, p, s)], golden.PERCENTS).shares)
    null = null_shares(golden.PERCENTS)
    assert shares[0] == pytest.approx(shares[1], abs=2e-3)
    assert shares[0][:, 1:] == pytest.approx(null[:, 1:], abs=2e-3)
    assert shares[0][:, 0] == pytest.approx(null[:, 0], abs=0.15)  # sd .04 at 1 percent


@pytest.mark.parametrize("change", ["gaussian", "constant"])
def test_counted_gaussian_weights_are_as_the_formula_has_them(change):
    edges = (np.arange(1021, dtype=np.uint32) << 21).view(np.float32).astype(float)
    counts = np.append(np.diff(2 * ndtr(edges / 0.015) - 1), [0, 0, 0, 0])
    expected = null_shares(golden.PERCENTS, change=change)
    assert null_shares(golden.PERCENTS, counts=counts, change=change) == pytest.approx(expected, abs=8e-4)
    with pytest.raises(DataError, match=r"counts must be 256 \* 2\^k numbers, not all 0; got shape \(3,\)"):
        null_shares([1], counts=np.ones(3))


@pytest.mark.parametrize("ranking", ["relative", "absolute", "magnitude", "random"])
@pytest.mark.parametrize("bottom", [False, True])
def test_every_ranking_of_weights_that_are_no_gaussian(ranking, bottom):
    """Two widths and one weight in a thousand that is 0, as a quantised model has: these hold nearly all of sum r."""
    rng = np.random.default_rng(0)
    p = (rng.normal(0, 1, 1_000_000) * np.repeat([0.01, 0.1], 500_000)).astype(np.float32)
    p[rng.integers(0, len(p), 1000)] = 0
    s = (p.astype(np.float64) + 1e-3 * rng.normal(0, 1, len(p))).astype(np.float32)
    counts = np.zeros(1024, np.int64)
    cuts = [0, 1, 65_000, 65_535, 70_001, 500_003, len(p)]
    parts = [("w", a, p[a:b], s[a:b]) for a, b in pairwise(cuts)]
    chunks, whole = counted(lambda: parts, counts), np.zeros(1024, np.int64)
    for _ in counted(lambda: [("w", 0, p, s)], whole)():
        pass
    found = select(chunks, golden.PERCENTS, ranking=ranking, bottom=bottom).shares
    assert counts.tolist() == whole.tolist()
    assert counts[0] == pytest.approx(1000, rel=0.4)
    assert counts.sum() == pytest.approx(len(p), rel=1e-4)
    exact = np.bincount(p.view(np.uint32) >> 21 & 1023, minlength=1024)
    null = null_shares(golden.PERCENTS, counts=exact, ranking=ranking, bottom=bottom)
    assert null[:, 1:] == pytest.approx(found[:, 1:], abs=3e-3)
    few = 0.04 if ranking in ("random", "absolute") else 3e-3  # a thousand weights make sum r
    assert null[:, 0] == pytest.approx(found[:, 0], abs=few)
    if (ranking, bottom) == ("relative", False):
        assert null[0, 0] > 0.99
        assert null_shares([1], sigma=0.07)[0, 0] < 0.75


def test_shuffled_changes_of_weights_that_changed_in_proportion():
    """Relative change is the same for all weights, so that a share of sum r tells of training; the null's does not."""
    rng = np.random.default_rng(0)
    p = rng.normal(0, 0.015, 400_000).astype(np.float32)
    s = p * np.float32(1.002)
    s[::2] = p[::2]
    parts = [("a", 0, p[:100_000], s[:100_000]), ("a", 100_000, p[100_000:], s[100_000:])]
    null = redrawn(lambda: parts, seed=3)
    for (_, _, a, b), (_, _, again, moved), (_, _, _, same) in zip(parts, null(), null(), strict=True):
        assert a is again
        assert (moved == same).all()
        assert np.sort(moved - a) == pytest.approx(np.sort(b - a), abs=4e-9)
        assert ((moved == a) == (b == a)).mean() < 0.6
    trained, chance = (select(one, [1, 20]).shares for one in (lambda: parts, null))
    assert trained[:, 0] == pytest.approx([0.02, 0.4], abs=0.01)
    assert chance[0, 0] > 0.5
    assert select(null, [1]).groups[""].changed == pytest.approx(200_000, abs=9)  # some round to none


def test_enrichment_of_the_paper_s_table():
    assert enrichment(golden.TABLE_10, golden.SIZES) == pytest.approx(golden.ENRICHMENT, abs=0.0051)
    with pytest.raises(DataError, match="as many as the groups"):
        enrichment([1, 2], [1])


def test_shrinking():
    rng = np.random.default_rng(0)
    p = (rng.normal(size=10_000) * 10.0 ** rng.uniform(-40, 5, 10_000)).astype(np.float32)
    s = (rng.normal(size=10_000) * 10.0 ** rng.uniform(-40, 5, 10_000)).astype(np.float32)
    assert (shrink(p, s, energy=0).view(np.uint32) == s.view(np.uint32)).all()
    assert (shrink(p, s, energy=1).view(np.uint32) == p.view(np.uint32)).all()
    s = p + rng.normal(0, 1, len(p)).astype(np.float32)
    d, left = (x.astype(np.float64) - p for x in (s, shrink(p, s, energy=0.36)))
    big = np.abs(p) < 1
    assert left[big] == pytest.approx(0.8 * d[big], abs=1e-6)
    with pytest.raises(DataError, match="energy must be from 0 to 1"):
        shrink(p, s, energy=1.1)
