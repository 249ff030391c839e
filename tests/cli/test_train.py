"""`assay train`: a tuned model out of records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.knowledge import CHAT_TEMPLATES
from tests.cli.conftest import Assay, files_in
from tests.training.conftest import exchanges, folder, torch  # noqa: F401


def write(path: Path, count: int = 16) -> None:
    turns = [[message.content for message in sample.messages] for sample in exchanges(count)]
    lines = (json.dumps({"prompt": asked, "completion": answered}) for asked, answered in turns)
    path.write_text("\n".join(lines), encoding="utf-8")


def test_a_run_and_its_repetition(assay: Assay, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path / "a.jsonl")
    run = ("a.jsonl", "--model", folder, "-o", "out", "--method", "lora", "--lora-targets", "q_proj,v_proj")
    done = assay("train", *run, "--batch-size", 4, "--device", "cpu", "--format", "json")
    assert done.code == 0, done.err
    written: dict[str, Any] = json.loads(done.out)
    assert written == json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert written["counts"]["trained"] == 16
    assert written["results"]["steps"] == 4
    assert set(written["outputs"]) | {"manifest.json"} == files_in(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "training.json").read_bytes())
    assert record["settings"]["lora_targets"] == ["q_proj", "v_proj"]
    assert record["settings"]["batch_size"] == 4
    done = assay("run", "out/manifest.json", "-o", "again")
    assert done.code == 0, done.err
    repeated = json.loads((tmp_path / "again" / "manifest.json").read_bytes())
    assert repeated["results"] == written["results"]
    for name, digest in written["outputs"].items():
        assert name == "training.json" or repeated["outputs"][name] == digest  # which tells the seconds
    done = assay("train", *run, "--batch-size", 4, "--device", "cpu")
    assert done.code == 2
    assert "Use --resume" in done.err
    assert assay("train", *run, "--batch-size", 4, "--device", "cpu", "--resume").code == 0


def test_a_template_and_what_is_left_out(assay: Assay, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path / "a.jsonl")
    (tmp_path / "chat.jinja").write_text(
        "{% for message in messages %}{{ message['content'] + ' ' }}{% endfor %}", encoding="utf-8"
    )
    common = ("train", "a.jsonl", "--model", folder, "--device", "cpu", "--max-tokens", 8)
    done = assay(*common, "-o", "out", "--chat-template", "chat.jinja", "--format", "csv")
    assert done.code == 0, done.err
    assert done.out.startswith("folder,trained,answer_tokens,steps,first_loss,last_loss\nout,")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["warnings"] == [  # of questions of 8 and 9 words, and of 6 and 7
        "2 of 16 samples have their answer beyond 8 tokens and are left out.",
        "4 of 16 samples are cut to 8 tokens.",
    ]
    write(tmp_path / "a.jsonl", 4)
    assert assay(*common[:-2], "-o", "named", "--chat-template", "knowledge", "--max-steps", 1).code == 0
    record = json.loads((tmp_path / "named" / "training.json").read_bytes())
    assert record["chat_template"] == CHAT_TEMPLATES["knowledge"]
    assert record["counts"]["answer_tokens"] == 4 * 3  # two words and the end


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--preset", "b2nr"),
            "error: --preset must be one of small, novelsum, b2ner, knowledge; got 'b2nr'",
        ),
        (("--lora-rank", 4), "error: --lora-rank must be left out without method 'lora'; got 4"),
        (
            ("--chat-template", "no.jinja"),
            "error: --chat-template must be an existing file, or knowledge; there is no no.jinja",
        ),
        (("--model", "./no"), "error: --model must name a model folder or a hub id; got './no'"),
        (("--on-bad", "ignore"), "error: --on-bad must be one of error, skip"),
    ],
)
def test_refusals(assay: Assay, options: Any, message: str, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    write(tmp_path / "a.jsonl")
    done = assay("train", "a.jsonl", "-o", "out", "--model", folder, *options)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(message)


def test_vectors_are_no_records(assay: Assay) -> None:
    done = assay("train", "a.npy", "--model", "m", "-o", "out")
    assert done.code == 2
    assert "must hold records; a.npy holds vectors" in done.err
