"""Which candidates are kept: `STRATEGIES` is the map, one row a way of choosing."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import AssayWarning, DataError
from assay.ner.quota import NO_LIMIT, fill_quotas

Progress = Callable[[int, int], None]
Limits = list[tuple[list[int], list[int]]]
NEIGHBORS = 10  # that NovelSelect asks for, where there are so many
Most = int | Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row of `STRATEGIES`; `selector` tells whether the method is that of `assay.select.SELECTORS`."""

    summary: str
    selector: bool
    source: str


STRATEGIES: Mapping[str, Strategy] = {
    "quota": Strategy(
        "types rarest first, each document counting for all its types, the least similar next", False, "ours"
    ),
    "paper": Strategy(
        "in a seeded order, whatever has a type with fewer than k",
        False,
        "Yang et al. 2025, the part that is known",
    ),
    "random": Strategy("at random", True, "-"),
    "kcenter": Strategy("the farthest from those chosen", True, "Sener & Savarese 2018"),
    "facility_location": Strategy("what is nearest to most others", True, "Bukharin et al. 2024"),
    "novelselect": Strategy("novel, in dense regions first", True, "Yang et al. 2025 (NovelSum)"),
}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Documents to choose from, in the order that decides ties: vectors (n, d) of norm 1, labels, corpus, language."""

    vectors: NDArray[np.float32]
    labels: tuple[tuple[str, ...], ...]
    corpora: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to choose; see `assay.ner.prune.prune`."""

    strategy: str
    k: int
    negatives: float
    max_per_corpus: Most
    max_per_language: Most
    seed: int
    budget: int | None

    def __post_init__(self) -> None:
        _check.choice("strategy", self.strategy, STRATEGIES)
        _check.whole("k", self.k, 1)
        if not 0 <= self.negatives < 1:
            raise DataError(f"negatives must be from 0 to below 1; got {self.negatives!r}.")
        _check.whole("seed", self.seed, 0, 2**63 - 1)
        if self.budget is not None:
            _check.whole("budget", self.budget, 1)
        for name, most in self.limits().items():
            for value in most.values() if isinstance(most, Mapping) else [most]:
                _check.whole(name, value, 0)
        if self.limits() and self.budget is not None and STRATEGIES[self.strategy].selector:
            raise DataError(
                f"budget must be left out with {next(iter(self.limits()))} and strategy {self.strategy!r}; got both. "
                "Without it, as many are chosen as by quota."
            )

    def limits(self) -> dict[str, int | Mapping[str, int]]:
        """Return the limits that are set, by name."""
        both = {"max_per_corpus": self.max_per_corpus, "max_per_language": self.max_per_language}
        return {name: most for name, most in both.items() if most is not None}

    def check_names(self, corpora: Iterable[str], languages: Iterable[str]) -> None:
        """Raise if a limit is of a corpus or of a language that there is not."""
        there = {"max_per_corpus": set(corpora), "max_per_language": set(languages)}
        for name, most in self.limits().items():
            unknown = sorted(set(most) - there[name]) if isinstance(most, Mapping) else []
            if unknown:
                has = ", ".join(sorted(there[name]))
                raise DataError(f"{name} must name what the corpora have ({has}); got {unknown[0]!r}.")


def choose(candidates: Candidates, plan: Plan, *, progress: Progress | None = None) -> list[int]:
    """Return the rows that a plan keeps, in order of choice."""
    if not candidates.labels:
        return []
    kinds, targets, types = _kinds(candidates, plan.k)
    if STRATEGIES[plan.strategy].selector:
        return _selected(candidates, plan, progress)
    limits = _limits(candidates, plan)
    way = _paper if plan.strategy == "paper" else _quota
    empty = np.array([not labels for labels in candidates.labels])
    room = [(group, _without_reserve(group, most, empty, plan.negatives)) for group, most in limits]
    rows = way(candidates, kinds, targets, range(types), room, [], progress)
    share = plan.negatives / (1.0 - plan.negatives)
    have = Counter(candidates.corpora[row] for row in rows)
    names = sorted(set(candidates.corpora))
    for at, name in enumerate(names):
        targets[types + at] = round(have[name] * share)
    rows += way(candidates, kinds, targets, range(types, len(targets)), limits, rows, None)
    if limits:  # room that was left for documents without entities and not used
        rows += way(candidates, kinds, targets, range(types), limits, rows, None)
    return rows


def _kinds(candidates: Candidates, k: int) -> tuple[list[list[int]], list[int], int]:
    """Return the kinds of each row, rarest first, and their targets: types, then a corpus' entity-free documents."""
    rows = zip(candidates.corpora, candidates.labels, strict=True)
    sizes = Counter((corpus, label) for corpus, labels in rows for label in labels)
    numbers = {kind: n for n, kind in enumerate(sorted(sizes, key=lambda kind: (sizes[kind], kind)))}
    empty = {name: len(numbers) + n for n, name in enumerate(sorted(set(candidates.corpora)))}
    kinds = [
        sorted(numbers[corpus, label] for label in labels) if labels else [empty[corpus]]
        for corpus, labels in zip(candidates.corpora, candidates.labels, strict=True)
    ]
    return kinds, [k] * len(numbers) + [0] * len(empty), len(numbers)


def _limits(candidates: Candidates, plan: Plan) -> Limits:
    """Return groups of rows and the most of each: by corpus, by language, in all."""
    limits: Limits = []
    of_rows = {"max_per_corpus": candidates.corpora, "max_per_language": candidates.languages}
    for name, most in plan.limits().items():
        names = sorted(set(of_rows[name]))
        if isinstance(most, Mapping):
            each = [most.get(one, NO_LIMIT) for one in names]
        else:
            each = [most] * len(names)
        number = {one: n for n, one in enumerate(names)}
        limits.append(([number[one] for one in of_rows[name]], each))
    if plan.budget is not None:
        limits.append(([0] * len(candidates.labels), [plan.budget]))
    return limits


def _without_reserve(
    group: Sequence[int], most: Sequence[int], empty: NDArray[np.bool_], share: float
) -> list[int]:
    """Return limits with room left for the share of documents without entities."""
    there = np.bincount(np.asarray(group)[empty], minlength=len(most)).tolist()
    return [m if m == NO_LIMIT else m - min(round(m * share), n) for m, n in zip(most, there, strict=True)]


def _quota(
    candidates: Candidates,
    kinds: list[list[int]],
    targets: list[int],
    order: Sequence[int],
    limits: Limits,
    kept: list[int],
    progress: Progress | None,
) -> list[int]:
    found = fill_quotas(
        *(candidates.vectors, kinds),
        targets=targets,
        order=order,
        limits=limits,
        levels=bool(limits),
        kept=kept,
        progress=progress,
    )
    return [int(row) for row in found.rows]


def _paper(
    candidates: Candidates,
    kinds: list[list[int]],
    targets: list[int],
    order: Sequence[int],
    limits: Limits,
    kept: list[int],
    progress: Progress | None,
) -> list[int]:
    """Accept rows in their order, which is seeded, where any of their kinds is below its target."""
    del progress
    count = [0] * len(targets)
    left = [list(most) for _, most in limits]

    def take(row: int) -> None:
        for kind in kinds[row]:
            count[kind] += 1
        for (group, _), most in zip(limits, left, strict=True):
            most[group[row]] -= 1

    for row in kept:
        take(row)
    taken, turns, rows = set(kept), set(order), []
    for row in range(len(candidates.labels)):
        wanted = any(kind in turns and count[kind] < targets[kind] for kind in kinds[row])
        fits = all(most[group[row]] > 0 for (group, _), most in zip(limits, left, strict=True))
        if wanted and fits and row not in taken:
            take(row)
            rows.append(row)
    return rows


def _selected(candidates: Candidates, plan: Plan, progress: Progress | None) -> list[int]:
    """Choose by a row of `SELECTORS`: the budget, or as many of each group as by quota."""
    from assay.select import SELECTORS

    row, n = SELECTORS[plan.strategy], len(candidates.labels)
    options: dict[str, Any] = {} if row.seed is None else {"seed": plan.seed}
    if plan.strategy == "novelselect" and n <= NEIGHBORS:
        options["neighbors"] = n - 1
    if plan.budget is not None:
        budget = min(plan.budget, n)
    else:
        keys = zip(candidates.corpora, candidates.languages, map(bool, candidates.labels), strict=True)
        groups = list(keys)
        quota = Counter(groups[at] for at in choose(candidates, replace(plan, strategy="quota")))
        budget = quota.total()
        options |= {"groups": groups, "max_per_group": {group: quota[group] for group in set(groups)}}
    if budget in (0, n):
        return list(range(budget))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)  # of equal vectors: the redundancy shows them
        found = row.function(candidates.vectors, budget=budget, progress=progress, **options)
    return [int(each) for each in found.indices]
