"""Cards made of bare facts: which labels there are, and how some of them relate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.ner.cards import Card, Cards, CorpusSummary, Direction, LabelCount, Suggestion, card_id
from assay.ner.relations import wilson


def card(one: str, two: str, relation: str, r: float = 0.9, s: float = 0.9, *, kind: str = "part") -> Card:
    """Return a card of two labels; r and s are the shares from one to two and back."""

    def way(source: str, target: str, share: float) -> Direction:
        return Direction(
            source=source,
            target=target,
            mentions=40,
            share=share,
            wilson=wilson(share, 40),
            bootstrap=None,
            verdicts=((f"same:{target.split('/', 1)[1]}", share),),
            own=(),
        )

    return Card(
        id=card_id(one, two),
        kind=kind,
        labels=(one, two),
        relation=relation,
        likely=False,
        flags=(),
        score=1.0,
        affected=10,
        directions=(way(one, two, r), way(two, one, s)),
        examples=(),
        suggestion=Suggestion(action="ignore", text=""),
    )


def cards(corpora: Mapping[str, Mapping[str, int]], *made: Card, splits: Sequence[str] = ("train",)) -> Cards:
    """Return the card file of corpora, given as entities by label."""
    return Cards(
        assay="0",
        settings={},
        corpora=tuple(
            CorpusSummary(
                name=name,
                source=name,
                reading={},
                language="en",
                documents=len(splits),
                splits=dict.fromkeys(splits, 1),
                labels={label: LabelCount(entities=n, mentions=n) for label, n in labels.items()},
            )
            for name, labels in corpora.items()
        ),
        cards=made,
    )
