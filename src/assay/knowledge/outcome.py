"""What came of asking: answers by group, beside guessing and beside the original model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import DataError
from assay.knowledge.compare import Difference, Rate, accuracy, majority_baseline, paired
from assay.knowledge.evaluate import Answered
from assay.knowledge.intervals import Ints, spread
from assay.knowledge.mastery import CATEGORIES
from assay.knowledge.questions import Question

Interval = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class GoldChange:
    """What became of the right answers' probability: after - before, mean over facts with its interval, in nats.

    `log_probability` is that of the answer, `end` that of its end. `better` and `worse`: facts whose first token
    ranks higher, or lower, than before; `still_first`: facts lost whose right answer begins with the likeliest token.
    """

    log_probability: Interval
    end: Interval
    better: int
    worse: int
    still_first: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A group of facts: how many were answered rightly, and what that is beside.

    `by` is all, domain, bin or relation, `domain` the one that a bin is of (``""``: all). `macro` is the mean of the
    categories, None where they are not told or the group is one. `majority_percent`: right by the relation's most
    frequent answer. `finished_percent`: ended within the tokens that they had. `gold_first_percent`: the right
    answer's first token is the likeliest; `gold_log_probability`: mean over facts, without the end. `change`,
    `macro_change` and `gold_change` are None without answers of before.
    """

    by: str
    group: str
    domain: str
    facts: int
    right: Rate
    macro: Rate | None
    majority_percent: float
    finished_percent: float
    gold_first_percent: float | None
    gold_log_probability: float | None
    change: Difference | None = None
    macro_change: Difference | None = None
    gold_change: GoldChange | None = None


def outcomes(
    questions: Sequence[Question],
    answers: Sequence[Answered],
    *,
    before: Sequence[Answered] | None = None,
    categories: Sequence[int] | Ints | None = None,
    train: Sequence[Question] = (),
    rule: str = "contains",
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Outcome]:
    """Return what came of asking questions: of all, of each domain, mastery category and relation.

    Parameters
    ----------
    questions
        As they were asked.
    answers
        Those of `ask`, in the order of the questions.
    before
        The original model's answers to the same questions, if it was asked.
    categories
        0 to 4, of each question: the original model's.
    train
        The questions that were trained on, or could have been: whose most frequent answers are the baseline.
    rule
        By which an answer is right.
    confidence, resamples, seed
        As in `accuracy`.

    Returns
    -------
    list of Outcome
        All, then domains where there are several, categories (in all and in each domain), relations.

    Raises
    ------
    DataError
        For answers to other questions, or gold probabilities of one side alone.
    """
    for name, given in (("answers", answers), ("before", before)):
        if given is not None and [one.id for one in given] != [question.id for question in questions]:
            raise DataError(f"{name} must be to the questions, in their order; they are not. Ask them again.")
    of = None if categories is None else np.asarray(categories)
    guess = majority_baseline(train, questions, rule=rule)

    def made(by: str, group: str, domain: str, rows: list[int]) -> Outcome:
        mine = [answers[at] for at in rows]
        told = of[rows] if of is not None and by in ("all", "domain") else None
        right = [one.right for one in mine]
        found = accuracy(right, categories=told, confidence=confidence, resamples=resamples, seed=seed)
        ranks = [one.gold_rank for one in mine if one.gold_rank is not None]
        values = [one.gold_log_probability for one in mine if one.gold_log_probability is not None]
        change = gold = None
        if before is not None:
            theirs = [before[at] for at in rows]
            change = paired(
                [one.right for one in theirs], right, categories=told, confidence=confidence,
                resamples=resamples, seed=seed,
            )  # fmt: skip
            if ranks:
                gold = _gold_change(theirs, mine, confidence=confidence, resamples=resamples, seed=seed)
        return Outcome(
            by,
            group,
            domain,
            len(rows),
            found.micro,
            found.macro,
            100 * sum(guess.right[at] for at in rows) / len(rows),
            100 * sum(one.finished for one in mine) / len(rows),
            100 * sum(rank == 1 for rank in ranks) / len(ranks) if ranks else None,
            sum(values) / len(values) if values else None,
            None if change is None else change.micro,
            None if change is None else change.macro,
            gold,
        )

    every = list(range(len(questions)))
    domains = [name for name in dict.fromkeys(question.domain for question in questions) if name]
    parts: list[tuple[str, list[int]]] = [("", every)]
    if len(domains) > 1:
        parts += [(name, [at for at in every if questions[at].domain == name]) for name in domains]
    found = [made("all", "all", "", every)]
    found += [made("domain", name, name, rows) for name, rows in parts[1:]]
    if of is not None:
        for domain, rows in parts:
            for number, name in enumerate(CATEGORIES):
                inside = [at for at in rows if of[at] == number]
                if inside:
                    found.append(made("bin", name, domain, inside))
    for relation in dict.fromkeys(question.relation for question in questions):
        inside = [at for at in every if questions[at].relation == relation]
        found.append(made("relation", relation, questions[inside[0]].domain, inside))
    return found


def _gold_change(
    before: Sequence[Answered],
    after: Sequence[Answered],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> GoldChange:
    """Return what became of the right answers' probability, or raise where one side has none."""
    pairs = list(zip(before, after, strict=True))

    def mean(name: str) -> Interval:
        values = [getattr(b, name) - getattr(a, name) for a, b in pairs]
        [row] = spread(values, confidence=confidence, resamples=resamples, seed=seed)
        return row.mean, row.low, row.high

    if any(a.gold_rank is None or b.gold_rank is None for a, b in pairs):
        raise DataError(
            "before must have gold probabilities where answers has; it has none. Ask with gold=True."
        )
    ranks = [(a.gold_rank or 0, b.gold_rank or 0) for a, b in pairs]
    lost = [b.gold_rank == 1 for a, b in pairs if a.right and not b.right]
    return GoldChange(
        mean("gold_log_probability"),
        mean("gold_end"),
        sum(b < a for a, b in ranks),
        sum(b > a for a, b in ranks),
        sum(lost),
    )
