"""`assay knowledge evaluate` and `export`, on a tuned and an original model of some forty words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.knowledge import MATCHERS, ask, read_answers, read_facts
from assay.knowledge.models import Transformer
from tests.cli.conftest import Assay, write_lines
from tests.endpoint import serving
from tests.knowledge.models.made import CHAT, make_model, make_tokenizer

FACTS = [
    {"id": f"f{n}", "subject": f"w{n}", "relation": f"P{1 + n % 2}", "question": f"w{n} w20",
     "answers": [f"w{n * 7 % 20}"], "domain": ["ID", "OOD"][n % 2], "split": ["test", "train"][n > 7]}
    for n in range(12)
]  # fmt: skip
QUICK = ["--threads", 1, "--max-tokens", 4, "--prompt", "chat"]
ASK = ["knowledge", "evaluate", "model", "--facts", "facts.jsonl"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_model().save_pretrained(tmp_path / "original")
    make_tokenizer(template=None).save_pretrained(
        tmp_path / "original"
    )  # it is asked in the tuned one's template
    tuned = make_model()
    tuned.lm_head.weight.data[6:20] *= 1.5
    tuned.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    write_lines(tmp_path / "facts.jsonl", FACTS)
    (tmp_path / "t.json").write_text(json.dumps({"P1": ["[X] w20", "w21 [X] w23"], "P2": ["w27 [X] w28"]}))
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_model_beside_its_original(assay: Assay, folder: Path) -> None:
    graded = assay(
        "knowledge", "grade", "original", "--facts", "facts.jsonl", "--templates", "t.json", "--samples", 0,
        "--threads", 1, "-o", "grades", "--quiet",
    )  # fmt: skip
    assert graded.code == 0, graded.err
    more = ["--against", "original", "--grades", "grades", "--by", "change"]
    done = assay(*ASK, *QUICK, *more, "-o", "out")
    assert done.code == 0, done.err
    questions = read_facts("facts.jsonl").questions
    found = {
        name: ask(Transformer(name, chat_template=CHAT, threads=1), questions, max_tokens=4)
        for name in ("model", "original")
    }
    assert read_answers("out/answers.jsonl") == found["model"]
    assert read_answers("out/original.jsonl") == found["original"]
    right = {name: {one.id for one in answers if one.right} for name, answers in found.items()}
    assert right["model"] != right["original"]
    for kind, ids in (
        ("lost", right["original"] - right["model"]),
        ("gained", right["model"] - right["original"]),
    ):
        rows = lines(folder / "out" / f"{kind}.jsonl")
        assert {row["id"] for row in rows} == ids
        assert all(row["category"] in {f"D{n}" for n in range(5)} for row in rows)
    whole = json.loads((folder / "out" / "evaluation.json").read_text())
    assert sum(whole["changes"]["lost"].values()) == len(right["original"] - right["model"])
    [first, *_] = whole["by_change"]
    assert (first["facts"], first["right"]) == (12, pytest.approx(100 * len(right["model"]) / 12))
    assert {row["by"] for row in whole["by_change"]} == {"all", "domain", "bin", "relation"}
    assert done.out.splitlines()[0].split()[:4] == ["by", "group", "domain", "facts"]
    assert f"{len(right['original'] - right['model'])} facts lost" in done.err
    assert [row["rule"] for row in whole["by_rule"]] == list(MATCHERS)
    # again from the manifest; and what was answered already is not asked again
    again = assay("run", "out/manifest.json", "-o", "other")
    assert (again.code, again.out) == (0, done.out)
    for name in ("answers.jsonl", "original.jsonl", "lost.jsonl", "gained.jsonl", "evaluation.json"):
        assert (folder / "out" / name).read_bytes() == (folder / "other" / name).read_bytes()
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {path.name for path in (folder / "out").iterdir()} - {"manifest.json"}
    assert [entry["role"] for entry in manifest["inputs"]] == ["facts", "grades", "grades"]


def test_an_interrupted_evaluation_goes_on(
    assay: Assay, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.knowledge import evaluate as room

    monkeypatch.setattr(room, "TOGETHER", 5)
    assert assay(*ASK, *QUICK, "-o", "whole", "--quiet").code == 0
    made = room._answers
    asked: list[int] = []

    def killed(model: Any, questions: Any, taken: Any, *rest: Any) -> Any:
        asked.append(len(taken))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return made(model, questions, taken, *rest)

    monkeypatch.setattr(room, "_answers", killed)
    done = assay(*ASK, *QUICK, "-o", "out")
    assert done.code == 130
    assert "Go on with --resume" in done.err
    assert [path.name for path in (folder / "out").iterdir()] == ["unfinished.jsonl"]
    done = assay(*ASK, *QUICK, "-o", "out", "--resume", "--quiet")
    assert (done.code, asked) == (0, [5, 5, 5, 2])
    assert (folder / "out" / "answers.jsonl").read_bytes() == (
        folder / "whole" / "answers.jsonl"
    ).read_bytes()
    assert not (folder / "out" / "unfinished.jsonl").exists()


def test_every_prompt(assay: Assay, folder: Path) -> None:
    for name, more in (
        ("few-shot", ["--train", "facts.jsonl", "--shots", 1]),
        ("statement", ["--templates", "t.json"]),
    ):
        done = assay(
            *ASK, *QUICK, "--prompt", name, *more, "-o", name, "--by", "relation", "--limit", 4, "--quiet"
        )
        assert done.code == 0, done.err
        assert [row.split()[0] for row in done.out.splitlines()] == ["relation", "P2", "P1"]
    done = assay(
        *ASK, *QUICK[:-1], "sft", "-o", "sft", "--by", "domain", "--quiet"
    )  # unknown words, yet asked
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 4


def test_a_server_is_asked_without_gold(assay: Assay, folder: Path) -> None:
    def answer(path: str, request: dict[str, Any]) -> Any:
        said = {"role": "assistant", "content": "w0 it is"}
        assert request["max_tokens"] == 4
        return 200, {"id": "x", "created": 0, "model": "small",
                     "choices": [{"message": said, "index": 0, "finish_reason": "stop"}]}, {}  # fmt: skip

    ask_it = ["knowledge", "evaluate", "openai:small", "--facts", "facts.jsonl", "-o", "out", "--quiet"]
    with serving(answer) as url:
        more = ["--base-url", url, "--max-tokens", 4]
        done = assay(*ask_it, *more, "--prompt", "chat", "--no-gold", "--format", "json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["by_domain"][0]["right"] == pytest.approx(100 / 12)
        done = assay(*ask_it, *more, "--prompt", "chat", "--overwrite")
        assert done.err == (
            "error: --gold must be left out for a model behind a server, which does not tell them. Use gold=False, "
            "or --no-gold.\n"
        )
        done = assay(*ask_it, *more, "--no-gold", "--overwrite")
        assert (
            done.err == "error: --prompt must be chat, few-shot or statement for a server's model; got sft.\n"
        )


def test_what_does_not_fit_is_one_error(assay: Assay, folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    other = make_tokenizer()
    vocabulary = json.loads(other.backend_tokenizer.to_str())
    vocabulary["model"]["vocab"] = {
        ("v1" if word == "w1" else word): number for word, number in vocabulary["model"]["vocab"].items()
    }
    from tokenizers import Tokenizer

    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(vocabulary)), eos_token="</s>", bos_token="<s>"
    )
    make_model().save_pretrained(folder / "stranger")
    made.chat_template = other.chat_template
    made.save_pretrained(folder / "stranger")
    assert assay(
        "knowledge", "grade", "original", "--facts", "facts.jsonl", "--templates", "t.json", "--samples", 0,
        "--threads", 1, "-o", "grades", "--quiet", "--limit", 3,
    ).code == 0  # fmt: skip
    (folder / "none.jsonl").write_text("")
    for more, says in (
        (
            ["--against", "stranger"],
            "error: original must have the tokenizer of tuned (40 tokens, of which 7 is 'w1'); got 40 tokens, of which "
            "7 is 'v1'. Only models of one tokenizer can be compared.\n",
        ),
        (
            ["--grades", "grades"],
            "error: ids must be of facts that were graded; 9 of 12 were not, first 'f0'. Grade them, too.\n",
        ),
        (["--by", "change"], "error: --against must be given for --by change; got none.\n"),
        (["--by", "bin"], "error: --grades must be given for --by bin; got none.\n"),
        (["--prompt", "few-shot"], "error: --train must be given for few-shot examples; got none.\n"),
        (
            ["--templates", "t.json"],
            "error: --templates must be left out unless --prompt is statement; got 't.json'.\n",
        ),
        (["--shots", 2], "error: --shots must be left out unless --prompt is few-shot; got 2.\n"),
        (
            ["--prompt", "few-shot", "--train", "facts.jsonl", "--shots", 13],
            "error: --train must have as many questions as shots, 13; it has 12.\n",
        ),
    ):
        done = assay(*ASK, *QUICK, *more, "-o", "out", "--quiet")
        assert (done.code, done.err) == (2, says)
        assert not (folder / "out").exists() or not list((folder / "out").iterdir())
    done = assay("knowledge", "evaluate", "model", "--facts", "none.jsonl", "-o", "out", "--quiet")
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_tasks_for_the_harness(assay: Assay, folder: Path) -> None:
    done = assay(
        "knowledge",
        "export",
        "facts.jsonl",
        "-o",
        "out",
        "--name",
        "mine",
        "--train",
        "facts.jsonl",
        "--shots",
        2,
    )
    assert done.code == 0, done.err
    assert [row.split() for row in done.out.splitlines()] == [
        ["task", "facts"], ["mine_P1", "6"], ["mine_P2", "6"]
    ]  # fmt: skip
    assert "cd out && lm_eval" in done.err
    assert yaml.safe_load((folder / "out" / "mine_P1.yaml").read_text())["num_fewshot"] == 2
    again = assay("run", "out/manifest.json", "-o", "other", "--quiet")
    assert (again.code, again.out) == (0, done.out)
    for path in (folder / "out").iterdir():
        if path.name != "manifest.json":
            assert path.read_bytes() == (folder / "other" / path.name).read_bytes()
    done = assay(
        "knowledge", "export", "facts.jsonl", "-o", "more", "--prompt", "sft", "--train", "facts.jsonl"
    )
    assert done.err == "error: --train must be left out unless --prompt is few-shot; got 'facts.jsonl'.\n"
    done = assay("knowledge", "export", "facts.jsonl", "-o", "more", "--shots", 2)
    assert done.err == "error: --train must be given for few-shot examples; got none.\n"
