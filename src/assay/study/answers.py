"""A row a fact that a model was asked, and what such rows come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from assay.knowledge import Answered, Question, accuracy

Row = dict[str, Any]


def rows_of(
    name: str,
    questions: Sequence[Question],
    answered: Sequence[Answered],
    categories: Mapping[str, int] | None,
) -> list[Row]:
    """Return a row a question: the set it is of, its bin and relation, and what was answered."""
    return [
        {"set": name, "bin": categories and categories[one.id], "relation": one.relation} | asdict(answer)
        for one, answer in zip(questions, answered, strict=True)
    ]


def accuracy_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Return percent of right answers: macro (with its interval over facts), micro, by bin and by relation.

    Without bins there is no macro, and the interval is that of micro.
    """
    if not rows:
        return None
    binned = rows[0]["bin"] is not None
    found = accuracy(
        [row["right"] for row in rows],
        categories=[row["bin"] for row in rows] if binned else None,
        relations=[row["relation"] for row in rows],
    )
    first = found.macro or found.micro
    return {
        "macro": found.macro and found.macro.percent,
        "low": first.low,
        "high": first.high,
        "micro": found.micro.percent,
        "bins": [None if one is None else one.percent for one in found.bins],
        "relations": {name: one.percent for name, one in found.relations.items()},
    }
