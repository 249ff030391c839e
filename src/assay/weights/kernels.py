"""The compiled inner loops of ranking and selection, and nothing else. `ranking.py` and `threshold.py` tell what for.

They run on one thread without the interpreter's lock. A key is 32 bits; weights with higher keys are taken first.
Sums are added one weight after the other, so that the size of a chunk does not change a bit of them.

On one core of an EPYC (Zen 4), 2**20 pairs in the cache, in ns a weight: reading both .10; `relative` .16 to .23 (numpy
.55), `relative_bf16` .32 (numpy 10), `random` .3, `survey` .5, `count` 1.5 to 2.4 (one `np.bincount` alone 1.4 to 2.1),
`count_fine` .6, `levels_of` .1 to .2, `add_up` 2.5. Fresh memory for the keys of a chunk can cost 1 more.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from assay.neighbors.kernels import compiled

OTHER = 65535  # in `slots`: no boundary bin


@compiled(error_model="numpy")
def relative(p, s, out):  # type: ignore[no-untyped-def]
    """Write |s - p| / (|p| + 1e-8), every step rounded to float32."""
    epsilon = np.float32(1e-8)
    for i in range(p.shape[0]):
        out[i] = abs(s[i] - p[i]) / (abs(p[i]) + epsilon)


@njit
def _bf16(value):  # type: ignore[no-untyped-def]
    """Return a float32 rounded to bfloat16, to nearest, ties to even."""
    bits = np.float32(value).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return np.uint32((bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)).view(np.float32)


@compiled(error_model="numpy")
def relative_bf16(p, s, out):  # type: ignore[no-untyped-def]
    """Write |s - p| / (|p| + 1e-8), all that is read and every step rounded to bfloat16; for finite weights."""
    epsilon = _bf16(np.float32(1e-8))
    for i in range(p.shape[0]):
        original, tuned = _bf16(p[i]), _bf16(s[i])
        out[i] = _bf16(abs(_bf16(tuned - original)) / _bf16(abs(original) + epsilon))


@compiled()
def upper_halves(bits, out):  # type: ignore[no-untyped-def]
    """Write the 16 bits that bfloat16 has of float32s given as bits, rounded to nearest, ties to even."""
    for i in range(bits.shape[0]):
        odd = (bits[i] >> np.uint32(16)) & np.uint32(1)
        out[i] = np.uint16((bits[i] + np.uint32(0x7FFF) + odd) >> np.uint32(16))


@compiled()
def mixed(levels, most, original, tuned, out):  # type: ignore[no-untyped-def]
    """Write the original where the level is `most` or lower, else the tuned."""
    for i in range(out.shape[0]):
        out[i] = original[i] if levels[i] <= most else tuned[i]


@compiled()
def random(key, start, out):  # type: ignore[no-untyped-def]
    """Write the top 32 bits of splitmix64's value number ``start + i`` of the stream `key`."""
    step, first, second = (
        np.uint64(0x9E3779B97F4A7C15),
        np.uint64(0xBF58476D1CE4E5B9),
        np.uint64(0x94D049BB133111EB),
    )
    for i in range(out.shape[0]):
        z = key + (start + np.uint64(i) + np.uint64(1)) * step
        z = (z ^ (z >> np.uint64(30))) * first
        z = (z ^ (z >> np.uint64(27))) * second
        out[i] = np.uint32((z ^ (z >> np.uint64(31))) >> np.uint64(32))


@compiled()
def moments(values, sums):  # type: ignore[no-untyped-def]
    """Add to `sums` the number of values, their sum and that of their squares."""
    total, square = sums[1], sums[2]
    for i in range(values.shape[0]):
        value = np.float64(values[i])
        total += value
        square += value * value
    sums[0] += values.shape[0]
    sums[1] = total
    sums[2] = square


@compiled()
def survey(keys, p, s, p_bits, s_bits):  # type: ignore[no-untyped-def]
    """Return how many weights changed, how many keys are 0, how many are both, and the highest magnitude's bits."""
    moved = zero = both = 0
    worst = np.uint32(0)
    size = np.uint32(0x7FFFFFFF)
    for i in range(p.shape[0]):
        moved += s[i] != p[i]
        zero += keys[i] == 0
        both += (keys[i] == 0) & (s[i] != p[i])
        worst = max(worst, p_bits[i] & size, s_bits[i] & size)
    return moved, zero, both, worst


@compiled(error_model="numpy")
def count(keys, p, s, changed, bins):  # type: ignore[no-untyped-def]
    """Add every weight, or with `changed` every one that did, to the bin of its key's high 16 bits: 1, r, |d|, d^2."""
    epsilon = np.float32(1e-8)
    for i in range(p.shape[0]):
        d = abs(s[i] - p[i])
        if changed and d == 0:
            continue
        size = np.float64(d)
        at = keys[i] >> np.uint32(16)
        bins[at, 0] += 1.0
        bins[at, 1] += np.float64(d / (abs(p[i]) + epsilon))
        bins[at, 2] += size
        bins[at, 3] += size * size


@compiled(error_model="numpy")
def count_fine(keys, p, s, changed, slots, bins):  # type: ignore[no-untyped-def]
    """As `count`, for weights in the boundary bins that `slots` numbers, by the low 16 bits of their keys."""
    epsilon = np.float32(1e-8)
    for i in range(p.shape[0]):
        slot = slots[keys[i] >> np.uint32(16)]
        if slot != OTHER:
            d = abs(s[i] - p[i])
            if changed and d == 0:
                continue
            size = np.float64(d)
            at = keys[i] & np.uint32(65535)
            bins[slot, at, 0] += 1.0
            bins[slot, at, 1] += np.float64(d / (abs(p[i]) + epsilon))
            bins[slot, at, 2] += size
            bins[slot, at, 3] += size * size


@compiled()
def levels_of(keys, limits, out):  # type: ignore[no-untyped-def]
    """Write how many of `limits` each key is below."""
    out[:] = 0
    for j in range(limits.shape[0]):
        limit = limits[j]
        for i in range(keys.shape[0]):
            out[i] += keys[i] < limit


@compiled(error_model="numpy")
def add_up(levels, p, s, sums):  # type: ignore[no-untyped-def]
    """Add every weight to the row of its level: 1, whether it changed, r, |d|, d^2."""
    epsilon = np.float32(1e-8)
    for i in range(p.shape[0]):
        d = abs(s[i] - p[i])
        size = np.float64(d)
        at = levels[i]
        sums[at, 0] += 1.0
        sums[at, 1] += d != 0
        sums[at, 2] += np.float64(d / (abs(p[i]) + epsilon))
        sums[at, 3] += size
        sums[at, 4] += size * size


@compiled()
def add_energy(p, s, total):  # type: ignore[no-untyped-def]
    """Add d^2 of every weight."""
    energy = total[0]
    for i in range(p.shape[0]):
        d = np.float64(s[i]) - np.float64(p[i])
        energy += d * d
    total[0] = energy
