"""Conflict cards: what a person is shown of two labels, and the file that holds them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from assay._files import atomic, read_json, write_json
from assay.errors import DataError

FILE = "cards.json"
COLUMNS = (
    "rank", "id", "kind", "first", "second", "relation", "likely", "flags", "score", "affected", "suggestion",
    *(
        f"{column}_{way}"
        for way in ("forth", "back")
        for column in ("mentions", "share", "wilson_low", "wilson_high", "bootstrap_low", "bootstrap_high", "verdicts")
    ),
)  # fmt: skip
FORMAT = "assay.ner.cards/1"
Relation = Literal["equal", "subset", "superset", "overlap", "disjoint", "open"]
Kind = Literal["same name", "same meaning", "part", "overlap", "gap", "boundary"]
Action = Literal["same", "rename", "merge", "split", "ignore"]
Interval = tuple[float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Direction(_Frozen):
    """How the mentions of one label are annotated in the other corpus.

    `source` and `target` are ``corpus/label``; `mentions` counts the mention types of the source that were found
    there (n), each of which weighs 1. `share` is the mean share of ``same:<target label>`` among them, None at n = 0.
    `verdicts` is the whole distribution in the target's corpus, largest first, `own` that of the same mentions in their
    own corpus.
    """

    source: str
    target: str
    mentions: int
    share: float | None
    wilson: Interval | None
    bootstrap: Interval | None
    verdicts: tuple[tuple[str, float], ...]
    own: tuple[tuple[str, float], ...]


class Sentence(_Frozen):
    """A stretch of a document around one occurrence: `mark` and `entities` are offsets into `text`.

    `text` is cut to a window, `before` and `after` tell whether more of the document stands there.
    """

    corpus: str
    document: str
    split: str
    text: str
    mark: tuple[int, int]
    entities: tuple[tuple[int, int, str], ...]
    before: bool
    after: bool


class Example(_Frozen):
    """One mention type of a direction's source, and what the other corpus makes of it.

    `direction` is 0 or 1; `count` are its occurrences with this verdict, `gold` how often the source has it as its
    label. `sentences` show it in the other corpus, then in its own.
    """

    direction: int
    verdict: str
    mention: str
    count: int
    gold: int
    sentences: tuple[Sentence, ...]


class Suggestion(_Frozen):
    """What the numbers alone suggest; a person decides."""

    action: Action
    text: str


class Card(_Frozen):
    """Two labels of two corpora and all evidence on how they relate; see `assay.ner.relations`.

    `relation` reads from the first label to the second: ``subset`` means that the first is part of the second. `likely`
    says that an interval crosses a threshold. `affected` counts entities of both labels, each by the share of its
    mention's places in the other corpus: those without the other label for the kind ``same name``, without any for
    ``gap``, of other bounds for ``boundary``, else those that have the other label. Cards are ranked by `score`, higher
    first; it has no unit.
    """

    id: str
    kind: Kind
    labels: tuple[str, str]
    relation: Relation
    likely: bool
    flags: tuple[str, ...]
    score: float
    affected: int
    directions: tuple[Direction, Direction]
    examples: tuple[Example, ...]
    suggestion: Suggestion
    crossval: dict[str, Any] | None = None


class Gap(_Frozen):
    """A label without a counterpart in another corpus, in name or meaning, whose texts hold its mentions unannotated.

    `mentions` counts its mention types found there (n), `share` is the mean share of ``none`` among them, `affected`
    the entities that these mentions have under the label.
    """

    label: str
    corpus: str
    mentions: int
    share: float
    wilson: Interval
    affected: int
    sentences: tuple[Sentence, ...]


class LabelCount(_Frozen):
    """How often a label occurs: entities, and distinct mentions."""

    entities: int
    mentions: int


class CorpusSummary(_Frozen):
    """A corpus as it was screened: enough to read it again."""

    name: str
    source: str
    reading: dict[str, Any]
    language: str
    documents: int
    splits: dict[str, int]
    labels: dict[str, LabelCount]


class Cards(_Frozen):
    """The file ``cards.json``."""

    format: Literal["assay.ner.cards/1"] = "assay.ner.cards/1"
    assay: str
    settings: dict[str, Any]
    corpora: tuple[CorpusSummary, ...]
    cards: tuple[Card, ...]
    gaps: tuple[Gap, ...] = ()


def card_id(first: str, second: str) -> str:
    """Return the identity of the card of two labels, the same in whatever order they are named."""
    pair = "\n".join(sorted((first, second)))
    return "c" + hashlib.sha256(pair.encode()).hexdigest()[:10]


def read_cards(folder: str | Path) -> Cards:
    """Read ``cards.json`` of a folder that `assay ner screen` wrote."""
    path = Path(folder) / FILE
    try:
        return Cards.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(
            f"{path}: {field} must be as assay ner screen wrote it; {first['msg']}. Screen again."
        ) from None


def write_cards(cards: Cards, folder: str | Path) -> None:
    """Write ``cards.json``."""
    write_json(Path(folder) / FILE, cards.model_dump(mode="json"))


def write_cards_tsv(cards: Cards, path: str | Path) -> None:
    """Write the figures of all cards as a table, a row a card in their order, tabs between columns.

    Shares and limits have four digits. `verdicts` are the three largest of a direction. Tabs and ends of lines in
    labels become spaces; a field that holds a quote is not quoted.
    """
    with atomic(path) as f:
        f.write("\t".join(COLUMNS).encode() + b"\n")
        for rank, card in enumerate(cards.cards, 1):
            fields: list[Any] = [
                rank, card.id, card.kind, *card.labels, card.relation, "yes" if card.likely else "no",
                ", ".join(card.flags), f"{card.score:.6g}", card.affected, card.suggestion.action,
            ]  # fmt: skip
            for way in card.directions:
                verdicts = ", ".join(f"{verdict} {share:.2f}" for verdict, share in way.verdicts[:3])
                limits = [*(way.wilson or (None, None)), *(way.bootstrap or (None, None))]
                fields += [way.mentions, *map(_digits, [way.share, *limits]), verdicts]
            line = "\t".join(" ".join(str(field).split()) for field in fields) + "\n"
            f.write(line.encode("utf-8", "replace"))


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
