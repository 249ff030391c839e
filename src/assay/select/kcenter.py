"""K-center: greedy choice of the row that is farthest from the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay import _check
from assay._ray import check_engine
from assay.select.candidates import MEMORY_GB, bins_within
from assay.select.checkpoint import Checkpoint
from assay.select.greedy import choosing, grow
from assay.select.selection import Rules, Selection, quality_weights, start_row

CENTERS, ON_DEVICE = "assay.select.centers:Centers", "assay.select.through_torch:TorchCenters"


def kcenter(
    pool: ArrayLike,
    *,
    budget: int,
    start: int | str = "random",
    seed: int = 0,
    initial_selected: ArrayLike | None = None,
    quality: ArrayLike | None = None,
    quality_power: float = 1.0,
    groups: Sequence[Any] | None = None,
    max_per_group: int | Mapping[Any, int] | None = None,
    skip_duplicates: bool = False,
    device: str = "cpu",
    engine: str = "local",
    workers: int | None = None,
    checkpoint: str | Path | None = None,
    memory_gb: float = MEMORY_GB,
    progress: Callable[[int, int], None] | None = None,
) -> Selection:
    """Choose rows so that no row of the pool is far from a chosen one (farthest-first traversal).

    Each step adds the row with the largest cosine distance to its nearest chosen row, times its quality. The
    largest such distance at the end, the covering radius, is at most twice the smallest possible with as many
    rows (without quality and quotas).

    Parameters
    ----------
    pool : array (n, d)
    budget : int
        How many rows to choose, the start included.
    start : int or "random"
        The first row; "random" draws it with `seed`.
    seed : int
        Seed of the random start.
    initial_selected, quality, quality_power, groups, max_per_group, skip_duplicates
        As in `assay.select.novelselect`.
    device : str
        Where it runs: "cpu", or "cuda", "cuda:1" ... through torch, with the pool in the device's memory; "torch:cpu"
        runs on the processor what a GPU runs. The same rows in the same order, and gains to 1e-12. Where the best two
        of different rows differ by less, the processor settles it; ``facts["close_calls"]`` counts such steps.
    engine, workers, checkpoint, progress
        As in `assay.select.novelselect`.
    memory_gb : float
        The most memory to use beside the pool, in 10^9 bytes; with Ray, by each worker. It only decides whether the run
        is refused.

    Returns
    -------
    Selection
        `gains`: distance to the nearest chosen row at the moment of choice, nan at the start;
        ``facts["radius"]``: the covering radius. Any prefix is the selection of a smaller budget.

    Raises
    ------
    DataError
        As in `assay.select.novelselect`.

    Notes
    -----
    A row's distance to its nearest chosen row only falls, so that an old one is a bound: rows whose bound is below the
    farthest row are not looked at. The others are brought up to date in blocks, as float32 matrix products against the
    rows chosen since; every distance that may lower one is computed again in float64. So rows, gains and radius are
    those of the plain definition in float64. At most 2 n k d operations. Memory: 128 bytes a row of the pool,
    k d (8 + bytes a value) for the chosen rows, 0.3 GB of blocks; the pool may be memory-mapped.

    Source: Gonzalez 1985; Sener & Savarese, ICLR 2018, arXiv 1708.00489.

    Examples
    --------
    >>> kcenter([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.1]], budget=3, start=0).indices.tolist()
    [0, 3, 2]
    """
    check_engine(engine, workers, device)
    rows = _check.embeddings("pool", pool, directions=True, narrow=device != "cpu")
    n = len(rows)
    rules = Rules(
        rows,
        budget,
        initial_selected=initial_selected,
        groups=groups,
        max_per_group=max_per_group,
        skip_duplicates=skip_duplicates,
    )
    weights = quality_weights(quality, quality_power, n)
    most = len(rules.initial) + budget
    if device == "cpu":
        bins_within(
            memory_gb,
            *(n, rows.shape[1], most),
            bare=True,
            itemsize=rows.dtype.itemsize,
            engine=engine,
            workers=workers,
        )
    kept = Checkpoint(
        checkpoint,
        pool,
        rows,
        {
            "method": "kcenter",
            "quality": weights,
            "start": None if len(rules.initial) else [start, seed],
            "rules": rules.described(),
        },
    )
    chosen, gains = kept.load(budget)
    if not chosen and not len(rules.initial):
        _check.whole("seed", seed, 0)
        drawn = int(np.random.default_rng(seed).integers(n))
        chosen, gains = [start_row(start, rules, drawn)], [np.nan]
    for row in chosen:
        rules.take(row)

    def arguments(a: int, b: int) -> tuple[Any, ...]:
        return rows[a:b], weights[a:b], most, *(() if device == "cpu" else (device,))

    with choosing(CENTERS if device == "cpu" else ON_DEVICE, n, arguments, engine, workers) as steps:
        none = np.zeros(n)
        untold = grow(steps, rows, none, rules, chosen, gains, budget, checkpoint=kept, progress=progress)
        steps.step(rows[untold], none[untold], rules.closed())
        radius = steps.radius()
        counts = steps.counts()
    rules.warn_of_copies()
    return Selection(
        indices=np.array(chosen, dtype=np.int64),
        gains=np.array(gains),
        method="kcenter",
        parameters={
            "budget": budget,
            "start": None if len(rules.initial) else start,
            "seed": seed,
            "quality_power": quality_power,
            "skip_duplicates": skip_duplicates,
        },
        facts={"radius": radius, **counts, "distances_share": counts["compared"] / (n * most)},
    )
