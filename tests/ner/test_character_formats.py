"""Formats of characters: every trap that people meet in files of them, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.ner import NER_FORMATS, Document, read_corpus
from assay.ner.formats import File, Read
from assay.ner.read import corpora


def read(path: Path, *, format: str, split: str = "", **options: Any) -> Read:
    return NER_FORMATS[format].read([File(path, split)], **options)


def put(folder: Path, *rows: Any, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def spans(document: Document) -> list[tuple[str, str]]:
    return [(document.surface(entity), entity.label) for entity in document.entities]


def collected(path: Path, *, format: str) -> tuple[Read, list[tuple[str, str, str]]]:
    found: list[tuple[str, str, str]] = []

    def on_bad(kind: str, origin: str, message: str) -> None:
        found.append((kind, origin.removeprefix(f"{path.parent}/"), message))

    return read(path, format=format, on_bad=on_bad), found


# B2NERD


def entity(name: str, kind: str | None, *pos: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "pos": list(pos)}


def test_b2nerd_array_and_lines(tmp_path: Path) -> None:
    rows = [
        {"sentence": "Ada met Bob.", "entities": [entity("Bob", "person", 8, 11)], "source": "x"},
        {"sentence": "No one.", "entities": [], "id": 7},
    ]
    (tmp_path / "train.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    for path in (tmp_path / "train.json", put(tmp_path, *rows)):
        found = read(path, format="b2nerd", split="train")
        assert [spans(one) for one in found.documents] == [[("Bob", "person")], []]
        assert [(one.id, one.split, one.meta) for one in found.documents] == [
            ("", "train", {"source": "x"}),
            ("7", "train", {}),
        ]
        assert found.notes == ()


def test_b2nerd_entities_without_offsets_are_located_from_left_to_right(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        {
            "sentence": "a us bus: us, us",
            "entities": [entity("us", "x"), entity("bus", "y"), entity("us", "x")],
        },
        {"sentence": "Bob saw Bob", "entities": [entity("Bob", "p"), entity("Bob", "p")]},
        {"sentence": "我爱北京", "entities": [entity("北京", "地名")]},
    )
    found = read(path, format="b2nerd")
    assert [[(e.start, e.end, e.label) for e in one.entities] for one in found.documents] == [
        [(2, 4, "x"), (5, 8, "y"), (10, 12, "x")],
        [(0, 3, "p"), (8, 11, "p")],
        [(2, 4, "地名")],
    ]
    assert found.notes == (
        f"the offsets of 4 entities were missing: located by their words; the first: 'bus' at {path}:1",
        "the offsets of 2 entities were missing, and the words occur more often than they are named: located from "
        f"left to right; the first: 'us' at {path}:1",
    )


def test_b2nerd_entities_of_no_type_are_left_out_and_counted(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        {
            "sentence": "Bob",
            "entities": [entity("Bob", "NA", 0, 3), entity("Bob", "", 0, 3), entity("Bob", None)],
        },
    )
    found = read(path, format="b2nerd")
    assert found.documents[0].entities == ()
    assert found.notes == ("left out 3 entities of the type NA or of none",)


def test_b2nerd_labels_are_those_of_the_file_beside(tmp_path: Path) -> None:
    path = put(tmp_path, {"sentence": "Bob", "entities": [entity("Bob", "person", 0, 3)]})
    assert read(path, format="b2nerd").labels == ()
    (tmp_path / "labels.json").write_text('["location", "NA", "person"]', encoding="utf-8")
    assert read(path, format="b2nerd").labels == ("location", "person")
    (tmp_path / "labels.json").write_text('{"person": 1}', encoding="utf-8")
    with pytest.raises(
        DataError, match=r"labels.json: must be a list of labels; got an object with keys person"
    ):
        read(path, format="b2nerd")


# offsets

EMOJI = "😀😀 Ada met Bob 😀 in Paris"


def placed(text: str, words: str, unit: str) -> list[int]:
    start = text.index(words)
    before, inside = text[:start], words
    if unit == "utf-16":
        a, b = len(before.encode("utf-16-le")) // 2, len(inside.encode("utf-16-le")) // 2
    elif unit == "bytes":
        a, b = len(before.encode()), len(inside.encode())
    else:
        a, b = len(before), len(inside) - (unit == "inclusive")
    return [a, a + b]


@pytest.mark.parametrize("unit", ["code points", "inclusive", "utf-16", "bytes"])
def test_the_unit_of_offsets_is_chosen_for_the_whole_corpus(tmp_path: Path, unit: str) -> None:
    names = ("Ada", "Bob", "Paris")
    row = {"sentence": EMOJI, "entities": [entity(name, "x", *placed(EMOJI, name, unit)) for name in names]}
    found = read(put(tmp_path, row), format="b2nerd")
    assert spans(found.documents[0]) == [(name, "x") for name in names]
    said = {
        "code points": (),
        "inclusive": (
            "offsets are read as code points to the last character: 3 of 3 entities fit so, "
            "0 as code points to before the end",
        ),
        "utf-16": (
            "offsets are read as UTF-16 units: 3 of 3 entities fit so, 0 as code points to before the end",
        ),
        "bytes": (
            "offsets are read as UTF-8 bytes: 3 of 3 entities fit so, 0 as code points to before the end",
        ),
    }
    assert found.notes == said[unit]
    assert read(put(tmp_path, row), format="b2nerd", offsets=unit).documents == found.documents


def test_one_entity_that_does_not_fit_is_mended_alone(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        {
            "sentence": "Ada met Bob in Paris",
            "entities": [entity("Ada", "x", 0, 3), entity("Bob", "x", 8, 10)],
        },
        {
            "sentence": "Ada met Bob in Paris",
            "entities": [entity("Paris", "x", 1, 6), entity("Ada", "x", 0, 3)],
        },
        {"sentence": "a us bus", "entities": [entity("us", "x", 0, 2)]},
    )
    found = read(path, format="b2nerd")
    assert [spans(one) for one in found.documents] == [
        [("Ada", "x"), ("Bob", "x")],
        [("Paris", "x"), ("Ada", "x")],
        [("us", "x")],
    ]
    assert found.documents[2].entities[0].start == 2  # the one between word bounds
    assert found.notes == (
        f"the offsets of 1 entity ended on the last character, unlike the others; the first: 'Bob' at {path}:1",
        f"the offsets of 2 entities were wrong, and are now those of the only place of its words; the first: 'Paris' "
        f"at {path}:2",
    )


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        (
            entity("Bob", "x", 0, 3),
            "surface",
            "entity must have the words that it names, 'Bob'; got 'a B' at [0, 3] x.",
        ),
        (entity("Cy", "x"), "unlocated", "entity must stand in the text; got 'Cy' (x), which does not."),
        (entity("", "x", 2, 2), "empty", "entity must have start < end; got [2, 2] x."),
        (
            entity("Bobby", "x", 2, 70),
            "out_of_range",
            "entity must lie inside the text of 9 characters; got [2, 70] x.",
        ),
        (entity("Bob", "x", 2), "malformed", "pos must be [start, end] or []; got [2]."),
        (entity("", "x"), "malformed", "entity must have a name or a pos; got neither."),
        ({"name": "Bob", "type": 3, "pos": [0, 3]}, "malformed", "type must be a string; got 3."),
        (
            {"name": "Bob", "type": "x", "pos": ["0", 3]},
            "malformed",
            "offsets must be two whole numbers; got ['0', 3].",
        ),
    ],
)
def test_what_cannot_be_mended_stops_or_is_collected(
    tmp_path: Path, bad: dict[str, Any], kind: str, message: str
) -> None:
    good = {"sentence": "Ada", "entities": [entity("Ada", "x", 0, 3)]}
    path = put(tmp_path, good, {"sentence": "a Bob Bob", "entities": [bad]})
    with pytest.raises(DataError) as caught:
        read(path, format="b2nerd")
    assert str(caught.value) == f"{path}:2: {message}"
    found, bads = collected(path, format="b2nerd")
    assert bads == [(kind, "data.jsonl:2", message)]
    assert spans(found.documents[0]) == [("Ada", "x")]
    assert len(found.documents) == (1 if kind == "malformed" else 2)


def test_offsets_that_are_given_are_not_mended(tmp_path: Path) -> None:
    path = put(tmp_path, {"sentence": "Ada met Bob", "entities": [entity("Bob", "x", 8, 10)]})
    with pytest.raises(DataError, match="got 'Bo' at"):
        read(path, format="b2nerd", offsets="code points")
    with pytest.raises(
        DataError, match="offsets must be one of code points, inclusive, utf-16, bytes; got 'utf16'"
    ):
        read(path, format="b2nerd", offsets="utf16")


def test_without_words_offsets_are_taken_as_they_are_while_they_lie_inside(tmp_path: Path) -> None:
    """doccano names no words, so that only a range tells: the second text ends at 6 code points and 7 UTF-16 units."""
    inside = put(tmp_path, {"text": "Ada 😀", "label": [[0, 3, "x"]]})
    assert read(inside, format="doccano").notes == ()
    path = put(
        tmp_path, {"text": "Ada 😀", "label": [[0, 3, "x"]]}, {"text": "😀 Ada", "label": [[3, 6, "x"]]}
    )
    found = read(path, format="doccano")
    assert [spans(one) for one in found.documents] == [[("Ada", "x")], [("Ada", "x")]]
    assert found.notes == (
        "offsets are read as UTF-16 units: 2 of 2 entities fit so, 1 as code points to before the end",
    )
    cut = put(tmp_path, {"text": "😀 Ada", "label": [[1, 60, "x"]]})
    with pytest.raises(DataError, match=r"entity must lie inside the text of 5 characters; got \[1, 60\] x"):
        read(cut, format="doccano")


def test_json_that_is_none_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"sentence": "a", "entities": []}\n{broken\n3\n{"sentence": "b", "entities": []}\n')
    with pytest.raises(
        DataError, match=r"data.jsonl:2: row must be JSON; expecting property name .* in '{broken'"
    ):
        read(path, format="b2nerd")
    found, bads = collected(path, format="b2nerd")
    assert [one.text for one in found.documents] == ["a", "b"]
    assert [(kind, where) for kind, where, _ in bads] == [
        ("malformed", "data.jsonl:2"),
        ("malformed", "data.jsonl:3"),
    ]
    path.write_bytes(b'{"sentence": "caf\xe9", "entities": []}\n')
    with pytest.raises(DataError, match="must be UTF-8"):
        read(path, format="b2nerd")


# brat


def brat(folder: Path, text: bytes, *lines: str) -> Path:
    (folder / "a.txt").write_bytes(text)
    path = folder / "a.ann"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
    return path


def test_brat_discontinuous_entities_attributes_notes_and_the_rest(tmp_path: Path) -> None:
    path = brat(
        tmp_path,
        b"North and South Korea",
        "T1\tPlace 10 21\tSouth Korea",
        "T2\tPlace 0 5;16 21\tNorth Korea",
        "A1\tHistoric T2",
        "A2\tSure T1 high",
        "#1\tAnnotatorNotes T2\ttwo words",
        "R1\tBorders Arg1:T1 Arg2:T2",
        "*\tEquiv T1 T2",
    )
    [document] = read(path, format="brat", split="train").documents
    assert spans(document) == [("South Korea", "Place"), ("North Korea", "Place")]
    assert document.entities[1].spans == ((0, 5), (16, 21))
    assert [dict(e.meta) for e in document.entities] == [
        {"id": "T1", "Sure": "high"},
        {"id": "T2", "Historic": True, "AnnotatorNotes": "two words"},
    ]
    assert document.meta == {"brat": ["R1\tBorders Arg1:T1 Arg2:T2", "*\tEquiv T1 T2"]}
    assert (document.id, document.split) == ("a", "train")


def test_brat_line_ends_of_two_characters_count_two(tmp_path: Path) -> None:
    path = brat(tmp_path, b"Ada\r\nmet\r\nBob Bob", "T1\tP 10 13\tBob", "T2\tP 0 8\tAda met")
    found = read(path, format="brat")
    assert [(e.start, e.end) for e in found.documents[0].entities] == [(10, 13), (0, 8)]
    assert found.documents[0].text == "Ada\r\nmet\r\nBob Bob"
    assert found.notes == ()


def test_brat_utf_16(tmp_path: Path) -> None:
    path = brat(tmp_path, "😀 Bob 😀 Bob".encode(), "T1\tP 10 13\tBob", "T2\tP 3 6;10 13\tBob Bob")
    found = read(path, format="brat")
    assert [e.parts for e in found.documents[0].entities] == [((8, 11),), ((2, 5), (8, 11))]
    assert found.notes[0].startswith("offsets are read as UTF-16 units: 2 of 2 entities fit so, 0 as")


def test_brat_refuses(tmp_path: Path) -> None:
    path = brat(tmp_path, b"Bob", "T1\tP 0 3", "T2\tP 0-3\tBob")
    with pytest.raises(DataError) as caught:
        read(path, format="brat")
    assert (
        str(caught.value)
        == f"{path}:1: entity must be id, label with offsets, words, by tabs; got 'T1\\tP 0 3'."
    )
    _, bads = collected(path, format="brat")
    assert bads[1] == ("malformed", "a.ann:2", "entity must be a label and offsets as 0 5;8 10; got 'P 0-3'.")
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match=r"a.ann: must have its text beside it; there is no a.txt."):
        read(path, format="brat")


# Label Studio


def task(*annotations: dict[str, Any], **data: str) -> dict[str, Any]:
    return {"id": 5, "data": data or {"text": "Ada met Bob"}, "annotations": list(annotations), "project": 1}


def annotation(*results: tuple[int, int, list[str]], number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "result": [
            {
                "type": "labels",
                "value": {"start": start, "end": end, "text": "Ada met Bob"[start:end], "labels": labels},
            }
            for start, end, labels in results
        ],
        **more,
    }


def test_label_studio_each_annotation_is_a_document_and_each_label_an_entity(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        task(
            annotation((0, 3, ["person", "poet"])),
            annotation((8, 11, ["person"]), number=2, completed_by=9),
            annotation((0, 11, ["x"]), number=3, was_cancelled=True),
        ),
        task(annotation((0, 11, ["x"]), was_cancelled=True)),
        task(annotation((0, 3, ["person"]))),
    )
    found = read(path, format="label_studio")
    assert [(one.id, spans(one)) for one in found.documents] == [
        ("5:1", [("Ada", "person"), ("Ada", "poet")]),
        ("5:2", [("Bob", "person")]),
        ("5", [("Ada", "person")]),
    ]
    assert found.documents[1].meta == {"project": 1, "data": {}, "annotation": {"id": 2, "completed_by": 9}}
    assert found.notes == (
        "left out 2 annotations that were cancelled",
        "left out 1 tasks that nobody has annotated",
    )


def test_label_studio_short_form_other_text_keys_and_results_that_are_no_spans(tmp_path: Path) -> None:
    short = {
        "id": 1,
        "text": "Ada",
        "label": [{"start": 0, "end": 3, "text": "Ada", "labels": ["p"]}],
        "rater": "z",
    }
    [document] = read(put(tmp_path, short), format="label_studio").documents
    assert (document.id, spans(document), document.meta) == ("1", [("Ada", "p")], {"rater": "z"})
    other = task(annotation((0, 3, ["p"])), review="Ada met Bob")
    other["annotations"][0]["result"].append({"type": "choices", "value": {"choices": ["good"]}})
    found = read(put(tmp_path, other), format="label_studio")
    assert spans(found.documents[0]) == [("Ada", "p")]
    assert found.notes == ("left out 1 results that are no spans of text",)
    with pytest.raises(DataError, match=r"data must have a text; got an object with keys a, b."):
        read(put(tmp_path, task(annotation(), a="x", b="y")), format="label_studio")


# Prodigy


def test_prodigy_reads_what_was_accepted_once(tmp_path: Path) -> None:
    spans_ = [{"start": 0, "end": 3, "label": "P", "token_start": 0, "token_end": 0}]
    tokens = [{"text": "Ada", "start": 0, "end": 3, "id": 0}, {"text": "met", "start": 4, "end": 7, "id": 1}]
    path = put(
        tmp_path,
        {"text": "Ada met", "spans": spans_, "answer": "accept", "_task_hash": 1, "tokens": tokens},
        {"text": "Ada met", "spans": spans_, "answer": "accept", "_task_hash": 1},
        {"text": "Bob", "spans": [], "answer": "reject", "_task_hash": 2},
        {"text": "Cy", "spans": [], "answer": "ignore", "_task_hash": 3},
        {"text": "Di", "answer": "accept", "_task_hash": 4},
        {"text": "Ed", "spans": []},
    )
    found = read(path, format="prodigy")
    assert [(one.text, spans(one)) for one in found.documents] == [
        ("Ada met", [("Ada", "P")]),
        ("Di", []),
        ("Ed", []),
    ]
    assert found.documents[0].tokens == ((0, 3), (4, 7))
    assert found.documents[0].entities[0].meta == {"token_start": 0, "token_end": 0}
    assert found.notes == (
        "left out 1 records of a task that came before (_task_hash)",
        "left out 1 records with the answer 'ignore'",
        "left out 1 records with the answer 'reject'",
    )


# doccano


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Ada met", "label": [[0, 3, "P"]]},
        {"data": "Ada met", "labels": [[0, 3, "P"]]},
        {"text": "Ada met", "entities": [{"id": 4, "label": "P", "start_offset": 0, "end_offset": 3}]},
    ],
)
def test_doccano_in_its_versions(tmp_path: Path, row: dict[str, Any]) -> None:
    [document] = read(put(tmp_path, row | {"Comments": ["ok"]}), format="doccano").documents
    assert (spans(document), document.meta) == ([("Ada", "P")], {"Comments": ["ok"]})


def test_doccano_refuses(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":1: label must hold \[start, end, label\]; got \[0, 3\]."):
        read(put(tmp_path, {"text": "Ada", "label": [[0, 3]]}), format="doccano")
    with pytest.raises(DataError, match=r":1: label must be a string; got null."):
        read(put(tmp_path, {"text": "Ada", "label": [[0, 3, None]]}), format="doccano")


# CLUENER


def test_cluener_ends_are_inclusive_and_objects_may_be_printed_one_after_the_other(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "我爱北京,北京", "label": {"address": {"北京": [[2, 3], [5, 6]]}}},
        {"text": "京", "label": {"name": {"京": [[0, 0]]}}},
        {"id": 0, "text": "没有"},
    ]
    path = tmp_path / "train.json"
    path.write_text(
        "\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    for file in (path, put(tmp_path, *rows)):
        found = read(file, format="cluener")
        assert [[(e.start, e.end, e.label) for e in one.entities] for one in found.documents] == [
            [(2, 4, "address"), (5, 7, "address")],
            [(0, 1, "name")],
        ]
        assert found.notes == ("left out 1 records without labels",)


def test_cluener_with_half_open_ends_is_told(tmp_path: Path) -> None:
    found = read(put(tmp_path, {"text": "我爱北京", "label": {"a": {"北京": [[2, 4]]}}}), format="cluener")
    assert spans(found.documents[0]) == [("北京", "a")]
    assert found.notes == (
        "offsets are read as code points to before the end: 1 of 1 entities fit so, "
        "0 as code points to the last character",
    )


def test_a_broken_object_among_several_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{\n"text": "a",\n"label": {}\n}\n{\n"text": b\n}\n', encoding="utf-8")
    found, bads = collected(path, format="cluener")
    assert [one.text for one in found.documents] == ["a"]
    assert [(kind, where) for kind, where, _ in bads] == [("malformed", "train.json:5")]
    assert bads[0][2].endswith("The rest of the file is not read.")


# Boson


def test_boson_markup_is_taken_out_and_may_nest(tmp_path: Path) -> None:
    path = tmp_path / "boson.txt"
    path.write_text(
        "{{time:今天}}在{{org_name:{{location:北京}}大学}}\\n看\r\n\n没有\n", encoding="utf-8", newline=""
    )
    found = read(path, format="boson")
    assert [(one.text, spans(one)) for one in found.documents] == [
        ("今天在北京大学\\n看", [("今天", "time"), ("北京大学", "org_name"), ("北京", "location")]),
        ("没有", []),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a{{time:b", "{{time: must be closed by }} in its line; it is not."),
        ("ab}}", "}} must close {{type:words; got 'ab}}'."),
        ("{{time:}}", "entity must be {{type:words}}; got '{{time:}}'."),
    ],
)
def test_boson_refuses(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "boson.txt"
    path.write_text(f"{{{{x:y}}}}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(path, format="boson")
    assert str(caught.value) == f"{path}:2: {message}"


# assay's own


def test_documents_refuse_what_breaks_their_laws(tmp_path: Path) -> None:
    head = {
        "format": "assay.ner.documents/1",
        "labels": [],
        "name": "a",
        "language": "",
        "licence": "",
        "source": "",
    }
    path = put(tmp_path, head, {"id": "1", "text": "Bob", "entities": [{"start": 0, "end": 9, "label": "x"}]})
    with pytest.raises(
        DataError, match=r"data.jsonl:2: entity must end inside the text of 3 characters; got \[0, 9\)"
    ):
        read(path, format="documents")
    with pytest.raises(DataError, match=r"format must be assay.ner.documents/1 in the first line; got null"):
        read(put(tmp_path, {"id": "1"}), format="documents")


# through read_corpus: every format is told, a folder has its splits

FIRST_ROWS: dict[str, dict[str, Any]] = {
    "b2nerd": {"sentence": "Ada", "entities": [entity("Ada", "p", 0, 3)]},
    "label_studio": task(annotation((0, 3, ["p"]))),
    "prodigy": {"text": "Ada", "spans": [{"start": 0, "end": 3, "label": "p"}], "answer": "accept"},
    "doccano": {"text": "Ada", "label": [[0, 3, "p"]]},
    "cluener": {"text": "Ada", "label": {"p": {"Ada": [[0, 2]]}}},
}


@pytest.mark.parametrize("name", FIRST_ROWS)
def test_every_format_is_told_from_its_first_record(tmp_path: Path, name: str) -> None:
    (tmp_path / "mini").mkdir()
    put(tmp_path / "mini", FIRST_ROWS[name], name="train.jsonl")
    (tmp_path / "mini" / "test.json").write_text(json.dumps(FIRST_ROWS[name], indent=2), encoding="utf-8")
    corpus = read_corpus(tmp_path / "mini")
    assert corpus.notes == (f"read as {name}",)
    assert corpus.splits == ("train", "test")
    assert [spans(one) for one in corpus.documents] == [[("Ada", "p")]] * 2


def test_a_tree_of_b2nerd(tmp_path: Path) -> None:
    for folder, row in (
        ("NER_en/mini", {"sentence": "Ada", "entities": [entity("Ada", "person", 0, 3)]}),
        ("NER_zh/迷你", {"sentence": "北京", "entities": [entity("北京", "地名")]}),
    ):
        path = tmp_path / "B2NERD" / folder
        path.mkdir(parents=True)
        for split in ("train", "dev", "test"):
            (path / f"{split}.json").write_text(json.dumps([row]), encoding="utf-8")
        (path / "labels.json").write_text(json.dumps(["other", row["entities"][0]["type"]]), encoding="utf-8")
    paths = corpora(tmp_path / "B2NERD")
    found = [read_corpus(path) for path in paths]
    assert [(one.name, one.language, one.splits, one.labels) for one in found] == [
        ("mini", "en", ("train", "dev", "test"), ("other", "person")),
        ("迷你", "zh", ("train", "dev", "test"), ("other", "地名")),
    ]
    with pytest.raises(DataError, match="path must be one corpus"):
        read_corpus(tmp_path / "B2NERD")


def test_a_folder_of_brat(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("Ada met Bob")
        (tmp_path / f"{number}.ann").write_text("T1\tP 0 3\tAda\n" if number else "")
    corpus = read_corpus(tmp_path, name="mini")
    assert [(one.id, one.split, spans(one)) for one in corpus.documents] == [
        ("0", "", []),
        ("1", "", [("Ada", "P")]),
        ("2", "", [("Ada", "P")]),
    ]
    assert corpus.notes == ("read as brat",)
