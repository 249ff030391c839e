"""Which rows are one and the same, and unit rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
from numpy.testing import assert_allclose

from assay.neighbors import same_rows, unit_rows


def test_copies_and_near_copies_stand_for_the_first():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 40))
    rows[120] = rows[7]
    rows[200] = rows[7] * (1 + 3e-7)
    rows[201] = rows[200] * (1 + 6e-7)  # 9e-7 of row 7, and joined to it by row 200 in any case
    rows[250] = rows[9] * (1 + 1e-5)
    rows[30], rows[31] = 0.0, -0.0
    expected = np.arange(300)
    expected[[120, 200, 201]] = 7
    expected[31] = 30
    assert same_rows(rows).tolist() == expected.tolist()
    assert same_rows(rows.astype(np.float32)).tolist() == expected.tolist()


def test_thousands_of_copies():
    rows = np.repeat(np.random.default_rng(1).normal(size=(3, 8)), 5000, axis=0)
    assert np.unique(same_rows(rows)).tolist() == [0, 5000, 10000]


def test_thousands_of_pairs_of_copies_and_of_near_copies():
    rows = np.random.default_rng(4).normal(size=(5000, 8))
    rows = np.concatenate([rows, rows[:3000], rows[1000:] * (1 + 5e-7)])
    expected = np.concatenate([np.arange(5000), np.arange(3000), np.arange(1000, 5000)])
    assert same_rows(rows).tolist() == expected.tolist()


def test_equals_all_pairs():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(150, 3))
    for row in range(75, 150):
        rows[row] = rows[rng.integers(75)] * (1 + rng.choice([0, 4e-7, 2e-6]))
    gap = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    length = np.linalg.norm(rows, axis=1)
    near = gap <= 1e-6 * np.minimum(length[:, None], length[None])
    while True:  # joined by a chain
        wider = (near.astype(int) @ near.astype(int)) > 0
        if (wider == near).all():
            break
        near = wider
    assert same_rows(rows).tolist() == near.argmax(axis=1).tolist()


def test_unit_rows_of_any_size():
    rows = np.array([[3.0, 4.0], [3e-150, 4e-150], [3e150, 4e150]])
    assert_allclose(unit_rows(rows), [[0.6, 0.8]] * 3, rtol=1e-15)
    assert unit_rows(rows[:1].astype(np.float32)).dtype == np.float32


def test_thousands_of_near_copies_take_little():
    rows = np.random.default_rng(0).normal(size=(3000, 8)) * 1e-9 + 1
    tracemalloc.start()
    assert not same_rows(rows).any()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * 2**20  # all pairs would take 72 MB
