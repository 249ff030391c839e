"""`assay ner score`: one command from saved predictions to published averages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.ner import Decision, write_decisions
from tests.cli.conftest import Assay, write_lines

TEXTS = {"Ada of Rome": [(0, 3, "person"), (7, 11, "city")], "Bob left": [(0, 3, "person")]}


def tree(root: Path, name: str, *, language: str = "en", labels: dict[str, str] | None = None) -> None:
    """Write one set of a tree as B2NERD's, its train and test files alike."""
    folder = root / f"NER_{language}" / name
    folder.mkdir(parents=True)
    rows = [
        {
            "sentence": text,
            "entities": [
                {"name": text[a:b], "type": (labels or {}).get(label, label), "pos": [a, b]}
                for a, b, label in entities
            ],
        }
        for text, entities in TEXTS.items()
    ]
    for split in ("train", "test"):
        (folder / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")


def answers(root: Path, name: str, *said: str) -> None:
    """Write the answers of one set."""
    (root / name).mkdir(parents=True)
    rows = [{"text": text, "answer": answer} for text, answer in zip(TEXTS, said, strict=True)]
    write_lines(root / name / "answers.jsonl", rows)


@pytest.fixture
def sets(tmp_path: Path) -> None:
    """Two English sets and one Chinese one, with answers: all right, half right, none right."""
    for name, language, said in (
        ("alpha", "en", ("person: Ada; city: Rome", "person: Bob")),
        ("beta", "en", ("person: Ada; pet: Rex", "None")),
        ("gamma", "zh", ("None", "")),
    ):
        tree(tmp_path / "gold", name, language=language)
        answers(tmp_path / "out", name, *said)


def read(done: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_tree_is_averaged_as_published(assay: Assay, sets: None) -> None:
    done = assay("ner", "score", "gold", "out", "--compat", "b2ner", "--format", "json", "--published")
    assert done.code == 0, done.err
    found = read(done)
    f1 = {(row["set"], row["language"]): row["f1"] for row in found["scores"]}
    assert f1 == {
        ("alpha", "en"): 1,
        ("beta", "en"): 0.4,
        ("gamma", "zh"): 0,
        ("average of 2", "en"): 0.7,
        ("average of 1", "zh"): 0,
    }
    assert found["scores"][0]["documents"] == 2  # the split test alone
    kinds = {row["set"]: {kind: row[kind] for kind in found["fault_kinds"]} for row in found["faults"]}
    assert kinds["beta"] == {"label": 1, "mention": 1, "repeat": 0, "empty": 0, "format": 0}
    assert kinds["gamma"]["empty"] == 1
    assert {row["item"] for row in found["every_fault"] if row["set"] == "beta"} == {"pet:rex"}
    assert {row["provenance"] for row in found["published"]} == {"read", "unverified"}
    assert "for published numbers only" in done.err
    strict = assay("ner", "score", "gold", "out")
    assert strict.code == 0
    assert "macro_f1" in strict.out
    assert "faults of predictions:" in strict.out
    assert "names" not in strict.out.splitlines()[0]


def test_ignored_seen_and_labels(assay: Assay, sets: None) -> None:
    tree(Path("train"), "delta", labels={"city": "town"})
    done = assay(
        "ner", "score", "gold/NER_en/beta", "out/beta", "--ignore-labels", "city", "--train", "train",
        "--by", "label", "--format", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "beta: ignored city: 1 of gold, 0 predicted" in done.err
    header, *rows = done.out.splitlines()
    assert header.startswith("set,label,gold,predicted,correct")
    assert [row.split(",")[:5] for row in rows] == [
        ["beta", "person", "2", "1", "1"],
        ["beta", "pet", "0", "1", "0"],
    ]
    done = assay("ner", "score", "gold/NER_en/beta", "out/beta", "--train", "train", "--format", "json")
    [row, *_] = read(done)["scores"]
    assert row["seen_f1"] == pytest.approx(2 / 3)
    assert row["unseen_f1"] == 0
    assert row["low"] <= row["f1"] <= row["high"]


def test_two_models_and_raw_and_standard_names(assay: Assay, tmp_path: Path) -> None:
    tree(tmp_path / "raw", "alpha", labels={"person": "PER", "city": "LOC"})
    decisions = [
        Decision(id=raw, labels=(f"alpha/{raw}",), action="rename", name=name)
        for raw, name in {"PER": "person", "LOC": "place"}.items()
    ]
    write_decisions("decisions.yaml", decisions)
    done = assay("ner", "apply", "raw/NER_en/alpha", "--decisions", "decisions.yaml", "-o", "unified")
    assert done.code == 0, done.err
    answers(tmp_path / "asked-raw", "alpha", "PER: Ada; LOC: Rome", "None")
    answers(tmp_path / "asked-standard", "alpha", "person: Ada; place: Rome", "person: Bob")
    done = assay("ner", "score", "unified", "a=asked-raw", "b=asked-standard", "--format", "json")
    assert done.code == 0, done.err
    rows = [
        (row["predictions"], row["names"], row["f1"]) for row in read(done)["scores"] if row["set"] == "alpha"
    ]
    assert rows == [("a", "raw", 0.8), ("a", "standard", 0.8), ("b", "raw", 1), ("b", "standard", 1)]
    assert "predictions use raw names" in done.err


def test_what_is_not_scored_is_told(assay: Assay, sets: None) -> None:
    with open("out/beta/answers.jsonl", "a", encoding="utf-8") as f:
        f.write('{"text": "elsewhere", "answer": "None"}\n')
    done = assay("ner", "score", "gold", "out", "--compat", "b2ner", "--ignore-labels", "city")
    assert done.code == 0, done.err
    assert "beta: 1 predictions of other documents are not scored" in done.err
    assert "alpha: ignored city: 1 of gold, 1 predicted" in done.err
    assert "beta: ignored city: 1 of gold, 0 predicted" in done.err


def test_exit_codes(assay: Assay, sets: None) -> None:
    common = ("ner", "score", "gold", "out", "--quiet")
    assert assay(*common, "--min-f1", 0).code == 0
    assert assay(*common, "--min-f1", 0.5).code == 1
    for arguments, message in (
        (("gold",), "predicted must be given for gold"),
        (("out/alpha/answers.jsonl",), "compat must be b2ner"),
        (("gold", "out/alpha"), "predicted must hold every set of gold; beta, gamma of 3 lack"),
        (("gold", "out", "--ignore-labels", "pessron"), "Did you mean 'person'?"),
        (("gold", "out", "--compat", "seqeval"), "--compat must be one of b2ner; got 'seqeval'"),
        (("gold", "out", "--compat", "b2ner", "--train", "gold"), "--train must be left out with --compat"),
        (("gold", "out", "--split", "tset"), "--split must be one of train, test, all; got 'tset'"),
        (("gold/NER_en/alpha", "out/alpha", "--names", "raw"), "whose entities keep no raw labels"),
        (("gold", "out", "--min-f1", 2), "--min-f1 must be from 0 to 1; got 2"),
        (("gold", "out", "-o", "there"), "--output must be left out without --model"),
        (("gold", "out", "--predicted-names", "rau"), "--predicted-names must be one of raw, standard"),
        (("gold", "out", "--seed", -1), "--seed must be >= 0; got -1"),
    ):
        done = assay("ner", "score", *arguments)
        assert done.code == 2, done.err
        assert message in done.err
        assert not done.out
