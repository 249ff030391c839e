"""Vectors + budget -> which rows, in order of choice. `SELECTORS` is the map of the room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.select.baseline import random
from assay.select.kcenter import kcenter
from assay.select.novelselect import novelselect
from assay.select.selection import Selection, nearest_earlier

__all__ = ["SELECTORS", "Selection", "Selector", "kcenter", "nearest_earlier", "novelselect", "random"]


@dataclass(frozen=True, slots=True)
class Selector:
    """One row of `SELECTORS`.

    `options` names the keywords it takes beside
    `budget` and `seed`, as the command line offers them. `greedy` methods have the prefix property: the first
    k rows of a selection are the selection of k rows. `seed` is the default seed.
    """

    function: Callable[..., Selection]
    summary: str
    options: tuple[str, ...]
    greedy: bool
    seed: int
    cost: str
    source: str


_RULES = ("initial_selected", "groups", "max_per_group", "skip_duplicates")
SELECTORS = {
    "novelselect": Selector(
        function=novelselect,
        summary="greedy on the novelty of the next row: far from the nearest chosen ones, in dense regions first",
        options=(
            *_RULES,
            "quality",
            "quality_power",
            "start",
            "reference",
            "variant",
            "neighbors",
            "density_power",
            "proximity_power",
            "density_side",
            "density_statistic",
            "rank_by",
            "density",
            "device",
        ),
        greedy=True,
        seed=42,
        cost="2 n^2 d for the density, 2 n k d for the distances; 4 n k bytes",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
    ),
    "kcenter": Selector(
        function=kcenter,
        summary="greedy on the distance to the nearest chosen row: covers the pool with equal balls",
        options=(*_RULES, "quality", "quality_power", "start"),
        greedy=True,
        seed=0,
        cost="2 n k d",
        source="Sener & Savarese, ICLR 2018, arXiv 1708.00489",
    ),
    "random": Selector(
        function=random,
        summary="the first rows of a seeded permutation: the baseline of every comparison",
        options=_RULES,
        greedy=True,
        seed=0,
        cost="n",
        source="-",
    ),
}
