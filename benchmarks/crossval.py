"""The taggers' F1 in their own corpora and on others, beside the figures of the description."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import numpy as np

from assay.ner.crossval import _renamed, cross_validate
from assay.ner.document import Corpus, Document
from assay.ner.score import score
from assay.ner.taggers.crf import CRF

NAMES = {
    "location": "LOC",
    "person": "PER",
    "group": "ORG",
    "corporation": "ORG",
    "organisation": "ORG",
}
FOLDERS = ("wnut17", "btc", "crossner/politics")
# Section 4 of the description, in-domain, in percent
PUBLISHED = {
    "wnut17": {"LOC": 38, "PER": 51, "ORG": 32},
    "btc": {"LOC": 55, "PER": 77, "ORG": 49},
    "politics": {"LOC": 67, "PER": 57, "ORG": 60},
}
SEEDS = range(6)
SHUFFLES = range(20)


def ner_crossval() -> list[dict]:
    """CRF in-domain F1 in percent beside that measured before: at most 3,000 documents to train on, 1,000 to test on.

    Corpora have LOC, PER and ORG alone (wnut17: group and corporation are ORG; politics: person is PER, politician is
    left out). Mean, standard deviation and range over 20 seeds, documents shuffled, so that copies of a text may
    stand on both sides, as nothing says that they did not before. One draw is what was measured before, so "draws
    within 5" counts the shuffles in which all three labels of a corpus lie within 5 points. "File order" is the draw
    without any shuffle: files by name, the first 3,000 documents (politics: three quarters) to train on, the next to
    test on. Beside, what `assay ner crossval` gives, over six seeds: copies on one side, and the corpora's own splits
    (btc has none in this copy).
    """
    from assay.ner import read_corpus

    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"
    if not data.exists():
        return [{"not measured": f"no data at {data}; set ASSAY_DATA"}]
    corpora = [read_corpus(data / folder) for folder in FOLDERS]
    labels = {label for corpus in corpora for label in corpus.labels}
    names = {label: NAMES.get(label, label if label in NAMES.values() else "") for label in labels}
    found: dict[tuple[str, str, str], list[float]] = {}
    for seed in SHUFFLES:
        for corpus in corpora:
            for label, f1 in _shuffled(_renamed(corpus, names), seed).items():
                found.setdefault(("shuffled", corpus.name, label), []).append(f1)
    in_order = {}
    for corpus in corpora:
        documents = sorted(_renamed(corpus, names).documents, key=lambda document: document.split)
        n = min(1000, len(documents) // 4)
        first = min(3000, len(documents) - n)
        in_order[corpus.name] = _f1(documents[:first], documents[first : first + n])
    for seed in SEEDS:
        for split in ("seeded", "own"):
            result = cross_validate(corpora, names=names, split=split, seed=seed)
            for cell in result.cells:
                if cell.train == cell.test:
                    corpus, label = cell.train.split("/")
                    found.setdefault((split, corpus, label), []).append(100 * cell.counts.strict.f1)
    out = []
    for corpus, by_label in PUBLISHED.items():
        drawn = zip(*(found["shuffled", corpus, label] for label in by_label), strict=True)
        near = sum(
            all(abs(f1 - before) <= 5 for f1, before in zip(one, by_label.values(), strict=True))
            for one in drawn
        )
        for label, before in by_label.items():
            shuffled, apart, own = (found[split, corpus, label] for split in ("shuffled", "seeded", "own"))
            mean = statistics.mean(shuffled)
            out.append(
                {
                    "corpus": corpus,
                    "label": label,
                    "measured before": before,
                    "now": round(mean, 1),
                    "difference": round(mean - before, 1),
                    "deviation": round(statistics.stdev(shuffled), 1),
                    "range": f"{min(shuffled):.0f} to {max(shuffled):.0f}",
                    "draws within 5": f"{near} of {len(SHUFFLES)}",
                    "file order": round(in_order[corpus][label], 1),
                    "copies apart": round(statistics.mean(apart), 1),
                    "own split": round(statistics.mean(own), 1),
                }
            )
    return out


def _shuffled(corpus: Corpus, seed: int) -> dict[str, float]:
    """Return the F1 of each label in percent, from documents of a shuffle."""
    order = np.random.default_rng(seed).permutation(len(corpus.documents))
    documents = [corpus.documents[at] for at in order]
    n = min(1000, len(documents) // 4)
    return _f1(documents[n : n + 3000], documents[:n])


def _f1(trained: list[Document], tested: list[Document]) -> dict[str, float]:
    model = CRF()
    model.fit(trained)
    found = score(tested, model.predict(tested), resamples=0)
    return {label: 100 * found.labels[label].strict.f1 for label in ("LOC", "PER", "ORG")}
