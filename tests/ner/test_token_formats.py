"""Formats of tokens: every trap of real files with its expected reading."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.errors import DataError
from assay.ner import NER_FORMATS, Corpus, Document, Entity, write_corpus
from assay.ner.document import joined
from assay.ner.formats import File, Read
from assay.ner.formats.hub import from_hub
from assay.ner.read import head

Sentences = list[list[Any]]


def put(folder: Path, content: str | bytes, name: str = "data.conll") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, *, format: str = "conll", **options: Any) -> Read:
    return NER_FORMATS[format].read([File(path, "train")], **options)


def shown(found: Read) -> Sentences:
    """Return of each document its tokens, then its entities as (words, label)."""
    return [
        [
            [document.text[start:end] for start, end in document.tokens or ()],
            *((document.surface(entity), entity.label) for entity in document.entities),
        ]
        for document in found.documents
    ]


def made(*tokens: str, entities: tuple[tuple[int, int, str], ...] = (), **fields: Any) -> Document:
    text, offsets = joined(list(tokens))
    inside = tuple(Entity(offsets[a][0], offsets[b - 1][1], label) for a, b, label in entities)
    return Document(fields.pop("id", ""), text, inside, tokens=offsets, **fields)


PLAIN: Sentences = [[["Ada", "met", "Bob"], ("Ada", "PER"), ("Bob", "PER")], [["Rain"]]]
TRAPS: dict[str, tuple[str, Sentences, tuple[str, ...]]] = {
    "tabs": ("Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nRain\tO\n\n", PLAIN, ("IOB2 inferred",)),
    "spaces": ("Ada B-PER\nmet O\nBob B-PER\n\nRain O\n\n", PLAIN, ("IOB2 inferred",)),
    "several spaces": ("Ada   B-PER\nmet   O\nBob   B-PER\n\nRain  O\n", PLAIN, ("IOB2 inferred",)),
    "spaces at the end": ("Ada B-PER \nmet O\nBob B-PER  \n\nRain O \n", PLAIN, ("IOB2 inferred",)),
    "tags first": ("B-PER\tAda\nO\tmet\nB-PER\tBob\n\nO\tRain\n", PLAIN, ("IOB2 inferred",)),
    "more columns": (
        "Ada NNP B-NP B-PER\nmet VBD B-VP O\nBob NNP B-NP B-PER\n\nRain NN O O\n",
        PLAIN,
        ("IOB2 inferred", "columns 3, 4 hold tags; column 4 was read (tag_column chooses one, 'all' unites them)"),
    ),
    "nested columns": (
        "the\tO\tO\nIL-2\tB-DNA\tB-protein\ngene\tI-DNA\tO\nand\tO\tO\nCD3\tB-protein\tO\n",
        [[["the", "IL-2", "gene", "and", "CD3"], ("IL-2 gene", "DNA"), ("CD3", "protein"), ("IL-2", "protein")]],
        ("IOB2 inferred", "columns 2, 3 hold tags of the same labels and were united"),
    ),
    "index and comments": (
        "# sent_id = s1\n1\tAda\tB-PER\t-\tx\n2-3\tdon't\t_\t-\t-\n2\tmet\tO\t-\t-\n3\tBob\tB-PER\t-\t-\n\n"
        "# a remark\n1\tRain\tO\t-\t-\n",
        PLAIN,
        ("IOB2 inferred",),
    ),
    "CRLF": ("Ada\tB-PER\r\nmet\tO\r\nBob\tB-PER\r\n\r\nRain\tO\r\n", PLAIN, ("IOB2 inferred",)),
    "byte order mark": ("\ufeffAda\tB-PER\nmet\tO\nBob\tB-PER\n\nRain\tO\n", PLAIN, ("IOB2 inferred",)),
    "blank-filled lines": (
        "\n \nAda\tB-PER\nmet\tO\nBob\tB-PER\n\t\nRain\tO\n \t \n\n",
        PLAIN,
        ("IOB2 inferred",),
    ),
    "no final newline": ("Ada\tB-PER\nmet\tO\nBob\tB-PER\n\nRain\tO", PLAIN, ("IOB2 inferred",)),
    "document boundaries": (
        "-DOCSTART- -X- O O\n\nAda NNP x B-PER\nmet VBD x O\nBob NNP x B-PER\n-DOCSTART- -X- O O\nRain NN x O\n",
        PLAIN,
        ("IOB2 inferred",),
    ),
    "bare boundaries": (
        "-DOCSTART-\nAda\tB-PER\nmet\tO\nBob\tB-PER\n-DOCSTART-\tO\n\nRain\tO\n",
        PLAIN,
        ("IOB2 inferred",),
    ),
    "signs that are tokens": (
        "#\tO\nwin\tO\n\n#MH17\tB-FLIGHT\n#\tI-FLIGHT\n\n# \tO\n",
        [[["#", "win"]], [["#MH17", "#"], ("#MH17 #", "FLIGHT")], [["# "]]],
        ("IOB2 inferred",),
    ),
    "a sign parted by a space": ("# O\nwin B-X\n", [[["#", "win"], ("win", "X")]], ("IOB2 inferred",)),
    "odd spaces that are tokens": (
        "\u00a0\tO\n\u3000\tB-X\na\u00a0b\tO\n\u2028\tO\n\x85\tO\n",
        [[["\u00a0", "\u3000", "a\u00a0b", "\u2028", "\x85"], ("\u3000", "X")]],
        ("IOB2 inferred",),
    ),
    "a space in a token": ("New York\tB-LOC\nis\tO\n", [[["New York", "is"], ("New York", "LOC")]], ("IOB2 inferred",)),
    "no token": (
        "Ada\tB-PER\n\tI-PER\nKing\tI-PER\n\tO\nran\tO\n",
        [[["Ada", "King", "ran"], ("Ada King", "PER")]],
        ("IOB2 inferred", "lines with a tag and no token, left out: 2"),
    ),
    "a space for a token": (
        "中 B-LOC\n国 I-LOC\n  O\n" + "好 O\n" * 20,
        [[["中", "国", *["好"] * 20], ("中国", "LOC")]],
        ("IOB2 inferred", "lines with a tag and no token, left out: 1"),
    ),
    "underscores, and small or zero for outside": (
        "昨\tB_Time\n天\tI_Time\n雨\to\n停\t0\n",
        [[["昨", "天", "雨", "停"], ("昨天", "Time")]],
        ("IOB2 inferred",),
    ),
    "labels with separators": (
        "A\tB-creative-work\nB\tI-creative-work\nvan\tB-vehicle_type-suv\n",
        [[["A", "B", "van"], ("A B", "creative-work"), ("van", "vehicle_type-suv")]],
        ("IOB2 inferred",),
    ),
    "IOB1": (
        "Ada I-PER\nBob I-PER\nCy B-PER\nin O\nRome I-LOC\nBonn B-LOC\n",
        [[
            ["Ada", "Bob", "Cy", "in", "Rome", "Bonn"],
            ("Ada Bob", "PER"), ("Cy", "PER"), ("Rome", "LOC"), ("Bonn", "LOC"),
        ]],
        ("IOB1 inferred",),
    ),
    "BMES": (
        "高 B-NAME\n小 M-NAME\n明 E-NAME\n到 O\n京 S-LOC\n",
        [[["高", "小", "明", "到", "京"], ("高小明", "NAME"), ("京", "LOC")]],
        ("BMES inferred",),
    ),
    "BIOES": (
        "A\tB-X\nB\tI-X\nC\tE-X\nD\tS-X\n",
        [[["A", "B", "C", "D"], ("A B C", "X"), ("D", "X")]],
        ("BIOES inferred",),
    ),
    "BILOU": ("A\tB-X\nB\tL-X\nD\tU-X\n", [[["A", "B", "D"], ("A B", "X"), ("D", "X")]], ("BILOU inferred",)),
    "character and digit": (
        "口0\tB-BODY\n腔1\tI-BODY\n疼0\tO\n#0\tO\n\n50\tO\n年1\tO\n😀0\tO\n",
        [[["口", "腔", "疼", "#"], ("口腔", "BODY")], [["5", "年", "😀"]]],
        ("IOB2 inferred", "tokens are a character and a digit, which was left out"),
    ),
    "digits that are tokens": (
        "A1\tB-X\nB2\tO\nC3\tO\n",
        [[["A1", "B2", "C3"], ("A1", "X")]],
        ("IOB2 inferred",),
    ),
    "only outside": ("Rain\tO\nfell\tO\n", [[["Rain", "fell"]]], ()),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_of_columns(trap: str, tmp_path: Path) -> None:
    content, sentences, notes = TRAPS[trap]
    path = put(tmp_path, content)
    found = read(path)
    assert shown(found) == sentences
    assert found.notes == notes
    assert {document.split for document in found.documents} == {"train"}
    assert NER_FORMATS["conll"].detect(head(path))


def test_texts_join_words_and_part_no_unspaced_script(tmp_path: Path) -> None:
    path = put(tmp_path, "我\tO\n用\tO\nMac\tB-P\nOS\tI-P\n系统\tO\n。\tO\n")
    [document] = read(path).documents
    assert document.text == "我用Mac OS系统。"
    assert document.tokens == ((0, 1), (1, 2), (2, 5), (6, 8), (8, 10), (10, 11))


def test_comments_are_kept(tmp_path: Path) -> None:
    content = "# newdoc id = d\n# sent_id = s1\n# text = a = b\n# odd\n1\ta\tO\n\n-DOCSTART-\tO\n\n1\tb\tO\n"
    first, second = read(put(tmp_path, content)).documents
    assert first.id == "s1"
    assert first.meta == {"newdoc id": "d", "sent_id": "s1", "text": "a = b", "comments": ["odd"]}
    assert (second.id, second.meta) == ("", {"docstart": True})


def test_a_column_is_chosen(tmp_path: Path) -> None:
    path = put(tmp_path, "IL-2\tB-DNA\tB-protein\tx\ngene\tI-DNA\tO\tx\n")
    outer, inner = [["IL-2", "gene"], ("IL-2 gene", "DNA")], [["IL-2", "gene"], ("IL-2", "protein")]
    for column in (2, "2", -3):
        assert shown(read(path, tag_column=column)) == [outer]
    for column in (3, -2):
        assert shown(read(path, tag_column=column)) == [inner]
    assert shown(read(path, tag_column="all")) == [
        [["IL-2", "gene"], ("IL-2 gene", "DNA"), ("IL-2", "protein")]
    ]
    with pytest.raises(
        DataError, match=r"tag_column must be a column from 1 to 4, or from -1 to -4, or 'all'; got 9\."
    ):
        read(path, tag_column=9)
    with pytest.raises(DataError, match=r"tags in column 4; they have not. Leave out tag_column"):
        read(path, tag_column=4)


def test_repairs_are_counted_at_their_lines(tmp_path: Path) -> None:
    path = put(tmp_path, "a\tB-X\n\nb\tO\n\tO\nc\tI-Y\nd\tI-Y\n\ne\tI-Y\n")
    assert shown(read(path)) == [[["a"], ("a", "X")], [["b", "c", "d"], ("c d", "Y")], [["e"], ("e", "Y")]]
    assert (
        f"tags that do not fit IOB2, begun as entities: 2; the first: {path}:5"
        in read(path, scheme="IOB2").notes
    )
    assert shown(read(path, scheme="IOB2", repair="drop")) == [
        [["a"], ("a", "X")],
        [["b", "c", "d"]],
        [["e"]],
    ]
    with pytest.raises(DataError, match=r"data.conll:5: tag must fit IOB2; got 'I-Y' after 'O'\."):
        read(path, scheme="IOB2", repair="error")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tO\nb\tB-X\n" * 30 + "c\n", r":61: line must have 2 columns as the others; got 'c'\."),
        ("a\tO\nb\tB-X\n" * 30 + "c\tPER\n", r":61: tag must be O, or a letter, - or _, and a label; got 'PER' in"),
        ("a\tO\nb\tB-X\n" * 30 + "# late\n", r":61: tag must be O, or a letter, - or _, and a label; got 'late'"),
        ("# all\nof\tthis\nis\tno\n", r":2: line must be a token and a tag in columns; got 'of\\tthis'\."),
        ("a O\n" + "b x O\n" * 3 + "c O\n", r"data.conll: lines must have one number of columns, and tags in one;"),
        (b"a\tO\n\xd6\tO\n", r":2: must be UTF-8; got the byte 0xd6\. Convert it, e\.g\.: iconv -f GB18030"),
        (b"\xff\xfea\x00", r":1: must be UTF-8; got UTF-16"),
    ],
)  # fmt: skip
def test_lines_that_cannot_be_read(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(put(tmp_path, content))


def test_bad_lines_go_to_a_collector(tmp_path: Path) -> None:
    path = put(tmp_path, "a\tO\nb\tB-X\n" * 30 + "c\nd\tI-X\n")
    bad: list[tuple[str, str, str]] = []
    found = read(path, on_bad=lambda *what: bad.append(what))
    assert [(kind, origin) for kind, origin, _ in bad] == [("malformed", f"{path}:61")]
    assert shown(found)[0][0][-2:] == ["b", "d"]


def test_one_scheme_holds_for_all_files(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a\tI-X\nb\tB-X\n", "a"), put(tmp_path, "a\tI-X\n\nb\tB-X\n", "b")
    files = [File(first, "train"), File(second, "test")]
    found = NER_FORMATS["conll"].read(files)
    assert found.notes[0] == "IOB2 inferred"
    assert [document.split for document in found.documents] == ["train", "test", "test"]
    assert NER_FORMATS["conll"].read(files[:1]).notes == ("IOB1 inferred",)


@pytest.mark.parametrize(
    "content", ["plain words of a text\nand more\n", "a\tb\nc\td\n", "[entities]\nperson\n", ""]
)
def test_other_files_are_no_columns(tmp_path: Path, content: str) -> None:
    assert not NER_FORMATS["conll"].detect(head(put(tmp_path, content)))


def test_compressed_columns(tmp_path: Path) -> None:
    path = put(tmp_path, gzip.compress(b"Ada\tB-PER\n"), "train.conll.gz")
    assert shown(read(path)) == [[["Ada"], ("Ada", "PER")]]


ADVERSARIAL = (
    made("#", "😀", "e\u0301", "B-x", entities=((0, 2, "a, b"), (3, 4, "x; y: z"))),
    made("\u00a0", "\u3000", "\u2028", ";", ":", ",", entities=((1, 2, "人名"), (3, 6, "O"))),
    made(
        "\ufeff",
        "北",
        "京",
        "Mac",
        "OS",
        "👩‍👩‍👧",
        entities=((1, 3, "creative-work"), (3, 5, "date or period")),
    ),
    made("{{x:y}}", "नमस्ते", '"', "\\", "\r", entities=((0, 1, "_"), (2, 5, "B-I"))),
)


@pytest.mark.parametrize("first", range(len(ADVERSARIAL)))
@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BMES", "BILOU"])
@pytest.mark.parametrize(("format", "name"), [("conll", "x.conll"), ("hub", "x.parquet"), ("hub", "x.jsonl")])
def test_odd_tokens_and_labels_come_back_from_tags(
    tmp_path: Path, format: str, name: str, scheme: str, first: int
) -> None:
    documents = ADVERSARIAL[first:] + ADVERSARIAL[:first]
    path = tmp_path / name
    NER_FORMATS[format].write(documents, path, scheme=scheme)
    again = read(path, format=format, scheme=scheme).documents
    assert [(d.text, d.tokens, d.entities) for d in again] == [
        (d.text, d.tokens, d.entities) for d in documents
    ]


@pytest.mark.parametrize(
    ("format", "name"), [("gliner", "x.json"), ("gliner", "x.jsonl"), ("docbin", "x.spacy")]
)
def test_nested_entities_come_back(tmp_path: Path, format: str, name: str) -> None:
    entities = ((1, 4, "ORG"), (3, 4, "LOC"), (2, 5, "x"))
    nested = made("the", "Bank", "of", "China", "ran", entities=entities, id="n", meta={"a": [1]})
    path = tmp_path / name
    documents = (*ADVERSARIAL, nested)
    NER_FORMATS[format].write(documents, path)
    assert NER_FORMATS[format].detect(head(path))
    again = read(path, format=format).documents
    for old, new in zip(documents, again, strict=True):
        assert (new.text, new.id, new.meta) == (old.text, old.id, old.meta)
        assert sorted(new.entities, key=str) == sorted(old.entities, key=str)


def test_columns_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    write, path = NER_FORMATS["conll"].write, tmp_path / "x.conll"
    for token in ("a\tb", "a\nb", "-DOCSTART-"):
        with pytest.raises(
            DataError, match=r"token must have no tab and no line break, and not be -DOCSTART-; got "
        ):
            write([made(token)], path)
    with pytest.raises(DataError, match=r"label must have no tab and no line break; got 'x\\ty'"):
        write([made("a", entities=((0, 1, "x\ty"),))], path)
    with pytest.raises(DataError, match=r"document 'd' must have tokens; it has none"):
        write([Document("d", "a b")], path)
    with pytest.raises(
        DataError, match=r"entity must begin and end with tokens, in one piece; got \[\(0, 1\)\] 'x' in"
    ):
        write([Document("d", "ab", (Entity(0, 1, "x"),), tokens=((0, 2),))], path)
    with pytest.raises(DataError, match=r"entities must not overlap in tags"):
        write([made("a", "b", entities=((0, 2, "x"), (0, 1, "y")))], path)


def test_comments_come_back(tmp_path: Path) -> None:
    documents = [
        made("a", split="train", id="s", meta={"sent_id": "s", "text": "#1 = x", "comments": ["odd"]}),
        made("b", split="train", meta={"docstart": True}),
    ]
    path = tmp_path / "train.conll"
    assert write_corpus(Corpus("x", tuple(documents)), path, format="conll") == ()
    assert list(read(path).documents) == documents
    lost = made("c", meta={"docstart": 1, "comments": ["a\tb"], "a": "b\nc", "d = e": "f", "g": [1]})
    [loss] = write_corpus(Corpus("x", (lost,)), tmp_path / "y.conll", format="conll")
    assert (loss.kind, loss.count) == ("meta", 1)
    assert read(tmp_path / "y.conll").documents[0].meta == {}


# GLiNER


def test_gliner_ends_are_inclusive_and_empty_tokens_left_out(tmp_path: Path) -> None:
    row = {
        "tokenized_text": ["", "New", "", "York", "ran"],
        "ner": [[1, 3, "city"], [0, 1, "new"]],
        "id": 7,
        "x": 1,
    }
    found = read(put(tmp_path, json.dumps([row]), "x.json"), format="gliner")
    [document] = found.documents
    assert (document.id, document.text, document.meta) == ("7", "New York ran", {"x": 1})
    assert shown(found)[0][1:] == [("New York", "city"), ("New", "new")]
    assert found.notes == ("empty tokens, left out: 2",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokenized_text": ["a"], "ner": [[0, 1, "x"]]}, r"ner\[0\] must have 0 <= first <= last < 1, the number"),
        ({"tokenized_text": ["a"], "ner": [[0, "x"]]}, r"ner\[0\] must be \[first, last, label\]; got \[0, 'x'\]"),
        ({"tokenized_text": "a", "ner": []}, r"tokenized_text must be a list of texts; got 'a'"),
        ({"tokenized_text": ["a"], "ner": {}}, r"ner must be a list of \[first, last, label\]"),
        ({"tokenized_text": ["", "a"], "ner": [[0, 0, "x"]]}, r"entity must have words; got \[0, 0\] 'x'"),
        (1, r"row must have tokenized_text and ner; got 1"),
    ],
)  # fmt: skip
def test_gliner_rows_that_cannot_be_read(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(DataError, match=r"x.jsonl:1: " + message):
        read(put(tmp_path, json.dumps(row) + "\n", "x.jsonl"), format="gliner")


# rows of the hub

NAMES = ["O", "B-PER", "I-PER"]
ROW = {"id": "0", "tokens": ["Ada", "King", "ran"], "ner_tags": [1, 2, 0], "pos_tags": [1, 1, 2]}
READING: Sentences = [[["Ada", "King", "ran"], ("Ada King", "PER")]]


@pytest.mark.parametrize(
    "declared", ["parquet", "arrow", "dataset_info.json", "dataset_infos.json", "README.md"]
)
def test_numbered_tags_have_the_names_that_are_declared(tmp_path: Path, declared: str) -> None:
    feature = {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"}
    features = {
        "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"},
        "ner_tags": feature,
    }
    if declared in ("parquet", "arrow"):
        table = pa.Table.from_pylist([ROW])
        metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
        table = table.replace_schema_metadata(metadata)
        path = tmp_path / f"train.{declared}"
        if declared == "parquet":
            pq.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table)
    else:
        path = put(tmp_path, json.dumps(ROW), "train.jsonl")
        said: Any = {"features": features}
        if declared == "dataset_infos.json":
            said = {"default": said}
        text = json.dumps(said)
        if declared == "README.md":
            text = (
                "---\ndataset_info:\n  features:\n  - name: tokens\n    sequence: string\n  - name: ner_tags\n"
                "    sequence:\n      class_label:\n        names:\n          '0': O\n          '1': B-PER\n"
                "          '2': I-PER\n---\n# Title\n"
            )
        put(tmp_path, text, declared)
    found = read(path, format="hub")
    assert shown(found) == READING
    assert found.notes == ("IOB2 inferred",)
    assert found.documents[0].id == "0"
    assert found.documents[0].meta == {"pos_tags": [1, 1, 2]}
    assert NER_FORMATS["hub"].detect(head(path))


def test_tags_as_texts_and_empty_tokens(tmp_path: Path) -> None:
    row = {"tokens": ["Ada", "", "ran"], "tags": ["I-PER", "I-PER", "O"]}
    found = read(put(tmp_path, json.dumps(row), "x.jsonl"), format="hub")
    assert shown(found) == [[["Ada", "ran"], ("Ada", "PER")]]
    assert found.notes == ("IOB1 inferred", "empty tokens, left out: 1")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW, r"ner_tags\[0\] must be declared: features in the file, or dataset_info.json or README.md beside it;"),
        (ROW | {"ner_tags": ["O", "PER", "O"]}, r"ner_tags\[1\] must be O, or a letter, - or _, and a label; got "),
        (ROW | {"ner_tags": ["O"]}, r"ner_tags must be a list of 3 tags, one for each token; got 1"),
        (ROW | {"tokens": [1]}, r"tokens must be a list of texts; got \[1\]"),
        ({"tokens": []}, r"row must have tokens and ner_tags; got an object with keys tokens"),
    ],
)  # fmt: skip
def test_hub_rows_that_cannot_be_read(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(DataError, match=r"x.jsonl:1: " + message):
        read(put(tmp_path, json.dumps(row) + "\n", "x.jsonl"), format="hub")


def test_rows_of_a_dataset_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=NAMES)),
        }
    )
    rows = {"tokens": [ROW["tokens"]], "ner_tags": [ROW["ner_tags"]]}
    folder = tmp_path / "org" / "name"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    assert shown(read(folder / "train.parquet", format="hub")) == READING
    options: dict[str, Any] = {"scheme": None, "repair": "begin", "on_bad": print}
    found = from_hub("org/name", None, None, **options)
    assert sorted(document.split for document in found.documents) == ["test", "train"]
    assert shown(from_hub("org/name", None, "test", **options)) == READING
    with pytest.raises(DataError, match=r"split must be one of .*; got 'dev'\. Write org/name@"):
        from_hub("org/name", None, "dev", **options)


# DocBin


def test_docbin_of_spacy_itself(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    tokens = pytest.importorskip("spacy.tokens")
    doc = spacy.blank("en")("Ada King  of Rome\nran.")
    doc.ents = [doc.char_span(0, 8, "PER")]
    doc.spans["a"] = [doc.char_span(0, 17, "TITLE"), doc.char_span(0, 8, "PER")]
    doc.spans["b"] = [doc.char_span(13, 17, "LOC")]
    path = tmp_path / "dev.spacy"
    tokens.DocBin(docs=[doc], store_user_data=True).to_disk(path)
    found = read(path, format="docbin")
    [document] = found.documents
    assert document.text == "Ada King  of Rome\nran."
    assert shown(found) == [
        [
            ["Ada", "King", "of", "Rome", "ran", "."],
            ("Ada King", "PER"),
            ("Ada King  of Rome", "TITLE"),
            ("Rome", "LOC"),
        ]
    ]


def test_docbin_keeps_the_text(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy")
    tokens = pytest.importorskip("spacy.tokens")
    text = "  Ada  met\n\nBob . "
    document = Document(
        "", text, (Entity(2, 5, "PER"),), tokens=((2, 5), (7, 10), (12, 15), (16, 17)), split="train"
    )
    path = tmp_path / "x.spacy"
    NER_FORMATS["docbin"].write([document], path)
    assert list(read(path, format="docbin").documents) == [document]
    [doc] = tokens.DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    assert [(span.text, span.label_) for span in doc.ents] == [("Ada", "PER")]
    assert not doc.spans
    with pytest.raises(DataError, match=r"x.spacy: must be a DocBin; spaCy says: "):
        read(put(tmp_path, b"x\x9c", "x.spacy"), format="docbin")
