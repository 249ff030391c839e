"""Which data sets a study compares, and how each is drawn from the pool."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import AssayWarning, DataError
from assay.select import SELECTORS, duplicate

# rows of each that are different, as shares of a set: 1, 10, 50, 100 ... of the paper's 10,000 (unverified)
DUPLICATE_SHARES = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5)
# a filter at the first threshold that keeps enough rows; 0.9 is DEITA's
THRESHOLDS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row of `STRATEGIES`: how many of 53 sets it builds, and what it is."""

    share: int
    summary: str


STRATEGIES = {
    "duplicate": Strategy(21, "few different rows, repeated until the set is full"),
    "source": Strategy(6, "rows of one source alone, at random"),
    "random": Strategy(5, "rows of the pool at random"),
    "kmeans": Strategy(4, "equal draws from K-means clusters"),
    "kcenter": Strategy(4, "the row farthest from those chosen, again and again"),
    "repr_filter": Strategy(4, "rows in random order, unless too near to a kept one"),
    "novelselect": Strategy(4, "the row most novel against those chosen"),
    "facility_location": Strategy(3, "rows that cover the pool (QDIT)"),
    "farthest": Strategy(2, "the rows with the largest distances to all others"),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One data set: its strategy, its size, which draw of the strategy it is, and what is particular to it."""

    name: str
    strategy: str
    size: int
    draw: int
    settings: Mapping[str, Any]


def plan(count: int, size: int, sources: Mapping[str, int]) -> list[Planned]:
    """Return `count` sets of `size` rows, shared out over the strategies as in the paper's 53.

    Parameters
    ----------
    count : int
        At least as many as there are strategies.
    size : int
        Rows of each set, repeated ones counted.
    sources : mapping from str to int
        Rows of the pool from each source. Sources too small for a set are not drawn alone; where there are fewer
        than two large enough, their share goes to random sets of the whole pool.
    """
    _check.whole("size", size, 2)
    large = [name for name, rows in sources.items() if rows >= size]
    shares = {name: row.share for name, row in STRATEGIES.items()}
    if len(large) < 2:
        shares["random"] += shares.pop("source")
    if _check.whole("sets", count) < len(shares):
        raise DataError(f"sets must be >= {len(shares)}, one for each strategy; got {count}.")
    if size > sum(sources.values()) // 2:
        raise DataError(
            f"size must be <= half the pool ({sum(sources.values()) // 2} rows), since each set is drawn from a half; "
            f"got {size}."
        )
    counts = _shared_out(count, shares)
    if "source" in counts and counts["source"] > len(large):
        counts["random"] += counts["source"] - len(large)
        counts["source"] = len(large)
    planned = []
    for strategy, times in counts.items():
        for draw in range(times):
            settings: dict[str, Any] = {}
            label = f"{draw}"
            if strategy == "duplicate":
                distinct = max(1, round(DUPLICATE_SHARES[draw % len(DUPLICATE_SHARES)] * size))
                settings["distinct"] = distinct
                label = f"{distinct}of{size}-{draw // len(DUPLICATE_SHARES)}"
            elif strategy == "source":
                settings["source"] = large[draw]
                label = file_name(large[draw])
            planned.append(Planned(f"{size}-{strategy}-{label}", strategy, size, draw, settings))
    names = [one.name for one in planned]
    return [  # small sets round several shares to one row: those are draws of their own
        one
        if names.index(one.name) == at
        else Planned(f"{one.name}b{at}", one.strategy, size, one.draw, one.settings)
        for at, one in enumerate(planned)
    ]


def file_name(source: str) -> str:
    """Return the name of a source as a part of a file's name: no separators, not too long."""
    return re.sub(r"[^\w.-]+", "_", source)[:60]


def _shared_out(count: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Return whole numbers that sum to `count`, at least one each, by largest remainder."""
    total = sum(shares.values())
    exact = {name: (count - len(shares)) * share / total for name, share in shares.items()}
    found = {name: 1 + int(value) for name, value in exact.items()}
    if count == total:
        return dict(shares)
    by_rest = sorted(exact, key=lambda name: int(exact[name]) - exact[name])
    for name in by_rest[: count - sum(found.values())]:
        found[name] += 1
    return found


def draw(
    one: Planned, vectors: NDArray[np.floating[Any]], source_of: NDArray[Any], seed: int
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """Return the rows of the pool that make up a planned set, and what was found out on the way.

    Every selector chooses from a random half of the pool, another one for each draw: most selectors would give the
    same rows every time, and a correlation over such repetitions would count one set several times.
    """
    rng = np.random.default_rng([seed, list(STRATEGIES).index(one.strategy), one.draw, one.size])
    n = len(vectors)
    facts: dict[str, Any] = dict(one.settings)
    if one.strategy == "duplicate":
        distinct = one.settings["distinct"]
        return duplicate(n, budget=one.size, distinct=distinct, seed=int(rng.integers(2**31))), facts
    if one.strategy in ("random", "source"):
        own = (
            np.arange(n) if one.strategy == "random" else np.flatnonzero(source_of == one.settings["source"])
        )
        return rng.permutation(own)[: one.size], facts
    half = np.sort(rng.permutation(n)[: n // 2])
    if one.strategy == "repr_filter":
        half = rng.permutation(half)
        for threshold in THRESHOLDS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AssayWarning)  # too few rows: the next threshold
                found = SELECTORS["repr_filter"].function(vectors[half], budget=one.size, threshold=threshold)
            if len(found.indices) == one.size:
                break
        else:
            raise DataError(
                f"repr_filter must find {one.size} rows; at threshold {THRESHOLDS[-1]} it kept "
                f"{len(found.indices)}. Use smaller sets, or another encoder."
            )
        return half[found.indices], facts | {"threshold": threshold}
    row = SELECTORS[one.strategy]
    seeded = {} if row.seed is None else {"seed": int(rng.integers(2**31))}
    found = row.function(vectors[half], budget=one.size, **seeded)
    return half[found.indices], facts
