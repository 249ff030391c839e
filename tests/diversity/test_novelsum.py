"""NovelSum against the published page's vectors, a slow loop and its own promises."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.diversity.novelsum import VARIANTS, novelsum, novelty
from assay.errors import AssayWarning, DataError
from assay.neighbors import local_density
from tests.golden.vectors import CIRCLE, T2, T3, T3_R, T3_X
from tests.oracles import novelsum as oracle

NORMALISED = {"variant": "paper", "reduction": "mean"}


def digits(value: float, printed: str) -> None:
    """The value, rounded to as many decimals as were printed, is what was printed."""
    assert f"{value:.{len(printed.split('.')[1])}f}" == f"{float(printed):.{len(printed.split('.')[1])}f}"


@pytest.mark.parametrize("neighbors", [1, 2])
def test_t2_to_the_last_digit(neighbors):
    expected = T2[neighbors]
    options = {"reference": CIRCLE, "neighbors": neighbors}
    for value, printed in zip(
        local_density(CIRCLE, neighbors=neighbors, statistic="sum_cosine"), expected["density"], strict=True
    ):
        digits(value, printed)
    for name in ("paper", "official"):
        rows = novelty(CIRCLE, variant=name, **options)
        for value, printed in zip(rows, expected[f"{name} rows"], strict=True):
            digits(value, printed)
        digits(novelsum(CIRCLE, variant=name, **options), expected[name])
    digits(novelsum(CIRCLE, variant="paper", rank_by="weighted", **options), expected["paper weighted"])
    digits(novelsum(CIRCLE, **NORMALISED, **options), expected["paper normalised"])
    digits(novelsum(CIRCLE, include_self=False, **options), expected["official without self"])


@pytest.mark.parametrize(("alpha", "total", "official", "without"), T2["no density"])
def test_t2_without_density(alpha, total, official, without):
    digits(novelsum(CIRCLE, variant="paper", proximity_power=alpha), total)
    digits(novelsum(CIRCLE, proximity_power=alpha), official)
    digits(novelsum(CIRCLE, proximity_power=alpha, include_self=False), without)


def test_t2_by_hand():
    digits(novelty(CIRCLE, variant="paper")[0], "1.7534907555")


def test_t3_densities():
    paper = local_density(T3_X, reference=T3_R, neighbors=3, statistic="sum_cosine")
    for value, printed in zip(paper, T3["density"], strict=True):
        digits(value, printed)
    assert_allclose(local_density(T3_X, reference=T3_R, neighbors=3), 1.5 * paper, rtol=1e-7)  # the 1e-9


@pytest.mark.parametrize(("options", "printed"), T3["values"], ids=lambda x: str(x)[:60])
def test_t3_to_the_last_digit(options, printed):
    digits(novelsum(T3_X, reference=T3_R, neighbors=3, **options), printed)


def test_t3_special_sets():
    four = np.repeat(T3_X[[0, 1]], 4, axis=0)
    with pytest.warns(
        AssayWarning, match=r"6 of 8 samples are copies of another; they make the set less diverse\."
    ):
        digits(novelsum(four, reference=T3_R, neighbors=3), T3["two rows by four"])
        digits(novelsum(four), T3["two rows by four, no density"])
    with pytest.warns(AssayWarning, match=r"7 of 8 samples are copies of another"):
        assert novelsum(np.repeat(T3_X[:1], 8, axis=0), reference=T3_R, neighbors=3) == 0
        assert novelsum(np.repeat(T3_X[:1], 8, axis=0), variant="paper") == 0
    others = np.delete(T3_R, np.arange(0, 24, 3), axis=0)
    for name in ("official", "paper"):
        digits(novelsum(T3_X, reference=others, neighbors=3, variant=name), T3["disjoint", name])
    factor = 1 + np.arange(24)[:, None] / 10
    scaled = T3_R * factor
    for name in ("official", "paper"):
        digits(novelsum(scaled[::3], reference=scaled, neighbors=3, variant=name), T3["scaled", name])
    digits(novelsum(T3_X, reference=np.repeat(T3_R, 3, axis=0), neighbors=3), T3["official"])


def test_official_density_is_half_k_times_the_papers_on_unit_rows():
    k = 5
    ours = local_density(T3_R, neighbors=k)
    paper = local_density(T3_R, neighbors=k, statistic="sum_cosine")
    assert_allclose(ours, k / 2 * paper, rtol=1e-6)


KNOBS = list(
    itertools.product(
        ("self", "neighbor", "both"), ("mean_sq_l2", "sum_cosine"), (True, False), ("mean", "sum")
    )
)


@pytest.mark.parametrize("rank_by", ["distance", "weighted"])
@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_equals_the_slow_loop_for_every_knob(knobs, rank_by):
    rng = np.random.default_rng(3)
    pool = rng.normal(size=(40, 5)) * rng.uniform(0.5, 2, size=(40, 1))
    rows = np.concatenate([pool[:11], rng.normal(size=(6, 5))])
    names = ("density_side", "density_statistic", "include_self", "reduction")
    options = dict(zip(names, knobs, strict=True)) | {"rank_by": rank_by}
    for alpha, beta in ((0.0, 0.5), (1.0, 0.5), (2.0, 0.25), (0.7, 1.0)):
        powers = {"proximity_power": alpha, "density_power": beta, "neighbors": 4}
        assert_allclose(
            novelty(rows, reference=pool, **options, **powers),
            oracle.novelty(rows, reference=pool, **options, **powers),
            rtol=1e-10,
        )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("side", ["self", "neighbor", "both"])
def test_against_a_kept_set_is_the_value_of_joining_it_alone(variant, side):
    rng = np.random.default_rng(4)
    kept, new = rng.normal(size=(20, 5)), rng.normal(size=(4, 5))
    options = {"reference": kept, "variant": variant, "density_side": side, "neighbors": 3}
    values = novelty(new, against=kept, **options)
    for row, value in zip(new, values, strict=True):
        assert_allclose(novelty(np.vstack([kept, row]), **options)[-1], value, rtol=1e-10)
    copy = novelty(kept[3:4], against=kept, **options)[0]
    assert copy < values.min()
    with pytest.raises(DataError, match=r"reference must be a matrix or None with against; got 'self'\."):
        novelty(new, against=kept, reference="self")
    with pytest.raises(DataError, match=r"against must have as many dimensions as embeddings \(5\); got 2\."):
        novelty(new, against=kept[:, :2])


def test_float32_agrees_with_float64_and_threads_and_blocks_do_not_matter():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 24)).astype(np.float32)
    rows[5] = rows[9] * np.float32(1 + 1e-7)
    with pytest.warns(AssayWarning, match="copies"):
        assert_allclose(
            novelsum(rows, reference=rows),
            novelsum(rows.astype(np.float64), reference=rows.astype(float)),
            rtol=1e-6,
        )
        assert novelsum(rows, reference=rows) == novelsum(rows, reference=rows)


@pytest.mark.parametrize("variant", VARIANTS)
def test_laws(variant):
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(30, 6))
    order = rng.permutation(30)
    base = novelsum(rows, reference=rows, variant=variant)
    assert_allclose(novelsum(rows[order], reference=rows, variant=variant), base, rtol=1e-12)
    scaled = novelsum(3 * rows, reference=3 * rows, variant=variant)
    assert_allclose(scaled, base if variant == "paper" else base / 3, rtol=1e-7)
    sides = [
        novelsum(
            rows,
            reference=rows,
            variant=variant,
            reduction="sum",
            proximity_power=0,
            density_side=side,
            rank_by="distance",
        )
        for side in ("self", "neighbor")
    ]
    assert_allclose(sides[0], sides[1], rtol=1e-12)
    assert novelsum(rows, reference=rows, density_power=0) == novelsum(rows)


def test_plain_means_and_copies():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        for rows in (T3_X, CIRCLE):
            d = oracle.cosine_distances(rows)
            n = len(rows)
            flat = {"proximity_power": 0.0}
            assert_allclose(novelsum(rows, include_self=False, **flat), d.sum() / (n * (n - 1)))
            assert_allclose(novelsum(rows, **flat), d.mean())
            doubled = np.repeat(rows, 2, axis=0)
            for alpha in (0.0, 0.5, 1.0, 2.0):
                before = novelsum(rows, proximity_power=alpha)
                after = novelsum(doubled, proximity_power=alpha)
                assert after < before or (alpha == 0 and np.isclose(after, before))


def test_errors_and_warnings():
    good = T3_R
    for options, text in [
        ({"neighbors": 0, "reference": good}, r"neighbors must be >= 1; got 0\."),
        (
            {"neighbors": 24, "reference": good},
            r"neighbors must be <= the usable rows of the reference \(23\); got 24\.",
        ),
        ({"neighbors": 25, "reference": good}, r"usable rows of the reference \(24\); got 25"),
        ({"density_power": 0.5}, r"density_power must be 0 where there is no reference; got 0.5\."),
        ({"density_power": -1, "reference": good}, r"density_power must be >= 0; got -1\."),
        ({"proximity_power": -0.5}, r"proximity_power must be >= 0; got -0.5\."),
        ({"proximity_power": float("nan")}, r"proximity_power must be >= 0; got nan\."),
        (
            {"variant": "oficial"},
            r"variant must be one of official, paper; got 'oficial'\. Did you mean 'official'\?",
        ),
        ({"reference": good[:, :2]}, r"reference must have as many dimensions as embeddings \(3\); got 2\."),
        ({"reference": "pool"}, r"reference must be one of self; got 'pool'\."),
        ({"density": np.ones(3)}, r"density must have one value a row, shape \(24,\); got shape \(3,\)\."),
        (
            {"density": np.zeros(24)},
            r"density must be positive and finite; 24 of 24 values are not, first at row 0\.",
        ),
    ]:
        with pytest.raises(DataError, match=text):
            novelsum(good, **options)
    broken = good.copy()
    broken[7, 1] = np.nan
    with pytest.raises(
        DataError, match=r"embeddings must be finite; 1 of 24 rows hold NaN or inf, first at row 7\."
    ):
        novelsum(broken)
    with pytest.raises(DataError, match=r"reference must be finite; 1 of 24 rows"):
        novelsum(good, reference=broken)
    broken[7] = 0
    with pytest.raises(
        DataError, match=r"embeddings must have no zero rows.*1 of 24 rows are zero, first at row 7\."
    ):
        novelsum(broken)
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(DataError, match="embeddings must have at least one row and one column"):
            novelsum(np.ones(shape))
    with pytest.raises(DataError, match=r"embeddings must be a matrix of shape \(n, d\); got shape \(3,\)\."):
        novelsum(np.ones(3))
    with pytest.raises(DataError, match="density needs a positive sum of distances; 1 rows have 3 copies"):
        novelsum(good[:1], reference=np.repeat(good, 4, axis=0), neighbors=3, variant="paper")
    with pytest.warns(AssayWarning, match="one sample has no distances; its novelty is 0"):
        assert novelsum(good[:1]) == 0
    with pytest.warns(AssayWarning, match="the set is its own reference"):
        value = novelsum(good, reference="self", neighbors=3)
    assert value == novelsum(good, reference=good, neighbors=3)
    rng = np.random.default_rng(0)
    crowd = np.concatenate([rng.normal(size=(60, 8)), np.ones((12, 8)) + 1e-5 * rng.normal(size=(12, 8))])
    with pytest.warns(AssayWarning, match="the density weight of 12 of 72 rows is over 100 times the median"):
        novelsum(crowd, reference=crowd)


def test_warnings_point_to_the_caller():
    rows = np.repeat(T3_X, 2, axis=0)
    for measure in (novelsum, novelty):
        with pytest.warns(AssayWarning) as found:
            measure(rows, reference="self", neighbors=3)
        assert len(found) == 2
        assert {warning.filename for warning in found} == {__file__}


def test_arguments_that_nothing_would_read_are_refused():
    with pytest.raises(DataError, match=r"against_density must be left out without against; got densities\."):
        novelty(T3_X, against_density=np.ones(8))
    with pytest.raises(DataError, match=r"against_density must be given with density where there is no ref"):
        novelty(T3_X, against=T3_R, density=np.ones(8), variant="paper")
    assert len(novelty(T3_X, against=T3_R, density=np.ones(8))) == 8  # by the own density alone
    with pytest.raises(DataError, match=r"reference must be one of self; got 'pool'\."):
        novelsum(T3_X, reference="pool", density_power=0)


@pytest.mark.parametrize(
    "options", [{}, {"variant": "paper"}, {"density_side": "both", "rank_by": "weighted"}], ids=str
)
def test_on_a_device(options):
    rng = np.random.default_rng(2)
    rows, reference = (
        rng.normal(size=(150, 12)).astype(np.float32),
        rng.normal(size=(400, 12)).astype(np.float32),
    )
    there = novelsum(rows, reference=reference, device="torch:cpu", **options)
    assert_allclose(there, novelsum(rows, reference=reference, **options), rtol=1e-7)
    exact = {
        name: matrix.astype(np.float64) for name, matrix in (("embeddings", rows), ("reference", reference))
    }
    there = novelsum(**exact, device="torch:cpu", **options)
    assert_allclose(there, novelsum(**exact, **options), rtol=1e-12)
