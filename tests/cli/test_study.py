"""`assay study diversity`: what it writes, and what it refuses before it starts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Assay, rows, write_lines, write_vectors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "10,many"], "--sizes must be whole numbers, comma-separated; got '10,many'."),
        (["--method", "qlora"], "--method must be one of full, lora; got 'qlora'."),
        (["--preset", "smal"], "unknown preset 'smal'. Did you mean 'small'? See: assay train --help"),
        (["--lower-is-better", "a"], "--lower-is-better must come with metric; got 'a' alone."),
        (["b.jsonl", "--group-by", "source"], "--group-by must come with one source; got 2."),
        (["v.npy"], "source must hold records; v.npy holds vectors."),
        (
            ["--encoder", "sentnce"],
            "unknown encoder 'sentnce'. Did you mean 'sentence'? See: assay embed --help",
        ),
        (["--group-by", "kind"], "a.jsonl:1: row must have a column 'kind'."),
        (["--heldout", "40"], "source 'a' must have at least 2 x heldout (80) different samples"),
        (["--heldout", "5", "--sets", "4"], "sets must be >= 8, one for each strategy; got 4."),
        (
            ["--heldout", "5", "--sizes", "30"],
            "size must be <= half the pool (21 rows), since each set is drawn",
        ),
    ],
)
def test_refusals(assay: Assay, tmp_path: Path, arguments: list[str], message: str) -> None:
    write_lines(tmp_path / "a.jsonl", rows(60))
    write_lines(tmp_path / "b.jsonl", rows(60, first=60))
    write_vectors(tmp_path / "v.npy", 20)
    done = assay("study", "diversity", "a.jsonl", *arguments, "-o", "out", "--quiet")
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
    assert not list((tmp_path / "out").glob("*.csv"))


def test_a_study_its_files_and_its_replay(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(90))
    arguments = ["--group-by", "source", "--heldout", "4", "--sets", "9", "--sizes", "10", "--seeds", "1"]
    arguments += ["--max-tokens", "32", "--encoder", "tfidf", "--batch-size", "10", "--quiet"]
    done = assay("study", "diversity", "a.jsonl", *arguments, "-o", "out", "--format", "json")
    assert (done.code, done.err) == (0, "")
    out = tmp_path / "out"
    with (out / "results.csv").open(encoding="utf-8", newline="") as f:
        lines = list(csv.DictReader(f))
    assert len(lines) == 9
    assert {line["strategy"] for line in lines} >= {"duplicate", "source", "novelselect"}
    assert all(float(line["loss"]) > 0 and line["loss sd"] == "" for line in lines)
    with (out / "correlations.csv").open(encoding="utf-8", newline="") as f:
        found = list(csv.DictReader(f))
    assert {line["performance"] for line in found} == {"loss"}
    assert {line["measure"] for line in found} >= {"model/novelsum", "encoder/novelsum"}
    assert "What predicted the score" in (out / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {"results.csv", "correlations.csv", "report.html"}
    assert manifest["results"]["untuned"].keys() == {"loss", "loss web", "loss book", "loss talk"}
    assert json.loads(done.out)["results"] == manifest["results"]

    for name in ("sets", "model"):  # all but the embeddings is done anew
        shutil.rmtree(out / name)
    replay = assay("run", "out/manifest.json", "-o", "out", "--resume", "--quiet")
    assert replay.code == 0, replay.err
    assert json.loads((out / "manifest.json").read_text())["outputs"] == manifest["outputs"]


def test_help_lists_the_study(assay: Assay) -> None:
    done = assay("study", "--help")
    assert "diversity" in done.out
