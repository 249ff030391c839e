"""How much memory a run over slices takes, and how long the slices may be for it."""

from __future__ import annotations

from assay.errors import DataError
from assay.weights.pair import CHUNK

BASE = 230_000_000  # bytes: Python, the libraries, compiled loops, headers
PER_PERCENT = 2**21  # the bins of each border, and once more those of all weights
PER_WEIGHT = 40  # of a slice: two of them at a time, on up to `WRITERS` threads
LEAST = 2**14  # weights; below, slices cost time and spare nothing


def memory_bound(elements: int = CHUNK, *, percents: int = 7) -> int:
    """Return how many bytes a process holds at most that selects and restores, whatever the models' size.

    Parameters
    ----------
    elements : int
        Weights in a slice.
    percents : int
        How many percents there are.

    Returns
    -------
    int
        Resident memory, of which 230 MB are there before a weight is read. What the system keeps of files that were
        read and written is not of it, nor the factors of an adapter's largest matrix.

    Notes
    -----
    Measured on Linux, Python 3.11, on models of 25 MB to 8 GB, for every ranking, per tensor, shrunk and as deltas: 217
    to 251 MB where 289 are stated; 20 more in the run that compiles the loops. See
    `benchmarks/results/weights_restore.md`.

    Examples
    --------
    >>> memory_bound()
    288720256
    >>> memory_bound(2**16, percents=3)
    241010048
    """
    return BASE + PER_PERCENT * (1 + percents) + PER_WEIGHT * elements


def slice_size(memory: int, *, percents: int) -> int:
    """Return how many weights a slice may have for a process to stay below so many bytes: at most `CHUNK`.

    Parameters
    ----------
    memory : int
        Bytes.
    percents : int
        How many percents there are.

    Returns
    -------
    int
        For ``elements`` of `restore` and of the pair's chunks. No result depends on it.

    Raises
    ------
    DataError
        For less than `memory_bound` has for the smallest slices.

    Examples
    --------
    >>> slice_size(300_000_000, percents=7), slice_size(250_000_000, percents=7)
    (1048576, 80569)
    """
    least = memory_bound(LEAST, percents=percents)
    if memory < least:
        raise DataError(
            f"memory must be at least {least / 1e9:.3f} GB for {percents} percents; got {memory / 1e9:.3f} GB. "
            "Give more, or ask for fewer percents at a time."
        )
    return min(CHUNK, (memory - memory_bound(0, percents=percents)) // PER_WEIGHT)
