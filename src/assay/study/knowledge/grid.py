"""Which facts a study asks, and which fine-tunings it has: bins x sizes x seeds, and the mixed control."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay import _check
from assay.errors import DataError
from assay.knowledge import CATEGORIES, Question, balanced
from assay.knowledge.samples import ALL, MIXED

SETS = ("train", "ID", "OOD")
Questions = tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class GridCell:
    """One fine-tuning: on facts of a bin (0 to 4, or mixed), so many (or all), under a seed."""

    bin: int | str
    size: int | str
    seed: int

    @property
    def bin_name(self) -> str:
        """``D0`` to ``D4``, or ``mixed``."""
        return self.bin if isinstance(self.bin, str) else CATEGORIES[self.bin]

    @property
    def name(self) -> str:
        """The name of its folder, such as ``D2-240-s0``."""
        return f"{self.bin_name}-{self.size}-s{self.seed}"


def sets_of(
    questions: Iterable[Question],
    *,
    train_facts: int | None = None,
    test_facts: int | None = None,
    ood_facts: int | None = None,
    seed: int = 0,
) -> tuple[dict[str, Questions], list[str]]:
    """Return the facts to train on, the test set of their relations (ID) and that of others (OOD), and notes.

    Each is cut to a number of facts balanced over relations, where one is given; 0 leaves OOD out. Relations without
    a domain are ID. Where no question has a split, half of each relation's facts are to train on, chosen by the seed
    and their ids; relations out of domain are tested on alone.
    """
    given, notes = tuple(questions), list[str]()
    if not any(one.split for one in given):
        given = _halved(given, seed)
        notes.append("the facts have no split: of each relation half of them are to train on")
    parts = {
        "train": [one for one in given if one.split == "train" and one.domain != "OOD"],
        "ID": [one for one in given if one.split == "test" and one.domain != "OOD"],
        "OOD": [one for one in given if one.split == "test" and one.domain == "OOD"],
    }
    for name, what in (("train", "of the split train"), ("ID", "of the split test and not out of domain")):
        if not parts[name]:
            raise DataError(f"facts must have some {what}; got none of {len(given)}.")
    sizes = {"train": train_facts, "ID": test_facts, "OOD": ood_facts}
    found = {
        name: _cut(f"{label}_facts", parts[name], sizes[name], seed)
        for name, label in zip(SETS, ("train", "test", "ood"), strict=True)
    }
    other = len(given) - sum(map(len, parts.values()))
    if other:
        notes.append(
            f"{other:,} of {len(given):,} facts are of no set: of other splits, or to train on out of domain"
        )
    for name in SETS:
        if sizes[name] is not None and len(found[name]) < len(parts[name]):
            notes.append(
                f"{name}: {len(found[name]):,} of {len(parts[name]):,} facts, balanced over relations"
            )
    return found, notes


def _cut(name: str, questions: Sequence[Question], size: int | None, seed: int) -> Questions:
    """Return so many of the questions as they stand, as many of each relation."""
    if size is None or not questions:
        return tuple(questions)
    return balanced(questions, _check.whole(name, size, 0 if name == "ood_facts" else 1), seed=seed)


def _halved(questions: Questions, seed: int) -> Questions:
    by_relation: dict[str, list[str]] = {}
    for one in questions:
        if one.domain != "OOD":
            by_relation.setdefault(one.relation, []).append(one.id)
    trained: set[str] = set()
    for ids in by_relation.values():
        ids.sort(key=lambda id: hashlib.sha256(f"{seed}\0{id}".encode("utf-8", "surrogatepass")).digest())
        trained.update(ids[: (len(ids) + 1) // 2])
    return tuple(replace(one, split="train" if one.id in trained else "test") for one in questions)


def grid(
    categories: Sequence[int],
    *,
    bins: Sequence[int],
    sizes: Sequence[int | str],
    seeds: Sequence[int],
    mixed: bool,
) -> tuple[list[GridCell], list[dict[str, Any]]]:
    """Return the cells that can be trained, and what is left out, each with its reason.

    `categories` are those of the facts to train on. A bin is left out at a size that it cannot fill, and at "all" if
    it cannot fill the smallest size; the mixed control at "all", where bins differ in size.
    """
    there = Counter(int(one) for one in categories)
    numbers = [size for size in sizes if not isinstance(size, str)]
    least = min(numbers, default=1)
    cells, left_out = list[GridCell](), list[dict[str, Any]]()
    rows: list[tuple[int | str, int]] = [(one, there[one]) for one in bins]
    if mixed:
        rows.append((MIXED, len(categories)))
    for one, count in rows:
        for size in sizes:
            needed = least if isinstance(size, str) else size
            reason = None
            if count < needed:
                reason = f"{count:,} training facts, fewer than {needed:,}"
            elif one == MIXED and size == ALL:
                reason = "whole bins differ in size"
            if reason is None:
                cells += [GridCell(one, size, seed) for seed in seeds]
            else:
                left_out.append({"bin": one, "size": size, "reason": reason})
    if not any(cell.bin != MIXED for cell in cells):
        held = ", ".join(f"D{one} {there[one]:,}" for one in bins)
        raise DataError(
            f"sizes must be such that a bin can fill one; got {', '.join(map(str, sizes))} for training facts of "
            f"{held}. Use smaller sizes, or more train_facts."
        )
    return cells, left_out


def counts_of(categories: Mapping[str, int], sets: Mapping[str, Questions]) -> dict[str, Any]:
    """Return the facts of each set by bin, and by relation and bin."""
    found: dict[str, Any] = {
        name: [sum(categories[one.id] == at for one in sets[name]) for at in range(len(CATEGORIES))]
        for name in SETS
    }
    relations: dict[str, dict[str, list[int]]] = {}
    for name in SETS:
        for one in sets[name]:
            row = relations.setdefault(one.relation, {}).setdefault(name, [0] * len(CATEGORIES))
            row[categories[one.id]] += 1
    return found | {"relations": relations}


def checked(
    bins: Sequence[int], sizes: Sequence[int | str], seeds: int, seed: int
) -> tuple[list[int], list[int | str], list[int]]:
    """Return bins and sizes in ascending order, each once, "all" last, and the seeds; raise for what is none."""
    for name, values in (("bins", bins), ("sizes", sizes)):
        if not len(values):
            raise DataError(f"{name} must hold at least one; got none.")
    chosen = sorted({_check.whole("bins", one, 0, len(CATEGORIES) - 1) for one in bins})
    for size in sizes:
        if isinstance(size, str):
            _check.choice("sizes", size, (ALL,))
    numbers = sorted({_check.whole("sizes", size, 1) for size in sizes if not isinstance(size, str)})
    ordered: list[int | str] = [*numbers, *([ALL] if ALL in sizes else [])]
    _check.whole("seed", seed, 0)
    return chosen, ordered, list(range(seed, seed + _check.whole("seeds", seeds, 1)))
