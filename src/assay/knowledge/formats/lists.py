"""Lists of questions, triples, and assay's own lossless rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.errors import DataError
from assay.knowledge.formats.format import Found, rows, split_of, text, texts
from assay.knowledge.questions import SLOT, Question


def read_questions(files: Sequence[Path]) -> Found:
    """Return the questions of closed-book lists: NQ-open, Chinese SimpleQA, and any of such rows.

    The relation is the row's ``relation`` or first category, if it has one.
    """
    questions = []
    for place, split, number, origin, row in _numbered(files):
        field = "answers" if "answers" in row else "answer"
        category = "relation" if "relation" in row else "primary_category"
        questions.append(
            Question(
                text(origin, row, "id", default=f"{place}:{number}"),
                text(origin, row, "subject", default=""),
                text(origin, row, category, default=""),
                text(origin, row, "question"),
                texts(origin, row, field, least=1),
                texts(origin, row, "aliases"),
                split=text(origin, row, "split", default=split),
            )
        )
    return Found(questions, {})


def read_triples(files: Sequence[Path]) -> Found:
    """Return a question a triple.

    ``prompts`` are statements that end where the answer begins, with the subject or ``[X]`` in them. The prompt is
    the row's ``prompt``, else the first of them, else subject and relation.
    """
    questions = []
    for place, split, number, origin, row in _numbered(files):
        field = "answers" if "answers" in row else "object"
        subject, relation = (
            text(origin, row, "subject", default=""),
            text(origin, row, "relation", default=""),
        )
        answers = texts(origin, row, field, least=1)
        prompts = tuple(one.replace(SLOT, subject) for one in texts(origin, row, "prompts"))
        asked = text(origin, row, "prompt", default="") or next(
            iter(prompts), f"{subject} {relation}".strip()
        )
        if not asked:
            raise DataError(f"{origin}: subject must be a text that is not empty, where there is no prompt.")
        questions.append(
            Question(
                text(origin, row, "id", default=":".join(filter(None, (place, relation, str(number))))),
                subject,
                relation,
                asked,
                answers,
                texts(origin, row, "aliases"),
                text(origin, row, "domain", default=""),
                text(origin, row, "split", default=split),
                prompts,
            )
        )
    return Found(questions, {})


def read_known(files: Sequence[Path]) -> Found:
    """Return the facts of ROME's list of known ones, each with its own statement."""
    questions = []
    for place, split, number, origin, row in _numbered(files):
        subject, said = text(origin, row, "subject"), text(origin, row, "prompt")
        questions.append(
            Question(
                f"{place}:{number}",
                subject,
                text(origin, row, "relation_id"),
                said,
                (text(origin, row, "attribute"),),
                split=split,
                statements=(said,),
            )
        )
    return Found(questions, {})


def as_row(question: Question) -> dict[str, Any]:
    """Return the row that `read_triples` reads back to the same question."""
    row: dict[str, Any] = {
        "id": question.id,
        "subject": question.subject,
        "relation": question.relation,
        "prompt": question.prompt,
        "answers": list(question.answers),
        "aliases": list(question.aliases),
        "domain": question.domain,
        "split": question.split,
        "prompts": list(question.statements),
    }
    return {
        key: value
        for key, value in row.items()
        if value or key in ("subject", "relation", "prompt", "answers")
    }


def _numbered(files: Sequence[Path]) -> Iterator[tuple[str, str, int, str, dict[str, Any]]]:
    """Yield rows with their place (the split, else the name of the file) and split, numbered in each place."""
    counts: Counter[str] = Counter()
    for path in files:
        split = split_of(path)
        place = split or path.name.split(".")[0]
        for origin, row in rows(path):
            counts[place] += 1
            yield place, split, counts[place], origin, row
