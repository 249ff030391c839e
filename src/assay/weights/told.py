"""What is written beside a restored model, or into a delta: the rule, and what it took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.weights.pair import Pair
from assay.weights.selection import Levels, Selection
from assay.weights.shares import SUMS

Flags = NDArray[np.bool_]


def rules_of(pair: Pair, selection: Selection, about: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return of each percent all that decides what is written."""
    return [
        {
            "percent": percent,
            "of": selection.of,
            "ranking": selection.ranking,
            "bottom": selection.bottom,
            "among": selection.among,
            "ties": selection.ties,
            "seed": selection.seed,
            "weights": pair.size,
        }
        | dict(about or {})
        for percent in selection.percents
    ]


def counted(j: int, level: Levels, moved: Flags, unfit: Flags | None) -> NDArray[np.int64]:
    """Return how many weights of a chunk percent number j takes, how many of them changed, how many do not fit."""
    taken = level <= j
    parts = [taken, taken & moved] + ([] if unfit is None else [taken & unfit])
    return np.array([*(np.count_nonzero(part) for part in parts), 0][:3], np.int64)


def held(selection: Selection, j: int, counts: NDArray[np.int64]) -> dict[str, Any]:
    """Return what percent number j took; `counts` adds up what `counted` found."""
    groups = selection.groups.values()
    changed = sum(group.changed for group in groups)
    parts = counts[0] / sum(group.size for group in groups), counts[1] / changed if changed else math.nan
    return {
        "changed": changed,
        "taken": int(counts[0]),
        "taken_changed": int(counts[1]),
        "rounded": int(counts[2]),
        "shares": {
            name: None if math.isnan(share) else float(share)
            for name, share in zip(SUMS, (*parts, *selection.shares[j].tolist()), strict=True)
        },
        "thresholds": {
            str(group): {
                "key": one.thresholds[j].key,
                "above": one.thresholds[j].above,
                "equal": one.thresholds[j].equal,
                "equal_taken": one.thresholds[j].take,
                "last_equal": one.thresholds[j].cut,
            }
            for group, one in selection.groups.items()
        },
    }
