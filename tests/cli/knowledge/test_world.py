"""`assay knowledge world`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest

from assay.knowledge import read_facts, read_templates
from assay.knowledge.world import WORLDS
from tests.cli.conftest import Assay


@pytest.fixture(autouse=True)
def mini(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world of a second under the name of the smallest."""
    plan = replace(
        WORLDS["ci"], facts=5, name_words=5, exposures=(0, 20), layers=1, width=16, mlp_width=16, heads=2
    )
    monkeypatch.setitem(WORLDS, "ci", plan)


def test_a_world_is_written_and_replayed(assay: Assay, tmp_path: Path) -> None:
    done = assay("knowledge", "world", "-o", "out", "--aliases", "0.5", "--seed", "2")
    assert done.code == 0
    assert "lines of 30 facts" in done.err
    out = tmp_path / "out"
    facts = read_facts(out / "facts.jsonl").questions
    assert len(facts) == 30
    assert all(question.aliases for question in facts)
    assert list(read_templates(out / "templates.yaml")) == [f"r{number}" for number in range(1, 7)]
    exposures = json.loads((out / "exposures.json").read_text())
    assert set(exposures) == {question.id for question in facts}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["counts"]["lines"] == sum(exposures.values())
    assert "model/model.safetensors" in manifest["outputs"]
    again = assay("run", "out/manifest.json", "-o", "again", "--quiet")
    assert again.code == 0
    assert (
        json.loads((tmp_path / "again" / "manifest.json").read_text())["outputs"].keys()
        == manifest["outputs"].keys()
    )
    weights = [(tmp_path / place / "model" / "model.safetensors").read_bytes() for place in ("out", "again")]
    assert weights[0] == weights[1]


def test_what_is_refused(assay: Assay, tmp_path: Path) -> None:
    done = assay("knowledge", "world", "-o", "out", "--size", "huge")
    assert (done.code, done.err) == (2, "error: --size must be one of ci, full; got 'huge'.\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    done = assay("knowledge", "world", "-o", "out")
    assert done.code == 2
    assert "--output must be a new or empty folder" in done.err
