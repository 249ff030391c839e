"""k-center and random: vectors, brute force, and the laws that hold for every row of the table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.errors import AssayWarning, DataError
from assay.select import SELECTORS, Selection, kcenter, nearest_earlier, random
from tests.golden.vectors import T3_R
from tests.oracles.novelsum import cosine_distances


def test_kcenter_t3():
    chosen = kcenter(T3_R, budget=6, start=0)
    assert chosen.indices.tolist() == [0, 14, 3, 17, 6, 11]
    assert f"{chosen.facts['radius']:.10f}" == "0.3693459325"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kcenter_equals_brute_force(dtype):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 6)).astype(dtype)
    quality = rng.uniform(0.5, 2, size=200)
    d = cosine_distances(rows)
    chosen = [17, 60]
    for _ in range(30):
        score = quality**2 * d[:, chosen].min(axis=1)
        score[chosen] = -1
        chosen.append(int(score.argmax()))
    found = kcenter(rows, budget=30, initial_selected=[17, 60], quality=quality, quality_power=2)
    assert found.indices.tolist() == chosen[2:]
    assert_allclose(found.facts["radius"], d[:, chosen].min(axis=1).max(), rtol=1e-5)
    assert_allclose(found.gains, [d[i, chosen[: 2 + at]].min() for at, i in enumerate(chosen[2:])], rtol=1e-5)


def test_random_is_a_prefix_of_one_permutation():
    order = np.random.default_rng(7).permutation(24)
    assert random(T3_R, budget=10, seed=7).indices.tolist() == order[:10].tolist()
    kept = random(T3_R, budget=10, seed=7, initial_selected=order[:3]).indices
    assert kept.tolist() == order[3:13].tolist()


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("name", SELECTORS)
class TestEveryRow:
    """Contracts over the table."""

    rows = np.random.default_rng(11).normal(size=(120, 5)).astype(np.float32)

    def test_distinct_exact_length_deterministic_prefix(self, name):
        row = SELECTORS[name]
        long = row.function(self.rows, budget=50)
        assert isinstance(long, Selection)
        assert long.method == name
        assert len(set(long.indices.tolist())) == 50
        assert row.function(self.rows, budget=50).indices.tobytes() == long.indices.tobytes()
        assert row.function(self.rows, budget=50, seed=row.seed).indices.tobytes() == long.indices.tobytes()
        assert row.function(self.rows, budget=50, seed=row.seed + 1).indices.tolist() != long.indices.tolist()
        if row.greedy:
            assert row.function(self.rows, budget=20).indices.tolist() == long.indices[:20].tolist()

    def test_whole_pool(self, name):
        found = SELECTORS[name].function(self.rows, budget=120)
        assert sorted(found.indices.tolist()) == list(range(120))

    def test_rules(self, name):
        groups = np.arange(120) % 4
        found = SELECTORS[name].function(
            self.rows,
            budget=30,
            groups=groups,
            max_per_group={0: 3, 1: 20, 2: 20, 3: 20},
            initial_selected=[5, 9],
        )
        assert (groups[found.indices] == 0).sum() <= 3
        assert not {5, 9} & set(found.indices.tolist())
        twice = np.repeat(self.rows, 2, axis=0)
        found = SELECTORS[name].function(twice, budget=120, skip_duplicates=True)
        assert sorted(found.indices // 2) == list(range(120))

    def test_copies_across_groups_that_leave_too_few(self, name):
        rows = np.repeat(self.rows[:15], 2, axis=0)
        groups = [0] * 30
        groups[1::2] = [1] * 15  # each row and its copy in two groups
        with pytest.raises(
            DataError, match=r"budget must be <= the rows that may be chosen; got 20, and none was left"
        ):
            SELECTORS[name].function(rows, budget=20, groups=groups, max_per_group=10, skip_duplicates=True)

    def test_progress_and_documentation(self, name):
        seen = []
        SELECTORS[name].function(self.rows, budget=5, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (5, 5)
        for option in SELECTORS[name].options:
            assert option in SELECTORS[name].function.__annotations__

    def test_bad_pool(self, name):
        broken = self.rows.copy()
        broken[2, 1] = np.nan
        with pytest.raises(
            DataError, match=r"pool must be finite; 1 of 120 rows hold NaN or inf, first at row 2\."
        ):
            SELECTORS[name].function(broken, budget=5)
        with pytest.raises(DataError, match="budget must be >= 1; got 0"):
            SELECTORS[name].function(self.rows, budget=0)


def test_copies_warn():
    with pytest.warns(AssayWarning, match="24 chosen rows are copies of another in the set"):
        random(np.repeat(T3_R, 2, axis=0), budget=48)


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
