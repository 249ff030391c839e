"""knn against a sort of all float64 distances, on the CPU and through torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from assay import _parallel
from assay.errors import DataError, MissingExtraError
from assay.neighbors import knn, local_density
from assay.neighbors.exact import METRICS


def plain(queries, k, reference, metric):
    """Sort all distances, ties by lower row; None: the queries themselves, no row its own neighbour."""
    own = reference is None
    a = np.asarray(queries, dtype=np.float64)
    b = a if own else np.asarray(reference, dtype=np.float64)
    if metric == "cosine":
        a = a / np.linalg.norm(a, axis=1, keepdims=True)
        b = b / np.linalg.norm(b, axis=1, keepdims=True)
    squares = np.array([[((x - y) ** 2).sum() for y in b] for x in a])
    if own:
        np.fill_diagonal(squares, np.inf)
    index = np.argsort(squares, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(squares, index, 1)
    return index, {"l2": np.sqrt(found), "sqeuclidean": found, "cosine": found / 2}[metric]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(METRICS),
    own=st.booleans(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    copies=st.booleans(),
    offset=st.sampled_from([0.0, 30.0]),
)
def test_equals_a_sort_of_all_distances(seed, metric, own, dtype, copies, offset):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(60, 7)) + offset).astype(dtype)
    if copies:
        rows[20:60] = rows[rng.integers(20, size=40)]
    queries = rows if own else rows[:9]
    k = int(rng.integers(1, 50))
    reference = None if own else rows
    found = knn(queries, k, reference=reference, metric=metric)
    index, distances = plain(queries, k, reference, metric)
    assert_allclose(found.distances, distances, rtol=1e-12, atol=1e-15)
    assert found.indices.tolist() == index.tolist()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 3, 12])
@pytest.mark.parametrize("own", [True, False])
def test_hundreds_of_copies(metric, k, own):
    rng = np.random.default_rng(k)
    rows = rng.normal(size=(300, 6)).astype(np.float32)
    rows[40:240] = rows[7]
    rows[rng.permutation(300)[:50]] = rows[3]
    queries = rows if own else rng.normal(size=(20, 6)).astype(np.float32)
    found = knn(queries, k, reference=None if own else rows, metric=metric)
    index, distances = plain(queries, k, None if own else rows, metric)
    assert found.indices.tolist() == index.tolist()
    assert_allclose(found.distances, distances, rtol=1e-12, atol=1e-15)


def test_torch_finds_the_same():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 24)).astype(np.float32)
    rows[50:120] = rows[7]
    queries = rows[::5]
    here = knn(queries, 9, reference=rows)
    there = knn(queries, 9, reference=rows, device="torch:cpu")
    assert here.indices.tobytes() == there.indices.tobytes()
    assert here.distances.tobytes() == there.distances.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("metric", ["cosine", "sqeuclidean"])
def test_rows_among_themselves_over_many_blocks(monkeypatch, metric, threads):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(2300, 9)).astype(np.float32)  # five blocks of 512, the last one not full
    rows[rng.permutation(2300)[:300]] = rows[rng.integers(2300, size=300)]  # ties across blocks
    monkeypatch.setattr(_parallel, "cores", lambda: threads)
    found = knn(rows, 7, metric=metric)
    asked = rng.permutation(2300)[:40]
    index, distances = plain(rows[asked], 9, rows, metric)
    for row, near, at, gap in zip(asked, index, found.indices[asked], found.distances[asked], strict=True):
        assert at.tolist() == [other for other in near if other != row][:7]
        assert_allclose(gap, distances[list(asked).index(row)][near != row][:7], rtol=1e-12, atol=1e-15)
    within = local_density(rows, neighbors=7)
    against = local_density(rows, neighbors=7, reference=rows.copy())  # searched row by row
    assert within.tobytes() == against.tobytes()


def test_huge_and_tiny_numbers_keep_their_order():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(100, 5))
    base = knn(rows, 4)
    for scale in (1e-150, 1e150):
        scaled = knn(rows * scale, 4)
        assert scaled.indices.tolist() == base.indices.tolist()


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([[1.0]], 1), {}, r"k must be from 1 to 0, the number of rows that can be neighbors; got 1\."),
        (([[1.0], [2.0]], 2), {}, r"k must be from 1 to 1, .*; got 2\."),
        (([[1.0]], 0), {"reference": [[1.0]]}, r"k must be from 1 to 1, .*; got 0\."),
        (
            ([[1.0]], 1),
            {"reference": [[1.0, 2.0]]},
            r"reference must have as many dimensions as queries \(1\); got 2\.",
        ),
        (([[1.0]], 1), {"reference": [[np.nan]]}, r"reference must be finite; 1 of 1 rows"),
        (([[0.0]], 1), {"reference": [[1.0]], "metric": "cosine"}, r"queries must have no zero rows"),
        (([[1.0]], 1), {"metric": "cosin"}, r"metric must be one of .*Did you mean 'cosine'\?"),
        (([["a"]], 1), {}, r"queries must hold real numbers"),
    ],
)
def test_errors(arguments, options, text):
    with pytest.raises(DataError, match=text):
        knn(*arguments, **options)


def test_devices_that_are_not_there():
    with pytest.raises(DataError, match=r"device must be one that this machine has; got 'cuda:99'"):
        knn([[1.0], [2.0]], 1, device="cuda:99")
    for name in ("gpu", "mps", "meta"):
        with pytest.raises(DataError, match=rf"device must be cpu, cuda or cuda:N; got '{name}'\."):
            knn([[1.0], [2.0]], 1, device=name)


def test_missing_torch_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(
        MissingExtraError, match=r"device 'cuda' needs torch; install it with: pip install 'assay\[lm\]'"
    ):
        knn([[1.0], [2.0]], 1, device="cuda")


@pytest.mark.parametrize(
    ("workers", "metric", "k", "own"),
    [
        (1, "l2", 21, True),
        (2, "cosine", 5, False),
        (3, "sqeuclidean", 82, True),
        (4, "l2", 83, False),
        (4, "cosine", 1, True),
    ],
)
def test_shards_in_ray_workers_give_the_same_bytes(ray_started, workers, metric, k, own):
    rng = np.random.default_rng(workers)
    rows = rng.normal(size=(83, 7)).astype(np.float32)
    rows[20:60] = rows[rng.integers(20, size=40)]
    rows[60:64] = -rows[60:64] + np.float32(2e-7)
    rows[70:76] = np.eye(7)[1:]  # ties that are not copies
    reference = None if own else rows
    queries = rows if own else rows[::-5].astype(np.float64)
    here = knn(queries, k, reference=reference, metric=metric)
    there = knn(queries, k, reference=reference, metric=metric, engine="ray", workers=workers)
    assert here.indices.tobytes() == there.indices.tobytes()
    assert here.distances.tobytes() == there.distances.tobytes()


def test_more_workers_than_rows(ray_started):
    assert knn([[0.0], [2.0]], 1, engine="ray", workers=3).indices.ravel().tolist() == [1, 0]


def test_engines_that_cannot_be():
    rows = np.eye(4)
    for options, message in (
        ({"engine": "dask"}, r"engine must be one of local, ray; got 'dask'\."),
        ({"workers": 2}, r"workers must be left out with engine 'local'; got 2\. Use engine='ray'\."),
        ({"engine": "ray", "workers": 0}, r"workers must be >= 1; got 0\."),
        ({"engine": "ray", "device": "cuda"}, r"device must be 'cpu' with engine 'ray'; got 'cuda'\."),
    ):
        with pytest.raises(DataError, match=message):
            knn(rows, 1, **options)
