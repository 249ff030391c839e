"""The compiled inner loops of the selectors, and nothing else. `novelselect.py` tells what they are for.

They run on one thread without the interpreter's lock: the caller decides what is worth several threads, since
the compiler's own parallel loops spin at every barrier and come to a crawl beside any other process.

Names shared by all of them: row i of the pool has unit vector `unit[i]`; the s-th chosen row has unit vector
`picked[s]`. Their distance is scaled by ``use_own * own[i] + use_theirs * theirs[s]``, where `own` and `theirs`
hold density weights. `table[i, :known[i]]` holds row i's distances to the first chosen rows, in order of choice:
scaled, or `bare` where rows are ranked by distance alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "nsz"}  # sums may be reordered to fill vector registers; nan and inf stay


def compiled(**options: Any) -> Any:
    """Return numba's compiler: without the interpreter's lock, kept on disk where there is a place to write."""

    def compile_it(function: Any) -> Any:
        try:
            return njit(cache=True, nogil=True, **options)(function)
        except (
            RuntimeError
        ):  # neither the package's folder nor the user's can be written: compile in each process
            return njit(nogil=True, **options)(function)

    return compile_it


@njit(fastmath=FAST)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = a.dtype.type(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@njit(fastmath=FAST)
def _gap(a, length_a, b, length_b):  # type: ignore[no-untyped-def]
    """Return the cosine distance of two rows in float64, by differences where rounding would show."""
    dot = 0.0
    for j in range(a.shape[0]):
        dot += np.float64(a[j]) * np.float64(b[j])
    gap = 1.0 - dot / (length_a * length_b)
    if gap < 1e-9:
        gap = 0.0
        for j in range(a.shape[0]):
            step = np.float64(a[j]) / length_a - np.float64(b[j]) / length_b
            gap += step * step
        gap *= 0.5
    return gap


@compiled(fastmath=FAST)
def gather(rows, count, unit, picked, own, theirs, use_own, use_theirs, table, bare, known, out):  # type: ignore[no-untyped-def]
    """Copy the distances of `rows` from the table to `out`, computing those that it lacks; return how many."""
    computed = 0
    for at in range(rows.shape[0]):
        i = rows[at]
        run = table[i]
        for s in range(known[i], count):
            gap = max(0.0, 1.0 - _dot(unit[i], picked[s]))
            run[s] = gap if bare else (use_own * own[i] + use_theirs * theirs[s]) * gap
        computed += count - known[i]
        known[i] = count
        target = out[at]
        for s in range(count):
            target[s] = run[s]
    return computed


@njit(fastmath=FAST)
def _weighted(values, weights):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(values.shape[0]):
        total += np.float64(values[s]) * weights[s]
    return total


@compiled()
def score(  # type: ignore[no-untyped-def]
    rows, values, weights, own, quality, sum_own, sum_theirs, heaviest, error, limit, base, since, high
):
    """Take in the evaluation of `rows`, whose scaled distances `values` are in order of rank.

    Their bound starts from the score, and `high` is the highest score that rounding leaves open; returns the
    highest that is sure. Both are weighted by quality.
    """
    sure = -np.inf
    for at in range(rows.shape[0]):
        i = rows[at]
        total = _weighted(values[at], weights)
        base[i] = total - limit * (own[i] * sum_own + sum_theirs)
        since[i] = values.shape[1]
        rounding = error * (own[i] * sum_own + heaviest)
        high[i] = quality[i] * (total + rounding)
        sure = max(sure, quality[i] * (total - rounding))
    return sure


@compiled()
def weigh(values, weights):  # type: ignore[no-untyped-def]
    """Return the weighted sums of the rows of `values`, in float64."""
    out = np.empty(values.shape[0])
    for at in range(values.shape[0]):
        out[at] = _weighted(values[at], weights)
    return out


@compiled(fastmath=FAST)
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
    known,
    since,
    d_own,
    d_theirs,
    limit,
    base,
):
    """Store the distances of the rows from `first` on to the chosen rows from `flushed` on; tighten their bounds.

    `products` holds the dot products, one column a chosen row, and is overwritten. The bound of row i, evaluated
    when `since[i]` rows were chosen, took each later distance for `limit`; now it takes it for what it is.
    """
    one = products.dtype.type(1)
    zero = products.dtype.type(0)
    for at in range(products.shape[0]):
        i = first + at
        gaps = products[at]
        mine = own[i]
        for s in range(count - flushed):
            gaps[s] = max(zero, one - gaps[s])
        start = max(flushed, known[i])
        target = table[i, start:count]
        source = gaps[start - flushed : count - flushed]
        if bare:
            for s in range(target.shape[0]):
                target[s] = source[s]
        else:
            others = theirs[start:count]
            for s in range(target.shape[0]):
                target[s] = (use_own * mine + use_theirs * others[s]) * source[s]
        known[i] = count
        start = max(flushed, since[i])
        source = gaps[start - flushed : count - flushed]
        by_own = d_own[start:count]
        by_theirs = d_theirs[start:count]
        change = 0.0
        for s in range(source.shape[0]):
            change += (source[s] - limit) * (mine * by_own[s] + by_theirs[s])
        base[i] += change


@compiled()
def above(start, stop, base, own, quality, allowed, since, count, a, b, threshold, rows, bounds):  # type: ignore[no-untyped-def]
    """List the allowed rows from `start` to `stop` that are not up to date and whose bound reaches `threshold`.

    The bound of row i is ``quality[i] * (base[i] + own[i] * a + b)``. `rows` and `bounds` are filled from
    `start` on; returns how many there are.
    """
    total = start
    for i in range(start, stop):
        bound = quality[i] * (base[i] + own[i] * a + b)
        if bound >= threshold and allowed[i] and since[i] < count:
            rows[total] = i
            bounds[total] = bound
            total += 1
    return total - start


@compiled(fastmath=FAST)
def distances(start, stop, rows, lengths, chosen, chosen_lengths, out):  # type: ignore[no-untyped-def]
    """Fill `out[:, s]` with the cosine distances of rows to the chosen rows `start` to `stop`, in float64.

    Every pair is worked on alike, so that equal rows get equal bits.
    """
    for s in range(start, stop):
        for i in range(rows.shape[0]):
            out[i, s] = _gap(rows[i], lengths[i], chosen[s], chosen_lengths[s])


@compiled(fastmath=FAST)
def nearer(rows, products, first, since, slack, pool, lengths, chosen, chosen_lengths, near):  # type: ignore[no-untyped-def]
    """Lower `near` of `rows` to their distance to the chosen rows from `first` on, leaving out those known `since`.

    `products` holds the cosines, each wrong by `slack` at most; what they cannot rule out is computed in float64.
    """
    for at in range(rows.shape[0]):
        i = rows[at]
        start = max(first, since[i]) - first
        highest = products.dtype.type(-2)
        for s in range(start, products.shape[1]):
            highest = max(highest, products[at, s])
        if 1.0 - highest >= near[i] + slack:
            continue
        for s in range(start, products.shape[1]):
            if 1.0 - products[at, s] < near[i] + slack:
                near[i] = min(
                    near[i], _gap(pool[i], lengths[i], chosen[first + s], chosen_lengths[first + s])
                )


@njit
def _lead(near, cosine):  # type: ignore[no-untyped-def]
    """Return by how much a row is nearer than `near`; not reordered, so that all who ask get the same bits."""
    return near - (1.0 - cosine)


@compiled(fastmath=FAST)
def leads(products, near, slack, gain, count):  # type: ignore[no-untyped-def]
    """Add up for each row by how much it is nearer to the others than `near`, and to how many it may be.

    `products` holds the row's cosines with all rows of the pool, each wrong by `slack` at most.
    """
    for at in range(products.shape[0]):
        total = 0.0
        number = 0
        for j in range(products.shape[1]):
            lead = _lead(near[j], products[at, j])
            number += lead > -slack
            total += max(lead, 0.0)
        gain[at] = total
        count[at] = number


@compiled()
def keep_leads(products, near, slack, index, gaps):  # type: ignore[no-untyped-def]
    """List, row after row, the others that it may be nearer to than `near`, and its distances to them."""
    total = 0
    for at in range(products.shape[0]):
        for j in range(products.shape[1]):
            index[total] = j
            gaps[total] = 1.0 - products[at, j]
            total += _lead(near[j], products[at, j]) > -slack


@compiled()
def listed_leads(rows, starts, lengths, index, gaps, near, slack, gain):  # type: ignore[no-untyped-def]
    """As `leads`, for rows whose others are listed; those that they are no longer nearer to leave the list."""
    for at in range(rows.shape[0]):
        start = starts[rows[at]]
        stop = start
        total = 0.0
        for e in range(start, start + lengths[rows[at]]):
            lead = near[index[e]] - gaps[e]
            if lead > -slack:
                index[stop] = index[e]
                gaps[stop] = gaps[e]
                stop += 1
                total += max(lead, 0.0)
        lengths[rows[at]] = stop - start
        gain[at] = total
