"""JSON values out of a file: an array, JSON Lines, or objects one after the other, whatever its name says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.data.containers import opened
from assay.data.json_text import excerpt, loads
from assay.errors import DataError
from assay.ner.document import Span
from assay.ner.formats.format import File, OnBad, Read, refuse
from assay.ner.formats.offsets import Rough, settled

Row = tuple[str, Any]
_SPACE = re.compile(r"\s*")


def rows(path: Path, *, on_bad: OnBad = refuse) -> Iterator[Row]:
    """Yield (``file:row``, value); an array is taken apart, and what is no JSON goes to `on_bad` as ``malformed``."""
    with opened(path) as stream:
        data = stream.read()
    if data.lstrip()[:1] == b"[":
        try:
            whole = loads(data)
        except UnicodeDecodeError:
            raise _not_utf8(path) from None
        except ValueError:
            pass
        else:
            for number, value in enumerate(whole, 1):
                yield f"{path}:{number}", value
            return
    lines = data.split(b"\n")
    first = next((line for line in lines if line.strip()), b"")
    if not first:
        return
    try:
        loads(first)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except ValueError:
        yield from _run_together(path, data, on_bad)
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield f"{path}:{number}", loads(line)
            except UnicodeDecodeError:
                raise _not_utf8(path) from None
            except ValueError as error:
                on_bad("malformed", f"{path}:{number}", _not_json(error, line.decode("utf-8", "replace")))


def _run_together(path: Path, data: bytes, on_bad: OnBad) -> Iterator[Row]:
    """Yield the values of a file in which each may take several lines."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    decode = json.JSONDecoder().raw_decode
    at = line = 0
    while True:
        found = _SPACE.match(text, at)
        start = found.end() if found else at
        line += text.count("\n", at, start)
        if start == len(text):
            return
        try:
            value, at = decode(text, start)
        except (json.JSONDecodeError, RecursionError) as error:
            message = _not_json(error, text[start : start + 200])
            on_bad("malformed", f"{path}:{line + 1}", f"{message} The rest of the file is not read.")
            return
        yield f"{path}:{line + 1}", value
        line += text.count("\n", start, at)


def _not_json(error: Exception, text: str) -> str:
    reason = "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        reason = f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')}"
    return f"row must be JSON; {reason} in {excerpt(text.strip())}."


def _not_utf8(path: Path) -> DataError:
    return DataError(
        f"{path}: must be UTF-8; it is not. Convert it, e.g.: iconv -f CP1252 -t UTF-8 {path.name}"
    )


def name_of(row: dict[str, Any]) -> str:
    """Return the ``id`` of a record, ``""`` where it has none."""
    own = row.get("id")
    named = isinstance(own, str) or (isinstance(own, int) and not isinstance(own, bool))
    return str(own) if named else ""


def span_of(start: Any, end: Any) -> Span:
    """Return two offsets as whole numbers, or raise."""
    if not all(isinstance(offset, int) and not isinstance(offset, bool) for offset in (start, end)):
        raise DataError(f"offsets must be two whole numbers; got {excerpt([start, end])}.")
    return start, end


def string_of(row: dict[str, Any], key: str) -> str:
    """Return the value of a key that must be a string."""
    value = row.get(key)
    if not isinstance(value, str):
        raise DataError(f"{key} must be a string; got {excerpt(value)}.")
    return value


def list_of(row: dict[str, Any], key: str) -> list[Any]:
    """Return the value of a key that must be a list."""
    value = row.get(key)
    if not isinstance(value, list):
        raise DataError(f"{key} must be a list; got {excerpt(value)}.")
    return value


def object_of(value: Any, what: str) -> dict[str, Any]:
    """Return a value that must be an object."""
    if not isinstance(value, dict):
        raise DataError(f"{what} must be an object; got {excerpt(value)}.")
    return value


def others(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return what a record says beside the keys that are understood."""
    return {key: value for key, value in row.items() if key not in keys}


Parse = Callable[[str, dict[str, Any], Counter[str]], Iterable[Rough]]


def read_rows(
    files: Sequence[File],
    parse: Parse,
    *,
    declared: str = "code points",
    offsets: str | None = None,
    on_bad: OnBad = refuse,
) -> Read:
    """Return the documents of files of JSON records.

    `parse(origin, row, skipped)` makes documents of a record, raises `DataError` where it breaks the format, and counts
    in `skipped` what it leaves out, by a phrase for the notes.
    """
    skipped: Counter[str] = Counter()
    found: list[Rough] = []
    for file in files:
        for origin, row in rows(file.path, on_bad=on_bad):
            try:
                found += [
                    replace(rough, split=file.split)
                    for rough in parse(origin, object_of(row, "row"), skipped)
                ]
            except DataError as error:
                on_bad("malformed", origin, str(error))
    documents, notes = settled(found, offsets=offsets, declared=declared, on_bad=on_bad)
    left_out = tuple(f"left out {count:,} {what}" for what, count in sorted(skipped.items()))
    return Read(documents, notes=left_out + notes)
