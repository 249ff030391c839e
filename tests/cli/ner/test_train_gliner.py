"""`assay ner train --method gliner`: a folder that finds what it was taught, and options that it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.ner import Corpus, Document, Entity, unify, write_corpus
from tests.cli.conftest import Assay
from tests.ner import made_gliner

NAMES, TOWNS = ("Ann", "Bob", "Cleo", "Dana"), ("Paris", "Oslo", "Rome")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    import torch

    torch.manual_seed(0)
    words = ["went", "to", "on", "day", ".", *NAMES, *TOWNS, "person", "town"]
    return made_gliner.encoder(tmp_path / "encoder", words)


def columns(folder: Path) -> Path:
    folder.mkdir()
    lines = [f"{NAMES[n % 4]}\tB-person\nwent\tO\nto\tO\n{TOWNS[n % 3]}\tB-town\n.\tO\n\n" for n in range(24)]
    (folder / "train.conll").write_text("".join(lines), encoding="utf-8")
    (folder / "test.conll").write_text("Eve\tO\nwent\tO\n\n", encoding="utf-8")
    return folder


def test_it_writes_a_model_with_its_manifest(assay: Assay, base: Path, tmp_path: Path) -> None:
    data = columns(tmp_path / "towns")
    given = ["--method", "gliner", "--model", base, "--max-steps", 3, "--batch-size", 4, "--threads", 1]
    done = assay("ner", "train", data, *given, "-o", "one", "--format", "json")
    assert done.code == 0, done.err
    manifest = json.loads(done.out)
    assert manifest["counts"] | {"documents": 24, "entities": 48} == manifest["counts"]
    assert manifest["results"]["steps"] == 3
    assert set(manifest["outputs"]) == {path.name for path in Path("one").iterdir()} - {"manifest.json"}
    again = assay("run", "one/manifest.json", "-o", "two")
    assert again.code == 0, again.err
    assert Path("one/pytorch_model.bin").read_bytes() == Path("two/pytorch_model.bin").read_bytes()


def test_documents_of_a_unified_corpus_are_asked_for_the_labels_of_their_own(
    assay: Assay, base: Path, tmp_path: Path
) -> None:
    one = Corpus("one", (Document("1", "Ann went", (Entity(0, 3, "person"),), split="train"),))
    two = Corpus("two", (Document("1", "to Paris", (Entity(3, 8, "town"),), split="train"),))
    write_corpus(unify([one, two]), tmp_path / "both", format="documents")
    given = ["--method", "gliner", "--model", base, "--max-steps", 1, "--batch-size", 2, "--threads", 1]
    done = assay("ner", "train", tmp_path / "both", *given, "-o", "out", "--quiet")
    assert done.code == 0, done.err
    record = json.loads(Path("out/training.json").read_text())
    assert record["labels"] == {"one": ["person"], "two": ["town"]}


def test_options_of_language_models_are_refused(assay: Assay, base: Path, tmp_path: Path) -> None:
    given = ["--method", "gliner", "--model", base, "-o", "one", "--lora-rank", 4]
    done = assay("ner", "train", columns(tmp_path / "towns"), *given)
    assert done.code == 2
    assert "--lora-rank must not be given with --method gliner; got 4. Leave it out." in done.err
