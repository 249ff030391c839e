"""The compiled inner loops of pruning, and nothing else. `near.py` and `quota.py` tell what they are for.

They run on one thread, over rows in an order that is fixed before, so that nothing but the rows decides the result.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from assay.neighbors.kernels import FAST, compiled

HASH_BITS, COUNT_LIMIT = 44, 2**20 - 1
_SCRAMBLE, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_TOP, _LOW = np.uint64(64 - HASH_BITS), np.uint64(HASH_BITS)
_MASK = np.uint64(2**HASH_BITS - 1)


@njit
def _distinct(keys):  # type: ignore[no-untyped-def]
    """Sort keys in place, the distinct ones first, and return how many these are."""
    keys.sort()
    count = 0
    for at in range(keys.shape[0]):
        if at == 0 or keys[at] != keys[count - 1]:
            keys[count] = keys[at]
            count += 1
    return count


@compiled()
def hash_grams(codes, starts, width, keys, lengths):  # type: ignore[no-untyped-def]
    """Fill `keys` with the distinct hashes of the `width`-grams of every text, from its start on, and count them.

    The characters of text i are ``codes[starts[i]:starts[i + 1]]``; a text shorter than that is its own gram.
    """
    for row in range(lengths.shape[0]):
        first, size = starts[row], starts[row + 1] - starts[row]
        grams = max(size - width + 1, 1) if size else 0
        for at in range(grams):
            value = np.uint64(min(size, width))
            for j in range(first + at, first + min(at + width, size)):
                value = (value ^ np.uint64(codes[j])) * _SCRAMBLE
                value ^= value >> _SHIFT
            keys[first + at] = (value * _SCRAMBLE) >> _TOP
        lengths[row] = _distinct(keys[first : first + grams])


@compiled()
def rarest_first(keys, starts, lengths, counts):  # type: ignore[no-untyped-def]
    """Count every hash in the buckets of `counts`, and put how often before it, so that rare ones sort first."""
    mask = np.uint64(counts.shape[0] - 1)
    for row in range(lengths.shape[0]):
        for at in range(starts[row], starts[row] + lengths[row]):
            counts[keys[at] & mask] += 1
    for row in range(lengths.shape[0]):
        stop = starts[row] + lengths[row]
        for at in range(starts[row], stop):
            often = np.uint64(min(counts[keys[at] & mask], COUNT_LIMIT))
            keys[at] |= often << _LOW
        keys[starts[row] : stop].sort()


@njit
def _common(a, b, needed):  # type: ignore[no-untyped-def]
    """Return how many keys two sorted arrays share, or fewer than `needed` where they share fewer."""
    i, j, common = 0, 0, 0
    while i < a.shape[0] and j < b.shape[0]:
        if common + min(a.shape[0] - i, b.shape[0] - j) < needed:
            break
        if a[i] == b[j]:
            common += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return common


@compiled()
def join(keys, starts, lengths, asks, stays, near, heads, entry_key, entry_row, entry_place, entry_next, found, share):  # type: ignore[no-untyped-def] # fmt: skip
    """Find for each row that `asks` the lowest earlier row in the index whose set of keys has Jaccard >= `near`.

    A row that `stays` enters the index, unless it asked and one was found. Two such sets share a key among the first
    ``n - ceil(near n) + 1`` of either (prefix filter), and what follows the first shared key bounds how many they share
    (positional filter): no pair is missed.
    """
    mask = np.uint64(heads.shape[0] - 1)
    seen = np.full(lengths.shape[0], -1, dtype=np.int64)
    entries = 0
    for row in range(lengths.shape[0]):
        size = lengths[row]
        found[row] = -1
        if size == 0:
            continue
        mine = keys[starts[row] : starts[row] + size]
        least = np.int64(np.ceil(near * size - 1e-9))
        prefix = size - least + 1
        if asks[row]:
            for place in range(prefix):
                entry = heads[mine[place] & _MASK & mask]
                while entry >= 0:
                    other = entry_row[entry]
                    if entry_key[entry] == mine[place] and seen[other] != row:
                        seen[other] = row
                        long = lengths[other]
                        needed = np.int64(np.ceil(near / (1.0 + near) * (size + long) - 1e-9))
                        rest = min(size - place, long - entry_place[entry])
                        if rest >= needed and (found[row] < 0 or other < found[row]):
                            common = _common(mine, keys[starts[other] : starts[other] + long], needed)
                            jaccard = common / (size + long - common)
                            if common >= needed and jaccard >= near:
                                found[row] = other
                                share[row] = jaccard
                    entry = entry_next[entry]
        if stays[row] and found[row] < 0:
            for place in range(prefix):
                slot = mine[place] & _MASK & mask
                entry_key[entries] = mine[place]
                entry_row[entries] = row
                entry_place[entries] = place
                entry_next[entries] = heads[slot]
                heads[slot] = entries
                entries += 1
    return entries


@njit(fastmath=FAST)
def _cosine(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(a.shape[0]):
        total += np.float64(a[j]) * np.float64(b[j])
    return total


@njit
def _open(row, kept, groups, left):  # type: ignore[no-untyped-def]
    """Tell whether a row may still be chosen: it is not yet, and none of its groups is full."""
    if kept[row]:
        return False
    for j in range(groups.shape[1]):  # noqa: SIM110
        if left[groups[row, j]] <= 0:
            return False
    return True


@compiled()
def fill(  # type: ignore[no-untyped-def]
    kind, target, vectors, rows, starts, nearest, since, chosen, count, kinds, kind_starts, needs, kept, groups, left,
    epsilon, order,
):  # fmt: skip
    """Choose rows of a kind until `target` chosen ones have it, or none may be chosen any more; return how many.

    ``rows[starts[kind]:starts[kind + 1]]`` have the kind, ``nearest`` is the highest cosine of each to the first
    ``since`` of the ``count[kind]`` chosen ones, which `chosen` lists from the same start on. It can only rise, so a
    row whose old value is above the best by more than `epsilon` is left alone (lazy, exact). `needs` is what each
    kind's count must reach; a chosen row counts for all of its ``kinds``.
    """
    first, stop = starts[kind], starts[kind + 1]
    total = 0
    while count[kind] < target:
        best = np.inf
        have = count[kind]
        for at in range(first, stop):
            row = rows[at]
            if nearest[at] > best + epsilon or not _open(row, kept, groups, left):
                continue
            while since[at] < have and nearest[at] <= best + epsilon:
                cosine = _cosine(vectors[row], vectors[chosen[first + since[at]]])
                nearest[at] = max(nearest[at], cosine)
                since[at] += 1
            if since[at] == have and nearest[at] < best:
                best = nearest[at]
        pick, most = -1, -1
        for at in range(first, stop):
            if since[at] == have and nearest[at] <= best + epsilon and _open(rows[at], kept, groups, left):
                needed = 0
                for e in range(kind_starts[rows[at]], kind_starts[rows[at] + 1]):
                    needed += count[kinds[e]] < needs[kinds[e]]
                if needed > most:  # rows ascend, so that the lowest wins
                    pick, most = rows[at], needed
        if pick < 0:
            break
        kept[pick] = True
        order[total] = pick
        total += 1
        for j in range(groups.shape[1]):
            left[groups[pick, j]] -= 1
        for e in range(kind_starts[pick], kind_starts[pick + 1]):
            other = kinds[e]
            chosen[starts[other] + count[other]] = pick
            count[other] += 1
    return total
