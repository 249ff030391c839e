"""Measures side by side are the measures one by one."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from assay.diversity import MEASURES, distsum_l2, knn_distance, novelsum, pairs, together
from assay.diversity.pairs import Wants, serve
from assay.errors import AssayWarning, DataError
from assay.neighbors import METRICS, knn
from tests.oracles import novelsum as oracle

pytestmark = pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
OPTIONS = {"cluster_inertia": {"n_clusters": 9}, "partition_entropy": {"n_clusters": 12}}
TEXTS = ["a b c d " * 20, "e f g h i " * 15]


def sets(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """A set with a copy, and a reference."""
    rng = np.random.default_rng(7)
    pool = (rng.normal(size=(400, 12)) + 0.3).astype(np.float64 if kind == "float64" else np.float32)
    if kind == "lengths":
        pool *= rng.uniform(0.2, 5, size=(400, 1)).astype(np.float32)
    if kind == "crowded":
        pool += 200
    rows = pool[:240].copy()
    if kind == "apart":
        rows = rng.normal(size=(240, 12)).astype(np.float32)
    rows[17] = rows[200]
    return (rows, rows.copy()) if kind == "same" else (rows, pool)


@pytest.mark.parametrize("kind", ["inside", "apart", "same", "float64", "lengths", "crowded"])
@pytest.mark.parametrize("variant", ["official", "paper"])
def test_the_same_to_the_last_bit_as_one_by_one(kind, variant):
    rows, pool = sets(kind)
    options = OPTIONS | {"novelsum": {"variant": variant}, "knn_distance": {"neighbors": 3}}
    found = together(rows, texts=TEXTS, reference=pool, options=options)
    assert list(found) == list(MEASURES)
    for name, one in found.items():
        row = MEASURES[name]
        keywords = options.get(name, {}) | ({} if row.reference == "none" else {"reference": pool})
        assert one.value == row.function(TEXTS if row.takes == "texts" else rows, **keywords), name
        assert one.n == (2 if row.takes == "texts" else 240)


@pytest.mark.parametrize(("kind", "passes"), [("same", 1), ("apart", 2)])
def test_each_pair_of_matrices_is_multiplied_once(monkeypatch, kind, passes):
    rows, pool = sets(kind)
    sizes = []
    walk = pairs.over_blocks
    monkeypatch.setattr(pairs, "over_blocks", lambda n, block, work: (sizes.append(n), walk(n, block, work)))
    together(rows, reference=pool, options=OPTIONS)
    assert sizes == [240] * passes


def test_threads_do_not_matter_and_blocks_only_to_rounding(monkeypatch):
    rows, pool = sets("apart")
    names = ["novelsum", "distsum_l2", "knn_distance", "facility_location"]
    values = {}
    walk = pairs.over_blocks
    for threads, size in ((1, None), (2, None), (5, None), (2, 33), (2, 1)):
        monkeypatch.setattr(
            pairs,
            "over_blocks",
            lambda n, block, work, threads=threads, size=size: walk(n, size or 80, work, threads=threads),
        )
        values[threads, size] = {
            name: one.value for name, one in together(rows, reference=pool, measures=names).items()
        }
    assert values[1, None] == values[2, None] == values[5, None]
    for size in (33, 1):
        for name in names:
            assert_allclose(values[2, size][name], values[1, None][name], rtol=1e-6)
        for exact in names[2:]:  # neighbours are settled in float64
            assert values[2, size][exact] == values[1, None][exact]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_that_nearly_point_one_way_keep_their_digits(dtype):
    rng = np.random.default_rng(1)
    rows = (5 + 0.2 * rng.normal(size=(150, 12))).astype(dtype)
    exact = rows.astype(np.float64)
    gaps = [np.sqrt(((exact - row) ** 2).sum(axis=1)).sum() for row in exact]
    assert_allclose(distsum_l2(rows, form="sum_ordered"), np.sum(gaps), rtol=1e-7)
    assert_allclose(novelsum(rows), oracle.novelty(exact, density_power=0, **_official()).mean(), rtol=1e-7)


def _official():
    return {"density_side": "self", "density_statistic": "mean_sq_l2", "include_self": True, "reduction": "mean",
            "rank_by": "distance", "proximity_power": 1.0, "reference": None, "neighbors": 10}  # fmt: skip


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(METRICS),
    own=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    copies=st.booleans(),
    offset=st.sampled_from([0.0, 30.0]),
    near=st.integers(1, 70),
)
def test_neighbours_of_a_shared_pass_are_those_of_a_search(seed, metric, own, dtype, copies, offset, near):
    rng = np.random.default_rng(seed)
    rows = ((rng.normal(size=(60, 7)) + offset) * rng.uniform(0.9, 1.1, size=(60, 1))).astype(dtype)
    if copies:
        rows[20:60] = rows[rng.integers(20, size=40)]
    facing = None if own else rows[rng.permutation(60)[:50]]
    wants = Wants(rows, facing, near=near)
    serve([wants])
    k = int(rng.integers(1, 50))
    plain = knn(rows, k, reference=facing, metric=metric)
    found = knn(rows, k, reference=facing, metric=metric, known=wants.known)
    assert found.indices.tolist() == plain.indices.tolist()
    assert found.distances.tobytes() == plain.distances.tobytes()


def test_zero_rows_have_a_length_and_no_direction():
    rows = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [6.0, 8.0]])
    assert distsum_l2(rows, form="sum_pairs") == 35.0
    assert knn_distance(rows, metric="l2") == 2.5
    found = together(rows, measures=["distsum_l2", "knn_distance"])
    assert found["distsum_l2"].value == 35.0 / 6
    assert found["knn_distance"].reason.startswith(
        "embeddings must have no zero rows, which have no direction; 2 of 4 rows are zero, first at row 0."
    )


def test_what_cannot_be_had_says_why_and_what_warns_says_what():
    rows, _ = sets("apart")
    copies = "1 of 240 samples are copies of another; they make the set less diverse."
    with pytest.warns(AssayWarning) as warned:
        found = together(
            rows, reference="self", options={"novelsum": {"neighbors": 240}}, measures=[*MEASURES][:-1]
        )
    assert [found[name].value is None for name in found] == [
        name in ("novelsum", "facility_location", "partition_entropy", "ttr") for name in found
    ]
    assert found["novelsum"].reason == (
        "neighbors must be <= the usable rows of the reference (239); got 240. "
        "Copies and the row itself do not count. Use fewer neighbors or a larger reference."
    )
    assert found["facility_location"].reason == "facility_location needs a reference; got 'self'."
    assert found["ttr"].reason == "ttr needs texts; got none."
    for name in (
        "distsum_cosine",
        "distsum_l2",
        "knn_distance",
        "radius",
        "cluster_inertia",
        "log_determinant",
    ):
        assert found[name].warnings == (copies,)
        assert found[name].reason == ""
    assert found["novelsum"].warnings[0].startswith("the set is its own reference")
    told = [str(one.message) for one in warned]
    assert told.count(copies) == 1
    assert {one.filename for one in warned} == {__file__}
    assert together(measures=["radius"])["radius"].reason == "radius needs embeddings; got none."


def test_settings_are_whole():
    rows, pool = sets("apart")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = together(rows, reference=pool, options=OPTIONS | {"knn_distance": {"metric": "l2"}})
    assert found["knn_distance"].parameters == {
        "neighbors": 1,
        "statistic": "kth",
        "metric": "l2",
        "device": "cpu",
    }
    assert found["novelsum"].parameters["density_power"] == 0.5
    assert found["novelsum"].parameters["rank_by"] == "distance"
    assert found["partition_entropy"].parameters["n_clusters"] == 12
    assert found["vocd_d"].parameters["tokenizer"] == "tokens"
    alone = together(rows, measures=["novelsum"])["novelsum"].parameters
    assert alone["density_power"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"measures": ["novelsumm"]}, r"unknown measure 'novelsumm'\. Did you mean 'novelsum'\?"),
        ({"options": {"radius": {"dof": 1}}}, r"unknown option of radius 'dof'\. Did you mean 'ddof'\?"),
        ({"options": {"raduis": {}}}, r"unknown measure 'raduis'"),
        ({"reference": [[np.nan] * 12]}, r"reference must be finite; 1 of 1 rows"),
        (
            {"options": {"novelsum": {"rank_by": "x"}}},
            r"rank_by must be one of distance, weighted; got 'x'\.",
        ),
    ],
)
def test_errors(arguments, text):
    with pytest.raises(DataError, match=text):
        together(sets("apart")[0], **arguments)


def test_progress_counts_the_measures():
    steps = []
    together(
        [[1.0, 0.0], [0.0, 1.0]],
        measures=["radius", "distsum_l2", "ttr"],
        progress=lambda *at: steps.append(at),
    )
    assert steps[-1] == (3, 3)
    assert len(set(steps)) == len(steps)


def test_parts_of_tiles_cover_them():
    tile = pairs.Tile(5, 12, np.zeros((7, 2**18), dtype=np.float32), 0.0)
    assert [(part.start, part.stop) for part in tile.parts()] == [(5, 7), (7, 9), (9, 11), (11, 12)]
    assert functools.reduce(lambda total, part: total + len(part.gap), tile.parts(), 0) == 7


@pytest.mark.parametrize(("workers", "kind", "variant"), [(1, "inside", "paper"), (2, "lengths", "paper"),
                                                          (4, "apart", "official")])  # fmt: skip
def test_ray_workers_give_the_same_bits(ray_started, workers, kind, variant):
    rows, pool = sets(kind)
    rows = np.concatenate([rows] * 5)[:1100] * np.float32(1.5)  # more than one tile
    names = ["novelsum", "distsum_l2", "knn_distance", "facility_location"]
    options = {"novelsum": {"variant": variant}}
    here = together(rows, reference=pool, measures=names, options=options)
    there = together(rows, reference=pool, measures=names, options=options, engine="ray", workers=workers)
    assert there == here


def test_one_measure_on_ray_alone(ray_started):
    rows, pool = sets("inside")
    assert novelsum(rows, reference=pool, engine="ray", workers=2) == novelsum(rows, reference=pool)


def test_measures_that_ray_cannot_run_are_named():
    rows = np.eye(4)
    with pytest.raises(
        DataError,
        match=r"engine must be 'local' for vendi_score; got 'ray'\. With 'ray' there are: novelsum, .*facility",
    ):
        together(rows, measures=["novelsum", "vendi_score"], engine="ray")
    with pytest.raises(DataError, match=r"workers must be left out with engine 'local'; got 2"):
        novelsum(rows, workers=2)
