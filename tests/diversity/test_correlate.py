"""Correlation with performance: the published points, slow loops, and what must hold for any table."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.diversity import correlate, novelsum, novelsum_grid
from assay.errors import AssayWarning, DataError
from tests.golden.points import MEAN, PEARSON, POINTS, SPEARMAN, TOLERANCE
from tests.oracles.correlation import bootstrap, coefficients

STRATEGY = np.array([strategy for strategy, _, _ in POINTS])
NOVELSUM = np.array([value for _, value, _ in POINTS])
PERFORMANCE = np.array([value for _, _, value in POINTS])


def table(n=20, seed=0):
    """Columns with ties: a measure that predicts, one that does not, and two performances."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=n)
    near, far = (worth + 0.5 * rng.normal(size=n)).round(1), rng.normal(size=n).round(0)
    return {"near": near, "far": far}, {"mt": worth.round(1), "ae": 70 + 5 * (worth + rng.normal(size=n))}


def test_the_published_points():
    everything, rest = correlate(
        {"novelsum": NOVELSUM}, PERFORMANCE, without={"duplicates": STRATEGY == "duplicate"}
    )
    assert abs(everything.pearson - PEARSON) <= TOLERANCE
    assert abs(everything.spearman - SPEARMAN) <= TOLERANCE
    assert abs(everything.mean - MEAN) <= TOLERANCE
    assert (everything.sets, everything.n, rest.sets, rest.n) == ("all", 40, "without duplicates", 18)
    # without the sets built of duplicates less is left, as scipy says of the other 18 points
    keep = STRATEGY != "duplicate"
    expected = coefficients(NOVELSUM[keep], PERFORMANCE[keep])
    assert_allclose((rest.pearson, rest.spearman, rest.mean), expected, rtol=1e-12)
    assert rest.mean < everything.mean - 0.05
    assert rest.mean_high - rest.mean_low > everything.mean_high - everything.mean_low


@pytest.mark.parametrize("n", [4, 20])
def test_equal_slow_loops(n):
    measures, performance = table(n, seed=3)
    found = correlate(measures, {"mt": performance["mt"]}, resamples=300, confidence=0.8, seed=5)
    for row in found:
        x, y = measures[row.measure], performance["mt"]
        assert_allclose((row.pearson, row.spearman, row.mean), coefficients(x, y), rtol=1e-12)
        draws, flat = bootstrap(x, y, resamples=300, seed=5)
        low, high = np.quantile(draws, [0.1, 0.9], axis=0)
        assert_allclose((row.pearson_low, row.spearman_low, row.mean_low), low, rtol=1e-9, atol=1e-12)
        assert_allclose((row.pearson_high, row.spearman_high, row.mean_high), high, rtol=1e-9, atol=1e-12)
        assert row.flat == flat
    assert (found[0].flat > 0) == (n == 4)  # four sets: some resamples hold one set four times


def test_performances_are_joined_as_the_mean_of_z_scores():
    measures, performance = table()
    found = {(row.measure, row.performance): row for row in correlate(measures, performance, resamples=50)}
    assert [goal for name, goal in found if name == "near"] == ["mt", "ae", "mean z-score"]
    scores = [(column - column.mean()) / column.std() for column in performance.values()]
    joined = np.mean(scores, axis=0)
    expected = coefficients(measures["near"], joined)
    row = found["near", "mean z-score"]
    assert_allclose((row.pearson, row.spearman, row.mean), expected, rtol=1e-12)


def test_z_scores_are_those_of_all_sets():
    measures, performance = table()
    mask = np.arange(20) < 6
    row = correlate(measures, performance, without={"the first": mask}, resamples=10)[5]
    assert (row.measure, row.performance, row.sets) == ("near", "mean z-score", "without the first")
    scores = [(column - column.mean()) / column.std() for column in performance.values()]
    expected = coefficients(measures["near"][~mask], np.mean(scores, axis=0)[~mask])
    assert_allclose((row.pearson, row.spearman, row.mean), expected, rtol=1e-12)


def test_a_difference_is_paired():
    measures, performance = table()
    goal = {"mt": performance["mt"]}
    near, far = correlate(measures, goal, baseline="near", resamples=400, seed=1)
    assert (near.difference, near.difference_low, near.difference_high) == (None, None, None)
    assert far.difference == far.mean - near.mean
    draws = [bootstrap(column, goal["mt"], resamples=400, seed=1)[0][:, 2] for column in measures.values()]
    expected = np.quantile(draws[1] - draws[0], [0.025, 0.975])
    assert_allclose((far.difference_low, far.difference_high), expected, rtol=1e-9)
    # a measure and its copy never differ, however wide the interval of each
    copy = correlate({"near": measures["near"], "copy": measures["near"]}, goal, baseline="near")[1]
    assert (copy.difference, copy.difference_low, copy.difference_high) == (0.0, 0.0, 0.0)
    assert copy.mean_high > copy.mean_low


def test_lower_is_better_turns_the_sign():
    measures, performance = table()
    plain = correlate(measures, performance, resamples=100)
    turned = correlate(
        {"near": -measures["near"], "far": measures["far"]},
        {"mt": -performance["mt"], "ae": performance["ae"]},
        lower_is_better=["near", "mt", "near"],
        resamples=100,
    )
    assert turned == plain
    against = correlate(measures, performance, lower_is_better=["near"], resamples=100)
    assert against[0].pearson == -plain[0].pearson
    assert against[3] == plain[3]


@pytest.mark.parametrize("factor", [1e-200, -3.0, 1e200])
def test_scale_and_shift_change_nothing(factor):
    measures, performance = table()
    plain = correlate(measures, performance["mt"], resamples=100)
    scaled = correlate(
        {name: factor * column for name, column in measures.items()},
        factor * performance["mt"] + factor,
        resamples=100,
    )
    for one, other in zip(plain, scaled, strict=True):
        assert_allclose(dataclasses.astuple(one)[4:13], dataclasses.astuple(other)[4:13], rtol=1e-9)


def test_the_seed_and_the_options_count():
    measures, performance = table()
    [base] = correlate({"near": measures["near"]}, performance["mt"])
    assert base == correlate({"near": measures["near"]}, performance["mt"])[0]
    for options in ({"seed": 1}, {"resamples": 1000}, {"confidence": 0.9}):
        [other] = correlate({"near": measures["near"]}, performance["mt"], **options)
        assert other.mean == base.mean
        assert (other.mean_low, other.mean_high) != (base.mean_low, base.mean_high)


def test_an_interval_without_variance_is_nan():
    [row] = correlate({"a": [1.0, 2.0, 3.0]}, [1.0, 3.0, 2.0], resamples=1, seed=4)
    assert row.flat == 1
    assert math.isnan(row.mean_low)
    assert row.mean == pytest.approx(0.5)


def test_the_grid_is_novelsum():
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(80, 4))
    sets = {"a": pool[:20], "b": pool[20:40], "c": pool[40:60] + 0.5}
    for variant in ("official", "paper"):
        found = novelsum_grid(sets, reference=pool, variant=variant, proximity_powers=iter([0.0, 1.0, 2.0]))
        assert len(found) == 15
        for name, column in found.items():
            words = name.split()
            proximity, power = float(words[2]), float(words[4])
            neighbors = int(words[6]) if len(words) > 5 else 10
            assert (power > 0) == (len(words) > 5)
            expected = [
                novelsum(
                    rows,
                    reference=pool,
                    variant=variant,
                    neighbors=neighbors,
                    density_power=power,
                    proximity_power=proximity,
                )
                for rows in sets.values()
            ]
            assert column.tolist() == expected
    assert len(correlate(found, [1.0, 2.0, 4.0], resamples=10)) == 15


FINE = ({"a": [1.0, 2.0, 3.0]}, {"b": [1.0, 3.0, 2.0]})


@pytest.mark.parametrize(
    ("measures", "performance", "options", "message"),
    [
        ({}, FINE[1], {}, "measures must hold at least one column; got none."),
        (FINE[0], {}, {}, "performance must hold at least one column; got none."),
        (FINE[0], FINE[0], {}, "performance must not be a measure too; got 'a' as both."),
        ({"a": [1.0, 2.0]}, [1.0, 2.0], {}, "a correlation needs at least 3 sets; there are 2."),
        (FINE[0], [1.0, 2.0], {}, "performance must hold one number a set (3); got shape (2,)."),
        ({"a": [1, 2, "x"]}, FINE[1], {}, "a must hold numbers; got [1, 2, 'x']."),
        ({"a": [1, 2, None]}, FINE[1], {}, "a must be finite; 1 of 3 sets have no number, first set 2."),
        ({"a": [2, 2, 2]}, FINE[1], {}, "a must vary to correlate; it is 2 in all 3 sets. Leave it out."),
        (*FINE, {"resamples": 0}, "resamples must be >= 1; got 0."),
        (*FINE, {"confidence": 1.0}, "confidence must be between 0 and 1; got 1.0."),
        (*FINE, {"baseline": "c"}, "baseline must be one of a; got 'c'."),
        (*FINE, {"lower_is_better": ["c"]}, "lower_is_better must be one of a, b; got 'c'."),
        (*FINE, {"lower_is_better": "a"}, "lower_is_better must be a collection of names; got 'a'."),
        (
            *FINE,
            {"without": {"d": [True, False]}},
            "without['d'] must hold one truth value a set (3); got bool of shape (2,).",
        ),
        (
            *FINE,
            {"without": {"d": np.array([True, False, False])}},
            "a correlation needs at least 3 sets; there are 2 without d.",
        ),
        (
            {"a": [1, 2, 2, 2]},
            [1, 2, 3, 4],
            {"without": {"d": np.array([True, False, False, False])}},
            "a must vary to correlate; it is 2 in all 3 sets without d. Leave it out.",
        ),
    ],
)
def test_what_is_wrong_is_said(measures, performance, options, message):
    with pytest.raises(DataError) as caught:
        correlate(measures, performance, **options)
    assert str(caught.value) == message


def test_a_grid_needs_sets():
    with pytest.raises(DataError, match="sets must hold at least one set; got none"):
        novelsum_grid({}, reference=np.eye(3))
    with pytest.warns(AssayWarning, match="the sets have from 2 to 3 rows, and NovelSum depends on the size"):
        novelsum_grid({"a": np.eye(3), "b": np.eye(3)[:2]}, reference=np.eye(3), neighbors=[1])
