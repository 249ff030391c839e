"""The laws of the taxonomy that is shipped, and of the mapping of every label of the 54 corpora."""

from __future__ import annotations

from collections import Counter

import pytest

from assay.ner.names import FORBIDDEN, name_fault
from assay.ner.taxonomy import (
    Phrases,
    RawLabel,
    Source,
    Taxonomy,
    Type,
    Words,
    branches,
    complaints,
    faults,
    sources,
    universal,
)

# Section 6 of the description: how many labels B2NERD counts, None where it gives a range or a computed number
TRAIN_EN = {
    "ace2004": 7, "ace2005": 7, "anatem": 1, "bc2gm": 1, "bc4chemd": 1, "bc5cdr": 2, "ncbi_disease": 1, "genia": 5,
    "btc": 3, "conll2003": 4, "fabner": 12, "findvehicle": 21, "harveyner": 4, "multinerd": 15, "ontonotes": 18,
    "polyglotner": 3, "tweetner7": 7, "wikiann_en": 3, "wikineural_en": 4,
}  # fmt: skip
TRAIN_ZH = {
    "boson": 6, "bank": 4, "ccks2017": 5, "ccks2018": 5, "ccks2019": 6, "ccks2020": 6, "chinese_literature": 9,
    "finance_sina": 4, "gaiic2022": None, "imcs21": 5, "msra": 3, "multiconer22_zh": 6, "multiconer23_zh": 33,
    "nlpcc2018": 15, "peopledaily2014": 4, "ruijinmcc": 18, "taobao": 4, "youku": 3, "wanchuang": 13,
    "microbiota": None, "resume": 8,
}  # fmt: skip
TEST_EN = {
    "crossner_ai": 14, "crossner_literature": 12, "crossner_music": 13, "crossner_politics": 9, "crossner_science": 17,
    "mit_movie": 12, "mit_restaurant": 8,
}  # fmt: skip
TEST_ZH = {
    "cail2021": 10, "ccks2021_address": 17, "cluener": 10, "cmeee_v2": 9, "math_high": None, "weibo": 8,
    "ontonotes_zh": 4,
}  # fmt: skip
CORPORA = {**TRAIN_EN, **TRAIN_ZH, **TEST_EN, **TEST_ZH}

# Names that were read in the released data
READ_EN = (
    "person", "date or period", "movie title", "movie genre", "movie actor", "movie age rating", "research task",
)  # fmt: skip
READ_ZH = (
    "人名", "地名", "作品名->文字作品", "作品名->游戏作品", "作品名->影像作品", "组织机构名->政府机构",
    "组织机构名->公司", "组织机构名->其它",
)  # fmt: skip


def test_it_keeps_the_laws_of_every_taxonomy_and_those_of_a_complete_one():
    assert [problem.message for problem in faults(universal())] == []
    assert [problem.message for problem in complaints(universal(), sources())] == []


def test_it_has_four_hundred_types_told_apart_by_id_and_by_name_in_both_languages():
    living = universal().living
    assert len(living) >= 400
    for names in (
        [k.id for k in living],
        [k.en.casefold() for k in living],
        [k.zh.casefold() for k in living],
    ):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_names_hold_no_forbidden_sign_also_behind_the_parts_of_a_chinese_one():
    for kind in universal().living:
        for name in (kind.en, *kind.zh.split("->")):
            assert name_fault(name) is None, kind.id
            assert not set(name) & set(FORBIDDEN), kind.id
        assert kind.en.isascii(), kind.id


def test_every_parent_has_an_other_child_or_is_exhausted():
    living = universal().living
    parents = {kind.parent for kind in living} - {None}
    for kind in living:
        others = [child.id for child in living if child.parent == kind.id and child.other]
        if kind.id in parents:
            assert bool(others) != kind.exhausted, kind.id
            assert len(others) <= 1, kind.id


def test_examples_are_of_one_type_each_or_said_twice_for_a_reason():
    for kind in universal().living:
        assert len(set(kind.examples.en)) == len(kind.examples.en), kind.id
        assert len(set(kind.examples.zh)) == len(kind.examples.zh), kind.id


def test_a_branch_is_a_file_that_one_reviewer_reads_at_a_sitting():
    sizes = {name: len(kinds) for name, kinds in branches().items()}
    assert {name: size for name, size in sizes.items() if size > 80} == {}
    assert sum(sizes.values()) == len(universal().types)


def test_all_54_corpora_are_there_with_the_numbers_of_labels_that_were_counted():
    assert len(CORPORA) == 54
    assert sum(TRAIN_EN.values()) == 119
    assert sum(TEST_EN.values()) == 85
    there = sources()
    assert sorted(CORPORA.keys() - there.keys()) == []
    for name, count in CORPORA.items():
        source = there[name]
        assert source.group == ("train" if name in TRAIN_EN or name in TRAIN_ZH else "test"), name
        assert source.language.startswith("en" if name in TRAIN_EN or name in TEST_EN else "zh"), name
        if count is not None:
            assert source.n_labels in (count, None), name
        if source.n_labels != count or len(source.labels) + source.unknown != count:
            assert source.notes, name
    assert all(source.group == "more" for name, source in there.items() if name not in CORPORA)


def test_every_label_comes_to_a_living_type_or_is_listed_as_unknown():
    living = {kind.id for kind in universal().living}
    for source in sources().values():
        for label, raw in source.labels.items():
            assert raw.type is None or raw.type in living, f"{source.name}/{label}"
            assert label.strip() == label != "", source.name
    counted = [label for kind in universal().living for label in kind.sources]
    assert len(counted) == len(set(counted))
    assert len(counted) == sum(raw.type is not None for s in sources().values() for raw in s.labels.values())


@pytest.mark.parametrize("name", [*READ_EN, *READ_ZH])
def test_names_that_were_read_are_names_here(name):
    kind = universal().named(name)
    assert kind is not None
    assert name in (kind.en, kind.zh)


GOOD = Type(
    id="t1",
    en="place",
    zh="地名",
    definition=Words(en="A place.", zh="地方。"),
    includes=Words(en="towns", zh="城镇"),
    excludes=Words(en="people", zh="人"),
    examples=Phrases(en=("Lower Hill",), zh=("下山",)),
    exhausted=True,
)
CHILD = GOOD.model_copy(
    update={"id": "t2", "en": "town", "zh": "地名->城镇", "parent": "t1", "exhausted": False}
)
OLD = Type(id="t3", en="spot", zh="点", replaced_by="t1")


def told(kind=GOOD, child=CHILD, **labels):
    source = Source(
        name="news", title="News", group="test", language="en", domain="news", home="here", obtain="Copy it.",
        n_labels=labels.pop("n_labels", len(labels)),
        labels={label: RawLabel(type=to, provenance="read") for label, to in labels.items()},
    )  # fmt: skip
    return [problem.message for problem in complaints(Taxonomy(types=(kind, child, OLD)), {"news": source})]


def test_each_complaint():
    assert told(LOC="t1", TOWN="t2", X=None) == []
    assert told(GOOD.model_copy(update={"excludes": Words(en="people")})) == [
        "t1: excludes must be given in zh. Write it."
    ]
    assert told(GOOD.model_copy(update={"examples": Phrases(zh=("下山",))})) == [
        "t1: examples must have one in en. Write one of your own."
    ]
    for zh in ("城镇", "地名->", "地名->城->镇"):
        assert told(child=CHILD.model_copy(update={"zh": zh})) == [
            f"t2: zh must be 地名-> and a word of its own; got {zh!r}."
        ]
    assert "t1: zh must have no -> where there is no parent; got '地->名'." in told(
        GOOD.model_copy(update={"zh": "地->名"}), CHILD.model_copy(update={"zh": "地->名->城镇"})
    )
    assert told(LOC="t3") == ["news: LOC: type must be a living one; t3 was replaced."]
    assert told(LOC="t9") == ["news: LOC: type must be the id of a type; got 't9'. Add it."]
    assert told(LOC="t1", loc="t1") == ["news: labels must differ by more than case; got 'LOC' and 'loc'."]
    assert told(LOC="t1", n_labels=2) == [
        "news: labels must be 2, as the corpus has; got 1 and 0 unknown. Add them, or say in its notes why not."
    ]
