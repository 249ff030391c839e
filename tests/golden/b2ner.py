"""Answers and how the released evaluator of B2NER counts them (UmeanNever/B2NER, MIT): gold, predicted, and what is
right, missed and wrong. Computed with that program; never regenerated from this package."""

from __future__ import annotations

COUNTS = [
    ("person: Bob; person: Bob", "person: Bob", (1, 0, 0)),
    ("person: Bob", "PERSON: BOB", (1, 0, 0)),
    ("person: Bob", "person: @bob", (1, 0, 0)),
    ("person: Bob", "person: (Bob)", (1, 0, 0)),
    ("person: Bob", "person: #Bob#", (1, 0, 0)),
    ("work: A; B", "work: A; B", (1, 0, 0)),
    ("work: 《红楼梦》作者曹雪芹", "work: 红楼梦", (1, 0, 0)),
    ("work: 《A》和《B》", "work: A", (1, 0, 0)),
    ("location: located in paris", "location: location in paris", (1, 0, 0)),
    ("organization: UN", "organisation: UN", (1, 0, 0)),
    ("person: Jean - Paul", "person: Jean-Paul", (1, 0, 0)),
    ("organization: U . S . Steel", "organization: U.S.Steel", (1, 0, 0)),
    ("work: Star Trek: Picard", "work: Star Trek: Picard", (1, 0, 0)),
    ("人名: 张三；李四", "人名: 张三", (1, 0, 0)),
    ("人名: 张三", "人名：张三", (1, 0, 0)),
    ("None", "person: ", (0, 0, 1)),
    ("person: Bob", "animal: Bob", (0, 1, 1)),
    ("person: Bob", "person: Bob.", (0, 1, 1)),
    ("person: Bob", 'person: "Bob"', (0, 1, 1)),
    ("person: Bob", "person: Bob; person: Zoe", (1, 0, 1)),
    ("person: Bob; person: Al", "person: Bob, Al", (0, 2, 1)),
    ("None", "None", (0, 0, 0)),
]
