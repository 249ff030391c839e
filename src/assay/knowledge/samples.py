"""Facts -> what a model is fine-tuned on: which of them, and as conversations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assay._check import choice
from assay.data.sample import Message, Sample
from assay.errors import DataError
from assay.knowledge.mastery import CATEGORIES
from assay.knowledge.questions import Question
from assay.knowledge.subsets import Subset, balanced_subset, mixed_subset

MIXED, ALL = "mixed", "all"
BINS = (*CATEGORIES, MIXED, ALL)


def samples_of(questions: Iterable[Question]) -> list[Sample]:
    """Return each question as a conversation of two turns: its prompt, and the first of its answers.

    Written in the shape ``messages``, with the id and the relation beside; `assay.training.train` takes them as they
    are. How the turns become one text is the chat template's affair.

    Examples
    --------
    >>> one, = samples_of([Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",))])
    >>> [(message.role, message.content) for message in one.messages]
    [('user', 'What is the capital of Norway?'), ('assistant', 'Oslo')]
    """
    found = []
    for question in questions:
        turns = (Message("user", question.prompt), Message("assistant", question.answers[0]))
        row = {
            "id": question.id,
            "relation": question.relation,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns],
        }
        found.append(Sample(question.id, turns, row, "messages"))
    return found


def trainable(questions: Iterable[Question]) -> list[Question]:
    """Return the questions that may be trained on: of the split train or of none, and not out of domain."""
    return [one for one in questions if one.split in ("", "train") and one.domain != "OOD"]


def balanced(questions: Sequence[Question], size: int | None, *, seed: int = 0) -> tuple[Question, ...]:
    """Return at most so many of the questions, as many of each relation, in the order in which they stand.

    None: all. See `balanced_subset`, which chooses.
    """
    if size is None or size >= len(questions):
        return tuple(questions)
    if not size:
        return ()
    ids, relations = [one.id for one in questions], [one.relation for one in questions]
    chosen = balanced_subset(ids, relations, size=size, seed=seed).indices
    return tuple(questions[at] for at in sorted(chosen.tolist()))


def bin_subset(
    questions: Sequence[Question],
    categories: Sequence[int],
    *,
    bin: str,
    size: int | None = None,
    seed: int = 0,
) -> Subset:
    """Choose the facts of one cell of the paper's grid, as many of each relation.

    Parameters
    ----------
    questions : sequence of Question
        What there is to train on: see `trainable`.
    categories : sequence of int
        The mastery category of each, 0 to 4.
    bin : str
        ``D0`` to ``D4``: of this category alone. ``mixed``: the categories in turns. ``all``: whatever their category.
    size : int, optional
        Facts, at most as many as there are; None: all.
    seed : int

    Returns
    -------
    Subset
        Sizes nest: see `balanced_subset` and `mixed_subset`, which choose.

    Raises
    ------
    DataError
        An unknown bin, an empty one, or a size beyond its facts.

    Examples
    --------
    >>> three = [Question(str(n), f"s{n}", "P36", "?", ("a",)) for n in range(3)]
    >>> sorted(bin_subset(three, [0, 4, 0], bin="D0").indices.tolist())
    [0, 2]
    """
    choice("bin", bin, BINS)
    ids, relations = [one.id for one in questions], [one.relation for one in questions]
    if bin == MIXED:
        return mixed_subset(ids, relations, categories, size=size, seed=seed)
    category = None if bin == ALL else CATEGORIES.index(bin)
    if category is not None and category not in list(categories):
        there = ", ".join(CATEGORIES[one] for one in sorted(set(categories))) or "none"
        raise DataError(f"bin must be one that facts are in, {there}; got {bin}, which is empty.")
    return balanced_subset(ids, relations, size=size, categories=categories, category=category, seed=seed)
