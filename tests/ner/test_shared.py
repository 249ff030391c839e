"""The figures that the specification measured on public corpora, and what must not lead the cards."""

from __future__ import annotations

from functools import cache

import pytest

from assay.ner import Cards, Corpus, Evidence, conflicts, read_corpus, screen
from benchmarks.ner import PUBLISHED, published
from tests.conftest import DATA

CORPORA = (
    "crossner/politics", "btc", "wikigold", "wnut17", "bc5cdr", "ncbi_disease", "crossner/ai", "crossner/music", "gum",
    "uner_en_ewt", "uner_zh_gsdsimp", "weibo",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    not (DATA / "ner").is_dir(), reason=f"no development data at {DATA / 'ner'}; set ASSAY_DATA"
)


@cache
def corpora() -> list[Corpus]:
    return [read_corpus(DATA / "ner" / name) for name in CORPORA]


@cache
def evidence(case_guard: bool) -> Evidence:
    return screen(corpora(), case_guard=case_guard)


@cache
def cards() -> Cards:
    return conflicts(evidence(True))


def test_shares_as_the_specification_measured_them():
    rows = published(evidence(False))
    assert len(rows) == len(PUBLISHED)
    for row in rows:
        assert row["ours"] == pytest.approx(row["given"], abs=0.05), row
        if row["mentions given"]:
            assert row["mentions ours"] == pytest.approx(row["mentions given"], abs=2), row


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
    top = conflicts(evidence(case_guard)).cards[:50]
    shown = {example.mention.casefold() for card in top for example in card.examples}
    assert not shown & {"the", "a", "an", "of", "in", "to", "and", "is", "for", "on", "at", "be"}
    # the pronouns that GUM annotates as persons are entities there, and gaps elsewhere
    for card in top:
        for example in card.examples:
            if example.mention.casefold() in ("i", "you", "he", "she", "we", "it", "they"):
                assert "gum" in card.labels[0] + card.labels[1]
                assert card.kind == "gap"
