"""GLiNER is trained from a plain encoder: it learns names, asks only what a corpus looked for, and repeats itself."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest

from assay.errors import DataError
from assay.ner import Document, Entity
from assay.ner.gliner_training import _batches, _inventories, _rows, train_gliner
from assay.ner.taggers.gliner_model import Gliner
from tests.ner import made_gliner
from tests.ner.made import document
from tests.ner.test_taggers import NAMES, TOWNS, lessons

FAST = {
    "steps": 200,
    "batch_size": 8,
    "learning_rate": 0.01,
    "head_learning_rate": 0.005,
    "positive_weight": 0.9,
    "hidden_size": 16,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.manual_seed(0)
    words = ["went", "to", "on", "day", ".", *NAMES, *TOWNS, "person", "town"]
    return made_gliner.encoder(tmp_path_factory.mktemp("encoder"), words)


def _named(documents: list[Document], names: dict[str, str]) -> list[Document]:
    return [
        replace(d, entities=tuple(replace(e, label=names[e.label]) for e in d.entities)) for d in documents
    ]


TAUGHT = [replace(d, corpus="c") for d in _named(lessons(), {"PER": "person", "LOC": "town"})]


def test_what_is_trained_finds_it_alone_and_again(base: Path, tmp_path: Path) -> None:
    import torch

    before, before_torch = random.getstate(), torch.get_rng_state()
    before_numpy = np.random.get_state()[1].copy()  # noqa: NPY002
    steps: list[tuple[int, int]] = []
    folder = train_gliner(
        TAUGHT,
        tmp_path / "one",
        base=base,
        max_width=4,
        threads=1,
        progress=lambda *at: steps.append(at),
        **FAST,
    )
    assert steps == [(n, 200) for n in range(1, 201)]
    assert random.getstate() == before
    assert (np.random.get_state()[1] == before_numpy).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before_torch)
    again = train_gliner(TAUGHT, tmp_path / "two", base=base, max_width=4, threads=1, **FAST)
    assert (folder / "pytorch_model.bin").read_bytes() == (again / "pytorch_model.bin").read_bytes()

    elsewhere = tmp_path / "moved"
    shutil.copytree(folder, elsewhere)
    moved = base.rename(base.with_name("gone"))  # what was trained needs its base no more
    try:
        tagger = Gliner(str(elsewhere))
        tagger.ask(["person", "town"])
        new = _named(
            [document(1, "[Dana|PER] went to [Rome|LOC] on day 5 .")], {"PER": "person", "LOC": "town"}
        )
        assert tagger.predict(new) == [new[0].entities]
        [found] = tagger.scored(new)
        assert all(0.5 <= confidence <= 1 for _, confidence in found)
    finally:
        moved.rename(base)

    record = orjson.loads((folder / "training.json").read_bytes())
    assert (record["rows"], record["entities"], record["labels"]) == (40, 80, {"c": ["person", "town"]})
    assert record["losses"][-1] < record["losses"][0] / 5


def test_training_goes_on_from_a_model(base: Path, tmp_path: Path) -> None:
    options = FAST | {"steps": 2, "threads": 1}
    first = train_gliner(TAUGHT, tmp_path / "first", base=base, max_width=3, **options)
    second = train_gliner(
        TAUGHT, tmp_path / "second", base=first, frozen_layers=1, dtype="bfloat16", **options
    )
    import torch

    one, two = (torch.load(folder / "pytorch_model.bin", weights_only=True) for folder in (first, second))
    assert one.keys() == two.keys()
    moved = {name for name in one if not torch.equal(one[name], two[name])}
    assert moved
    assert not any(".bert_layer.model.embeddings" in name or ".encoder.layer" in name for name in moved)


def test_rows_are_asked_for_labels_of_their_corpus_alone() -> None:
    one = [replace(d, corpus="one") for d in TAUGHT]
    two = [replace(d, corpus="two", entities=()) for d in TAUGHT]
    three = [replace(d, corpus="three") for d in _named(lessons(), {"PER": "fish", "LOC": "bird"})]
    documents = [*one, *two, *three]
    inventories = {"one": ["person", "town", "river"], "two": [], "three": ["fish", "bird"]}
    asked = _inventories(documents, inventories)
    assert asked == {"one": ["person", "river", "town"], "three": ["bird", "fish"]}
    rows, left_out = _rows(documents, width=9, length=9)
    assert not any(left_out.values())
    batches = list(_batches(rows, asked, 40, 8, 2, 0))
    assert [len(batch) for batch in batches] == [8] * 40
    seen: Counter[tuple[str, str]] = Counter()
    for row in (row for batch in batches for row in batch):
        assert len(set(row["labels"])) == len(row["labels"]) == 2
        assert set(row["labels"]) <= set(asked[row["corpus"]])
        assert {label for *_, label in row["ner"]} <= set(row["labels"])
        seen.update((row["corpus"], label) for label in row["labels"])
    assert {corpus for corpus, _ in seen} == {"one", "three"}
    assert list(_batches(rows, asked, 40, 8, 2, 0)) == batches
    assert list(_batches(rows, asked, 40, 8, 2, 1)) != batches


def test_what_no_row_can_say_is_counted() -> None:
    text = "one two three four five"
    entities = (
        Entity(0, 7, "a"),
        Entity(0, 13, "a"),
        Entity(1, 6, "b"),
        Entity(0, 13, "a", ((0, 3), (8, 13))),
        Entity(19, 23, "a"),
    )
    [row], out = _rows([Document("1", text, entities), Document("2", " ")], width=2, length=4)
    assert row["tokenized_text"] == ["one", "two", "three", "four"]
    assert row["ner"] == [(0, 1, "a"), (0, 1, "b")]
    assert out == {
        "documents_without_words": 1,
        "documents_cut": 1,
        "entities_discontinuous": 1,
        "entities_too_long": 1,
        "entities_beyond": 1,
    }


def test_refusals(base: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="labels must hold every label that occurs; got no 'town' for corpus 'c'"
    ):
        train_gliner(TAUGHT, tmp_path / "x", base=base, labels={"c": ["person"]})
    with pytest.raises(DataError, match="documents must hold entities to learn from; got none"):
        train_gliner([Document("1", "a b")], tmp_path / "x", base=base)
    wordless = [Document("1", " ", (Entity(0, 1, "a"),), corpus="one"), Document("2", "a b", corpus="two")]
    with pytest.raises(DataError, match="documents must hold words to learn from; got none"):
        train_gliner(wordless, tmp_path / "y", base=base)
    with pytest.raises(DataError, match="dropout must be from 0 to below 1; got 1"):
        train_gliner(TAUGHT, tmp_path / "x", base=base, dropout=1)
    with pytest.raises(DataError, match="steps must be >= 1; got 0"):
        train_gliner(TAUGHT, tmp_path / "x", base=base, steps=0)
    with pytest.raises(DataError, match=r"base must name a GLiNER model or an encoder; .*nowhere is none: "):
        train_gliner(TAUGHT, tmp_path / "x", base=tmp_path / "nowhere")
    with pytest.raises(DataError, match="frozen_layers must be <= 1, what the encoder has; got 3"):
        train_gliner(TAUGHT, tmp_path / "x", base=base, frozen_layers=3, **FAST)
