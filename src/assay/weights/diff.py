"""All that is told of two models: how far weights moved, what the top percents hold, and what chance would give."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.weights.change import Change, changes, grouped
from assay.weights.checkpoint import Checkpoint
from assay.weights.null import CHANGES, beginnings, null_shares
from assay.weights.pair import Match, Pair
from assay.weights.ranking import EPSILON, Chunk
from assay.weights.redrawn import NULLS, drawn_spread, redrawn
from assay.weights.regions import Place
from assay.weights.shares import Tally, enrichment, tally
from assay.weights.threshold import select

PERCENTS = (1, 3, 5, 10, 20, 40, 60)
HELD = {"sum r": 2, "sum |d|": 3, "sum d^2": 4}  # columns of a tally
BY = ("region", "module", "layer", "tensor")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Diff:
    """What was found of two models, tensor by tensor.

    `nulls` has, under the names of `NULLS`, a tally for each draw. `magnitudes` (2, 256) counts |p| and |d| by their
    binary exponent: row 0 p, row 1 d; column 0 is zero (and what float32 has below 2^-126), column e >= 1 is from
    2^(e - 127) to twice that. `sizes` (1024,) counts |p| as `null_shares` takes it. `sigma`, root mean square of the
    original weights: their standard deviation about zero. `zeros`: how many of these are 0, and their part of sum r, 0
    to 1. `fair`: which of `NULLS` to compare with; shuffled where tuned weights have all bits of float32, else drawn.
    """

    ranking: str
    places: Mapping[str, Place]
    changes: Mapping[str, Change]
    tally: Tally
    nulls: Mapping[str, tuple[Tally, ...]]
    magnitudes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    sigma: float
    zeros: tuple[int, float]
    fair: str

    def share_rows(self) -> list[Row]:
        """Return a row a sum and percent: what the top percent of weights holds of it, and what the nulls say.

        Columns, in percent: share; shuffled and drawn, means over draws, with their sd (None with less than two);
        gaussian and constant, of `null_shares` for the weights as they are. None where nothing changed.
        """
        percents = self.tally.percents
        formula = {
            change: null_shares(percents, counts=self.sizes, change=change, ranking=self.ranking)
            for change in CHANGES
        }
        drawn = {how: np.array([one.shares for one in told]) for how, told in self.nulls.items()}
        rows = []
        for at, (of, column) in enumerate(HELD.items()):
            for j, percent in enumerate(percents):
                row: Row = {"of": of, "percent": percent, "share": _percent(self.tally.shares[j, column])}
                for how in NULLS:
                    values = drawn[how][:, j, column] if how in drawn else np.array([])
                    row[how] = _percent(values.mean()) if len(values) else None
                    row[f"{how}_sd"] = _percent(values.std(ddof=1)) if len(values) > 1 else None
                for change, table in formula.items():
                    row[change] = _percent(table[j, at])
                rows.append(row)
        return rows

    def rows(self, by: str) -> list[Row]:
        """Return a row a group of tensors: its size, its change, and its part of all weights and of all change.

        `by`: one of `BY`, or all. weights: how many; unchanged, share_*: percent; relative, absolute, scaled and
        signed: means a weight; norm_ratio: norm of d over that of p; largest: |d|.
        """
        groups, [total] = (
            grouped(self.changes, _key(self.places, by)),
            grouped(self.changes, _key(self.places, "all")).values(),
        )
        rows = []
        for group, one in groups.items():
            row: Row = {by: group}
            if by == "tensor":
                place = self.places[str(group)]
                row |= {"region": place.region, "layer": place.layer, "module": place.module}
            rows.append(
                row
                | {
                    "weights": one.size,
                    "unchanged": 100 * one.unchanged_fraction,
                    "relative": one.mean_relative,
                    "absolute": one.mean_absolute,
                    "scaled": one.mean_scaled,
                    "signed": one.mean_signed,
                    "norm_ratio": one.norm_ratio if math.isfinite(one.norm_ratio) else None,
                    "largest": one.largest,
                    "share_weights": _part(one.size, total.size),
                    "share_relative": _part(one.relative, total.relative),
                    "share_absolute": _part(one.absolute, total.absolute),
                    "share_squared": _part(one.squared, total.squared),
                }
            )
        return _in_order(rows, by)

    def enrichment_rows(self, by: str) -> list[Row]:
        """Return a row a group of tensors and percent: its part of the selection over its part of the weights.

        `by`: one of `BY`, or cell, a layer's module. taken: weights, changed: those of them that did; enrichment: of
        changed ones, since unchanged ones fill a quota by their names; 1 as if drawn at random; shuffled and drawn:
        that of the nulls, means over draws, with their sd; None where nothing is taken.
        """
        names = [str(name) for name in self.tally.groups]
        key = _key(self.places, by)
        groups = list(dict.fromkeys(key(name) for name in names))
        owner = np.array([groups.index(key(name)) for name in names])

        def summed(told: Tally) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            order = [told.groups.index(name) for name in names]
            taken, size = np.zeros((len(groups), len(told.percents), 2)), np.zeros(len(groups))
            np.add.at(taken, owner, told.taken[order, :, :2])
            np.add.at(size, owner, told.whole[order, 0])
            return taken, size

        taken, size = summed(self.tally)
        nulls = {how: [summed(one)[0][:, :, 1] for one in told] for how, told in self.nulls.items()}
        rows = []
        for j, percent in enumerate(self.tally.percents):
            ratios = {"enrichment": enrichment(taken[:, j, 1], size)}
            for how in NULLS:
                draws = np.array([enrichment(one[:, j], size) for one in nulls.get(how, [])])
                nothing = np.full(len(size), np.nan)
                ratios[how] = draws.mean(axis=0) if len(draws) else nothing
                ratios[f"{how}_sd"] = draws.std(axis=0, ddof=1) if len(draws) > 1 else nothing
            for at, group in enumerate(groups):
                named: Row = (
                    {"layer": group[0], "module": group[1]} if isinstance(group, tuple) else {by: group}
                )
                rows.append(
                    named
                    | {"percent": percent, "weights": int(size[at])}
                    | {"taken": int(taken[at, j, 0]), "changed": int(taken[at, j, 1])}
                    | {name: _known(values[at]) for name, values in ratios.items()}
                )
        return _in_order(rows, by)

    def magnitude_rows(self) -> list[Row]:
        """Return a row a factor of two of |p| and |d| that has weights: from (0: zero), original, change; counts."""
        return [
            {"from": 2.0 ** (e - 127) if e else 0.0, "original": p, "change": d}
            for e, (p, d) in enumerate(self.magnitudes.T.tolist())
            if p or d
        ]


def diff(
    pair: Pair,
    percents: Sequence[float] = PERCENTS,
    *,
    ranking: str = "relative",
    draws: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Diff:
    """Return how far the weights of a pair moved, what the top percents of a ranking hold, and what chance would give.

    Parameters
    ----------
    pair : Pair
    percents : sequence of float
        As in `select`.
    ranking : str
        A row of `RANKINGS`.
    draws : int
        Of each null of `NULLS`: means and sd over them. 0: none.
    seed : int
        Of the nulls, and of the ranking random.
    progress : callable, optional
        Called with steps done and steps in all.

    Returns
    -------
    Diff

    Raises
    ------
    DataError
        As `select` does: percents out of order, nan or infinity (tensor named).

    Notes
    -----
    Reads both models 4 or 5 times, and 3 or 4 times more for each null and draw: on one core of an EPYC (Zen 4) some
    30 ns a weight, and 130 more for each draw. Memory: below `memory_bound` (235 MB measured, 289 stated), and some
    5 KB a tensor, whatever the models' size; 70 MB more for the command's page.
    """
    _check.whole("draws", draws, 0)
    _check.whole("seed", seed, 0)
    steps, done = 3 + 2 * len(NULLS) * draws, 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, steps)

    magnitudes: dict[str, NDArray[np.int64]] = {}
    bits: dict[str, NDArray[np.uint32]] = {}
    sizes, zeros = np.zeros(1024, np.int64), np.zeros(2)
    moved = changes(_watched(pair, magnitudes, sizes, zeros, bits))
    step()
    dtypes = {match.name: _dtype(pair, match, bits[match.name][1]) for match in pair.matches}
    spreads = {
        match.name: drawn_spread(
            moved[match.name].mean_absolute,
            magnitudes[match.name][0],
            dtype=dtypes[match.name],
            on_grid=_on_grid(pair, match, bits[match.name][0], dtypes[match.name]),
        )
        for match in pair.matches
    }

    def of(chunks: Any) -> Tally:
        found = select(chunks, percents, ranking=ranking, seed=seed)
        step()
        told = tally(found, chunks, by=str)
        step()
        return told

    real = of(pair.chunks)
    nulls: dict[str, tuple[Tally, ...]] = {
        how: tuple(
            of(redrawn(pair.chunks, how=how, spreads=spreads, dtypes=dtypes, seed=seed + draw))
            for draw in range(draws)
        )
        for how in NULLS
        if draws
    }
    size, squares = sum(one.size for one in moved.values()), sum(one.original for one in moved.values())
    places = {match.name: match.place for match in pair.matches}
    counts = np.sum(list(magnitudes.values()), axis=0)
    relative = sum(one.relative for one in moved.values())
    return Diff(
        ranking=ranking,
        places=places,
        changes=moved,
        tally=real,
        nulls=nulls,
        magnitudes=counts,
        sizes=sizes,
        sigma=math.sqrt(squares / size),
        zeros=(int(zeros[0]), float(zeros[1] / EPSILON / relative) if relative else 0.0),
        fair="shuffled" if set(dtypes.values()) == {"F32"} else "drawn",
    )


def _watched(
    pair: Pair,
    magnitudes: dict[str, NDArray[np.int64]],
    sizes: NDArray[np.int64],
    zeros: NDArray[np.float64],
    bits: dict[str, NDArray[np.uint32]],
) -> Iterator[Chunk]:
    """Yield the chunks of a pair; of each tensor count exponents of |p| and |d|, and note which bits p and s use.

    To `zeros` is added how many of p are 0, and their |d|.
    """
    for chunk in pair.chunks():
        name, _, p, s = chunk
        counts = magnitudes.setdefault(name, np.zeros((2, 256), dtype=np.int64))
        used = bits.setdefault(name, np.zeros(2, dtype=np.uint32))
        with np.errstate(over="ignore", invalid="ignore"):
            of_p, of_d = beginnings(p), beginnings(s - p)
        sizes += of_p
        if of_p[0]:
            at = p == 0
            zeros += np.count_nonzero(at), np.abs(s[at]).sum(dtype=np.float64)
        counts += np.stack([of_p, of_d]).reshape(2, 256, 4).sum(axis=2)
        for side, values in enumerate((p, s)):
            used[side] |= np.bitwise_or.reduce(values.view(np.uint32))
        yield chunk


def _dtype(pair: Pair, match: Match, bits: np.uint32) -> str:
    """Return the type that tuned weights have been rounded to: of bfloat16 where they use no lower bit."""
    if not bits & np.uint32(0xFFFF):
        return "BF16"
    # a base with an adapter added is not stored at all
    return pair.tuned.tensors[match.name].dtype if isinstance(pair.tuned, Checkpoint) else "F32"


def _on_grid(pair: Pair, match: Match, bits: np.uint32, dtype: str) -> bool:
    """Return whether the original weights are numbers of a type."""
    return dtype in ("F32", pair.original.tensors[match.original].dtype) or (
        dtype == "BF16" and not bits & np.uint32(0xFFFF)
    )


def _key(places: Mapping[str, Place], by: str) -> Callable[[str], Hashable]:
    """Return what a tensor's name belongs to."""
    _check.choice("by", by, (*BY, "cell", "all"))
    if by == "tensor":
        return str
    if by == "all":
        return lambda _: "all"
    if by == "cell":
        return lambda name: (places[name].layer, places[name].module)
    return lambda name: getattr(places[name], by)


def _in_order(rows: list[Row], by: str) -> list[Row]:
    """Return layers by their number, what is in none last."""
    if by not in ("layer", "cell"):
        return rows
    return sorted(rows, key=lambda row: math.inf if row["layer"] is None else row["layer"])


def _part(some: float, of: float) -> float | None:
    return 100 * (some / of) if of else None


def _percent(value: float) -> float | None:
    return _known(100 * value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
