"""From shares to relations, flags, cards and gaps."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from assay.errors import DataError
from assay.ner import Thresholds, conflicts, relations, screen
from assay.ner.cards import Direction, card_id, read_cards, write_cards
from assay.ner.planted import planted
from assay.ner.relations import bootstrap, relate, same_name, wilson
from tests.ner.made import corpus


def direction(share, mentions):
    return Direction(
        source="a/x",
        target="b/y",
        mentions=mentions,
        share=share,
        wilson=None if mentions == 0 else wilson(share, mentions),
        bootstrap=None,
        verdicts=(),
        own=(),
    )


@pytest.mark.parametrize(
    ("r", "s", "expected"),
    [
        (0.09, 0.05, "disjoint"),
        (0.1, 0.0, "overlap"),
        (0.74, 0.74, "overlap"),
        (0.75, 0.6, "equal"),
        (0.89, 0.74, "equal"),
        (0.9, 0.7, "subset"),
        (0.4, 0.97, "superset"),
    ],
)
def test_thresholds(r, s, expected):
    assert relate((direction(r, 1000), direction(s, 1000)), Thresholds())[0] == expected


def test_a_direction_of_too_few_mentions_leaves_it_open():
    assert relate((direction(1.0, 15), direction(1.0, 14)), Thresholds())[0] == "open"
    assert relate((direction(1.0, 15), direction(1.0, 14)), Thresholds(mentions=14))[0] == "equal"


@pytest.mark.parametrize(
    ("r", "s", "n", "likely"),
    [
        (0.98, 0.98, 400, False),
        (0.8, 0.78, 20, True),
        (0.95, 0.4, 300, False),
        (0.95, 0.78, 60, True),
        (0.05, 0.0, 20, True),
        (0.3, 0.4, 200, False),
    ],
)
def test_likely_where_an_interval_crosses_the_threshold(r, s, n, likely):
    assert relate((direction(r, n), direction(s, n)), Thresholds())[1] is likely


def test_wilson_as_published():
    # Brown, Cai & DasGupta (2001): 0 and 10 of 10; and 5 of 10 by the closed form
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert wilson(1.0, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert wilson(0.5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)


def test_bootstrap_agrees_with_resampling_one_by_one():
    values = np.array([0.0, 0.25, 1.0, 1.0, 0.5] * 8)
    draws = np.random.default_rng(0)
    means = [draws.choice(values, len(values)).mean() for _ in range(4000)]
    assert bootstrap(values, seed=0, name="x") == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    assert bootstrap(values, seed=0, name="x") == bootstrap(values, seed=0, name="x")
    assert bootstrap(values, seed=0, name="x") != bootstrap(values, seed=0, name="y")


def test_names_are_the_same_but_for_case_and_joints():
    assert same_name("Creative_Work", "creative-work")
    assert same_name("Creative_Work", "creative work")
    assert same_name("ＰＥＲ", "per")
    assert not same_name("PER", "person")


NAMES = [
    f"{first}{last}" for first in ("An", "Bel", "Cor", "Dun", "Eri") for last in ("ora", "ton", "wick", "dal")
]


def twice(template: str, names=NAMES) -> list[str]:
    return [template.replace("NAME", name) for name in names for _ in range(2)]


def only(cards):
    [card] = cards.cards
    return card


def test_equal_labels_of_other_names_need_one_name():
    a, b = corpus("a", *twice("by [NAME|PER]")), corpus("b", *twice("to [NAME|person] now"))
    card = only(conflicts(screen([b, a])))
    assert (card.kind, card.relation, card.labels, card.affected) == (
        "same meaning",
        "equal",
        ("a/PER", "b/person"),
        80,
    )
    assert card.suggestion.action == "same"
    assert card.id == card_id("b/person", "a/PER")
    one, two = card.directions
    assert (one.source, one.target, one.mentions, one.share) == ("a/PER", "b/person", 20, 1.0)
    assert (two.source, two.target) == ("b/person", "a/PER")


def test_labels_that_agree_make_no_card():
    made = conflicts(screen([corpus("a", *twice("by [NAME|PER]")), corpus("b", *twice("to [NAME|PER] now"))]))
    assert (made.cards, made.gaps) == ((), ())


def test_a_broad_label_with_two_parts_is_to_be_split():
    a = corpus("a", *twice("in [NAME|LOC]"))
    b = corpus("b", *twice("[NAME|city]", NAMES[:10]), *twice("[NAME|river]", NAMES[10:]))
    cards = conflicts(screen([a, b]), thresholds=Thresholds(mentions=10)).cards
    assert {(card.labels, card.relation, card.kind) for card in cards} == {
        (("a/LOC", "b/city"), "superset", "part"),
        (("a/LOC", "b/river"), "superset", "part"),
    }
    for card in cards:
        assert "split" in card.flags
        assert card.suggestion.text == "a/LOC covers b/city and b/river: split it, or merge those."


def test_one_name_for_two_meanings_comes_first():
    a = corpus("a", *twice("[NAME|group]"), *twice("[NAMEs|other]"))
    b = corpus("b", *twice("[NAME|other]"), *twice("[NAMEs|group]"))
    cards = conflicts(screen([a, b])).cards
    assert [card.kind for card in cards] == ["same name", "same name", "same meaning", "same meaning"]
    assert {card.relation for card in cards[:2]} == {"disjoint"}


def test_other_bounds_are_a_convention():
    a = corpus("a", *twice("Duke [NAME|PER] came"), *twice("[NAME|PER] left"))
    b = corpus("b", *twice("[Duke NAME|PER] came"), *twice("[NAME|PER] left"))
    card = only(conflicts(screen([a, b])))
    assert (card.kind, card.flags) == ("boundary", ("boundary convention",))
    assert any(example.verdict == "part:PER" for example in card.examples)
    assert any(example.verdict == "inside:PER" for example in card.examples)


def test_bounds_that_only_longer_entities_show_count_in_the_ranking():
    a = corpus("a", *twice("[NAME|PER] left"))
    longer = [f"[{name} of Q{number}|PER] left" for name in NAMES for number in range(9)]
    card = only(conflicts(screen([a, corpus("b", *longer, *(f"[{name}|PER] left" for name in NAMES))])))
    assert (card.kind, card.directions[0].share, card.affected) == ("boundary", 1.0, 36)
    assert card.score == pytest.approx(0.8 * wilson(0.9, 20)[0] * np.log10(37) / 2, abs=1e-6)


def test_a_gap_that_explains_more_than_bounds_do_is_a_gap():
    a = corpus("a", *twice("[NAME|PER] left"), *twice("[NAMEa Duke|PER] left"))
    b = corpus(
        "b",
        *twice("NAME came"),
        *twice("[NAMEa|PER] Duke came", NAMES[:10]),
        *twice("[NAMEa Duke|PER]", NAMES[10:]),
    )
    card = next(card for card in conflicts(screen([a, b])).cards if card.labels == ("a/PER", "b/PER"))
    assert card.flags == ("boundary convention", "coverage gap")
    assert dict(card.directions[0].verdicts) == {"none": 0.5, "part:PER": 0.25, "same:PER": 0.25}
    assert card.kind == "gap"


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_what_one_direction_alone_tells_is_told_of_its_own_label(first, second):
    often = corpus(first, *twice("by [NAME|PER]"))
    once = corpus(second, *(f"to [{name}|person]" for name in NAMES))
    card = only(conflicts(screen([often, once])))
    assert (card.kind, card.relation) == ("part", "open")
    assert card.suggestion.text.startswith(f"{first}/PER is {second}/person or part of it;")


def test_a_gap_is_told_of_a_direction_with_mentions_enough():
    a = corpus("a", *twice("[NAME|PER]"), *twice("saw Zedo there"))
    b = corpus(
        "b",
        *twice("saw NAME there", NAMES[:10]),
        *(f"[{name}|PER]" for name in NAMES[10:]),
        *twice("[Zedo|PER]"),
    )
    card = only(conflicts(screen([a, b])))
    assert [(d.mentions, dict(d.verdicts)["none"]) for d in card.directions] == [(20, 0.5), (1, 1.0)]
    assert card.suggestion.text.startswith("b leaves 50% of the mentions of a/PER without a label")


def test_a_label_that_the_other_corpus_has_by_name_is_no_gap_of_its_own():
    a = corpus("a", *twice("[NAME|Group]"))
    made = conflicts(screen([a, corpus("b", *twice("saw NAME"), *twice("[NAMEx|group]"))]))
    assert [card.kind for card in made.cards] == ["gap"]
    assert made.gaps == ()


def test_pairs_are_those_of_a_look_at_every_pair():
    corpora, _ = planted(names=12, uses=4, noise=0.2)
    evidence = screen(corpora)
    found = {(pair.first, pair.second) for pair in relations(evidence)}
    expected = set()
    for one, two in combinations(sorted(evidence.gold), 2):
        for x, y in product(evidence.gold[one], evidence.gold[two]):
            sides = [evidence.witnesses.get(key, ()) for key in ((one, x, two), (two, y, one))]
            told = [[w.verdicts for w in side if w.verdicts] for side in sides]
            for shares, target in zip(told, (y, x), strict=True):
                if len(shares) >= 15 and sum(s.get(f"same:{target}", 0) for s in shares) >= 0.1 * len(shares):
                    expected.add(((one, x), (two, y)))
            if same_name(x, y) and any(told):
                expected.add(((one, x), (two, y)))
    assert expected
    assert expected <= found
    flagged = {(p.first, p.second) for p in relations(evidence) if "boundary convention" in p.flags}
    assert found - expected <= flagged


def test_halves_of_emoji_are_shown_as_replaced(tmp_path):
    a = corpus("a", *twice("\ud83d [NAME|PER]"))
    made = conflicts(screen([a, corpus("b", *twice("to [NAME|person]"))]))
    write_cards(made, tmp_path)
    [text] = {s.text[:2] for e in only(read_cards(tmp_path)).examples for s in e.sentences if s.corpus == "a"}
    assert text == "\ufffd "


def test_names_inside_longer_names_are_none():
    a = corpus("a", *twice("[NAME|PER] left"), *twice("[NAME Smith|PER] left", NAMES[:8]))
    b = corpus("b", *twice("[NAME|PER] left"), *twice("[NAME Jones|PER] came", NAMES[:9]))
    assert conflicts(screen([a, b])).cards == ()


def test_a_gap_under_one_name_and_one_without_a_counterpart():
    a = corpus("a", *twice("[NAME|PER]"), *twice("[NAMEite|MINERAL]"))
    b = corpus(
        "b", *twice("[NAME|PER]", NAMES[:10]), *twice("saw NAME there", NAMES[10:]), *twice("some NAMEite")
    )
    made = conflicts(screen([a, b]))
    [card] = [card for card in made.cards if card.kind == "gap"]
    assert card.labels == ("a/PER", "b/PER")
    assert card.flags == ("coverage gap",)
    assert card.suggestion.text.startswith("b leaves 50% of the mentions of a/PER without a label")
    [gap] = made.gaps
    assert (gap.label, gap.corpus, gap.mentions, gap.share, gap.affected) == ("a/MINERAL", "b", 20, 1.0, 40)


def test_examples_show_the_place_with_its_entities():
    far = "word " * 60
    a = corpus("a", *twice(f"{far}in [NAME|LOC] by [Al|PER] {far}"))
    b = corpus("b", *twice("[NAME|city]"))
    card = only(conflicts(screen([a, b])))
    sentence = next(s for e in card.examples for s in e.sentences if s.corpus == "a")
    start, end = sentence.mark
    assert sentence.text[start:end] in NAMES
    assert sentence.before
    assert sentence.after
    assert len(sentence.text) < 230
    assert not sentence.text.startswith("ord")
    assert {(sentence.text[s:e], label) for s, e, label in sentence.entities} == {
        (sentence.text[start:end], "LOC"),
        ("Al", "PER"),
    }


def test_the_file_of_cards_comes_back_and_a_broken_one_is_named(tmp_path):
    made = conflicts(screen([corpus("a", *twice("by [NAME|PER]")), corpus("b", *twice("to [NAME|person]"))]))
    write_cards(made, tmp_path)
    assert read_cards(tmp_path) == made
    path = tmp_path / "cards.json"
    path.write_text(path.read_text().replace('"same meaning"', '"some meaning"'))
    with pytest.raises(
        DataError,
        match=r"cards\.json: cards\.0\.kind must be as assay ner screen wrote it; .* Screen again\.",
    ):
        read_cards(tmp_path)
    with pytest.raises(DataError, match="must be an existing file"):
        read_cards(tmp_path / "none")


def test_thresholds_are_checked_and_used():
    with pytest.raises(DataError, match=r"same must be from 0 to 1; got 2\."):
        Thresholds(same=2)
    with pytest.raises(DataError, match=r"disjoint must be from 0 to 0\.5; got 0\.6\."):
        Thresholds(disjoint=0.6, same=0.5)
    a = corpus("a", *twice("by [NAME|PER]"))
    b = corpus("b", *twice("to [NAME|person] now") * 2, *twice("NAME", NAMES[:15])[::2])
    evidence = screen([a, b])
    assert [pair.relation for pair in relations(evidence)] == ["equal"]
    assert [pair.relation for pair in relations(evidence, thresholds=Thresholds(equal=0.05))] == ["superset"]


def test_a_label_inside_another_is_not_merged_into_it():
    a = corpus("a", *twice("the [NAME government|ORG] said"))
    b = corpus("b", *twice("the [NAME|LOC] government said"), *twice("in [NAME|LOC]"))
    [card] = [card for card in conflicts(screen([a, b])).cards if card.kind == "boundary"]
    assert card.suggestion.action == "ignore"
    assert "mark the one what lies in the other" in card.suggestion.text
