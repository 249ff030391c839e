"""The cells of a knowledge study -> tables laid out as the paper's.

A cell is one fine-tuning: a training bin (0 to 4, or "mixed"), a size (a number or "all"), a seed, and what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Cell = Mapping[str, Any]
Result = Mapping[str, Any]
Row = dict[str, Any]
Value = Callable[[Cell], float | None]

BINS = range(5)
MIXED = "mixed"
ALL = "all"
FACTS = "(facts of the test bin)"  # in place of a training bin
TESTS = ("ID", "OOD")
PROMPTS = {"sft": "SFT prompt", "few_shot": "few-shot", "statement": "statements"}
PAPER_KL = {"5": "top 5", "10": "top 10", "20": "top 20", "50": "top 50", "all": "whole vocabulary"}
SAME_KL = {
    "tuned_original": "KL tuned || original",
    "original_tuned": "KL original || tuned",
    "jensen_shannon": "Jensen-Shannon",
    "original_outside10": "original's mass outside 10",
}


def tables(result: Result) -> dict[str, list[Row]]:
    """Return the tables of a knowledge study, by names that can be those of files.

    Parameters
    ----------
    result : mapping
        ``counts``, ``original`` and ``cells``, as `result.json` of the study has them. Accuracy in percent.

    Returns
    -------
    dict from str to list of dict
        The rows of a table have equal keys; None where there is nothing to tell, an sd of one seed for instance.

        - ``counts``: facts in each bin, of the training facts and the test sets (the paper's Tables 1 and 8);
        - ``bins-SIZE``: training bin x test bin, means over seeds and sd, ID and OOD side by side (Table 2). ``mean``
          is the unweighted mean of the bins that have facts, as in the paper; ``micro`` weighs facts alike. The first
          row has the facts of each test bin: where they are few, so few decide a fifth of the mean;
        - ``sizes``: size x training bin, the same mean on each test set, the original first;
        - ``train_accuracy``: accuracy on the very facts trained on (Table 6);
        - ``kl``: divergence from the original, in nats: the paper's at the first token, and all positions of the answer
          under one prompt. ``paper, facts`` are those of D4 that the paper's is a mean over.

    Notes
    -----
    sd has n - 1 in it. ``examples`` is what was taken on average: fewer than the size where a bin has fewer facts.
    """
    found = {"counts": _counts(result), "sizes": _sizes(result)}
    for size in sizes(result):
        found[f"bins-{size}"] = _bins(result, size)
    found["train_accuracy"] = _train_accuracy(result)
    found["kl"] = _kl(result)
    return {name: rows for name, rows in found.items() if rows}


def label(trained: int | str) -> str:
    """Return a training bin as it is written: D0 to D4, or mixed."""
    return trained if isinstance(trained, str) else f"D{trained}"


def size_label(size: int | str) -> str:
    """Return a size as it is written."""
    return size if isinstance(size, str) else f"{size:,}"


def trained_bins(result: Result) -> list[int | str]:
    """Return the bins that were trained on, in order, the mixture last."""
    return sorted({cell["bin"] for cell in result["cells"]}, key=lambda name: (isinstance(name, str), name))


def sizes(result: Result) -> list[int | str]:
    """Return the sizes, ascending, "all" last."""
    return sorted({cell["size"] for cell in result["cells"]}, key=lambda size: (isinstance(size, str), size))


def tested(result: Result) -> list[str]:
    """Return the test sets that any cell was asked."""
    return [test for test in TESTS if any(cell["accuracy"].get(test) for cell in result["cells"])]


def cells_of(result: Result, trained: int | str, size: int | str) -> list[Cell]:
    """Return the cells of a training bin and size, by seed."""
    own = [cell for cell in result["cells"] if cell["bin"] == trained and cell["size"] == size]
    return sorted(own, key=lambda cell: cell["seed"])


def over_seeds(result: Result, trained: int | str, size: int | str, value: Value) -> dict[int, float]:
    """Return a value of each seed of a training bin and size, where it is known."""
    found = {cell["seed"]: known(value(cell)) for cell in cells_of(result, trained, size)}
    return {seed: number for seed, number in found.items() if number is not None}


def taken(result: Result, trained: int | str, size: int | str) -> float | None:
    """Return how many examples the cells of a bin and size had, on average; None without a cell."""
    return mean(cell["taken"] for cell in cells_of(result, trained, size))


def accuracy(test: str, category: int | str = "macro") -> Value:
    """Return a reader of a cell's accuracy on a test set: "macro", "micro", or a bin."""

    def value(cell: Cell) -> float | None:
        return of_accuracy(cell["accuracy"].get(test), category)

    return value


def of_accuracy(found: Mapping[str, Any] | None, category: int | str = "macro") -> float | None:
    """Return "macro", "micro" or a bin of what was measured on a test set; None where it was not."""
    if not found:
        return None
    return known(found["bins"][category] if isinstance(category, int) else found[category])


def kl(where: str, name: str) -> Value:
    """Return a reader of a cell's divergence: where is "paper" or "same"."""
    return lambda cell: known(((cell.get("kl") or {}).get(where) or {}).get(name))


DIVERGENCES: dict[str, Value] = {
    "paper's KL, top 10": kl("paper", "10"),
    "full KL, one prompt": kl("same", "tuned_original"),
}


def train_accuracy(cell: Cell) -> float | None:
    """Return a cell's accuracy on what it was trained on."""
    return known(cell.get("train_accuracy"))


def originals(result: Result, test: str) -> dict[str, Mapping[str, Any]]:
    """Return the accuracies of the original on a test set, by how it was asked."""
    found = {said: (result["original"].get(name) or {}).get(test) for name, said in PROMPTS.items()}
    return {said: accuracies for said, accuracies in found.items() if accuracies}


def known(value: Any) -> float | None:
    """Return a number, None for none and for NaN."""
    return None if value is None or math.isnan(value) else float(value)


def mean(values: Iterable[float]) -> float | None:
    """Return the mean; None of nothing."""
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None


def sd(values: Iterable[float]) -> float | None:
    """Return the standard deviation with n - 1; None of fewer than two."""
    numbers = list(values)
    return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None


def _counts(result: Result) -> list[Row]:
    rows = []
    for name in ("train", *TESTS):
        counts = result["counts"].get(name)
        if counts is not None:
            rows.append({"facts": name, **{label(at): counts[at] for at in BINS}, "all": sum(counts)})
    return rows


def _sizes(result: Result) -> list[Row]:
    bins, rows = trained_bins(result), list[Row]()
    for test in tested(result):
        for said, found in originals(result, test).items():
            same = of_accuracy(found)
            rows.append(
                {"test": test, "size": f"original, {said}"} | _spread(bins, {b: [same] for b in bins})
            )
        for size in sizes(result):
            values = {b: over_seeds(result, b, size, accuracy(test)).values() for b in bins}
            rows.append({"test": test, "size": size_label(size)} | _spread(bins, values))
    return rows


def _train_accuracy(result: Result) -> list[Row]:
    bins = trained_bins(result)
    rows = [
        {"size": size_label(size)}
        | _spread(bins, {b: over_seeds(result, b, size, train_accuracy).values() for b in bins})
        for size in sizes(result)
    ]
    return rows if any(row[label(b)] is not None for row in rows for b in bins) else []


def _spread(bins: Iterable[int | str], values: Mapping[int | str, Iterable[Any]]) -> Row:
    """Return mean and sd of each training bin as columns."""
    row: Row = {}
    for trained in bins:
        numbers = [number for number in values[trained] if number is not None]
        row[label(trained)], row[f"{label(trained)} sd"] = mean(numbers), sd(numbers)
    return row


def _bins(result: Result, size: int | str) -> list[Row]:
    tests, rows = tested(result), list[Row]()
    if all(test in result["counts"] for test in tests):
        row: Row = {"training bin": FACTS, "examples": None, "seeds": None}
        for test in tests:
            counts = result["counts"][test]
            for name, category in _columns():
                known_of = {"macro": None, "micro": sum(counts)} | dict(enumerate(counts))
                row |= {f"{test} {name}": known_of[category], f"{test} {name} sd": None}
        rows.append(row)
    asked = [said for said in PROMPTS.values() if any(said in originals(result, test) for test in tests)]
    for said in asked:
        row = {"training bin": f"original, {said}", "examples": None, "seeds": None}
        for test in tests:
            found = originals(result, test).get(said)
            for name, category in _columns():
                row |= {f"{test} {name}": of_accuracy(found, category), f"{test} {name} sd": None}
        rows.append(row)
    for trained in trained_bins(result):
        own = cells_of(result, trained, size)
        if not own:
            continue
        row = {
            "training bin": label(trained),
            "examples": _whole(taken(result, trained, size)),
            "seeds": len(own),
        }
        for test in tests:
            for name, category in _columns():
                values = over_seeds(result, trained, size, accuracy(test, category)).values()
                row |= {f"{test} {name}": mean(values), f"{test} {name} sd": sd(values)}
        rows.append(row)
    return rows


def _whole(count: float | None) -> float | None:
    """Return a mean count as a whole number where it is one."""
    return int(count) if count is not None and count.is_integer() else count


def _columns() -> list[tuple[str, int | str]]:
    """Return the columns of a test set: their names, and what they are of an accuracy."""
    return [*((label(at), at) for at in BINS), ("mean", "macro"), ("micro", "micro")]


def _kl(result: Result) -> list[Row]:
    readers = {f"paper, {said}": kl("paper", name) for name, said in PAPER_KL.items()}
    readers |= {said: kl("same", name) for name, said in SAME_KL.items()}
    rows = []
    for trained in trained_bins(result):
        for size in sizes(result):
            own = cells_of(result, trained, size)
            if not any(cell.get("kl") for cell in own):
                continue
            row: Row = {
                "training bin": label(trained),
                "size": size_label(size),
                "examples": _whole(taken(result, trained, size)),
                "seeds": len(own),
            }
            row["paper, facts"] = _whole(
                mean(over_seeds(result, trained, size, kl("paper", "facts")).values())
            )
            for said, value in readers.items():
                values = over_seeds(result, trained, size, value).values()
                row |= {said: mean(values), f"{said} sd": sd(values)}
            rows.append(row)
    return rows
