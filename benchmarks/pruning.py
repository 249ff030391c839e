"""Benchmarks of pruning: how fast, how much memory, and what strategies keep of real corpora."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from assay.data.duplicates import NearTexts
from assay.ner.choose import STRATEGIES
from assay.ner.near import near_texts
from assay.ner.planted import planted
from assay.ner.prune import compare_strategies, prune
from benchmarks.machine import peak_gb
from benchmarks.ner import FOLDERS, _data, _read
from benchmarks.timing import floor, timed

NAMES = 440  # 100,000 training documents
STEPS = ("leakage guard", "copies and near copies", "vectors", "choice", "report")


def ner_prune() -> list[dict]:
    """Prune 126,000 planted documents, 100,000 of them for training, to 400 a type; defaults, one thread but for BLAS.

    CPU seconds beside those of the clock: they are the same on an idle machine. Floor of the vectors: texts times 250
    n-grams times d as products; of the choice: the cosines of every candidate of a type to every chosen one, as
    matrix products, and each vector read once a type.
    """
    corpora, _ = planted(names=NAMES, noise=0.1)
    documents = [document for corpus in corpora for document in corpus.documents]
    before = peak_gb()
    clock = _Clock(3 + 1)
    found = prune(corpora, progress=clock)
    clock.marks.append((time.perf_counter(), time.process_time()))
    base = {"documents": len(documents), "train": found.counts["train"]}
    base |= {"candidates": found.counts["candidates"], "kept": found.counts["kept"]}
    d = 256
    cosines = sum(row.available * row.kept for row in found.types)
    read = sum(row.available for row in found.types) * d * 4.0
    floors = {
        "vectors": floor(clock.cpu(2), 2.0 * found.counts["candidates"] * 250 * d, 0.0),
        "choice": floor(clock.cpu(3), 2.0 * cosines * d, read),
    }
    out = [
        base | {"step": step, "seconds": clock.wall(n), "CPU seconds": clock.cpu(n)} | floors.get(step, {})
        for n, step in enumerate(STEPS)
    ]
    whole = {"step": "all", "seconds": clock.wall(), "CPU seconds": clock.cpu()}
    out.append(base | whole | {"peak GB": peak_gb(), "of these the corpora": before})
    return out


class _Clock:
    """Progress that remembers when each part of a run was done, on the clock and in CPU seconds."""

    def __init__(self, parts: int) -> None:
        self.marks = [(time.perf_counter(), time.process_time())]
        self.parts = parts

    def __call__(self, done: int, total: int) -> None:
        if done == 1000 * len(self.marks) and len(self.marks) <= self.parts:
            self.marks.append((time.perf_counter(), time.process_time()))

    def wall(self, part: int | None = None) -> float:
        """Return the seconds of a part, or of all."""
        return self._between(part, 0)

    def cpu(self, part: int | None = None) -> float:
        """Return the CPU seconds of a part, or of all."""
        return self._between(part, 1)

    def _between(self, part: int | None, which: int) -> float:
        first, last = (0, -1) if part is None else (part, part + 1)
        return self.marks[last][which] - self.marks[first][which]


def ner_near() -> list[dict]:
    """Near copies of the real corpora: the exact index against MinHash-LSH (256 digests, 32 bands), one thread.

    Each text asks for the earliest near one and stays. Found: texts that have one; missed: those that the other found.
    """
    corpora = _read(FOLDERS)
    if not corpora:
        return [{"not measured": f"no data at {_data()}; set ASSAY_DATA"}]
    texts = list(dict.fromkeys(document.text for corpus in corpora for document in corpus.documents))
    every = np.ones(len(texts), dtype=bool)
    near_texts(texts[:100], near=0.8, asks=every[:100], stays=every[:100])  # compiles

    def by_minhash() -> list[bool]:
        index = NearTexts(near=0.8)
        return [_first(index, row, text) for row, text in enumerate(texts)]

    exact, minhash = (
        _timed(lambda: [hit is not None for hit in near_texts(texts, near=0.8, asks=every, stays=every)]),
        _timed(by_minhash),
    )
    rows = (("exact index", exact, minhash), ("MinHash-LSH", minhash, exact))
    return [
        {"method": name, "texts": len(texts), "seconds": seconds, "CPU seconds": cpu, "found": sum(hits)}
        | {"missed": sum(b and not a for a, b in zip(hits, other[0], strict=True))}
        for name, (hits, seconds, cpu), other in rows
    ]


def _first(index: NearTexts, row: int, text: str) -> bool:
    found = index.nearest_before(text) is not None
    if not found:
        index.add(row, text)
    return found


def _timed(work: Callable[[], list[bool]]) -> tuple[list[bool], float, float]:
    before = time.process_time()
    found, seconds = timed(work)
    return found, seconds, time.process_time() - before


def ner_strategies() -> list[dict]:
    """Strategies side by side on the training documents of the real corpora, k = 400 and 100, else by default.

    Reached: share of types with min(k, available) or more. Coverage: mean share of that number. Similarity: mean
    cosine to the nearest other kept document, and among as many random candidates. NovelSum: of 2,000 kept ones, higher
    is more diverse.
    """
    corpora = _read(FOLDERS)
    if not corpora:
        return [{"not measured": f"no data at {_data()}; set ASSAY_DATA"}]
    out = []
    for k in (400, 100):
        for row in compare_strategies(corpora, tuple(STRATEGIES), k=k):
            values = {"k": k, "strategy": row.strategy, "kept": row.kept, "without entities": row.negatives}
            values |= {"reached": row.reached, "coverage": row.coverage, "similarity": row.similarity}
            values |= {"of random": row.random_similarity, "NovelSum": row.novelsum, "seconds": row.seconds}
            out.append(values)
    return out
