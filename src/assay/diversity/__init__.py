"""Vectors -> how varied. `MEASURES` is the map of the room: one row a measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.diversity.novelsum import novelsum, novelty

__all__ = ["MEASURES", "Measure", "novelsum", "novelty"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of `MEASURES`.

    `takes` is "vectors" or "texts". `reference` is
    "none", "optional" or "required". `direction` is what a higher value means. `size` says how the value moves
    with the number of samples alone.
    """

    function: Callable[..., float]
    summary: str
    takes: str
    reference: str
    direction: str
    size: str
    cost: str
    source: str


MEASURES = {
    "novelsum": Measure(
        function=novelsum,
        summary="distances to the other samples, the nearest weighted most, times the density of the reference",
        takes="vectors",
        reference="optional",
        direction="higher is more diverse",
        size="falls with n (official), grows with n (paper)",
        cost="2 n N d for the density, 2 n^2 d for the distances",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
    ),
}
