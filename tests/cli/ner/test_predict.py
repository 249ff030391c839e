"""`assay ner train`, `predict` and `score`, one after the other, on a tiny model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from assay.ner import write_corpus
from assay.ner.instruct import instruct
from tests.cli.conftest import Assay, files_in
from tests.ner.made import corpus
from tests.ner.tiny import save_model

TEXTS = ("[Ada|person] lives in [Rome|city] .", "[Bob|person] left [Kent|city] .", "nothing here .")
FEW = ("--device", "cpu", "--threads", 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model whose tokenizer knows the words of the prompts."""
    mini = corpus("mini", *TEXTS)
    texts = [one.text for one in instruct(mini.documents, mini.labels, language="en", training=False)]
    return save_model(tmp_path_factory.mktemp("model"), texts, hidden=16)


@pytest.fixture
def data(tmp_path: Path) -> None:
    """Two sets, each with a split to learn and one to predict."""
    for name in ("alpha", "beta"):
        for split in ("train", "test"):
            write_corpus(corpus(name, *TEXTS), tmp_path / "data" / name / f"{split}.json", format="b2nerd")


def test_train_predict_and_score(assay: Assay, model: Path, data: None, tmp_path: Path) -> None:
    done = assay(
        "ner", "train", "data/alpha", "data/beta", "--model", model, "-o", "tuned", "--max-steps", 2,
        "--batch-size", 2, "--label-dropout", 0, *FEW, "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    written: dict[str, Any] = json.loads(done.out)
    assert (written["counts"]["trained"], written["results"]["steps"]) == (6, 2)
    record = json.loads((tmp_path / "tuned" / "training.json").read_bytes())
    assert record["settings"]["method"] == "lora"
    assert record["settings"]["lora_rank"] == 32
    assert record["preset"] == "b2ner"
    assert "adapter_model.safetensors" in files_in(tmp_path / "tuned")

    asking = ("ner", "predict", "data", "--model", "tuned", "--max-new-tokens", 4, *FEW)
    done = assay(*asking, "-o", "out", "--format", "json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [(row["set"], row["asked"]) for row in rows] == [("alpha", 3), ("beta", 3)]
    assert files_in(tmp_path / "out") == {"alpha", "beta", "manifest.json"}
    assert files_in(tmp_path / "out" / "alpha") == {"answers.jsonl", "test.jsonl"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["command"] == "predict"
    assert set(manifest["outputs"]) == {
        f"{s}/{f}" for s in ("alpha", "beta") for f in ("answers.jsonl", "test.jsonl")
    }
    again = assay("run", "out/manifest.json", "-o", "again")
    assert again.code == 0, again.err
    assert json.loads((tmp_path / "again" / "manifest.json").read_bytes())["outputs"] == manifest["outputs"]

    done = assay("ner", "score", "data", "out", "--compat", "b2ner", "--format", "json")
    assert done.code == 0, done.err
    scored = json.loads(done.out)
    assert [row["set"] for row in scored["scores"]] == ["alpha", "beta", "average of 2"]
    done = assay("ner", "score", "data", "--model", model, "-o", "more", "--format", "json")
    assert done.code == 0, done.err
    assert files_in(tmp_path / "more") == {"alpha", "beta", "manifest.json"}
    assert len(json.loads(done.out)["faults"]) == 2

    assert assay(*asking, "-o", "out").code == 2
    assert assay(*asking, "-o", "out", "--overwrite", "--split", "train").code == 0
    assert files_in(tmp_path / "out" / "alpha") == {"answers.jsonl", "train.jsonl"}


def test_taggers(assay: Assay, data: None, tmp_path: Path) -> None:
    done = assay("ner", "predict", "data/alpha", "--model", "crf", "--train", "data/beta", "-o", "out")
    assert done.code == 0, done.err
    assert files_in(tmp_path / "out" / "alpha") == {"test.jsonl"}
    assert assay("ner", "score", "data/alpha", "out", "--min-f1", 0).code == 0


def test_a_tagger_learns_nothing_of_a_test_split(assay: Assay, data: None, tmp_path: Path) -> None:
    held_out = corpus("beta", *["[Ada|boat] lives in [Rome|boat] ."] * 40)
    write_corpus(held_out, tmp_path / "data" / "beta" / "test.json", format="b2nerd", overwrite=True)
    done = assay("ner", "predict", "data/alpha", "--model", "crf", "--train", "data/beta", "-o", "out")
    assert (done.code, "beta: the split train\n" in done.err) == (0, True)
    assert "boat" not in (tmp_path / "out" / "alpha" / "test.jsonl").read_text(encoding="utf-8")


def test_refusals_leave_nothing(assay: Assay, model: Path, data: None, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "data" / "alpha", tmp_path / "only" / "alpha")
    (tmp_path / "only" / "alpha" / "train.json").unlink()
    for arguments, message in (
        (("predict", "data", "--model", "crf"), "train must be given for crf; got none"),
        (
            ("predict", "data", "--model", model, "--train", "data"),
            "train must be left out of a language model",
        ),
        (("predict", "data", "--model", "./no"), "--model must name a model folder or a hub id; got './no'"),
        (("predict", "data", "--model", model, "--split", "dev"), "--split must be one of"),
        (
            ("predict", "data", "--model", model, "--prompting", "chat"),
            "--prompting must be plain for a model without",
        ),
        (("predict", "data", "--model", model, "--max-new-tokens", 480), "Nothing is cut"),
        (
            ("predict", "data", "--model", model, "--workers", 2),
            f"--workers must be left out of {model}, which",
        ),
        (
            ("predict", "data", "--model", "crf", "--train", "data", "--examples", 1),
            "--examples must be left out",
        ),
        (("predict", "data", "--model", "openai:gpt"), "--device must be left out of openai:gpt"),
        (("train", "only/alpha", "--model", model), "--split must be one that alpha has: test; got 'train'"),
        (("train", "data", "--model", model, "--preset", "b2nr"), "--preset must be one of"),
    ):
        done = assay("ner", *arguments, "-o", "out", *(() if "crf" in arguments else FEW))
        assert done.code == 2, done.err
        assert message in done.err
        assert not {name for name in files_in(tmp_path / "out") if not name.startswith(".")}
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    done = assay("ner", "score", "data", "--model", model)
    assert done.code == 2
    assert "needs an output folder" in done.err


def test_what_is_too_long_can_be_left_out_and_is_listed(assay: Assay, model: Path, tmp_path: Path) -> None:
    long = corpus("long", "[Ada|person] lives in [Rome|city] .", "here " * 900)
    write_corpus(long, tmp_path / "data" / "test.json", format="b2nerd")
    done = assay(
        "ner", "predict", "data/test.json", "--model", model, "-o", "out", "--on-long", "skip", "--max-new-tokens", 4,
        *FEW, "--format", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "1 of 2 documents of test are too long and were not asked about" in done.err
    assert done.out.splitlines()[1].endswith(",1")
    [(_, skipped)] = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["results"][
        "skipped"
    ].items()
    assert len(skipped) == 1
    assert assay("ner", "score", "data/test.json", "out").code == 0
