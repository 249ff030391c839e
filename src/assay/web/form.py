"""The decision form: what a person typed <-> a decision."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from assay.errors import DataError
from assay.ner.cards import Card
from assay.ner.decisions import Decision, Decisions, Rule, parse_decision
from assay.ner.propose import plain_phrase

ACTIONS = {
    "same": ("Same", "they mean the same: one name"),
    "rename": ("Rename", "one label gets another name"),
    "merge": ("Merge", "they differ, and get one name all the same"),
    "split": ("Split", "one label becomes several"),
    "ignore": ("Ignore", "seen; nothing changes"),
}
WAYS = {
    "": "–",
    "gazetteer": "is in the list (file)",
    "regex": "matches (regular expression)",
    "model": "so in predictions (file)",
    "manual": "by hand (table)",
    "rest": "all the rest",
}
BLANK = 1  # empty rows below those that say something
SPLIT = 0.1  # of a label's mentions, from which another label of them is offered as a part
MORE = 4  # rows that a press of the button adds


@dataclass(frozen=True, slots=True)
class Part:
    """A row of a split: entities get `name` by a `way` and its `value`."""

    name: str = ""
    way: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What the form holds: as it is shown first, or as it came back."""

    id: str = ""
    seen: str = ""
    action: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""
    parts: tuple[Part, ...] = field(default=())
    reason: str = ""
    author: str = ""

    @property
    def rows(self) -> tuple[Part, ...]:
        """The rows of the split, with empty ones below."""
        return (*self.parts, *[Part()] * max(BLANK, 2 - len(self.parts)))


def blank(card: Card, *, author: str, seen: str, names: Mapping[str, str]) -> Form:
    """Return the form of a card without a decision; `names` are what labels are called by other decisions."""
    name = next(
        (names[label] for label in card.labels if label in names),
        plain_phrase(card.labels[0].partition("/")[2]),
    )
    return Form(seen=seen, labels=card.labels, name=name, parts=_guessed(card), author=author)


def divided(card: Card) -> str:
    """Return which label of a card a split divides: the broader one, "" for both where they have one name."""
    names = {plain_phrase(label.partition("/")[2]) for label in card.labels}
    if len(names) == 1 or card.relation not in ("subset", "superset"):
        return ""
    return card.labels[card.relation == "subset"]


def _guessed(card: Card) -> tuple[Part, ...]:
    """Return what a split of the broader label could come to: what the other corpus calls its mentions, most last."""
    way = card.directions[1] if card.relation == "subset" else card.directions[0]
    found = [
        name.partition(":")[2] for name, value in way.verdicts if name.startswith("same:") and value >= SPLIT
    ]
    names = [*dict.fromkeys(plain_phrase(label) for label in found[1:] + found[:1])]
    return (*(Part(name) for name in names[:-1]), Part(names[-1], "rest")) if len(names) > 1 else ()


def shown(decision: Decision, *, seen: str, author: str) -> Form:
    """Return the form of a decision as it stands."""
    parts = []
    for name, rule in (decision.into or {}).items():
        if isinstance(rule, Rule):
            parts += [Part(name, way, value) for way, value in rule.model_dump(exclude_none=True).items()]
        else:
            parts.append(Part(name, "rest"))
    return Form(
        id=decision.id,
        seen=seen,
        action=decision.action,
        labels=decision.labels,
        name=decision.name or "",
        parts=tuple(parts),
        reason=decision.reason,
        author=author if decision.author in ("", "proposal") else decision.author,
    )


def filled(fields: Mapping[str, Sequence[str]]) -> Form:
    """Return the form as it came back from the browser."""

    def one(name: str) -> str:
        return fields.get(name, [""])[-1].strip()

    columns = [[value.strip() for value in fields.get(name, ())] for name in ("part", "way", "value")]
    rows = [Part(*row) for row in zip(*columns, strict=False)]
    return Form(
        id=one("id"),
        seen=one("seen"),
        action=one("action"),
        labels=tuple(dict.fromkeys(fields.get("label", ()))),
        name=one("name"),
        parts=tuple(row for row in rows if row != Part()),
        reason=one("reason"),
        author=one("author"),
    )


def decision(form: Form, card: Card) -> Decision:
    """Return the decision that a form makes, or raise with what is wrong.

    A name counts for the actions that give one, rows count for split; what stands in the other fields is left out.
    """
    if not form.action:
        raise DataError("action must be chosen.")
    fields: dict[str, Any] = {
        "id": form.id,
        "labels": form.labels,
        "action": form.action,
        "author": form.author,
        "date": datetime.date.today(),
        "reason": form.reason,
        "card": card.id,
    }
    if form.action in ("same", "merge", "rename"):
        fields["name"] = form.name or None
    if form.action == "split":
        fields["into"] = _into(form.parts)
    if not form.author:
        raise DataError("author must be given: who decides.")
    return parse_decision(fields, where="this decision")


def _into(parts: Sequence[Part]) -> dict[str, Any]:
    into: dict[str, Any] = {}
    for part in parts:
        if not part.name:
            raise DataError(f"name of a part must be given; got none beside {part.value or part.way!r}.")
        if part.way not in WAYS or not part.way:
            raise DataError(f"{part.name} must say which entities get it: choose how.")
        if part.way == "rest":
            if part.name in into:
                raise DataError(f"{part.name} must be the rest or have rules; got both.")
            into[part.name] = "rest"
            continue
        rules = into.setdefault(part.name, {})
        if rules == "rest":
            raise DataError(f"{part.name} must be the rest or have rules; got both.")
        if part.way in rules:
            raise DataError(f"{part.name} must have one {part.way}; got two.")
        if not part.value:
            raise DataError(f"{part.name} must have its {part.way}; got none.")
        rules[part.way] = part.value
    return into


def fingerprint(entries: Sequence[Decision]) -> str:
    """Return what tells whether decisions are still those that a page showed."""
    content = orjson.dumps([entry.model_dump(mode="json") for entry in entries])
    return hashlib.sha256(content).hexdigest()[:16]


def of_card(decisions: Decisions, card: Card) -> tuple[Decision, ...]:
    """Return the decisions that answer a card: by its id, and those of exactly its labels that name no card."""
    return tuple(
        entry
        for entry in decisions.entries
        if entry.card == card.id or (entry.card is None and set(entry.labels) == set(card.labels))
    )
