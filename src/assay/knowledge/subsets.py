"""Which facts to fine-tune on: as many of each relation, of one mastery category or of all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError

MIXES = ("even", "as-found")
Key = TypeVar("Key")
SIZES = (60, 240, 1920)  # the paper's, beside a whole category


@dataclass(frozen=True, slots=True)
class Cell:
    """One relation and category (None: not told apart) of a subset: facts there are, and facts taken."""

    relation: str
    category: int | None
    available: int
    taken: int


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """Facts to train on: their places in what they were chosen from, in order of choice, and the count of each cell.

    Any first part of `indices` is the subset of that size.
    """

    indices: NDArray[np.int64]
    cells: tuple[Cell, ...]
    seed: int

    @property
    def short(self) -> tuple[str, ...]:
        """Relations that gave all they have, and fewer than another."""
        taken, available = Counter[str](), Counter[str]()
        for cell in self.cells:
            taken[cell.relation] += cell.taken
            available[cell.relation] += cell.available
        most = max(taken.values())
        return tuple(name for name in taken if taken[name] == available[name] and taken[name] < most)


def balanced_subset(
    ids: Sequence[str],
    relations: Sequence[str],
    *,
    size: int | None = None,
    categories: Sequence[int] | None = None,
    category: int | None = None,
    seed: int = 0,
) -> Subset:
    """Choose as many facts of each relation, of one mastery category where one is asked for.

    Each relation has one seeded order, and relations take turns. So sizes nest: the 60 of a seed are the first of
    its 240. A relation that has too few gives all it has, and the others the rest, each as many, or one more.

    Parameters
    ----------
    ids : sequence of str
        Of the facts, no two alike. Which facts are chosen depends on their ids and the seed alone, not on their place.
    relations : sequence of str
        Of each fact.
    size : int, optional
        At most as many as there are. None: all. The paper's are 60, 240 and 1,920 of 10 relations.
    categories : sequence of int, optional
        Of each fact.
    category : int, optional
        Takes facts of this category alone; needs `categories`. None: of all, mixed as they are found.
    seed : int
        Another seed, another subset.

    Returns
    -------
    Subset

    Raises
    ------
    DataError
        For lengths that differ, equal ids, no fact of the category, a size beyond the facts.

    Notes
    -----
    Source: Ye et al., EMNLP 2025, arXiv 2509.16596: 6, 24 and 192 facts of each of 10 relations, five random sets.
    What they do where a relation is short is not told, and their sets are not said to nest: ours. With `category`
    None and no `categories` the categories are mixed as they are found; see `mixed_subset`.

    Examples
    --------
    >>> found = balanced_subset(["a", "b", "c", "d", "e"], ["P36", "P36", "P36", "P36", "P17"], size=3)
    >>> [(cell.relation, cell.taken) for cell in found.cells], found.short
    ([('P36', 2), ('P17', 1)], ('P17',))
    """
    of = _given(ids, relations, [0] * len(ids) if categories is None else categories, seed)
    every = range(len(ids))
    if category is None:
        eligible = list(every)
    elif categories is None:
        raise DataError(f"categories must be given to take category {category}; got none.")
    else:
        eligible = [at for at in every if of[at] == category]
        if not eligible:
            raise DataError(
                f"category must be one that facts have, {', '.join(map(str, sorted(set(of))))}; got {category!r}."
            )
    queues = {name: _ordered(rows, ids, seed, name) for name, rows in _by(eligible, relations).items()}
    order = _in_turns([queues[name] for name in _seeded(queues, seed)])
    labels = [None] * len(ids) if categories is None else of
    return _taken(order, size, relations, labels, list(dict.fromkeys(relations)), seed)


def mixed_subset(
    ids: Sequence[str],
    relations: Sequence[str],
    categories: Sequence[int],
    *,
    size: int | None = None,
    mix: str = "even",
    seed: int = 0,
) -> Subset:
    """Choose as many facts of each relation with the mastery categories mixed: the control of a choice by category.

    Parameters
    ----------
    ids, relations, size, seed
        As in `balanced_subset`.
    categories : sequence of int
        Of each fact.
    mix : {"even", "as-found"}
        "even": in each relation the categories take turns, the first turn another's from relation to relation, so
        that each has as many facts, or nearly, for as long as it has any. "as-found": the categories have the shares
        that they have among the facts, on average: the same facts as `balanced_subset` without a category.

    Returns
    -------
    Subset
        Sizes nest. `cells` has the count of each relation and category.

    Raises
    ------
    DataError
        As in `balanced_subset`.

    Notes
    -----
    The paper has a run on mixed data (Table 7) and does not tell how it is mixed: both are ours.

    Examples
    --------
    >>> names = [str(n) for n in range(8)]
    >>> found = mixed_subset(names, ["P36"] * 4 + ["P17"] * 4, [0, 0, 0, 4] * 2, size=4)
    >>> [(cell.relation, cell.category, cell.taken) for cell in found.cells]
    [('P36', 0, 1), ('P36', 4, 1), ('P17', 0, 1), ('P17', 4, 1)]
    """
    _check.choice("mix", mix, MIXES)
    of = _given(ids, relations, categories, seed)
    queues = {name: _ordered(rows, ids, seed, name) for name, rows in _by(range(len(ids)), relations).items()}
    turns = _seeded(queues, seed)
    if mix == "even":
        present = sorted(set(of))
        for turn, name in enumerate(turns):
            cells = _by(queues[name], of)
            shifted = [present[(turn + step) % len(present)] for step in range(len(present))]
            queues[name] = _in_turns([cells[one] for one in shifted if one in cells])
    order = _in_turns([queues[name] for name in turns])
    return _taken(order, size, relations, of, list(dict.fromkeys(relations)), seed)


def _given(ids: Sequence[str], relations: Sequence[str], categories: Sequence[int], seed: int) -> list[int]:
    """Return the categories as numbers; raise for what does not fit."""
    _check.whole("seed", seed, 0)
    if not len(ids):
        raise DataError("ids must have at least one fact; got none.")
    if len(set(ids)) < len(ids):
        twice = next(one for one, count in Counter(ids).items() if count > 1)
        raise DataError(f"ids must be unique; got {twice!r} twice.")
    for name, given in (("relations", relations), ("categories", categories)):
        if len(given) != len(ids):
            raise DataError(f"{name} must be as many as the ids ({len(ids)}); got {len(given)}.")
    return [_check.whole("category", one, 0) for one in categories]


def _by(rows: Iterable[int], keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Return rows by their key, both in the order in which they come."""
    found: dict[Key, list[int]] = {}
    for at in rows:
        found.setdefault(keys[at], []).append(at)
    return found


def _rank(*parts: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogatepass")).digest()


def _ordered(rows: list[int], ids: Sequence[str], seed: int, relation: str) -> list[int]:
    """Return rows of a relation in its seeded order."""
    return sorted(rows, key=lambda at: _rank(seed, relation, ids[at]))


def _seeded(relations: Iterable[str], seed: int) -> list[str]:
    """Return relations in the order of their turns."""
    return sorted(relations, key=lambda name: _rank(seed, name))


def _in_turns(queues: list[list[int]]) -> list[int]:
    """Return the first of each queue, then the second of each, as long as there are any."""
    return [
        at
        for _, _, at in sorted(
            (place, q, at) for q, rows in enumerate(queues) for place, at in enumerate(rows)
        )
    ]


def _taken(
    order: list[int],
    size: int | None,
    relations: Sequence[str],
    categories: Sequence[int | None],
    names: list[str],
    seed: int,
) -> Subset:
    """Return the first of an order, counted by relation and category."""
    size = len(order) if size is None else _check.whole("size", size, 1)
    if size > len(order):
        raise DataError(
            f"size must be <= the facts there are ({len(order)}); got {size}. Leave it away for all."
        )
    taken = order[:size]
    available = Counter((relations[at], categories[at]) for at in order)
    chosen = Counter((relations[at], categories[at]) for at in taken)
    kinds = sorted({kind for _, kind in available}, key=lambda kind: -1 if kind is None else kind)
    cells = [Cell(name, kind, available[name, kind], chosen[name, kind]) for name in names for kind in kinds]
    return Subset(np.array(taken, dtype=np.int64), tuple(cells), seed)
