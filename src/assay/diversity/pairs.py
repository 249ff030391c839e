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

from assay import _ray
from assay._parallel import over_blocks
from assay.errors import warn
from assay.neighbors import Known, equal_rows, norms, same_rows, unit_rows
from assay.neighbors.through_torch import products_on

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

    `facing` None stands for the rows themselves, whose own distance is 0. `of` gives a number for each row of a part of
    a tile; it may be sent to another process. `take` is called from several threads of this process, and must write to
    places of its own. Zero rows are at distance 1 from all others.
    """

    rows: Matrix
    facing: Matrix | None = None
    of: Callable[[Tile], NDArray[np.float64]] | None = None
    take: Callable[[Tile], None] | None = None
    near: int = 0
    values: NDArray[np.float64] | None = None  # what `of` gave, filled in
    known: Known | None = None  # filled in where `near` is set and others want distances of these rows


Steps = Generator[Sequence[Wants], None, T]


def stepwise(steps: Callable[P, Steps[T]]) -> Callable[P, T]:
    """Return the plain function of a measure that is written as steps; its `engine`, `workers`, `device` serve it."""

    @functools.wraps(steps)
    def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        walk = steps(*args, **kwargs)
        engine: Any = kwargs.get("engine", "local")
        workers: Any = kwargs.get("workers")
        device: Any = kwargs.get("device", "cpu")
        while True:
            try:
                wanted = next(walk)
            except StopIteration as done:
                value: T = done.value
                return value
            serve(wanted, engine=engine, workers=workers, device=device)

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


def serve(
    wanted: Sequence[Wants], *, engine: str = "local", workers: int | None = None, device: str = "cpu"
) -> None:
    """Give everyone what they want, by one pass over each pair of matrices.

    Where nobody wants distances, the nearest are not looked for here: a search for them alone is faster.
    """
    left = list(wanted)
    while left:
        rows, facing = left[0].rows, _facing(left[0])
        group = [one for one in left if one.rows is rows and _same(_facing(one), facing)]
        left = [one for one in left if all(one is not other for other in group)]
        if any(one.of is not None or one.take is not None for one in group):
            _pass(rows, facing, group, engine, workers, device)


def _facing(one: Wants) -> Matrix | None:
    """Return what the rows face, None if it is themselves."""
    return None if one.facing is not None and _same(one.rows, one.facing) else one.facing


def _same(a: Matrix | None, b: Matrix | None) -> bool:
    return a is b or (a is not None and b is not None and a.shape == b.shape and np.array_equal(a, b))


class Tiles:
    """The distances of unit rows to those that they face, tile by tile, and what is made of them.

    It writes nothing, so that a Ray worker may hold it too.
    """

    def __init__(
        self,
        unit: Matrix,
        theirs: Matrix | None,
        number: NDArray[np.intp],
        theirs_number: NDArray[np.intp],
        near: int,
        of: Sequence[Callable[[Tile], NDArray[np.float64]]],
        takers: Sequence[Callable[[Tile], None]] = (),
        product: Callable[[int, int], Matrix] | None = None,
    ) -> None:
        self._unit, self._theirs = unit, unit if theirs is None else theirs
        self._own = theirs is None
        self._number, self._theirs_number = number, theirs_number
        self._near, self._of, self._takers, self._product = near, of, takers, product
        kind = unit.dtype.type
        self._tiny = kind(1e-3 if kind is np.float32 else 1e-9)  # below, rounding shows: subtract directly
        self.rounding = float((unit.shape[1] + 8) * np.finfo(kind).eps)  # for any order of summation

    def tile(
        self, start: int, stop: int
    ) -> tuple[list[NDArray[np.float64]], NDArray[np.int64], NDArray[np.float64]]:
        """Return for rows start..stop the value of each of `of`, the nearest rows and the distance of the next."""
        unit, theirs, m = self._unit, self._theirs, len(self._theirs)
        gap = unit[start:stop] @ theirs.T if self._product is None else self._product(start, stop)
        np.subtract(1, gap, out=gap)
        np.maximum(gap, 0, out=gap)
        if self._own:
            own = np.arange(stop - start), np.arange(start, stop)
            gap[own] = np.inf
        tile = Tile(start, stop, gap, self.rounding)
        for part in tile.parts():  # where all pairs are near, their numbers take several times a tile
            row, column = np.divmod(np.flatnonzero(part.gap < self._tiny), m)
            copies = self._number[part.start + row] == self._theirs_number[column]
            part.gap[row[copies], column[copies]] = 0.0
            row, column = row[~copies], column[~copies]
            for at in range(0, len(row), 4096):
                i, j = row[at : at + 4096], column[at : at + 4096]
                step = unit[part.start + i].astype(np.float64) - theirs[j]
                part.gap[i, j] = (step * step).sum(axis=1) / 2.0
        if self._own:
            gap[own] = 0.0
        values = [np.concatenate([of(part) for part in tile.parts()]) for of in self._of]
        for take in self._takers:
            take(tile)
        found = np.empty((stop - start, self._near), dtype=np.int64)
        edge = np.full(stop - start, np.inf)
        if self._near == m:
            found[:] = np.arange(m)
        elif self._near:
            for part in tile.parts():
                order = np.argpartition(part.gap, self._near, axis=1)[:, : self._near + 1]
                here = slice(part.start - start, part.stop - start)
                found[here] = order[:, : self._near]
                edge[here] = part.gap[np.arange(len(order)), order[:, self._near]]
        return values, found, edge


def _pass(
    rows: Matrix,
    facing: Matrix | None,
    group: Sequence[Wants],
    engine: str,
    workers: int | None,
    device: str,
) -> None:
    """Walk over tiles of the distances of `rows` to `facing`, each made by one product and seen by all of `group`.

    Memory: per thread or Ray worker a tile of at most max(64 m, 2**24) distances, and a share of 2**19 of them that
    takers copy. The tiles are the same for any number of workers, and so are all bits. On a device: the products, and
    `facing` in its memory.
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
    number, theirs_number = equal_rows(unit, theirs) if facing is not None else equal_rows(unit) * 2
    takers = [one.take for one in group if one.take is not None]
    asked = [one for one in group if one.of is not None]
    near = min(m, max(one.near for one in group))
    given = (
        unit,
        None if facing is None else theirs,
        number,
        theirs_number,
        near,
        [one.of for one in group if one.of is not None],
    )
    values = [np.empty(n) for _ in asked]
    found = np.empty((n, near), dtype=np.int64)
    edge = np.empty(n)
    block = max(64, min(1024, 2**24 // m))
    tiles = Tiles(*given, takers, None if device == "cpu" else products_on(device, unit, theirs))

    def put(start: int, answer: Any) -> None:
        several, nearest, beyond = answer
        here = slice(start, start + len(nearest))
        for value, part in zip(values, several, strict=True):
            value[here] = part
        found[here], edge[here] = nearest, beyond

    if engine == "ray" and not takers:
        steps = [(start, min(start + block, n)) for start in range(0, n, block)]
        count = min(_ray.worker_count(workers), len(steps))
        with _ray.Actors(count, "assay.diversity.pairs:Tiles", lambda i: given) as actors:
            actors.over("tile", steps, lambda at, answer: put(steps[at][0], answer))
    else:
        over_blocks(n, block, lambda start, stop: put(start, tiles.tile(start, stop)))
    known = Known(found, edge - tiles.rounding)
    for one, value in zip(asked, values, strict=True):
        one.values = value
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
