"""The screen on real corpora: the shares that were measured before, and what they must come to."""

from __future__ import annotations

import pytest

from assay.ner import Cards, conflicts, read_corpus, screen
from assay.ner.screen import Evidence
from benchmarks.ner import PUBLISHED, PUBLISHED_FOLDERS, published
from tests.conftest import real_data


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    corpora = [read_corpus(real_data(f"ner/{folder}")) for folder in PUBLISHED_FOLDERS]
    return screen(corpora, case_guard=False)


@pytest.fixture(scope="module")
def cards(evidence: Evidence) -> Cards:
    return conflicts(evidence)


def test_published_shares(evidence: Evidence) -> None:
    rows = published(evidence)
    assert len(rows) == len(PUBLISHED)
    for row in rows:
        assert row["ours"] == pytest.approx(row["given"], abs=0.05), row
        if row["mentions given"]:
            assert row["mentions ours"] == pytest.approx(row["mentions given"], abs=2), row


@pytest.mark.parametrize(
    ("narrow", "broad"),
    [
        ("politics/country", "btc/LOC"),
        ("politics/country", "wikigold/LOC"),
        ("politics/country", "wnut17/location"),
    ],
)
def test_a_country_is_a_location(cards: Cards, narrow: str, broad: str) -> None:
    card = next(card for card in cards.cards if set(card.labels) == {narrow, broad})
    assert card.relation == ("subset" if card.labels[0] == narrow else "superset")


def test_no_common_word_leads_the_cards(cards: Cards) -> None:
    words = {example.mention.casefold() for card in cards.cards[:50] for example in card.examples}
    assert len(words) > 100
    assert not words & {"the", "a", "of", "and", "in", "to", "it", "this", "we", "i"}
