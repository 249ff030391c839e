"""Vectors -> how varied. `MEASURES` is the map of the room: one row a measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of `MEASURES`.

    `function` is ``module:name``, imported when it is used. `takes` is "vectors" or "texts". `reference` is
    "none", "optional" or "required". `direction` is what a higher value means. `size` says how the value moves
    with the number of samples alone.
    """

    function: str
    summary: str
    takes: str
    reference: str
    direction: str
    size: str
    cost: str
    source: str

    def load(self) -> Callable[..., float]:
        """Import and return the function."""
        module, name = self.function.split(":")
        function: Callable[..., float] = getattr(import_module(module), name)
        return function


MEASURES = {
    "novelsum": Measure(
        function="assay.diversity.novelsum:novelsum",
        summary="distances to the other samples, the nearest weighted most, times the density of the reference",
        takes="vectors",
        reference="optional",
        direction="higher is more diverse",
        size="falls with n (official), grows with n (paper)",
        cost="2 n N d for the density, 2 n^2 d for the distances",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
    ),
}


def __getattr__(name: str) -> object:
    if name in ("novelsum", "novelty"):
        return getattr(import_module("assay.diversity.novelsum"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
