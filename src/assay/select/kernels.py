"""The compiled inner loops of NovelSelect, and nothing else. `novelselect.py` tells what they are for.

Names shared by all of them: row i of the pool has unit vector `unit[i]` and density weight `own[i]`; the
s-th chosen row has unit vector `picked[s]` and density weight `theirs[s]`. Its distance is scaled by
``use_own * own[i] + use_theirs * theirs[s]``. `table[i, :done[i]]` holds the scaled distances of row i to the
chosen rows it has been evaluated against, ascending, and `table[i, done[i]:flushed]` those computed since, in
order of choice. Where rows are ranked by distance alone, `table` holds the bare distances and `scaled` the
scaled ones in the same places; else `scaled` is None and numba leaves its branches out.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

FAST = {"reassoc", "contract", "nsz"}  # sums may be reordered to fill vector registers; nan and inf stay


@njit(fastmath=FAST, inline="always")
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = a.dtype.type(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@njit(fastmath=FAST)
def _distance(a, b, tiny):  # type: ignore[no-untyped-def]
    """Return 1 - a.b for unit vectors, by differences where rounding would show."""
    gap = 1.0 - _dot(a, b)
    if gap < tiny:
        gap = 0.0
        for j in range(a.shape[0]):
            step = np.float64(a[j]) - np.float64(b[j])
            gap += step * step
        gap *= 0.5
    return gap


@njit(fastmath=FAST)
def _copy_and_weigh(source, target, weights):  # type: ignore[no-untyped-def]
    """Copy `source` to `target` and return its weighted sum."""
    total = 0.0
    for j in range(source.shape[0]):
        target[j] = source[j]
        total += np.float64(source[j]) * weights[j]
    return total


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def evaluate(  # type: ignore[no-untyped-def]
    rows, count, flushed, unit, picked, own, theirs, use_own, use_theirs, table, scaled, done, weights, value
):
    """Bring `rows` up to date with all `count` chosen rows: `value[i]` becomes v(i | S).

    The new distances are sorted and merged into the run: between two of them the run moves as a block, which
    copies and sums at the speed of memory.
    """
    for at in prange(rows.shape[0]):
        i = rows[at]
        old = done[i]
        size = count - old
        fresh = np.empty(size, dtype=table.dtype)
        for s in range(old, count):
            if s < flushed:
                fresh[s - old] = table[i, s]
            else:
                gap = max(0.0, 1.0 - _dot(unit[i], picked[s]))
                if scaled is None:
                    fresh[s - old] = (use_own * own[i] + use_theirs * theirs[s]) * gap
                else:
                    fresh[s - old] = gap
        run = table[i]
        merged = np.empty(count, dtype=table.dtype)
        total = 0.0
        low = 0
        if scaled is None:
            fresh.sort()
            for t in range(size):
                high = low + np.searchsorted(run[low:old], fresh[t])
                total += _copy_and_weigh(
                    run[low:high], merged[low + t : high + t], weights[low + t : high + t]
                )
                merged[high + t] = fresh[t]
                total += weights[high + t] * np.float64(fresh[t])
                low = high
            total += _copy_and_weigh(run[low:old], merged[low + size : count], weights[low + size : count])
        else:
            order = np.argsort(fresh, kind="mergesort")
            values = scaled[i]
            moved = np.empty(count, dtype=table.dtype)
            for t in range(size):
                gap = fresh[order[t]]
                high = low + np.searchsorted(run[low:old], gap, side="right")
                merged[low + t : high + t] = run[low:high]
                total += _copy_and_weigh(
                    values[low:high], moved[low + t : high + t], weights[low + t : high + t]
                )
                merged[high + t] = gap
                moved[high + t] = (use_own * own[i] + use_theirs * theirs[old + order[t]]) * gap
                total += weights[high + t] * moved[high + t]
                low = high
            merged[low + size : count] = run[low:old]
            total += _copy_and_weigh(values[low:old], moved[low + size : count], weights[low + size : count])
            values[:count] = moved
        run[:count] = merged
        value[i] = total
        done[i] = count


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def flush(  # type: ignore[no-untyped-def]
    first,
    products,
    flushed,
    count,
    own,
    theirs,
    use_own,
    use_theirs,
    table,
    bare,
    done,
    d_own,
    d_theirs,
    limit,
    base,
):
    """Store the distances of the rows from `first` on to the chosen rows from `flushed` on; tighten their bounds.

    `products` holds the dot products, one column a chosen row. What a row has been evaluated against already
    is in its run. The bound took each distance for `limit`; now it takes it for what it is.
    """
    for at in prange(products.shape[0]):
        i = first + at
        change = 0.0
        for s in range(max(flushed, done[i]), count):
            gap = max(0.0, 1.0 - np.float64(products[at, s - flushed]))
            table[i, s] = gap if bare else (use_own * own[i] + use_theirs * theirs[s]) * gap
            change += (gap - limit) * (own[i] * d_own[s] + d_theirs[s])
        base[i] += change


@njit(parallel=True, cache=True, nogil=True)
def above(base, own, quality, allowed, done, count, a, b, threshold, flags):  # type: ignore[no-untyped-def]
    """Flag the allowed rows, not up to date, whose bound reaches `threshold`; return the number of them.

    The bound of row i is ``quality[i] * (base[i] + own[i] * a + b)``.
    """
    total = 0
    for i in prange(base.shape[0]):
        hit = allowed[i] and done[i] < count and quality[i] * (base[i] + own[i] * a + b) >= threshold
        flags[i] = hit
        total += hit
    return total


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def referee(rows, vectors, picked, own, theirs, use_own, use_theirs, weights, by_distance, count):  # type: ignore[no-untyped-def]
    """Return v(i | S) of each row in float64 from float64 unit vectors; equal rows get equal bits."""
    out = np.empty(rows.shape[0])
    for at in prange(rows.shape[0]):
        i = rows[at]
        gap = np.empty(count)
        scaled = np.empty(count)
        for s in range(count):
            gap[s] = _distance(vectors[at], picked[s], 1e-9)
            scaled[s] = (use_own * own[i] + use_theirs * theirs[s]) * gap[s]
        if by_distance:
            scaled = scaled[np.argsort(gap, kind="mergesort")]
        else:
            scaled.sort()
        total = 0.0
        for s in range(count):
            total += weights[s] * scaled[s]
        out[at] = total
    return out


@njit(parallel=True, cache=True, nogil=True, fastmath=FAST)
def approach(unit, center, nearest):  # type: ignore[no-untyped-def]
    """Lower `nearest` to the cosine distance between each unit row and `center` where that is smaller."""
    for i in prange(unit.shape[0]):
        gap = _distance(unit[i], center, 1e-3 if unit.dtype == np.float32 else 1e-9)
        if gap < nearest[i]:
            nearest[i] = gap
