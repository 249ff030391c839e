"""Statements by which a model is asked: a subject in, and the model goes on with the object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType

from assay._check import known
from assay._files import read_yaml
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.questions import SLOT, Facts, Question

Templates = Mapping[str, tuple[str, ...]]
_ARTICLE = re.compile(r"(?i)(?:^|\s)(?:a|an|the)$")
_OTHER_SLOT = re.compile(r"\[[A-Z]\]|\{\w*\}")


def template_fault(template: object) -> str:
    """Return which rule a template breaks, worded to stand after its place; ``""`` if none.

    The rules: one text on one line with one ``[X]``, no other slot, no question, and its last word is neither the
    subject nor an article, since there the object begins, with an article where it has one.

    Examples
    --------
    >>> template_fault("The capital of [X] is"), template_fault("The capital of [X] is the")
    ('', "must not end with an article, which is the object's; got 'The capital of [X] is the'.")
    """
    if not isinstance(template, str) or not template.strip():
        return f"must be a text that is not empty; got {excerpt(template)}."
    slots = template.count(SLOT)
    if slots != 1:
        return f"must have one {SLOT}, where the subject stands; got {slots} in {template!r}."
    other = _OTHER_SLOT.search(template.replace(SLOT, ""))
    if other:
        return (
            f"must have no slot but {SLOT} and end where the object begins; got {other[0]} in {template!r}."
        )
    if template != " ".join(template.split()):
        return f"must be one line with single spaces and none at its ends; got {template!r}."
    if "?" in template or "？" in template:
        return f"must be a statement that the object ends, no question; got {template!r}."
    if template.endswith(SLOT):
        return f"must have words between the subject and the object; got {template!r}."
    if not template[-1].isalnum():
        return (
            f"must end with a word, where the object begins; got {template[-1]!r} at the end of {template!r}."
        )
    if _ARTICLE.search(template):
        return f"must not end with an article, which is the object's; got {template!r}."
    return ""


def read_templates(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Return the templates of a YAML or JSON file, or of all in a folder, by relation.

    Parameters
    ----------
    path
        Files of the form ``P36: ["The capital of [X] is", ...]``, with any number of relations. Quote what starts with
        ``[X]``. Any names of relations: those of the questions.

    Raises
    ------
    DataError
        Where a template breaks a rule of `template_fault`, or is the same as another of its relation but for case.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mine.yaml"
    >>> _ = file.write_text("mouth: ['[X] flows into', 'The mouth of [X] is at']")
    >>> read_templates(file)
    {'mouth': ('[X] flows into', 'The mouth of [X] is at')}
    """
    root = Path(path)
    places = (
        sorted(p for p in root.iterdir() if p.suffix in (".yaml", ".yml", ".json"))
        if root.is_dir()
        else [root]
    )
    if not places:
        raise DataError(f"templates must be a file, or a folder of .yaml or .json files; {root} has none.")
    found: dict[str, tuple[str, ...]] = {}
    for place in places:
        content = read_yaml(place)
        if not isinstance(content, dict) or not content:
            raise DataError(
                f"{place} must be of the form 'relation: [template, ...]'; got {excerpt(content)}."
            )
        for relation, listed in content.items():
            if not isinstance(relation, str) or not isinstance(listed, list) or not listed:
                raise DataError(f"{place}: {relation} must have a list of templates; got {excerpt(listed)}.")
            if relation in found:
                raise DataError(f"{place}: {relation} must stand in one file of {root}; it is in two.")
            _check(place, relation, listed)
            found[relation] = tuple(listed)
    return found


@cache
def builtin_templates() -> Templates:
    """Return assay's own templates of the 24 relations of EntityQuestions, 21 each, in `RELATIONS`' order.

    They were written for this project: true of their relation only, of whatever kind the subject is in that data
    (a country of origin is asked of films and of bands), with no gender, article or tense that fits some only.

    Examples
    --------
    >>> len(builtin_templates()), builtin_templates()["P36"][0]
    (24, 'The capital of [X] is')
    """
    from assay.knowledge.relations import RELATIONS

    with as_file(files("assay.knowledge") / "builtin" / "templates") as folder:
        found = read_templates(folder)
    return MappingProxyType({relation: found[relation] for relation in RELATIONS if relation in found})


def templates_of(facts: Facts, own: Templates | None = None) -> dict[str, tuple[str, ...]]:
    """Return the templates for the relations of a set of facts: given ones, else the source's, else the built-in."""
    relations = dict.fromkeys(question.relation for question in facts.questions)
    tables = [own or {}, facts.templates, builtin_templates()]
    return {
        relation: next((table[relation] for table in tables if table.get(relation)), ())
        for relation in relations
    }


def statements(question: Question, templates: Templates) -> tuple[str, ...]:
    """Return the statements of a question: its own, then its relation's templates with its subject.

    Raises
    ------
    DataError
        Where it has neither.

    Examples
    --------
    >>> statements(Question("1", "Chad", "P36", "?", ("N'Djamena",)), {"P36": ("The capital of [X] is",)})
    ('The capital of Chad is',)
    """
    made = question.statements
    if not made or question.relation in templates:
        known("relation", question.relation, templates, "assay knowledge templates")
        made += tuple(one.replace(SLOT, question.subject) for one in templates[question.relation])
    if not made:
        raise DataError(
            f"templates must have one for the relation {question.relation!r}; got none. Give a file of templates."
        )
    return made


def _check(place: Path, relation: str, listed: list[object]) -> None:
    seen: dict[str, int] = {}
    for number, template in enumerate(listed, 1):
        fault = template_fault(template)
        if fault:
            raise DataError(f"{place}: {relation}, template {number} {fault}")
        earlier = seen.setdefault(str(template).casefold(), number)
        if earlier != number:
            raise DataError(
                f"{place}: {relation}, template {number} must differ from the others; it is {earlier} again."
            )
