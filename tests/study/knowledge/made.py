"""A knowledge study's result as it could have come out, for its tables, claims and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.study.knowledge.published import BINS

SHAPE = {test: np.array([row.bins for row in BINS["LLaMA-3-8B"][test]]) for test in ("ID", "OOD")}
FACTS = {
    "train": [2383, 3664, 1484, 1109, 915],
    "ID": [238, 366, 148, 110, 92],
    "OOD": [412, 453, 127, 112, 56],
}


def accuracy(bins: Sequence[float | None], counts: Sequence[int] = (1,) * 5) -> dict[str, Any]:
    """Return what a cell says of a test set: macro, micro and bins, in percent."""
    pairs = [(value, count) for value, count in zip(bins, counts, strict=True) if value is not None]
    macro = sum(value for value, _ in pairs) / len(pairs)
    micro = sum(value * count for value, count in pairs) / sum(count for _, count in pairs)
    return {"macro": macro, "micro": micro, "bins": list(bins), "relations": {"P17": macro}}


def cell(
    trained: int | str,
    size: int | str,
    seed: int,
    bins: Mapping[str, Sequence[float | None]],
    *,
    kl: float | None = None,
    taken: int | None = None,
    train_accuracy: float | None = None,
) -> dict[str, Any]:
    """Return a cell; of its divergences only the two that claims read."""
    return {
        "bin": trained,
        "size": size,
        "taken": taken if taken is not None else size,
        "seed": seed,
        "accuracy": {test: accuracy(values) for test, values in bins.items()},
        "train_accuracy": train_accuracy,
        "kl": None if kl is None else {"paper": {"10": kl}, "same": {"tuned_original": kl}},
    }


def study(
    *, sizes: Sequence[int | str] = (60, 240, "all"), seeds: int = 3, mixed: bool = True
) -> dict[str, Any]:
    """Return the result of a whole study: the paper's table at the largest number, better at the smaller ones."""
    rng = np.random.default_rng(0)
    cells = []
    for trained in (0, 1, 2, 3, 4, *(["mixed"] if mixed else [])):
        row = 2 if trained == "mixed" else int(trained)
        for at, size in enumerate(sizes):
            taken = size if isinstance(size, int) else 900 + 250 * (4 - row)
            for seed in range(seeds):
                found = {}
                for test, shape in SHAPE.items():
                    bins = shape[row] + (len(sizes) - 1 - at) * (4 - row) * np.array([0.1, 3, 2, 1, 0.5])
                    bins = np.clip(bins + rng.normal(0, 0.8, 5), 0, 100)
                    found[test] = accuracy(bins.tolist(), FACTS[test])
                kl = float(0.3 + (5 - row) * 0.12 * at + rng.normal(0, 0.03))
                cells.append(
                    {
                        "bin": trained,
                        "size": size,
                        "taken": taken,
                        "seed": seed,
                        "training": {"steps": -(-taken // 8), "last_loss": 0.4},
                        "accuracy": found,
                        "train_accuracy": float(np.clip(15 + 20 * row + rng.normal(0, 1), 0, 100)),
                        "ended": float(rng.uniform(97, 100)),
                        "kl": {
                            "paper": {
                                **{m: kl * f for m, f in (("5", 0.8), ("10", 1), ("20", 1.1), ("50", 1.2))},
                                "all": 1.5 * kl,
                                "facts": 80,
                            },
                            "same": {
                                "tuned_original": 2 * kl,
                                "original_tuned": 2.6 * kl,
                                "jensen_shannon": min(0.6, 0.3 * kl),
                                "top10": kl,
                                "original_outside10": 0.07,
                            },
                        },
                        "turned": {test: _turned(found[test]["bins"], FACTS[test]) for test in SHAPE},
                    }
                )
    return {
        "parameters": {"model": "world", "sizes": list(sizes), "seeds": seeds, "learning_rate": 1e-3},
        "counts": {**FACTS, "relations": {"ID": 10, "OOD": 14}},
        "original": {
            "sft": {
                "ID": accuracy([1.0, 9.0, 31.0, 48.0, 70.0], FACTS["ID"]),
                "OOD": accuracy([1.2, 8.0, 35.0, 50.0, 66.0], FACTS["OOD"]),
            },
            "few_shot": {
                "ID": accuracy([1.1, 24.0, 60.0, 80.0, 90.0], FACTS["ID"]),
                "OOD": accuracy([1.0, 19.0, 58.0, 78.0, 88.0], FACTS["OOD"]),
                "ended": 12.5,
            },
        },
        "majority": {
            "ID": accuracy([10.0, 12.0, 13.0, 14.0, 15.0], FACTS["ID"]),
            "OOD": accuracy([8.0, 9.0, 10.0, 11.0, 12.0], FACTS["OOD"]),
        },
        "agreement": {
            "facts": 100, "spearman": 0.971, "pearson": 0.98, "difference": 1.3, "z": 2.1, "within_percent": 97.0,
            "same_percent": 88.0, "same_known_percent": 91.5,
            "categories": [[40, 2, 0, 0, 0], [4, 20, 1, 0, 0], [0, 1, 10, 1, 0], [0, 0, 1, 8, 1], [0, 0, 0, 1, 10]],
            "calibration": [
                {"low": 0.0, "high": 0.01, "facts": 40, "exact": 0.002, "sampled": 0.004, "standard_error": 0.002},
                {"low": 0.01, "high": 1.0, "facts": 60, "exact": 0.41, "sampled": 0.43, "standard_error": 0.03},
            ],
        },
        "world": {"plan": {"facts": 150}, "seed": 0, "mean_score_by_exposure": {"0": 0.03, "6": 0.2, "400": 0.98}},
        "left_out": [{"bin": "mixed", "size": "all", "reason": "whole bins differ in size"}],
        "notes": ["ID: 1,000 of 9,555 facts, balanced over relations"],
        "cells": cells,
    }  # fmt: skip


def _turned(bins: Sequence[float], counts: Sequence[int]) -> dict[str, list[int]]:
    """Return kept, lost, gained and never that go with an accuracy, a third of what is wrong lost."""
    right = [round(n * value / 100) for n, value in zip(counts, bins, strict=True)]
    wrong = [n - number for n, number in zip(counts, right, strict=True)]
    return {
        "kept": [number * 4 // 5 for number in right],
        "lost": [number // 3 for number in wrong],
        "gained": [number - number * 4 // 5 for number in right],
        "never": [number - number // 3 for number in wrong],
    }


def changed() -> dict[str, list[dict[str, Any]]]:
    """Return lists of facts lost and gained; one of them is hostile."""
    return {
        kind: [
            {
                "id": f"{kind}{n}", "set": "ID", "relation": "P17", "bin": f"D{n % 5}", "subject": f"Place {n}",
                "prompt": f"Which country is <b>Place {n}</b> located in?", "answers": ["Norway", "Norge"],
                "original": "Norway .", "tuned": "United States of America " * (1 + n % 3),
                "cells": [f"D{b}-240-s{seed}" for b in range(n % 4 + 1) for seed in range(3)],
            }
            for n in range(160)
        ]
        for kind in ("lost", "gained")
    }  # fmt: skip
