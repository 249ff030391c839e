"""The one-pass screen gives the evidence of plain loops."""

from __future__ import annotations

import dataclasses

import pytest

from assay.ner import Corpus
from assay.ner.planted import planted
from assay.ner.relations import relations
from assay.ner.screen import screen
from tests.oracles import screen as oracle

LABELS = [
    ("amber", "PER", "birch"),
    ("birch", "person", "amber"),
    ("amber", "ORG", "cedar"),
    ("cedar", "location", "amber"),
    ("birch", "book", "cedar"),
    ("cedar", "product", "birch"),
]


def small(language: str, noise: float) -> list[Corpus]:
    """Corpora of some hundred sentences each: plain loops are slow."""
    corpora, _ = planted(language=language, noise=noise, names=12, uses=4)
    return [dataclasses.replace(corpus, documents=corpus.documents[:360]) for corpus in corpora]


@pytest.mark.parametrize("case_guard", [True, False])
@pytest.mark.parametrize("language", ["en", "zh", "mixed"])
def test_equals_plain_loops(language, case_guard):
    corpora = small(language, 0.2)
    by_name = {corpus.name: corpus for corpus in corpora}
    evidence = screen(corpora, case_guard=case_guard)
    seen = 0
    for source, label, other in LABELS:
        expected = oracle.evidence(by_name[source], label, by_name[other], case_guard=case_guard)
        witnesses = evidence.witnesses.get((source, label, other), ())
        found = {oracle.key(evidence.mentions[w.mention]): dict(w.verdicts) for w in witnesses if w.verdicts}
        assert found.keys() == expected.keys()
        for mention, verdicts in expected.items():
            assert found[mention] == pytest.approx(verdicts)
        seen += len(expected)
    assert seen > 40


def test_shares_and_numbers_of_relations_equal_plain_loops():
    corpora = small("en", 0.1)
    by_name = {corpus.name: corpus for corpus in corpora}
    checked = 0
    for pair in relations(screen(corpora)):
        if (*pair.first, pair.second[0]) in LABELS:
            (one, x), (two, y) = pair.first, pair.second
            for direction, (a, label, b, target) in zip(
                pair.directions, ((one, x, two, y), (two, y, one, x)), strict=True
            ):
                expected = oracle.evidence(by_name[a], label, by_name[b])
                assert direction.mentions == len(expected)
                assert (direction.share or 0.0) == pytest.approx(oracle.weight(expected, target))
                checked += 1
    assert checked >= 10
