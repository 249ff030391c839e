"""What a cell comes to: accuracy by bin and relation, divergence from the original, facts lost and gained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from assay.errors import NoFactError
from assay.knowledge import (
    CATEGORIES,
    Grades,
    Question,
    gained_lost,
    majority_baseline,
    matches,
)
from assay.knowledge.models.transformer import Transformer
from assay.knowledge.paper_shift import paper_shift
from assay.knowledge.shift import shift
from assay.knowledge.templates import Templates
from assay.study.answers import Row, accuracy_of
from assay.study.knowledge.grid import Questions

BINS = range(len(CATEGORIES))
PAPER = {"5": "top5", "10": "top10", "20": "top20", "50": "top50", "all": "tuned_original"}
SAME = ("tuned_original", "original_tuned", "jensen_shannon", "top10", "original_outside10")


def percent(right: Sequence[bool]) -> float:
    """Return how many of some are right, in percent."""
    return 100 * sum(right) / len(right)


def majority_of(
    sets: Mapping[str, Questions], rule: str, categories: Mapping[str, int]
) -> dict[str, dict[str, Any] | None]:
    """Return the accuracy of each relation's most frequent training answer (its own, without one) on the test sets."""
    found = {}
    for name in ("ID", "OOD"):
        if questions := sets[name]:
            right = majority_baseline(sets["train"], questions, rule=rule).right
            found[name] = accuracy_of(
                [
                    {"right": each, "bin": categories[one.id], "relation": one.relation}
                    for one, each in zip(questions, right, strict=True)
                ]
            )
    return found


def paper_kl(
    tuned: Transformer,
    original: Transformer,
    questions: Questions,
    grades: Grades,
    templates: Templates,
) -> Row:
    """Return the paper's KL over 5, 10, 20, 50 and all tokens, and the facts of D4 that it is the mean of."""
    try:
        found = paper_shift(tuned, original, questions, grades, templates)
    except NoFactError:  # none of D4 that the original begins its answer with
        return dict.fromkeys(PAPER) | {"facts": 0}
    means = found.means()
    return {size: finite(means.get(name)) for size, name in PAPER.items()} | {"facts": len(found.questions)}


def same_kl(
    tuned: Transformer, original: Transformer, questions: Questions, categories: Mapping[str, int]
) -> tuple[Row, dict[str, float]]:
    """Return how far apart two models are under one prompt, the mean a token, also by bin; and the KL of each fact."""
    found = shift(tuned, original, questions, prompt="sft")
    numbers = found.numbers
    of = np.array([categories[one.id] for one in questions])[found.facts]
    row: Row = {name: finite(float(numbers[name].mean())) for name in SAME if name in numbers}
    row["bins"] = {
        name: [finite(float(numbers[name][of == at].mean())) if (of == at).any() else None for at in BINS]
        for name in SAME
        if name in numbers
    }
    sums = np.bincount(found.facts, numbers["tuned_original"])
    each = sums / np.bincount(found.facts)
    return row, {one.id: float(value) for one, value in zip(questions, each, strict=True)}


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None


def judged(rows: Iterable[Row], asked: Mapping[str, Question], rule: str) -> Iterator[Row]:
    """Yield rows of answers, right or wrong by the rule of the original's statements."""
    for row in rows:
        yield row | {"right": matches(row["output"], asked[row["id"]], rule=rule)}


def changes_of(before: Mapping[str, bool], rows: Iterable[Row]) -> dict[str, dict[str, list[int]]]:
    """Return of each test set how many facts were kept, lost, gained and never right, by bin."""
    by_set: dict[str, list[Row]] = {name: [] for name in ("ID", "OOD")}
    for row in rows:
        if row["set"] in by_set:
            by_set[row["set"]].append(row)
    found = dict[str, dict[str, list[int]]]()
    for name, own in by_set.items():
        if own:
            changes = gained_lost(
                [before[row["id"]] for row in own], [row["right"] for row in own],
                ids=[row["id"] for row in own], categories=[row["bin"] for row in own],
            )  # fmt: skip
            found[name] = {turn: list(by_bin.values()) for turn, by_bin in changes.counts().items()}
    return found
