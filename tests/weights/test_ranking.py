"""Keys and scores against the description's vectors, torch and slow loops."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import kernels, keys, levels, official_scores, ranking, select, spreads
from assay.weights.official import to_bf16, to_fp16
from tests.golden import weights as golden
from tests.oracles import weights as oracle


def test_relative_change_of_the_description():
    p, s = np.array(golden.P, np.float32), np.array(golden.S, np.float32)
    assert keys(("w", 0, p, s)).view(np.float32).tolist() == golden.R


def test_random_numbers_of_the_description():
    out = np.empty(1, np.uint32)
    kernels.random(np.uint64(0), np.uint64(0), out)
    assert out[0] == golden.SPLITMIX_ZERO >> 32
    assert int(ranking.stream(0, golden.RANDOM_NAME)) == golden.RANDOM_KEY
    p = np.zeros(4, np.float32)
    assert keys((golden.RANDOM_NAME, 0, p, p), ranking="random").tolist() == golden.RANDOM
    assert keys((golden.RANDOM_NAME, 2, p[2:], p[2:]), ranking="random").tolist() == golden.RANDOM[2:]
    for seed, name, i in ((0, "a", 0), (7, "ä", 2**31 + 5), (123456789, "x.y", 2**40)):
        found = keys((name, i, p[:1], p[:1]), ranking="random", seed=seed)
        assert found[0] == oracle.random_number(seed, name, i)


def test_keys_are_numpy_s_float32_bit_for_bit():
    rng = np.random.default_rng(0)
    p = (rng.normal(size=200_001) * 10.0 ** rng.uniform(-46, 5, 200_001)).astype(np.float32)
    s = (p + rng.normal(size=len(p)) * 10.0 ** rng.uniform(-46, 5, len(p))).astype(np.float32)
    d = np.abs(s - p)
    chunk = ("w", 0, p, s)
    assert (keys(chunk).view(np.float32) == d / (np.abs(p) + np.float32(1e-8))).all()
    assert (keys(chunk, ranking="absolute").view(np.float32) == d).all()
    assert (keys(chunk, ranking="scaled", spreads={"w": 0.1}).view(np.float32) == d / np.float32(0.1)).all()
    order = np.argsort(keys(chunk, ranking="magnitude"), kind="stable")
    assert (np.diff(np.abs(p)[order]) <= 0).all()
    for name in ("relative", "absolute", "magnitude", "random"):
        both = keys(chunk, ranking=name) + keys(chunk, ranking=name, bottom=True)
        assert (both == 0xFFFFFFFF).all()


def test_spreads_of_tensors_in_pieces():
    rng = np.random.default_rng(0)
    tensors = {
        "a": rng.normal(1, 1e-3, 999),
        "b": np.full(10, 0.1),
        "c": np.zeros(3),
        "d": rng.normal(size=1),
    }
    tensors = {name: p.astype(np.float32) for name, p in tensors.items()}
    found = spreads(
        lambda: (
            (name, at, p[at : at + 7], p[at : at + 7])
            for at in range(0, 999, 7)
            for name, p in tensors.items()
        )
    )
    assert found["a"] == pytest.approx(oracle.deviation(tensors["a"]), rel=3e-8)
    assert found["b"] == found["c"] == found["d"] == 1e-8
    with pytest.raises(DataError, match="spreads must have every tensor for 'scaled'; e is missing"):
        keys(("e", 0, tensors["c"], tensors["c"]), ranking="scaled", spreads=found)


def test_official_scores_of_the_description():
    p, s = np.array(golden.BF16_P, np.float32), np.array(golden.BF16_S, np.float32)
    assert official_scores(p, s, dtype="bf16").tolist() == golden.BF16_R


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_official_scores_are_torch_s_bit_for_bit(dtype):
    torch = pytest.importorskip("torch")
    kind = torch.bfloat16 if dtype == "bf16" else torch.float16
    rng = np.random.default_rng(0)
    for sd, change in ((0.015, 3e-5), (1, 1e-3), (1e-7, 1e-8), (1e3, 10)):
        p = (rng.normal(size=100_000) * sd).astype(np.float32)
        p[::97] = 0
        s = (p + rng.normal(size=len(p)) * change).astype(np.float32)
        s[::194] = 0
        expected = oracle.official(p, s, kind).float().numpy()
        found = official_scores(p, s, dtype=dtype)
        np.testing.assert_array_equal(found, expected)
        for turn, one in ((to_bf16, torch.bfloat16), (to_fp16, torch.float16)):
            assert (turn(s) == torch.tensor(s).to(one).float().numpy()).all()


def test_not_a_number_comes_before_an_unchanged_weight_from_the_bottom_too():
    chunk = "w", 0, np.array([1, 0], np.float32), np.array([1, 0], np.float32)
    for bottom in (False, True):
        unchanged, nan = keys(chunk, ranking="official_fp16", bottom=bottom).tolist()
        assert nan > unchanged


@pytest.mark.parametrize("bottom", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_official_choice_up_to_ties(dtype, bottom):
    torch = pytest.importorskip("torch")
    kind = torch.bfloat16 if dtype == "bf16" else torch.float16
    rng = np.random.default_rng(0)
    p = rng.normal(0, 0.015, 50_000).astype(np.float32)
    p[:5] = 0  # nan in fp16, where they are unchanged
    s = (p + rng.normal(0, 3e-5, len(p))).astype(np.float32)
    s[:3] = 0
    chunks = [("w", at, p[at : at + 7000], s[at : at + 7000]) for at in range(0, len(p), 7000)]
    found = select(lambda: chunks, golden.PERCENTS, ranking=f"official_{dtype}", bottom=bottom)
    level = np.concatenate([levels(found, chunk) for chunk in chunks])
    scores = oracle.official(p, s, kind)
    worth = (-scores if bottom else scores).float().nan_to_num(nan=torch.inf).numpy()
    for j, percent in enumerate(golden.PERCENTS):
        theirs = oracle.official_top(scores, percent, bottom=bottom)
        ours = set(np.flatnonzero(level <= j).tolist())
        assert len(ours) == len(theirs)
        border = min(worth[list(theirs)])
        assert min(worth[list(ours)]) == border
        above = set(np.flatnonzero(worth > border).tolist())
        assert above <= ours & theirs
        if dtype == "fp16":
            assert {0, 1, 2} <= ours & theirs
