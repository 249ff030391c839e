"""The compiled inner loops of the search, and nothing else. `search.py` and `exact.py` tell what they are for.

They run on one thread without the interpreter's lock: the caller decides what is worth several threads, since
the compiler's own parallel loops spin at every barrier and come to a crawl beside any other process.

A list is one row of `keys` and `rows`, a heap whose first key is the highest. A key is half a squared distance,
``own[i] + theirs[j] - products[i, j]``, where `own` and `theirs` hold half the squared norms; infinite where a row
answers nobody.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

FAST = {"reassoc", "contract", "nsz"}  # sums may be reordered to fill vector registers; nan and inf stay
CHUNK = 128  # products that are ruled out together


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


@njit
def _put(keys, rows, key, row):  # type: ignore[no-untyped-def]
    """Replace the highest key of a list."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= keys.shape[0]:
            break
        if child + 1 < keys.shape[0] and keys[child + 1] > keys[child]:
            child += 1
        if keys[child] <= key:
            break
        keys[at] = keys[child]
        rows[at] = rows[child]
        at = child
    keys[at] = key
    rows[at] = row


@njit(fastmath=FAST)
def _any(products, theirs, limit):  # type: ignore[no-untyped-def]
    found = False
    for j in range(products.shape[0]):
        found |= products[j] - theirs[j] > limit
    return found


@njit(fastmath=FAST)
def _any_of_both(products, theirs, limit, bar, own):  # type: ignore[no-untyped-def]
    found = False
    for j in range(products.shape[0]):
        found |= products[j] - theirs[j] > limit
        found |= products[j] - bar[j] > own
    return found


@compiled()
def keep(products, own, theirs, first, keys, rows):  # type: ignore[no-untyped-def]
    """Put into the list of each row those that are nearer than its farthest; they are rows `first` and on."""
    for i in range(products.shape[0]):
        line = products[i]
        limit = own[i] - keys[i, 0]
        for start in range(0, line.shape[0], CHUNK):
            stop = min(start + CHUNK, line.shape[0])
            if not _any(line[start:stop], theirs[start:stop], limit):
                continue
            for j in range(start, stop):
                key = own[i] + theirs[j] - line[j]
                if key < keys[i, 0]:
                    _put(keys[i], rows[i], key, first + j)
            limit = own[i] - keys[i, 0]


@compiled()
def keep_both(products, own, theirs, mine, first, keys, rows, their_keys, their_rows, bar):  # type: ignore[no-untyped-def]
    """As `keep`, and each row, `mine` and on, goes into the lists of those too.

    ``bar[j]`` is ``theirs[j] - their_keys[j, 0]``, kept up to date here.
    """
    for i in range(products.shape[0]):
        if own[i] == np.inf:
            continue
        line = products[i]
        limit = own[i] - keys[i, 0]
        for start in range(0, line.shape[0], CHUNK):
            stop = min(start + CHUNK, line.shape[0])
            if not _any_of_both(line[start:stop], theirs[start:stop], limit, bar[start:stop], own[i]):
                continue
            for j in range(start, stop):
                key = own[i] + theirs[j] - line[j]
                if key < keys[i, 0]:
                    _put(keys[i], rows[i], key, first + j)
                if key < their_keys[j, 0]:
                    _put(their_keys[j], their_rows[j], key, mine + i)
                    bar[j] = theirs[j] - their_keys[j, 0]
            limit = own[i] - keys[i, 0]


@njit(fastmath=FAST)
def _square(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(a.shape[0]):
        step = a[j] - np.float64(b[j])
        total += step * step
    return total


@njit(fastmath=FAST)
def _square_of_units(a, b, length):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(a.shape[0]):
        step = a[j] - np.float64(b[j]) / length
        total += step * step
    return total


@compiled()
def settle(asking, asking_length, own, answering, length, cosine, at, keys, rows, slack, indices, squares):  # type: ignore[no-untyped-def]
    """Find the nearest of each list by float64 differences, ties by lower row; leave out the row `own`, and -1.

    Row e of the list of query q is row ``at[q, e]`` of `answering` and is called ``rows[q, e]``. What comes after a
    key that is `slack` beyond the last of those found is not nearer and not looked at.
    """
    k = indices.shape[1]
    row = np.empty(asking.shape[1])
    for q in range(keys.shape[0]):
        for j in range(row.shape[0]):
            row[j] = asking[q, j]
        if cosine:
            row /= asking_length[q]
        index, square = indices[q], squares[q]
        index[:] = -1
        square[:] = np.inf
        for e in np.argsort(keys[q]):
            if keys[q, e] > square[k - 1] + slack[q]:
                break
            i = rows[q, e]
            if i < 0 or i == own[q]:
                continue
            if cosine:
                gap = _square_of_units(row, answering[at[q, e]], length[i])
            else:
                gap = _square(row, answering[at[q, e]])
            place = k
            while place > 0 and (
                gap < square[place - 1]
                or (gap == square[place - 1] and (i < index[place - 1] or index[place - 1] < 0))
            ):
                place -= 1
            for later in range(k - 1, place, -1):
                index[later] = index[later - 1]
                square[later] = square[later - 1]
            if place < k:
                index[place] = i
                square[place] = gap
