"""The folder of grades: what was asked of which model, and a line a fact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import orjson

from assay._files import read_json, write_json
from assay.errors import DataError

FILES = IDENTITY, FACTS = "grades.json", "facts.jsonl"

Row = dict[str, Any]


def append(stream: IO[Any], rows: Sequence[Row]) -> None:
    stream.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
    stream.flush()


def opened(folder: Path, identity: Row) -> tuple[Row, dict[str, Row]]:
    """Return the identity of a folder with that of this run, which must be alike, and the facts that it has.

    Settings of a score that no fact has bind nobody: the run that named them ended before it.
    """
    file = folder / IDENTITY
    rows = read_rows(folder / FACTS, mend=True)
    if file.is_file():
        there = read_json(file)
        for part, word in (("exact", "exact"), ("sampled", "hits")):
            if not any(word in row for row in rows.values()):
                there[part] = None
        differ = unlike(there, identity)
        if differ:
            raise DataError(
                f"output must be a folder of this model and these settings; {folder} differs in {', '.join(differ)}. "
                "Use another folder."
            )
        identity |= {part: identity[part] or there.get(part) for part in ("exact", "sampled")}
    write_json(file, identity)
    return identity, rows


def unlike(there: Row, here: Row) -> list[str]:
    """Return what differs between two identities, model and settings; a score that one has not differs in nothing."""
    found = []
    for part in ("model", "exact", "sampled"):
        mine, theirs = here[part], there.get(part)
        if mine is None or theirs is None:
            continue
        found += [
            f"{part} {name} ({theirs.get(name)!r} there, {mine.get(name)!r} here)"
            for name in dict.fromkeys((*theirs, *mine))
            if theirs.get(name) != mine.get(name)
        ]
    most, mine = there.get("per_relation", here["per_relation"]), here["per_relation"]
    if most != mine:
        found.append(f"per_relation ({most!r} there, {mine!r} here)")
    return found


def read_rows(file: Path, *, mend: bool = False) -> dict[str, Row]:
    """Return the facts of a file by their ids, lines of one fact as one; a last line that is cut is none.

    `mend` takes it off the file as well.
    """
    rows: dict[str, Row] = {}
    whole_bytes = 0
    if not file.is_file():
        return rows
    with open(file, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = orjson.loads(line)
                earlier = rows.get(row["id"], {})
                same = earlier.get("key") == row["key"]
            except (orjson.JSONDecodeError, KeyError, TypeError):
                raise DataError(
                    f"{file}:{number}: must be the grades of a fact; got {line[:60]!r}."
                ) from None
            rows[row["id"]] = earlier | row if same else row
            whole_bytes += len(line)
    if mend:
        with open(file, "r+b") as out:
            out.truncate(whole_bytes)
    return rows
