"""What a person decided about labels, in a file that two writers, a crash and an editor leave whole."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assay._files import atomic, read_yaml, yaml_bytes
from assay.errors import DataError, StaleError
from assay.ner.cards import Action

FILE, LOG = "decisions.yaml", "decisions.log.jsonl"
REST = "rest"
Text = Annotated[str, Field(strict=True)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Frozen):
    """Which entities of a split label get one of its new names; several ways are any of them.

    gazetteer
        File with a surface a line; compared as the screen compares mentions (NFKC, case, spaces).
    regex
        Searched for in the surface; ``^`` and ``$`` anchor it.
    model
        Predictions of a model, in any format that is read: an entity of the same bounds and this label.
    manual
        Table that names entities one by one, such as ``undecided.tsv`` filled in; it overrides the other ways.

    Files lie in the folder of the decision file, or below.
    """

    gazetteer: Text | None = None
    regex: Text | None = None
    model: Text | None = None
    manual: Text | None = None

    @model_validator(mode="after")
    def _some(self) -> Rule:
        if not any((self.gazetteer, self.regex, self.model, self.manual)):
            raise ValueError("must be rest, or have a gazetteer, regex, model or manual; got none")
        try:
            re.compile(self.regex or "")
        except re.error as error:
            raise ValueError(f"regex must be a regular expression; got {self.regex!r} ({error})") from None
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the rule reads."""
        return tuple(name for name in (self.gazetteer, self.model, self.manual) if name)


class Decision(_Frozen):
    """What becomes of labels, each ``corpus/label``, split at the first slash.

    same
        The labels mean the same and get one `name`.
    merge
        They do not, and get one `name` all the same.
    rename
        One label gets a `name`.
    split
        Each entity gets one of the names of `into`, by its `Rule`; those that no rule takes get the name whose rule is
        ``rest``.
    ignore
        Nothing changes; the conflict was seen.

    `id` is never used again; "" stands for the next free one where a decision is added. `card` is the conflict card
    that it answers. `author` "proposal" marks what no person has confirmed.
    """

    id: Text = ""
    labels: tuple[Text, ...]
    action: Action
    name: Text | None = None
    into: dict[Text, Rule | Literal["rest"]] | None = None
    author: Text = ""
    date: datetime.date | None = None
    reason: Text = ""
    card: Text | None = None

    @field_validator("labels")
    @classmethod
    def _labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        for label in labels:
            corpus, _, own = label.partition("/")
            if not corpus or not own:
                raise ValueError(f"must be corpus/label each; got {label!r}")
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"must be one or more different ones; got {list(labels)}")
        return labels

    @model_validator(mode="after")
    def _shape(self) -> Decision:
        if self.action in ("same", "merge", "rename") and not self.name:
            raise ValueError(f"name must be given for {self.action}: what the label is called from now on")
        if self.action in ("split", "ignore") and self.name is not None:
            raise ValueError(f"name must be left out for {self.action}; got {self.name!r}")
        if (self.action == "split") != bool(self.into):
            given = "none" if not self.into else ", ".join(self.into)
            raise ValueError(f"into must be given for split and only there; got {given} for {self.action}")
        if self.action == "rename" and len(self.labels) > 1:
            raise ValueError(
                f"labels must be one for rename; got {len(self.labels)}: use same or merge to give several one name"
            )
        if self.action in ("same", "merge") and len(self.labels) < 2:
            raise ValueError(
                f"labels must be two or more for {self.action}; got {self.labels[0]}: use rename"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names that its labels come to; none where they stay as they are."""
        return tuple(self.into or ()) if self.name is None else (self.name,)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions of a file, and which state of the file that is ("" where there is none yet)."""

    entries: tuple[Decision, ...] = ()
    revision: str = ""

    def get(self, id: str) -> Decision | None:
        """Return the decision of an id."""
        return next((entry for entry in self.entries if entry.id == id), None)

    def of_card(self, card: str) -> tuple[Decision, ...]:
        """Return the decisions that answer a card."""
        return tuple(entry for entry in self.entries if entry.card == card)


@dataclass(frozen=True, slots=True)
class Change:
    """One decision before and after a step, None where there was none."""

    was: Decision | None
    now: Decision | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the history, which `undo` takes back whole."""

    at: str
    changes: tuple[Change, ...]


def parse_decision(fields: Mapping[str, Any], *, where: str = "decision") -> Decision:
    """Return a decision from plain values, such as those of a form; `where` begins the message if they are wrong."""
    try:
        return Decision.model_validate(dict(fields))
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
        if first["type"] == "value_error":
            message = f"{place} {first['msg'].removeprefix('Value error, ')}".strip()
        elif first["type"] == "extra_forbidden":
            fields_there = Rule.model_fields if place.startswith("into.") else Decision.model_fields
            message = f"{place} is no field; there are: {', '.join(fields_there)}"
        elif first["type"] == "tuple_type":
            message = f"{place} must be a list, such as [news/PER]; got {first['input']!r}"
        elif first["type"] == "missing":
            message = f"{place} must be given"
        elif first["type"] in ("model_type", "literal_error") and place.startswith("into."):
            message = f"{place} must be rest or a rule such as {{gazetteer: FILE}}; got {first['input']!r}"
        else:
            quote = ". Quote words such as no and 1" if first["type"] == "string_type" else ""
            rule = first["msg"].replace("Input should be", "must be")
            message = f"{place} {rule}; got {first['input']!r}{quote}"
        raise DataError(f"{where}: {message}.") from None


def read_decisions(path: str | Path) -> Decisions:
    """Read a decision file; one that does not exist holds no decisions.

    Raises
    ------
    DataError
        The file is no YAML list of decisions, or two have one id.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return Decisions()
    except OSError as error:
        raise DataError(f"{path} must be a file that can be read; {error.strerror}.") from None
    found = read_yaml(path, content) or []
    if not isinstance(found, list) or not all(isinstance(fields, dict) for fields in found):
        raise DataError(f"{path} must be a list of decisions, each with id, labels and action.")
    entries = []
    for number, fields in enumerate(found, 1):
        where = f"{path}: {fields.get('id') or f'decision {number}'}"
        entry = parse_decision(fields, where=where)
        if not entry.id:
            raise DataError(f"{where}: id must be given.")
        entries.append(entry)
    ids = [entry.id for entry in entries]
    if len(set(ids)) < len(ids):
        twice = next(id for id in ids if ids.count(id) > 1)
        raise DataError(f"{path}: id must be unique; got {twice!r} twice. Give one of them another.")
    return Decisions(tuple(entries), hashlib.sha256(content).hexdigest())


def write_decisions(path: str | Path, entries: Sequence[Decision]) -> Decisions:
    """Write a decision file anew, whole or not at all, by id; the same decisions make the same bytes.

    For a file of its own, such as a proposal: `add`, `replace`, `remove` and `edit` change one that others use too.
    """
    ordered = tuple(sorted(entries, key=lambda entry: _natural(entry.id)))
    content = yaml_bytes([_fields(entry) for entry in ordered])
    with atomic(path) as f:
        f.write(content)
    return Decisions(ordered, hashlib.sha256(content).hexdigest())


def add(path: str | Path, decision: Decision, *, revision: str | None = None) -> Decisions:
    """Add a decision, under the next free id where it has none; see `edit`."""
    return edit(path, add=(decision,), revision=revision)


def replace(path: str | Path, decision: Decision, *, revision: str | None = None) -> Decisions:
    """Replace the decision of the same id; see `edit`."""
    return edit(path, replace=(decision,), revision=revision)


def remove(path: str | Path, id: str, *, revision: str | None = None) -> Decisions:
    """Remove a decision; see `edit`."""
    return edit(path, remove=(id,), revision=revision)


def edit(
    path: str | Path,
    *,
    add: Sequence[Decision] = (),
    replace: Sequence[Decision] = (),
    remove: Sequence[str] = (),
    revision: str | None = None,
) -> Decisions:
    """Change a decision file in one step, which other writers wait for and `undo` takes back whole.

    Parameters
    ----------
    path
        The decision file; made where it is missing.
    add, replace, remove
        Decisions to add, each under the next free id where it has none; to put in place of those of their ids; ids to
        remove.
    revision
        `Decisions.revision` of what the caller saw. If the file is another by now, nothing is changed. None changes
        the file as it is now: nothing that another added is lost, but what another replaced is replaced again.

    Returns
    -------
    Decisions
        As they are now; new ids are there.

    Raises
    ------
    StaleError
        The file is not of `revision` any more.
    DataError
        An id to add is or was in use, or one to replace or remove is not there.

    Notes
    -----
    Writers wait for each other on ``.<name>.lock``. The step is first appended to ``<stem>.log.jsonl`` and flushed to
    the disk, then the file is replaced whole: a crash between the two leaves the old file, and a step in the log that
    history knows was not carried out. Comments of an editor are not kept.
    """
    with _locked(path):
        now = _current(path, revision)
        entries = {entry.id: entry for entry in now.entries}
        changes = []
        for id in remove:
            if id not in entries:
                raise DataError(f"remove must name decisions of {path}; there is no {id!r}.")
            changes.append(Change(entries.pop(id), None))
        for entry in replace:
            if entry.id not in entries:
                raise DataError(f"replace must name decisions of {path}; there is no {entry.id!r}.")
            changes.append(Change(entries[entry.id], entry))
            entries[entry.id] = entry
        if add:
            used = {*(entry.id for entry in now.entries), *_used(path)}
            for entry in add:
                if entry.id in used:
                    raise DataError(f"id must be new; {entry.id!r} is or was in use in {path}.")
                if not entry.id:
                    entry = entry.model_copy(update={"id": next_id(used)})
                used.add(entry.id)
                changes.append(Change(None, entry))
                entries[entry.id] = entry
        return _carry_out(path, now, entries, [change for change in changes if change.was != change.now])


def undo(path: str | Path, *, revision: str | None = None) -> Decisions:
    """Take back the last step of the history that was not taken back yet, also after a crash or in another process.

    Raises
    ------
    StaleError
        The file is not of `revision` any more.
    DataError
        There is nothing to take back, or what the step wrote was changed since with an editor.
    """
    with _locked(path):
        now = _current(path, revision)
        steps = _steps(path, now.revision)
        if not steps:
            raise DataError(f"{path} must have a step to take back; there is none.")
        entries = {entry.id: entry for entry in now.entries}
        changes = []
        for change in steps[-1].changes:
            id = _id(change)
            if entries.get(id) != change.now:
                raise DataError(
                    f"{id} must be as the last step left it; {path} was edited since. Edit it again."
                )
            changes.append(Change(change.now, change.was))
            if change.was is None:
                del entries[id]
            else:
                entries[id] = change.was
        return _carry_out(path, now, entries, changes, undoes=True)


def history(path: str | Path) -> tuple[Step, ...]:
    """Return the steps that `undo` can take back, the oldest first."""
    return tuple(_steps(path, read_decisions(path).revision))


def next_id(used: set[str]) -> str:
    """Return the first id after all that were used.

    >>> next_id({"d2", "d10", "mine"})
    'd11'
    """
    numbers = [int(id[1:]) for id in used if re.fullmatch(r"d[0-9]{1,9}", id)]
    return f"d{max(numbers, default=0) + 1}"


def _id(change: Change) -> str:
    entry = change.now or change.was
    return "" if entry is None else entry.id


def _natural(id: str) -> tuple[list[tuple[int, str]], str]:
    """Return what sorts d2 before d10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", id)], id


def _fields(entry: Decision) -> dict[str, Any]:
    """Return a decision as plain values, without what it does not say."""
    fields = entry.model_dump(exclude_none=True)
    return {key: list(value) if key == "labels" else value for key, value in fields.items() if value != ""}


def _current(path: str | Path, revision: str | None) -> Decisions:
    now = read_decisions(path)
    if revision is not None and revision != now.revision:
        raise StaleError(f"{path} must be as it was when it was read; it has changed since. Look again.")
    return now


def _carry_out(
    path: str | Path,
    before: Decisions,
    entries: Mapping[str, Decision],
    changes: Sequence[Change],
    *,
    undoes: bool = False,
) -> Decisions:
    """Log a step and write the file; the caller holds the lock."""
    if not changes:
        return before
    ordered = sorted(entries.values(), key=lambda entry: _natural(entry.id))
    after = hashlib.sha256(yaml_bytes([_fields(entry) for entry in ordered])).hexdigest()
    line = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "undoes": undoes,
        "before": before.revision,
        "after": after,
        "changes": [
            {
                side: None if entry is None else _fields(entry)
                for side, entry in (("was", c.was), ("now", c.now))
            }
            for c in changes
        ],
    }
    with open(_log(path), "ab") as f:
        # a line that a crash cut off stays one line
        f.write(b"\n" * _cut_off(path) + orjson.dumps(line) + b"\n")
        f.flush()
        os.fsync(f.fileno())
    return write_decisions(path, ordered)


def _log(path: str | Path) -> Path:
    place = Path(path)
    return place.with_name(place.stem + ".log.jsonl")


def _cut_off(path: str | Path) -> bool:
    try:
        with open(_log(path), "rb") as f:
            f.seek(-1, os.SEEK_END)
            return f.read() != b"\n"
    except OSError:  # none yet, or an empty one
        return False


def _lines(path: str | Path) -> list[dict[str, Any]]:
    """Return the lines of the log that were written whole."""
    try:
        content = _log(path).read_bytes()
    except FileNotFoundError:
        return []
    lines = []
    for line in content.split(b"\n"):
        try:
            lines.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue
    return lines


def _used(path: str | Path) -> set[str]:
    """Return the ids of all decisions that the log has ever named."""
    return {
        change[side]["id"]
        for line in _lines(path)
        for change in line["changes"]
        for side in ("was", "now")
        if change[side] is not None
    }


def _steps(path: str | Path, revision: str) -> list[Step]:
    """Return the steps that stand. One whose next line, or the file, is still as before it was not carried out."""
    lines = _lines(path)
    followed = [*(line["before"] for line in lines), revision][1:] if lines else []
    steps: list[Step] = []
    for line, follows in zip(lines, followed, strict=True):
        if follows == line["before"]:
            continue
        if line["undoes"]:
            steps = steps[:-1]
            continue
        changes = tuple(
            Change(*(None if c[side] is None else parse_decision(c[side]) for side in ("was", "now")))
            for c in line["changes"]
        )
        steps.append(Step(line["at"], changes))
    return steps


@contextmanager
def _locked(path: str | Path) -> Iterator[None]:
    """Hold the file against other writers; the lock of a process that dies is let go."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_name(f".{place.name}.lock"), "ab") as f:
        if sys.platform == "win32":
            import msvcrt

            f.seek(0)
            msvcrt.locking(f.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(f, fcntl.LOCK_EX)
        yield
