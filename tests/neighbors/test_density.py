"""local_density against a slow loop; which row is the query itself."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.errors import DataError
from assay.neighbors import DENSITY_STATISTICS, local_density
from tests.oracles import novelsum as oracle


@pytest.mark.parametrize("statistic", DENSITY_STATISTICS)
@pytest.mark.parametrize("neighbors", [2, 5, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_slow_loop(statistic, neighbors, dtype):
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(60, 6)) * rng.uniform(0.5, 2, size=(60, 1))
    pool[40:44] = pool[3:7]
    pool = pool.astype(dtype)
    rows = np.concatenate([pool[:20], rng.normal(size=(10, 6)).astype(dtype)])
    value = local_density(rows, reference=pool, neighbors=neighbors, statistic=statistic)
    assert_allclose(value, oracle.density(rows, pool, neighbors, statistic), rtol=1e-9)


def test_a_copy_from_another_batch_is_the_query_itself():
    rng = np.random.default_rng(1)
    pool = rng.normal(size=(50, 12)).astype(np.float32)
    moved = pool + np.float32(1e-8) * rng.normal(size=pool.shape).astype(np.float32)
    assert_allclose(local_density(moved, reference=pool), local_density(pool), rtol=1e-4)
    other = rng.normal(size=(5, 12)).astype(np.float32)  # in no reference: nothing is left out
    near = np.sort(((other[:, None] - pool[None]) ** 2).sum(axis=2), axis=1)[:, :10]
    assert_allclose(local_density(other, reference=pool), 1 / (near.mean(axis=1) + 1e-9), rtol=1e-5)


def test_all_rows_but_the_query_may_be_asked_for():
    pool = np.random.default_rng(2).normal(size=(6, 3))
    assert_allclose(local_density(pool, neighbors=5), oracle.density(pool, pool, 5, "mean_sq_l2"), rtol=1e-12)
    stranger = np.ones((1, 3))
    assert_allclose(
        local_density(stranger, reference=pool, neighbors=6), oracle.density(stranger, pool, 6, "mean_sq_l2")
    )
    with pytest.raises(
        DataError, match=r"neighbors must be <= the usable rows of the reference \(5\); got 6\."
    ):
        local_density(pool, neighbors=6)
    with pytest.raises(
        DataError, match=r"neighbors must be <= the usable rows of the reference \(6\); got 7\."
    ):
        local_density(stranger, reference=pool, neighbors=7)


def test_scaled_copies_are_not_the_query():
    pool = np.random.default_rng(3).normal(size=(20, 4))
    pool[10:] = pool[:10] * 2
    with pytest.raises(DataError, match="20 rows have 1 copies in the reference, first at row 0"):
        local_density(pool, neighbors=1, statistic="sum_cosine")
    value = local_density(pool, neighbors=2, statistic="sum_cosine")
    assert_allclose(value, oracle.density(pool, pool, 2, "sum_cosine"), rtol=1e-9)


def test_copies_count_once_unless_told_otherwise():
    pool = np.random.default_rng(4).normal(size=(30, 4))
    thrice = np.repeat(pool, 3, axis=0)
    assert_allclose(
        local_density(pool, reference=thrice, neighbors=3), local_density(pool, neighbors=3), rtol=1e-12
    )
    crowded = local_density(pool, reference=thrice, neighbors=2, deduplicate=False)
    assert (crowded > 1e8).all()
    with pytest.raises(
        DataError, match=r"density_statistic must be one of mean_sq_l2, sum_cosine; got 'mean'\."
    ):
        local_density(pool, statistic="mean")


@pytest.mark.parametrize("statistic", DENSITY_STATISTICS)
def test_ray_workers_give_the_same_bytes(ray_started, statistic):
    rng = np.random.default_rng(4)
    pool = rng.normal(size=(70, 6)).astype(np.float32)
    pool[40:44] = pool[3:7]
    rows = np.concatenate([pool[:20], rng.normal(size=(10, 6)).astype(np.float32)])
    here = local_density(rows, reference=pool, statistic=statistic)
    there = local_density(rows, reference=pool, statistic=statistic, engine="ray", workers=3)
    assert here.tobytes() == there.tobytes()


def test_a_pool_in_a_file_is_not_copied(tmp_path):
    rng = np.random.default_rng(5)
    pool = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", np.float32, (12_000, 1024))
    for start in range(0, 12_000, 1000):
        pool[start : start + 1000] = rng.standard_normal((1000, 1024), dtype=np.float32)
    pool[9000] = pool[11]
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    local_density(mapped[:50])  # compiles
    tracemalloc.start()
    within = local_density(mapped)
    local_density(mapped[:3000], reference=mapped)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < mapped.nbytes / 2
    assert within[[11, 9000]].tolist() == local_density(np.array(pool[[11, 9000]]), reference=pool).tolist()
