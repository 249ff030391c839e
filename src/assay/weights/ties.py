"""Where a border falls between equal keys: which of them are taken, by tensor name, then flat index."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.weights import kernels
from assay.weights.ranking import Chunk, Chunks
from assay.weights.selection import Floats, Selection, Threshold, keys_of

_Border = tuple[Hashable, int]  # group, number of the percent
_Quotas = dict[tuple[_Border, str, int], int]  # by border and chunk


def settled(selection: Selection, chunks: Chunks, *, ordered: bool) -> Selection:
    """Return the selection with cuts: one pass up to the last of them, or two passes where chunks are out of order."""
    borders = {
        (group, j): one
        for group, found in selection.groups.items()
        for j, one in enumerate(found.thresholds)
        if 0 < one.take < one.equal
    }
    if not borders:
        return selection
    quotas = None if ordered else _quotas(selection, chunks, borders)
    groups = {group: list(found.thresholds) for group, found in selection.groups.items()}
    for (group, j), (cut, held) in _cuts(selection, chunks, borders, quotas).items():
        r, size, energy = (held + groups[group][j].change).tolist()
        groups[group][j] = replace(groups[group][j], cut=cut, change=(r, size, energy))
    found = {group: replace(one, thresholds=tuple(groups[group])) for group, one in selection.groups.items()}
    return replace(selection, groups=found)


def _quotas(selection: Selection, chunks: Chunks, borders: Mapping[_Border, Threshold]) -> _Quotas:
    """Return how many equal keys each chunk gives to each border."""
    counts: dict[_Border, list[tuple[str, int, int]]] = {border: [] for border in borders}
    for chunk in chunks():
        for border, at in _equals(selection, chunk, borders):
            counts[border].append((chunk[0], chunk[1], len(at)))
    quotas = {}
    for border, rows in counts.items():
        left = borders[border].take
        for name, start, number in sorted(rows):
            quotas[border, name, start] = min(left, number)
            left -= quotas[border, name, start]
    return quotas


def _cuts(
    selection: Selection, chunks: Chunks, borders: Mapping[_Border, Threshold], quotas: _Quotas | None
) -> dict[_Border, tuple[tuple[str, int], Floats]]:
    """Return the last one taken at each border, and what the changes of those taken add up to."""
    left = {border: one.take for border, one in borders.items()}
    cuts = dict.fromkeys(borders, ("", -1))
    held = {border: np.zeros((1, 5)) for border in borders}
    for chunk in chunks():
        name, start, p, s = chunk
        for border, at in _equals(selection, chunk, {border: borders[border] for border in left}):
            kept = at[: left[border] if quotas is None else quotas[border, name, start]]
            if not len(kept):
                continue
            kernels.add_up(np.zeros(len(kept), np.uint8), p[kept], s[kept], held[border])
            cuts[border] = max(cuts[border], (name, start + int(kept[-1])))
            left[border] -= len(kept)
            if not left[border]:
                del left[border]
        if not left:
            break
    return {border: (cuts[border], held[border][0, 2:]) for border in borders}


def _equals(
    selection: Selection, chunk: Chunk, borders: Mapping[_Border, Threshold]
) -> Iterator[tuple[_Border, NDArray[np.int64]]]:
    """Give the borders of a chunk's group, and where their keys are in the chunk."""
    name, _, p, s = chunk
    group = selection.group_of(name)
    mine = {border: one for border, one in borders.items() if border[0] == group}
    found = keys_of(selection, chunk) if mine else None
    for border, one in mine.items():
        equal = found == one.key
        if selection.among == "changed":
            equal &= p != s
        yield border, np.flatnonzero(equal)
