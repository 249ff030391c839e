"""Accuracy, paired differences and lists of facts: by hand, and intervals by a slow loop."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from assay.errors import DataError
from assay.knowledge import (
    Question,
    accuracy,
    gained_lost,
    majority_baseline,
    mcnemar,
    paired,
    traps,
)

# D0: 1 of 4, D1: 1 of 2, D4: 2 of 2; D2 and D3 have no fact
RIGHT = [1, 0, 0, 0, 1, 0, 1, 1]
CATEGORIES = [0, 0, 0, 0, 1, 1, 4, 4]
RELATIONS = ["P17", "P17", "P36", "P36", "P36", "P17", "P36", "P36"]


def test_accuracy_by_hand() -> None:
    found = accuracy(RIGHT, categories=CATEGORIES, relations=RELATIONS)
    assert found.macro is not None
    assert found.macro.percent == pytest.approx((25 + 50 + 100) / 3)
    assert found.micro.percent == 50
    assert [None if one is None else (one.facts, one.percent) for one in found.bins] == [
        (4, 25), (2, 50), None, None, (2, 100)
    ]  # fmt: skip
    assert {name: (one.facts, round(one.percent, 6)) for name, one in found.relations.items()} == {
        "P17": (3, 33.333333), "P36": (5, 60)
    }  # fmt: skip
    assert found.bins[4] is not None
    assert (found.bins[4].low, found.bins[4].high) == (100, 100)
    assert found.micro.low < 50 < found.micro.high
    assert found.micro.sd is None
    bare = accuracy(RIGHT)
    assert (bare.macro, bare.bins, bare.relations) == (None, (None,) * 5, {})
    assert bare.micro == found.micro


def test_runs_have_a_mean_and_a_spread() -> None:
    runs = [RIGHT, [0] * 8, [1] * 8]
    found = accuracy(runs, categories=CATEGORIES)
    assert found.runs == 3
    macros = [(25 + 50 + 100) / 3, 0, 100]
    assert found.macro is not None
    assert found.macro.percent == pytest.approx(np.mean(macros))
    assert found.macro.sd == pytest.approx(np.std(macros, ddof=1))
    assert found.micro.percent == pytest.approx(50)
    assert found.micro.sd == pytest.approx(50)


def _slowly(before: Any, after: Any, groups: list[list[int]], resamples: int) -> tuple[float, float]:
    """Draw runs on each side and facts in each group, one at a time."""
    draws = random.Random(1)
    found = []
    for _ in range(resamples):
        chosen = [draws.choices(group, k=len(group)) for group in groups]
        means = []
        for side in (before, after):
            runs = draws.choices(range(len(side)), k=len(side))
            means.append(
                np.mean([[np.mean([side[run][at] for at in rows]) for rows in chosen] for run in runs])
            )
        found.append(100 * (means[1] - means[0]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def test_intervals_are_those_of_a_slow_bootstrap() -> None:
    made = np.random.default_rng(0)
    chance = made.random(60)
    before = (made.random((2, 60)) < chance).astype(int)
    after = (made.random((3, 60)) < chance * 0.7).astype(int)
    categories = np.minimum((chance * 3).astype(int), 2)
    groups = [np.flatnonzero(categories == number).tolist() for number in range(3)]
    found = paired(before, after, categories=categories, resamples=4000)
    for one, parts in ((found.micro, [list(range(60))]), (found.macro, groups), (found.bins[0], groups[:1])):
        low, high = _slowly(before, after, parts, 1500)
        assert one is not None
        assert one.low == pytest.approx(low, abs=2.0)
        assert one.high == pytest.approx(high, abs=2.0)
        assert one.p_value is None


def test_paired_by_hand() -> None:
    after = [0, 0, 1, 1, 0, 0, 1, 0]
    found = paired(RIGHT, after, categories=CATEGORIES, relations=RELATIONS)
    one = found.micro
    assert (one.facts, one.before, one.after, one.difference, one.lost, one.gained) == (
        8,
        50,
        37.5,
        -12.5,
        3,
        2,
    )
    assert one.p_value == 1.0  # 2 of 5 by a fair coin
    assert found.macro is not None
    assert found.macro.difference == pytest.approx((50 + 0 + 50) / 3 - (25 + 50 + 100) / 3)
    assert found.relations["P17"].difference == pytest.approx(-100 / 3)
    assert found.bins[2] is None
    same = paired(RIGHT, RIGHT).micro
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1.0)
    several = paired([RIGHT, RIGHT], [after, RIGHT]).micro  # pairs of runs: 3 and 2, 0 and 0, and again
    assert (several.lost, several.gained, several.difference) == (1.5, 1.0, -6.25)


def test_mcnemar_is_the_binomial_test() -> None:
    from scipy.stats import binomtest

    for lost, gained in ((0, 5), (1, 5), (7, 7), (40, 90), (3000, 3200)):
        assert mcnemar(lost, gained) == pytest.approx(binomtest(lost, lost + gained).pvalue)
    assert mcnemar(0, 5) == 2 / 32
    assert mcnemar(0, 0) == 1.0
    assert math.isfinite(mcnemar(0, 20000))


def test_every_fact_is_kept_lost_gained_or_never_known() -> None:
    ids = list("abcdefgh")
    found = gained_lost(RIGHT, [0, 0, 1, 1, 0, 0, 1, 0], ids=ids, categories=CATEGORIES)
    assert found.lost == {"D0": ("a",), "D1": ("e",), "D2": (), "D3": (), "D4": ("h",)}
    assert found.gained["D0"] == ("c", "d")
    assert found.kept["D4"] == ("g",)
    assert found.never["D1"] == ("f",)
    assert found.counts()["lost"] == {"D0": 1, "D1": 1, "D2": 0, "D3": 0, "D4": 1}
    assert gained_lost([1, 0], [0, 0], ids=["a", "b"]).lost == {"all": ("a",)}


def _question(number: int, relation: str, answer: str, **more: Any) -> Question:
    return Question(str(number), "", relation, f"{number}?", (answer,), **more)


def test_the_majority_answer_is_that_of_training_where_it_has_the_relation() -> None:
    train = [_question(n, "P17", answer) for n, answer in enumerate(["Norway", "Chad", "Chad"])]
    asked = [
        _question(0, "P17", "Norway"),
        _question(1, "P17", "Chad"),
        _question(2, "P17", "Tchad", aliases=("Chad",)),
        *(_question(n, "P50", answer) for n, answer in ((3, "Ibsen"), (4, "Ibsen"), (5, "Undset"))),
    ]
    found = majority_baseline(train, asked)
    assert found.right == (False, True, True, True, True, False)
    assert found.answers == {"P17": "Chad", "P50": "Ibsen"}
    assert found.guessed == ("P50",)
    assert found.percent == pytest.approx(400 / 6)
    assert majority_baseline([], asked[3:]).percent == pytest.approx(traps(asked[3:]).majority_percent)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: accuracy([]), "right must be of at least one run and fact; got shape"),
        (lambda: accuracy([0, 2]), "right must be true or false, or 1 or 0; got other values"),
        (lambda: accuracy([[1], [1, 0]]), "right must have as many facts in each run; the runs differ"),
        (lambda: accuracy([1, 0], categories=[0, 5]), "categories must be whole numbers from 0 to 4"),
        (lambda: accuracy([1, 0], categories=[0]), "one for each of 2 facts; got 1 of dtype int64"),
        (lambda: accuracy([1, 0], relations=["P17"]), r"relations must be as many as the facts \(2\); got 1"),
        (lambda: accuracy([1], confidence=1.0), "confidence must be between 0 and 1"),
        (lambda: paired([1, 0], [1]), r"after must be of the facts of before \(2\); got 1"),
        (lambda: gained_lost([1], [1], ids=["a", "b"]), "before must be of one run over 2 facts"),
        (lambda: majority_baseline([], []), "questions must have at least one question; got none"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()
