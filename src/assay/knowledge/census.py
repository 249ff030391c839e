"""What a score on a set of facts should be read beside: guessing, copying, and facts seen in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from assay.knowledge.questions import Question


@dataclass(frozen=True, slots=True)
class Traps:
    """How much of a set can be answered without knowing it, in percent of its questions.

    `majority_percent`: right when each relation is answered by its most frequent answer; `subject_percent`: the
    subject contains an answer; `trained_answer_percent`: an answer is one of the training questions too;
    `trained_questions`: asked in training in the same words. The last two are None without training questions.
    """

    questions: int
    majority_percent: float
    majority_answer: str
    subject_percent: float
    trained_answer_percent: float | None
    trained_questions: int | None


def traps(questions: Iterable[Question], *, train: Iterable[Question] = ()) -> Traps:
    """Return how much of a set of questions can be answered without knowing it.

    Parameters
    ----------
    questions
        Of any number of relations, at least one question.
    train
        The questions that a model is trained on, if any.

    Returns
    -------
    Traps
        `majority_answer` is that of the largest relation. Answers are compared as they are, in the subject without
        regard to case.

    Notes
    -----
    The most frequent answer is taken from the questions themselves: it is what the best constant guess scores.

    Examples
    --------
    >>> rows = [("Oslo", "Norway"), ("Bergen", "Norway"), ("Norway House", "Canada")]
    >>> found = traps([Question(s, s, "P17", f"Where is {s}?", (a,)) for s, a in rows])
    >>> round(found.majority_percent, 1), found.majority_answer, found.subject_percent
    (66.7, 'Norway', 0.0)
    """
    given = list(questions)
    most = most_frequent(given)
    sizes = Counter(question.relation for question in given)
    largest = max(sizes, key=lambda relation: sizes[relation])
    copied = sum(
        any(answer.casefold() in question.subject.casefold() for answer in question.answers)
        for question in given
    )
    trained = list(train)
    answers = {answer for question in trained for answer in question.answers}
    prompts = {question.prompt for question in trained}
    seen = sum(any(answer in answers for answer in question.answers) for question in given)
    return Traps(
        len(given),
        100 * sum(count for _, count in most.values()) / len(given),
        most[largest][0],
        100 * copied / len(given),
        100 * seen / len(given) if trained else None,
        sum(question.prompt in prompts for question in given) if trained else None,
    )


def most_frequent(questions: Iterable[Question]) -> dict[str, tuple[str, int]]:
    """Return the most frequent answer of each relation, the first of equal ones, and how many questions have it.

    Examples
    --------
    >>> most_frequent([Question(str(n), "", "P17", "?", (answer,)) for n, answer in enumerate("aab")])
    {'P17': ('a', 2)}
    """
    by_relation: dict[str, Counter[str]] = {}
    for question in questions:
        by_relation.setdefault(question.relation, Counter()).update(dict.fromkeys(question.answers, 1))
    return {relation: counted.most_common(1)[0] for relation, counted in by_relation.items()}
