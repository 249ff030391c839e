"""The five corpora of `assay ner example`: natural, sound, and with a clear card of every kind."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from assay.ner import Cards, Corpus, conflicts, read_corpus, screen
from assay.ner.cards import Kind

MINI = Path(str(files("assay.ner") / "builtin" / "mini"))


@pytest.fixture(scope="module")
def corpora() -> dict[str, Corpus]:
    return {path.name: read_corpus(path) for path in sorted(MINI.iterdir())}


@pytest.fixture(scope="module")
def cards(corpora: dict[str, Corpus]) -> Cards:
    return conflicts(screen(list(corpora.values())))


def test_small_sound_and_in_two_languages(corpora: dict[str, Corpus]) -> None:
    assert {name: corpus.language for name, corpus in corpora.items()} == {
        "chatter": "en",
        "civics": "en",
        "dispatch": "en",
        "ribao": "zh",
        "wenku": "zh",
    }
    assert any("IOB1 inferred" in note for note in corpora["dispatch"].notes)
    assert corpora["wenku"].labels == ("人名", "国家", "城市", "作品", "软件")
    for corpus in corpora.values():
        assert corpus.splits == ("train", "test")
        assert 120 <= len(corpus.documents) <= 170
        for document in corpus.documents:
            assert len(document.text) <= 80
            for entity in document.entities:
                assert re.fullmatch(r"[\w& ]+", document.surface(entity))


def test_a_clear_card_of_every_kind(cards: Cards) -> None:
    by_kind: dict[str, list[tuple[str, str]]] = {kind: [] for kind in get_args(Kind)}
    for card in cards.cards:
        assert min(direction.mentions for direction in card.directions) >= 15
        by_kind[card.kind].append(card.labels)
    assert all(by_kind.values())
    assert ("ribao/government", "wenku/国家") in by_kind["boundary"]
    assert ("chatter/organization", "civics/organization") in by_kind["same name"]
    assert ("chatter/person", "dispatch/PER") in by_kind["same meaning"]
    assert ("ribao/name", "wenku/人名") in by_kind["same meaning"]
    assert ("civics/country", "dispatch/LOC") in by_kind["part"]
    assert ("ribao/entertainment", "wenku/作品") in by_kind["overlap"]
    assert ("civics/politician", "dispatch/PER") in by_kind["gap"]
    assert {(gap.label, gap.corpus) for gap in cards.gaps} == {
        ("wenku/国家", "ribao"),
        ("civics/country", "chatter"),
    }
