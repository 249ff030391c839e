"""Vectors + budget -> which rows, in order of choice. `SELECTORS` is the map of the room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.select.baseline import duplicate, random
from assay.select.clusters import kmeans
from assay.select.coverage import facility_location
from assay.select.farthest import farthest
from assay.select.kcenter import kcenter
from assay.select.novelselect import novelselect
from assay.select.parts import in_parts
from assay.select.selection import Selection, nearest_earlier
from assay.select.threshold import repr_filter, score_first

__all__ = [
    "SELECTORS",
    "Selection",
    "Selector",
    "duplicate",
    "facility_location",
    "farthest",
    "in_parts",
    "kcenter",
    "kmeans",
    "nearest_earlier",
    "novelselect",
    "random",
    "repr_filter",
    "score_first",
]


@dataclass(frozen=True, slots=True)
class Selector:
    """One row of `SELECTORS`.

    `options` names the keywords it takes beside
    `budget` and `seed`, as the command line offers them, and `needs` those of them that have no default. `greedy`
    methods have the prefix property: the first k rows of a selection are the selection of k rows. `seed` is the
    default seed, None where nothing is drawn and `seed` is no keyword.
    """

    function: Callable[..., Selection]
    summary: str
    options: tuple[str, ...]
    greedy: bool
    seed: int | None
    cost: str
    source: str
    needs: tuple[str, ...] = ()


_RULES = ("initial_selected", "groups", "max_per_group", "skip_duplicates")
_LONG = ("engine", "workers", "checkpoint", "memory_gb")
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
            *_LONG,
        ),
        greedy=True,
        seed=42,
        cost="2 n^2 d for the density, 2 n k d for the distances; up to 1,152 n bytes beside the pool",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
    ),
    "kcenter": Selector(
        function=kcenter,
        summary="greedy on the distance to the nearest chosen row: covers the pool with equal balls",
        options=(*_RULES, "quality", "quality_power", "start", "device", *_LONG),
        greedy=True,
        seed=0,
        cost="2 n k d at most; 128 n bytes beside the pool",
        source="Sener & Savarese, ICLR 2018, arXiv 1708.00489",
    ),
    "facility_location": Selector(
        function=facility_location,
        summary="greedy on the mean similarity of the pool to its nearest chosen row (QDIT): dense regions first",
        options=(*_RULES, "quality", "quality_weight"),
        greedy=True,
        seed=None,
        cost="4 n^2 d, less for small n; at most 1.2 GB beside the pool",
        source="Bukharin et al., Findings of EMNLP 2024, arXiv 2311.14736",
    ),
    "kmeans": Selector(
        function=kmeans,
        summary="as many random rows from each cluster of the pool as from any other",
        options=(*_RULES, "n_clusters"),
        greedy=True,
        seed=0,
        cost="40 n K d",
        source="Song et al. 2024 (unverified)",
    ),
    "repr_filter": Selector(
        function=repr_filter,
        summary="in the order of the pool, passing over rows too similar to a chosen one",
        options=(*_RULES, "threshold"),
        greedy=True,
        seed=None,
        cost="2 n k d",
        source="Liu et al. (DEITA), ICLR 2024, arXiv 2312.15685",
    ),
    "score_first": Selector(
        function=score_first,
        summary="from the best score down, passing over rows too similar to a chosen one",
        options=(*_RULES, "quality", "threshold"),
        greedy=True,
        seed=None,
        cost="2 n k d",
        source="Liu et al. (DEITA), ICLR 2024, arXiv 2312.15685",
        needs=("quality",),
    ),
    "farthest": Selector(
        function=farthest,
        summary="the rows farthest from the whole pool, each judged alone: outliers",
        options=(*_RULES, "quality", "quality_power"),
        greedy=True,
        seed=None,
        cost="4 n d",
        source="Yang et al., ACL 2025, arXiv 2502.17184 (definition ours)",
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
