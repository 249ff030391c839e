"""The eleven older measures: numbers from outside, slow loops, and contracts over the table."""

from __future__ import annotations

import inspect
import math
import typing
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from assay.diversity import (
    MEASURES,
    cluster_inertia,
    distsum_cosine,
    distsum_l2,
    facility_location,
    knn_distance,
    log_determinant,
    partition_entropy,
    radius,
    ttr,
    vendi_score,
    vocd_d,
)
from assay.diversity.lexical import tokens
from assay.errors import AssayWarning, DataError
from tests.golden.vectors import T3_R as R
from tests.golden.vectors import T3_X as X
from tests.oracles.novelsum import cosine_distances

MANY = [30, 20, 15, 10, 8, 5, 4, 3, 2, 1, 1, 1]
VECTORS = [name for name, row in MEASURES.items() if row.takes == "vectors" and name != "novelsum"]


def words(*counts):
    """A text with so many of each word."""
    return " ".join(f"w{kind}" for kind, count in enumerate(counts) for _ in range(count))


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (distsum_cosine(X, form="sum_ordered"), 35.6591104069),
        (distsum_cosine(X, form="sum_pairs"), 17.8295552034),
        (distsum_cosine(X), 0.6367698287),
        (distsum_cosine(X, form="mean_all"), 0.5571736001),
        (distsum_l2(X, form="sum_ordered"), 57.6391202345),
        (distsum_l2(X, form="sum_pairs"), 28.8195601173),
        (distsum_l2(X), 1.0292700042),
        (distsum_l2(X, form="mean_all"), 0.9006112537),
        (knn_distance(X), 0.0718246455),
        (knn_distance(X, neighbors=2), 0.1918666641),
        (knn_distance(X, neighbors=2, statistic="mean"), 0.1318456548),
        (knn_distance(X, metric="l2"), 0.3053243945),
        (radius(X), 0.2924907537),
        (radius(X, ddof=1), 0.3126857683),
        (log_determinant(X[:3], ridge=0.0), -0.0642733015),
        (vendi_score(X), 2.7473269671),
        (vendi_score(X, order=0.5), 2.8607740997),
        (vendi_score(X, order=2), 2.5855214495),
        (facility_location(X, reference=R, form="cost"), 9.9704906261),
        (facility_location(X, reference=R), 14.0295093739),
        (cluster_inertia(X, centroids=R[:4]), 5.4376924356),
        (partition_entropy(X, centroids=R[:4]), 1.0821955300),
        (partition_entropy(X, centroids=R[:4], log_base="2"), 1.5612781245),
        (ttr([words(*[5] * 20)]), 0.5594951726),
        (ttr([words(*[10] * 10)]), 0.3256942532),
        (ttr([words(*MANY)]), 0.2867402489),
        (ttr([words(*[10] * 10)], n_tokens=35), 0.2827595841),
        (ttr([words(*[10] * 10)], n_tokens=50), 0.1998813161),
    ],
)  # fmt: skip
def test_t4_and_t5_to_the_last_digit(value, printed):
    assert abs(value - printed) <= 1e-10


def test_the_rest_of_t4_and_t5():
    assert_allclose(log_determinant(X), -66.4398083485, atol=1e-6)  # the dual agrees to 1e-6
    assert_allclose(log_determinant(X, ridge=1e-10), -112.4915118665, atol=1e-6)
    for counts, d in (
        ([5] * 20, 7.5606492),
        ([10] * 10, 1.5624420),
        (MANY, 1.4095675),
    ):
        assert abs(vocd_d([words(*counts)]) - d) <= 0.6e-7
    sampled = vocd_d([words(*MANY)], method="sampled", seed=42)
    assert abs(sampled - 1.4070663) < 0.02


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_slow_loops(dtype):
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(70, 6)) + 1).astype(dtype)
    pool = rng.normal(size=(50, 6)).astype(dtype)
    exact = rows.astype(np.float64)
    rtol = 1e-6 if dtype == np.float32 else 1e-11
    d = cosine_distances(exact)
    assert_allclose(distsum_cosine(rows, form="sum_ordered"), d.sum(), rtol=rtol)
    gaps = np.array([[np.sqrt(((x - y) ** 2).sum()) for y in exact] for x in exact])
    assert_allclose(distsum_l2(rows, form="sum_ordered"), gaps.sum(), rtol=rtol)
    others = d + np.diag(np.full(70, np.inf))
    assert_allclose(knn_distance(rows, neighbors=3), np.sort(others, axis=1)[:, 2].mean(), rtol=rtol)
    assert_allclose(radius(rows), math.exp(np.log(exact.std(axis=0)).mean()), rtol=rtol)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    kernel = unit @ unit.T
    assert_allclose(
        log_determinant(rows, ridge=1e-3), np.linalg.slogdet(kernel + 1e-3 * np.eye(70))[1], rtol=rtol
    )
    values = np.linalg.eigvalsh(kernel / 70)
    values = values[values > 1e-12]
    for order in (0.5, 2.0, 3.0):
        assert_allclose(vendi_score(rows, order=order), (values**order).sum() ** (1 / (1 - order)), rtol=rtol)
    assert_allclose(vendi_score(rows, order=math.inf), 1 / values.max(), rtol=rtol)
    near = [[cosine_distances(np.array([x, y]))[0, 1] for x in exact] for y in pool.astype(np.float64)]
    assert_allclose(
        facility_location(rows, reference=pool, form="cost"), np.min(near, axis=1).sum(), rtol=rtol
    )
    assert_allclose(
        facility_location(rows, reference=pool, form="mean_coverage"),
        1 - np.min(near, axis=1).mean(),
        rtol=rtol,
    )


def test_wide_sets_take_the_kernel_and_long_ones_its_dual():
    rows = np.random.default_rng(1).normal(size=(5, 40))
    kernel = rows @ rows.T / np.outer(*[np.linalg.norm(rows, axis=1)] * 2)
    assert_allclose(log_determinant(rows, ridge=0.0), np.linalg.slogdet(kernel)[1], rtol=1e-10)
    values = np.linalg.eigvalsh(kernel / 5)
    assert_allclose(vendi_score(rows), np.exp(-(values * np.log(values)).sum()), rtol=1e-10)


def test_partitions_are_seeded_and_sane():
    rng = np.random.default_rng(2)
    centres = 10 * rng.normal(size=(5, 4))
    pool = (centres[rng.integers(5, size=400)] + 0.1 * rng.normal(size=(400, 4))).astype(np.float32)
    even = np.concatenate([pool[((pool - c) ** 2).sum(axis=1).argsort()[:8]] for c in centres])
    value = partition_entropy(even, reference=pool, n_clusters=5, seed=3)
    assert value == partition_entropy(even, reference=pool, n_clusters=5, seed=3)
    assert 0 < value <= math.log(5) + 1e-12
    assert partition_entropy(even[:8], centroids=centres) == 0
    assert_allclose(partition_entropy(even, centroids=centres, normalise=True), 1.0)
    assert_allclose(partition_entropy(even, centroids=centres, log_base="10"), math.log10(5))
    inertia = cluster_inertia(pool, n_clusters=20)
    assert inertia == cluster_inertia(pool, n_clusters=20)
    assert inertia < cluster_inertia(pool, n_clusters=5)
    assert_allclose(
        cluster_inertia(pool, n_clusters=5, form="mean"), cluster_inertia(pool, n_clusters=5) / 400
    )


RNG = np.random.default_rng(5)
ROWS, POOL = RNG.normal(size=(260, 5)) + 0.4, RNG.normal(size=(300, 5)) + 0.4
SMALL = {"cluster_inertia": {"n_clusters": 20}, "partition_entropy": {"n_clusters": 30}}
WORDS = [words(*[5] * 20), words(*[10] * 10), words(*MANY).upper() + " w0 w0-w1", words(*[1] * 60)]


def call(name, data=None, **options):
    """The measure of small data, with what it needs."""
    row = MEASURES[name]
    options = SMALL.get(name, {}) | options
    if row.reference != "none" and "centroids" not in options:
        options = {"reference": POOL} | options
    if data is None:
        data = ROWS if row.takes == "vectors" else WORDS
    return row.function(data, **options)


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("name", MEASURES)
def test_contracts(name):
    value = call(name)
    assert type(value) is float
    assert value == call(name)
    if MEASURES[name].takes == "texts":
        assert_allclose(call(name, WORDS[::-1]), value, rtol=1e-12)
        return
    fixed = (
        {"centroids": POOL[:20]} if name == "cluster_inertia" else {}
    )  # else K-means starts from rows by number
    base = call(name, **fixed)
    assert_allclose(call(name, ROWS[RNG.permutation(260)], **fixed), base, rtol=1e-9)
    assert_allclose(call(name, ROWS.astype(np.float32), **fixed), base, rtol=1e-3)
    broken = ROWS.copy()
    broken[7, 2] = np.nan
    with pytest.raises(
        DataError, match=r"embeddings must be finite; 1 of 260 rows hold NaN or inf, first at row 7"
    ):
        call(name, broken)
    for option in {"reference", "centroids"} & set(inspect.signature(MEASURES[name].function).parameters):
        with pytest.raises(DataError, match=rf"{option} must be finite; 1 of 260 rows"):
            call(name, **{option: broken})
    with pytest.raises(DataError, match=r"embeddings must be a matrix of shape \(n, d\); got shape \(3,\)\."):
        call(name, np.ones(3))
    with pytest.raises(DataError, match="embeddings must have at least one row and one column"):
        call(name, np.ones((0, 3)))


@pytest.mark.parametrize("name", [name for name, row in MEASURES.items() if row.takes == "vectors"])
def test_copies_are_warned_of(name):
    with pytest.warns(
        AssayWarning, match=r"2 of 262 samples are copies of another; they make the set less div"
    ):
        call(name, np.concatenate([ROWS, ROWS[:2]]))


DIRECTIONS = ["distsum_cosine", "knn_distance", "log_determinant", "vendi_score", "facility_location"]


def test_scale():
    scaled = {"reference": 4 * POOL}
    for name in DIRECTIONS:
        assert call(name, 4 * ROWS) == call(name)
    assert facility_location(ROWS, **scaled) == facility_location(ROWS, reference=POOL)
    assert call("partition_entropy", 4 * ROWS, **scaled) == call("partition_entropy")
    for name, power in (("distsum_l2", 1), ("radius", 1), ("cluster_inertia", 2)):
        assert_allclose(call(name, 4 * ROWS), 4**power * call(name), rtol=1e-12)
    zero = ROWS.copy()
    zero[9] = 0
    for name in [*DIRECTIONS, "novelsum"]:
        with pytest.raises(
            DataError, match=r"embeddings must have no zero rows.*1 of 260 rows are zero, .*row 9"
        ):
            call(name, zero)


OTHERWISE = {  # where the default does not tell of another value
    "reference": ROWS[:150], "centroids": POOL[:25], "density": np.linspace(1, 2, 260), "density_power": 0.25,
    "density_side": "neighbor", "density_statistic": "sum_cosine", "include_self": False, "reduction": "sum",
    "rank_by": "weighted", "variant": "paper", "tokenizer": str.split, "max_points_per_centroid": 2, "order": 0.5,
    "floor": 10.0, "ridge": 0.1, "n_clusters": 10, "n_init": 8,
}  # fmt: skip


def others(name):
    """For each keyword of a measure other values than its default, told from the signature."""
    function = MEASURES[name].function
    hints, found = typing.get_type_hints(function), {}
    for key, parameter in list(inspect.signature(function).parameters.items())[1:]:
        if typing.get_origin(hints[key]) is typing.Literal:
            found[key] = [value for value in typing.get_args(hints[key]) if value != parameter.default]
        elif isinstance(parameter.default, bool):
            found[key] = [not parameter.default]
        elif key in OTHERWISE:
            found[key] = [OTHERWISE[key]]
        elif isinstance(parameter.default, int | float):
            found[key] = [parameter.default + 1]
    return found


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
@pytest.mark.parametrize("name", MEASURES)
def test_no_parameter_is_dead(name):
    changes = others(name)
    assert set(changes) == set(inspect.signature(MEASURES[name].function).parameters) - {
        "embeddings", "texts", "device", "engine", "workers",
    }  # fmt: skip
    settings = [{}] + [{key: value} for key, values in changes.items() for value in values]
    for key, values in changes.items():
        for value in values:
            tried = (
                one for one in settings if key not in one and not {key, *one} >= {"reference", "centroids"}
            )
            start = SMALL.get(name, {})
            assert any(
                call(name, **{**start, **one, key: value}) != call(name, **{**start, **one}) for one in tried
            ), f"{name}({key}={value!r}) changes nothing"


@pytest.mark.parametrize(
    "name", [name for name, row in MEASURES.items() if "device" in inspect.signature(row.function).parameters]
)
def test_the_torch_search_changes_nothing(name):
    for data in (ROWS, ROWS.astype(np.float32)):
        assert call(name, data, device="cpu:0") == call(name, data, device="cpu")


def test_blas_threads_change_nothing():
    from threadpoolctl import threadpool_limits

    rows = np.random.default_rng(6).normal(size=(900, 130)).astype(np.float32)
    values = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            values.append(
                {
                    name: MEASURES[name].function(rows, **SMALL.get(name, {}))
                    for name in VECTORS
                    if MEASURES[name].reference == "none"
                }
                | {"partition_entropy": partition_entropy(rows[:200], reference=rows, n_clusters=30)}
            )
    assert values[0] == values[1]


def test_laws_of_the_single_measures():
    coverage = [facility_location(ROWS[:n], reference=POOL) for n in (1, 5, 20, 100, 260)]
    assert coverage == sorted(coverage)
    assert_allclose(facility_location(ROWS, reference=POOL, form="cost") + coverage[-1], 300)
    for n in (4, 260):
        assert partition_entropy(ROWS[:n], reference=POOL, n_clusters=30) <= math.log(min(n, 30)) + 1e-12
    for order in (0.5, 1, 2, math.inf):
        assert 1 <= vendi_score(ROWS, order=order) <= 5
        assert_allclose(vendi_score(np.eye(6), order=order), 6)
    with pytest.warns(AssayWarning, match="copies"):
        assert_allclose(vendi_score(np.ones((6, 3))), 1)
    assert_allclose(vendi_score(ROWS, order=5000), vendi_score(ROWS, order=math.inf), rtol=1e-3)
    assert_allclose(vendi_score(ROWS, order=1 + 1e-7), vendi_score(ROWS), rtol=1e-6)
    unit = R[:4]
    gaps = [min(1 - x @ y for y in unit) for x in X]
    assert_allclose(cluster_inertia(X, centroids=unit, metric="cosine"), sum(gaps), atol=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t mix 3 things: 中文, カナ and snake_case!", "Don't mix 3 things 中 文 カ ナ and snake case"),
        ("well-known 3.14 1,000 o'clock rock 'n' roll", "well known 3 14 1 000 o'clock rock n roll"),
        ("人々のコーヒー・店。", "人 々 の コ ー ヒ ー 店"),
        ("한국어 문장", "한국어 문장"),
        ("ＡＢＣ１２ ｶﾅ don＇t", "ABC12 カ ナ don't"),
        ("cafe\u0301 caf\u00e9", "café café"),
        ("हिन्दी مُحَمَّد می\u200cروم", "हिन्दी مُحَمَّد می\u200cروم"),
        ("👍🏽 👨\u200d👩\u200d👧 ok 🎉", "ok"),
        ("zero\u200bwidth \ud800 x", "zero width x"),
        ("", ""),
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected.split()


def test_ttr_options():
    assert ttr(["A a"], n_tokens=2) == 0.5
    assert ttr(["A a"], n_tokens=2, lowercase=False) == 1.0
    assert ttr(["a b", "a b"], n_tokens=2, level="corpus") < ttr(["a b", "a b"], n_tokens=2)
    assert ttr(["a-b"], n_tokens=1, tokenizer=str.split) == 1.0


def test_errors_and_warnings():
    one = X[:1]
    for function in (distsum_cosine, distsum_l2, radius, knn_distance):
        with pytest.raises(DataError, match=r"embeddings must have at least 2 rows; got 1\."):
            function(one)
    for call, text in [
        (lambda: distsum_cosine(X, form="sum"), "form must be one of mean_offdiag"),
        (
            lambda: knn_distance(X, neighbors=8),
            r"neighbors must be < the rows of embeddings \(8\); got 8\. Use fewer neighbors\.",
        ),
        (lambda: knn_distance(X, neighbors=0), r"neighbors must be >= 1; got 0\."),
        (lambda: knn_distance(X, neighbors=1.5), r"neighbors must be a whole number; got 1\.5\."),
        (
            lambda: knn_distance(X, metric="cos"),
            r"metric must be one of l2, sqeuclidean, cosine; got 'cos'\.",
        ),
        (lambda: knn_distance(X, statistic="median"), r"statistic must be one of kth, mean; got 'median'\."),
        (lambda: log_determinant(X, ridge=-1), r"ridge must be >= 0; got -1\."),
        (lambda: vendi_score(X, order=0), r"order must be > 0; got 0\."),
        (lambda: vendi_score(X, order=float("nan")), r"order must be > 0; got nan\."),
        (lambda: vendi_score(X, order=-math.inf), r"order must be > 0; got -inf\."),
        (lambda: radius(X, ddof=2), r"ddof must be <= 1; got 2\."),
        (lambda: radius(X, floor=0), r"floor must be > 0; got 0\."),
        (lambda: cluster_inertia(X, n_clusters=0), r"n_clusters must be >= 1; got 0\."),
        (
            lambda: cluster_inertia(X, n_clusters=8),
            r"more rows than n_clusters \(8\); got 8\. Use fewer clusters\.",
        ),
        (lambda: cluster_inertia(X, n_clusters=2, n_init=0), r"n_init must be >= 1; got 0\."),
        (
            lambda: cluster_inertia(X, n_clusters=2, max_points_per_centroid=0),
            r"max_points_per_centroid must be >= 1; got 0\.",
        ),
        (
            lambda: cluster_inertia(X, centroids=R[:, :2]),
            r"centroids must have as many dimensions as embeddings \(3\); got 2\.",
        ),
        (lambda: cluster_inertia(X, metric="l2"), r"metric must be one of sqeuclidean, cosine; got 'l2'\."),
        (lambda: partition_entropy(X, reference=R, n_clusters=0), r"n_clusters must be >= 1; got 0\."),
        (
            lambda: partition_entropy(X, reference=R, log_base="3"),
            r"log_base must be one of e, 2, 10; got '3'\.",
        ),
        (lambda: facility_location(X, reference=R, form="sum"), r"form must be one of coverage, cost, mean_"),
        (
            lambda: facility_location(X, reference=R, metric="l1"),
            r"metric must be one of cosine, l2; got 'l1'\.",
        ),
        (lambda: ttr(["a b"], n_tokens=0), r"n_tokens must be >= 1; got 0\."),
        (lambda: ttr(["a b"], level="set"), r"level must be one of sample, corpus; got 'set'\."),
        (
            lambda: vocd_d(["a b"], method="exactly"),
            r"method must be one of exact, sampled; got 'exactly'\. Did",
        ),
        (lambda: vocd_d(["a b"], within_sample=0), r"within_sample must be >= 1; got 0\."),
        (
            lambda: vocd_d(["a b"], on_unbounded="drop"),
            r"on_unbounded must be one of exclude, cap, median; got",
        ),
        (lambda: cluster_inertia(X), r"embeddings must have more rows than n_clusters \(200\); got 8\."),
        (lambda: partition_entropy(X), r"needs either a reference or centroids; got neither\."),
        (lambda: partition_entropy(X, reference=R, centroids=R), r"got both\."),
        (
            lambda: partition_entropy(X, reference=R),
            r"reference must have at least n_clusters rows \(1000\); got 24\.",
        ),
        (
            lambda: facility_location(X, reference=R[:, :2]),
            r"reference must have as many dimensions as embeddings",
        ),
        (
            lambda: ttr(["too short"]),
            r"texts must have enough words for n_tokens=30; all 1 have fewer than 30 words\.",
        ),
        (
            lambda: vocd_d([words(*[1] * 60)]),
            r"vocd_d needs a text of more than 50 words with a repeated word",
        ),
        (
            lambda: vocd_d(["a"], n_min=5, n_max=4),
            r"n_min and n_max must be 1 <= n_min <= n_max; got 5 and 4\.",
        ),
        (lambda: ttr("text"), r"texts must be a non-empty sequence of texts; got 'text'\."),
    ]:
        with pytest.raises(DataError, match=text):
            call()
    with pytest.warns(AssayWarning, match="every sample has a copy; the distance to neighbors is 0"):
        assert knn_distance(np.repeat(X, 2, axis=0)) == 0
    with pytest.warns(AssayWarning, match="the similarity matrix is singular and there is no ridge"):
        assert log_determinant(X, ridge=0.0) == -math.inf
    with pytest.warns(AssayWarning, match="1 of 3 dimensions have a standard deviation below 1e-10"):
        radius(X * [1, 1, 0] + [0, 0, 2])
    with pytest.warns(AssayWarning, match="1 of 2 texts have fewer than 30 words and are left out"):
        assert ttr(["short", words(*[5] * 20)]) == ttr([words(*[5] * 20)])
    texts = [words(*[5] * 20), words(*[10] * 10), words(*[1] * 60)]
    for treatment, expected in (
        ("exclude", None),
        ("cap", 7.5606492),
        ("median", (7.5606492 + 1.562442) / 2),
    ):
        with pytest.warns(AssayWarning, match="1 of 3 texts repeat no word, so that their D has no bound"):
            value = vocd_d(texts, on_unbounded=treatment)
        found = [7.5606492, 1.562442] + ([] if expected is None else [expected])
        assert_allclose(value, np.mean(found), rtol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert facility_location(R, reference=R) == 24
