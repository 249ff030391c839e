"""What a selection holds: of all changes, and of each group of tensors against its share of the weights."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.weights import kernels
from assay.weights.ranking import Chunks
from assay.weights.selection import Selection, levels

Floats = NDArray[np.float64]
SUMS = ("weights", "changed", "relative", "absolute", "energy")


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Sums over weights by group: how many, how many changed, of r, of |d| and of d^2 (the columns, `SUMS`)."""

    percents: tuple[float, ...]
    groups: tuple[Hashable, ...]
    taken: Floats  # (groups, percents, 5)
    whole: Floats  # (groups, 5)

    @property
    def shares(self) -> Floats:
        """Share of each sum that each percent takes, (percents, 5), 0 to 1; nan where the whole is 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.taken.sum(axis=0) / self.whole.sum(axis=0))

    @property
    def effective_percents(self) -> Floats:
        """Weights that are taken and had changed, in percent of all weights, (percents,)."""
        return np.asarray(100 * self.taken[:, :, 1].sum(axis=0) / self.whole[:, 0].sum())

    @property
    def enrichment(self) -> Floats:
        """As `enrichment` of the weights taken, (groups, percents)."""
        return np.stack(
            [enrichment(self.taken[:, j, 0], self.whole[:, 0]) for j in range(len(self.percents))], axis=1
        )


def tally(selection: Selection, chunks: Chunks, *, by: Callable[[str], Hashable]) -> Tally:
    """Return what each percent takes of each group of tensors; one pass.

    Parameters
    ----------
    selection : Selection
    chunks : callable
        Gives the chunks of the selection, cut and ordered in any way.
    by : callable
        Tensor name to group, such as its layer, or its module; need not be the selection's `group_of`.

    Returns
    -------
    Tally
        Groups in the order in which they come.

    Examples
    --------
    >>> from assay.weights import select
    >>> p, s = np.ones(4, np.float32), np.array([1, 4, 2, 3], np.float32)
    >>> chunks = lambda: [("a", 0, p[:2], s[:2]), ("b", 0, p[2:], s[2:])]
    >>> found = tally(select(chunks, [50]), chunks, by=lambda name: name)
    >>> found.enrichment.tolist(), found.shares[0, 4].round(3).item()
    ([[1.0], [1.0]], 0.929)
    """
    sums: dict[Hashable, Floats] = {}
    number = len(selection.percents)
    for chunk in chunks():
        name, _, p, s = chunk
        into = sums.setdefault(by(name), np.zeros((number + 1, 5)))
        kernels.add_up(levels(selection, chunk), p, s, into)
    table = np.stack(list(sums.values()))
    return Tally(selection.percents, tuple(sums), np.cumsum(table, axis=1)[:, :number], table.sum(axis=1))


def enrichment(taken: ArrayLike, sizes: ArrayLike) -> Floats:
    """Return each group's share of a selection over its share of the weights.

    Parameters
    ----------
    taken : array (groups,)
        Weights taken, or shares of them in any unit.
    sizes : array (groups,)
        Weights, or shares of them.

    Returns
    -------
    array (groups,)
        1 as if drawn at random, 0 nothing; nan where nothing was taken at all, or a group is empty. The mean,
        weighted by size, is 1.

    Raises
    ------
    DataError
        For lengths that differ.

    Notes
    -----
    Table 10 of Ye et al., EMNLP 2025, arXiv 2509.16596, gives shares of the selection alone: 80.5 % of it are in
    the MLP of LLaMA-3-8B, which has 80.8 % of the weights.

    Examples
    --------
    >>> enrichment([30, 10], [50, 50]).tolist()
    [1.5, 0.5]
    """
    some, of = np.asarray(taken, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if some.shape != of.shape or some.ndim != 1:
        raise DataError(f"sizes must be as many as the groups {some.shape}; got {of.shape}.")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((some / some.sum()) / (of / of.sum()))
