"""A finished study as rows: a line a fine-tuning, and the facts that were lost or gained, with what was said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from assay._files import read_lines
from assay.knowledge import CATEGORIES, Question, read_facts
from assay.study.effects import Rights
from assay.study.knowledge.cells import ANSWERS, ASKED, RESTORED, TESTS
from assay.study.knowledge.grid import GridCell
from assay.study.knowledge.scores import PAPER, SAME, judged
from assay.study.knowledge.tables import PROMPTS, size_label
from assay.study.restoration.runs import Run, read_runs

Row = dict[str, Any]
KINDS = ("lost", "gained")


def table(result: Mapping[str, Any]) -> list[Row]:
    """Return a row a fine-tuning: where it stands in the grid, its accuracies, divergences, lost and gained facts."""
    return [_row(cell) for cell in result["cells"]]


def _row(cell: Mapping[str, Any]) -> Row:
    found: Row = {name: cell[name] for name in ("bin", "size", "taken", "seed")}
    found["bin"] = cell_of(cell).bin_name
    found |= {"steps": cell["training"]["steps"], "last_loss": cell["training"]["last_loss"]}
    for name in TESTS:
        its = cell["accuracy"][name] or {}
        found |= {f"{name}_{what}": its.get(what) for what in ("macro", "micro")}
        bins = its.get("bins") or [None] * len(CATEGORIES)
        found |= {f"{name}_{bin}": value for bin, value in zip(CATEGORIES, bins, strict=True)}
    found |= {"train_accuracy": cell["train_accuracy"], "ended": cell["ended"]}
    found |= {f"paper_kl_{size}": cell["kl"]["paper"][size] for size in PAPER}
    found |= {"paper_kl_facts": cell["kl"]["paper"]["facts"]}
    found |= {f"same_{name}": cell["kl"]["same"].get(name) for name in SAME}
    for kind in KINDS:
        found |= {f"{kind}_{name}": sum(cell["turned"].get(name, {}).get(kind, ())) for name in TESTS}
    return found


def cell_of(cell: Mapping[str, Any]) -> GridCell:
    """Return the place in the grid of what was written of a cell."""
    return GridCell(cell["bin"], cell["size"], cell["seed"])


def answers_of_cell(output: str | Path, cell: Mapping[str, Any]) -> list[Row]:
    """Return the answers of a cell of a finished study: a row a fact, its set ``train``, ``ID`` or ``OOD``."""
    return list(read_lines(Path(output) / "cells" / cell_of(cell).name / ANSWERS))


def runs_of(output: str | Path, result: Mapping[str, Any]) -> dict[str, list[Run]]:
    """Return what the tuned models of each bin and size were in every state with weights set back, by label."""
    found: dict[str, list[Run]] = {}
    for cell in result["cells"]:
        place = cell_of(cell)
        [run] = read_runs(Path(output) / "cells" / place.name / RESTORED)
        label = f"{place.bin_name}, {size_label(place.size)}"
        found.setdefault(label, []).append(replace(run, name=place.name, seed=place.seed))
    return found


def changed(output: str | Path, result: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the test facts that any fine-tuning lost or gained, those of most fine-tunings first.

    Lost: the original is right when it goes on with a statement, the tuned model wrong in the prompt that it was tuned
    on; gained: the other way round. Both by the rule of the statements, so that a model is not wrong for an article; a
    fact may still be known and not said: see `gold_rank` in a cell's answers.

    Parameters
    ----------
    output : path
        Of the study.
    result : mapping
        What it returned.

    Returns
    -------
    dict
        ``lost`` and ``gained``: rows of a fact, its set, relation, bin, right answers, what the original said, what the
        first of the fine-tunings said, and ``cells``, the names of all of them.
    """
    asked = {one.id: one for one in read_facts(Path(output) / ASKED).questions}
    before = {row["id"]: row for row in read_lines(Path(output) / "original" / "statement.jsonl")}
    found: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
    rule = result["parameters"]["asking"]["rule"]
    for cell, row in _tested(output, result, asked, rule):
        was = before[row["id"]]
        if was["right"] != row["right"]:
            kind = "lost" if was["right"] else "gained"
            one = asked[row["id"]]
            entry = found[kind].setdefault(
                one.id,
                {
                    "id": one.id, "set": row["set"], "relation": one.relation, "bin": CATEGORIES[row["bin"]],
                    "subject": one.subject, "prompt": one.prompt, "answers": list(one.answers),
                    "original": was["output"], "tuned": row["output"], "cells": [],
                },
            )  # fmt: skip
            entry["cells"].append(cell)
    return {
        kind: sorted(rows.values(), key=lambda row: (-len(row["cells"]), row["id"]))
        for kind, rows in found.items()
    }


def _tested(
    output: str | Path, result: Mapping[str, Any], asked: Mapping[str, Question], rule: str
) -> Iterator[tuple[str, Row]]:
    for cell in result["cells"]:
        for row in judged(answers_of_cell(output, cell), asked, rule):
            if row["set"] in TESTS:
                yield cell_of(cell).name, row


def right_answers(output: str | Path, result: Mapping[str, Any]) -> dict[str, Rights]:
    """Return which test facts each cell, and the original in each way of asking, had right, by test set.

    As `claims` takes it, for intervals over facts. One byte a fact and cell in memory.
    """
    folder = Path(output)
    files = {way: folder / "original" / f"{way}.jsonl" for way in PROMPTS}
    files |= {cell_of(one).name: folder / "cells" / cell_of(one).name / ANSWERS for one in result["cells"]}
    bins: dict[str, dict[str, int]] = {name: {} for name in TESTS}
    right: dict[str, dict[str, Any]] = {name: {} for name in TESTS}
    for name, file in files.items():
        said: dict[str, dict[str, bool]] = {test: {} for test in TESTS}
        for row in read_lines(file):
            if row["set"] in TESTS:
                said[row["set"]][row["id"]] = row["right"]
                bins[row["set"]].setdefault(row["id"], row["bin"])
        for test in TESTS:
            right[test][name] = np.array([said[test][id] for id in bins[test]], dtype=bool)
    return {
        test: Rights(np.array(list(bins[test].values()), dtype=np.int64), right[test])
        for test in TESTS
        if bins[test]
    }
