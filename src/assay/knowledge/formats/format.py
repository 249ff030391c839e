"""What a shape of facts is: how it is told and read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.data.containers import records
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.knowledge.questions import SLOT, Question

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "test": "test",
}
_OBJECT = re.compile(r"\s*\[Y\]\s*\.?\s*\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader makes of the files of a set."""

    questions: Sequence[Question]
    templates: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactFormat:
    """A shape of facts.

    A file is of it where `filename` fits its whole name, or its first row has all the fields of one of `fields`.
    `filters` are those that a study of such facts starts from.
    """

    name: str
    summary: str
    read: Callable[[Sequence[Path]], Found]
    source: str
    filename: str = ""
    fields: tuple[frozenset[str], ...] = ()
    filters: tuple[str, ...] = ()

    def takes(self, path: Path, row: Any) -> bool:
        """Tell whether a file is of this shape, by its name and its first row."""
        if self.filename and re.fullmatch(self.filename, path.name):
            return True
        return isinstance(row, dict) and any(fields <= row.keys() for fields in self.fields)


def rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a file, each with where it stands; one that cannot be read or is no object is an error."""
    for record in records(path):
        if record.problem:
            raise DataError(f"{record.origin}: {record.problem}")
        if not isinstance(record.row, dict):
            raise DataError(f"{record.origin}: row must be an object; got {excerpt(record.row)}.")
        yield record.origin, record.row


def text(origin: str, row: Mapping[str, Any], field: str, *, default: str | None = None) -> str:
    """Return a field that is a text, not empty unless there is a default."""
    value = row.get(field)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or not (value.strip() or default is not None):
        raise DataError(f"{origin}: {field} must be a text that is not empty; got {excerpt(value)}.")
    return value


def texts(origin: str, row: Mapping[str, Any], field: str, *, least: int = 0) -> tuple[str, ...]:
    """Return a field that is a text or a list of texts."""
    value = row.get(field)
    if value in (None, "") and not least:
        return ()
    listed: Any = [value] if isinstance(value, str) else value
    good = isinstance(listed, list) and all(isinstance(one, str) and one.strip() for one in listed)
    if not good or len(listed) < least:
        rule = "a text or a list of texts" + (f", at least {least}" if least else "")
        raise DataError(f"{origin}: {field} must be {rule}, none of them empty; got {excerpt(value)}.")
    return tuple(listed)


def split_of(path: Path) -> str:
    """Return the split that a file name names, ``""`` if none."""
    words = re.findall(r"[a-z]+", path.name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), "")


def without_object(pattern: str) -> str | None:
    """Return what of a pattern stands before its object; None where the object is not last or comes twice."""
    cut = _OBJECT.sub("", pattern)
    return None if cut == pattern or "[Y]" in cut or cut.count(SLOT) != 1 else cut
