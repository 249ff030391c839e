"""`assay study knowledge`: what it refuses before it starts. What it does: `tests/study/knowledge/test_ci.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Assay


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
