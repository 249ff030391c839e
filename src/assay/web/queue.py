"""The queue: which cards are shown, which is next, and how far the work is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from assay.ner.cards import Card
from assay.ner.decisions import Decision, Decisions
from assay.ner.validate import PROPOSAL
from assay.web.form import of_card

Status = Literal["open", "proposed", "settled", "decided"]
STATUSES: Mapping[str, str] = {
    "open": "open: nobody decided",
    "proposed": "proposed: to be confirmed",
    "settled": "settled by decisions on other cards",
    "decided": "decided",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cards are shown: "" is any; `text` stands in a label or in a mention."""

    kind: str = ""
    relation: str = ""
    corpus: str = ""
    status: str = ""
    text: str = ""

    @property
    def query(self) -> str:
        """The filter as the query of an address, with its question mark; nothing where all cards are shown."""
        found = {"kind": self.kind, "relation": self.relation, "corpus": self.corpus, "status": self.status,
                 "q": self.text}  # fmt: skip
        given = {name: value for name, value in found.items() if value}
        return "?" + urlencode(given) if given else ""


@dataclass(frozen=True, slots=True)
class Row:
    """A card in the queue: its rank from 1, its status, and the decisions that answer it."""

    rank: int
    card: Card
    status: Status
    decisions: tuple[Decision, ...]


def rows(cards: Sequence[Card], decisions: Decisions) -> list[Row]:
    """Return all cards with their status.

    A card that nobody answered is settled where decisions on other cards have said what both of its labels come to.
    """
    given = {
        label
        for entry in decisions.entries
        if entry.action != "ignore" and entry.author != PROPOSAL
        for label in entry.labels
    }
    found = []
    for rank, card in enumerate(cards, 1):
        entries = of_card(decisions, card)
        status: Status = "settled" if given.issuperset(card.labels) else "open"
        if entries:
            status = "proposed" if all(entry.author == PROPOSAL for entry in entries) else "decided"
        found.append(Row(rank, card, status, entries))
    return found


def filtered(all_rows: Sequence[Row], by: Filter) -> list[Row]:
    """Return the rows that a filter lets through, in their order."""
    text = by.text.casefold()
    return [
        row
        for row in all_rows
        if by.kind in ("", row.card.kind)
        and by.relation in ("", row.card.relation)
        and by.status in ("", row.status)
        and (not by.corpus or any(label.partition("/")[0] == by.corpus for label in row.card.labels))
        and (not text or text in _words(row.card))
    ]


def _words(card: Card) -> str:
    return "\n".join((*card.labels, card.id, *(example.mention for example in card.examples))).casefold()


def beside(all_rows: Sequence[Row], by: Filter, rank: int) -> tuple[Row | None, Row | None]:
    """Return the cards before and after a rank among those that a filter lets through."""
    shown = filtered(all_rows, by)
    before = [row for row in shown if row.rank < rank]
    after = [row for row in shown if row.rank > rank]
    return (before[-1] if before else None), (after[0] if after else None)


def following(all_rows: Sequence[Row], by: Filter, rank: int) -> Row | None:
    """Return the card to decide after one: the next that is open or proposed, then from the beginning."""
    waiting = [row for row in filtered(all_rows, by) if row.status in ("open", "proposed")]
    return next((row for row in waiting if row.rank > rank), waiting[0] if waiting else None)


def progress(all_rows: Sequence[Row]) -> dict[str, int]:
    """Return how many cards have each status."""
    counts = dict.fromkeys(STATUSES, 0)
    for row in all_rows:
        counts[row.status] += 1
    return counts
