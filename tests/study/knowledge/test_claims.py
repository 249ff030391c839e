"""The paper's claims on made cells: effects and intervals worked out by hand, verdicts, and what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.study.effects import Rights, interval
from assay.study.knowledge import published
from assay.study.knowledge.claims import Claim, claims, common_size
from tests.study.knowledge.made import accuracy, cell, study

T2 = 4.302652729911275  # Student's t, 2 degrees of freedom, 97.5 % (any table)
PEAK, MIDDLE, GAP, DIAGONAL, HURTS = (
    "A small scale is best",
    "Mid-mastery data is best",
    "The gap grows with scale",
    "Each bin is best on itself",
    "D0 data hurts",
)
FALLS, RISES, TOGETHER = (
    "Divergence falls at first",
    "Divergence rises, most for D0 and D1",
    "Accuracy falls as divergence rises",
)


def _result(cells: list[dict[str, Any]], original: float | None = None) -> dict[str, Any]:
    said = {} if original is None else {"sft": {"ID": accuracy([original] * 5)}}
    return {"counts": {}, "original": said, "cells": cells}


def _cells(values: dict[tuple[int | str, int | str], list[float]]) -> list[dict[str, Any]]:
    """Return cells of (bin, size): the macro accuracy of each seed."""
    return [
        cell(b, size, seed, {"ID": [value] * 5}, taken=size if isinstance(size, int) else 50)
        for (b, size), many in values.items()
        for seed, value in enumerate(many)
    ]


def _one(found: list[Claim], name: str, on: str = "ID") -> Claim:
    (claim,) = [claim for claim in found if (claim.name, claim.on) == (name, on)]
    return claim


def _numbers(claim: Claim) -> dict[str, tuple[float, float | None, float | None]]:
    return {effect.what: (effect.effect, effect.low, effect.high) for effect in claim.effects}


def test_the_interval_is_students() -> None:
    assert interval([1.0]) is None
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2 - T2 / 3**0.5, 2 + T2 / 3**0.5))


def test_a_peak_is_chosen_by_the_other_seeds() -> None:
    cells = _cells({(0, 10): [34.0, 28.0, 31.0], (0, 20): [28.0, 30.0, 32.0], (0, 30): [20.0, 20.0, 20.0]})
    (effect,) = _one(claims(_result(cells)), PEAK).effects
    # the other seeds' means of 10 and 20 are 29.5 and 31 for seed 0, 32.5 and 30 for 1, 31 and 29 for 2
    assert effect.effect == pytest.approx(np.mean([28.0, 28.0, 31.0]) - 20)
    half = T2 * np.std([8.0, 8.0, 11.0], ddof=1) / 3**0.5
    assert (effect.low, effect.high) == pytest.approx((9 - half, 9 + half))
    assert effect.verdict == "holds"
    assert effect.n == 3


def test_a_claim_holds_where_all_of_its_effects_do() -> None:
    up, down, open_ = [30.0, 31.0, 32.0], [20.0, 21.0, 22.5], [20.0, 40.0, 33.0]
    both = claims(_result(_cells({(0, 10): up, (0, 20): down, (1, 10): up, (1, 20): down})))
    assert _one(both, PEAK).verdict == "holds"
    assert _one(both, PEAK).why == ""
    one = _one(claims(_result(_cells({(0, 10): up, (0, 20): down, (1, 10): down, (1, 20): up}))), PEAK)
    assert one.verdict == "does not hold"
    assert [effect.verdict for effect in one.effects] == ["holds", "does not hold"]
    some = _one(claims(_result(_cells({(0, 10): up, (0, 20): down, (1, 10): up, (1, 20): open_}))), PEAK)
    assert (some.verdict, some.why) == ("undecided", "the interval holds 0: D1")


def test_bins_are_compared_at_the_largest_size_that_all_fill() -> None:
    cells = _cells({(0, 10): [1.0, 2.0], (2, 10): [9.0, 11.0], (0, 40): [1.0, 2.0], (2, "all"): [3.0, 3.5]})
    cells += [cell(2, 40, seed, {"ID": [5.0] * 5}, taken=35) for seed in range(2)]
    assert common_size(_result(cells)) == 10
    assert _numbers(_one(claims(_result(cells)), MIDDLE))["D2 over D0"][0] == 8.5
    cells[-2:] = [cell(2, 40, seed, {"ID": [5.0] * 5}, taken=36) for seed in range(2)]
    assert common_size(_result(cells)) == 40
    assert _numbers(_one(claims(_result(cells)), MIDDLE))["D2 over D0"][0] == 3.5


def test_without_d2_the_middle_is_the_mean_of_d1_and_d3() -> None:
    cells = _cells({(0, 10): [1.0, 2.0], (1, 10): [4.0, 6.0], (3, 10): [8.0, 8.0], (4, 10): [9.0, 8.0]})
    found = _numbers(_one(claims(_result(cells)), MIDDLE))
    assert found["D1 and D3 over D0"][0] == 5.0
    assert found["D1 and D3 over D4"][0] == -2.0


def test_the_gap_is_a_difference_of_differences() -> None:
    cells = _cells({(0, 10): [10.0, 12.0], (2, 10): [15.0, 16.0], (0, 20): [5.0, 6.0], (2, 20): [20.0, 22.0]})
    (effect,) = _one(claims(_result(cells)), GAP).effects
    assert effect.effect == pytest.approx(((15 - 5) + (16 - 4)) / 2)


def test_the_diagonal_is_against_the_best_rival() -> None:
    own = {0: [3.0, 1.0, 2.0, 2.0, 50.0], 2: [1.0, 9.0, 60.0, 8.0, 60.0], 4: [1.0, 5.0, 55.0, 9.0, 70.0]}
    cells = [
        cell(b, 8, seed, {"ID": [value + seed * 0.1 * b for value in values]})
        for b, values in own.items()
        for seed in range(2)
    ]
    found = _one(claims(_result(cells)), DIAGONAL)
    assert {what: value[0] for what, value in _numbers(found).items()} == pytest.approx(
        {"D0": 3 - 1.1, "D2": 60.1 - 55.2, "D4": 70.2 - 60.1}
    )


def test_unknown_data_is_held_against_the_original() -> None:
    cells = _cells({(0, 10): [30.0, 31.0, 32.0], (0, "all"): [10.0, 11.0, 12.0]})
    (effect,) = _one(claims(_result(cells, original=20.0)), HURTS, "ID, SFT prompt").effects
    assert (effect.what, effect.effect, effect.verdict) == ("original, SFT prompt", 9.0, "holds")
    (effect,) = _one(claims(_result(cells, original=5.0)), HURTS, "ID, SFT prompt").effects
    assert effect.verdict == "does not hold"
    missing = _one(claims(_result(cells)), HURTS)
    assert (missing.verdict, missing.why) == ("undecided", "it takes D0 and a score of the original")


def test_divergence_over_sizes() -> None:
    values = {
        (0, 10): [0.5, 0.6], (0, 20): [0.3, 0.35], (0, 40): [1.5, 1.7], (4, 10): [0.4, 0.45], (4, 40): [0.5, 0.56],
    }  # fmt: skip
    cells = [
        cell(b, size, seed, {"ID": [50 - 10 * one] * 5}, kl=one)
        for (b, size), many in values.items()
        for seed, one in enumerate(many)
    ]
    found = claims(_result(cells))
    on = "paper's KL, top 10"
    assert {k: v[0] for k, v in _numbers(_one(found, FALLS, on)).items()} == pytest.approx({"D0": 0.225})
    rises = _numbers(_one(found, RISES, on))
    assert {k: v[0] for k, v in rises.items()} == pytest.approx({"D0 rises": 1.05, "D0 more than D4": 0.945})
    together = _one(found, TOGETHER, f"ID, {on}")
    (effect,) = together.effects
    assert (effect.effect, effect.n, together.verdict) == (pytest.approx(-1), 5, "holds")
    other_way = [cell(b, s, 0, {"ID": [10 * v[0]] * 5}, kl=v[0]) for (b, s), v in values.items()]
    assert _one(claims(_result(other_way)), TOGETHER, f"ID, {on}").verdict == "does not hold"


def test_one_seed_decides_nothing() -> None:
    found = claims(study(seeds=1))
    of_seeds = [claim for claim in found if claim.name != TOGETHER]
    assert {claim.verdict for claim in of_seeds} == {"undecided"}
    assert {claim.why for claim in of_seeds if claim.effects} == {"one seed: no interval"}


@pytest.mark.parametrize(
    "cells",
    [
        _cells({(1, "all"): [1.0, 2.0]}),
        _cells({("mixed", 10): [1.0, 2.0], ("mixed", 20): [1.0, 3.0]}),
        _cells({(0, 10): [1.0, 2.0]}),
        [cell(2, 10, 0, {"ID": [None, None, 5.0, None, None]})],
    ],
)
def test_what_cannot_be_tested_is_undecided_with_a_reason(cells: list[dict[str, Any]]) -> None:
    for claim in claims(_result(cells)):
        assert claim.verdict == "undecided"
        assert claim.why


def test_the_papers_own_table() -> None:
    """Table 2, one run a cell: the diagonal is whole in domain, and not out of domain, as section 1 says."""
    rows = published.BINS[published.MODEL]
    cells = [cell(b, 1920, 0, {test: rows[test][b].bins for test in rows}) for b in range(5)]
    found = claims(_result(cells))
    assert all(effect.effect > 0 for effect in _one(found, DIAGONAL).effects)
    assert [e.what for e in _one(found, DIAGONAL, "OOD").effects if e.effect > 0] == ["D0", "D2", "D4"]
    middle = _numbers(_one(found, MIDDLE))
    assert middle["D2 over D0"][0] == pytest.approx(12.06, abs=0.02)
    assert middle["D2 over D4"][0] == pytest.approx(3.60, abs=0.02)


def test_intervals_over_facts() -> None:
    """Bin 4 of four facts, D4 right about all and D0 about three, under both seeds: seeds alone see no doubt."""
    bins = {0: [None] * 4 + [75.0], 4: [None] * 4 + [100.0]}
    cells = [cell(b, 8, seed, {"ID": values}) for b, values in bins.items() for seed in (0, 1)]
    alone = next(e for e in _one(claims(_result(cells)), DIAGONAL).effects if e.what == "D4")
    assert (alone.effect, alone.low, alone.high, alone.facts, alone.verdict) == (
        25.0,
        25.0,
        25.0,
        None,
        "holds",
    )
    right = {f"D{b}-8-s{seed}": np.arange(4) < (3 if b == 0 else 4) for b in bins for seed in (0, 1)}
    rights = {"ID": Rights(np.full(4, 4), right)}
    both = next(e for e in _one(claims(_result(cells), rights=rights), DIAGONAL).effects if e.what == "D4")
    # of four facts one is up by 1, of two more half a one up and half a one down: (1 + 1) / 6 - (1 / 6)^2 = 11 / 36
    half = 1.959964 * 100 * (11 / 36 / 6) ** 0.5
    assert both.facts == pytest.approx(half, abs=1e-3)
    assert (both.effect, both.low, both.high) == pytest.approx((25, 25 - half, 25 + half), abs=1e-3)
    assert both.verdict == "undecided"


def test_a_bin_of_one_fact_is_not_without_doubt() -> None:
    """Four bins of a hundred level facts each, and one of a single fact, that D4 has right and D0 has wrong."""
    bins = np.array([0, 1, 2, 3] * 100 + [4])
    cells = [
        cell(b, 8, seed, {"ID": [50.0] * 4 + [100.0 if b == 4 else 0.0]})
        for b in (0, 2, 4)
        for seed in (0, 1)
    ]
    right = {f"D{b}-8-s{s}": np.append(np.arange(400) < 200, b == 4) for b in (0, 2, 4) for s in (0, 1)}
    effects = _one(claims(_result(cells), rights={"ID": Rights(bins, right)}), MIDDLE).effects
    own = next(effect for effect in effects if effect.what == "D2 over D4")
    assert own.effect == -20
    # the bin of one: (1 + 1) / 3 - (1 / 3)^2 = 5 / 9 of three facts; each of the others: 1 / 102 of 102
    half = 1.959964 * 20 * (5 / 9 / 3 + 4 / 102**2) ** 0.5
    assert own.facts == pytest.approx(half, abs=1e-3)
    level = next(effect for effect in effects if effect.what == "D2 over D0")
    assert level.low is not None
    assert level.low < -10
    assert {effect.verdict for effect in effects} == {"does not hold", "undecided"}


def test_parts_of_facts_sum_to_the_accuracy() -> None:
    rights = Rights(np.array([0, 0, 4, 4, 4]), {"D0-8-s0": np.array([True, False, True, True, False])})
    assert rights.parts("D0-8-s0", "macro").sum() == pytest.approx((50 + 200 / 3) / 2)
    assert rights.parts("D0-8-s0", 4).sum() == pytest.approx(200 / 3)
    assert rights.parts("D0-8-s0", 2).sum() == 0
