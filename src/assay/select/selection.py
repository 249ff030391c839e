"""What a selection is, and the rules that every selector keeps: budget, kept rows, quotas, copies, quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError, warn
from assay.neighbors import same_rows, unit_rows


@dataclass(frozen=True, slots=True)
class Selection:
    """Chosen rows of a pool, in order of choice.

    `indices` (k,) are distinct rows; `gains` (k,) the score of each at the moment of its choice (nan where
    there was none); `method` the selector; `parameters` what it ran with, `facts` what it found or counted.
    """

    indices: NDArray[np.int64]
    gains: NDArray[np.float64]
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(np.unique(self.indices)) != len(self.indices):
            raise DataError("indices must be distinct; some row was chosen twice.")
        if len(self.indices) != len(self.gains):
            raise DataError(f"gains must have one value a row ({len(self.indices)}); got {len(self.gains)}.")


class Rules:
    """Which rows may still be chosen. `allowed` is the mask (n,); `take` records a choice and updates it.

    Rows in `initial_selected` are in the set already: they are not chosen again and do not count in the
    budget or the quotas. With `skip_duplicates`, a row that is the same as a chosen or kept one is out.
    """

    def __init__(
        self,
        pool: NDArray[np.floating],
        budget: int,
        *,
        initial_selected: ArrayLike | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        max_per_group: int | Mapping[Any, int] | None = None,
        skip_duplicates: bool = False,
    ) -> None:
        n = len(pool)
        self.initial = _rows_of("initial_selected", initial_selected, n)
        self.allowed = np.ones(n, dtype=bool)
        self.same = same_rows(pool)
        self.skip_duplicates = skip_duplicates
        self.copies = 0
        self._closed: list[NDArray[np.int64]] = []
        self._seen: set[int] = set()
        if skip_duplicates:
            order = np.argsort(self.same, kind="stable")
            ends = np.searchsorted(self.same[order], np.arange(n + 1))
            self._order, self._ends = order, ends
        self._group: NDArray[np.intp] | None = None
        if (groups is None) != (max_per_group is None):
            raise DataError("groups and max_per_group must be given together; got one of them.")
        if groups is not None and max_per_group is not None:
            if len(groups) != n:
                raise DataError(f"groups must have one label a row ({n}); got {len(groups)}.")
            self._group, self._left = _quotas(groups, max_per_group)
            self._quota = self._left.copy()
            self._members = np.argsort(self._group, kind="stable")
            self._starts = np.searchsorted(self._group[self._members], np.arange(len(self._left) + 1))
            for g in np.flatnonzero(self._left == 0):
                self._close(int(g))
        for i in self.initial:
            self._mark(int(i))
        self._feasible(budget)

    def described(self) -> list[Any]:
        """Return all that these rules were made of, but for the pool and the budget."""
        return [self.initial, self._group, None if self._group is None else self._quota, self.skip_duplicates]

    def take(self, row: int) -> None:
        """Record that `row` is chosen."""
        self.copies += int(self.same[row]) in self._seen
        self._mark(row)
        if self._group is not None:
            g = int(self._group[row])
            self._left[g] -= 1
            if self._left[g] == 0:
                self._close(g)

    def take_in_order(
        self, order: Iterable[int], budget: int, progress: Callable[[int, int], None] | None
    ) -> list[int]:
        """Return the first `budget` rows of `order` that may be chosen when their turn comes."""
        chosen: list[int] = []
        for row in order:
            if self.allowed[row]:
                self.take(int(row))
                chosen.append(int(row))
                if progress is not None:
                    progress(len(chosen), budget)
                if len(chosen) == budget:
                    return chosen
        raise self.none_left(len(chosen), budget)

    def none_left(self, chosen: int, budget: int) -> DataError:
        """Return the error for copies across groups that leave too few rows, which only choosing can show."""
        return DataError(
            f"budget must be <= the rows that may be chosen; got {budget}, and none was left after {chosen}. "
            "Lower the budget, or loosen quotas and skip_duplicates."
        )

    def warn_of_copies(self) -> None:
        """Say how many chosen rows are copies of others in the set."""
        if self.copies:
            warn(
                f"{self.copies} chosen rows are copies of another in the set. Use skip_duplicates to leave them out."
            )

    def _mark(self, row: int) -> None:
        first = int(self.same[row])
        self._seen.add(first)
        self._shut(np.array([row]))
        if self.skip_duplicates:
            self._shut(self._order[self._ends[first] : self._ends[first + 1]])

    def _close(self, group: int) -> None:
        self._shut(self._members[self._starts[group] : self._starts[group + 1]])

    def _shut(self, rows: NDArray[np.int64]) -> None:
        self.allowed[rows] = False
        self._closed.append(rows)

    def closed(self) -> NDArray[np.int64]:
        """Return the rows that are not allowed any more since the last call."""
        rows = np.concatenate([np.empty(0, dtype=np.int64), *self._closed])
        self._closed.clear()
        return rows

    def _feasible(self, budget: int) -> None:
        _check.whole("budget", budget, 1)
        rows = np.flatnonzero(self.allowed)
        if self.skip_duplicates:  # one row a set of copies; in each group, where there are quotas
            key = (
                self.same[rows]
                if self._group is None
                else self.same[rows] + self._group[rows] * len(self.same)
            )
            rows = rows[np.unique(key, return_index=True)[1]]
        room = len(rows)
        if self._group is not None:
            room = int(
                np.minimum(np.bincount(self._group[rows], minlength=len(self._left)), self._left).sum()
            )
        if budget > room:
            raise DataError(
                f"budget must be <= the rows that may be chosen ({room} of {len(self.allowed)}); got {budget}. "
                "Lower the budget, or loosen quotas and skip_duplicates."
            )


def one_a_row(name: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return one number for each of n rows, or raise by its name."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (n,):
        raise DataError(f"{name} must have one value a row, shape ({n},); got shape {numbers.shape}.")
    return numbers


def quality_weights(quality: ArrayLike | None, quality_power: float, n: int) -> NDArray[np.float64]:
    """Return quality ** quality_power, checked, or ones."""
    if quality is None:
        return np.ones(n)
    _check.at_least("quality_power", quality_power, 0)
    values = one_a_row("quality", quality, n)
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise DataError(
            f"quality must be positive and finite; {len(bad)} of {n} values are not, first at row {bad[0]} "
            f"({values[bad[0]]:g}). Shift or scale the scores."
        )
    with np.errstate(over="ignore", under="ignore"):
        weights = values**quality_power
    if not ((weights > 1e-150) & (weights < 1e150)).all():
        raise DataError(
            "quality ** quality_power must be from 1e-150 to 1e150; "
            f"got {weights.min():g} to {weights.max():g}. Scale the scores."
        )
    return np.asarray(weights)


def start_row(start: int | str, rules: Rules, drawn: int, density: NDArray[np.float64] | None = None) -> int:
    """Return the row to start from: an index, the `drawn` one for "random", or the densest."""
    if isinstance(start, str):
        _check.choice("start", start, ("random", "densest") if density is not None else ("random",))
        if start == "densest" and density is not None:
            return int(np.argmax(np.where(rules.allowed, density, -np.inf)))
        # the drawn row as it is; where quotas forbid it, the next one that may be chosen
        allowed = np.flatnonzero(rules.allowed)
        return int(allowed[np.searchsorted(allowed, drawn) % len(allowed)])
    if not 0 <= _check.whole("start", start) < len(rules.allowed):
        raise DataError(f"start must be a row of the pool, 0 to {len(rules.allowed) - 1}; got {start}.")
    if not rules.allowed[start]:
        raise DataError(f"start must be a row that may be chosen; row {start} is excluded by quotas.")
    return int(start)


def _rows_of(name: str, value: ArrayLike | None, n: int) -> NDArray[np.int64]:
    rows = np.asarray([] if value is None else value)
    if rows.size == 0:
        return np.empty(0, dtype=np.int64)
    if rows.ndim != 1 or not np.issubdtype(rows.dtype, np.integer):
        raise DataError(f"{name} must be a list of row numbers; got {rows.dtype} of shape {rows.shape}.")
    if rows.min() < 0 or rows.max() >= n:
        raise DataError(f"{name} must hold rows of the pool, 0 to {n - 1}; got {rows.min()} to {rows.max()}.")
    if len(np.unique(rows)) != len(rows):
        raise DataError(f"{name} must be distinct; {len(rows) - len(np.unique(rows))} rows are repeated.")
    return rows.astype(np.int64)


def _quotas(
    groups: Sequence[Any] | NDArray[Any], max_per_group: int | Mapping[Any, int]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the group number of every row and how many rows each group has left."""
    labels: dict[Any, int] = {}
    try:
        number = np.array([labels.setdefault(g, len(labels)) for g in groups], dtype=np.intp)
    except TypeError as error:
        raise DataError(f"groups must hold hashable labels, such as texts; got {error}.") from None
    if isinstance(max_per_group, Mapping):
        unknown = [g for g in max_per_group if g not in labels]
        if unknown:
            raise DataError(f"max_per_group must name groups of the pool; {unknown[0]!r} is none.")
        quota = [_check.whole("max_per_group", max_per_group.get(g, len(number)), 0) for g in labels]
    else:
        quota = [_check.whole("max_per_group", max_per_group, 0)] * len(labels)
    return number, np.array(quota, dtype=np.int64)


def nearest_earlier(pool: ArrayLike, indices: ArrayLike, initial: Sequence[int] = ()) -> NDArray[np.float64]:
    """Return the cosine distance of each chosen row to the nearest one chosen before it or kept from the start.

    nan where there is none. 2 k² d operations for k rows, in blocks.
    """
    order = np.concatenate([np.asarray(initial, dtype=np.int64), np.asarray(indices, dtype=np.int64)])
    unit = unit_rows(np.asarray(pool)[order], np.float64)
    out = np.full(len(order), np.nan)
    for start in range(0, len(order), 512):
        stop = min(start + 512, len(order))
        gap = 1.0 - unit[start:stop] @ unit[:stop].T
        gap[np.arange(start, stop)[:, None] <= np.arange(stop)[None, :]] = np.inf
        nearest = gap.argmin(axis=1)
        step = unit[start:stop] - unit[nearest]
        out[start:stop] = (step * step).sum(axis=1) / 2.0
    out[:1] = np.nan
    return out[len(initial) :]
