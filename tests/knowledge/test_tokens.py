"""Divergence against the description's vectors and slow loops, and what holds for all models."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.knowledge import Tally, divergence, paper_rows, spread, tokens, top_kl
from tests.golden import knowledge as golden
from tests.oracles import knowledge as oracle

logits = st.lists(st.integers(-60, 60).map(lambda n: n / 4), min_size=6, max_size=6)
pairs = st.lists(st.tuples(logits, logits), min_size=1, max_size=4)


def both(drawn):
    tuned, original = zip(*drawn, strict=True)
    return np.array(tuned), np.array(original)


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.float32, np.float64])
def test_the_vectors_of_the_description(dtype: type) -> None:
    tuned, original = np.array([golden.TUNED], dtype), np.array([golden.ORIGINAL], dtype)
    found = divergence(tuned, original, top=list(golden.TOP_KL))
    for m, value in golden.TOP_KL.items():
        assert found.top_kl[m][0] == pytest.approx(value, abs=6e-11)
        assert top_kl(tuned, original, m=m)[0] == found.top_kl[m][0]
    assert found.tuned_original[0] == pytest.approx(golden.TOP_KL[6], abs=6e-11)
    assert found.original_tuned[0] == pytest.approx(golden.ORIGINAL_TUNED, abs=6e-11)
    assert found.jensen_shannon[0] == pytest.approx(golden.JENSEN_SHANNON, abs=6e-11)


def test_the_direction() -> None:
    """The tokens are the tuned model's, and the mean of the logarithm is under the tuned model."""
    sure, torn = [[5.0, 0.0, 0.0, -9.0]], [[0.0, 0.0, 0.0, 9.0]]
    assert top_kl(sure, torn, m=3)[0] == pytest.approx(oracle.kl(oracle.softmax([5, 0, 0]), [1 / 3] * 3))
    there = divergence(sure, torn, top=[1])
    back = divergence(torn, sure, top=[1])
    assert there.tuned_original[0] == pytest.approx(back.original_tuned[0])
    assert there.tuned_original[0] != pytest.approx(there.original_tuned[0])
    assert there.original_outside[1][0] > 0.99 > 0.02 > there.tuned_outside[1][0]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(pairs)
def test_as_slow_loops_have_it(drawn) -> None:
    tuned, original = both(drawn)
    found = divergence(tuned, original, top=[2, 3, 6], agreement=[1, 4])
    for row, (t, o) in enumerate(drawn):
        p, q = oracle.softmax(t), oracle.softmax(o)
        for m in (2, 3, 6):
            assert found.top_kl[m][row] == pytest.approx(oracle.paper_kl(t, o, m), abs=1e-12)
            assert found.original_outside[m][row] == pytest.approx(oracle.outside(o, t, m), abs=1e-14)
            assert found.tuned_outside[m][row] == pytest.approx(oracle.outside(t, t, m), abs=1e-14)
        assert found.tuned_original[row] == pytest.approx(oracle.kl(p, q), abs=1e-12)
        assert found.original_tuned[row] == pytest.approx(oracle.kl(q, p), abs=1e-12)
        assert found.jensen_shannon[row] == pytest.approx(oracle.jensen_shannon(p, q), abs=1e-12)
        best = [sorted(range(6), key=lambda i: (-x[i], i)) for x in (t, o)]
        for k in (1, 4):
            assert found.agreement[k][row] == len({*best[0][:k]} & {*best[1][:k]}) / k


@settings(derandomize=True, max_examples=60, deadline=None)
@given(pairs, st.integers(-40, 40), st.permutations(range(6)))
def test_laws(drawn, shift: int, order: list[int]) -> None:
    tuned, original = both(drawn)
    found = divergence(tuned, original, top=[1, 3, 6])
    assert (found.top_kl[1] == 0).all()
    np.testing.assert_allclose(found.top_kl[6], found.tuned_original, rtol=1e-12, atol=1e-15)
    for values in (*found.top_kl.values(), found.tuned_original, found.original_tuned, found.jensen_shannon):
        assert (values >= 0).all()
    assert (found.jensen_shannon <= np.log(2) + 1e-15).all()
    shifted = divergence(tuned + shift, original - shift, top=[1, 3, 6])
    np.testing.assert_array_equal(shifted.top_kl[3], found.top_kl[3])
    np.testing.assert_array_equal(shifted.tuned_original, found.tuned_original)
    np.testing.assert_array_equal(divergence(original, tuned, top=[1]).jensen_shannon, found.jensen_shannon)
    renamed = divergence(tuned[:, order], original[:, order], top=[6])
    np.testing.assert_allclose(renamed.tuned_original, found.tuned_original, rtol=1e-12, atol=1e-15)
    same = divergence(tuned, tuned + shift, top=[3])
    for values in (same.top_kl[3], same.tuned_original, same.original_tuned, same.jensen_shannon):
        assert (values == 0).all()
    assert all((share == 1).all() for share in same.agreement.values())


def test_logits_and_their_log_probabilities_are_one() -> None:
    rng = np.random.default_rng(0)
    tuned, original = rng.normal(0, 4, (2, 20, 300)).astype(np.float32)
    raw = divergence(tuned, original)
    log = [x - np.log(np.exp(x.astype(np.float64)).sum(1, keepdims=True)) for x in (tuned, original)]
    given_log = divergence(*log, inputs="log_probabilities")
    assert list(raw.top_kl) == [5, 10, 20, 50]
    np.testing.assert_allclose(given_log.top_kl[10], raw.top_kl[10], rtol=1e-12)
    np.testing.assert_allclose(given_log.jensen_shannon, raw.jensen_shannon, rtol=1e-12)
    half = [x.astype(np.float32) for x in log]
    np.testing.assert_allclose(
        divergence(*half, inputs="log_probabilities").tuned_original, raw.tuned_original, rtol=1e-5
    )


def test_ruled_out_and_far_apart() -> None:
    never = -np.inf
    found = divergence(
        [[0.0, 0.0, never], [0.0, never, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, never]], top=[2, 3]
    )
    np.testing.assert_allclose(found.tuned_original, [np.log(1.5), np.inf])
    assert found.original_tuned.tolist() == [np.inf, np.inf]
    np.testing.assert_allclose(found.jensen_shannon[1], np.log(2) / 2)
    assert found.top_kl[3][1] == np.inf
    assert top_kl([[9.0, 8.0, 0.0]], [[never, never, 0.0]], m=2)[0] == np.inf
    far = divergence([[3e4, 0.0, -3e4]], [[-3e4, 0.0, 3e4]], top=[2])
    assert far.tuned_original[0] == far.original_tuned[0] == 6e4
    assert far.jensen_shannon[0] == pytest.approx(np.log(2))
    near = 1 + np.arange(5) * 1e-9
    assert 0 <= divergence([near], [near[::-1]], top=[5]).tuned_original[0] < 1e-15


def test_equal_logits_rank_by_lower_id() -> None:
    tuned = [[1.0, 2.0, 1.0, 1.0, 2.0]]
    for m, kept in ((1, [1]), (2, [1, 4]), (3, [1, 4, 0]), (4, [1, 4, 0, 2])):
        assert tokens._largest(np.array(tuned), m)[0].tolist() == kept


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tuned, original = np.random.default_rng(1).normal(size=(2, 50, 40)).astype(np.float32)
    whole = divergence(tuned, original)
    np.save(tmp_path / "t.npy", tuned)
    monkeypatch.setattr(tokens, "BLOCK", 130)
    parts = divergence(np.load(tmp_path / "t.npy", mmap_mode="r"), original)
    for name in ("tuned_original", "original_tuned", "jensen_shannon"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_array_equal(parts.top_kl[10], whole.top_kl[10])


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "BLOCK", 1 << 14)
    peaks = []
    for n in (64, 512):
        rows = np.zeros((n, 2000), dtype=np.float32)
        tracemalloc.start()
        divergence(rows, rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] < 12 * 8 * (1 << 14) * 1.2


@pytest.mark.parametrize(
    ("tuned", "original", "options", "message"),
    [
        ([[0, 1, 2]], [[0, 1]], {}, r"original must have the vocabulary of tuned \(3 tokens\); got 2\."),
        ([[0, 1]] * 2, [[0, 1]], {}, r"original must have as many rows as tuned \(2\); got 1\."),
        ([0, 1], [0, 1], {}, r"tuned must be a matrix \(n, vocabulary\), neither of them 0; got shape \(2,\)"),
        ([[0, 1], [0]], [[0, 1]], {}, "tuned must be a matrix .* rows of different lengths"),
        ([["a", "b"]], [[0, 1]], {}, "tuned must hold real numbers"),
        ([[0, 1], [0, np.nan]], [[0, 1]] * 2, {}, "tuned must hold no NaN or plus infinity; row 1 does"),
        ([[0, 1]], [[np.inf, 1]], {}, "original must hold no NaN or plus infinity; row 0 does"),
        ([[0, 1]], [[-np.inf] * 2], {}, "original must leave a token possible; row 0"),
        ([[0, 1]], [[0, 1]], {"top": [3]}, r"top must be <= the vocabulary \(2\); got 3"),
        ([[0, 1]], [[0, 1]], {"top": []}, "top must have at least one size"),
        ([[0, 1]], [[0, 1]], {"agreement": [0]}, "agreement must be >= 1; got 0"),
        ([[0, 1]], [[0, 1]], {"inputs": "logit"}, "inputs must be one of logits, log_probabilities; got 'logit'"),
        ([[-1.0, -2.0]], [[0, 1]], {"inputs": "log_probabilities"}, r"tuned must be .* row 0 sums to 0\.503"),
        ([[900.0, 0.0]], [[0, 1]], {"inputs": "log_probabilities"}, "tuned must be log-probabilities"),
    ],
)  # fmt: skip
def test_refusals(tuned, original, options, message: str) -> None:
    with pytest.raises(DataError, match=message):
        divergence(tuned, original, **options)


def test_the_rows_of_the_paper() -> None:
    hits = [[9, 10, 10], [10, 10, 8], [2, 10, 1], [10, 0, 10], [10, 10, 10]]
    counted = Tally(hits, np.full((5, 3), 10))
    starts = np.ones((5, 3), dtype=bool)
    starts[1, 1] = False
    relations = ["P36", "P36", "P36", "P17", "P17"]
    facts, templates = paper_rows(counted, relations=relations, starts=starts)
    assert facts.tolist() == [0, 4]  # fact 1 does not begin with the object, 2 and 3 are no D4
    assert templates.tolist() == [1, 0]
    facts, templates = paper_rows(counted, relations=relations, starts=starts, category=3)
    assert (facts.tolist(), templates.tolist()) == ([3], [0])
    facts, _ = paper_rows(counted, relations=relations, starts=starts, category=1)
    assert facts.tolist() == []
    with pytest.raises(DataError, match=r"starts must have the shape of hits, \(5, 3\); got \(5, 2\)"):
        paper_rows(counted, relations=relations, starts=starts[:, :2])
    with pytest.raises(DataError, match=r"relations must be as many as the facts \(5\); got 1"):
        paper_rows(counted, relations=["P36"], starts=starts)


def test_spread_draws_facts_not_tokens() -> None:
    rng = np.random.default_rng(3)
    level = rng.normal(size=200)
    values, facts = np.repeat(level, 8), np.repeat(np.arange(200), 8).tolist()
    (by_fact,) = spread(values, facts=facts)
    (by_token,) = spread(values)
    assert by_fact.mean == by_token.mean
    assert (by_fact.facts, by_token.facts, by_fact.tokens) == (200, 1600, 1600)
    error = level.std() / np.sqrt(200)
    assert by_fact.high - by_fact.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert by_token.high - by_token.low < 0.5 * (by_fact.high - by_fact.low)
    bins = ["D0" if number < 50 else "D4" for number in facts]
    first, second = spread(values, facts=facts, groups=bins)
    assert (first.group, first.facts, second.group, second.facts) == ("D0", 50, "D4", 150)
    assert first.q90 == pytest.approx(np.quantile(values[:400], 0.9))
    assert spread(values[:400], facts=facts[:400])[0].low == first.low
    with pytest.raises(DataError, match="values must be finite; 1 of 2 are NaN or inf, first at 1"):
        spread([0.0, np.inf])
    with pytest.raises(DataError, match=r"groups must be as many as the values \(1\); got 2"):
        spread([0.0], groups=["a", "b"])
