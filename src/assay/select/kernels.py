"""The compiled inner loops of the selectors, and nothing else. `novelselect.py` tells what they are for.

They run on one thread without the interpreter's lock: the caller decides what is worth several threads, since
the compiler's own parallel loops spin at every barrier and come to a crawl beside any other process.

Names shared by all of them: the distance of row i to the s-th chosen row is scaled by
``use_own * own[i] + use_theirs * theirs[s]``, where `own` and `theirs` hold density weights. Row i was last
compared with the chosen rows when there were `since[i]` of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from assay.neighbors.kernels import FAST, compiled


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


@njit(fastmath=FAST)
def _weighted(values, weights):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(values.shape[0]):
        total += np.float64(values[s]) * weights[s]
    return total


@compiled(fastmath=FAST)
def scaled(rows, products, inverse, own, theirs, use_own, use_theirs):  # type: ignore[no-untyped-def]
    """Turn the dot products of `rows` with all chosen rows into scaled distances, in place."""
    kind = products.dtype.type
    zero, one = kind(0), kind(1)
    for at in range(rows.shape[0]):
        i = rows[at]
        factor, turn = use_own * kind(own[i]), kind(inverse[i])
        product = products[at]
        for s in range(product.shape[0]):
            product[s] = max(zero, one - turn * product[s]) * (factor + use_theirs * theirs[s])


@compiled()
def weigh(values, weights):  # type: ignore[no-untyped-def]
    """Return the weighted sums of the rows of `values`, in float64."""
    out = np.empty(values.shape[0])
    for at in range(values.shape[0]):
        out[at] = _weighted(values[at], weights)
    return out


@compiled(fastmath=FAST)
def take_in(  # type: ignore[no-untyped-def]
    rows, products, inverse, first, count, since, own, theirs, use_own, use_theirs, d_own, d_theirs, low, per, grain,
    shift, bins, later,
):  # fmt: skip
    """Count the distances of `rows` to the chosen rows from `first` to `count`, but for those seen `since` before.

    `products` holds the dot products with them, one column a chosen row, and `inverse` what each row's must be
    multiplied by. Every scaled distance is dropped into one of the row's `bins`: 64 bits that hold the number of
    distances (from bit `shift` on) and their sum in whole multiples of ``1 / grain``, rounded down. The bins are
    finer for the nearest distances, whose ranks weigh most. `later` grows by what the score can have grown.
    """
    kind = products.dtype.type
    zero, one = kind(0), kind(1)
    length = count - first
    place = np.empty(length, dtype=np.int32)
    whole = np.empty(length, dtype=np.int32)
    number = bins.shape[1]
    size, top = kind(number), kind(number - 1)
    for at in range(rows.shape[0]):
        i = rows[at]
        start = max(first, since[i])
        product = products[at, start - first :]
        others = theirs[start:count]
        by_own = d_own[start:count]
        by_theirs = d_theirs[start:count]
        mine = kind(own[i])
        factor, away, scale, grains = use_own * mine, kind(low[i]), kind(per[i]), kind(grain[i])
        turn = kind(inverse[i])
        grown = zero
        if number:
            row = bins[i]
            for s in range(others.shape[0]):
                gap = max(zero, one - turn * product[s])
                grown += gap * (mine * by_own[s] + by_theirs[s])
                scaled = gap * (factor + use_theirs * others[s])
                place[s] = np.int32(min(top, size * np.sqrt(max(zero, (scaled - away) * scale))))
                whole[s] = np.int32(scaled * grains)
            for s in range(others.shape[0]):
                row[place[s]] += (np.int64(1) << shift) + np.int64(whole[s])
        else:
            for s in range(others.shape[0]):
                grown += max(zero, one - turn * product[s]) * (mine * by_own[s] + by_theirs[s])
        later[i] += np.float64(grown) * (1.0 + 2.0**-13)  # at most 512 distances at a time, summed in float32


@compiled()
def bound(rows, bins, shift, grain, weights_to, later, out):  # type: ignore[no-untyped-def]
    """Write what the scores of `rows` cannot exceed, but for rounding: `later`, or what the bins allow if that is less.

    `weights_to[r]` is the sum of the first r weights. In a bin, weights fall and distances rise with the rank, so
    that the sum of products is at most the mean weight times the sum of distances (Chebyshev).
    """
    mask = (np.int64(1) << shift) - 1
    for at in range(rows.shape[0]):
        i = rows[at]
        rank = 0
        total = 0.0
        for b in range(bins.shape[1]):
            entry = bins[i, b]
            if entry:
                number = entry >> shift
                total += (
                    (weights_to[rank + number] - weights_to[rank])
                    * np.float64((entry & mask) + number)
                    / number
                )
                rank += number
        out[at] = min(later[i], total / grain[i]) if rank else later[i]


@compiled()
def above(rows, base, own, quality, allowed, since, count, a, b, threshold, found, bounds):  # type: ignore[no-untyped-def]
    """List the allowed of `rows` that may score `threshold` or more, with their bounds; return how many there are.

    The bound of row i is ``quality[i] * (base[i] + own[i] * a + b)``. With `count`, only rows not up to date
    (`since` below it) are listed.
    """
    total = 0
    for at in range(rows.shape[0]):
        i = rows[at]
        limit = quality[i] * (base[i] + own[i] * a + b)
        if limit >= threshold and allowed[i] and since[i] < count:
            found[total] = i
            bounds[total] = limit
            total += 1
    return total


@compiled(fastmath=FAST)
def distances(start, stop, rows, lengths, chosen, chosen_lengths, out):  # type: ignore[no-untyped-def]
    """Fill `out[:, s]` with the cosine distances of rows to the chosen rows `start` to `stop`, in float64.

    Every pair is worked on alike, so that equal rows get equal bits.
    """
    for s in range(start, stop):
        for i in range(rows.shape[0]):
            out[i, s] = _gap(rows[i], lengths[i], chosen[s], chosen_lengths[s])


@compiled(fastmath=FAST)
def nearer(rows, products, as_given, first, since, slack, pool, lengths, chosen, chosen_lengths, near):  # type: ignore[no-untyped-def]
    """Lower `near` of `rows` to their distance to the chosen rows from `first` on, leaving out those known `since`.

    `products` holds the cosines, times the length of the row if it was taken `as_given`, each wrong by `slack` of it
    at most; what they cannot rule out is computed in float64.
    """
    for at in range(rows.shape[0]):
        i = rows[at]
        start = max(first, since[i]) - first
        turn = 1.0 / lengths[i] if as_given else 1.0
        highest = products.dtype.type(-np.inf)
        for s in range(start, products.shape[1]):
            highest = max(highest, products[at, s])
        if 1.0 - turn * highest >= near[i] + slack:
            continue
        for s in range(start, products.shape[1]):
            if 1.0 - turn * products[at, s] < near[i] + slack:
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
