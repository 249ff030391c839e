"""LRE relations: a file a relation, with pairs and with templates for few examples and for none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.formats.format import Found, rows, text, texts
from assay.knowledge.questions import SLOT, Question


def read(files: Sequence[Path]) -> Found:
    """Return a question a pair; the prompt is the relation's first template, the relation its file's name."""
    questions: list[Question] = []
    templates: dict[str, tuple[str, ...]] = {}
    few_all = zero_all = 0
    for path in files:
        relation = path.name.split(".")[0]
        for origin, row in rows(path):
            few = _said(origin, row, "prompt_templates", 1)
            zero = _said(origin, row, "prompt_templates_zs", 0)
            few_all, zero_all = few_all + len(few), zero_all + len(zero)
            templates[relation] = tuple(dict.fromkeys((*few, *zero)))
            samples = row["samples"]
            if not isinstance(samples, list) or not samples:
                raise DataError(
                    f"{origin}: samples must be a list that is not empty; got {excerpt(samples)}."
                )
            for number, pair in enumerate(samples, 1):
                place = f"{origin}: samples[{number - 1}]"
                if not isinstance(pair, dict):
                    raise DataError(f"{place} must be an object; got {excerpt(pair)}.")
                subject = text(place, pair, "subject")
                answers = (text(place, pair, "object"),)
                prompt = few[0].replace(SLOT, subject)
                questions.append(Question(f"{relation}:{number}", subject, relation, prompt, answers))
    note = f"{few_all} templates for a few examples and {zero_all} for none, of {len(templates)} relations"
    return Found(questions, templates, (note,))


def _said(origin: str, row: dict[str, object], field: str, least: int) -> tuple[str, ...]:
    """Return templates with our slot."""
    said = texts(origin, row, field, least=least)
    for one in said:
        if one.count("{}") != 1:
            raise DataError(
                f"{origin}: {field} must have one {{}} each, for the subject; got {excerpt(one)}."
            )
    return tuple(one.replace("{}", SLOT) for one in said)
