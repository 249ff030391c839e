"""Comparison at equal size: every draw measured by hand, the rules of the size, pairs, and what is said."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.diversity import MEASURES, compare, novelsum
from assay.errors import AssayWarning, DataError

RNG = np.random.default_rng(0)
POOL = RNG.normal(size=(120, 4))
SETS = {"a": POOL[:30], "b": POOL[30:70] + 0.3}
WORDS = [f"w{number}" for number in range(10)]
TEXTS = {
    name: [" ".join(RNG.choice(WORDS, size=60)) for _ in rows] for name, rows in SETS.items()
}  # fmt: skip


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        return compare(*arguments, **options)


def draws(n, size, repeats, seed=0):
    return [np.random.default_rng([seed, repeat]).permutation(n)[:size] for repeat in range(repeats)]


def spread(values, confidence=0.95):
    return [np.mean(values), *np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])]


@pytest.mark.parametrize("variant", ["official", "paper"])
@pytest.mark.parametrize("reference", [POOL, None])
def test_every_draw_is_measured(variant, reference):
    settings = {"variant": variant, "neighbors": 5, "proximity_power": 0.5}
    found = quiet(
        SETS,
        reference=reference,
        options={"novelsum": settings},
        size=20,
        repeats=6,
        confidence=0.5,
        seed=3,
    )
    values = {
        name: [novelsum(rows[at], reference=reference, **settings) for at in draws(len(rows), 20, 6, seed=3)]
        for name, rows in SETS.items()
    }
    for row, (name, each) in zip(found, values.items(), strict=True):
        assert (row.set, row.measure, row.n, row.size) == (name, "novelsum", len(SETS[name]), 20)
        assert_allclose((row.value, row.low, row.high), spread(each, 0.5), rtol=1e-12)
    assert found[0].difference is None
    apart = spread(np.subtract(values["b"], values["a"]), 0.5)
    assert_allclose(
        (found[1].difference, found[1].difference_low, found[1].difference_high), apart, rtol=1e-10
    )


@pytest.mark.parametrize("measure", [name for name in MEASURES if name != "novelsum"])
def test_every_measure_is_its_function(measure):
    row = MEASURES[measure]
    settings = {"cluster_inertia": {"n_clusters": 4}, "partition_entropy": {"n_clusters": 7}}.get(measure, {})
    found = quiet(
        SETS, measures=[measure], reference=POOL, texts=TEXTS, options={measure: settings}, repeats=2
    )
    beside = {"reference": POOL} if row.reference == "required" else {}
    for one in found:
        data = TEXTS[one.set] if row.takes == "texts" else SETS[one.set]
        each = [
            row.function([data[i] for i in at] if row.takes == "texts" else data[at], **beside, **settings)
            for at in draws(len(data), 15, 2)
        ]
        assert_allclose((one.value, one.low, one.high), spread(each), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 15),
        ({"size": 30}, 15),
        ({"size": 29}, 29),
        ({"fraction": 0.8}, 24),
        ({"size": 7, "fraction": 0.8}, 7),
    ],
)
def test_one_size_for_all_sets(options, size):
    found = quiet(SETS, measures=["radius"], repeats=2, **options)
    assert [row.size for row in found] == [size, size]


def test_sets_of_one_length_are_drawn_at_the_same_rows():
    rows = SETS["a"]
    first, same, scaled = quiet(
        {"first": rows, "same": rows.copy(), "scaled": 2 * rows}, measures=["radius"], repeats=20
    )
    assert (same.difference, same.difference_low, same.difference_high) == (0.0, 0.0, 0.0)
    assert first.low < first.high
    # twice the radius in every draw: the difference spreads as the radius does, not as two radii drawn apart
    assert_allclose(
        (scaled.difference, scaled.difference_low, scaled.difference_high),
        (first.value, first.low, first.high),
    )


def test_the_baseline_is_any_set():
    a, b = quiet(SETS, measures=["radius"], repeats=5, baseline="b")
    assert b.difference is None
    assert a.difference == pytest.approx(a.value - b.value)


def test_the_seed_and_the_repeats_count():
    base = quiet(SETS, measures=["radius"], repeats=5)
    assert quiet(SETS, measures=["radius"], repeats=5) == base
    for options in ({"seed": 1, "repeats": 5}, {"repeats": 6}, {"repeats": 5, "confidence": 0.5}):
        assert quiet(SETS, measures=["radius"], **options) != base


def test_what_cannot_be_had_has_a_reason():
    found = quiet(SETS, measures=["radius", "cluster_inertia", "ttr", "facility_location"], repeats=2)
    reasons = {row.measure: row.reason for row in found if row.set == "b"}
    assert reasons == {
        "radius": "",
        "cluster_inertia": "embeddings must have more rows than n_clusters (200); got 15. Use fewer clusters.",
        "ttr": "ttr needs texts; there are none.",
        "facility_location": "reference must be given for facility_location; got none.",
    }
    assert all((row.value is None) == bool(row.reason) for row in found)


def test_progress_reaches_the_end():
    seen = []
    quiet(
        SETS, measures=["radius", "ttr"], repeats=3, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(3, 12), (6, 12), (9, 12), (12, 12)]


def test_a_log_determinant_of_minus_infinity_has_no_interval():
    flat = {"a": np.ones((8, 2)), "b": 2 * np.ones((8, 2))}
    found = quiet(flat, measures=["log_determinant"], options={"log_determinant": {"ridge": 0.0}}, repeats=2)
    assert [row.value for row in found] == [-np.inf, -np.inf]
    assert np.isnan([found[0].low, found[1].difference]).all()


def test_dependence_on_the_size_is_warned_of():
    with pytest.warns(AssayWarning) as caught:
        compare(SETS, measures=["radius", "novelsum", "vendi_score"], repeats=2)
    assert [str(one.message) for one in caught] == [
        "novelsum, vendi_score depend on the size: these values are those of 15 rows. Do not set them beside values of "
        "another size."
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(SETS, measures=["radius", "distsum_cosine"], repeats=2)


def test_warnings_of_the_first_draw_are_passed_on():
    twice = np.concatenate([POOL[:10], POOL[:10]])
    with pytest.warns(AssayWarning) as caught:
        compare({"a": POOL[:20], "twice": twice}, size=15, repeats=4)
    copies = 15 - len({at % 10 for at in draws(20, 15, 1)[0]})
    [message] = [str(one.message) for one in caught[1:]]
    assert message.startswith(f"twice, first draw: {copies} of 15 samples are copies of another; ")


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        ({}, {}, "sets must hold at least one set; got none."),
        (SETS, {"measures": ["novelsumm"]},
         "unknown measure 'novelsumm'. Did you mean 'novelsum'? See: assay measures"),
        (SETS, {"reference": "self"}, "reference must be one for all sets, a matrix or None; got 'self'."),
        (SETS, {"reference": np.eye(3)}, "reference must have as many dimensions as set a (4); got 3. "
                                         "Embed both with the same encoder."),
        ({"a": POOL, "b": np.eye(3)}, {}, "set b must have as many dimensions as set a (4); got 3. "
                                          "Embed both with the same encoder."),
        (SETS, {"size": 31}, "size must be <= the rows of the smallest set, a (30); got 31."),
        (SETS, {"size": 1}, "size must be >= 2; got 1."),
        (SETS, {"repeats": 1}, "repeats must be >= 2; got 1."),
        (SETS, {"fraction": 1.0}, "fraction must be between 0 and 1; got 1.0."),
        (SETS, {"fraction": 0.05}, "fraction must leave at least 2 rows of the smallest set, a (30); got 0.05. "
                                   "Use more rows."),
        (SETS, {"baseline": "c"}, "baseline must be one of a, b; got 'c'."),
        (SETS, {"options": {"radius": {}}}, "options must be one of novelsum; got 'radius'."),
        (SETS, {"options": {"novelsum": {"density_power": 1.0}}},
         "density_power must be 0 where there is no reference; got 1. Give a reference (the pool, or 'self')."),
        (SETS, {"measures": ["ttr"], "texts": {"a": ["x"]}}, "texts must be as many as the embeddings (30); got 1."),
        (SETS, {"measures": ["partition_entropy"], "reference": POOL},
         "reference must have at least n_clusters rows (1000); got 120. Use fewer clusters."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(sets, options, message):
    with pytest.raises(DataError) as caught:
        quiet(sets, **options)
    assert str(caught.value) == message
