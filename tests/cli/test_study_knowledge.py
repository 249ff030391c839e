"""`assay study knowledge`: a whole world through the program, and what it refuses before it starts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Assay


@pytest.fixture(scope="session")
def ci_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of the world "ci": its ``model``, ``grades``, ``original`` and ``cells``."""
    folder = tmp_path_factory.mktemp("ci")
    command = [*PROGRAM, "study", "knowledge", "--world", "ci", "-o", "out"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3000, check=False)
    print(ended.stdout, ended.stderr, sep="\n", file=sys.stderr)  # seconds a stage, for who asks with -s
    assert ended.returncode == 0, ended.stderr
    (folder / "printed.txt").write_text(ended.stdout, encoding="utf-8")
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def mean(found: list[dict[str, str]], column: str, **where: str) -> float:
    chosen = [float(row[column]) for row in found if all(row[key] == value for key, value in where.items())]
    return sum(chosen) / len(chosen)


def test_a_world_from_end_to_end(ci_study: Path) -> None:
    manifest = json.loads((ci_study / "manifest.json").read_text())
    written = {
        "results.csv",
        "result.json",
        "lost.jsonl",
        "gained.jsonl",
        "tables/counts.csv",
        "tables/claims.csv",
    }
    assert written <= set(manifest["outputs"])
    claims = rows(ci_study / "tables" / "claims.csv")
    assert {row["verdict"] for row in claims} <= {"holds", "does not hold", "undecided"}
    assert all(
        float(row["low"]) <= float(row["effect"]) <= float(row["high"]) for row in claims if row["low"]
    )
    assert set(manifest["run"]["seconds"]) == {"pretrain", "grade", "cells"}
    found = rows(ci_study / "results.csv")
    # D0, D4 and the control at both sizes; D2 has too few facts for the larger one
    assert len(found) == 3 * 7
    assert [(row["bin"], row["size"]) for row in manifest["results"]["left_out"]] == [(2, 64)]
    result = json.loads((ci_study / "result.json").read_text())
    assert sum(result["counts"]["train"]) == 360
    assert result["agreement"]["spearman"] > 0.9
    printed = (ci_study.parent / "printed.txt").read_text(encoding="utf-8")
    assert "tuned on 16 facts of a bin" in printed
    assert "training bin" in printed


def test_what_the_world_is_there_to_show(ci_study: Path) -> None:
    """Known facts are known, and facts that the model does not know teach it least, at the greatest distance."""
    by_exposure = json.loads((ci_study / "result.json").read_text())["world"]["mean_score_by_exposure"]
    assert by_exposure["0"] < 0.06
    assert min(by_exposure["200"], by_exposure["400"]) > 0.91
    found = rows(ci_study / "results.csv")
    # 8.6 where it was written; other processors train a little otherwise
    assert mean(found, "ID_macro", bin="D4", size="64") - mean(found, "ID_macro", bin="D0", size="64") > 5
    assert mean(found, "paper_kl_10", bin="D0", size="64") > mean(found, "paper_kl_10", bin="D4", size="64")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--world must be given, or model and facts in its place; got none."),
        (["--world", "ci", "--model", "m"], "--world must be given, or model and facts in its place; got both."),
        (["--world", "cj"], "unknown world 'cj'. Did you mean 'ci'? See: assay study knowledge --help"),
        (["--world", "ci", "--learning-rate", "1"], "--learning-rate must be left out with world, which decides it"),
        (["--model", "m"], "--facts must be given with model; got none."),
        (["--world", "ci", "--sizes", "10,many"], "--sizes must be whole numbers or all, comma-separated; got"),
        (["--world", "ci", "--bins", "D2,E3"], "--bins must be whole numbers, comma-separated; got 'D2,E3'."),
        (["--model", "m", "--facts", "f.jsonl", "--preset", "smal"], "unknown preset 'smal'. Did you mean 'small'?"),
        (["--model", "m", "--facts", "nowhere"], "path must be an existing file or folder; there is no nowhere."),
        (["--model", "./nowhere", "--facts", "f.jsonl"], "--model must name a model folder or a hub id; got"),
        (["--model", "m", "--facts", "f.jsonl", "--chat-template", "x.jinja"], "must be knowledge, own, or a file"),
    ],
)  # fmt: skip
def test_refusals(assay: Assay, tmp_path: Path, arguments: list[str], message: str) -> None:
    lines = [
        {"subject": f"s{row}", "relation": "P36", "object": "Oslo", "split": "train" if row < 5 else "test"}
        for row in range(9)
    ]
    (tmp_path / "f.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = assay("study", "knowledge", *arguments, "-o", "out", "--quiet")
    assert done.code == 2
    assert message in done.err
    assert not list((tmp_path / "out").glob("*"))
