"""`assay knowledge facts` and `assay knowledge templates`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from assay.knowledge import builtin_templates, read_facts
from tests.cli.conftest import Assay, read_lines
from tests.conftest import real_data
from tests.knowledge import made


@pytest.fixture
def entityquestions(tmp_path: Path) -> Path:
    return made.entityquestions(tmp_path / "eq")


def test_counts_at_every_step(assay: Assay, entityquestions: Path) -> None:
    done = assay("knowledge", "facts", entityquestions)
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["split", "domain", "raw", "one-answer", "unique"],
        ["train", "ID", "7", "6", "5"],
        ["test", "ID", "1", "1", "1"],
        ["test", "-", "1", "1", "1"],
    ]
    assert done.err.splitlines() == [
        "eq: 9 questions; read as entityquestions",
        "no templates for P31",
    ]
    found = json.loads(assay("knowledge", "facts", entityquestions, "--format", "json", "--quiet").out)
    assert list(found) == ["name", "format", "notes", "filters", "splits", "relations", "traps"]
    assert found["filters"] == ["one-answer", "unique"]
    assert found["splits"][0] == {"split": "train", "domain": "ID", "raw": 7, "one-answer": 6, "unique": 5}
    assert found["relations"][0] == {
        "split": "train",
        "domain": "ID",
        "relation": "P36",
        "says": "capital",
        "raw": 2,
        "one-answer": 2,
        "unique": 2,
        "templates": 21,
    }
    whole = [row for row in found["traps"] if row["relation"] is None]
    assert [(row["split"], row["questions"], row["trained_answer_percent"]) for row in whole] == [
        ("train", 5, None),
        ("test", 1, 0),
        ("test", 1, 0),
    ]


def test_what_is_asked_for(assay: Assay, entityquestions: Path) -> None:
    given = ["--split", "train", "--domain", "ID", "--relation", "P131,P276"]
    done = assay(
        "knowledge", "facts", entityquestions, *given, "--filter", "unique,one-answer", "--format", "csv"
    )
    assert list(csv.DictReader(io.StringIO(done.out))) == [
        {"split": "train", "domain": "ID", "raw": "5", "unique": "3", "one-answer": "2"}
    ]
    done = assay(
        "knowledge", "facts", entityquestions, "--filter", "none", "--by", "relation", "--format", "md"
    )
    assert "| train | ID | P276 | location | 3 | 21 |" in done.out
    done = assay("knowledge", "facts", entityquestions, "--by", "trap", *given[:4])
    assert done.out.splitlines()[0].split()[:4] == ["split", "domain", "relation", "questions"]
    assert len(done.out.splitlines()) == 5


def test_what_is_left_is_written(assay: Assay, entityquestions: Path) -> None:
    Path("names.yaml").write_text("Munich: [München]\n", encoding="utf-8")
    given = ["--split", "train", "--aliases", "names.yaml", "--hold-out", 50, "-o", "out.jsonl"]
    done = assay("knowledge", "facts", entityquestions, *given)
    assert done.code == 0, done.err
    assert done.err.splitlines()[1:] == ["held out: 2 of train are dev", "wrote 5 questions to out.jsonl"]
    assert read_lines(Path("out.jsonl"))[0]["aliases"] == ["München"]
    facts = read_facts("out.jsonl")
    assert sorted(q.split for q in facts.questions) == ["dev", "dev", "train", "train", "train"]
    again = json.loads(assay("knowledge", "facts", "out.jsonl", "--format", "json").out)
    assert again["filters"] == []
    assert [row["raw"] for row in again["splits"]] == [2, 3] or [row["raw"] for row in again["splits"]] == [
        3,
        2,
    ]
    before = Path("out.jsonl").read_bytes()
    assert assay("knowledge", "facts", entityquestions, *given).code == 2
    assert assay("knowledge", "facts", entityquestions, *given, "--overwrite").code == 0
    assert Path("out.jsonl").read_bytes() == before


def test_own_templates(assay: Assay, entityquestions: Path) -> None:
    Path("mine.yaml").write_text("P36: ['[X] has for a capital']\n")
    done = assay(
        "knowledge",
        "facts",
        entityquestions,
        "--templates",
        "mine.yaml",
        "--by",
        "relation",
        "--format",
        "csv",
    )
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert {row["relation"]: row["templates"] for row in rows} == {
        "P36": "1",
        "P131": "21",
        "P276": "21",
        "P31": "0",
    }
    done = assay("knowledge", "templates", "mine.yaml", "--subject", "Saxony", "--format", "csv")
    assert done.out.splitlines()[1] == "P36,capital,1,Saxony has for a capital"
    done = assay("knowledge", "templates", "--format", "json")
    assert len(json.loads(done.out)) == sum(map(len, builtin_templates().values()))
    assert len(assay("knowledge", "templates", "--relation", "P36").out.splitlines()) == 22


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["eq", "--split", "dev"], "--split must be one that the questions have (train, test); got 'dev'."),
        (["eq", "--relation", "P1"], "--relation must be one that the questions have (P36, P131, P276, P31); got "
         "'P1'."),
        (["eq", "--by", "row"], "--by must be one of split, relation, trap; got 'row'."),
        (["eq", "--filter", "uniq"], "--filter must be one of one-answer, unique; got 'uniq'. Did you mean 'unique'?"),
        (["eq", "--hold-out", "101"], "--hold-out must be from 0 to 100; got 101.0."),
        (["eq", "-o", "x.csv"], "--output must be one of .jsonl; got '.csv'."),
        (["eq", "-o", "eq/x.jsonl"], "--output must be apart from the data; eq/x.jsonl is where eq is read from. "
         "Name another place."),
        (["list.jsonl", "-o", "list.jsonl", "--overwrite"], "--output must be apart from the data; list.jsonl is what "
         "is read. Name another file."),
        (["list.jsonl", "--filter", "one-answer"], "--filter must be one that leaves a question; one-answer leaves "
         "none."),
        (["eq", "--aliases", "no.yaml"], "no.yaml must be an existing file; there is none."),
        (["eq", "--aliases", "bad.yaml"], "bad.yaml: Norway must have a list of texts; got false. Quote what YAML "
         "reads as no text."),
        (["eq", "--templates", "bad.yaml"], "bad.yaml: Norway must have a list of templates; got false."),
        (["nowhere"], "path must be an existing file or folder; there is no nowhere."),
        (["eq", "--from", "lra"], "--from must be one of entityquestions, pararel, lre, known, triples, questions; got "
         "'lra'. Did you mean 'lre'?"),
    ],
)  # fmt: skip
def test_refusals(assay: Assay, entityquestions: Path, given: list[str], error: str) -> None:
    made.write(Path("list.jsonl"), [{"question": "who?", "answer": ["a", "b"]}])
    Path("bad.yaml").write_text("Norway: no\n")
    done = assay("knowledge", "facts", *given)
    assert done.code == 2
    assert done.err.splitlines()[-1] == f"error: {error}"
    assert done.out == ""


def test_counts_of_the_paper(assay: Assay) -> None:
    place = real_data("facts/entityquestions/test").resolve()
    done = assay("knowledge", "facts", place, "--format", "json", "--quiet")
    steps = {row["domain"]: row for row in json.loads(done.out)["splits"]}
    assert steps["ID"] == {"split": "test", "domain": "ID", "raw": 9828, "one-answer": 9575, "unique": 9555}
    assert steps["OOD"] == {
        "split": "test",
        "domain": "OOD",
        "raw": 12247,
        "one-answer": 11631,
        "unique": 11613,
    }
