"""Pruning as it is defined: pair by pair, step by step."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import numpy as np


def grams(text: str) -> set[str]:
    """Return the character 5-grams of a text, its case and runs of white space aside; a short text is its own."""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip().casefold()
    return {text[at : at + 5] for at in range(max(len(text) - 4, 1))} - {""}


def share(one: str, other: str) -> float:
    """Return the Jaccard index of the grams of two texts."""
    a, b = grams(one), grams(other)
    return len(a & b) / len(a | b) if a & b else 0.0


def near(
    texts: list[str], limit: float, asks: list[bool], stays: list[bool]
) -> list[tuple[int, float] | None]:
    """Return for each text that asks the first earlier text that stayed and is near."""
    found: list[tuple[int, float] | None] = []
    stayed: list[int] = []
    for row, text in enumerate(texts):
        hits = [(other, share(text, texts[other])) for other in stayed if asks[row]]
        hits = [hit for hit in hits if hit[1] >= limit]
        found.append(hits[0] if hits else None)
        if stays[row] and not hits:
            stayed.append(row)
    return found


def fill(
    vectors: np.ndarray,
    kinds: list[list[int]],
    targets: list[int],
    *,
    epsilon: float,
    limits: list[tuple[list[int], list[int]]],
    levels: bool,
) -> list[int]:
    """Return rows until each kind has its target: the least like those of the kind, then what most kinds still need."""
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    sizes = Counter(kind for each in kinds for kind in each)
    turns = sorted(range(len(targets)), key=lambda kind: (sizes[kind], kind))
    chosen: list[int] = []

    def count(kind: int) -> int:
        return sum(kind in kinds[row] for row in chosen)

    def open_(row: int) -> bool:
        full = any(
            sum(group[other] == group[row] for other in chosen) >= most[group[row]] for group, most in limits
        )
        return row not in chosen and not full

    level = 1 if levels else max(targets)
    while True:
        for kind in turns:
            while count(kind) < min(level, targets[kind]):
                rows = [row for row in range(len(kinds)) if kind in kinds[row] and open_(row)]
                if not rows:
                    break
                others = [row for row in chosen if kind in kinds[row]]
                likeness = {row: max((cosines[row, o] for o in others), default=-np.inf) for row in rows}
                best = min(likeness.values())
                close = [row for row in rows if likeness[row] <= best + epsilon]
                wants = {row: sum(count(k) < targets[k] for k in kinds[row]) for row in close}
                chosen.append(max(close, key=lambda row: (wants[row], -row)))
        if level >= max(targets):
            return chosen
        level = min(max(targets), level + max(1, level // 4))


def paper(kinds: list[list[int]], k: int) -> list[int]:
    """Return the rows, in order, that have a kind which fewer than k rows before have."""
    count: Counter[int] = Counter()
    rows = []
    for row, each in enumerate(kinds):
        if any(count[kind] < k for kind in each):
            count.update(each)
            rows.append(row)
    return rows
