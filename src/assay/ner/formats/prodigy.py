"""Prodigy: ``{"text", "spans": [{"start", "end", "label"}], "answer", "tokens"}`` a line. Read only.

Only accepted answers are read, each task once (``_task_hash``); records without an answer count as accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.document import Span
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.offsets import Mark, Rough
from assay.ner.formats.rows import list_of, name_of, object_of, others, read_rows, span_of, string_of


def detect(head: Head) -> bool:
    """Tell whether the first record of a file is of this format."""
    row = head.row
    if not isinstance(row, dict) or "text" not in row:
        return False
    return "_task_hash" in row or isinstance(row.get("spans"), list)


def _parser() -> Callable[[str, dict[str, Any], Counter[str]], Iterator[Rough]]:
    """Return the `parse` of one file, which remembers the tasks that it has seen; see `rows.read_rows`."""
    seen: set[Any] = set()

    def parse(origin: str, row: dict[str, Any], skipped: Counter[str]) -> Iterator[Rough]:
        answer = row.get("answer", "accept")
        if answer != "accept":
            skipped[f"records with the answer {answer!r}"] += 1
            return
        task = row.get("_task_hash")
        if task is not None:
            if task in seen:
                skipped["records of a task that came before (_task_hash)"] += 1
                return
            seen.add(task)
        marks = []
        for span in list_of(row, "spans") if row.get("spans") is not None else []:
            span = object_of(span, "span")
            label = span.get("label")
            if not isinstance(label, str) or not label:
                raise DataError(f"label must be a string; got {excerpt(label)}.")
            surface = span.get("text") if isinstance(span.get("text"), str) else None
            place = span_of(span.get("start"), span.get("end"))
            marks.append(Mark(label, (place,), surface, others(span, "start", "end", "label", "text")))
        text = string_of(row, "text")
        tokens = _tokens(row, len(text), skipped)
        meta = others(row, "id", "text", "spans", "tokens")
        yield Rough(origin, name_of(row), text, tuple(marks), tokens, meta)

    return parse


def _tokens(row: dict[str, Any], size: int, skipped: Counter[str]) -> tuple[Span, ...] | None:
    """Return the tokens of a record where it has them and they ascend inside its text."""
    if not isinstance(row.get("tokens"), list):
        return None
    found = []
    before = 0
    for token in row["tokens"]:
        token = object_of(token, "token")
        start, end = span_of(token.get("start"), token.get("end"))
        if not before <= start < end <= size:
            skipped["tokens of records where they do not ascend inside the text"] += 1
            return None
        found.append((start, end))
        before = end
    return tuple(found)


def read(files: Sequence[File], *, offsets: str | None = None, on_bad: OnBad = refuse) -> Read:
    """Return the documents of files."""
    return read_rows(files, _parser(), offsets=offsets, on_bad=on_bad)


PRODIGY = NerFormat(
    "prodigy",
    "Prodigy JSON Lines: text, spans, answer",
    (".jsonl", ".json"),
    detect,
    read,
    None,
    frozenset({"text", "nested", "overlapping"}),
    tokens=False,
    options=("offsets",),
)
