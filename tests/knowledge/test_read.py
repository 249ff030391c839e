"""Facts in every shape, told from their content, and what is said of those that are of none."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.knowledge import FACT_FORMATS, Facts, Question, read_facts, write_facts
from tests.knowledge import made


def test_entityquestions(tmp_path: Path) -> None:
    facts = read_facts(made.entityquestions(tmp_path / "eq"))
    assert (facts.name, facts.format, facts.templates) == ("eq", "entityquestions", {})
    # train before test, relations in the paper's order, then others
    assert [question.id for question in facts.questions] == [
        "train:P36:1", "train:P36:2", "train:P131:1", "train:P131:2", "train:P276:1", "train:P276:2", "train:P276:3",
        "test:P36:1", "test:P31:1",
    ]  # fmt: skip
    assert facts.questions[2] == Question(
        "train:P131:1", "Ulm", "P131", "Where is Ulm located?", ("Tübingen", "Swabia"), (), "ID", "train"
    )
    assert facts.questions[-1].domain == ""
    one = read_facts(tmp_path / "eq" / "test" / "P36.test.json")
    assert one.questions == (facts.questions[-2],)


def test_entityquestions_needs_its_templates(tmp_path: Path) -> None:
    folder = made.entityquestions(tmp_path / "eq")
    made.write(folder / "train" / "P36.train.json", [{"question": "Capital of Ulm?", "answers": ["Ulm"]}])
    with pytest.raises(
        DataError, match=r"P36.train.json:1: question must be of the form 'What is .*\?'; got 'Capi"
    ):
        read_facts(folder)
    made.write(folder / "relation_query_templates.json", {"P36": "Who?"})
    with pytest.raises(DataError, match=r"templates.json: P36 must be a text with one \[X\]; got 'Who\?'"):
        read_facts(folder)
    (folder / "relation_query_templates.json").unlink()
    with pytest.raises(
        DataError, match=r"must have relation_query_templates.json beside it or in the folder"
    ):
        read_facts(folder)


def test_pararel(tmp_path: Path) -> None:
    facts = read_facts(made.pararel(tmp_path))
    assert facts.templates == {"P36": ("The chief town of [X] is", "[X] looks up to")}
    assert {question.id: question.prompt for question in facts.questions} == {
        "P1:1": "Saxony",
        "P2:1": "Saxony",
        "P36:1": "The chief town of Saxony is",
    }
    assert facts.notes[1:] == (
        "5 patterns of 2 relations, 2 of which end with the object",
        "no pattern that ends with the object: P1, P2; the subject alone is the prompt",
    )
    alone = read_facts(tmp_path / "trex_lms_vocab" / "P36.jsonl")
    assert alone.questions == facts.questions[2:]
    assert alone.templates == facts.templates


def test_lre(tmp_path: Path) -> None:
    facts = read_facts(made.lre(tmp_path))
    assert facts.templates == {"river_mouth": ("[X] flows into the", "Where does [X] end? In the")}
    assert facts.questions[1] == Question(
        "river_mouth:2", "The Inn", "river_mouth", "The Inn flows into the", ("Danube",)
    )
    assert facts.notes[1] == "1 templates for a few examples and 2 for none, of 1 relations"


def test_lists_of_questions(tmp_path: Path) -> None:
    made.write(tmp_path / "open-1.dev.jsonl", [{"question": "who?", "answer": ["Ada", "Ada L."]}])
    made.write(tmp_path / "open-2.dev.jsonl", [{"question": "what?", "answers": ["a loom"]}])
    made.write(
        tmp_path / "zh.jsonl",
        [{"id": "z", "primary_category": "水", "question": "谁？", "answer": "我", "urls": ["u"]}],
    )
    assert read_facts(tmp_path).questions == (
        Question("dev:1", "", "", "who?", ("Ada", "Ada L."), split="dev"),
        Question("dev:2", "", "", "what?", ("a loom",), split="dev"),
        Question("z", "", "水", "谁？", ("我",)),
    )


def test_triples(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"subject": "the Inn", "relation": "mouth", "object": "Danube"},
        {
            "subject": "the Elbe",
            "relation": "mouth",
            "answers": ["North Sea"],
            "aliases": "German Ocean",
            "prompts": ["[X] ends in", "The mouth of the Elbe is in"],
            "split": "test",
            "domain": "OOD",
        },
    ]
    file = made.write(tmp_path / "rivers.jsonl", rows)
    expected = (
        Question("rivers:mouth:1", "the Inn", "mouth", "the Inn mouth", ("Danube",)),
        Question(
            "rivers:mouth:2",
            "the Elbe",
            "mouth",
            "the Elbe ends in",
            ("North Sea",),
            ("German Ocean",),
            "OOD",
            "test",
            ("the Elbe ends in", "The mouth of the Elbe is in"),
        ),
    )
    assert read_facts(file).questions == expected
    (tmp_path / "rivers.csv").write_text("subject,relation,object,aliases\nthe Inn,mouth,Danube,\n")
    assert read_facts(tmp_path / "rivers.csv").questions == expected[:1]
    packed = tmp_path / "packed" / "rivers.jsonl.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_facts(packed.parent, name="x").questions == expected
    assert read_facts(packed.parent, name="x").name == "x"


def test_known_facts(tmp_path: Path) -> None:
    row = {
        "known_id": 0,
        "subject": "Ulm",
        "attribute": "Swabia",
        "template": "{} is",
        "relation_id": "P1",
        "prompt": "Ulm is in",
    }
    file = made.write(tmp_path / "known.json", [row])
    assert read_facts(file).questions == (
        Question("known:1", "Ulm", "P1", "Ulm is in", ("Swabia",), statements=("Ulm is in",)),
    )


texts = st.text(min_size=1).filter(
    lambda text: text.strip() and not any("\ud800" <= c <= "\udfff" for c in text)
)
names = st.one_of(st.just(""), texts)
questions = st.builds(
    Question, texts, names, names, texts, st.lists(texts, min_size=1).map(tuple), st.lists(texts).map(tuple),
    names, names, st.lists(texts.filter(lambda one: "[X]" not in one)).map(tuple),
)  # fmt: skip


@settings(derandomize=True, max_examples=60)
@given(st.lists(questions, min_size=1, max_size=4))
def test_written_and_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Question]) -> None:
    rows = [replace(question, id=f"{number}{question.id}") for number, question in enumerate(rows)]
    file = tmp_path_factory.mktemp("back") / "test.jsonl"
    assert write_facts(rows, file) == len(rows)
    # a split that is left out is that of the file's name
    assert read_facts(file).questions == tuple(replace(q, split=q.split or "test") for q in rows)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"question": "who?", "answers": []}, r"x.jsonl:1: answers must be a text or a list of texts, at least 1"),
        ({"question": "who?", "answer": " "}, r"x.jsonl:1: answer must be a text or a list of texts, at least 1"),
        ({"question": "who?", "answer": None}, r"x.jsonl:1: answer must be .*; got null\."),
        ({"question": "", "answer": "a"}, r"x.jsonl:1: question must be a text that is not empty; got ''\."),
        ({"subject": "a", "relation": "b", "object": 12}, r"x.jsonl:1: object must be .*; got 12\."),
        ({"subject": "", "relation": "", "object": "a"}, r"x.jsonl:1: subject must be a text that is not empty"),
        ({"samples": [], "prompt_templates": ["{}"]}, r"x.jsonl:1: samples must be a list that is not empty; got"),
        ({"samples": [1], "prompt_templates": ["{}"]}, r"x.jsonl:1: samples\[0\] must be an object; got 1\."),
        ({"samples": [], "prompt_templates": ["a"]}, r"x.jsonl:1: prompt_templates must have one \{\} each"),
        ({"sub_label": "a", "obj_label": ""}, r"x.jsonl:1: obj_label must be a text that is not empty; got ''\."),
        ({"instruction": "a", "output": "b"}, r"path must be facts of a known shape \(entityquestions, .*\); .* has an "
         r"object with keys instruction, output"),
    ],
)  # fmt: skip
def test_rows_that_are_none(tmp_path: Path, row: dict[str, Any], fault: str) -> None:
    file = made.write(tmp_path / "x.jsonl", [row])
    with pytest.raises(DataError, match=fault):
        read_facts(file)


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="path must be an existing file or folder; there is no"):
        read_facts(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"path must be facts of a known shape .* has no data files"):
        read_facts(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"path must end as one of .json, "):
        read_facts(tmp_path / "a.txt")
    made.entityquestions(tmp_path / "eq")
    made.pararel(tmp_path / "pararel")
    with pytest.raises(
        DataError, match=r"facts of one shape; .* has entityquestions \(eq/.*\), pararel \(pararel/"
    ):
        read_facts(tmp_path)
    with pytest.raises(
        DataError, match=r"format must be one of entityquestions, .*; got 'lra'. Did you mean 'lre'"
    ):
        read_facts(tmp_path, format="lra")
    file = made.write(tmp_path / "x.jsonl", [{"question": "a", "answer": "b"}])
    file.write_text(file.read_text() + '{"question": \n')
    with pytest.raises(DataError, match=r"x.jsonl:2: row must be JSON"):
        read_facts(file)
    with pytest.raises(DataError, match=r"x.jsonl:1: row must be an object; got 1"):
        read_facts(made.write(tmp_path / "x.jsonl", [1]), format="triples")
    with pytest.raises(DataError, match=r"relation_query_templates.json must hold at least one question"):
        read_facts(tmp_path / "eq" / "relation_query_templates.json")


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    made.lre(tmp_path)
    (tmp_path / "other.json").write_text('{\n"a": 1}')
    assert read_facts(tmp_path).notes[-1] == "not read: other.json"


def test_questions_have_laws() -> None:
    with pytest.raises(DataError, match="answers must have at least one answer; got none"):
        Question("1", "", "", "who?", ())
    with pytest.raises(DataError, match="aliases must be texts that are not empty; got ''"):
        Question("1", "", "", "who?", ("a",), ("",))
    with pytest.raises(DataError, match="prompt must be a text that is not empty; got ' '"):
        Question("1", "", "", " ", ("a",))
    one = Question("1", "", "", "who?", ("a",))
    with pytest.raises(DataError, match="id must be unique in a set; got '1' twice"):
        Facts("x", "triples", (one, one))


def test_every_row_of_the_table_is_read(tmp_path: Path) -> None:
    for row in FACT_FORMATS.values():
        assert row.filename or row.fields, row.name
        assert row.summary
        assert row.source
    assert json.dumps([row.name for row in FACT_FORMATS.values()])
