"""Four rules of matching: what each takes and misses, among it the cases that the description names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.knowledge import (
    MATCHERS,
    Question,
    builtin_aliases,
    matcher,
    matches,
    side_by_side,
    with_aliases,
)
from assay.knowledge.matching import normalised
from tests.oracles.matching import squad_normalise

# answer, output, which rules take it (c, w, f, b, e)
CASES = [
    ("Oslo", "Oslo", "cwfbe"),
    ("Oslo", " the Oslo.\nQ: Who", "cwfe"),
    ("Oslo", "oslo, in the south", "cwfb"),
    ("Oslo", "It is Oslo", "cw"),
    ("Oslo", "Osloer Straße", "c"),
    ("Oslo", "", ""),
    # false hits of the description: only a person sees that these are wrong
    ("China", "in the South China Sea", "cw"),
    ("Korea", "North Korea", "cw"),
    ("Cambridge", "Cambridge, Massachusetts", "cwfb"),
    ("Rio de", "Rio de la Plata", "cwfb"),
    ("Paris", "Parisian", "c"),
    ("Atoka", "Atoka County has its seat in Tulsa", "cwfb"),  # an echo of the subject
    ("Rome", "Milan. Turin is next, then comes Rome", "cw"),  # a late mention
    # misses of the description
    ("San José", "San Jose", ""),
    ("Saint Louis", "St. Louis", ""),
    ("Washington, D.C.", "Washington", ""),
    # compatible characters, case, spaces
    ("ＮＨＫ", "nhk", "cwfbe"),
    ("Straßburg", "STRASSBURG", "cwfbe"),
    ("New  York", "new york", "cwfbe"),
    ("The Hague", "Hague", "e"),
    ("Hague", "The Hague", "cwfe"),
    ("AC/DC", "AC/DC!", "cwfbe"),
    ("AC/DC", "ACDC", "e"),
    ("1964", "in 19640", "c"),
    # scripts without spaces: no edges within them, edges where they meet others
    ("北京", "是北京市。", "cw"),
    ("北京", "北京。", "cwfbe"),
    ("MIT", "毕业于MIT大学", "cw"),
    ("?", "?", "cwfbe"),
]


@pytest.mark.parametrize(("answer", "output", "rules"), CASES)
def test_what_each_rule_takes(answer: str, output: str, rules: str) -> None:
    taken = "".join(rule[0] for rule in MATCHERS if matcher([answer], rule=rule)(output))
    assert taken == rules


def test_aliases_count_as_answers_do() -> None:
    question = Question("1", "x", "P17", "Where?", ("People's Republic of China",))
    [named] = with_aliases([question], builtin_aliases())
    assert named.aliases == ("PRC", "China")
    for rule in MATCHERS:
        assert matches("China", named, rule=rule)
        assert not matches("China", named, rule=rule, aliases=False)
        assert not matches("China", question, rule=rule)
    rows = {row.rule: row for row in side_by_side([(named, "Indochina"), (named, "China"), (named, "Chad")])}
    assert [rows[r].hits for r in MATCHERS] == [2, 1, 1, 1, 1]
    assert {row.hits_without_aliases for row in rows.values()} == {0}
    assert [rows[r].unlike_contains for r in MATCHERS] == [0, 1, 1, 1, 1]
    assert rows["word"].percent == pytest.approx(100 / 3)
    assert with_aliases([named], builtin_aliases()) == (named,)


words = st.lists(
    st.sampled_from(["the", "Oslo", "a", "Rio", "de", "é", "北京", ".", "-", "\n", "O", "slo", "St"])
)


@settings(derandomize=True, max_examples=300)
@given(
    words,
    st.lists(st.sampled_from(["Oslo", "Rio de", "北京", "St. O", "é"]), min_size=1),
    st.sampled_from(["", " "]),
)
def test_stricter_rules_take_less(parts: list[str], answers: list[str], joint: str) -> None:
    output = joint.join(parts)
    taken = {rule: matcher(answers, rule=rule)(output) for rule in MATCHERS}
    assert taken["contains"] >= taken["word"] >= taken["first"] >= taken["begins"]
    assert taken["contains"] == any(matcher([answer])(output) for answer in answers)
    assert {rule: matcher(answers[::-1], rule=rule)(output) for rule in MATCHERS} == taken
    assert {rule: matcher(answers[:1], aliases=answers[1:], rule=rule)(output) for rule in MATCHERS} == taken


@settings(derandomize=True, max_examples=200)
@given(st.text(st.characters(max_codepoint=126, min_codepoint=32)))
def test_exact_is_squads_on_ascii(text: str) -> None:
    assert normalised(text) == squad_normalise(text)


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"answers must have at least one answer; got none\."):
        matcher([])
    with pytest.raises(DataError, match=r"answers must be texts that are not empty; got ' '\."):
        matcher([" "])
    with pytest.raises(
        DataError, match=r"rule must be one of contains, word, first, begins, exact; got 'words'\. Did you"
    ):
        matcher(["a"], rule="words")
