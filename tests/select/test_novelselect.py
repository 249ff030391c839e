"""NovelSelect: the page's vectors, and row-for-row equality with the plain greedy definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.errors import AssayWarning, DataError
from assay.neighbors import local_density
from assay.select import novelselect
from tests.conftest import alpaca_vectors
from tests.golden.vectors import CIRCLE, T3_R
from tests.oracles import novelsum as oracle

QUALITY = 1 + np.arange(24) / 23
PARITY = [i % 2 for i in range(24)]


@pytest.mark.parametrize(
    ("options", "order", "scores"),
    [
        ({"variant": "paper"}, [0, 3, 2, 1], ["2.8284271247", "1.7389335405", "1.3872743497"]),
        ({}, [0, 3, 2, 1], ["3.5557238254", "1.6477683347", "0.8064659638"]),
        ({"density_side": "self", "density_statistic": "sum_cosine"}, [0, 2, 3, 1], None),
    ],
)
def test_t2(options, order, scores):
    chosen = novelselect(CIRCLE, budget=4, neighbors=1, start=0, **options)
    assert chosen.indices.tolist() == order
    assert np.isnan(chosen.gains[0])
    if scores:
        divisor = 1 if options else np.arange(1, 4)  # the page prints the official scores divided by m
        assert [f"{v:.10f}" for v in chosen.gains[1:] / divisor] == scores


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"start": 0, "variant": "paper"}, [0, 14, 11, 3, 8, 6]),
        ({"start": 0, "density_power": 0}, [0, 14, 11, 3, 8, 6]),
        ({"start": 0, "reference": None, "density_power": None}, [0, 14, 11, 3, 8, 6]),
        ({"start": 0}, [0, 22, 11, 21, 8, 1]),
        ({"start": 0, "density_side": "self"}, [0, 4, 11, 21, 13, 1]),
        ({}, [6, 17, 4, 1, 9, 13]),
        ({"start": 0, "quality": QUALITY}, [0, 22, 20, 21, 23, 17]),
        ({"start": 0, "quality": QUALITY, "variant": "paper"}, [0, 23, 20, 21, 17, 22]),
        ({"initial_selected": [4, 17]}, [1, 21, 9, 13, 20, 15]),
        ({"initial_selected": [4, 17], "variant": "paper"}, [6, 0, 5, 19, 3, 16]),
        ({"start": 0, "groups": PARITY, "max_per_group": {0: 2, 1: 4}}, [0, 22, 11, 21, 17, 13]),
    ],
    ids=str,
)
def test_t3(options, order):
    assert novelselect(T3_R, budget=6, neighbors=3, **options).indices.tolist() == order


def problem(seed):
    """One random problem: clusters, copies, every knob drawn."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(25, 90)), int(rng.integers(2, 12))
    pool = rng.normal(size=(n, d)) + 2 * rng.normal(size=(4, d))[rng.integers(4, size=n)]
    pool *= rng.uniform(0.5, 2, size=(n, 1))
    options = {
        "budget": int(rng.integers(2, n // 2)),
        "variant": str(rng.choice(["official", "paper"])),
        "density_side": str(rng.choice(["self", "neighbor", "both"])),
        "rank_by": str(rng.choice(["distance", "weighted"])),
        "proximity_power": float(rng.choice([0, 0.5, 1, 2])),
        "density_power": float(rng.choice([0, 0.5, 1])),
        "neighbors": int(rng.integers(1, 8)),
    }
    copies = rng.random() < 0.4
    if copies:  # up to three copies of some rows
        for _ in range(int(rng.integers(1, 4))):
            pool[rng.choice(n, size=n // 5, replace=False)] = pool[rng.choice(n, size=n // 5, replace=False)]
        options["density_statistic"] = "mean_sq_l2"  # the other one has no density among copies
        options["neighbors"] = min(options["neighbors"], 4)
    if rng.random() < 0.5:
        pool = pool.astype(np.float32)
    rules = {}
    if rng.random() < 0.4:
        options["quality"] = rng.uniform(0.2, 3, size=n)
        options["quality_power"] = float(rng.choice([0.5, 1, 2]))
    if rng.random() < 0.4:
        rules["initial"] = options["initial_selected"] = rng.choice(
            n, size=int(rng.integers(1, 6)), replace=False
        ).tolist()
    else:
        options["start"] = int(rng.integers(n))
    if rng.random() < 0.4:
        options["groups"] = rng.integers(3, size=n).tolist()
        left = np.ones(n, dtype=bool)
        left[options.get("initial_selected", [])] = False
        most = int(np.bincount(np.array(options["groups"])[left]).min())
        options["max_per_group"] = dict.fromkeys(range(3), most)
        options["budget"] = min(options["budget"], 3 * most)
    return pool, options, rules


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("seed", range(200))
def test_equals_plain_greedy_row_for_row(seed):
    pool, options, rules = problem(seed)
    chosen = novelselect(pool, **options)
    statistic = options.get("density_statistic") or (
        "mean_sq_l2" if options["variant"] == "official" else "sum_cosine"
    )
    density = local_density(pool, neighbors=options["neighbors"], statistic=statistic)
    expected, scores = oracle.novelselect(
        pool.astype(np.float64),
        budget=options["budget"],
        scale=density ** options["density_power"],
        start=options.get("start"),
        initial=rules.get("initial", ()),
        proximity_power=options["proximity_power"],
        density_side=options["density_side"],
        rank_by=options["rank_by"],
        quality=options.get("quality"),
        quality_power=options.get("quality_power", 1.0),
        groups=options.get("groups"),
        maximum=options.get("max_per_group"),
    )
    assert chosen.indices.tolist() == expected
    assert_allclose(chosen.gains, scores, rtol=1e-9)


def test_equals_plain_greedy_on_real_rows():
    rows = alpaca_vectors(6000)
    for options in ({}, {"density_side": "self"}):
        density = local_density(rows)
        chosen = novelselect(rows, budget=600, density=density, **options)
        expected = oracle.novelselect_vectorised(
            rows, budget=600, scale=density**0.5, start=int(chosen.indices[0]), **options
        )
        assert chosen.indices.tolist() == expected
        assert chosen.facts["evaluations_share"] < 0.1


def test_prefix_threads_and_dtype(monkeypatch):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(400, 16)).astype(np.float32)
    long = novelselect(rows, budget=80)
    assert novelselect(rows, budget=30).indices.tolist() == long.indices[:30].tolist()
    import numba

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = novelselect(rows, budget=80)
    finally:
        numba.set_num_threads(threads)
    assert one.indices.tolist() == long.indices.tolist()
    assert one.gains.tobytes() == long.gains.tobytes()
    assert novelselect(rows.astype(np.float64), budget=80).indices.tolist() == long.indices.tolist()


def test_copies_are_counted_or_skipped():
    rows = np.repeat(T3_R, 2, axis=0)
    with pytest.warns(
        AssayWarning, match=r"\d+ chosen rows are copies of another in the set\. Use skip_duplicates"
    ):
        novelselect(rows, budget=30, neighbors=3)
    chosen = novelselect(rows, budget=24, neighbors=3, skip_duplicates=True)
    assert sorted(chosen.indices // 2) == list(range(24))
    kept = novelselect(rows, budget=20, neighbors=3, skip_duplicates=True, initial_selected=[1, 9])
    assert not {0, 8} & set(kept.indices.tolist())
    with pytest.raises(
        DataError, match=r"budget must be <= the rows that may be chosen \(24 of 48\); got 25\."
    ):
        novelselect(rows, budget=25, neighbors=3, skip_duplicates=True)


def test_starts():
    density = local_density(T3_R, neighbors=3)
    chosen = novelselect(T3_R, budget=2, neighbors=3, start="densest")
    assert chosen.indices[0] == density.argmax()
    assert novelselect(T3_R, budget=1, neighbors=3).indices.tolist() == [6]
    assert novelselect(
        T3_R, budget=1, neighbors=3, groups=PARITY, max_per_group={0: 0, 1: 4}
    ).indices.tolist() == [7]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"budget": 25}, r"budget must be <= the rows that may be chosen \(24 of 24\); got 25\."),
        ({"budget": 0}, r"budget must be >= 1; got 0\."),
        (
            {"quality": QUALITY - 1},
            r"quality must be positive and finite; 1 of 24 values are not, first at row 0 \(0\)",
        ),
        ({"quality": [1.0]}, r"quality must have one value a row, shape \(24,\); got shape \(1,\)\."),
        ({"start": 24}, r"start must be a row of the pool, 0 to 23; got 24\."),
        ({"start": "dense"}, r"start must be one of random, densest; got 'dense'\. Did you mean 'densest'\?"),
        ({"initial_selected": [1, 1]}, r"initial_selected must be distinct; 1 rows are repeated\."),
        ({"initial_selected": [-1]}, r"initial_selected must hold rows of the pool, 0 to 23; got -1 to -1\."),
        ({"initial_selected": [0.5]}, r"initial_selected must be a list of row numbers; got float64"),
        ({"groups": PARITY}, r"groups and max_per_group must be given together; got one of them\."),
        ({"groups": PARITY[1:], "max_per_group": 1}, r"groups must have one label a row \(24\); got 23\."),
        ({"groups": PARITY, "max_per_group": 2}, r"rows that may be chosen \(4 of 24\); got 6\."),
        (
            {"groups": PARITY, "max_per_group": {2: 1}},
            r"max_per_group must name groups of the pool; 2 is none\.",
        ),
        ({"groups": PARITY, "max_per_group": -1}, r"max_per_group must be >= 0; got -1\."),
        ({"groups": PARITY, "max_per_group": {0: 0}, "start": 0}, r"row 0 is excluded by quotas\."),
        ({"reference": "all"}, r"reference must be one of pool; got 'all'\."),
        ({"reference": None}, r"density_power must be 0 where there is no reference; got 0.5\."),
        ({"proximity_power": -1}, r"proximity_power must be >= 0; got -1\."),
    ],
    ids=str,
)
def test_errors(options, text):
    with pytest.raises(DataError, match=text):
        novelselect(T3_R, **{"budget": 6, "neighbors": 3} | options)


def test_too_little_memory_is_said_at_once():
    rows = np.random.default_rng(0).normal(size=(30_000, 3)).astype(np.float32)
    with pytest.raises(
        DataError, match=r"memory_gb must be at least 0\.2\d for 20000 of 30000 rows .* got 0\.1, and"
    ):
        novelselect(rows, budget=20_000, density=np.ones(30_000), memory_gb=0.1)


def test_less_memory_changes_no_result():
    rows = np.random.default_rng(0).normal(size=(9000, 4)).astype(np.float32)
    density = np.ones(9000)
    plenty = novelselect(rows, budget=60, density=density)
    little = novelselect(rows, budget=60, density=density, memory_gb=0.272)
    assert little.indices.tolist() == plenty.indices.tolist()
    assert little.gains.tobytes() == plenty.gains.tobytes()
    assert little.facts["evaluations"] > plenty.facts["evaluations"]


def test_bad_pool():
    broken = T3_R.copy()
    broken[3, 0] = np.inf
    with pytest.raises(
        DataError, match=r"pool must be finite; 1 of 24 rows hold NaN or inf, first at row 3\."
    ):
        novelselect(broken, budget=2)
    with pytest.raises(
        DataError, match=r"reference must have as many dimensions as embeddings \(3\); got 2\."
    ):
        novelselect(T3_R, budget=2, reference=T3_R[:, :2])


@pytest.mark.parametrize("size", [1e-300, 1e-45, 1e38, 1e300])
def test_the_size_of_densities_does_not_change_the_choice(size):
    rng = np.random.default_rng(1)
    rows, density = rng.normal(size=(200, 6)), rng.uniform(1, 5, size=200)
    plain = novelselect(rows, budget=90, density=density, density_power=1, start=0)
    scaled = novelselect(rows, budget=90, density=density * size, density_power=1, start=0)
    assert scaled.indices.tolist() == plain.indices.tolist()
    assert_allclose(scaled.gains / size, plain.gains)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
def test_exact_beside_a_chosen_row_of_enormous_density():
    rng = np.random.default_rng(27)
    far, heavy = rng.normal(size=(300, 3)), rng.normal(size=3)
    heavy /= np.linalg.norm(heavy)
    rows = np.vstack([far, heavy, heavy + rng.normal(size=(200, 3)) * 4e-4])
    density = np.ones(len(rows))
    density[300] = 1e6
    kept = list(range(301))
    options = {"density_side": "neighbor", "proximity_power": 2}
    chosen = novelselect(rows, budget=20, density=density, density_power=1, initial_selected=kept, **options)
    expected, _ = oracle.novelselect(rows, budget=20, scale=density, initial=kept, **options)
    assert chosen.indices.tolist() == expected


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"budget": 5.5}, r"budget must be a whole number; got 5\.5\."),
        ({"start": 1.5}, r"start must be a whole number; got 1\.5\."),
        ({"neighbors": 2.5}, r"neighbors must be a whole number; got 2\.5\."),
        ({"seed": -1}, r"seed must be >= 0; got -1\."),
        ({"seed": 2**32}, r"seed must be <= 4294967295; got 4294967296\."),
        (
            {"groups": [[1]] * 24, "max_per_group": 9},
            r"groups must hold hashable labels, such as texts; got unh",
        ),
        ({"groups": PARITY, "max_per_group": 4.5}, r"max_per_group must be a whole number; got 4\.5\."),
        (
            {"quality": np.full(24, 1e300), "quality_power": 2},
            r"quality \*\* quality_power must be from 1e-150 to 1e150; got inf to inf\.",
        ),
        (
            {"quality": np.full(24, 1e-300), "quality_power": 2},
            r"quality \*\* quality_power must be from 1e-150 to 1e150; got 0 to 0\.",
        ),
        (
            {"density": np.full(24, 2.0), "density_power": 2000},
            r"density_power must keep density \*\* density_power positive and finite; got 2000\.",
        ),
        ({"reference": "all", "density_power": 0}, r"reference must be one of pool; got 'all'\."),
    ],
    ids=str,
)
def test_numbers_out_of_reach(options, text):
    with pytest.raises(DataError, match=text):
        novelselect(T3_R, **{"budget": 6, "neighbors": 3} | options)


def test_warnings_point_to_the_caller():
    rows = np.repeat(T3_R, 2, axis=0)
    with pytest.warns(AssayWarning) as found:
        novelselect(rows, budget=30, neighbors=3, density=np.r_[1e9, np.ones(47)])
    assert len(found) == 2
    assert {warning.filename for warning in found} == {__file__}


@pytest.mark.parametrize("seed", range(12))
def test_rows_at_one_distance_rank_by_order_of_choice(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, 2, size=(60, 5)).astype(np.float32)  # many angles occur many times
    rows = np.unique(rows[rows.any(axis=1)], axis=0)
    density = rng.uniform(0.5, 5, size=len(rows))
    quality = rng.uniform(0.9, 1.1, size=len(rows))  # no two scores are equal
    options = {"density_side": "neighbor", "rank_by": "distance", "quality": quality}
    chosen = novelselect(rows, budget=len(rows) // 2, density=density, density_power=1, start=0, **options)
    distances = np.rint(oracle.cosine_distances(rows) * 2.0**40) / 2.0**40
    expected, scores = oracle.novelselect(
        rows, budget=len(rows) // 2, scale=density, start=0, distances=distances, **options
    )
    assert chosen.indices.tolist() == expected
    assert_allclose(chosen.gains, scores, rtol=1e-9)
