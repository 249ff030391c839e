"""Laws of the templates that come with assay, and what is refused in a user's file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.errors import DataError
from assay.knowledge import (
    RELATIONS,
    Facts,
    Question,
    builtin_templates,
    read_templates,
    statements,
    template_fault,
    templates_of,
)

ALL = [(relation, one) for relation, listed in builtin_templates().items() for one in listed]
# what a template of a relation must speak of
CUES = {
    "P17": "countr|nation|sovereign",
    "P19": "birth|born|came into the world",
    "P20": r"deaths?\b|deathplace|died|passed away|life of .* ended|last breath",
    "P36": "capital",
    "P69": "educat|stud(y|ie)|student|school|alma|alumni|classes|institution",
    "P131": "administ|municipality|jurisdiction|subnational|regional government",
    "P159": "headquarter|(head|main|principal) offices?",
    "P276": r"locat|venue|\bsite\b|\bspot\b|situated|hosts|whereabouts",
    "P495": "(origin|creat|first made|produced|gave the world|comes from).*|.*origin",
    "P740": r"place|city|location|home",
    "P26": r"spouse|marri|wed|husband or wife|tied the knot",
    "P40": "child|parent|son or daughter|father or mother|offspring|descendant|family tree",
    "P50": r"author|writ|wrote|\bpen\b|text",
    "P106": r"occupation|profession|trade|works?\b|a living|job|career|working life",
    "P112": r"found|established|set up|started",
    "P127": r"\bown|propert|possession|assets|proprietor|holdings|legal title",
    "P136": "genre",
    "P170": "creat|brainchild|imagination|originator",
    "P175": r"perform|sung or played|on \[X\]|recording artist",
    "P176": "manufactur|maker|company|factories|firm|producer",
    "P264": "label|record company",
    "P407": "language|tongue|translation|Linguistic",
    "P413": "position|team|line-up|player|matches",
    "P800": "work|masterpiece",
}
# what only templates of these relations may speak of, so that none is true of another relation
RESERVED = {
    "birth|born": {"P19"},
    r"\b(death|died|passed away|obituar)": {"P20"},
    "capital": {"P36"},
    "administ|municipal|jurisdiction": {"P131"},
    "headquarter|(head|main|principal) office": {"P159"},
    r"countr|\bnation|sovereign": {"P17", "P495"},
    "origin": {"P495", "P740", "P170", "P407"},
    "spouse|marri|wedd|husband": {"P26"},
    r"\b(child|parent|offspring|daughter|descendant)": {"P40"},
    "author|wrote|writ": {"P50", "P407"},
    "occupation|profession|job": {"P106"},
    r"\bfound(ed|er|ers|ing|ation)\b": {"P112", "P740"},
    r"\bown(s|ed|er|ership)\b": {"P127"},
    "genre": {"P136"},
    "creat": {"P170", "P495"},
    "perform": {"P175"},
    "manufactur": {"P176"},
    r"\blabel\b": {"P264"},
    "language": {"P407"},
    "position|team": {"P413"},
    "famous|notable|masterpiece": {"P800"},
}


def test_every_relation_has_21() -> None:
    assert {relation: len(listed) for relation, listed in builtin_templates().items()} == dict.fromkeys(
        RELATIONS, 21
    )
    assert set(CUES) == set(RELATIONS)


def test_no_two_say_the_same() -> None:
    plain = [re.sub(r"\W+", " ", one.casefold()) for _, one in ALL]
    assert len(set(plain)) == len(ALL)


@pytest.mark.parametrize("relation", RELATIONS)
def test_each_is_true_of_its_relation_only(relation: str) -> None:
    for one in builtin_templates()[relation]:
        assert re.search(CUES[relation], one, re.IGNORECASE), one
        for words, allowed in RESERVED.items():
            assert relation in allowed or not re.search(words, one.replace("[X]", ""), re.IGNORECASE), (
                one,
                words,
            )


def test_each_goes_on_with_the_object_of_whatever_kind() -> None:
    for relation, one in ALL:
        assert not template_fault(one), one
        assert re.fullmatch(r"[A-Z\[].*[a-z]", one), one
        assert not re.search(r"\b(he|she|his|her|hers|him)\b", one), one  # a gender
        pairs = re.findall(r"\b(husband|son|father)\b", one), re.findall(r"\b(wife|daughter|mother)\b", one)
        assert len(pairs[0]) == len(pairs[1]) or relation == "P19", one
        # a date could follow as well
        assert not re.search(
            r"\b(born|died|founded|formed|established|started|created|made|written|married) in$", one
        ), one
        assert not re.search(r"\b(his|its|their|of a|an|a|the)$", one), one


def test_user_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mouth: ['[X] flows into']\nlength: ['The length of [X] is']\n")
    (tmp_path / "b.json").write_text('{"首都": ["[X]的首都是"]}')
    found = read_templates(tmp_path)
    assert found == {
        "mouth": ("[X] flows into",),
        "length": ("The length of [X] is",),
        "首都": ("[X]的首都是",),
    }
    question = Question("1", "the Elbe", "mouth", "Where?", ("North Sea",), statements=("It ends in",))
    assert statements(question, found) == ("It ends in", "the Elbe flows into")
    facts = Facts("rivers", "triples", (question,), {"mouth": ("The mouth of [X] is in",)})
    assert templates_of(facts) == {"mouth": ("The mouth of [X] is in",)}
    assert templates_of(facts, found) == {"mouth": ("[X] flows into",)}
    with pytest.raises(
        DataError, match=r"unknown relation 'P99'\. There are: .*See: assay knowledge templates"
    ):
        statements(Question("1", "x", "P99", "x?", ("y",)), found)
    with pytest.raises(DataError, match="templates must have one for the relation 'mouth'; got none"):
        statements(Question("1", "x", "mouth", "x?", ("y",)), {"mouth": ()})


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("''", "template 1 must be a text that is not empty; got ''."),
        ("12", "template 1 must be a text that is not empty; got 12."),
        ("The capital is", r"must have one \[X\], where the subject stands; got 0 in"),
        ("'[X] and [X] are in'", r"must have one \[X\], where the subject stands; got 2 in"),
        ("'[X] is in [Y]'", r"must have no slot but \[X\] and end where the object begins; got \[Y\] in"),
        ("'{} of [X] is'", r"must have no slot but \[X\]"),
        ("'[X] is in '", "must be one line with single spaces and none at its ends"),
        ("'What is the capital of [X]? It is'", "must be a statement that the object ends, no question"),
        ("'The capital is that of [X]'", "must have words between the subject and the object"),
        ("'The capital of [X]:'", "must end with a word, where the object begins; got ':' at the end"),
        ("'The capital of [X] is the'", "must not end with an article, which is the object's"),
        ("'[X] is in', '[X] IS in'", "template 2 must differ from the others; it is 1 again"),
    ],
)
def test_refusals(tmp_path: Path, template: str, fault: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"P36: [{template}]\n")
    with pytest.raises(DataError, match=f"mine.yaml: P36, template .*{fault}|{fault}"):
        read_templates(file)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("- a", r"must be of the form 'relation: \[template, ...\]'; got "),
        ("P36: x", "P36 must have a list of templates; got 'x'"),
        ("P36: []", r"P36 must have a list of templates; got \[\]"),
        ("P36: ['[X] a b']\nP36: ['[X] c d']", "a key must stand once; got 'P36' again"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: str, fault: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(DataError, match=fault):
        read_templates(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="templates must be a file, or a folder of"):
        read_templates(tmp_path / "empty")
    (tmp_path / "b.yaml").write_text("P1: ['[X] b c']")
    (tmp_path / "mine.yaml").write_text("P1: ['[X] b c']")
    with pytest.raises(DataError, match="P1 must stand in one file of"):
        read_templates(tmp_path)
