"""Putting a model into each state of a sweep, having it evaluated, and writing down what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from assay._files import read_json, write_json, write_lines
from assay.study.restoration.states import ORIGINAL, SCOPE, TUNED, Plan, State, parts_of, states
from assay.weights import Change, Pair, changes, select, tally
from assay.weights.ranking import Chunk, Floats32
from assay.weights.restore import write_values
from assay.weights.shares import SUMS
from assay.weights.steps import Values, check_loaded, put, restored, shrunk

Row = dict[str, Any]
Measure = Callable[[State, Any, Path | None], Row]
ITEMS = ("answers", "losses")  # what a measure tells of each fact and text, kept in files of their own


def run_states(
    pair: Pair,
    plan: Plan,
    *,
    output: str | Path,
    measure: Measure,
    load: Callable[[str], Any] | None = None,
    written: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Evaluate a tuned model in every state of a plan, and return a row a state.

    Parameters
    ----------
    pair : Pair
    plan : Plan
    output : path
        Folder that gets ``states/NAME.json``. States that are there are not evaluated again, so that an interrupted
        sweep goes on: give each pair, plan and measure a folder of its own.
    measure : callable
        Called with the state, the loaded model, and the folder of its checkpoint (None where not asked for). Returns
        what is to stand in the row; lists of rows called ``answers`` and ``losses`` go into files of their own.
    load : callable, optional
        "tuned" or "original" to the loaded torch model, called when it is first needed. The tuned one is then put into
        each state in place. None: measures want no model.
    written : bool
        Whether to write each state's checkpoint, into a folder that is deleted when it is measured.
    progress : callable, optional
        Called with the states done and their number.

    Returns
    -------
    list of dict
        In the order of `states`: the fields of `State`, ``name``, ``held``: percent of weights, changed weights,
        sum r, sum |d|, sum d^2 that is set back (sum d^2 of weights as they were put, rounded), and what was measured.

    Raises
    ------
    DataError
        As `select` and `steps`, and what measures raise. What was finished is kept.

    Notes
    -----
    Selecting takes three to five passes over both models for each ranking and draw, putting a model into a state one,
    or two with its checkpoint.
    """
    todo = states(plan, pair)
    place = Path(output) / "states"
    place.mkdir(parents=True, exist_ok=True)

    def file(state: State) -> Path:
        return place / f"{state.name}.json"

    sums = Sums(pair, plan)
    done = sum(file(state).exists() for state in todo)
    model: Any = None
    for members in _together(todo):
        missing = [state for state in members if not file(state).exists()]
        if not missing:
            continue
        if missing == [State(ORIGINAL)]:
            model = None  # not two models at a time
            model = load(ORIGINAL) if load is not None else None
            row = measure(missing[0], model, pair.original.path if written else None)
            _keep(Path(output), missing[0], {"held": None} | row)
            done += 1
        else:
            if load is not None and model is None:
                model = load(TUNED)
                check_loaded(pair, model)
            for state, values, held in realised(sums, members):
                if file(state).exists():
                    continue
                held = held | {"energy": 100 * put(pair, model, values)}
                with ExitStack() as stack:
                    folder = None
                    if written:
                        parent = Path(stack.enter_context(TemporaryDirectory(dir=output, prefix=".state-")))
                        folder = write_values(pair, values, parent / state.name, {"state": state.name})
                    row = measure(state, model, folder)
                _keep(Path(output), state, {"held": held} | row)
                done += 1
                if progress is not None:
                    progress(done, len(todo))
        if progress is not None:
            progress(done, len(todo))
    return [read_json(file(state)) for state in todo]


def together(*measures: Measure) -> Measure:
    """Return what does several measures one after the other; their rows must not share names."""

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        row: Row = {}
        for one in measures:
            row |= one(state, model, folder)
        return row

    return measure


@dataclass(frozen=True)
class Sums:
    """What several states of a pair need, computed when the first one does."""

    pair: Pair
    plan: Plan

    @cached_property
    def energies(self) -> dict[float, float]:
        """How much of sum d^2 each percent of the first ranking undoes, in percent."""
        steps = self.plan.steps
        selection = select(self.pair.chunks, steps, ranking=self.plan.rankings[0], seed=self.plan.seed)
        shares = np.nan_to_num(100 * selection.shares[:, 2])
        return {percent: float(min(share, 100)) for percent, share in zip(steps, shares, strict=True)}

    @cached_property
    def changes(self) -> dict[str, Change]:
        """How far the weights of each tensor moved."""
        return changes(self.pair.chunks())

    @cached_property
    def parts(self) -> dict[str, dict[str, frozenset[str]]]:
        """The tensors of each part."""
        return parts_of(self.plan, self.pair)

    def held(self, tensors: frozenset[str]) -> Row:
        """Return the percent of each sum that whole tensors have."""
        mine, every = (
            np.array([(c.size, c.size - c.unchanged, c.relative, c.absolute, c.squared) for c in some]).sum(
                axis=0
            )
            for some in ([self.changes[name] for name in tensors], self.changes.values())
        )
        with np.errstate(invalid="ignore"):
            return dict(zip(SUMS, _plain(100 * mine / every), strict=True))


def realised(sums: Sums, members: Sequence[State]) -> Iterator[tuple[State, Values, Row]]:
    """Yield the states of one selection, the weights that each has, and the percent of each sum that it sets back."""
    plan, chunks = sums.plan, sums.pair.chunks
    kind, by, seed = members[0].kind, members[0].by, members[0].seed
    if kind == TUNED:
        yield members[0], lambda chunk: chunk[3], dict.fromkeys(SUMS, 0.0)
    elif kind == SCOPE:
        yield members[0], lambda chunk: chunk[2], dict.fromkeys(SUMS, 100.0)
    elif kind == "whole":
        for state in members:
            tensors = sums.parts[by][str(state.part)]
            yield state, _of_tensors(tensors), sums.held(tensors)
    elif kind == "shrink":
        for state, percent in zip(members, _wanted(sums, members), strict=True):
            yield state, shrunk(percent / 100), dict.fromkeys(SUMS) | {"energy": percent}
    else:
        wanted = _wanted(sums, members)
        rising = sorted(set(wanted))
        selection = select(
            chunks, rising, of="energy" if by == "energy" else "weights", seed=seed or 0,
            ranking=plan.rankings[0] if kind == "bottom" else kind, bottom=kind == "bottom",
        )  # fmt: skip
        shares = 100 * tally(selection, chunks, by=lambda name: "").shares
        for state, percent in zip(members, wanted, strict=True):
            j = rising.index(percent)
            yield state, restored(selection, j), dict(zip(SUMS, _plain(shares[j]), strict=True))


def _wanted(sums: Sums, members: Sequence[State]) -> list[float]:
    """Return the percent that each state of a way takes, of weights or of sum d^2."""
    match members[0].by:
        case "weights":
            return [float(state.percent or 0) for state in members]
        case "energy":
            return [sums.energies[float(state.percent or 0)] for state in members]
        case by:
            whole = sums.pair.size
            sizes = {match.name: match.size for match in sums.pair.matches}
            wanted = [sum(sizes[name] for name in sums.parts[by][str(state.part)]) for state in members]
            # half a weight more, so that rounding down gives so many
            return [100 * min(size + 0.5, whole) / whole for size in wanted]


def _together(todo: Iterable[State]) -> Iterator[list[State]]:
    """Yield the states that one selection serves."""
    for _, members in groupby(todo, key=lambda state: (state.kind, state.by, state.seed)):
        yield list(members)


def _of_tensors(tensors: frozenset[str]) -> Values:
    def values(chunk: Chunk) -> Floats32:
        name, _, p, s = chunk
        return p if name in tensors else s

    return values


def _plain(values: Iterable[float]) -> list[float | None]:
    """Return numbers that JSON can hold."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _keep(output: Path, state: State, row: Row) -> None:
    """Write what was measured; the state's own file last, since with it the state counts."""
    for name in ITEMS:
        if (items := row.pop(name, None)) is not None:
            (output / name).mkdir(exist_ok=True)
            write_lines(output / name / f"{state.name}.jsonl", items)
    write_json(output / "states" / f"{state.name}.json", asdict(state) | {"name": state.name} | row)
