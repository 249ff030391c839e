"""Conflict cards -> HTML, for the page that `assay ner screen` writes and for the review page."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from assay._files import atomic
from assay.embed.encoder import mend
from assay.ner.cards import Card, Cards, Direction, Example, Kind, Relation, Sentence
from assay.report.page import COLORS, _cell, _digest, _part

KINDS: dict[Kind, tuple[str, str]] = {
    "same name": (
        "Same name, different meaning",
        "One name, but what one corpus so labels the other does not.",
    ),
    "same meaning": ("Different name, same meaning", "Two names for what both corpora label alike."),
    "part": ("One is part of the other", "What one corpus tells apart, the other has under one label."),
    "overlap": ("They share a part", "Both labels have mentions that the other does not cover."),
    "gap": ("Gaps", "One corpus leaves without a label what the other labels."),
    "boundary": ("Different boundaries", "Both label it, but begin or end the entity elsewhere."),
}
RELATIONS: dict[Relation, str] = {
    "equal": "means the same as",
    "subset": "is part of",
    "superset": "contains",
    "overlap": "overlaps with",
    "disjoint": "has nothing in common with",
    "open": "cannot be told from",
}
SIGNS: dict[Relation, str] = {
    "equal": "=", "subset": "⊂", "superset": "⊃", "overlap": "∩", "disjoint": "≠", "open": "?",
}  # fmt: skip
THRESHOLDS = (0.1, 0.75)  # of the relations: marked on the axis of a share
OPEN = 2  # verdicts of a direction whose sentences are shown unasked
SEEN = 0.005  # a share that is not shown as 0.00
BARS = 6  # verdicts with a bar of their own
HEATED = 40  # labels in the heat map at most
TINTS = len(COLORS)


def card_html(card: Card, *, level: int = 2, languages: Mapping[str, str] | None = None) -> Any:
    """Return a card as HTML: both directions with intervals, verdicts as bars, sentences in two columns.

    Texts are escaped. `level` is that of the heading, `languages` that of each corpus where known. The page needs
    the style of `style`; nothing in it needs a script.
    """
    template = environment().get_template("card.html")
    return template.make_module({"languages": dict(languages or {})}).card(card, level)


def write_cards_page(cards: Cards, path: str | Path, *, whole: int = 30) -> None:
    """Write the cards as one HTML page that opens in any browser without a network.

    Corpora and labels, a map of which label is found as which, all cards as ranked lists, and the first `whole` cards
    with their evidence. Equal arguments give equal bytes.
    """
    from markupsafe import Markup

    script, sheet = _part("theme.js"), style()
    ranked = cards.cards
    shown = {card.id for card in ranked[:whole]}
    html = environment().get_template("cards.html").render(
        cards=cards,
        lists=[
            (kind, *words, [(n, card) for n, card in enumerate(ranked, 1) if card.kind == kind])
            for kind, words in KINDS.items()
        ],
        whole=ranked[:whole],
        shown=shown,
        heat=heat(cards),
        labels=sum(len(corpus.labels) for corpus in cards.corpora),
        languages={corpus.name: corpus.language for corpus in cards.corpora},
        settings=[(name, _cell(value)) for name, value in cards.settings.items()],
        style=Markup(sheet),
        script=Markup(script),
        script_hash=Markup(_digest(script)),
    )  # fmt: skip
    with atomic(path) as f:
        f.write(mend(html).encode("utf-8"))


def style() -> str:
    """Return the style sheet of pages with cards."""
    return _part("page.css") + _part("cards.css")


@cache
def environment() -> Any:
    """Return the templates of this room with what they call: texts are escaped, a missing name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("assay.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "KINDS": KINDS, "RELATIONS": RELATIONS, "SIGNS": SIGNS, "THRESHOLDS": THRESHOLDS,
        "bars": bars, "groups": groups, "marked": marked, "relation": relation, "split_label": split_label,
        "tints": tints,
        "SEEN": SEEN, "verdict_words": verdict_words, "transfer": transfer,
    }  # fmt: skip
    made.filters |= {"share": share, "cell": _cell, "count": lambda number: f"{number:,}"}
    return made


def share(value: float | None) -> str:
    """Return a share as a person reads it."""
    return "–" if value is None else f"{value:.2f}"


def split_label(reference: str) -> tuple[str, str]:
    """Return corpus and label of ``corpus/label``."""
    corpus, _, label = reference.partition("/")
    return corpus, label


def relation(card: Card) -> str:
    """Return how the first label of a card relates to the second, in words."""
    words = RELATIONS[card.relation]
    if card.likely and card.relation != "open":
        first, _, rest = words.partition(" ")
        return f"probably {words}" if first != "is" else f"is probably {rest}"
    return words


def verdict_words(verdict: str) -> tuple[str, str]:
    """Return what a verdict says, and the label that it names or nothing."""
    kind, _, label = verdict.partition(":")
    words = {
        "same": "", "part": "only a part:" if label else "only a part", "none": "not labelled",
        "inside": "inside a longer" if label else "inside a longer entity",
        "cross": "crosses" if label else "crosses an entity",
    }  # fmt: skip
    return words.get(kind, kind), label


def tints(card: Card) -> dict[str, int]:
    """Return a colour for every label in a card: its own two first, the others in order of appearance.

    A label of the two has its colour only in its own corpus, under its reference; any other goes by its name.
    """
    found = dict.fromkeys(card.labels)
    for direction in card.directions:
        for verdict, _ in direction.verdicts:
            label = verdict_words(verdict)[1]
            if label and verdict.startswith("same:"):
                found.setdefault(_named(split_label(direction.target)[0], label, card.labels))
    for example in card.examples:
        for sentence in example.sentences:
            for *_, label in sentence.entities:
                found.setdefault(_named(sentence.corpus, label, card.labels))
    return {name: min(at, TINTS - 1) for at, name in enumerate(found)}


def _named(corpus: str, label: str, known: Collection[str]) -> str:
    reference = f"{corpus}/{label}"
    return reference if reference in known else label


def _color(corpus: str, label: str, colors: Mapping[str, int]) -> int:
    return colors.get(_named(corpus, label, colors), TINTS - 1)


def bars(direction: Direction, colors: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the verdicts of a direction as its bars: words, label, share, colour; the rest as one."""
    corpus = split_label(direction.target)[0]
    shown = []
    largest = [(verdict, value) for verdict, value in direction.verdicts[:BARS] if value >= SEEN]
    for verdict, value in largest:
        words, label = verdict_words(verdict)
        kind = verdict.partition(":")[0]
        color = _color(corpus, label, colors) if kind == "same" else None
        shown.append({"words": words, "label": label, "share": value, "kind": kind, "color": color})
    rest = direction.verdicts[len(largest) :]
    if rest:
        words = "1 other" if len(rest) == 1 else f"{len(rest)} others"
        value = sum(value for _, value in rest)
        shown.append({"words": words, "label": "", "share": value, "kind": "rest", "color": None})
    return shown


def groups(card: Card) -> list[dict[str, Any]]:
    """Return the examples by direction and verdict, in their order, each with the sentences of either corpus."""
    corpora = [split_label(label)[0] for label in card.labels]
    found: dict[tuple[int, str], list[tuple[Example, list[list[Sentence]]]]] = {}
    for example in card.examples:
        columns = [[s for s in example.sentences if s.corpus == corpus] for corpus in corpora]
        found.setdefault((example.direction, example.verdict), []).append((example, columns))
    opened = [0, 0]
    shown = []
    for (at, verdict), rows in found.items():
        opened[at] += 1
        way = card.directions[at]
        value = dict(way.verdicts).get(verdict)
        shown.append(
            {"way": way, "verdict": verdict, "share": value, "rows": rows, "open": opened[at] <= OPEN}
        )
    return shown


def marked(sentence: Sentence, colors: Mapping[str, int]) -> Any:
    """Return the text of a sentence with its entities tinted and the occurrence marked, as HTML.

    Entities may nest and cross: one that crosses another is drawn in pieces, its label behind the last.
    """
    from markupsafe import Markup, escape

    start, end = sentence.mark
    spans = [(start, end, "")] + [(a, b, label) for a, b, label in sentence.entities if a < b]
    spans.sort(key=lambda span: (span[0], -span[1], span[2] != ""))
    edges = sorted({0, len(sentence.text), *(edge for a, b, _ in spans for edge in (a, b))})
    html: list[str] = []
    stack: list[tuple[int, int, str]] = []
    waiting = iter(spans)
    following = next(waiting, None)
    for at, until in itertools.zip_longest(edges, edges[1:]):
        reopened = []
        while any(span[1] <= at for span in stack):
            span = stack.pop()
            html.append(_closed(span, whole=span[1] <= at))
            if span[1] > at:
                reopened.append(span)
        for span in reversed(reopened):
            stack.append(span)
            html.append(_opened(span, sentence.corpus, colors))
        while following is not None and following[0] <= at:
            stack.append(following)
            html.append(_opened(following, sentence.corpus, colors))
            following = next(waiting, None)
        if until is not None:
            html.append(str(escape(sentence.text[at:until])))
    return Markup("".join(html))


def _opened(span: tuple[int, int, str], corpus: str, colors: Mapping[str, int]) -> str:
    if not span[2]:
        return "<mark>"
    return f'<span class="entity t{_color(corpus, span[2], colors)}">'


def _closed(span: tuple[int, int, str], *, whole: bool) -> str:
    from markupsafe import escape

    if not span[2]:
        return "</mark>"
    return f"\u202f<small>{escape(span[2])}</small></span>" if whole else "</span>"


def transfer(card: Card) -> dict[str, Any] | None:
    """Return the figures of cross validation as a table: a row a figure, a column a direction; None where none are."""
    found = card.crossval or {}
    columns = {name: figures for name, figures in found.items() if isinstance(figures, Mapping)}
    if not columns:
        return None
    names = dict.fromkeys(name for figures in columns.values() for name in figures)
    rows = [(name.replace("_", " "), [figures.get(name) for figures in columns.values()]) for name in names]
    said = ", ".join(f"{name} {value}" for name, value in found.items() if name not in columns)
    return {"columns": list(columns), "rows": rows, "said": said}


def heat(cards: Cards) -> dict[str, Any] | None:
    """Return the map of labels: for each row's label, the share of its mentions found as the column's label.

    Only pairs with a card have a value; of many labels those of the first cards are shown.
    """
    names: dict[str, None] = {}
    for card in cards.cards:
        if len(names | dict.fromkeys(card.labels)) > HEATED:
            break
        names |= dict.fromkeys(card.labels)
    if len(names) < 3:
        return None
    order = [f"{c.name}/{label}" for c in cards.corpora for label in c.labels]
    labels = sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
    cells = {
        (way.source, way.target): {
            "share": way.share,
            "tone": round(way.share * 10),
            "way": way,
            "card": card,
        }
        for card in cards.cards
        for way in card.directions
        if way.share is not None
    }
    rows = [(row, [cells.get((row, column)) for column in labels]) for row in labels]
    return {
        "labels": labels,
        "rows": rows,
        "all": len({label for card in cards.cards for label in card.labels}),
    }
