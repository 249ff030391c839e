"""Conflict cards of three small corpora that exist nowhere else: every kind, relation and trap for a page."""

from __future__ import annotations

from assay.ner.cards import (
    Action,
    Card,
    Cards,
    CorpusSummary,
    Direction,
    Example,
    Gap,
    Kind,
    LabelCount,
    Relation,
    Sentence,
    Suggestion,
    card_id,
)

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> & <b>bold</b>"


def sample_cards() -> Cards:
    """Return one card of each kind with sentences, and the first one's neighbours without."""
    return Cards(
        assay="0.1.0",
        settings={"case_guard": True, "min_mentions": 15, "seed": 0},
        corpora=tuple(
            CorpusSummary(
                name=name,
                source=f"corpora/{name}",
                reading={},
                language=language,
                documents=documents,
                splits={"train": documents - 20, "test": 20},
                labels={label: LabelCount(entities=n, mentions=n // 3 + 1) for label, n in labels.items()},
            )
            for name, language, documents, labels in (
                ("news", "en", 1800, {"location": 2411, "person": 1904, "organisation": 870}),
                ("politics", "en", 650, {"location": 610, "country": 552, "politician": 948, "party": 301}),
                ("weibo", "zh", 1200, {"地点": 403, "机构": 377, "LOC.NAM": 76}),
            )
        ),
        cards=tuple(_cards()),
        gaps=(
            Gap(
                label="politics/party",
                corpus="weibo",
                mentions=22,
                share=0.95,
                wilson=(0.78, 0.99),
                affected=140,
                sentences=(_sentence("weibo", "青山党昨天开会。", "青山党", []),),
            ),
        ),
    )


def _cards() -> list[Card]:
    port = "The Port of Lyon Authority met on Monday at the Port of Lyon."
    sea = "Ferries left France for Malta in June, the harbour master of Valletta said."
    vote = "France and Malta voted, while Lyon and the old harbour stayed calm 🗳️."
    return [
        _card(
            "same name",
            ("news/location", "politics/location"),
            "superset",
            (
                _way(
                    "news/location",
                    "politics/location",
                    220,
                    0.5,
                    (("same:location", 0.5), ("same:country", 0.48), ("none", 0.02)),
                    0.93,
                ),
                _way(
                    "politics/location",
                    "news/location",
                    67,
                    0.97,
                    (("same:location", 0.97), ("inside", 0.03)),
                    0.9,
                ),
            ),
            action="split",
            text="politics/country back to news/location is 0.97: split location into country and the rest.",
            flags=("coverage gap", "boundary convention"),
            examples=(
                _example(
                    0,
                    "same:country",
                    "france",
                    12,
                    (
                        _sentence(
                            "politics",
                            vote,
                            "France",
                            [("France", "country"), ("Malta", "country"), ("Lyon", "location")],
                        ),
                        _sentence(
                            "news",
                            sea,
                            "France",
                            [("France", "location"), ("Malta", "location"), ("Valletta", "location")],
                        ),
                    ),
                ),
                _example(
                    0,
                    "same:country",
                    "malta",
                    5,
                    (
                        _sentence(
                            "politics",
                            vote,
                            "Malta",
                            [("France", "country"), ("Malta", "country"), ("Lyon", "location")],
                        ),
                        _sentence(
                            "news",
                            sea,
                            "Malta",
                            [("France", "location"), ("Malta", "location"), ("Valletta", "location")],
                        ),
                    ),
                ),
                _example(
                    0,
                    "same:location",
                    "lyon",
                    7,
                    (
                        _sentence(
                            "politics",
                            vote,
                            "Lyon",
                            [("France", "country"), ("Malta", "country"), ("Lyon", "location")],
                        ),
                        _sentence("news", "Trains from Lyon ran late.", "Lyon", [("Lyon", "location")]),
                    ),
                ),
                _example(
                    1,
                    "inside",
                    "port of lyon",
                    1,
                    (
                        _sentence(
                            "news",
                            port,
                            "Port of Lyon",
                            [("Port of Lyon Authority", "organisation"), ("Lyon", "location")],
                        ),
                        _sentence(
                            "politics",
                            "They walked to the Port of Lyon.",
                            "Port of Lyon",
                            [("Port of Lyon", "location")],
                        ),
                    ),
                ),
            ),
            crossval={
                "tagger": "crf",
                "news/location → politics/location": {"f1": 0.41, "seen_f1": 0.62},
                "politics/location → news/location": {"f1": 0.33, "seen_f1": 0.5},
            },
        ),
        _card(
            "part",
            ("politics/politician", "news/person"),
            "subset",
            (
                _way(
                    "politics/politician",
                    "news/person",
                    41,
                    0.91,
                    (("same:person", 0.91), ("none", 0.09)),
                    0.88,
                ),
                _way(
                    "news/person",
                    "politics/politician",
                    58,
                    0.66,
                    (("same:politician", 0.66), ("same:person", 0.2), ("none", 0.14)),
                    0.95,
                ),
            ),
            likely=True,
            action="split",
            text="politician is part of person: make it a child.",
            examples=(
                _example(
                    0,
                    "same:person",
                    "ada okoro",
                    3,
                    (
                        _sentence(
                            "news",
                            f"Ada Okoro wrote {HOSTILE} on the board.",
                            "Ada Okoro",
                            [("Ada Okoro", "person"), ("<b>bold", "person")],
                        ),
                        _sentence(
                            "politics",
                            "Senator Ada Okoro resigned.",
                            "Ada Okoro",
                            [("Ada Okoro", "politician")],
                        ),
                    ),
                ),
            ),
        ),
        _card(
            "same meaning",
            ("weibo/地点", "weibo/LOC.NAM"),
            "equal",
            (
                _way(
                    "weibo/地点",
                    "weibo/LOC.NAM",
                    35,
                    0.86,
                    (("same:LOC.NAM", 0.86), ("part:LOC.NAM", 0.06), ("none", 0.08)),
                    0.9,
                ),
                _way("weibo/LOC.NAM", "weibo/地点", 31, 0.84, (("same:地点", 0.84), ("cross", 0.16)), 0.92),
            ),
            action="merge",
            text="Two names for one thing: merge them.",
            examples=(
                _example(
                    0,
                    "part:LOC.NAM",
                    "海港城市",
                    2,
                    (
                        _sentence(
                            "weibo",
                            "昨天我们在海港城市的老码头看了日出。",
                            "海港城市",
                            [("海港", "LOC.NAM"), ("城市的老码头", "地点")],
                        ),
                    ),
                ),
            ),
        ),
        _card(
            "gap",
            ("weibo/机构", "politics/party"),
            "open",
            (
                _way("weibo/机构", "politics/party", 0, None, (), 0.0),
                _way("politics/party", "weibo/机构", 3, 0.0, (("none", 1.0),), 0.9),
            ),
            action="ignore",
            text="Too few shared mentions to tell.",
            flags=("coverage gap",),
        ),
        _card(
            "overlap",
            ("news/organisation", "politics/party"),
            "overlap",
            (
                _way(
                    "news/organisation",
                    "politics/party",
                    93,
                    0.38,
                    (
                        ("same:party", 0.38),
                        ("none", 0.28),
                        ("same:location", 0.2),
                        ("same:politician", 0.07),
                        ("inside", 0.03),
                        ("cross", 0.02),
                        ("part:country", 0.01),
                        ("part:location", 0.01),
                    ),
                    0.8,
                ),
                _way(
                    "politics/party",
                    "news/organisation",
                    22,
                    0.7,
                    (("same:organisation", 0.7), ("none", 0.3)),
                    0.93,
                ),
            ),
            action="merge",
            text="Both have a part of their own.",
        ),
        _card(
            "boundary",
            ("politics/country", "weibo/地点"),
            "disjoint",
            (
                _way(
                    "politics/country",
                    "weibo/地点",
                    16,
                    0.05,
                    (("part:地点", 0.6), ("none", 0.35), ("same:地点", 0.05)),
                    0.97,
                ),
                _way(
                    "weibo/地点", "politics/country", 18, 0.02, (("none", 0.98), ("same:country", 0.02)), 0.9
                ),
            ),
            action="same",
            text="Nothing in common.",
        ),
    ]


def _card(
    kind: Kind,
    labels: tuple[str, str],
    relation: Relation,
    directions: tuple[Direction, Direction],
    *,
    action: Action,
    text: str,
    likely: bool = False,
    flags: tuple[str, ...] = (),
    examples: tuple[Example, ...] = (),
    crossval: dict[str, object] | None = None,
) -> Card:
    return Card(
        id=card_id(*labels),
        kind=kind,
        labels=labels,
        relation=relation,
        likely=likely,
        flags=flags,
        score=sum(way.mentions for way in directions),
        affected=13 * directions[0].mentions,
        directions=directions,
        examples=examples,
        suggestion=Suggestion(action=action, text=text),
        crossval=crossval,
    )


def _way(
    source: str,
    target: str,
    mentions: int,
    share: float | None,
    verdicts: tuple[tuple[str, float], ...],
    own: float,
) -> Direction:
    interval = None if share is None else (max(0.0, share - 0.07), min(1.0, share + 0.06))
    label = source.partition("/")[2]
    return Direction(
        source=source,
        target=target,
        mentions=mentions,
        share=share,
        wilson=interval,
        bootstrap=interval,
        verdicts=verdicts,
        own=((f"same:{label}", own), ("none", round(1 - own, 2))) if share is not None else (),
    )


def _example(
    direction: int, verdict: str, mention: str, count: int, sentences: tuple[Sentence, ...]
) -> Example:
    return Example(
        direction=direction,
        verdict=verdict,
        mention=mention,
        count=count,
        gold=2 * count,
        sentences=sentences,
    )


def _sentence(corpus: str, text: str, mark: str, entities: list[tuple[str, str]]) -> Sentence:
    """Return a sentence; the mark is the last occurrence, an entity the first."""

    def place(surface: str) -> tuple[int, int]:
        start = text.index(surface)
        return start, start + len(surface)

    at = text.rindex(mark)
    return Sentence(
        corpus=corpus,
        document=f"{corpus}-{len(text)}",
        split="train",
        text=text,
        mark=(at, at + len(mark)),
        entities=tuple((*place(surface), label) for surface, label in entities),
        before=len(entities) > 2,
        after=True,
    )
