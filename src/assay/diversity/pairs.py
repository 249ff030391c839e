"""One pass over the distances between all pairs of rows, for every measure that wants them.

A measure made of such distances is written as steps: a generator that yields what it `Wants` and, when it has been
given that, goes on to its value. `stepwise` makes a plain function of it. Several measures that are stepped side by
side (`assay.diversity.together`) have each pair of matrices multiplied once for all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from assay._parallel import over_blocks
from assay.errors import warn
from assay.neighbors import Known, equal_rows, norms, same_rows, unit_rows

P = ParamSpec("P")
T = TypeVar("T")
Matrix = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Tile:
    """Cosine distances `gap` (stop - start, m) of rows start..stop to all rows that they face, not to be changed.

    They are within `rounding` of the true ones.
    """

    start: int
    stop: int
    gap: Matrix
    rounding: float

    def parts(self) -> Iterator[Tile]:
        """Yield the tile in parts that stay in the cache, and so do copies of them."""
        step = max(1, 2**19 // self.gap.shape[1])
        for at in range(0, len(self.gap), step):
            gap = self.gap[at : at + step]
            yield Tile(self.start + at, self.start + at + len(gap), gap, self.rounding)


@dataclass(slots=True)
class Wants:
    """All cosine distances of `rows` to the rows that they face, tile by tile, or the `near` nearest of each.

    `facing` None stands for the rows themselves, whose own distance is 0. `take` is called from several threads and
    must write to places of its own. Zero rows are at distance 1 from all others.
    """

    rows: Matrix
    facing: Matrix | None = None
    take: Callable[[Tile], None] | None = None
    near: int = 0
    known: Known | None = None  # filled in where `near` is more than 0


Steps = Generator[Sequence[Wants], None, T]


def stepwise(steps: Callable[P, Steps[T]]) -> Callable[P, T]:
    """Return the plain function of a measure that is written as steps."""

    @functools.wraps(steps)
    def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        walk = steps(*args, **kwargs)
        while True:
            try:
                wanted = next(walk)
            except StopIteration as done:
                value: T = done.value
                return value
            serve(wanted)

    return whole


def steps_of(function: Callable[P, T]) -> Callable[P, Steps[T]]:
    """Return the steps that a plain function was made of; one that was made of none has none, and a value."""
    steps: Callable[P, Steps[T]] | None = getattr(function, "__wrapped__", None)
    if steps is not None:
        return steps

    def none(*args: P.args, **kwargs: P.kwargs) -> Steps[T]:
        yield []
        return function(*args, **kwargs)

    return none


def serve(wanted: Sequence[Wants]) -> None:
    """Give everyone what they want, by one pass over each pair of matrices."""
    left = list(wanted)
    while left:
        rows, facing = left[0].rows, _facing(left[0])
        group = [one for one in left if one.rows is rows and _same(_facing(one), facing)]
        left = [one for one in left if all(one is not other for other in group)]
        _pass(rows, facing, group)


def _facing(one: Wants) -> Matrix | None:
    """Return what the rows face, None if it is themselves."""
    return None if one.facing is not None and _same(one.rows, one.facing) else one.facing


def _same(a: Matrix | None, b: Matrix | None) -> bool:
    return a is b or (a is not None and b is not None and a.shape == b.shape and np.array_equal(a, b))


def _pass(rows: Matrix, facing: Matrix | None, group: Sequence[Wants]) -> None:
    """Walk over tiles of the distances of `rows` to `facing`, each made by one product and seen by all of `group`.

    Memory: per thread a tile of at most max(64 m, 2**24) distances, and a share of 2**19 of them that takers copy.
    """
    unit = unit_rows(rows)
    theirs = unit if facing is None else unit_rows(facing)
    apart = 1.0 - float(unit.mean(axis=0, dtype=np.float64) @ theirs.mean(axis=0, dtype=np.float64))
    kind = np.result_type(unit, theirs)
    if (
        apart < 0.01 and kind != np.float64
    ):  # all rows point one way: float32 would leave few digits of a distance
        kind = np.dtype(np.float64)
        unit = unit_rows(rows, np.float64)
        theirs = unit if facing is None else unit_rows(facing, np.float64)
    unit, theirs = unit.astype(kind, copy=False), theirs.astype(kind, copy=False)
    n, m = len(unit), len(theirs)
    tiny = kind.type(1e-3 if kind == np.float32 else 1e-9)  # below, rounding shows: subtract directly
    rounding = float((unit.shape[1] + 8) * np.finfo(kind).eps)  # for any order of summation
    number, theirs_number = equal_rows(unit, theirs) if facing is not None else equal_rows(unit) * 2
    takers = [one.take for one in group if one.take is not None]
    near = min(m, max(one.near for one in group))
    found = np.empty((n, near), dtype=np.int64)
    edge = np.full(n, np.inf)

    def work(start: int, stop: int) -> None:
        gap = unit[start:stop] @ theirs.T
        np.subtract(1, gap, out=gap)
        np.maximum(gap, 0, out=gap)
        if facing is None:
            own = np.arange(stop - start), np.arange(start, stop)
            gap[own] = np.inf
        tile = Tile(start, stop, gap, rounding)
        for part in tile.parts():  # where all pairs are near, their numbers take several times a tile
            row, column = np.divmod(np.flatnonzero(part.gap < tiny), m)
            copies = number[part.start + row] == theirs_number[column]
            part.gap[row[copies], column[copies]] = 0.0
            row, column = row[~copies], column[~copies]
            for at in range(0, len(row), 4096):
                i, j = row[at : at + 4096], column[at : at + 4096]
                step = unit[part.start + i].astype(np.float64) - theirs[j]
                part.gap[i, j] = (step * step).sum(axis=1) / 2.0
        if facing is None:
            gap[own] = 0.0
        for take in takers:
            take(tile)
        if near == m:
            found[start:stop] = np.arange(m)
        elif near:
            for part in tile.parts():
                order = np.argpartition(part.gap, near, axis=1)[:, : near + 1]
                found[part.start : part.stop] = order[:, :near]
                edge[part.start : part.stop] = part.gap[np.arange(len(order)), order[:, near]]

    over_blocks(n, max(64, min(1024, 2**24 // m)), work)
    known = Known(found, edge - rounding)
    for one in group:
        one.known = known if one.near else None


def even(rows: Matrix) -> bool:
    """Return whether all rows are about as long, so that the nearest by angle are the nearest by length of the gap."""
    length = norms(rows)
    return bool(length.min() > 0.99 * length.max())


def warn_of_copies(rows: Matrix) -> None:
    """Warn where samples are copies of another."""
    copies = int((same_rows(rows) != np.arange(len(rows))).sum())
    if copies:
        warn(f"{copies} of {len(rows)} samples are copies of another; they make the set less diverse.")
