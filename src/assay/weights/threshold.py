"""Which weights the first k percent of a ranking are, exactly, without holding a model: two passes that count."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.weights import kernels
from assay.weights.ranking import EPSILON, INFINITE, Chunk, Chunks, spreads
from assay.weights.selection import Floats, Group, Selection, Threshold, keys_of
from assay.weights.ties import settled

BINS = 1 << 16
OF = ("weights", "energy")
AMONG = ("all", "changed")
TIES = ("first", "all", "none")


def select(
    chunks: Chunks,
    percents: Sequence[float],
    *,
    of: str = "weights",
    ranking: str = "relative",
    bottom: bool = False,
    among: str = "all",
    ties: str = "first",
    group_of: Callable[[str], Hashable] | None = None,
    seed: int = 0,
) -> Selection:
    """Return which weights each percent of a ranking takes: exactly those that a stable full sort would.

    The bits of a float32 that is not negative rise with it. The first pass counts keys by their high 16 bits, the
    second by the low 16 bits in the bins where a border falls; sums of r, |d| and d^2 are kept beside. A third pass is
    made where a border falls between equal keys, up to the last one taken.

    Parameters
    ----------
    chunks : callable
        Gives the same chunks (tensor name, flat index of the first weight, original, tuned) at every call. Their
        order and size do not matter, but chunks of one group must come together, as they do in the order of names.
    percents : sequence of float
        0 to 100, rising, at most 254: 0 takes nothing, 100 all. Of n weights floor(n * percent / 100) are taken,
        with the percent as it is written in decimals.
    of : str
        weights, or energy: as many weights, in the order of the ranking, as it takes to hold that percent of
        sum d^2. Where the last ones have equal keys, as many of these as there would be were their changes alike.
    ranking : str
        A row of `RANKINGS`.
    bottom : bool
        Take what ranks last first.
    among : str
        all, or changed: weights that did not change are no candidates, nor part of the n.
    ties : str
        Of equal keys at the border: first takes as many as are wanted, by tensor name and flat index; all takes
        all of them, so more than wanted; none takes none.
    group_of : callable
        Tensor name to group; each has thresholds and percents of its own. None: one group, as in the paper.
    seed : int
        Of the ranking random.

    Returns
    -------
    Selection
        The same for any size of chunks. What a lower percent takes, a higher one takes, too.

    Raises
    ------
    DataError
        For unknown choices, percents out of range or order, nan or infinity (tensor named), a change too large for
        float32, groups that come twice, or chunks that differ between passes.

    Notes
    -----
    Some 3 ns a weight in all on one core, 2 more where a third pass is made; memory 5 bytes for each weight of a
    chunk and 2 MiB x (1 + borders). Unchanged weights score 0, rank last, and fill a quota beyond what changed.

    Source: Ye et al., EMNLP 2025, arXiv 2509.16596, which rank all weights in memory, in bfloat16, ties as the
    device likes (rankings `official_bf16` and `official_fp16`).

    Examples
    --------
    >>> from assay.weights import levels
    >>> p = np.array([1, -2, 0.5, 0, 4, -0.25, 0, 8], np.float32)
    >>> s = np.array([1.5, -2, 0.75, 0.001, 5, -0.125, 0, 8], np.float32)
    >>> found = select(lambda: [("w", 0, p, s)], [12.5, 25, 50])
    >>> levels(found, ("w", 0, p, s)).tolist()
    [1, 3, 2, 0, 3, 2, 3, 3]
    >>> found.shares[:, 1].round(6).tolist()
    [0.000533, 0.267058, 0.466951]
    """
    taken = checked(percents, of=of, among=among, ties=ties)
    empty = Selection(
        percents=taken,
        of=of,
        ranking=ranking,
        bottom=bottom,
        among=among,
        ties=ties,
        seed=seed,
        group_of=group_of or _together,
        groups={},
        spreads=spreads(chunks) if ranking == "scaled" else None,
    )
    coarse = dict(_coarse(empty, chunks))
    if not any(found.size for found in coarse.values()):
        raise DataError("chunks must hold at least one weight; got none.")
    fine = _fine(empty, chunks, coarse)
    groups = {
        name: Group(found.size, found.changed, found.change, fine[name]) for name, found in coarse.items()
    }
    ordered = all(found.ordered for found in coarse.values())
    return settled(replace(empty, groups=groups), chunks, ordered=ordered)


def checked(
    percents: Sequence[float], *, of: str = "weights", among: str = "all", ties: str = "first"
) -> tuple[float, ...]:
    """Return the percents of `select`; raise for what it would refuse without having read a weight."""
    for name, value, allowed in (("of", of, OF), ("among", among, AMONG), ("ties", ties, TIES)):
        _check.choice(name, value, allowed)
    taken = tuple(float(percent) for percent in percents)
    for percent in taken:
        _check.between("percents", percent, 0, 100)
    if not taken or len(taken) > 254 or any(a >= b for a, b in pairwise(taken)):
        raise DataError(f"percents must be 1 to 254 numbers that rise; got {list(taken)}. Sort them.")
    return taken


@dataclass(slots=True)
class _Border:
    """Where a percent ends: the bin (`BINS` if it wants nothing), what is above (1, r, |d|, d^2), what is wanted."""

    bin: int
    above: Floats
    rest: float


@dataclass(slots=True)
class _Coarse:
    """What the first pass knows of a group.

    `bins` maps each boundary bin to its sums, `zeros` says that all keys of bin 0 are 0, `ordered` that names rose.
    """

    size: int
    changed: int
    change: tuple[float, float, float]
    borders: list[_Border]
    bins: dict[int, Floats]
    zeros: bool
    ordered: bool


def _together(name: str) -> str:
    return ""


def _coarse(selection: Selection, chunks: Chunks) -> Iterator[tuple[Hashable, _Coarse]]:
    """Count each group by the high 16 bits of its keys."""
    only_changed = selection.among == "changed"
    column = 3 if selection.of == "energy" else 0
    done = set()
    for group, members in groupby(chunks(), key=lambda chunk: selection.group_of(chunk[0])):
        if group in done:
            raise DataError(f"chunks must come group by group; {group!r} came twice. Sort them by name.")
        done.add(group)
        bins = np.zeros((BINS, 4))
        size = changed = zeros = 0
        ordered, last = True, ("", -1)
        for chunk in members:
            name, start, p, s = chunk
            ordered, last = ordered and last <= (name, start), (name, start)
            found = keys_of(selection, chunk)
            moved, zero, both, worst = kernels.survey(found, p, s, p.view(np.uint32), s.view(np.uint32))
            if worst >= INFINITE:
                raise _not_finite(chunk)
            kernels.count(found, p, s, only_changed, bins)
            size += len(p)
            changed += moved
            zeros += both if only_changed else zero
        totals = bins.sum(axis=0)
        if not np.isfinite(totals).all():
            raise _too_large(selection, chunks, group)
        borders = _walk(bins, _wanted(selection, changed if only_changed else size, totals[3]), column)
        kept = {one.bin: bins[one.bin].copy() for one in borders if one.bin < BINS}
        _, r, absolute, energy = totals.tolist()
        yield (
            group,
            _Coarse(size, changed, (r, absolute, energy), borders, kept, zeros == bins[0, 0], ordered),
        )


def _wanted(selection: Selection, number: int, energy: float) -> list[float]:
    """Return how many of `number` weights, or how much of `energy`, each percent wants."""
    if selection.of == "energy":
        return [energy * (percent / 100) for percent in selection.percents]
    return [float(number * Fraction(repr(percent)) // 100) for percent in selection.percents]


def _walk(bins: Floats, wanted: Sequence[float], column: int) -> list[_Border]:
    """Go down from the highest key until each of `wanted` is reached."""
    sums = np.concatenate([np.zeros((1, 4)), np.cumsum(bins[::-1], axis=0)])
    last = len(bins) - 1 - int(np.argmax(bins[:, column] > 0))  # rounding may leave the sum short of all
    found = []
    for one in wanted:
        at = min(int(np.searchsorted(sums[1:, column], one)), last) if one else -1
        found.append(_Border(BINS - 1 - at, sums[max(at, 0)], one - float(sums[max(at, 0), column])))
    return found


def _fine(
    selection: Selection, chunks: Chunks, coarse: Mapping[Hashable, _Coarse]
) -> dict[Hashable, tuple[Threshold, ...]]:
    """Count the boundary bins of each group by the low 16 bits, and turn borders into thresholds."""
    if not any(_open_bins(one) for one in coarse.values()):
        return {group: _thresholds(selection, one, {}) for group, one in coarse.items()}
    found: dict[Hashable, tuple[Threshold, ...]] = {}
    for group, members in groupby(chunks(), key=lambda chunk: selection.group_of(chunk[0])):
        if group not in coarse or group in found:
            raise _changed(group)
        wanted = _open_bins(coarse[group])
        slots = np.full(BINS, kernels.OTHER, np.uint16)
        slots[wanted] = np.arange(len(wanted))
        bins = np.zeros((len(wanted), BINS, 4))
        size = 0
        for chunk in members:
            _, _, p, s = chunk
            size += len(p)
            if wanted:
                kernels.count_fine(keys_of(selection, chunk), p, s, selection.among == "changed", slots, bins)
        before = [coarse[group].bins[number][0] for number in wanted]
        if size != coarse[group].size or bins[:, :, 0].sum(axis=1).tolist() != before:
            raise _changed(group)
        found[group] = _thresholds(selection, coarse[group], dict(zip(wanted, bins, strict=True)))
    for group in coarse:
        if group not in found:
            raise _changed(group)
    return found


def _changed(group: Hashable) -> DataError:
    return DataError(f"chunks must be the same at every call; those of group {group!r} were not.")


def _open_bins(coarse: _Coarse) -> list[int]:
    """Return the boundary bins that hold more than one key."""
    return sorted(number for number in coarse.bins if number or not coarse.zeros)


def _thresholds(selection: Selection, coarse: _Coarse, fine: Mapping[int, Floats]) -> tuple[Threshold, ...]:
    """Return the threshold of each border; `fine` lacks a boundary bin that holds key 0 alone."""
    column = 3 if selection.of == "energy" else 0
    found = []
    for border in coarse.borders:
        key, equal = border.bin << 16, coarse.bins.get(border.bin, np.zeros(4))
        above, rest = border.above, border.rest
        if border.bin in fine:
            (inner,) = _walk(fine[border.bin], [border.rest], column)
            key, equal = key | inner.bin, fine[border.bin][inner.bin]
            above, rest = above + inner.above, inner.rest
        number = int(equal[0])
        if column == 0 or not number:
            take = int(rest)
        else:
            take = min(max(int(np.ceil(rest * number / equal[3])), 1), number)
        if take < number and selection.ties != "first":
            take = number if selection.ties == "all" else 0
        _, r, size, energy = (
            above + equal if take == number else above
        ).tolist()  # `settled` adds what a cut holds
        found.append(Threshold(key, int(above[0]), number, take, None, (r, size, energy)))
    return tuple(found)


def _not_finite(chunk: Chunk) -> DataError:
    """Return the error that names the tensor, the model and the first offender."""
    name, start, *sides = chunk
    for model, values in zip(("original", "tuned"), sides, strict=True):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            return DataError(
                f"weights must be finite; {len(bad)} of {len(values)} of {name} ({model}) from {start} on are nan or "
                f"infinite, first {values[bad[0]]} at {start + bad[0]}. Leave the tensor out, or repair the checkpoint."
            )
    raise AssertionError("finite after all")


def _too_large(selection: Selection, chunks: Chunks, group: Hashable) -> DataError:
    """Return the error that names the first tensor of a group whose relative change is beyond float32."""
    for name, start, p, s in chunks():
        if selection.group_of(name) == group:
            with np.errstate(over="ignore"):
                r = np.abs(s - p) / (np.abs(p) + np.float32(EPSILON))
            bad = np.flatnonzero(~np.isfinite(r))
            if len(bad):
                at = bad[0]
                return DataError(
                    f"changes must be within float32; {name} goes from {p[at]} to {s[at]} at {start + at}. "
                    "Look at the tuned model."
                )
    raise AssertionError("within float32 after all")
