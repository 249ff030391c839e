"""`assay knowledge split`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.data import read
from assay.knowledge import Question, write_facts
from tests.cli.conftest import Assay, read_lines, write_lines

FACTS = [
    Question(f"{split}{n}", f"s{n}", f"P{36 + n % 2}", f"What of s{n}?", (f"a{n}", "b"), split=split)
    for split, count in (("train", 12), ("test", 3))
    for n in range(count)
]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Facts, and grades of all but the last of train: by turns 0 of 4, 2 of 4 and 4 of 4."""
    grades = tmp_path / "grades"
    grades.mkdir()
    (grades / "grades.json").write_text(json.dumps({"model": {}, "rule": "contains"}))
    rows = [
        {"id": row.id, "relation": row.relation, "key": "k", "exact": [1 / 2 * (n // 2 % 3)]}
        for n, row in enumerate(FACTS)
        if row.id != "train11"
    ]
    write_lines(grades / "facts.jsonl", rows)
    write_facts(FACTS, tmp_path / "facts.jsonl")
    return tmp_path / "facts.jsonl", grades


def test_a_cell_as_records(assay: Assay, files: tuple[Path, Path], tmp_path: Path) -> None:
    facts, grades = files
    done = assay("knowledge", "split", facts, "--grades", grades, "-o", "out/train.jsonl", "--bin", "D4")
    assert done.code == 0, done.err
    assert done.err == (
        "facts: 11 of 15 facts to train on; 3 are of other splits or domains, 1 without a grade\n"
        "all they have, and fewer than others: P37\nwrote 3 records to out/train.jsonl\n"
    )
    assert [line.split() for line in done.out.splitlines()] == [
        ["relation", "says", "category", "available", "taken"],
        ["P36", "capital", "D4", "2", "2"],
        ["P37", "-", "D4", "1", "1"],
    ]
    rows = read_lines(tmp_path / "out/train.jsonl")
    assert sorted(row["id"] for row in rows) == ["train10", "train4", "train5"]
    [first] = [row for row in rows if row["id"] == "train4"]
    assert first["messages"] == [
        {"role": "user", "content": "What of s4?"},
        {"role": "assistant", "content": "a4"},
    ]
    assert len(list(read(tmp_path / "out/train.jsonl"))) == 3
    some = assay("knowledge", "split", facts, "--grades", grades, "-o", "some.jsonl", "--bin", "mixed",
                 "--size", "6", "--format", "json", "--quiet")  # fmt: skip
    found = json.loads(some.out)
    assert (found["taken"], found["short"]) == (6, [])
    assert [(cell["relation"], cell["category"], cell["taken"]) for cell in found["cells"]] == [
        (relation, category, 1) for relation in ("P36", "P37") for category in ("D0", "D2", "D4")
    ]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--bin", "D1"], "--bin must be one that facts are in, D0, D2, D4; got D1, which is empty."),
        (["--bin", "D7"], "--bin must be one of D0, D1, D2, D3, D4, mixed, all; got 'D7'."),
        (["--bin", "D0", "--size", "9"], "--size must be <= the facts there are (4); got 9."),
    ],
)
def test_refusals(assay: Assay, files: tuple[Path, Path], options: list[str], error: str) -> None:
    facts, grades = files
    done = assay("knowledge", "split", facts, "--grades", grades, "-o", "train.jsonl", *options)
    assert done.code == 2
    assert error in done.err
    assert not Path("train.jsonl").exists()


def test_it_is_not_written_over_what_is_there(assay: Assay, files: tuple[Path, Path]) -> None:
    facts, grades = files
    done = assay("knowledge", "split", facts, "--grades", grades, "-o", facts, "--bin", "D0")
    assert "output must be apart from the data" in done.err
    Path("there.jsonl").write_text("")
    done = assay("knowledge", "split", facts, "--grades", grades, "-o", "there.jsonl", "--bin", "D0")
    assert "must be a new file; there.jsonl exists" in done.err
