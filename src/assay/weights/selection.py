"""What a selection is: thresholds, and from them what each percent takes of any chunk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError
from assay.weights import kernels
from assay.weights.ranking import Chunk, Keys, keys

Floats = NDArray[np.float64]
Levels = NDArray[np.uint8]
NOTHING = 1 << 32  # a key that no weight reaches


@dataclass(frozen=True, slots=True)
class Threshold:
    """What one percent takes of one group: all keys above `key` and `take` of those equal, in order up to `cut`.

    Order is by tensor name, then flat index. `cut` is the last one taken, None where all equal ones are, or none.
    """

    key: int
    above: int
    equal: int
    take: int
    cut: tuple[str, int] | None
    change: tuple[float, float, float]  # sums of r, |d|, d^2 over what is taken

    @property
    def count(self) -> int:
        """How many weights are taken."""
        return self.above + self.take


@dataclass(frozen=True, slots=True)
class Group:
    """The weights that share a threshold: how many, how many of them changed, and what the changes add up to."""

    size: int
    changed: int
    change: tuple[float, float, float]  # sums of r, |d|, d^2
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What each percent takes of each group; `levels` tells it for the weights of any chunk."""

    percents: tuple[float, ...]
    of: str
    ranking: str
    bottom: bool
    among: str
    ties: str
    seed: int
    group_of: Callable[[str], Hashable]
    groups: Mapping[Hashable, Group]
    spreads: Mapping[str, float] | None

    @property
    def counts(self) -> tuple[int, ...]:
        """How many weights each percent takes."""
        rows = zip(*(group.thresholds for group in self.groups.values()), strict=True)
        return tuple(sum(one.count for one in row) for row in rows)

    @property
    def shares(self) -> Floats:
        """Shares of sum r, sum |d| and sum d^2 that each percent takes (percents, 3), 0 to 1; nan if none changed."""
        held = np.sum([[one.change for one in group.thresholds] for group in self.groups.values()], axis=0)
        whole = np.sum([group.change for group in self.groups.values()], axis=0)
        with np.errstate(invalid="ignore"):
            return np.asarray(held / whole)


def levels(selection: Selection, chunk: Chunk) -> Levels:
    """Return the level of each weight of a chunk: how many of the percents do not take it.

    Percent number j (from 0) takes the weights with ``levels <= j``, since what a lower percent takes, all higher do.

    Parameters
    ----------
    selection : Selection
    chunk : (str, int, array of float32, array of float32)
        Any part of a tensor of the selection, in any order.

    Returns
    -------
    array of uint8
        0 to the number of percents.

    Raises
    ------
    DataError
        For a tensor of a group that the selection lacks.

    Examples
    --------
    >>> from assay.weights import select
    >>> p, s = np.zeros(4, np.float32), np.array([0, 3, 1, 2], np.float32)
    >>> levels(select(lambda: [("w", 0, p, s)], [25, 50]), ("w", 2, p[2:], s[2:])).tolist()
    [2, 1]
    """
    name, start, p, s = chunk
    group = selection.group_of(name)
    if group not in selection.groups:
        raise DataError(f"chunk must be of a group of the selection; got tensor {name} of group {group!r}.")
    found = keys_of(selection, chunk)
    out = np.empty(len(p), np.uint8)
    thresholds = selection.groups[group].thresholds
    limits = [one.key if one.take else one.key + 1 for one in thresholds]
    kernels.levels_of(found, np.array([one for one in limits if one < NOTHING], np.uint32), out)
    out += np.uint8(sum(one >= NOTHING for one in limits))
    for one in thresholds:
        if one.cut is not None and (name, start + len(p) - 1) > one.cut:
            after = 0 if name > one.cut[0] else max(0, one.cut[1] + 1 - start)
            out[after:] += found[after:] == one.key
    if selection.among == "changed":
        out[p == s] = len(thresholds)
    return out


def keys_of(selection: Selection, chunk: Chunk) -> Keys:
    return keys(
        chunk,
        ranking=selection.ranking,
        bottom=selection.bottom,
        seed=selection.seed,
        spreads=selection.spreads,
    )
