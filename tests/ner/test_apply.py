"""Decisions applied: every entity, every rule of a split, and back again."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.ner import Corpus, Decision, Document, Entity, Rule, apply, preview, revert, unify
from assay.ner.apply import TABLE, write_undecided
from tests.ner.made import corpus, document

NEWS = corpus(
    "news",
    "[France|LOC] and [Lyon|LOC] met [Ada|PER]",
    "nothing",
    "[ＦＲＡＮＣＥ|LOC] of [New  Zealand|LOC], [Georgia|LOC]",
)


def decided(id, action, *labels, **fields):
    return Decision(id=id, action=action, labels=labels, author="jane", **fields)


def split(**into):
    return [decided("d7", "split", "news/LOC", into=into)]


def labels(found):
    return [(d.surface(e), e.label) for c in found for d in c.documents for e in d.entities]


def test_a_label_gets_its_name_and_keeps_what_it_was():
    other = Corpus("web", (document("1", "[Ada|PER] [Bo|human]"),), labels=("PER", "human", "never"))
    decisions = [
        decided("d1", "same", "news/PER", "web/human", name="person"),
        decided("d2", "ignore", "web/PER"),
        decided("d3", "rename", "elsewhere/PER", name="x y"),
    ]
    news, web = apply([NEWS, other], decisions)
    assert news.documents[0].entities[2] == Entity(
        20, 23, "person", meta={"decided": {"label": "PER", "decision": "d1"}}
    )
    assert labels([web]) == [("Ada", "PER"), ("Bo", "person")]
    assert web.documents[0].entities[0].meta == {}
    assert (news.labels, web.labels) == (("LOC", "person"), ("PER", "person", "never"))
    assert revert([news, web]) == [NEWS, other]


def test_a_gazetteer_reads_mentions_as_the_screen_does(tmp_path):
    (tmp_path / "countries.txt").write_text("﻿france\n\nNew Zealand\n", encoding="utf-8")
    found = apply([NEWS], split(country=Rule(gazetteer="countries.txt"), location="rest"), folder=tmp_path)
    assert labels(found) == [
        ("France", "country"),
        ("Lyon", "location"),
        ("Ada", "PER"),
        ("ＦＲＡＮＣＥ", "country"),
        ("New  Zealand", "country"),
        ("Georgia", "location"),
    ]
    assert found[0].labels == ("country", "location", "PER")


def test_an_expression_is_searched_for():
    found = apply([NEWS], split(**{"g place": Rule(regex="^[GL]"), "location": "rest"}))
    assert [words for words, label in labels(found) if label == "g place"] == ["Lyon", "Georgia"]


def test_an_entity_that_two_rules_take_is_undecided(tmp_path):
    (tmp_path / "c.txt").write_text("Georgia\n", encoding="utf-8")
    decisions = split(country=Rule(gazetteer="c.txt"), state=Rule(regex="Georgia"), location="rest")
    (left,) = preview([NEWS], decisions, folder=tmp_path).undecided
    assert (left.surface, left.may_be, left.document, left.decision) == (
        "Georgia",
        ("country", "state"),
        "2",
        "d7",
    )
    with pytest.raises(
        DataError,
        match=r"must decide every entity; 1 are left, first 'Georgia' in document '2' of news \(d7\)\. Add",
    ):
        apply([NEWS], decisions, folder=tmp_path)
    kept = apply([NEWS], decisions, folder=tmp_path, undecided="keep-raw")
    assert ("Georgia", "LOC") in labels(kept)
    assert kept[0].documents[2].entities[2].meta == {}
    assert kept[0].labels == ("country", "state", "location", "LOC", "PER")
    assert revert(kept) == [NEWS]


def test_a_table_filled_in_by_hand_decides_and_overrides(tmp_path):
    decisions = split(country=Rule(manual="undecided.tsv"), location="rest")
    table = tmp_path / "undecided.tsv"
    table.write_text("\t".join(TABLE) + "\n", encoding="utf-8")
    found = preview([NEWS], decisions, folder=tmp_path)
    assert len(found.undecided) == 5  # whatever the table does not name is not guessed
    write_undecided(table, found.undecided)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    assert rows[0]["may_be"] == "country | location"
    names = {"France": "country", "Lyon": "location", "Georgia": ""}
    with table.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, TABLE, delimiter="\t")
        writer.writeheader()
        writer.writerows({**row, "name": names.get(row["surface"], "")} for row in rows)
    now = preview([NEWS], decisions, folder=tmp_path)
    assert [one.surface for one in now.undecided] == ["ＦＲＡＮＣＥ", "New  Zealand", "Georgia"]
    write_undecided(table, now.undecided)  # what was filled in stays
    assert preview([NEWS], decisions, folder=tmp_path) == now
    (tmp_path / "c.txt").write_text("lyon\nfrance\n", encoding="utf-8")
    with_list = split(country=Rule(manual="undecided.tsv", gazetteer="c.txt"), location="rest")
    assert [label for _, label in labels(apply([NEWS], with_list, folder=tmp_path))] == [
        "country",
        "location",
        "PER",
        "country",
        "location",
        "location",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "document\tname\n1\tcountry\n",
            r"m\.tsv must have the columns corpus, .*; it lacks corpus, start, end\.",
        ),
        (
            "news\t\t0\t0\t6\tLOC\tFrance\tland",
            r"m\.tsv:2: name must be one of country, location; got 'land'\.",
        ),
        (
            "news\t\t0\tx\t6\tLOC\tFrance\tcountry",
            r"m\.tsv:2: start and end must be whole numbers; got 'x' and '6'\.",
        ),
        (
            "news\t\t0\t0\t6\tLOC\tSpain\tcountry",
            r"m\.tsv:2: surface must be what the document has there, 'France'; got",
        ),
        (
            "news\t\t0\t0\t6\tLOC\tFrance\tcountry\nnews\t\t0\t0\t6\tLOC\tFrance\tlocation",
            r"m\.tsv:3: an entity must have one name; got 'location' here, 'country' above\.",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_line(tmp_path, content, message):
    header = "" if content.startswith("document") else "\t".join(TABLE[:8]) + "\n"
    (tmp_path / "m.tsv").write_text(header + content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        preview([NEWS], split(country=Rule(manual="m.tsv"), location="rest"), folder=tmp_path)


def test_predictions_decide_where_they_have_the_entity(tmp_path):
    (tmp_path / "predicted.jsonl").write_text(
        '{"sentence": "France and Lyon met Ada", "entities": ['
        '{"name": "France", "type": "country", "pos": [0, 6]}, '
        '{"name": "Lyon", "type": "location", "pos": [11, 15]}]}\n'
        '{"sentence": "ＦＲＡＮＣＥ of New  Zealand, Georgia", "entities": ['
        '{"name": "ＦＲＡＮＣＥ", "type": "person", "pos": [0, 6]}]}\n',
        encoding="utf-8",
    )
    decisions = split(country=Rule(model="predicted.jsonl"), location="rest")
    found = preview([NEWS], decisions, folder=tmp_path)
    assert [(one.surface, one.may_be) for one in found.undecided] == [
        ("ＦＲＡＮＣＥ", ("country", "location")),
        ("New  Zealand", ("country", "location")),
        ("Georgia", ("country", "location")),
    ]
    assert found.after() == {"country": 1, "location": 1, "LOC": 3, "PER": 1}


def test_a_preview_counts_and_shows():
    found = preview([NEWS], [decided("d1", "rename", "news/LOC", name="location")])
    assert [(c.label, c.name, c.decision, c.entities, c.examples) for c in found.changes] == [
        ("LOC", "location", "d1", 5, ("France", "Lyon", "ＦＲＡＮＣＥ")),
        ("PER", "PER", "", 1, ("Ada",)),
    ]
    assert found.before() == {"news/LOC": 5, "news/PER": 1}
    assert found.after() == {"location": 5, "PER": 1}
    assert (found.undecided, found.folded) == ((), 0)


def test_what_is_not_valid_is_not_applied():
    for decision, message in (
        (
            decided("d1", "rename", "news/LOC", name="a:b"),
            r"decisions must be valid; d1: name must have none of",
        ),
        (
            Decision(id="d1", action="rename", labels=("news/LOC",), name="location", author="proposal"),
            r"d1: author must be a person; got a proposal",
        ),
    ):
        for function in (apply, preview):
            with pytest.raises(DataError, match=message):
                function([NEWS], [decision])
    with pytest.raises(DataError, match=r"folder must be given for d7, which reads c\.txt; got None\."):
        apply([NEWS], split(country=Rule(gazetteer="c.txt"), location="rest"))


def test_entities_that_become_copies_are_held_by_the_first():
    both = Document(
        "1",
        "Acme Inc",
        (Entity(0, 8, "company"), Entity(0, 4, "brand"), Entity(0, 8, "group", meta={"by": "x"})),
    )
    found = Corpus("news", (both,))
    decisions = [decided("d1", "merge", "news/company", "news/group", name="organization")]
    assert preview([found], decisions).folded == 1
    applied = apply([found], decisions)
    assert labels(applied) == [("Acme Inc", "organization"), ("Acme", "brand")]
    assert revert(applied) == [found]


def test_unify_keeps_the_corpus_of_each_document():
    web = replace(corpus("web", "[Ada|human]"), language="en", licence="MIT")
    one = unify([replace(NEWS, language="en"), web])
    assert (one.name, one.language, one.licence, one.labels) == (
        "unified",
        "en",
        "MIT",
        ("LOC", "PER", "human"),
    )
    assert [document.corpus for document in one.documents] == ["news", "news", "news", "web"]


META = st.dictionaries(
    st.sampled_from(["decided", "by", "n"]),
    st.one_of(
        st.none(), st.integers(), st.fixed_dictionaries({"label": st.just("LOC"), "decision": st.just("d1")})
    ),
    max_size=2,
)
ENTITY = st.builds(
    lambda start, size, label, meta: Entity(start, start + size, label, meta=meta),
    st.integers(0, 3),
    st.integers(1, 4),
    st.sampled_from(["LOC", "GPE", "PER", "x y"]),
    META,
)
DOCUMENT = st.builds(
    lambda found, meta: Document("1", "Georgia 中", tuple(found), meta=meta),
    st.lists(ENTITY, max_size=6),
    META,
)
MADE = st.builds(
    lambda found, declared, meta: Corpus("news", tuple(found), labels=tuple(declared), meta=meta),
    st.lists(DOCUMENT, max_size=3),
    st.lists(st.sampled_from(["LOC", "GPE", "never"]), unique=True),
    META,
)
EVERY_ACTION = [
    decided("d1", "merge", "news/LOC", "news/GPE", name="place"),
    decided(
        "d2",
        "split",
        "news/PER",
        into={"g name": Rule(regex="^G"), "o name": Rule(regex="o"), "person": "rest"},
    ),
    decided("d3", "rename", "news/x y", name="z"),
]


@settings(max_examples=200, deadline=None)
@given(MADE)
def test_revert_is_exact_on_every_entity(made):
    applied = apply([made], EVERY_ACTION, undecided="keep-raw")
    assert revert(applied) == [made]
    assert revert(revert(apply(applied, EVERY_ACTION, undecided="keep-raw"))) == [made]
    names = {entity.label for document in applied[0].documents for entity in document.entities}
    assert names <= {"place", "g name", "o name", "person", "PER", "z"}
