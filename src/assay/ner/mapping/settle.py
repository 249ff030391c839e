"""Signals -> one score a type, and the labels of a corpus settled together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from assay.ner.mapping.signals import Matrix, Signal, Space

# How much each signal is believed where it is as strong as it can be. These and the two below were searched for one
# after the other, each corpus left out in turn, on all corpora but those that B2NERD tests on (docs/log.md).
WEIGHTS: Mapping[str, float] = {"name": 0.95, "labels": 0.95, "meaning": 0.9, "mentions": 0.4}
REPEATED = 0.7  # what is left of a score where another label of the corpus has the type already
# what a type gains at most, as a share of its score, where the other labels come to types of its tree
COMPANY = 1.0


def combined(signals: Sequence[Signal]) -> Matrix:
    """Return one score of every label and type: what is left when each signal leaves its share of doubt."""
    doubt = np.ones_like(signals[0].values)
    for signal in signals:
        doubt *= 1.0 - WEIGHTS[signal.name] * signal.values
    return np.asarray(1.0 - doubt)


def in_company(scores: Matrix, space: Space) -> Matrix:
    """Raise the scores of types whose tree the other labels of the corpus come to as well."""
    if len(scores) < 2:
        return scores
    roots = sorted(set(space.roots))
    of = np.array([roots.index(root) for root in space.roots])
    best = scores.argmax(axis=1)
    sure = scores.max(axis=1)
    held = np.zeros(len(roots))
    np.add.at(held, of[best], sure)
    out = scores.copy()
    for row in range(len(scores)):
        others = held.copy()
        others[of[best[row]]] -= sure[row]
        total = others.sum()
        if total > 0:
            out[row] *= 1.0 + COMPANY * (others / total)[of]
    return np.asarray(out / (1.0 + COMPANY))


def settled(scores: Matrix, space: Space) -> tuple[list[int], dict[int, tuple[int, int]]]:
    """Return the type of each label, and for those of which another label is a part: what is left, and the part.

    The surest label chooses first; a type that is taken is worth less to the next one. That a broader label means what
    is left, the *other* child of its type, is said and not done: as often as not the finer one is annotated inside it.
    """
    left = scores.copy()
    chosen: dict[int, int] = {}
    while len(chosen) < len(scores):
        row = max(
            (row for row in range(len(scores)) if row not in chosen), key=lambda row: (left[row].max(), -row)
        )
        chosen[row] = int(left[row].argmax())
        if list(chosen.values()).count(chosen[row]) == 1:
            left[:, chosen[row]] *= REPEATED
    rest = {}
    for row, column in chosen.items():
        other = space.other.get(space.types[column].id)
        parts = [at for at in chosen.values() if column in space.lineage[at][1:] and at != other]
        if other is not None and parts:
            rest[row] = (other, parts[0])
    return [chosen[row] for row in range(len(scores))], rest
