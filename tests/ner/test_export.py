"""Exports: B2NER's folders, prompts that train on B2NER's own text, conversations, GLiNER's rows, a hub data set."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from assay.data import read
from assay.data.card import MARKER
from assay.errors import DataError
from assay.ner import Corpus, Document, Entity, read_corpus, unify
from assay.ner.export import TARGETS, export
from assay.ner.prompts import CHAT_TEMPLATE
from tests.ner.made import document

NEWS = Corpus(
    "news",
    tuple(
        replace(document(f"{split}{number}", text), split=split)
        for split, texts in {
            "train": (
                "[Ada|person] met [Bob|person] in [Paris|city].",
                "Nobody said {text}.",
                "[Rome|city] burns",
            ),
            "dev": ("[Eve|person] left [New York|city]",),
            "test": ("[Oslo|city] and [Bern|city]",),
        }.items()
        for number, text in enumerate(texts)
    ),
    labels=("city", "person", "river"),
    language="en",
    licence="CC BY 4.0",
)
MIXED = Corpus(
    "mixed",
    (
        replace(document("a", "[小明|人名]去了[北京|城市]"), language="zh"),
        replace(document("b", "[Berlin|town]\U0001f600 ruft \ud83d"), language="de"),
    ),
    language="mixed",
)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bytes_tokenizer(*, start: bool) -> Any:
    """A token a byte, so that what was read can be told to the byte; `<s>` stands before a text where `start`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    signs = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE({sign: number for number, sign in enumerate(signs)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    if start:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("shape", ["prompt", "messages"])
@pytest.mark.parametrize("start", [True, False])
def test_training_reads_and_learns_the_official_text(tmp_path: Path, shape: str, start: bool) -> None:
    from assay.training.tokens import IGNORED, tokens_of, with_template

    export([NEWS, MIXED], tmp_path, to=["prompt", shape], seed=3)
    tokenizer = bytes_tokenizer(start=start)
    with_template(tokenizer, (tmp_path / "prompt" / "chat_template.jinja").read_text(encoding="utf-8"))
    samples = list(read(tmp_path / shape / "train.jsonl"))
    tokens = tokens_of(samples, tokenizer, max_tokens=4096, answers="all")
    rows = lines(tmp_path / "prompt" / "train.jsonl")
    assert len(rows) == len(tokens.ids) == 5
    for row, ids, labels in zip(rows, tokens.ids, tokens.labels, strict=True):
        whole = f"<s>{row['prompt']}{row['completion']}</s>".replace("\ud83d", "\ufffd")
        assert tokenizer.decode(ids) == whole
        learnt = [number for number in labels if number != IGNORED]
        assert tokenizer.decode(learnt) == f"{row['completion']}</s>"
        assert labels[-len(learnt) :] == learnt


def test_prompts_of_all_splits(tmp_path: Path) -> None:
    counts = export([NEWS, MIXED], tmp_path, to=["prompt", "messages"])
    train, dev, test = (lines(tmp_path / "prompt" / f"{split}.jsonl") for split in ("train", "dev", "test"))
    assert counts["instructions"] == {"train": 5, "dev": 1, "test": 1}
    assert counts["labels"] == {"en": 6, "zh": 3}  # a corpus of two languages asks for its labels in both
    assert (counts["documents"], counts["entities"], counts["skipped"], counts["not_read_back"]) == (
        7,
        11,
        0,
        0,
    )
    assert [row["labels"] for row in (*dev, *test)] == [["city", "person", "river"]] * 2
    assert test[0]["completion"] == " city: Oslo; city: Bern"
    by_id = {row["id"]: row for row in train}
    assert by_id["mixed/a"]["prompt"].endswith("\n\n文本: 小明去了北京 \n答案:")
    assert "ruft" in by_id["mixed/b"]["prompt"]
    assert by_id["mixed/b"]["prompt"].startswith("Given the label set of entities, ")
    for row, talk in zip(train, lines(tmp_path / "messages" / "train.jsonl"), strict=True):
        assert [turn["content"] for turn in talk["messages"]] == [row["prompt"], row["completion"]]
    for_training = export([NEWS], tmp_path / "t", to=["prompt"], training=True, label_dropout=1.0)
    assert for_training["entities_not_asked"] > 0
    assert len(lines(tmp_path / "t" / "prompt" / "test.jsonl")[0]["labels"]) == 1


def test_label_sets(tmp_path: Path) -> None:
    other = Corpus(
        "other", (replace(document("a", "[X1|gene] in [Rome|city]"), split="test"),), language="en"
    )
    export([NEWS, other], tmp_path, to=["prompt", "b2ner"], labels="all")
    assert {tuple(row["labels"]) for row in lines(tmp_path / "prompt" / "test.jsonl")} == {
        ("city", "person", "river", "gene")
    }
    assert json.loads((tmp_path / "b2ner/NER_en/other/labels.json").read_text()) == [
        "city",
        "person",
        "river",
        "gene",
    ]
    odd = Corpus("odd", other.documents, labels=("city",), language="en")
    export([odd], tmp_path / "odd", to=["prompt"])
    assert lines(tmp_path / "odd/prompt/test.jsonl")[0]["labels"] == ["city", "gene"]


def test_records_say_what_they_are_asked_for(tmp_path: Path) -> None:
    one = replace(NEWS.documents[-1], meta={"labels": ["lake", "city"]})
    corpus = replace(NEWS, documents=(one,))
    export([corpus], tmp_path, to=["prompt"], labels="document")
    assert lines(tmp_path / "prompt" / "test.jsonl")[0]["labels"] == ["lake", "city"]
    export([corpus], tmp_path, to=["prompt"], descriptions="universal")
    [row] = lines(tmp_path / "prompt" / "test.jsonl")
    assert row["labels"] == ["city", "person", "river"]
    assert '\nLabel Description: city means "' in row["prompt"]


def test_a_unified_corpus_is_asked_for_what_each_source_has(tmp_path: Path) -> None:
    other = Corpus(
        "other", (replace(document("a", "[X1|gene] in [Rome|city]"), split="test"),), language="en"
    )
    one = unify([NEWS, other])
    counts = export([one], tmp_path, to=["prompt", "b2ner"])
    assert counts["corpora"] == 2
    assert [row["labels"] for row in lines(tmp_path / "prompt" / "test.jsonl")] == [
        ["city", "person"],
        ["city", "gene"],
    ]
    assert {path.name for path in (tmp_path / "b2ner" / "NER_en").iterdir()} == {"news", "other"}
    with pytest.raises(
        DataError, match="corpora must have different names that a folder can have; got 'news' 2 times"
    ):
        export([one, NEWS], tmp_path / "again", to=["gliner"])


def test_examples_come_from_the_training_split_of_their_corpus(tmp_path: Path) -> None:
    other = Corpus("other", (replace(document("a", "[X1|gene] here"), split="train"),), language="en")
    counts = export([NEWS, other], tmp_path, to=["prompt"], examples=9)
    [test] = lines(tmp_path / "prompt" / "test.jsonl")
    assert counts["exemplars"] == 3 * 2 + 3 + 3
    assert "Eve" not in test["prompt"]  # dev
    assert "X1" not in test["prompt"]  # another corpus
    for text in ("Ada met", "Nobody said {text}.", "Rome burns"):
        assert test["prompt"].count(text) == 1


def test_b2ner_and_gliner_read_back(tmp_path: Path) -> None:
    flat = replace(
        NEWS.documents[0], entities=(*NEWS.documents[0].entities, Entity(0, 13, "x", ((0, 3), (8, 13))))
    )
    corpus = replace(NEWS, documents=(flat, *NEWS.documents[1:]))
    counts = export([corpus, MIXED], tmp_path, to=["b2ner", "gliner"])
    assert counts["losses"] == {
        "b2ner": {"discontinuous": 1},
        "gliner": {"discontinuous": 1, "spacing": 3},
    }
    assert "instructions" not in counts
    assert {p.relative_to(tmp_path / "b2ner").as_posix() for p in (tmp_path / "b2ner").rglob("*.json")} == {
        "NER_en/news/train.json", "NER_en/news/dev.json", "NER_en/news/test.json", "NER_en/news/labels.json",
        "NER_en/mixed/train.json", "NER_en/mixed/labels.json", "NER_zh/mixed/train.json", "NER_zh/mixed/labels.json",
    }  # fmt: skip
    again = read_corpus(tmp_path / "b2ner" / "NER_en" / "news")
    assert again.labels == ("city", "person", "river", "x")
    assert [(d.id, d.text, d.split, len(d.entities)) for d in again.documents] == [
        (d.id, d.text, d.split, len(d.entities)) for d in corpus.documents
    ]
    gliner = read_corpus(tmp_path / "gliner")
    assert sum(len(d.entities) for d in gliner.documents) == counts["entities"]
    assert {d.id.split("/")[0] for d in gliner.documents} == {"news", "mixed"}


def test_a_hub_data_set(tmp_path: Path) -> None:
    parts = [NEWS, replace(NEWS, name="ncbi_disease", licence=""), MIXED]
    for place in ("one", "two"):
        export(parts, tmp_path / place, to=["hub"], seed=7, descriptions={"city": "a town"}, title="My | set")
    files = {p.relative_to(tmp_path / "one").as_posix() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert files == {
        "hub/README.md", "hub/data/train.parquet", "hub/data/validation.parquet", "hub/data/test.parquet",
    }  # fmt: skip
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = pq.read_table(tmp_path / "one/hub/data/train.parquet").to_pylist()
    assert [row["id"] for row in rows][:2] == ["news/train0", "news/train1"]
    for row in rows:
        assert all(row["text"][e["start"] : e["end"]] == e["text"] for e in row["entities"])
        assert row["prompt"].endswith(("Answer:", "答案:"))
    assert rows[0]["entities"][0] == {"start": 0, "end": 3, "label": "person", "text": "Ada"}
    head, _, body = (tmp_path / "one/hub/README.md").read_text(encoding="utf-8")[4:].partition("---\n")
    header = yaml.safe_load(head)
    assert header["language"] == ["de", "en", "zh"]
    assert header["configs"][0]["data_files"][1] == {"split": "validation", "path": "data/validation.parquet"}
    assert "license" not in header
    assert MARKER in body.splitlines()
    for said in (
        "`seed` | `7`",
        "CC BY 4.0",
        "arxiv.org/abs/2406.11192",
        "`entities` | `19`",
        "# My &#124; set",
    ):
        assert said in body


def test_splits_of_one_name_on_the_hub_are_one_file(tmp_path: Path) -> None:
    other = Corpus("other", (replace(NEWS.documents[3], split="validation"),), language="en")
    export([NEWS, other], tmp_path, to=["hub"])
    rows = pq.read_table(tmp_path / "hub/data/validation.parquet").to_pylist()
    assert [row["corpus"] for row in rows] == ["news", "other"]
    head = (tmp_path / "hub/README.md").read_text(encoding="utf-8")[4:].partition("---\n")[0]
    files = yaml.safe_load(head)["configs"][0]["data_files"]
    assert [file["split"] for file in files] == ["train", "validation", "test"]


def test_what_is_too_long_is_skipped_and_listed(tmp_path: Path) -> None:
    skipped: list[tuple[str, str]] = []
    long = replace(NEWS, documents=(*NEWS.documents, Document("z", "word " * 200, split="train")))
    counts = export([long], tmp_path, to=["prompt"], max_chars=500, on_long="skip", skipped=skipped)
    assert (counts["skipped"], counts["instructions"]["train"]) == (1, 3)
    assert skipped[0][0] == "news/z"
    with pytest.raises(DataError, match="news/z: prompt and answer must have at most 500 characters"):
        export([long], tmp_path / "again", to=["prompt"], max_chars=500)
    assert not list((tmp_path / "again").rglob("*.jsonl"))


def test_refusals(tmp_path: Path) -> None:
    bad = Corpus("bad", (document("a", "[Ada|a, b]"),), language="en")
    for to in TARGETS.keys() - {"gliner"}:
        with pytest.raises(DataError, match="labels of bad must be phrases without"):
            export([bad], tmp_path, to=[to])
    assert export([bad], tmp_path, to=["gliner"])["losses"] == {"gliner": {}}
    with pytest.raises(DataError, match=r"unknown target 'gilner'. Did you mean 'gliner'"):
        export([NEWS], tmp_path, to=["gilner"])
    with pytest.raises(DataError, match="corpora must have different names"):
        export([NEWS, NEWS], tmp_path, to=["gliner"])
    assert CHAT_TEMPLATE.count("message['content']") == 1
