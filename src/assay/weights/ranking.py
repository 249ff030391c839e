"""Which weights come first: `RANKINGS` and the keys that they give."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError
from assay.weights import kernels
from assay.weights.official import official_scores

Floats32 = NDArray[np.float32]
Keys = NDArray[np.uint32]
Chunk = tuple[str, int, Floats32, Floats32]  # tensor, flat index of the first weight, original, tuned
Chunks = Callable[[], Iterable[Chunk]]

EPSILON = 1e-8  # the paper's; as float32 9.99999993922529e-09
INFINITE = np.uint32(0x7F800000)


@dataclass(frozen=True, slots=True)
class Ranking:
    """One row of `RANKINGS`: what is ranked, highest first, and whether it looks at the tuned model."""

    summary: str
    sees_tuned: bool
    source: str


RANKINGS = {
    "relative": Ranking("|d| / (|p| + 1e-8): the paper's", True, "Ye et al. 2025, arXiv 2509.16596"),
    "absolute": Ranking("|d|", True, "control"),
    "scaled": Ranking("|d| over the standard deviation of the tensor's original weights", True, "control"),
    "magnitude": Ranking("small |p| first", False, "control"),
    "random": Ranking("numbers that seed, tensor and place decide", False, "control"),
    "official_bf16": Ranking(
        "relative, every step rounded to bfloat16 as by the paper's program", True, "UmeanNever/ParamRestore"
    ),
    "official_fp16": Ranking("as `official_bf16`, in float16", True, "UmeanNever/ParamRestore"),
}


def keys(
    chunk: Chunk,
    *,
    ranking: str = "relative",
    bottom: bool = False,
    seed: int = 0,
    spreads: Mapping[str, float] | None = None,
) -> Keys:
    """Return the key of each weight of a chunk: 32 bits, those with the highest are taken first.

    For scores they are the bits of the float32 score, which rise with it. Nothing but the weight, its tensor's name
    and its place decides a key, so that chunks may be cut anywhere.

    Parameters
    ----------
    chunk : (str, int, array of float32, array of float32)
        The tensor's name, the flat index of the first weight, and as many weights of the original and the tuned model.
    ranking : str
        A row of `RANKINGS`.
    bottom : bool
        Take what ranks last first.
    seed : int
        Of `random`; others do not read it.
    spreads : mapping
        Tensor to standard deviation, from `spreads`; for `scaled` alone.

    Returns
    -------
    array of uint32
        Compare only keys of one ranking.

    Raises
    ------
    DataError
        For an unknown ranking, weights that are not as many as the others, or a tensor without a spread.

    Notes
    -----
    `magnitude` has the bits of |p| taken from 0xFFFFFFFF. `random` is the top half of splitmix64, its stream keyed by
    the first 8 bytes of sha256 of seed, a zero byte and the name: the same on any machine. Not-a-number, which
    `official_fp16` gives to unchanged zeros, comes first, from the top and from the bottom, as torch has it.

    Examples
    --------
    >>> p, s = np.array([1, -2, 4], np.float32), np.array([1.5, -2, 5], np.float32)
    >>> keys(("w", 0, p, s)).view(np.float32).tolist()
    [0.5, 0.0, 0.25]
    """
    name, start, p, s = chunk
    if p.shape != s.shape or p.ndim != 1:
        raise DataError(
            f"tuned weights of {name} must be as many as the original's {p.shape}; got {s.shape}."
        )
    match _check.choice("ranking", ranking, RANKINGS):
        case "random":
            found = np.empty(len(p), np.uint32)
            kernels.random(stream(seed, name), np.uint64(start), found)
        case "magnitude":
            found = ~np.abs(p).view(np.uint32)
        case "absolute":
            found = np.abs(s - p).view(np.uint32)
        case "scaled":
            if spreads is None or name not in spreads:
                raise DataError(f"spreads must have every tensor for 'scaled'; {name} is missing.")
            found = (np.abs(s - p) / np.float32(spreads[name])).view(np.uint32)
        case "relative":
            scores = np.empty(len(p), np.float32)
            kernels.relative(p, s, scores)
            found = scores.view(np.uint32)
        case _:
            found = official_scores(p, s, dtype=ranking.removeprefix("official_")).view(np.uint32)
            nan = found > INFINITE
            found = ~found - np.uint32(1) if bottom else found
            found[nan] = 0xFFFFFFFF
            return found
    return ~found if bottom else found


def stream(seed: int, name: str) -> np.uint64:
    """Return the key of the random numbers of one tensor."""
    _check.whole("seed", seed)
    return np.uint64(int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "little"))


def spreads(chunks: Chunks) -> dict[str, float]:
    """Return the standard deviation of each tensor's original weights, which `scaled` divides by; one pass.

    Parameters
    ----------
    chunks : callable
        Gives all chunks, in any order.

    Returns
    -------
    dict
        Tensor to float, at least 1e-8, so that tensors of one value have a score too. Summed in float64.

    Examples
    --------
    >>> p = np.array([1, 3], np.float32)
    >>> spreads(lambda: [("w", 0, p, p)])
    {'w': 1.0}
    """
    sums: dict[str, NDArray[np.float64]] = {}
    for name, _, p, _ in chunks():
        kernels.moments(p, sums.setdefault(name, np.zeros(3)))
    found = {}
    for name, (number, total, square) in sums.items():
        variance = (square - total * total / number) / number if number else 0.0
        rounding = 1e-13 * square / number if number else 0.0
        found[name] = max(float(np.sqrt(variance)) if variance > rounding else 0.0, EPSILON)
    return found
