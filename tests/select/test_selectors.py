"""The simpler selectors: vectors and brute force; and the laws that hold for every row of the table."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from threadpoolctl import threadpool_limits

from assay.diversity import partition
from assay.errors import AssayWarning, DataError
from assay.select import (
    SELECTORS,
    Selection,
    duplicate,
    farthest,
    kcenter,
    kmeans,
    nearest_earlier,
    random,
    repr_filter,
    score_first,
)
from tests.conftest import alpaca_vectors
from tests.golden.vectors import T3_R
from tests.oracles import selectors as oracle
from tests.oracles.novelsum import cosine_distances


def test_kcenter_t3():
    chosen = kcenter(T3_R, budget=6, start=0)
    assert chosen.indices.tolist() == [0, 14, 3, 17, 6, 11]
    assert f"{chosen.facts['radius']:.10f}" == "0.3693459325"


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("seed", range(20))
def test_kcenter_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(90, 6)).astype(np.float32 if seed % 2 else np.float64)
    if seed % 3 == 0:  # copies tie; beyond the distinct rows all distances are 0
        rows[rng.choice(90, size=50, replace=False)] = rows[rng.choice(90, size=50, replace=False)]
    power, quality, groups = int(rng.integers(1, 3)), rng.uniform(0.5, 2, size=90), np.arange(90) % 3
    rules, ours, theirs = {"budget": 60}, {}, {}
    if seed % 4 == 1:
        ours, theirs = {"quality": quality, "quality_power": power}, {"quality": quality**power}
    if seed % 5 == 2:
        rules |= {"budget": 45, "groups": groups.tolist()}
        ours, theirs = ours | {"max_per_group": 16}, theirs | {"maximum": dict.fromkeys(range(3), 16)}
    if seed % 2:
        ours, theirs = ours | {"initial_selected": [17, 60]}, theirs | {"initial": [17, 60]}
    else:
        rules["start"] = seed
    found = kcenter(rows, **rules, **ours)
    chosen, gains, radius = oracle.kcenter(cosine_distances(rows), **rules, **theirs)
    assert found.indices.tolist() == chosen
    assert_allclose(found.gains, gains, rtol=1e-12)
    assert_allclose(found.facts["radius"], radius, rtol=1e-12)


def test_kcenter_is_lazy_and_exact_on_real_rows():
    rows = alpaca_vectors(6000)[:3000]
    found = kcenter(rows, budget=150, start=3)
    unit = rows.astype(np.float64)
    unit /= np.sqrt((unit * unit).sum(axis=1, keepdims=True))
    near, chosen = np.full(len(rows), np.inf), [3]
    while len(chosen) < 150:
        near = np.minimum(near, ((unit - unit[chosen[-1]]) ** 2).sum(axis=1) / 2)
        chosen.append(int(near.argmax()))
    assert found.indices.tolist() == chosen
    assert found.facts["distances_share"] < 0.8


def test_random_is_a_prefix_of_one_permutation():
    order = np.random.default_rng(7).permutation(24)
    assert random(T3_R, budget=10, seed=7).indices.tolist() == order[:10].tolist()
    kept = random(T3_R, budget=10, seed=7, initial_selected=order[:3]).indices
    assert kept.tolist() == order[3:13].tolist()


# for every option, a value that changes the choice of 40 of 60 rows that each occur twice
CHANGES = {
    "groups": {"groups": np.arange(120) // 3, "max_per_group": 1},
    "quality": {"quality": np.linspace(0.1, 1, 120) ** 2},
    "quality_power": {"quality_power": 3.0},
    "quality_weight": {"quality_weight": 0.9},
    "start": {"start": 77},
    "threshold": {"threshold": 0.8},
    "n_clusters": {"n_clusters": 7},
}
NEIGHBORS = {"novelselect": {"neighbors": 3}}
# what a row of the table needs, and what lets it choose as many rows as are asked for
GIVEN = {
    "repr_filter": {"threshold": 1.0},
    "score_first": {"quality": np.random.default_rng(1).uniform(size=120), "threshold": None},
}


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("name", SELECTORS)
class TestEveryRow:
    """Contracts over the table."""

    rows = np.random.default_rng(11).normal(size=(120, 5)).astype(np.float32)

    def choose(self, name, rows=rows, **options):
        given = dict(GIVEN.get(name, {}))
        if "quality" in given:
            given["quality"] = np.resize(given["quality"], len(rows))
        return SELECTORS[name].function(rows, **given | options)

    def test_distinct_exact_length_deterministic_prefix(self, name):
        row = SELECTORS[name]
        long = self.choose(name, budget=50)
        assert isinstance(long, Selection)
        assert long.method == name
        assert len(set(long.indices.tolist())) == 50
        assert self.choose(name, budget=50).indices.tobytes() == long.indices.tobytes()
        if row.greedy:
            assert self.choose(name, budget=20).indices.tolist() == long.indices[:20].tolist()

    def test_seed(self, name):
        seed = SELECTORS[name].seed
        assert ("seed" in inspect.signature(SELECTORS[name].function).parameters) == (seed is not None)
        if seed is not None:
            plain = self.choose(name, budget=50).indices
            assert self.choose(name, budget=50, seed=seed).indices.tobytes() == plain.tobytes()
            assert self.choose(name, budget=50, seed=seed + 1).indices.tolist() != plain.tolist()

    def test_threads_change_nothing(self, name, monkeypatch):
        rows = np.random.default_rng(2).normal(size=(3000, 24)).astype(np.float32)
        many = self.choose(name, rows, budget=60)
        monkeypatch.setattr("assay._parallel.cores", lambda: 1)
        with threadpool_limits(limits=1):
            one = self.choose(name, rows, budget=60)
        assert one.indices.tobytes() == many.indices.tobytes()
        assert one.gains.tobytes() == many.gains.tobytes()

    def test_dtype_changes_nothing(self, name):
        # float64 rows that float32 can hold
        narrow, wide = (self.choose(name, self.rows.astype(t), budget=50) for t in (np.float32, np.float64))
        assert narrow.indices.tolist() == wide.indices.tolist()
        assert_allclose(narrow.gains, wide.gains, rtol=1e-12)

    def test_whole_pool(self, name):
        found = self.choose(name, budget=120)
        assert sorted(found.indices.tolist()) == list(range(120))

    def test_rules(self, name):
        groups = np.arange(120) % 4
        found = self.choose(
            name,
            budget=30,
            groups=groups,
            max_per_group={0: 3, 1: 20, 2: 20, 3: 20},
            initial_selected=[5, 9],
        )
        assert len(found.indices) == 30
        assert (groups[found.indices] == 0).sum() <= 3
        assert not {5, 9} & set(found.indices.tolist())
        first = self.choose(name, budget=30).indices[:3]
        assert not set(first) & set(self.choose(name, budget=30, initial_selected=first).indices)

    def test_copies_across_groups_that_leave_too_few(self, name):
        rows = np.repeat(self.rows[:15], 2, axis=0)
        groups = [0] * 30
        groups[1::2] = [1] * 15  # each row and its copy in two groups
        options = {"budget": 20, "groups": groups, "max_per_group": 10, "skip_duplicates": True}
        if name == "repr_filter":  # which promises the budget at most
            with pytest.warns(AssayWarning, match="15 rows pass the threshold and the rules, fewer than"):
                self.choose(name, rows, **options)
            return
        with pytest.raises(
            DataError, match=r"budget must be <= the rows that may be chosen; got 20, and none was left"
        ):
            self.choose(name, rows, **options)

    def test_copies_warn(self, name):
        with pytest.warns(AssayWarning, match="24 chosen rows are copies of another in the set"):
            self.choose(name, np.repeat(T3_R, 2, axis=0), budget=48, **NEIGHBORS.get(name, {}))

    def test_copies_among_the_kept_do_not_warn(self, name):
        rows = np.concatenate([self.rows[:20], self.rows[:5]])
        kept = [0, 1, 20, 21]  # two rows and their copies
        with warnings.catch_warnings():
            warnings.simplefilter("error", AssayWarning)
            options = NEIGHBORS.get(name, {}) | {"initial_selected": kept, "skip_duplicates": True}
            found = self.choose(name, rows, budget=2, **options)
        assert not {0, 1, 20, 21} & set(found.indices.tolist())

    def test_no_dead_parameter(self, name):
        rows = np.repeat(self.rows[:60], 2, axis=0)
        dead = []
        for option in CHANGES.keys() & set(SELECTORS[name].options):
            base = {"budget": 40}
            if option == "threshold":
                base["threshold"] = 0.99
            if option in ("quality_power", "quality_weight"):
                base["quality"] = CHANGES["quality"]["quality"]
            plain = self.choose(name, rows, **base).indices
            if self.choose(name, rows, **base | CHANGES[option]).indices.tolist() == plain.tolist():
                dead.append(option)
        assert not dead

    def test_copies_are_left_out(self, name):
        twice = np.repeat(self.rows, 2, axis=0)
        found = self.choose(name, twice, budget=120, skip_duplicates=True)
        assert sorted(found.indices // 2) == list(range(120))
        with pytest.raises(DataError, match=r"rows that may be chosen \(120 of 240\); got 121\."):
            self.choose(name, twice, budget=121, skip_duplicates=True)

    def test_every_option_is_a_keyword_and_every_keyword_an_option(self, name):
        row = SELECTORS[name]
        found = inspect.signature(row.function).parameters
        assert set(found) - {"pool", "budget", "seed", "progress"} == set(row.options)
        given = {key for key, parameter in found.items() if parameter.default is parameter.empty}
        assert given == {"pool", "budget", *row.needs}

    def test_progress(self, name):
        seen = []
        self.choose(name, budget=5, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (5, 5)

    def test_bad_pool(self, name):
        broken = self.rows.copy()
        broken[2, 1] = np.nan
        with pytest.raises(
            DataError, match=r"pool must be finite; 1 of 120 rows hold NaN or inf, first at row 2\."
        ):
            self.choose(name, broken, budget=5)
        with pytest.raises(DataError, match="budget must be >= 1; got 0"):
            self.choose(name, budget=0)
        with pytest.raises(
            DataError, match=r"budget must be <= the rows that may be chosen \(120 of 120\); got 121"
        ):
            self.choose(name, budget=121)


def test_duplicate():
    order = np.random.default_rng(3).permutation(50)
    found = duplicate(50, budget=23, distinct=5, seed=3)
    assert found.dtype == np.int64
    rows, counts = np.unique(found, return_counts=True)
    assert sorted(rows) == sorted(order[:5])
    assert {int(row): int(count) for row, count in zip(rows, counts, strict=True)} == {
        int(row): 5 if at < 3 else 4 for at, row in enumerate(order[:5])
    }
    assert duplicate(np.ones((50, 2)), budget=23, distinct=5, seed=3).tolist() == found.tolist()
    for options, text in (
        ({"budget": 4, "distinct": 5}, r"distinct must be <= 4; got 5\."),
        ({"budget": 60, "distinct": 51}, r"distinct must be <= 50; got 51\."),
        ({"budget": 0, "distinct": 1}, r"budget must be >= 1; got 0\."),
    ):
        with pytest.raises(DataError, match=text):
            duplicate(50, **options)
    with pytest.raises(DataError, match=r"pool must have at least one row; got 0\."):
        duplicate(0, budget=1, distinct=1)


@pytest.mark.parametrize("power", [1, 2])
def test_farthest_equals_brute_force(power):
    assert farthest(T3_R, budget=6).indices.tolist() == [13, 4, 3, 22, 23, 14]
    rng = np.random.default_rng(4)
    rows, quality = rng.normal(size=(90, 6)), rng.uniform(0.5, 1, size=90)
    d = cosine_distances(rows)
    groups = (np.arange(90) % 2).tolist()
    rules = {"budget": 30, "groups": groups}
    found = farthest(
        rows, **rules, max_per_group=15, initial_selected=[8, 3], quality=quality, quality_power=power
    )
    expected = oracle.farthest(d, **rules, maximum={0: 15, 1: 15}, initial=[8, 3], quality=quality**power)
    assert found.indices.tolist() == expected
    assert_allclose(found.gains, d.sum(axis=1)[expected])


@pytest.mark.parametrize("spread", [0.5, 5, 50])
def test_kmeans_draws_equally(spread):
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(5, 3)) * spread + rng.normal(size=(90, 5, 3))
    rows = rows.reshape(-1, 3)[rng.choice(450, size=90, replace=False)]
    centroids = partition.kmeans(rows, 12, seed=0)
    cell = ((rows[:, None] - centroids) ** 2).sum(axis=2).argmin(axis=1)
    sizes = np.bincount(cell, minlength=12).tolist()
    for budget in (7, 40, 80):
        found = kmeans(rows, budget=budget, n_clusters=12)
        assert found.facts["sizes"] == sizes
        given = np.bincount(cell[found.indices], minlength=12).tolist()
        assert given == oracle.equal_draws(sizes, budget)
    again = kmeans(rows, budget=40, n_clusters=12, seed=1)
    assert set(again.indices.tolist()) != set(found.indices[:40].tolist())


def test_kmeans_clusters():
    assert kmeans(T3_R, budget=3).parameters["n_clusters"] == 24
    assert len(kmeans(np.tile(T3_R, (9, 1)), budget=3, skip_duplicates=True).facts["sizes"]) == 100
    with pytest.raises(DataError, match=r"n_clusters must be <= 24; got 25\."):
        kmeans(T3_R, budget=3, n_clusters=25)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
class TestFilters:
    """`repr_filter` and `score_first`."""

    def test_t3(self):
        assert repr_filter(T3_R, budget=24).indices.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 14, 19]
        first = score_first(T3_R, budget=24, quality=np.arange(24))
        assert first.indices.tolist() == [23, 22, 21, 20, 19, 18, 17, 16, 12, 10, 5, 3, 0]
        assert first.gains.tolist() == first.indices.tolist()

    @pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.6, 0.9, 1.0, None])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_equals_brute_force(self, threshold, dtype):
        rng = np.random.default_rng(6)
        rows = rng.normal(size=(700, 4)).astype(dtype)
        rows[600:] = rows[:100]
        score = rng.integers(5, size=700)  # ties
        d = cosine_distances(rows)
        groups = (np.arange(700) % 3).tolist()
        rules = {"threshold": threshold, "budget": 120, "groups": groups}
        ours = {**rules, "max_per_group": 50, "initial_selected": [650, 3]}
        theirs = {**rules, "maximum": dict.fromkeys(range(3), 50), "initial": [650, 3]}
        found = score_first(rows, quality=score, **ours)
        order = sorted(range(700), key=lambda i: (-score[i], i))
        assert found.indices.tolist() == oracle.threshold(d, order=order, **theirs)
        if threshold is not None:
            found = repr_filter(rows, **ours)
            assert found.indices.tolist() == oracle.threshold(d, order=range(700), **theirs)

    def test_rounding_decides_nothing(self):
        rows = np.array([[1.0, 0.0], [3.0, 4.0]], dtype=np.float32)  # cosine 0.6
        near = float(np.nextafter(np.float32(0.6), 0))  # below 0.6 by less than float32 shows in a product
        assert repr_filter(rows, budget=2, threshold=0.6).indices.tolist() == [0, 1]
        assert repr_filter(rows, budget=2, threshold=near).indices.tolist() == [0]

    def test_fewer_than_asked_for_is_said(self):
        with pytest.warns(
            AssayWarning, match=r"13 rows pass the threshold and the rules, fewer than the budget of 20"
        ):
            assert len(repr_filter(T3_R, budget=20).indices) == 13

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"threshold": 1.1}, r"threshold must be from -1 to 1; got 1\.1\."),
            ({"threshold": np.nan}, r"threshold must be from -1 to 1; got nan\."),
            (
                {"quality": [np.nan] * 24},
                r"quality must be finite; 24 of 24 values are not, first at row 0 \(nan\)",
            ),
            ({"quality": [1.0]}, r"quality must have one value a row, shape \(24,\); got shape \(1,\)\."),
        ],
    )
    def test_errors(self, options, text):
        with pytest.raises(DataError, match=text):
            score_first(T3_R, **{"budget": 3, "quality": np.ones(24)} | options)


def test_nearest_earlier():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(1300, 4))
    order = rng.permutation(1300)[:700]
    d = cosine_distances(rows)
    expected = [np.nan] + [d[i, order[:at]].min() for at, i in enumerate(order) if at]
    assert_allclose(nearest_earlier(rows, order), expected, rtol=1e-9)
    with_kept = nearest_earlier(rows, order[5:], order[:5])
    assert_allclose(with_kept, expected[5:], rtol=1e-9)


def test_selection_laws():
    with pytest.raises(DataError, match="indices must be distinct"):
        Selection(indices=np.array([1, 1]), gains=np.zeros(2), method="x")
    with pytest.raises(DataError, match=r"gains must have one value a row \(2\); got 1\."):
        Selection(indices=np.array([1, 2]), gains=np.zeros(1), method="x")
