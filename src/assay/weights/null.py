"""What shares a selection holds where training never was: change independent of the weights.

The relative change of a weight near 0 is huge, whatever its change: so one percent of the weights hold some 70 % of
sum r, with no training at all. Such a number says how wide the weights are and what epsilon is, not what was learnt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, ndtri

from assay import _check
from assay.errors import DataError
from assay.weights.ranking import RANKINGS, Chunk, Chunks, Floats32

Floats = NDArray[np.float64]
CHANGES = ("gaussian", "constant")
ALL_OF, EVERY = 2**16 // 17 * 17, 17  # the one is a multiple of the other, so that places beyond it are, too
EULER_GAMMA = 0.5772156649015329


def null_shares(
    percents: Sequence[float],
    *,
    sigma: float = 0.015,
    counts: NDArray[np.int64] | None = None,
    change: str = "gaussian",
    ranking: str = "relative",
    bottom: bool = False,
    epsilon: float = 1e-8,
) -> Floats:
    """Return the shares of sum r, sum |d| and sum d^2 that the top percents hold where nothing was learnt.

    Weights p ~ N(0, sigma^2), or as counted in `counts`; changes d independent of p, Gaussian or of constant size,
    whose size drops out; r = |d| / (|p| + epsilon).

    Parameters
    ----------
    percents : sequence of float
        Of the weights, 0 to 100.
    sigma : float > 0
        Standard deviation of the original weights; .01 to .02 in large models.
    counts : array (256 * 2^k,), optional
        In place of `sigma`: how many |p| have each beginning of their bits in float32, 8 of exponent and k of fraction.
        Weights that are exactly 0, as models have that were quantised once or pruned, hold nearly all of sum r.
    change : str
        gaussian or constant.
    ranking : str
        A row of `RANKINGS`. scaled is taken as absolute, as if all matrices were equally wide; rounding of official
        ones is left out.
    bottom : bool
        Take what ranks last first.
    epsilon : float > 0
        1e-8 is the paper's.

    Returns
    -------
    array (percents, 3)
        0 to 1: of sum r, of sum |d|, of sum d^2. Below 1e7 weights, samples are off the first by points, since few
        weights near 0 make it: sd 3 points at 2 M for 1 percent.

    Raises
    ------
    DataError
        For numbers out of range.

    Notes
    -----
    By Gauss-Legendre in log(|p| + epsilon), to some 1e-10. Counted weights are taken as even between one beginning and
    the next; with k = 2 this is off by less than .1 points. Compare the paper's Table 3 (Ye et al., EMNLP 2025, arXiv
    2509.16596): all ten rows are within .8 points of the Gaussian row at .015. A null is no proof about a model.

    Examples
    --------
    >>> (100 * null_shares([1, 20])).round(2).tolist()
    [[70.91, 1.57, 2.0], [91.78, 30.9, 38.71]]
    >>> (100 * null_shares([1, 20], ranking="absolute")).round(2).tolist()
    [[3.62, 3.62, 8.45], [43.99, 43.99, 64.98]]
    """
    _check.at_least("sigma", sigma, 0, strict=True)
    _check.at_least("epsilon", epsilon, 0, strict=True)
    _check.choice("change", change, CHANGES)
    _check.choice("ranking", ranking, RANKINGS)
    for percent in percents:
        _check.between("percents", percent, 0, 100)
    if counts is not None and (np.ndim(counts) != 1 or len(counts) % 256 or not np.sum(counts)):
        raise DataError(f"counts must be 256 * 2^k numbers, not all 0; got shape {np.shape(counts)}.")

    def share(q: float) -> tuple[float, float, float]:
        if ranking == "random" or q in (0.0, 1.0):
            return q, q, q
        if ranking in ("absolute", "scaled"):
            return (q, q, q) if change == "constant" else _largest(q)
        if change == "constant" or ranking == "magnitude":
            return _nearest(q, sigma, epsilon) if counts is None else _nearest_of(q, counts, epsilon)
        points = _points(sigma, epsilon, 40 * sigma) if counts is None else _points_of(counts)
        return _gaussian(q, *points, epsilon)

    rows = [[1 - left for left in share(1 - one / 100)] if bottom else share(one / 100) for one in percents]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def closed_form(percent: float, *, sigma: float = 0.015, epsilon: float = 1e-8) -> float:
    """Return the share of sum r of `null_shares` for changes of constant size and small percents, in one line.

    ln(1 + q sigma sqrt(pi/2) / epsilon) / (ln(sigma / epsilon) + (ln 2 - gamma) / 2), q = percent / 100.

    Parameters
    ----------
    percent : float
        0 to 100; some .1 points off at 20, since the density of weights is taken for flat up to the border.
    sigma, epsilon : float > 0
        As in `null_shares`; sigma far above epsilon.

    Returns
    -------
    float
        0 to about 1: depends on sigma / epsilon alone.

    Raises
    ------
    DataError
        For numbers out of range.

    Examples
    --------
    >>> round(100 * closed_form(1), 2)
    68.92
    """
    _check.between("percent", percent, 0, 100)
    _check.at_least("sigma", sigma, 0, strict=True)
    _check.at_least("epsilon", epsilon, 0, strict=True)
    top = math.log1p(percent / 100 * sigma * math.sqrt(math.pi / 2) / epsilon)
    return top / (math.log(sigma / epsilon) + (math.log(2) - EULER_GAMMA) / 2)


def counted(chunks: Chunks, counts: NDArray[np.int64]) -> Chunks:
    """Return the chunks as they are; the first pass over them fills what `null_shares` takes as `counts`.

    Parameters
    ----------
    chunks : callable
        As of `select`.
    counts : array (1024,) of int
        Zeros, to which a first pass adds: of each tensor the first 65,535 weights, and every 17th beyond them 17 times.
        So chunks may be cut anywhere.

    Returns
    -------
    callable
        As `chunks`.

    Examples
    --------
    >>> counts = np.zeros(1024, np.int64)
    >>> for _ in counted(lambda: [("w", 0, np.zeros(3, np.float32), np.ones(3, np.float32))], counts)():
    ...     pass
    >>> counts[0], counts.sum()
    (np.int64(3), np.int64(3))
    """
    passes = 0

    def again() -> Iterator[Chunk]:
        nonlocal passes
        passes += 1
        first = passes == 1
        for chunk in chunks():
            if first:
                _, start, p, _ = chunk
                all_of = max(0, ALL_OF - start)
                counts[:] += beginnings(p[:all_of])
                counts[:] += EVERY * beginnings(p[max(all_of, -start % EVERY) :: EVERY])
            yield chunk

    return again


def beginnings(values: Floats32) -> NDArray[np.int64]:
    """Return how many values have each of the first 10 bits after the sign, (1024,)."""
    return np.bincount(values.view(np.uint32) >> np.uint32(21) & np.uint32(1023), minlength=1024)


def _points(sigma: float, epsilon: float, stop: float) -> tuple[Floats, Floats]:
    """Return |p| from 0 to `stop` and the weights of its density, for integrals over |p|."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(math.log(epsilon), math.log(stop + epsilon), 97)
    half = np.diff(edges)[:, None] / 2
    at = np.exp(edges[:-1, None] + half * (1 + nodes))
    x = np.maximum(at - epsilon, 0.0)
    density = math.sqrt(2 / math.pi) / sigma * np.exp(-((x / sigma) ** 2) / 2)
    return x.ravel(), (half * weights * at * density).ravel()


def _edges(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return from where, and how far, each count of beginnings of float32 goes."""
    bits = np.arange(len(counts), dtype=np.uint32) << np.uint32(31 - int(np.log2(len(counts))))
    with np.errstate(invalid="ignore"):
        edges = np.append(bits.view(np.float32).astype(np.float64), np.nan)
        return edges[:-1], np.diff(edges)


def _points_of(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return as `_points` does |p| and weights of counted ones."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    seen = np.flatnonzero(counts)
    low, width = (one[seen, None] for one in _edges(counts))
    share = counts[seen, None] / counts.sum()
    return (low + width * (1 + nodes) / 2).ravel(), (share * weights / 2).ravel()


def _largest(q: float) -> tuple[float, float, float]:
    """d ~ N(0, 1): what the q largest |d| hold; r is |d| times what does not look at it."""
    border = -float(ndtri(q / 2))
    tail = math.exp(-(border**2) / 2)
    return tail, tail, q + math.sqrt(2 / math.pi) * border * tail


def _nearest(q: float, sigma: float, epsilon: float) -> tuple[float, float, float]:
    """The q weights that are nearest to 0: of those r is largest where |d| is the same for all."""
    border = -sigma * float(ndtri((1 - q) / 2))
    r = []
    for stop in (border, 40 * sigma):
        x, weight = _points(sigma, epsilon, stop)
        r.append(float((weight / (x + epsilon)).sum()))
    return r[0] / r[1], q, q


def _nearest_of(q: float, counts: NDArray[np.int64], epsilon: float) -> tuple[float, float, float]:
    """Return the same of weights that are counted."""
    seen = np.flatnonzero(counts)
    low, width = (one[seen] for one in _edges(counts))
    share = counts[seen] / counts.sum()
    part = np.clip((q - np.cumsum(share) + share) / share, 0, 1)  # of each count, its lowest ones
    held, whole = (
        float((share / width * np.log1p(one * width / (low + epsilon))).sum())
        for one in (part, np.ones_like(part))
    )
    return held / whole, q, q


def _gaussian(q: float, x: Floats, weight: Floats, epsilon: float) -> tuple[float, float, float]:
    """d ~ N(0, 1): r > c where |d| > c (|p| + epsilon); c is found by bisection."""
    low, high = math.log(1e-12 / float(x.max())), math.log(1e3 / epsilon)
    for _ in range(200):
        middle = (low + high) / 2
        reached = float((weight * erfc(math.exp(middle) * (x + epsilon) / math.sqrt(2))).sum())
        low, high = (middle, high) if reached > q else (low, middle)
    a = math.exp(low) * (x + epsilon)
    tail = np.exp(-(np.minimum(a, 40) ** 2) / 2)  # of E|d|; that of E d^2 has a second term
    r = float((weight * tail / (x + epsilon)).sum() / (weight / (x + epsilon)).sum())
    energy = float((weight * (math.sqrt(2 / math.pi) * a * tail + erfc(a / math.sqrt(2)))).sum())
    return r, float((weight * tail).sum()), energy
