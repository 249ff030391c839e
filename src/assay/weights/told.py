"""What is written beside a restored model, or into a delta: the rule, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.weights.pair import Pair
from assay.weights.selection import Floats, Selection
from assay.weights.shares import SUMS


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


def held(selection: Selection, j: int, sums: Floats, rounded: NDArray[np.int64]) -> dict[str, Any]:
    """Return what percent number j took.

    `sums` (percents + 1, 5) are by level the columns of `SUMS`, `rounded` the originals that the tuned dtype has not.
    """
    taken = np.cumsum(sums, axis=0)
    with np.errstate(invalid="ignore"):
        shares = taken[j] / taken[-1]
    return {
        "changed": int(taken[-1, 1]),
        "taken": int(taken[j, 0]),
        "taken_changed": int(taken[j, 1]),
        "rounded": int(rounded[: j + 1].sum()),
        "shares": dict(zip(SUMS, shares.tolist(), strict=True)),
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
