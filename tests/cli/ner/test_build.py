"""`assay ner build` and `recipes`: what they write, print and refuse, and a run again."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Assay


@pytest.fixture
def example(assay: Assay) -> None:
    assert assay("ner", "example", "-o", "mini").code == 0


@pytest.mark.usefixtures("example")
def test_it_writes_the_set_and_what_became_of_everything_and_runs_again(assay: Assay):
    done = assay("ner", "build", "mini", "--data", "mini", "-o", "out", "--format", "json")
    assert done.code == 0, done.err
    steps = json.loads(done.out)
    assert [steps[0][name] for name in ("step", "role", "corpora", "documents")] == ["read", "all", 5, 726]
    assert "minutes" in done.err
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["command"] == "build"
    assert manifest["results"] == steps
    assert {entry["role"] for entry in manifest["inputs"]} == {"corpus"}
    lines = Path("out/dropped.tsv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert len(rows) == sum(manifest["counts"]["dropped"].values())
    assert Path("out/b2ner/NER_zh/ribao/train.json").is_file()
    assert assay("run", "out/manifest.json", "-o", "again").code == 0
    again = {p.relative_to("again"): p.read_bytes() for p in Path("again").rglob("*") if p.is_file()}
    before = {p.relative_to("out"): p.read_bytes() for p in Path("out").rglob("*") if p.is_file()}
    assert {p for p in before if before[p] != again.get(p)} == {Path("manifest.json")}
    assert again.keys() == before.keys()


@pytest.mark.usefixtures("example")
def test_the_guide_shows_what_its_recipe_prints(assay: Assay):
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "ner.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"^```(?:text|yaml) (\S+)\n(.*?)^```", guide, re.MULTILINE | re.DOTALL):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    done = assay("ner", "build", "recipe.yaml", "-o", "set", "--format", "md")
    assert done.code == 0, done.err
    assert done.out in guide


@pytest.mark.usefixtures("example")
def test_the_order_of_hashes_and_the_number_of_threads_change_nothing():
    contents = []
    program = "from assay.cli import main; main()"
    for number, environment in enumerate(
        ({"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}, {"PYTHONHASHSEED": "2"})
    ):
        command = ["ner", "build", "mini", "--data", "mini", "-o", f"out{number}", "--quiet"]
        environment = {**os.environ, **environment}
        subprocess.run(
            [sys.executable, "-c", program, *command], check=True, capture_output=True, env=environment
        )
        out = Path(f"out{number}")
        contents.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
        del contents[-1][Path("manifest.json")]
    assert contents[0] == contents[1]


@pytest.mark.usefixtures("example")
def test_a_recipe_is_listed_written_edited_and_built(assay: Assay):
    listed = assay("ner", "recipes", "--format", "json")
    assert {row["recipe"] for row in json.loads(listed.out)} >= {"bilingual_full", "mini", "public"}
    corpora = json.loads(assay("ner", "recipes", "mini", "--data", "mini", "--format", "json").out)
    assert {row["there"] for row in corpora} == {"yes"}
    assert assay("ner", "recipes", "mini", "-o", "recipe.yaml").code == 0
    assert "--overwrite" in assay("ner", "recipes", "mini", "-o", "recipe.yaml").err
    text = Path("recipe.yaml").read_text(encoding="utf-8")
    Path("recipe.yaml").write_text(f"data: mini\n{text}", encoding="utf-8")
    done = assay("ner", "build", "recipe.yaml", "-o", "out")
    assert done.code == 0, done.err
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["inputs"][0]["role"] == "recipe"


@pytest.mark.usefixtures("example")
def test_decisions_are_found_from_where_one_is_kept_apart_and_proved_with_their_files(assay: Assay):
    split = "{place: {gazetteer: towns.txt}, other place: rest}"
    Path("rules").mkdir()
    Path("rules/d.yaml").write_text(
        f"- {{id: d1, labels: [dispatch/LOC], action: split, into: {split}}}\n", encoding="utf-8"
    )
    Path("rules/towns.txt").write_text("Nowhere\n", encoding="utf-8")
    Path("recipes").mkdir()
    text = (
        "name: r\nprune: null\nexport: {to: [messages], max_chars: 230, on_long: skip}\ncorpora: [dispatch]\n"
    )
    Path("recipes/r.yaml").write_text(text, encoding="utf-8")
    command = ("ner", "build", "recipes/r.yaml", "--data", "mini", "--mapping", "rules/d.yaml")
    assert "output must be apart" in assay(*command, "-o", "rules", "--overwrite").err
    assert assay(*command, "-o", "out").code == 0
    manifest = json.loads(Path("out/manifest.json").read_text())
    files = [Path(e["path"]).resolve() for e in manifest["inputs"] if e["role"] == "decisions"]
    assert files == [Path("rules/d.yaml").resolve(), Path("rules/towns.txt").resolve()]
    lines = Path("out/skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert len(lines) - 1 == manifest["counts"]["exported"]["skipped"] > 0
    assert lines[1].startswith("dispatch/")
    Path("rules/towns.txt").write_text("Elsewhere\n", encoding="utf-8")
    assert "has changed since" in assay("run", "out/manifest.json", "-o", "again").err


@pytest.mark.usefixtures("example")
def test_refusals_leave_nothing(assay: Assay):
    done = assay("ner", "build", "bilingual_full", "--data", "mini", "-o", "out")
    assert done.code == 2
    assert "55 of 55 are not there" in done.err
    assert not list(Path("out").glob("*"))
    assert assay("ner", "build", "mini", "--data", "mini", "-o", "mini").code == 2
    assert "layout must be one of" in assay("ner", "build", "mini", "-o", "out", "--layout", "own").err
    done = assay("ner", "build", "mini", "--data", "nowhere", "--skip-missing", "-o", "out")
    assert "at least one" in done.err
