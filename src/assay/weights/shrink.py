"""The control without a ranking: every change made smaller alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay import _check

Floats32 = NDArray[np.float32]
BLOCK = 2**16  # weights that are in float64 at once


def shrink(p: Floats32, s: Floats32, *, energy: float) -> Floats32:
    """Return p + sqrt(1 - E) (s - p): of sum d^2 the share E is undone, as by a selection that holds E of it.

    Parameters
    ----------
    p, s : array of float32
        Original and tuned weights.
    energy : float
        E, 0 to 1: 0 gives the tuned weights, 1 the original, both to the bit.

    Returns
    -------
    array of float32
        Rounded once, from float64.

    Raises
    ------
    DataError
        For another energy.

    Examples
    --------
    >>> shrink(np.array([1, 2], np.float32), np.array([3, 2], np.float32), energy=0.75).tolist()
    [2.0, 2.0]
    """
    _check.between("energy", energy, 0, 1)
    if energy in (0, 1):
        return np.array(p if energy else s, dtype=np.float32)
    out = np.empty(len(p), np.float32)
    for at in range(0, len(p), BLOCK):
        original = p[at : at + BLOCK].astype(np.float64)
        out[at : at + BLOCK] = original + np.sqrt(1 - energy) * (s[at : at + BLOCK] - original)
    return out
