"""Other names of answers: those of the paper, or a file's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from assay._files import read_yaml
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.questions import Question

Aliases = Mapping[str, tuple[str, ...]]


def builtin_aliases() -> dict[str, tuple[str, ...]]:
    """Return the aliases of eleven places that the paper gives; those of its 18 institutions are not legible."""
    with as_file(files("assay.knowledge") / "builtin" / "aliases.yaml") as path:
        return read_aliases(path)


def read_aliases(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Return the aliases of a YAML or JSON file of the form ``answer: [alias, ...]``."""
    found = read_yaml(path)
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path} must be of the form 'answer: [alias, ...]'; got {excerpt(found)}.")
    for answer, names in found.items():
        good = isinstance(names, list) and all(isinstance(name, str) and name.strip() for name in names)
        if not isinstance(answer, str) or not good or not names:
            raise DataError(
                f"{path}: {answer} must have a list of texts; got {excerpt(names)}. Quote what YAML reads as no text."
            )
    return {answer: tuple(names) for answer, names in found.items()}


def with_aliases(questions: Iterable[Question], aliases: Aliases) -> tuple[Question, ...]:
    """Return questions with the aliases of their answers added to those that they have.

    Examples
    --------
    >>> [one] = with_aliases([Question("1", "", "", "Where?", ("Buenos Aires",))], {"Buenos Aires": ("Baires",)})
    >>> one.aliases
    ('Baires',)
    """
    out = []
    for question in questions:
        more = [name for answer in question.answers for name in aliases.get(answer, ())]
        names = tuple(dict.fromkeys((*question.aliases, *more)))
        out.append(question if names == question.aliases else replace(question, aliases=names))
    return tuple(out)
