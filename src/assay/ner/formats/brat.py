"""brat: a folder of ``name.txt`` with ``name.ann``. Read only.

Texts are read as they are, so that a line end of two characters counts two. Entities may be discontinuous
(``0 5;8 10``). Attributes and notes of an entity are in its `meta`; relations, events and whatever else stands in the
file are in the document's, under ``brat``, line by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.document import Span
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough, settled


def detect(head: Head) -> bool:
    """Tell whether a file is an ``.ann`` with a text beside it."""
    return head.path.suffix == ".ann" and head.path.with_suffix(".txt").is_file()


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return a document for each ``.ann`` file."""
    roughs = [
        replace(_rough(file.path, on_bad), split="" if file.split == file.path.stem else file.split)
        for file in files
        if file.path.suffix == ".ann"
    ]
    documents, notes = settled(roughs, offsets=offsets, on_bad=on_bad)
    return Read(documents, notes=notes)


def _rough(path: Path, on_bad: OnBad) -> Rough:
    text = path.with_suffix(".txt")
    if not text.is_file():
        raise DataError(f"{path}: must have its text beside it; there is no {text.name}.")
    lines = list(_lines(path))
    marks: dict[str, tuple[str, tuple[Span, ...], str]] = {}
    for origin, line in lines:
        fields = line.split("\t")
        if line.startswith("T"):
            try:
                if len(fields) != 3:
                    raise DataError(
                        f"entity must be id, label with offsets, words, by tabs; got {excerpt(line)}."
                    )
                marks[fields[0]] = (*_spans(fields[1]), fields[2])
            except DataError as error:
                on_bad("malformed", origin, str(error))
    beside: dict[str, dict[str, Any]] = {number: {} for number in marks}
    rest = []
    for _, line in lines:
        fields = line.split("\t")
        words = fields[1].split(" ") if len(fields) > 1 else []
        target = words[1] if len(words) > 1 else ""
        if line[0] in "AM" and target in beside:
            beside[target][words[0]] = " ".join(words[2:]) or True
        elif line[0] == "#" and target in beside and len(fields) == 3:
            beside[target][words[0]] = fields[2]
        elif line[0] != "T":
            rest.append(line)
    places = tuple(
        Mark(label, spans, words, {"id": number} | beside[number])
        for number, (label, spans, words) in marks.items()
    )
    return Rough(str(path), path.stem, _text(text), places, meta={"brat": rest} if rest else {})


def _spans(field: str) -> tuple[str, tuple[Span, ...]]:
    """Return label and pieces out of ``Label 0 5;8 10``."""
    label, _, places = field.partition(" ")
    spans = []
    for place in places.split(";"):
        offsets = place.split()
        if not label or len(offsets) != 2 or not all(offset.isdecimal() for offset in offsets):
            raise DataError(f"entity must be a label and offsets as 0 5;8 10; got {excerpt(field)}.")
        spans.append((int(offsets[0]), int(offsets[1])))
    return label, tuple(sorted(spans))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        line = line.removesuffix("\r")
        if line.strip():
            yield f"{path}:{number}", line


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: must be UTF-8; got the byte 0x{data[error.start]:02x} at {error.start}. "
            f"Convert it, e.g.: iconv -f CP1252 -t UTF-8 {path.name}"
        ) from None


BRAT = NerFormat(
    "brat",
    "brat: name.ann beside name.txt, entities with pieces as 0 5;8 10",
    (".ann",),
    detect,
    read,
    None,
    frozenset({"text", "nested", "overlapping", "discontinuous"}),
    tokens=False,
    options=("offsets",),
)
