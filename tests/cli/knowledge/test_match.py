"""`assay knowledge match`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Assay, write_lines

FACTS = [
    {"id": "1", "subject": "the Han", "relation": "P17", "answers": ["South Korea"]},
    {"id": "2", "subject": "the Seine", "relation": "P36", "answers": ["Paris"]},
    {"id": "3", "subject": "the Loire", "relation": "P36", "answers": ["Nantes"]},
]
OUTPUTS = [
    {"id": "1", "output": " South Korea."},
    {"id": "1", "outputs": [" North Korea", " Japan"]},
    {"id": "2", "outputs": [" a Parisian town", " It is Paris"], "model": "x"},
]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_lines(tmp_path / "facts.jsonl", FACTS), write_lines(tmp_path / "out.jsonl", OUTPUTS)]


def test_rules_side_by_side(assay: Assay, files: list[Path]) -> None:
    done = assay("knowledge", "match", *files, "--aliases", "paper")
    assert (done.code, done.err) == (0, "facts: 5 outputs to 2 of 3 questions\n")
    assert [line.split() for line in done.out.splitlines()] == [
        ["rule", "outputs", "hits", "percent", "hits_without_aliases", "unlike_contains"],
        ["contains", "5", "4", "80.0000", "3", "0"],
        ["word", "5", "3", "60.0000", "2", "1"],
        ["first", "5", "1", "20.0000", "1", "3"],
        ["begins", "5", "1", "20.0000", "1", "3"],
        ["exact", "5", "1", "20.0000", "1", "3"],
    ]
    done = assay("knowledge", "match", *files, "--by", "unlike", "--format", "md", "--quiet")
    assert (done.out, done.err) == (
        "| id | answer | output | contains | word | first | begins | exact |\n|---|---|---|---|---|---|---|---|\n"
        "| 2 | Paris |  a Parisian town | yes | no | no | no | no |\n"
        "| 2 | Paris |  It is Paris | yes | yes | no | no | no |\n",
        "",
    )
    found = json.loads(assay("knowledge", "match", *files, "--format", "json").out)
    assert list(found) == ["rules", "relations", "unlike"]
    assert found["relations"][1] == {
        "relation": "P36",
        "says": "capital",
        "outputs": 2,
        "contains": 100,
        "word": 50,
        "first": 0,
        "begins": 0,
        "exact": 0,
    }


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"id": "9", "output": "a"}, "out.jsonl:1: id must be that of a question; got '9', of none."),
        ({"id": "1", "output": 3}, "out.jsonl:1: output must be a text or a list of texts; got 3."),
        ({"id": "1", "outputs": []}, "out.jsonl:1: outputs must be a text or a list of texts; got []."),
        ({"output": "a"}, "out.jsonl:1: id must be a text that is not empty; got null."),
    ],
)
def test_refusals(assay: Assay, files: list[Path], row: dict[str, object], error: str) -> None:
    write_lines(files[1], [row])
    done = assay("knowledge", "match", "facts.jsonl", "out.jsonl", "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {error}\n")


def test_no_output(assay: Assay, files: list[Path]) -> None:
    files[1].write_text("")
    done = assay("knowledge", "match", "facts.jsonl", "out.jsonl")
    assert done.err.endswith("error: out.jsonl must hold at least one row of id and output; it has none.\n")
