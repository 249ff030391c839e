"""Numbers that programs tell of the checkpoint of a state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.errors import DataError
from assay.study.restoration.run import Measure, Row
from assay.study.restoration.states import State

Program = Callable[[Path], dict[str, float]]


def numbers_measure(*programs: Program) -> Measure:
    """Return what has programs judge the written checkpoint of a state, and tells their ``numbers`` by name."""

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        assert folder is not None  # run_states with written=True
        numbers: dict[str, float] = {}
        for program in programs:
            found = program(folder)
            if twice := sorted(numbers.keys() & found.keys()):
                raise DataError(
                    f"command must have names of its own for its numbers; lm_eval has {', '.join(twice)}, too."
                )
            numbers |= found
        return {"numbers": numbers}

    return measure
