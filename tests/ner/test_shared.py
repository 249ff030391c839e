"""The figures that the specification measured on public corpora, and what must not lead the cards."""

from __future__ import annotations

from functools import cache

import pytest

from assay.ner import Cards, Evidence, conflicts, read_corpus, screen
from tests.conftest import DATA

ENGLISH = ("crossner/politics", "btc", "wikigold", "wnut17", "bc5cdr", "ncbi_disease")
ALL = (*ENGLISH, "crossner/ai", "crossner/music", "gum", "uner_en_ewt", "uner_zh_gsdsimp", "weibo")

pytestmark = pytest.mark.skipif(
    not (DATA / "ner").is_dir(), reason=f"no development data at {DATA / 'ner'}; set ASSAY_DATA"
)


@cache
def evidence(corpora: tuple[str, ...], case_guard: bool) -> Evidence:
    return screen([read_corpus(DATA / "ner" / name) for name in corpora], case_guard=case_guard)


@cache
def cards() -> Cards:
    return conflicts(evidence(ALL, True))


def shares(source: str, target: str, *, case_guard: bool = False) -> tuple[int, dict[str, float]]:
    """Return n and the mean shares of a label's mentions in another corpus."""
    corpus, label = source.split("/")
    found = [w for w in evidence(ENGLISH, case_guard).witnesses[corpus, label, target] if w.verdicts]
    names = {name for w in found for name in w.verdicts}
    return len(found), {name: sum(w.verdicts.get(name, 0.0) for w in found) / len(found) for name in names}


@pytest.mark.parametrize(
    ("source", "target", "n", "expected"),
    [
        ("politics/country", "wikigold", 36, {"same:LOC": 0.99}),
        ("politics/country", "wnut17", 39, {"same:location": 0.92}),
        ("politics/country", "btc", 54, {"same:LOC": 0.86}),
        ("btc/LOC", "politics", 111, {"same:location": 0.54, "same:country": 0.40}),
        ("wikigold/LOC", "politics", 79, {"same:location": 0.57, "same:country": 0.36}),
        ("wnut17/location", "politics", 45, {"same:location": 0.50, "same:country": 0.46}),
        ("politics/politician", "btc", 19, {"same:PER": 0.86}),
        ("btc/PER", "politics", 24, {"same:politician": 0.67, "same:person": 0.17}),
        ("bc5cdr/Disease", "ncbi_disease", None, {"same:Disease": 0.84}),
        ("ncbi_disease/Disease", "bc5cdr", None, {"same:Disease": 0.83}),
    ],
)
def test_shares_as_the_specification_measured_them(source, target, n, expected):
    found, mean = shares(source, target)
    for verdict, share in expected.items():
        assert mean[verdict] == pytest.approx(share, abs=0.05)
    if n is not None:
        assert abs(found - n) <= 2


def related(first: str, second: str) -> str | None:
    """Return the relation of a card, read from `first`; None where there is no card."""
    turned = {"subset": "superset", "superset": "subset"}
    for card in cards().cards:
        if card.labels == (first, second):
            return card.relation
        if card.labels == (second, first):
            return turned.get(card.relation, card.relation)
    return None


def test_countries_are_part_of_locations():
    for other in ("btc/LOC", "wikigold/LOC", "wnut17/location"):
        assert related("politics/country", other) == "subset"
    assert related("politics/politician", "btc/PER") == "subset"


def test_wikigold_and_ewt_agree_and_btc_and_crossner_clash():
    def between(one, two):
        return [
            card.kind
            for card in cards().cards
            if {label.split("/")[0] for label in card.labels} == {one, two}
        ]

    assert not between("wikigold", "uner_en_ewt")
    assert len(between("btc", "politics")) >= 4


@pytest.mark.parametrize("case_guard", [True, False])
def test_no_common_word_leads(case_guard):
    top = conflicts(evidence(ALL, case_guard)).cards[:50]
    shown = {example.mention.casefold() for card in top for example in card.examples}
    assert not shown & {"the", "a", "an", "of", "in", "to", "and", "is", "for", "on", "at", "be"}
    # the pronouns that GUM annotates as persons are entities there, and gaps elsewhere
    for card in top:
        for example in card.examples:
            if example.mention.casefold() in ("i", "you", "he", "she", "we", "it", "they"):
                assert "gum" in card.labels[0] + card.labels[1]
                assert card.kind == "gap"
