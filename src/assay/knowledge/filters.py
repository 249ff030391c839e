"""Which questions are kept, counted at every step, and which are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from assay._check import between, choice
from assay.errors import DataError
from assay.knowledge.questions import Question

Questions = tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A rule by which questions are kept; `function` takes and returns them in order."""

    function: Callable[[Iterable[Question]], Questions]
    summary: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The questions that are left, and (name, questions left) of every step, the first before any filter."""

    questions: Questions
    steps: tuple[tuple[str, Questions], ...]


def one_answer(questions: Iterable[Question]) -> Questions:
    """Return the questions that have exactly one answer; an answer that stands twice is two."""
    return tuple(question for question in questions if len(question.answers) == 1)


def unique(questions: Iterable[Question]) -> Questions:
    """Return the questions without those asked before in their split, whatever the relation; the first stays."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for question in questions:
        key = question.split, question.prompt
        if key not in seen:
            seen.add(key)
            kept.append(question)
    return tuple(kept)


FILTERS: dict[str, Filter] = {
    "one-answer": Filter(one_answer, "exactly one answer"),
    "unique": Filter(unique, "asked for the first time in its split"),
}


def keep(questions: Iterable[Question], filters: Sequence[str]) -> Kept:
    """Return the questions that pass filters, applied one after the other, with what each step leaves.

    The order matters: a question with several answers hides a later one of the same words from ``unique``, unless
    ``one-answer`` has taken it away before.

    Parameters
    ----------
    questions
        In the order in which the first of equal ones is kept.
    filters
        Names of rows of `FILTERS`. The paper's training sets are those of ``("one-answer", "unique")``.

    Returns
    -------
    Kept
        The questions left and the steps: ``raw`` and each filter.

    Raises
    ------
    DataError
        For a name that `FILTERS` has not, or that stands twice.

    Notes
    -----
    Source: Ye et al., EMNLP 2025, Tables 1 and 8, whose bins sum to these counts. The paper does not tell its filter;
    which of equal questions it keeps is unknown.

    Examples
    --------
    >>> one = Question("1", "Ulm", "P131", "Where is Ulm located?", ("Tübingen", "Swabia"))
    >>> two = Question("2", "Ulm", "P276", "Where is Ulm located?", ("Germany",))
    >>> [q.id for q in keep([one, two], ("one-answer", "unique")).questions]
    ['2']
    >>> keep([one, two], ("unique", "one-answer")).questions
    ()
    """
    left = tuple(questions)
    steps = [("raw", left)]
    for number, name in enumerate(filters):
        choice("filter", name, FILTERS)
        if name in filters[:number]:
            raise DataError(f"filter must be named once; got {name!r} twice.")
        left = FILTERS[name].function(left)
        steps.append((name, left))
    return Kept(left, tuple(steps))


def hold_out(questions: Iterable[Question], *, percent: float = 10, seed: int = 0) -> Questions:
    """Return questions of which some of each relation's training ones are of the split ``dev`` instead.

    For choosing settings where a source has no such split. Which ones they are depends on the seed and on their ids
    alone: a question added to a relation changes at most one other.

    Parameters
    ----------
    questions
        None of them of the split ``dev``.
    percent
        Of the training questions of each relation, 0 to 100, rounded down.
    seed
        Of the choice.

    Raises
    ------
    DataError
        Where there is a split ``dev`` already, or no training question.

    Examples
    --------
    >>> rows = [Question(f"{n}", "", "P36", f"Capital {n}?", ("?",), split="train") for n in range(10)]
    >>> [q.id for q in hold_out(rows, percent=20) if q.split == "dev"]
    ['1', '8']
    """
    between("percent", percent, 0, 100)
    given = tuple(questions)
    if any(question.split == "dev" for question in given):
        raise DataError("questions must have no split 'dev' to hold one out; they have. Leave hold_out away.")
    by_relation: dict[str, list[str]] = {}
    for question in given:
        if question.split == "train":
            by_relation.setdefault(question.relation, []).append(question.id)
    if not by_relation:
        raise DataError("questions must have a split 'train' to hold some out of it; there is none.")
    held: set[str] = set()
    for ids in by_relation.values():
        count = int(len(ids) * percent / 100)
        held.update(sorted(ids, key=lambda id: hashlib.sha256(f"{seed}\0{id}".encode()).digest())[:count])
    return tuple(
        replace(question, split="dev") if question.split == "train" and question.id in held else question
        for question in given
    )
