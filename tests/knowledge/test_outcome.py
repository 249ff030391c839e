"""What came of asking, by hand: two domains, three categories, before and after."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.knowledge import Answered, Question, outcomes

# id, domain, relation, category, answer; right and gold rank before; right, gold rank and finished after
ROWS = [
    ("a", "ID", "P36", 4, "Oslo", (1, 1), (1, 1, True)),
    ("b", "ID", "P36", 4, "Bern", (1, 1), (0, 1, False)),
    ("c", "ID", "P17", 0, "Chad", (0, 9), (1, 2, True)),
    ("d", "OOD", "P50", 1, "Ibsen", (1, 2), (0, 5, True)),
    ("e", "OOD", "P50", 1, "Ibsen", (0, 3), (0, 3, True)),
]
QUESTIONS = [
    Question(id, "", relation, f"{id}?", (answer,), domain=d) for id, d, relation, _, answer, *_ in ROWS
]
BEFORE = [Answered(id, "", bool(was[0]), True, -2.0, -0.5, was[1], was[1]) for id, *_, was, _ in ROWS]
AFTER = [
    Answered(id, "", bool(now[0]), now[2], -1.0 - n, -0.25, now[1], now[1])
    for n, (id, *_, now) in enumerate(ROWS)
]  # fmt: skip
CATEGORIES = [row[3] for row in ROWS]


def test_every_group_by_hand() -> None:
    train = [Question("t", "", "P36", "?", ("Bern",))]
    found = outcomes(QUESTIONS, AFTER, before=BEFORE, categories=CATEGORIES, train=train)
    named = {(one.by, one.domain, one.group): one for one in found}
    assert list(named) == [
        ("all", "", "all"),
        ("domain", "ID", "ID"), ("domain", "OOD", "OOD"),
        ("bin", "", "D0"), ("bin", "", "D1"), ("bin", "", "D4"),
        ("bin", "ID", "D0"), ("bin", "ID", "D4"), ("bin", "OOD", "D1"),
        ("relation", "ID", "P36"), ("relation", "ID", "P17"), ("relation", "OOD", "P50"),
    ]  # fmt: skip
    whole = named["all", "", "all"]
    assert (whole.facts, whole.right.percent, whole.finished_percent) == (5, 40.0, 80.0)
    assert whole.macro is not None
    assert whole.macro.percent == pytest.approx((100 + 0 + 50) / 3)
    assert whole.majority_percent == 80  # Bern of training; Chad and Ibsen of the questions
    assert whole.gold_first_percent == 40
    assert whole.gold_log_probability == pytest.approx(-3.0)
    assert whole.change is not None
    assert (whole.change.before, whole.change.difference) == pytest.approx((60.0, -20.0))
    assert (whole.change.lost, whole.change.gained, whole.change.p_value) == (2, 1, 1.0)
    assert whole.macro_change is not None
    assert whole.macro_change.difference == pytest.approx((100 - 50 - 50) / 3)
    gold = whole.gold_change
    assert gold is not None
    assert gold.log_probability[0] == pytest.approx(-1.0)
    assert gold.log_probability[1] < -1.0 < gold.log_probability[2]
    assert gold.end == (0.25, 0.25, 0.25)
    assert (gold.better, gold.worse, gold.still_first) == (1, 1, 1)  # c; d; b was lost, yet begins rightly
    assert named["domain", "ID", "ID"].macro is not None
    assert named["bin", "OOD", "D1"].macro is None
    assert named["relation", "ID", "P17"].right.percent == 100


def test_less_is_told_where_less_was_asked() -> None:
    bare = [Answered(one.id, one.output, one.right, one.finished) for one in AFTER]
    [whole, *_] = outcomes(QUESTIONS, bare)
    assert (whole.macro, whole.gold_first_percent, whole.change, whole.gold_change) == (None,) * 4
    assert outcomes(QUESTIONS[:3], bare[:3])[1].by == "relation"  # one domain is all there is
    assert outcomes(QUESTIONS, bare, before=bare)[0].gold_change is None
    with pytest.raises(DataError, match="before must have gold probabilities where answers has"):
        outcomes(QUESTIONS, AFTER, before=bare)
    with pytest.raises(DataError, match="answers must be to the questions, in their order"):
        outcomes(QUESTIONS, AFTER[::-1])
    with pytest.raises(DataError, match="questions must have at least one question"):
        outcomes([], [])
