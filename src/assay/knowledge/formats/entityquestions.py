"""EntityQuestions: a file a relation and split, questions whose subject is got back by the relation's template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from assay._files import read_json
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.formats.format import Found, rows, split_of, text, texts
from assay.knowledge.questions import SLOT, Question
from assay.knowledge.relations import RELATIONS

TEMPLATES = "relation_query_templates.json"
_FILE = re.compile(r"(P\d+)\.(?:train|dev|test)\.json")
_SPLITS = ("train", "dev", "test")


def read(files: Sequence[Path]) -> Found:
    """Return the questions by split, in each by relation in the order of `RELATIONS`."""
    order = {relation: number for number, relation in enumerate(RELATIONS)}
    placed = []
    for path in files:
        if named := _FILE.fullmatch(path.name):
            split = split_of(path)
            placed.append(
                (_SPLITS.index(split), order.get(named[1], len(order)), path.name, named[1], split, path)
            )
    questions: list[Question] = []
    for _, _, _, relation, split, path in sorted(placed):
        before, after = _asked(path, relation)
        domain = RELATIONS[relation].domain if relation in RELATIONS else ""
        for number, (origin, row) in enumerate(rows(path), 1):
            asked = text(origin, row, "question")
            subject = asked[len(before) : len(asked) - len(after)]
            if asked != f"{before}{subject}{after}" or not subject.strip():
                raise DataError(
                    f"{origin}: question must be of the form {f'{before}{SLOT}{after}'!r}; got {excerpt(asked)}."
                )
            answers = texts(origin, row, "answers", least=1)
            questions.append(
                Question(
                    f"{split}:{relation}:{number}",
                    subject,
                    relation,
                    asked,
                    answers,
                    domain=domain,
                    split=split,
                )
            )
    return Found(questions, {})


def _asked(path: Path, relation: str) -> tuple[str, str]:
    """Return what the questions of a relation have before and after the subject."""
    place = next((up / TEMPLATES for up in list(path.parents)[:3] if (up / TEMPLATES).is_file()), None)
    if place is None:
        raise DataError(
            f"{path} must have {TEMPLATES} beside it or in the folder above, which says where in a question the "
            "subject is; there is none. Fetch it with the questions."
        )
    templates = read_json(place)
    template = templates.get(relation) if isinstance(templates, dict) else None
    if not isinstance(template, str) or template.count(SLOT) != 1:
        raise DataError(f"{place}: {relation} must be a text with one {SLOT}; got {excerpt(template)}.")
    before, after = template.split(SLOT)
    return before, after
