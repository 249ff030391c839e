"""Tokens, the trie of mentions, and what stands at a place."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.ner import Document, Entity
from assay.ner.index import (
    CAPITALISED,
    NOT_CAPITALISED,
    UPPER,
    Gold,
    indexable,
    key,
    occurrences,
    shape,
    tokens,
    trie,
)
from tests.oracles import screen as oracle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris.", ["paris", "."]),
        ("U.S.", ["u", ".", "s", "."]),
        (
            "see #Paris @paris_hq http://t.co/paris now",
            ["see", "#paris", "@paris_hq", "http://t.co/paris", "now"],
        ),
        ("don't", ["don", "'", "t"]),
        ("我用iPhone15拍", ["我", "用", "iphone15", "拍"]),
        ("ＩＢＭ公司", ["ibm", "公", "司"]),
        ("cafe\u0301 x", ["caf\u00e9", "x"]),
        ("Straße", ["strasse"]),
        ("ﬁn", ["fin"]),
        ("Nike™, 5㎏ 𝐎𝐬𝐥𝐨", ["nike", "tm", ",", "5", "kg", "oslo"]),
        ("हिन्दी", ["हिन्दी"]),
        ("한국어 말", ["한국어", "말"]),
        ("👍🏽ok", ["👍", "🏽", "ok"]),
        ("a\u00a0b\u3000c", ["a", "b", "c"]),
        ("", []),
    ],
)
def test_tokens_are_words_of_spaced_scripts_and_characters_of_others(text, expected):
    assert tokens(text)[0] == expected


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_offsets_point_at_what_was_folded(text):
    words, spans = tokens(text)
    assert len(words) == len(spans)
    previous = 0
    for word, (start, end) in zip(words, spans, strict=True):
        assert 0 <= start < end <= len(text)
        assert start >= previous  # equal where a character folds to several tokens
        previous = start
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[start:end]).casefold())
        assert word in folded or word in text[start:end].casefold()


@pytest.mark.parametrize("text", ["Zu\u0308rich ist", "İzmir ve Ağrı", "ﬃ Oslo", "x ㎏ Köln", "ＮＹ city"])
def test_offsets_survive_folding_that_changes_lengths(text):
    for word in text.split():
        [(_, start, end)] = occurrences(text, trie([key(word)]))
        assert text[start:end] == word


def test_a_mention_is_found_wherever_its_tokens_stand():
    root = trie([key("Paris"), key("New York"), key("New York Times"), key("北京")])
    assert occurrences("PARIS; new  york times. 我爱北京天安门", root) == [
        (0, 0, 5),
        (1, 7, 16),
        (2, 7, 22),
        (3, 26, 28),
    ]
    assert occurrences("Parisian newyork", root) == []


def test_what_is_too_short_to_look_for():
    assert all(indexable(key(mention)) for mention in ("I", "北京", "iPhone手机"))
    assert not indexable(key("京"))
    assert not indexable(key("..."))


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("us", NOT_CAPITALISED),
        ("US", UPPER),
        ("U.S.", UPPER),
        ("Us", CAPITALISED),
        ("A", CAPITALISED),
        ("iPhone", NOT_CAPITALISED),
        ("'Tis", CAPITALISED),
        ("ǅungla", CAPITALISED),
        ("北京", NOT_CAPITALISED),
    ],
)
def test_shape(surface, expected):
    assert shape(surface) == expected


def test_verdicts():
    entities = (
        Entity(36, 50, "GAP", spans=((36, 40), (46, 50))),
        Entity(0, 5, "PER"),
        Entity(0, 5, "ACTOR"),
        Entity(10, 20, "ORG"),
        Entity(10, 14, "LOC"),
        Entity(30, 34, "X"),
    )
    gold = Gold(Document("1", "x" * 60, entities))
    assert gold.verdict(0, 5) == ("same", ("ACTOR", "PER"))
    assert gold.verdict(10, 14) == ("same", ("LOC",))
    assert gold.verdict(11, 14) == ("inside", ("LOC",))  # the shortest that holds it
    assert gold.verdict(15, 18) == ("inside", ("ORG",))
    assert gold.verdict(0, 7) == ("part", ("ACTOR", "PER"))
    assert gold.verdict(18, 25) == ("cross", ("ORG",))
    assert gold.verdict(28, 40) == ("part", ("GAP", "X"))
    assert gold.verdict(41, 45) == ("none", ())
    assert gold.verdict(37, 40) == ("inside", ("GAP",))
    assert gold.verdict(36, 50) == ("part", ("GAP",))
    assert gold.verdict(5, 10) == ("none", ())


def test_verdicts_equal_those_of_a_look_at_every_entity():
    draw = random.Random(0)

    def span(longest):
        start = draw.randrange(60)
        return start, start + draw.randint(1, longest)

    for _ in range(200):
        entities = [Entity(*span(12), draw.choice("XYZ")) for _ in range(draw.randrange(12))]
        document = Document("1", "x" * 80, tuple(entities))
        for start, end in (span(6) for _ in range(40)):
            name, labels = Gold(document).verdict(start, end)
            expected = oracle.verdicts(document, start, end)
            shown = [name] if name in ("inside", "none") else [f"{name}:{label}" for label in labels]
            assert sorted(shown) == sorted(expected)


def test_blanks_at_the_edges_of_an_entity_do_not_count():
    gold = Gold(Document("1", "in  Oslo \nby  x", (Entity(2, 10, "LOC"), Entity(12, 14, "GAP"))))
    assert gold.verdict(4, 8) == ("same", ("LOC",))
    assert gold.verdict(14, 15) == ("none", ())


@pytest.mark.parametrize("word", ["කො", "கொ", "কো", "ಕೋ", "കൊ", "ကဦ", "Ağrı", "가각"])
def test_composed_and_decomposed_text_are_the_same(word):
    apart = unicodedata.normalize("NFD", word)
    assert apart != unicodedata.normalize("NFC", word)
    [(_, start, end)] = occurrences(f"x {apart} y", trie([key(unicodedata.normalize("NFC", word))]))
    assert (start, end) == (2, 2 + len(apart))


def test_marks_that_compose_with_nothing_keep_their_place():
    thai = "ที่"  # a letter with two marks, of which the first alone is another word
    assert occurrences(f"１ {thai}", trie([key(thai[:2])])) == [(0, 2, 4)]


def test_half_width_kana_are_kana():
    assert tokens("ﾄｰｷｮｰ") == (list("トーキョー"), [(at, at + 1) for at in range(5)])
