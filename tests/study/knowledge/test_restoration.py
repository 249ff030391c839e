"""A study in which each tuned model is asked with weights set back, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assay._files import read_lines
from assay.errors import DataError
from assay.knowledge.world import make_world
from assay.study.knowledge import answers_of_cell, knowledge_study, runs_of, world_study
from assay.study.restoration import Plan
from assay.study.restoration.compare import compare
from tests.study.knowledge.test_study import MINI

PLAN = Plan(percents=(40.0,), rankings=("relative", "random", "shrink"), equal=("energy",), draws=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, world_study(
        MINI, output=folder, sizes=[8], mixed=False, samples=0, workers=2, restoration=PLAN
    )


def test_states_are_asked_the_facts_of_the_study(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    for cell in result["cells"]:
        place = folder / "cells" / f"D{cell['bin']}-8-s0" / "restoration"
        states = {path.stem: list(read_lines(path)) for path in (place / "answers").iterdir()}
        assert set(states) == {
            "tuned", "scope", "original", "relative-weights-40", "random-energy-40-s0", "shrink-energy-40"
        }  # fmt: skip
        own = {row["id"]: row["right"] for row in answers_of_cell(folder, cell) if row["set"] != "train"}
        assert {row["id"]: row["right"] for row in states["tuned"]} == own
        before = {row["id"]: row["output"] for row in read_lines(folder / "original" / "sft.jsonl")}
        assert {row["id"]: row["output"] for row in states["original"]} == before
        sets = {
            name: {row["id"] for row in states["tuned"] if row["set"] == name}
            for name in ("dev", "test", "OOD")
        }
        assert {name: len(ids) for name, ids in sets.items()} == {"dev": 14, "test": 14, "OOD": 36}
        losses = {path.stem: list(read_lines(path)) for path in (place / "losses").iterdir()}
        assert all(len(rows) == 200 for rows in losses.values())
        nats = {name: sum(row["nats"] for row in rows) for name, rows in losses.items()}
        assert nats["original"] < min(nats["tuned"], nats["scope"])  # its own pre-training


def test_what_it_comes_to(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    groups = runs_of(folder, result)
    assert {label: [run.name for run in runs] for label, runs in groups.items()} == {
        "D0, 8": ["D0-8-s0"], "D4, 8": ["D4-8-s0"]
    }  # fmt: skip
    found = compare(groups)["groups"]["D4, 8"]
    assert {row["ranking"] for row in found["choices"]} == {"relative", "random", "shrink"}
    assert found["texts"] == 200


def test_a_model_of_no_safetensors_is_refused_before_anything(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(
        DataError, match=r"m\.gguf must be a \.safetensors file or a folder of them; got GGUF"
    ):
        knowledge_study(
            tmp_path / "m.gguf", make_world(MINI).facts, output=tmp_path / "out", restoration=PLAN, sizes=[4]
        )
    assert not (tmp_path / "out").exists()
