"""The taxonomy file and its laws, each broken once."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.ner import Taxonomy, read_taxonomy, write_taxonomy
from assay.ner.taxonomy import Phrases, Type, Words, faults, taxonomy_rows

WHOLE = Taxonomy(
    version=3,
    types=(
        Type(
            id="t1",
            en="location",
            zh="地名",
            definition=Words(en="A place.", zh="地方。"),
            sources=("a/LOC",),
        ),
        Type(id="t2", en="country", zh="国家", parent="t1", aliases=Phrases(en=("nation",), zh=("国",))),
        Type(id="t3", en="other location", zh="其它地名", parent="t1", other=True),
        Type(id="t4", en="place", zh="地方", replaced_by="t5"),
        Type(id="t5", en="site", zh="地点", replaced_by="t1", parent="t9"),
        Type(id="t6", en="event", zh="事件", exhausted=True, decided_by="jane"),
        Type(id="t7", en="war", zh="战争", parent="t6"),
        Type(id="t8", en="no", zh="否", examples=Phrases(en=("1", "on"))),
    ),
)


def test_a_whole_taxonomy_keeps_the_laws_and_comes_back_as_it_was(tmp_path):
    assert faults(WHOLE) == []
    path = tmp_path / "taxonomy.yaml"
    write_taxonomy(path, WHOLE)
    assert read_taxonomy(path) == WHOLE
    first = path.read_bytes()
    write_taxonomy(path, read_taxonomy(path))
    assert path.read_bytes() == first


def test_names_lead_to_living_types():
    assert WHOLE.named("COUNTRY") == WHOLE.named("国家") == WHOLE.types[1]
    assert WHOLE.named("place") is None
    assert [kind.id for kind in WHOLE.living] == ["t1", "t2", "t3", "t6", "t7", "t8"]


def test_rows_stand_below_their_parents():
    assert [(row["id"], row["depth"]) for row in taxonomy_rows(WHOLE)] == [
        ("t1", 0),
        ("t2", 1),
        ("t3", 1),
        ("t6", 0),
        ("t7", 1),
        ("t8", 0),
    ]


def changed(which, **fields):
    return Taxonomy(
        types=tuple(kind.model_copy(update=fields) if kind.id == which else kind for kind in WHOLE.types)
    )


@pytest.mark.parametrize(
    ("taxonomy", "expected"),
    [
        (changed("t2", id="t1"), ["t1: id must be unique; got it twice. Give one a new id."]),
        (changed("t2", zh=""), ["t2: zh must be given. Name it in both languages."]),
        (
            changed("t2", en="x: y"),
            ["t2: en must have none of , ; : { } and no line break; got 'x: y'. Use a plain phrase."],
        ),
        (changed("t2", en="Location"), ["t2: en must be a name of its own; t1 is called 'Location' too. Qualify one."]),
        (
            changed("t2", aliases=Phrases(en=("EVENT",))),
            ["t2: aliases must name one type only; 'EVENT' is t6 too. Remove one."],
        ),
        (
            changed("t2", parent="t99"),
            ["t2: parent must be the id of a type; got 't99'. Add it, or name another."],
        ),
        (changed("t2", parent="t5"), ["t2: parent must be a living type; t5 was replaced. Name t1."]),
        (
            changed("t3", other=False),
            [
                "t1: children must have exactly one that is marked other; got 0. "
                "Add one for whatever the others are not, or mark the parent exhausted."
            ],
        ),
        (
            changed("t2", other=True),
            [
                "t1: children must have exactly one that is marked other; got 2. "
                "Add one for whatever the others are not, or mark the parent exhausted."
            ],
        ),
        (
            changed("t1", exhausted=True),
            ["t1: exhausted must be left out for a type with the other child t3. Remove the one or the other."],
        ),
        (
            changed("t2", exhausted=True),
            ["t2: exhausted must be left out for a type with no children. Remove the one or the other."],
        ),
        (changed("t8", other=True), ["t8: other must be left out for a type without parent. Give it a parent."]),
        (
            changed("t6", parent="t7"),
            ["t6: parent must not lead back to the type; got 't7'. Cut the circle."],
        ),
        (
            changed("t4", replaced_by="t99"),
            ["t4: replaced_by must be the id of a type; got 't99'. Add it, or name another."],
        ),
        (
            changed("t5", replaced_by="t4"),
            ["t4: replaced_by must lead to a living type; got 't5'. Cut the circle."],
        ),
    ],
)  # fmt: skip
def test_each_law(taxonomy, expected):
    problems = faults(taxonomy)
    for message in expected:
        assert message in [problem.message for problem in problems]
    assert {problem.severity for problem in problems} == {"error"}
    assert all(problem.message.startswith(f"{problem.ids[0]}: ") for problem in problems)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"must be a mapping with version and types\."),
        ("types: [{en: x}]", r"type 1\.id must be given\."),
        ("types: [{id: T 1}]", r"T 1\.id must match pattern"),
        (
            "types: [{id: t1, en: no}]",
            r"t1\.en must be a valid string; got False\. Quote words such as no and 1\.",
        ),
        ("types: [{id: t1, enn: x}]", r"t1\.enn is no field; types have: id, en, zh"),
        ("{version: 0, types: []}", r"version must be greater than or equal to 1; got 0\."),
        ("types: [{id: t1}, 4]", r"types\.1 must be a valid dictionary"),
        ("types: 3", r"types must be a valid tuple; got 3\."),
    ],
)
def test_what_is_no_taxonomy_is_refused_with_its_place(tmp_path, content, message):
    path = tmp_path / "taxonomy.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_taxonomy(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="must be an existing file; there is none"):
        read_taxonomy(tmp_path / "taxonomy.yaml")
