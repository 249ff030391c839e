"""What a sweep wrote of each tuned model: a row a state, which facts each had right, its loss on each text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay._files import read_json
from assay.errors import DataError
from assay.knowledge.intervals import Floats, Ints

Row = dict[str, Any]
STATES, ANSWERS, LOSSES = "states", "answers", "losses"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One tuned model in all of its states, by their names.

    `seed` is that of its fine-tuning. `answers` have which facts of each set were right, `bins` the bin of each fact
    of a set (0 throughout where facts are not graded), `losses` the tokens of each text and its loss in nats: facts
    and texts in one order in all states of all runs that are compared.
    """

    name: str
    seed: int
    rows: Mapping[str, Row]
    answers: Mapping[str, Mapping[str, NDArray[np.bool_]]] = field(default_factory=dict)
    bins: Mapping[str, Ints] = field(default_factory=dict)
    losses: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)


def read_runs(
    folder: str | Path, *, names: Collection[str] | None = None, states: Collection[str] | None = None
) -> list[Run]:
    """Return the runs that a sweep wrote under a folder, in order of their names.

    Parameters
    ----------
    folder : path
        Of one tuned model, with its ``states``, or of several such folders. ``answers`` and ``losses`` beside them
        are read where they are there. A folder whose name ends in ``-s3`` is of seed 3, others are numbered.
    names : collection of str, optional
        Of the folders to read; by default all, those of an earlier sweep, too.
    states : collection of str, optional
        Names of those to read; by default all, those that an earlier plan left there, too.

    Returns
    -------
    list of Run
        States that are not finished are left out.

    Raises
    ------
    DataError
        For a folder without states, broken files, or states that were asked other facts or texts than the first.

    Notes
    -----
    A byte a fact and state, 16 a text and state.
    """
    root = Path(folder)
    found = [root] if (root / STATES).is_dir() else sorted(one.parent for one in root.glob(f"*/{STATES}"))
    found = [one for one in found if names is None or one.name in names]
    if not found:
        raise DataError(f"folder must hold what a sweep wrote; {root} has no {STATES}. Run the sweep first.")
    seen: dict[str, tuple[Path, Sequence[Any]]] = {}
    return [_read(one, number, seen, states) for number, one in enumerate(found)]


def _read(
    folder: Path, number: int, seen: dict[str, tuple[Path, Sequence[Any]]], states: Collection[str] | None
) -> Run:
    rows = {
        path.stem: read_json(path)
        for path in sorted((folder / STATES).glob("*.json"))
        if states is None or path.stem in states
    }
    if not rows:
        raise DataError(
            f"folder must hold a finished state; {folder / STATES} has none. Run the sweep first."
        )
    answers: dict[str, dict[str, NDArray[np.bool_]]] = {}
    losses: dict[str, tuple[Floats, Floats]] = {}
    bins: dict[str, Ints] = {}
    places: dict[str, NDArray[np.bool_]] = {}
    for name in rows:
        if (path := folder / ANSWERS / f"{name}.jsonl").exists():
            lines = _lines(path)
            _same("facts", path, [(row["set"], row["id"]) for row in lines], seen)
            if not places:
                of = np.array([row["set"] for row in lines])
                places = {one: of == one for one in dict.fromkeys(of.tolist())}
                graded = np.array([row["bin"] or 0 for row in lines], int)
                bins = {one: graded[own] for one, own in places.items()}
            right = np.array([row["right"] for row in lines], bool)
            answers[name] = {one: right[own] for one, own in places.items()}
        if (path := folder / LOSSES / f"{name}.jsonl").exists():
            lines = _lines(path)
            _same("texts", path, [row["id"] for row in lines], seen)
            losses[name] = (
                np.array([row["tokens"] for row in lines], float),
                np.array([row["nats"] for row in lines], float),
            )
    told = re.search(r"-s(\d+)$", folder.name)
    return Run(folder.name, int(told[1]) if told else number, rows, answers, bins, losses)


def _lines(path: Path) -> list[Row]:
    """Return the rows that `write_lines` wrote, at once: there are some hundred such files a model."""
    found: list[Row] = orjson.loads(b"[" + path.read_bytes().rstrip().replace(b"\n", b",") + b"]")
    return found


def _same(what: str, path: Path, ids: Sequence[Any], seen: dict[str, tuple[Path, Sequence[Any]]]) -> None:
    """Raise unless a file is of the facts, or texts, of the first one."""
    first, wanted = seen.setdefault(what, (path, ids))
    if ids != wanted:
        raise DataError(
            f"{path} must be of the {what} of {first}, in their order; it is of others. Run one sweep a folder."
        )
