"""A file or a folder of facts in, one set of questions out; and back to a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assay._check import choice
from assay._files import atomic
from assay.data.containers import READERS, records, suffix_of
from assay.data.json_text import dumps, excerpt
from assay.errors import DataError
from assay.knowledge.formats import FACT_FORMATS, FactFormat, as_row
from assay.knowledge.questions import Facts, Question

_NOT_DATA = re.compile(r"(?i)(\.|licen[cs]e|copying|readme|notice|citation).*")


def read_facts(path: str | Path, *, format: str | None = None, name: str | None = None) -> Facts:
    """Return the questions of a file, or of all files in a folder and those below it.

    The shape is told from file names and first rows, and must be one.

    Parameters
    ----------
    path
        A file (JSON, JSON Lines, CSV, Parquet; also ``.gz`` and ``.zst``) or a folder.
    format
        Name of a row of `FACT_FORMATS`; by default told.
    name
        Of the set; by default of the file or folder.

    Returns
    -------
    Facts
        Questions in the order of the files (by name; EntityQuestions in the paper's order of relations) with nothing
        left out: see `keep`. Its `templates` are the source's own; `builtin_templates` are ours.

    Raises
    ------
    DataError
        Where there is no such file, none or more than one of the shapes fits, or (``file:line: ...``) a row has no
        answer or lacks a field.

    Notes
    -----
    The 198,635 questions of EntityQuestions take about two seconds of one core.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "rivers.test.jsonl"
    >>> _ = file.write_text('{"subject": "the Vltava", "relation": "mouth", "object": "Elbe"}\\n')
    >>> facts = read_facts(file)
    >>> facts.format, facts.questions[0].id, facts.questions[0].answers
    ('triples', 'test:mouth:1', ('Elbe',))
    """
    if format is not None:
        choice("format", format, FACT_FORMATS)
    root = Path(path)
    files = _files(root)
    told = {file: FACT_FORMATS[format] if format else _told(file) for file in files}
    shapes = {shape.name: file for file, shape in reversed(told.items()) if shape}
    if not shapes:
        shown = excerpt(_first(files[0])) if files else "no data files"
        raise DataError(
            f"path must be facts of a known shape ({', '.join(FACT_FORMATS)}); {root} has {shown}. Rows of "
            "subject, relation and object, or of question and answer, are always taken."
        )
    if len(shapes) > 1:
        found = ", ".join(f"{shape} ({file.relative_to(root)})" for shape, file in sorted(shapes.items()))
        raise DataError(f"path must be facts of one shape; {root} has {found}. Name one of them.")
    shape = FACT_FORMATS[next(iter(shapes))]
    read = shape.read([file for file, its in told.items() if its])
    if not read.questions:
        raise DataError(f"{root} must hold at least one question; read as {shape.name}, it has none.")
    left = [file.name for file, its in told.items() if not its]
    notes = (f"read as {shape.name}", *read.notes, *([f"not read: {', '.join(left)}"] if left else []))
    named = name or (root.resolve().name if root.is_dir() else root.name.split(".")[0])
    return Facts(named, shape.name, tuple(read.questions), read.templates, notes)


def write_facts(questions: Iterable[Question], path: str | Path) -> int:
    """Write questions as JSON Lines that `read_facts` reads back as they are; return how many."""
    count = 0
    with atomic(path) as f:
        for question in questions:
            f.write(dumps(as_row(question)) + b"\n")
            count += 1
    return count


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DataError(f"path must be an existing file or folder; there is no {root}.")
    found = (path for path in root.rglob("*") if path.is_file() and suffix_of(path))
    return sorted(
        path for path in found if not any(_NOT_DATA.fullmatch(part) for part in path.relative_to(root).parts)
    )


def _told(path: Path) -> FactFormat | None:
    """Return the shape of a file, None where it is of none."""
    by_name = next((row for row in FACT_FORMATS.values() if row.takes(path, None)), None)
    if by_name:
        return by_name
    first = _first(path)
    return next((row for row in FACT_FORMATS.values() if row.takes(path, first)), None)


def _first(path: Path) -> Any:
    if not suffix_of(path):
        raise DataError(
            f"path must end as one of {', '.join(READERS)}, or those with .gz or .zst; got {path}."
        )
    record = next(records(path), None)
    if record is None:
        return None
    if record.problem:
        raise DataError(f"{record.origin}: {record.problem}")
    return record.row
