"""Categories, scores and intervals against the description's numbers and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, spearmanr

from assay.errors import DataError
from assay.knowledge import (
    CATEGORIES,
    SLICK,
    Tally,
    agreement,
    categories,
    crossed,
    exact_categories,
    exact_scores,
    share_interval,
    slick,
    tally,
    template_interval,
    template_scores,
    unsettled,
)
from tests.golden import knowledge as golden
from tests.oracles import knowledge as oracle


@pytest.mark.parametrize("draws", golden.CATEGORIES)
def test_the_vectors_of_the_description(draws: int) -> None:
    hits, expected = golden.CATEGORIES[draws]
    assert categories(hits, draws).tolist() == expected
    assert len(CATEGORIES) == max(expected) + 1


def test_categories_are_the_intervals_of_fractions() -> None:
    for draws in (*range(1, 41), 210, 1680):
        found = categories(np.arange(draws + 1), draws)
        assert found.tolist() == [oracle.category(hits, draws) for hits in range(draws + 1)]
        sampled = exact_categories(np.arange(draws + 1) / draws, draws=draws)
        assert (sampled == found).all() or draws == 1  # a fact of one hit or more is no D0 in as many draws


def test_the_border_of_an_exact_d0() -> None:
    for score, silent in golden.NO_HIT_IN_210.items():
        assert (1 - score) ** 210 == pytest.approx(silent, abs=0.006)
        assert exact_categories([score])[0] == (0 if silent > 0.5 else 1)
    low, high = golden.HALF_SILENT - 1e-4, golden.HALF_SILENT + 1e-4
    assert exact_categories([0.0, low, high, 1.0]).tolist() == [0, 0, 1, 4]
    assert exact_categories([0.003], draws=10_000).tolist() == [1]


def test_slick_as_a_loop() -> None:
    rng = np.random.default_rng(0)
    greedy = rng.random((200, 3)) < rng.random((200, 1)) ** 2
    correct = rng.random((200, 3, 4)) < rng.random((200, 1, 1)) ** 4
    asked = rng.random((200, 3)) < 0.8
    asked[:, 0] = True
    found = slick(tally(correct, greedy=greedy, asked=asked))
    expected = [
        oracle.slick(g[a].tolist(), c[a].ravel().tolist())
        for g, c, a in zip(greedy, correct, asked, strict=True)
    ]
    assert [SLICK[one] for one in found] == expected
    assert set(expected) == set(SLICK)
    d = categories(*tally(correct, asked=asked).totals)
    table = crossed(found, d, shape=(4, 5))
    assert table.sum() == 200
    assert table[3, 1:].sum() == 0  # unknown facts have no hit


def test_templates_that_a_fact_has_not_do_not_count() -> None:
    correct = np.array([[[1, 1], [1, 1]], [[1, 0], [1, 1]]], dtype=bool)
    asked = [[True, False], [True, True]]
    found = tally(correct, asked=asked)
    assert found.totals[0].tolist() == [2, 3]
    assert found.totals[1].tolist() == [2, 4]
    assert found.scores.tolist() == [1.0, 0.75]
    assert exact_scores([[0.5, np.nan], [0.5, 0.75]]).tolist() == [0.5, 0.625]


def test_template_scores_by_relation() -> None:
    found = template_scores(
        Tally([[2, 0, 1], [4, 0, 0], [1, 1, 1]], [[4, 0, 4], [4, 0, 4], [1, 1, 1]]), ["a", "a", "b"]
    )
    np.testing.assert_array_equal(found["a"], [0.75, np.nan, 0.125])
    assert found["b"].tolist() == [1, 1, 1]
    with pytest.raises(DataError, match=r"relations must be as many as the facts \(1\); got 2"):
        template_scores(Tally([[1]], [[1]]), ["a", "a"])


def test_flat_interval_is_what_the_prior_leaves() -> None:
    low, high = share_interval([0, 1, 105, 210], 210)
    assert high[0] == pytest.approx(golden.BOUND_OF_NO_HIT, abs=2e-4)
    assert high[0] == pytest.approx(1 - 0.05 ** (1 / 211))
    assert low[0] == 0
    assert (low[3], high[3]) == (pytest.approx(1 - high[0]), 1)
    assert (low[1], high[1]) == pytest.approx(tuple(beta.ppf([0.025, 0.975], 2, 210)))


def test_wilson_holds_the_score_test() -> None:
    hits, draws = np.array([0, 3, 50, 99, 100]), 100
    low, high = share_interval(hits, draws, method="wilson")
    for bound in (low, high):
        inner = (bound > 0) & (bound < 1)
        z = (hits / draws - bound)[inner] / np.sqrt(bound * (1 - bound) / draws)[inner]
        np.testing.assert_allclose(abs(z), 1.959963985, rtol=1e-8)
    assert (low[0], high[-1]) == (0, 1)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data(), st.sampled_from(["flat", "wilson"]))
def test_intervals_hold_the_score(draws: int, data: st.DataObject, method: str) -> None:
    hits = data.draw(st.integers(0, draws))
    low, high = share_interval(hits, draws, method=method)
    assert 0 <= low <= hits / draws <= high <= 1
    narrow = share_interval(hits, draws, method=method, confidence=0.5)
    assert low <= narrow[0] <= narrow[1] <= high
    mirror = share_interval(draws - hits, draws, method=method)
    assert (1 - mirror[1], 1 - mirror[0]) == (pytest.approx(low), pytest.approx(high))


def test_unsettled_near_the_borders() -> None:
    assert unsettled([0, 2, 25, 52, 53, 80, 106, 130, 157, 158, 200], 210).tolist() == [
        True, True, False, True, True, False, True, False, True, True, False,
    ]  # fmt: skip
    assert unsettled([500, 500], [10_000, 2000]).tolist() == [False, True]


def test_template_interval_is_a_bootstrap_of_whole_templates() -> None:
    rng = np.random.default_rng(5)
    p = rng.random((40, 12))
    draws = np.full((40, 12), 10)
    draws[20:, 8:] = 0
    found = Tally(rng.binomial(draws, p), draws)
    low, high = template_interval(found, resamples=2000)
    assert ((low <= found.scores) & (found.scores <= high)).all()
    for fact, templates in ((3, 12), (30, 8)):
        shares = found.hits[fact, :templates] / 10
        means = rng.choice(shares, size=(4000, templates)).mean(axis=1)
        assert [low[fact], high[fact]] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.03)
    alone = template_interval(Tally(found.hits[30:31], draws[30:31]), resamples=2000)
    assert (alone[0][0], alone[1][0]) == (low[30], high[30])
    again = template_interval(found, resamples=2000, seed=1)
    assert (again[0] != low).any()


def test_agreement_of_a_sound_score() -> None:
    rng = np.random.default_rng(7)
    p = np.clip(rng.beta(0.4, 0.6, (3000, 1)) + rng.normal(0, 0.1, (3000, 21)), 0, 1)
    draws = np.full((3000, 21), 10)
    found = agreement(p, Tally(rng.binomial(draws, p), draws))
    assert found.facts == 3000
    assert abs(found.z) < 3
    assert 99 < found.within_percent < 100
    assert abs(found.difference) < 0.2
    assert found.spearman > 0.99
    assert sum(map(sum, found.categories)) == 3000
    assert found.same_percent == pytest.approx(100 * np.trace(found.categories) / 3000)
    table = np.array(found.categories)[:, 1:]
    assert found.same_known_percent == pytest.approx(100 * np.trace(table[1:]) / table.sum())
    assert sum(row.facts for row in found.calibration) == 3000
    for row in found.calibration:
        assert row.low <= row.exact <= row.high
        assert abs(row.sampled - row.exact) < 4 * row.standard_error


def test_agreement_sees_a_lower_bound_and_a_wrong_score() -> None:
    rng = np.random.default_rng(8)
    p = rng.random((2000, 5))
    draws = np.full((2000, 5), 20)
    sampled = Tally(rng.binomial(draws, p), draws)
    low = agreement(0.9 * p, sampled)
    assert low.difference == pytest.approx(5, abs=0.5)
    assert low.z > 20
    shuffled = agreement(rng.permutation(p), sampled)
    assert abs(shuffled.spearman) < 0.1
    assert shuffled.within_percent < 90
    expected = spearmanr(p.mean(axis=1), sampled.scores).statistic
    assert agreement(p, sampled).spearman == pytest.approx(expected, abs=1e-12)  # with ties


def test_agreement_at_the_edges() -> None:
    certain = agreement([[0.0, 0.0], [1.0, 1.0]], Tally([[0, 0], [4, 4]], np.full((2, 2), 4)))
    assert (certain.within_percent, certain.same_percent) == (100, 100)
    assert np.isnan(certain.z)
    nothing = agreement([[0.0]], Tally([[0]], [[4]]))
    assert np.isnan(nothing.spearman)
    assert np.isnan(nothing.same_known_percent)
    assert agreement([[0.5, np.nan]], Tally([[2, 0]], [[4, 0]])).within_percent == 100
    assert agreement([[0.0]], Tally([[1]], [[4]])).within_percent == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: categories([3], [2]), "hits must be <= draws; 1 of 1 are not, first 3 of 2"),
        (lambda: categories([0], [0]), "draws must be >= 1; got 0"),
        (lambda: categories([-1], [2]), "hits must be >= 0; got -1"),
        (lambda: categories([0.5], [2]), r"hits must be whole numbers; got 0\.5"),
        (lambda: categories([np.nan], [2]), "hits must be whole numbers; got nan"),
        (lambda: categories([1, 1], [2, 2, 2]), "draws must have the shape of hits"),
        (lambda: Tally([[1], [0]], [[1], [0]]), "draws must have at least one for each fact; fact 1 has none"),
        (lambda: Tally([1], [1]), r"hits must be a matrix \(facts, templates\); got shape \(1,\)"),
        (lambda: Tally([[1]], [[1]], [[True, True]]), r"greedy must have the shape of hits, \(1, 1\)"),
        (lambda: tally([[[2, 0]]]), "correct must be true or false"),
        (lambda: tally([[1, 0]]), r"correct must be an array \(facts, templates, samples\); got shape \(1, 2\)"),
        (lambda: slick(tally([[[1]]])), "tally must have greedy answers for SliCK"),
        (lambda: exact_scores([[1.1]]), r"probabilities must be from 0 to 1; 1 are not, first 1\.1 of fact 0"),
        (lambda: exact_scores([[np.nan]]), "probabilities must have at least one for each fact; fact 0"),
        (lambda: exact_categories([np.nan]), "scores must be from 0 to 1"),
        (lambda: crossed([0], [5], shape=(5, 5)), "columns must be from 0 to 4; got 5 to 5"),
        (lambda: template_interval(Tally([[1]], [[2]])), "at least 2 templates a fact; 1 facts have one, first 0"),
        (lambda: agreement([[np.nan]], Tally([[1]], [[2]])), "probabilities must have at least one"),
        (lambda: agreement([[1, np.nan]], Tally([[1, 1]], [[2, 1]])), "1 are missing, first of fact 0, template 1"),
        (lambda: agreement([[1]], Tally([[1]], [[2]]), edges=(0, 2)), "edges must ascend from 0 to 1"),
        (lambda: share_interval(1, 2, method="wald"), "method must be one of flat, wilson; got 'wald'"),
        (lambda: share_interval(1, 2, confidence=95), "confidence must be between 0 and 1; got 95"),
    ],
)  # fmt: skip
def test_refusals(call, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
