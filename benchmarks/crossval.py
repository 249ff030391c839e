"""The taggers' F1 in their own corpora and on others, beside the figures of the description."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from assay.ner.crossval import cross_validate

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


def ner_crossval() -> list[dict]:
    """CRF in-domain F1 in percent beside that measured before: at most 3,000 documents to train on, 1,000 to test on.

    Corpora have LOC, PER and ORG alone (wnut17: group and corporation are ORG; politics: person is PER, politician is
    left out). Mean, standard deviation and range over six seeds, documents mixed, with copies of a text on one side;
    beside, the corpora's own splits over the same seeds (btc has none in this copy). Seconds of one processor:
    three models, nine tests and their scores.
    """
    from assay.ner import read_corpus

    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"
    if not data.exists():
        return [{"not measured": f"no data at {data}; set ASSAY_DATA"}]
    corpora = [read_corpus(data / folder) for folder in FOLDERS]
    labels = {label for corpus in corpora for label in corpus.labels}
    names = {label: NAMES.get(label, label if label in NAMES.values() else "") for label in labels}
    found: dict[tuple[str, str, str], list[float]] = {}
    seconds = []
    for seed in SEEDS:
        for split in ("seeded", "own"):
            start = time.process_time()
            result = cross_validate(corpora, names=names, split=split, seed=seed)
            seconds.append(time.process_time() - start)
            for cell in result.cells:
                if cell.train == cell.test:
                    corpus, label = cell.train.split("/")
                    found.setdefault((split, corpus, label), []).append(100 * cell.counts.strict.f1)
    out = []
    for corpus, by_label in PUBLISHED.items():
        for label, before in by_label.items():
            mixed, own = (found[split, corpus, label] for split in ("seeded", "own"))
            mean = statistics.mean(mixed)
            out.append(
                {
                    "corpus": corpus,
                    "label": label,
                    "measured before": before,
                    "now": round(mean, 1),
                    "difference": round(mean - before, 1),
                    "deviation": round(statistics.stdev(mixed), 1),
                    "range": f"{min(mixed):.0f} to {max(mixed):.0f}",
                    "own split": round(statistics.mean(own), 1),
                    "seconds a run": round(statistics.mean(seconds), 1),
                }
            )
    return out
