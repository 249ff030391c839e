"""Corpora out of files, folders and trees: splits, names, ids, languages, formats; public corpora as they are."""

from __future__ import annotations

import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError, MissingExtraError
from assay.ner import Corpus, read_corpus
from assay.ner.read import _split, corpora
from tests.conftest import real_data

ENGLISH = "Ada\tB-PER\nran\tO\n\nRain\tO\n"
CHINESE = "高\tB-PER\n明\tI-PER\n来\tO\n"


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def counted(corpus: Corpus) -> dict[str, int]:
    return dict(Counter(document.split for document in corpus.documents))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.txt", "train"),
        ("dev.tsv", "dev"),
        ("devel.tsv", "dev"),
        ("valid.jsonl", "dev"),
        ("validation-00000-of-00001.parquet", "dev"),
        ("wnut17train.conll", "train"),
        ("emerging.dev.conll", "dev"),
        ("emerging.test.annotated", "test"),
        ("en_ewt-ud-dev.iob2", "dev"),
        ("weiboNER_2nd_conll.train", "train"),
        ("gum-train.conll", "train"),
        ("eng.testa", "dev"),
        ("eng.testb", "test"),
        ("Test_Set.json", "test"),
        ("a.conll", ""),
        ("latest.conll", ""),
        ("wikigold.conll.txt", ""),
        ("testament.conll", ""),
    ],
)
def test_splits_are_told_from_file_names(name: str, split: str) -> None:
    assert _split(name) == split


def test_a_folder_is_a_corpus_and_its_files_are_splits(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "mini",
        {
            "test.conll": ENGLISH,
            "devel.tsv": ENGLISH,
            "b.conll": ENGLISH,
            "mini-train.conll": ENGLISH * 2,
            "LICENSE": "All rights\nO O\n",
            "README.md": ENGLISH,
            "entity-list.txt": "Ada\tB-PER\n",
            "notes.txt": "plain words\n",
            "weights.bin": "\0\0",
            ".hidden": ENGLISH,
        },
    )
    corpus = read_corpus(folder)
    assert (corpus.name, corpus.language, corpus.source) == ("mini", "en", str(folder))
    assert counted(corpus) == {"train": 3, "dev": 2, "test": 2, "b": 2}
    assert [document.id for document in corpus.documents][:4] == ["train:1", "train:2", "train:3", "dev:1"]
    assert corpus.notes == ("read as conll", "IOB2 inferred", "not read: notes.txt, weights.bin")
    assert {document.corpus for document in corpus.documents} == {"mini"}
    assert corpus.labels == ("PER",)
    assert read_corpus(folder, name="other").name == "other"


def test_a_file_is_a_corpus(tmp_path: Path) -> None:
    put(tmp_path, {"wiki.conll.txt": ENGLISH, "train.conll": ENGLISH})
    corpus = read_corpus(str(tmp_path / "wiki.conll.txt"))
    assert (corpus.name, counted(corpus), corpus.documents[0].id) == ("wiki", {"wiki": 2}, "wiki:1")
    assert counted(read_corpus(tmp_path / "train.conll")) == {"train": 2}


def test_folders_named_as_splits_are_splits(tmp_path: Path) -> None:
    row = json.dumps({"tokens": ["Ada"], "ner_tags": ["B-PER"], "id": "0"})
    folder = put(
        tmp_path / "mini", {f"data/{split}/part.jsonl": row for split in ("train", "validation", "test")}
    )
    corpus = read_corpus(folder)
    assert counted(corpus) == {"train": 1, "dev": 1, "test": 1}
    assert [document.id for document in corpus.documents] == ["train:0", "dev:0", "test:0"]


def test_ids_of_the_files_are_kept_where_they_are_unique(tmp_path: Path) -> None:
    def content(*ids: str) -> str:
        return "".join(f"# sent_id = {own}\nAda\tB-PER\n\n" for own in ids)

    once = put(tmp_path / "a", {"train.conll": content("x", "y") + "Bob\tO\n", "test.conll": content("z")})
    assert [document.id for document in read_corpus(once).documents] == ["x", "y", "train:3", "z"]
    twice = put(tmp_path / "b", {"train.conll": content("x", "y", "y"), "test.conll": content("x")})
    assert [document.id for document in read_corpus(twice).documents] == [
        "train:x",
        "train:y",
        "train:y#2",
        "test:x",
    ]


def test_languages_are_told_from_scripts(tmp_path: Path) -> None:
    folder = put(tmp_path, {"en.conll": ENGLISH, "zh.conll": CHINESE, "both.conll": ENGLISH + "\n" + CHINESE})
    assert read_corpus(folder / "en.conll").language == "en"
    assert read_corpus(folder / "zh.conll").language == "zh"
    both = read_corpus(folder / "both.conll")
    assert both.language == "mixed"
    assert [document.language for document in both.documents] == ["en", "en", "zh"]
    german = read_corpus(folder / "en.conll", language="de")
    assert {german.language, german.documents[0].language} == {"de"}


def test_the_tree_of_b2nerd(tmp_path: Path) -> None:
    def rows(sentence: str, *labels: str) -> str:
        entity = [{"name": sentence[:2], "type": label, "pos": [0, 2]} for label in labels]
        return json.dumps([{"sentence": sentence, "entities": entity}])

    root = put(
        tmp_path / "B2NERD",
        {
            "NER_en/AI/train.json": rows("AI is", "field"),
            "NER_en/AI/test.json": rows("AI is"),
            "NER_en/AI/labels.json": '["task", "field"]',
            "NER_en/news/train.json": rows("UN is", "organization"),
            "NER_zh/MSRA/dev.json": rows("高明 a letter or two of another", "人名"),
            "statistics.txt": "54 sets of two languages\n",
            "images/logo.svg": "<svg/>",
        },
    )
    found = [read_corpus(path) for path in corpora(root)]
    assert [(corpus.name, corpus.language, counted(corpus)) for corpus in found] == [
        ("AI", "en", {"train": 1, "test": 1}),
        ("news", "en", {"train": 1}),
        ("MSRA", "zh", {"dev": 1}),
    ]
    assert found[0].labels == ("task", "field")
    assert corpora(root / "NER_en" / "AI") == [str(root / "NER_en" / "AI")]
    with pytest.raises(
        DataError, match=r"path must be one corpus; .*B2NERD holds 3: NER_en/AI, NER_en/news, NER_zh/MSRA\."
    ):
        read_corpus(root)


def test_a_brat_folder_reads_each_text_once(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "brat", {"a.txt": "Ada ran", "a.ann": "T1\tPER 0 3\tAda\n", "b.txt": "Rain", "b.ann": ""}
    )
    corpus = read_corpus(folder)
    assert [(document.text, len(document.entities)) for document in corpus.documents] == [
        ("Ada ran", 1),
        ("Rain", 0),
    ]
    assert not any("not read" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("minj", {}, r"path must be an existing file or folder; there is no .*minj\. Did you mean .*mini\?"),
        ("mini", {"format": "conl"}, r"format must be one of .*; got 'conl'\. Did you mean 'conll'"),
        ("mini", {"scheme": "IOB"}, r"scheme must be one of IOB1, IOB2, BIOES, BMES, BILOU; got 'IOB'\."),
        ("mini", {"repair": "x"}, r"repair must be one of begin, drop, error; got 'x'\."),
        ("mini", {"offsets": "bytes"}, r"offsets must be left out of conll; got 'bytes'\. It is for b2nerd, .*brat"),
        ("rows.jsonl", {"scheme": "IOB2"}, r"scheme must be left out of gliner; got 'IOB2'\. It is for "),
        ("both", {}, r"path must hold files of one format; got conll \(train\.conll\), gliner \(test\.json\)\."),
        ("words.txt", {}, r"words\.txt must be of a known format \(.*\); its content is of none\. Name the format"),
        ("words.txt", {"format": "conll"}, r"words\.txt:1: line must be a token and a tag in columns; got "),
        ("empty", {}, r"empty must hold files of a known format \(.*\); it has none\."),
        ("none.jsonl", {"format": "b2nerd"}, r"none\.jsonl must hold at least one document; it has none\."),
    ],
)  # fmt: skip
def test_what_is_no_corpus(tmp_path: Path, path: str, options: dict[str, Any], message: str) -> None:
    gliner = '{"tokenized_text": ["Ada"], "ner": []}'
    put(
        tmp_path,
        {
            "mini/train.conll": ENGLISH,
            "rows.jsonl": gliner,
            "both/train.conll": ENGLISH,
            "both/test.json": f"[{gliner}]",
            "words.txt": "plain words of a text\nand more\n",
            "none.jsonl": "",
            "empty/README.md": "",
        },
    )
    with pytest.raises(DataError, match=message):
        read_corpus(tmp_path / path, **options)


def test_a_hub_id_needs_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"the hub id 'org/name' needs datasets; install it with: pip install"
    ):
        read_corpus("org/name:config@train")
    with pytest.raises(DataError, match=r"tag_column must be left out of hub; got 2\. It is for conll\."):
        read_corpus("org/name", tag_column=2)


REAL: dict[str, tuple[dict[str, int], int, str, str]] = {
    "crossner/ai": ({"train": 100, "dev": 350, "test": 431}, 3890, "en", "IOB2"),
    "crossner/music": ({"train": 100, "dev": 380, "test": 465}, 6663, "en", "IOB2"),
    "crossner/politics": ({"train": 200, "dev": 541, "test": 651}, 8995, "en", "IOB2"),
    "wnut17": ({"train": 3394, "dev": 1009, "test": 1287}, 3890, "en", "IOB2"),
    "btc": ({"a": 1000, "b": 2000, "e": 200, "f": 2000, "g": 2138, "h": 2000}, 14885, "en", "IOB2"),
    "wikigold": ({"wikigold": 1696}, 3558, "en", "IOB1"),
    "gum": ({"train": 2495, "test": 1000}, 11724, "en", "IOB2"),
    "bc5cdr": ({"train": 4560, "dev": 4581, "test": 4797}, 28787, "en", "IOB2"),
    "ncbi_disease": ({"train": 5424, "dev": 923, "test": 940}, 6881, "en", "IOB2"),
    "uner_en_ewt": ({"dev": 2001, "test": 2077}, 2054, "en", "IOB2"),
    "uner_zh_gsdsimp": ({"train": 3997, "dev": 500, "test": 500}, 7634, "zh", "IOB2"),
    "weibo": ({"train": 1350, "dev": 270, "test": 270}, 2702, "zh", "IOB2"),
}


@cache
def real(name: str) -> Corpus:
    return read_corpus(real_data(f"ner/{name}"))


@pytest.mark.parametrize("name", REAL)
def test_public_corpora_have_the_counts_that_are_published(name: str) -> None:
    splits, entities, language, scheme = REAL[name]
    corpus = real(name)
    assert corpus.name == name.split("/")[-1]
    assert list(counted(corpus).items()) == list(splits.items())
    assert sum(len(document.entities) for document in corpus.documents) == entities
    assert corpus.language == language
    assert corpus.notes[:2] == ("read as conll", f"{scheme} inferred")
    assert len({document.id for document in corpus.documents}) == len(corpus.documents)


def test_weibo_has_14_invalid_tags_and_digits_that_are_no_words() -> None:
    corpus = real("weibo")
    assert corpus.notes[2].startswith("tags that do not fit IOB2, begun as entities: 14; the first: ")
    assert corpus.notes[3] == "tokens are a character and a digit, which was left out"
    fewer = read_corpus(real_data("ner/weibo"), repair="drop")
    assert sum(len(document.entities) for document in fewer.documents) == 2702 - 14


def test_the_metadata_of_comment_lines_is_kept() -> None:
    document = real("uner_en_ewt").documents[0]
    assert document.meta["sent_id"] == document.id
    assert document.text.replace(" ", "") == document.meta["text"].replace(" ", "")
