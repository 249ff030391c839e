"""What a format of annotated corpora is: how it is told, read and written, and what it can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assay.errors import DataError
from assay.ner.document import Corpus, Document

Holds = Literal[
    "text",
    "surrogates",
    "nested",
    "overlapping",
    "discontinuous",
    "duplicates",
    "id",
    "comments",
    "meta",
    "entity meta",
    "tokens",
    "split",
    "labels",
]
OnBad = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a corpus and the split that it holds; ``""`` where the file itself names splits."""

    path: Path
    split: str


@dataclass(frozen=True, slots=True)
class Head:
    """What a file is told by: the whole lines of its first part, none of a binary file, and its first row.

    `row` is the first JSON value (the first of an array), or the first row of a Parquet or Arrow file, else None.
    """

    path: Path
    lines: tuple[str, ...]
    row: Any


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader makes of the files of a corpus.

    Documents have their split, and the id that the file gives them or ``""``; corpus and language are set afterwards.
    `labels` are the declared ones, if any. `notes` are for `Corpus.notes`. The rest is the corpus's own, where the
    files say it.
    """

    documents: tuple[Document, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    name: str = ""
    language: str = ""
    licence: str = ""
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NerFormat:
    """One format.

    `detect(head)` tells it by the content of a file. ``read(files, *, on_bad, <options>)`` takes all files of a corpus,
    since what is inferred (scheme, unit of offsets) holds for all of them; what cannot be read goes to
    ``on_bad(kind, origin, message)`` and is left out if that returns. ``write(documents, path, *, <write_options>)``
    writes one file; it is None where assay only reads. A writer is given nothing but what the format holds: `holds`
    names what survives beside flat entities in one piece (``text`` says that every character of the text does,
    ``comments`` that those fields of a document do that are texts of one line, ``meta`` all of them, ``labels`` that a
    declared label does which does not occur), `tokens` that each document must have tokens at whose bounds its
    entities begin and end, and `characters` that such a token may hold no more than one character of an unspaced
    script. ``beside(corpus, folder)`` writes what belongs beside the files of a folder.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    detect: Callable[[Head], bool]
    read: Callable[..., Read]
    write: Callable[..., None] | None
    holds: frozenset[Holds]
    tokens: bool
    options: tuple[str, ...] = ()
    write_options: tuple[str, ...] = ()
    beside: Callable[[Corpus, Path], None] | None = None
    characters: bool = False


def refuse(kind: str, origin: str, message: str) -> None:
    """Stop at what cannot be read: what readers do with it unless they are given a collector."""
    raise DataError(f"{origin}: {message}")
