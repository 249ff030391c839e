"""`assay knowledge divergence`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay.knowledge import MATCHERS, Question, write_facts
from tests.cli.conftest import Assay, files_in, read_lines, write_lines
from tests.knowledge.made_models import CHAT, save_random

FACTS = [
    Question(f"f{n}", f"w{n}", f"P{36 + n % 2}", f"w9 w{n}", (f"w{n + 1} w{n}" if n % 2 else f"w{n}",))
    for n in range(6)
]
TEMPLATES = '{"P36": ["w20 [X] w9", "w21 [X] w10"], "P37": ["w22 [X] w11", "w23 [X] w12"]}'
HITS = [[3, 4], [4, 3], [4, 4], [4, 4], [0, 0]]  # D4, but for f4; best: the second of P36, the first of P37


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, of which the original has no template, facts, and grades of all but the last."""
    folder = tmp_path_factory.mktemp("shift")
    save_random(folder / "original", 1, template=None)
    save_random(folder / "tuned", 2)
    save_random(folder / "other", 3, more=2)
    write_facts(FACTS, folder / "facts.jsonl")
    write_facts(
        [replace(one, id=f"t{one.id}", prompt=f"w8 {one.subject}") for one in FACTS], folder / "train.jsonl"
    )
    (folder / "templates.yaml").write_text(TEMPLATES)
    (folder / "chat.jinja").write_text(CHAT.replace("<user>", "w30"))
    (folder / "grades").mkdir()
    identity = {"model": {}, "exact": None, "sampled": {"samples": 4, "greedy": True}, "rule": "contains"}
    (folder / "grades" / "grades.json").write_text(json.dumps(identity))
    rows = [
        {"id": one.id, "relation": one.relation, "key": "k", "hits": dict.fromkeys(MATCHERS, hits),
         "greedy": {rule: [1, int(one.id != "f2")] for rule in MATCHERS}}
        for one, hits in zip(FACTS, HITS, strict=False)
    ]  # fmt: skip
    write_lines(folder / "grades" / "facts.jsonl", rows)
    return folder


@pytest.fixture
def given(assay: Assay, place: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The command with what all tests give it, run where the models are."""
    monkeypatch.chdir(place)
    return ["knowledge", "divergence", "original", "tuned", "--facts", "facts.jsonl", "--threads", 1,
            "--templates", "templates.yaml", "--prompt", "chat"]  # fmt: skip


def test_tables_are_those_of_the_rows_and_replay(assay: Assay, given: list[object], tmp_path: Path) -> None:
    done = assay(*given, "--grades", "grades", "-o", tmp_path / "out", "--format", "json")
    assert done.code == 0, done.err
    assert "facts: 5 of 6 facts graded\n" in done.err
    assert files_in(tmp_path / "out") == {"divergence.jsonl", "paper.jsonl", "manifest.json"}
    rows, found = read_lines(tmp_path / "out" / "divergence.jsonl"), json.loads(done.out)
    assert (found["facts"], found["positions"], found["paper"]) == (5, 12, 3)
    assert found["prompt"] == "chat"
    assert [(row["id"], row["part"]) for row in rows[:5]] == [
        ("f0", "first"), ("f0", "end"), ("f1", "first"), ("f1", "later"), ("f1", "end"),
    ]  # fmt: skip
    for by, key in (("bin", "bin"), ("relation", "relation"), ("position", "part")):
        groups = [None, *dict.fromkeys(sorted(row[key] for row in rows))]
        if by == "position":
            groups = [None, "first", "end", "later"]
        table = found[f"by_{by}"]
        assert [row[by] for row in table] == ["all", *groups[1:]]
        for row, group in zip(table, groups, strict=True):
            mine = [one for one in rows if group in (None, one[key])]
            assert (row["facts"], row["tokens"]) == (len({one["id"] for one in mine}), len(mine))
            for name in ("tuned_original", "jensen_shannon", "top10", "original_outside10", "agreement10"):
                assert row[name] == pytest.approx(np.mean([one[name] for one in mine])), (by, group, name)
            assert row["q90"] == pytest.approx(np.quantile([one["tuned_original"] for one in mine], 0.9))
            assert row["low"] <= row["tuned_original"] <= row["high"]
    paper = read_lines(tmp_path / "out" / "paper.jsonl")
    assert [(row["id"], row["statement"]) for row in paper] == [
        ("f0", "w21 w0 w10"), ("f1", "w22 w1 w11"), ("f3", "w22 w3 w11"),
    ]  # fmt: skip
    assert [row["top"] for row in found["by_paper"]] == ["5", "10", "20", "all"]
    assert found["by_paper"][1]["kl"] == pytest.approx(np.mean([row["top10"] for row in paper]))
    assert f"paper's number: {found['by_paper'][1]['kl']:.4f} nats on 3 facts of D4" in done.err
    again = assay("run", tmp_path / "out" / "manifest.json", "-o", tmp_path / "again")
    assert (again.code, again.out) == (0, done.out)
    for name in ("divergence.jsonl", "paper.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_prompts(assay: Assay, given: list[object], tmp_path: Path) -> None:
    asked = [*given, "--quiet", "--format", "json"]
    plain = json.loads(assay(*asked, "-o", tmp_path / "a").out)
    assert [row["bin"] for row in plain["by_bin"]] == ["all"]
    assert (plain["facts"], plain["paper"], plain["by_paper"]) == (6, 0, [])
    other = json.loads(assay(*asked, "--chat-template", "chat.jinja", "-o", tmp_path / "b").out)
    assert other["means"]["tuned_original"] != plain["means"]["tuned_original"]
    done = assay(*asked, "--prompt", "statement", "--grades", "grades", "-o", tmp_path / "c")
    said = {row["id"]: row["statement"] for row in read_lines(tmp_path / "c" / "divergence.jsonl")}
    assert (done.code, said["f2"], said["f1"]) == (0, "w21 w2 w10", "w22 w1 w11")
    paper = json.loads(assay(*asked, "--prompt", "sft", "-o", tmp_path / "f").out)
    assert paper["means"]["tuned_original"] not in (
        plain["means"]["tuned_original"], other["means"]["tuned_original"],
    )  # fmt: skip
    few = json.loads(
        assay(
            *asked, "--prompt", "few-shot", "--train", "train.jsonl", "--shots", 2, "-o", tmp_path / "e"
        ).out
    )
    assert few["prompt"] == "few-shot"
    assert few["means"]["tuned_original"] not in (0, plain["means"]["tuned_original"])
    assert assay(*asked, "--prompt", "statement", "--limit", 2, "-o", tmp_path / "d").code == 0
    rows = read_lines(tmp_path / "d" / "divergence.jsonl")
    assert len({row["id"] for row in rows}) == 2
    assert {row["statement"].split()[0] for row in rows} == {"w20", "w22"}  # the first of each relation


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--by", "paper"], "--grades must be given for the paper's number; got none. Add --grades FOLDER."),
        (["--chat-template", "no.jinja"], "--chat-template must be an existing file; there is no no.jinja."),
        (["--prompt", "plain"], "--prompt must be one of sft, chat, few-shot, statement; got 'plain'."),
        (
            ["--prompt", "sft", "--chat-template", "chat.jinja"],
            "--chat-template must be left out with prompt sft, ",
        ),
        (
            ["--prompt", "few-shot"],
            "--train must be given for few-shot examples, and for nothing else; got none.",
        ),
        (["--shots", "2"], "--shots must be left out unless --prompt is few-shot; got 2."),
        (["--train", "train.jsonl"], "and for nothing else; got train.jsonl with chat."),
        (["--grades", "facts.jsonl"], "must be one that assay knowledge grade filled"),
    ],
)
def test_refusals(assay: Assay, given: list[object], tmp_path: Path, options: list[str], error: str) -> None:
    done = assay(*given, "-o", tmp_path / "out", *options)
    assert (done.code, error in done.err) == (2, True), done.err
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_of_another_model(assay: Assay, given: list[object], tmp_path: Path) -> None:
    done = assay(*[*given[:2], "other", *given[3:]], "-o", tmp_path / "out")
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "error: original must have the tokenizer of tuned (40 tokens, of which 40 is none); got 42 tokens, of which "
        "40 is 'v0'. Only models of one tokenizer can be compared."
    )
