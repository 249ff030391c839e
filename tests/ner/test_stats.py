"""The counts of corpora, by hand."""

from __future__ import annotations

from dataclasses import replace

from assay.ner import Corpus, Document, Entity, stats
from assay.ner.stats import LabelStats, SplitStats
from tests.ner.made import corpus, document


def test_splits_and_labels() -> None:
    nested = Document(
        "3",
        "North and South",
        (Entity(0, 15, "b", ((0, 5), (10, 15))), Entity(0, 5, "a"), Entity(0, 5, "a")),
        split="dev",
    )
    train = [replace(document(number, "[Ada|a] met [Ada|a]"), split="train") for number in (1, 2)]
    mini = Corpus("mini", (*train, Document("0", "no", split="train"), nested), ("never", "b", "a"))
    found = stats([mini, corpus("other", "[Ada|a] [Bob|c]")])
    assert found.splits == (
        SplitStats("mini", "train", 3, 1, 24, 4, 0.0, 0),
        SplitStats("mini", "dev", 1, 0, 15, 3, 2 / 3, 1),
        SplitStats("other", "", 1, 0, 7, 2, 0.0, 0),
    )
    assert found.labels == (
        LabelStats("mini", "a", 6, 2, 22 / 6, 5, 2 / 6, (("Ada", 4), ("North", 2))),
        LabelStats("mini", "b", 1, 1, 11.0, 11, 0.0, (("North South", 1),)),
        LabelStats("mini", "never", 0, 0, 0.0, 0, 0.0, ()),
        LabelStats("other", "a", 1, 1, 3.0, 3, 0.0, (("Ada", 1),)),
        LabelStats("other", "c", 1, 1, 3.0, 3, 0.0, (("Bob", 1),)),
    )
    assert (found.unique_labels, found.summed_labels) == (4, 5)
