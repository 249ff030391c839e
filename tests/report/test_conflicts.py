"""Conflict cards as HTML: closed to the network and to the text of records, and every figure and sentence there."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from assay.ner.cards import COLUMNS, Card, Cards, Sentence, write_cards_tsv
from assay.report.conflicts import card_html, marked, relation, tints, verdict_words, write_cards_page
from tests.ner.sample_cards import HOSTILE, sample_cards


@pytest.fixture(scope="module")
def cards() -> Cards:
    return sample_cards()


@pytest.fixture(scope="module")
def page(cards: Cards, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("cards") / "index.html"
    write_cards_page(cards, path, whole=5)
    return path.read_text(encoding="utf-8")


class _Balance(HTMLParser):
    """Complain of any element that is not closed in order."""

    VOID = ("meta", "br", "img", "input", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += " " * (tag in ("th", "td", "p"))

    def handle_data(self, data: str) -> None:
        self.text += data


def _text(markup: str) -> str:
    parser = _Balance()
    parser.feed(markup)
    assert parser.open == []
    return parser.text


def test_every_element_is_closed_in_order(page: str) -> None:
    assert "Label conflicts" in _text(page)


def test_equal_cards_give_equal_bytes(cards: Cards, page: str, tmp_path: Path) -> None:
    write_cards_page(cards, tmp_path / "again.html", whole=5)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_text_of_records_cannot_become_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert "<img" not in page
    assert HOSTILE.split("<img")[0] in html.unescape(page)
    assert len(re.findall("<script>", page)) == 1  # the page's own


def test_nothing_may_be_fetched(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*\b(?:src|href)=""", page)


def test_every_card_is_listed_and_the_first_are_whole(cards: Cards, page: str) -> None:
    assert re.findall(r'<article class="card" id="([^"]+)"', page) == [card.id for card in cards.cards[:5]]
    assert page.count('<td class="pairing">') == len(cards.cards)
    assert "<td>weibo</td>" in page.split('id="missing"')[1]
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page


@pytest.mark.parametrize("at", range(6))
def test_a_card_shows_all_of_its_evidence(cards: Cards, at: int) -> None:
    card = cards.cards[at]
    text = " ".join(_text(str(card_html(card))).split())
    assert card.suggestion.text in text
    assert relation(card) in text
    for flag in card.flags:
        assert flag in text
    for way in card.directions:
        if way.share is not None:
            assert f"{way.share:.2f} {way.target.partition('/')[2]} there · {way.mentions} mention" in text
            assert f"{way.wilson[0]:.2f} to {way.wilson[1]:.2f} (Wilson)" in text
        for verdict, value in way.verdicts[:6]:
            assert " ".join((*filter(None, verdict_words(verdict)), f"{value:.2f}")) in text
        if len(way.verdicts) > 6:
            assert f"{len(way.verdicts) - 6} others 0.02" in text
    for example in card.examples:
        assert example.mention in text


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([(0, 2, "A")], "[A ab]<c>defgh"),
        ([(2, 3, "A")], "ab<[A c]>defgh"),
        ([(1, 5, "A")], "a[A b<c>de]fgh"),
        ([(0, 4, "A"), (1, 3, "B")], "[A a[B b<c>]d]efgh"),
        ([(0, 3, "A"), (1, 6, "B")], "[A a[B b<c>]][B def]gh"),
        ([(2, 3, "A"), (2, 3, "B")], "ab<[A [B c]]>defgh"),
        ([(5, 8, "A"), (5, 8, "A")], "ab<c>de[A [A fgh]]"),
    ],
)
def test_entities_nest_and_cross(entities: list[tuple[int, int, str]], expected: str) -> None:
    sentence = Sentence(
        corpus="x", document="d", split="", text="abcdefgh", mark=(2, 3), entities=tuple(entities),
        before=False, after=False,
    )  # fmt: skip
    names = {label: at for at, label in enumerate("AB")}
    drawn = str(marked(sentence, names))
    assert _text(re.sub("\u202f<small>.</small>", "", drawn)) == "abcdefgh"
    assert sorted(re.findall("<small>(.)</small>", drawn)) == sorted(label for *_, label in entities)
    shape = re.sub("\u202f<small>.</small>", "", drawn)
    for at, label in enumerate("AB"):
        shape = shape.replace(f'<span class="entity t{at}">', f"[{label} ")
    shape = shape.replace("</span>", "]").replace("<mark>", "<").replace("</mark>", ">")
    assert shape == expected


def test_figures_of_cross_validation_stand_side_by_side(cards: Cards) -> None:
    text = " ".join(_text(str(card_html(cards.cards[0]))).split())
    assert "(tagger crf)" in text
    assert (
        "news/location → politics/location politics/location → news/location f1 0.41 0.33 seen f1 0.62 0.50"
        in text
    )
    assert "Cross validation" not in str(card_html(cards.cards[1]))


def test_the_two_labels_have_colours_of_their_own(cards: Cards) -> None:
    colors = tints(cards.cards[0])
    assert colors["news/location"] == 0
    assert colors["politics/location"] == 1
    assert colors["country"] == 2
    assert "location" not in colors  # each location goes by its reference


def test_the_table_has_a_row_a_card(cards: Cards, tmp_path: Path) -> None:
    write_cards_tsv(cards, tmp_path / "cards.tsv")
    lines = (tmp_path / "cards.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split("\t") == list(COLUMNS)
    rows = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines[1:]]
    assert [row["id"] for row in rows] == [card.id for card in cards.cards]
    assert rows[0]["share_forth"] == "0.5000"
    assert rows[0]["wilson_low_back"] == "0.9000"
    assert rows[0]["verdicts_forth"] == "same:location 0.50, same:country 0.48, none 0.02"
    assert rows[3]["share_forth"] == ""


def test_no_cards_is_a_page_too(cards: Cards, tmp_path: Path) -> None:
    write_cards_page(cards.model_copy(update={"cards": ()}), tmp_path / "index.html")
    assert "0 cards" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_relation_in_words(cards: Cards) -> None:
    def words(card: Card, **changes: object) -> str:
        return relation(card.model_copy(update=changes))

    card = cards.cards[0]
    assert words(card) == "contains"
    assert words(card, likely=True) == "probably contains"
    assert words(card, likely=True, relation="subset") == "is probably part of"
    assert words(card, likely=True, relation="open") == "cannot be told from"


def test_it_opens_in_a_browser_without_complaint(browser: Any, cards: Cards, tmp_path: Path) -> None:
    write_cards_page(cards, tmp_path / "index.html")
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark", offline=True)
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((tmp_path / "index.html").as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") == 360
    paper = "getComputedStyle(document.body).backgroundColor"
    assert opened.evaluate(paper) == "rgb(22, 22, 24)"
    opened.locator("#theme").click()
    assert opened.evaluate(paper) == "rgb(255, 255, 255)"
    widths = [
        box.bounding_box()["width"]
        for box in opened.locator("article svg.bar rect").all()
        if box.is_visible()
    ]
    assert max(widths) > 10 * min(widths)  # bars are as long as their shares, without a style of their own
    assert said == []
    context.close()
