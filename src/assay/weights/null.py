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
from assay.weights.ranking import Chunk, Chunks, stream

Floats = NDArray[np.float64]
CHANGES = ("gaussian", "constant")
EULER_GAMMA = 0.5772156649015329


def null_shares(
    percents: Sequence[float], *, sigma: float = 0.015, change: str = "gaussian", epsilon: float = 1e-8
) -> Floats:
    """Return the shares of sum r, sum |d| and sum d^2 that the top percents of r hold where nothing was learnt.

    Weights p ~ N(0, sigma^2); changes d independent of p, Gaussian or of constant size, whose size drops out;
    r = |d| / (|p| + epsilon).

    Parameters
    ----------
    percents : sequence of float
        Of the weights, 0 to 100.
    sigma : float > 0
        Standard deviation of the original weights; .01 to .02 in large models.
    change : str
        gaussian or constant.
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
    By Gauss-Legendre in log(|p| + epsilon), to some 1e-10. Compare the paper's Table 3 (Ye et al., EMNLP 2025,
    arXiv 2509.16596): all ten rows are within .8 points of the Gaussian row at .015. A null is no proof about a model.

    Examples
    --------
    >>> (100 * null_shares([1, 20])).round(2).tolist()
    [[70.91, 1.57, 2.0], [91.78, 30.9, 38.71]]
    """
    _check.at_least("sigma", sigma, 0, strict=True)
    _check.at_least("epsilon", epsilon, 0, strict=True)
    _check.choice("change", change, CHANGES)
    for percent in percents:
        _check.between("percents", percent, 0, 100)
    rows = [
        _constant(one / 100, sigma, epsilon) if change == "constant" else _gaussian(one / 100, sigma, epsilon)
        for one in percents
    ]
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


def shuffled(chunks: Chunks, *, seed: int = 0) -> Chunks:
    """Return the chunks with the original weights kept and their changes in another order: the null of two models.

    What `select` and `tally` say of them is what they would say had the changes nothing to do with the weights. Unlike
    `null_shares` it has the weights' own distribution, unchanged weights, and differences between matrices.

    Parameters
    ----------
    chunks : callable
        As of `select`.
    seed : int
        With a tensor's name and the start of a chunk it decides the order.

    Returns
    -------
    callable
        Gives chunks as it was given them, with other tuned weights, the same ones at every call.

    Notes
    -----
    Changes move within their chunk, so within their matrix, and within 2**20 weights of it where it is larger: what
    differs between such parts stays where it is. The tuned weight p + d is rounded to float32, which changes d by up
    to 1e-9 where p is .015, and loses changes below that. Some 10 ns a weight.

    Examples
    --------
    >>> p, s = np.arange(4, dtype=np.float32), np.array([0, 1, 4, 3], np.float32)
    >>> ((_, _, _, tuned),) = shuffled(lambda: [("w", 0, p, s)])()
    >>> sorted((tuned - p).tolist())
    [0.0, 0.0, 0.0, 2.0]
    """

    def again() -> Iterator[Chunk]:
        for name, start, p, s in chunks():
            order = np.random.default_rng([int(stream(seed, name)), start]).permutation(len(p))
            yield name, start, p, p + (s - p)[order]

    return again


def _points(sigma: float, epsilon: float, stop: float) -> tuple[Floats, Floats]:
    """Return |p| from 0 to `stop` and the weights of its density, for integrals over |p|."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(math.log(epsilon), math.log(stop + epsilon), 97)
    half = np.diff(edges)[:, None] / 2
    at = np.exp(edges[:-1, None] + half * (1 + nodes))
    x = np.maximum(at - epsilon, 0.0)
    density = math.sqrt(2 / math.pi) / sigma * np.exp(-((x / sigma) ** 2) / 2)
    return x.ravel(), (half * weights * at * density).ravel()


def _constant(q: float, sigma: float, epsilon: float) -> tuple[float, float, float]:
    """|d| the same for all: the top q of r are the weights nearest to 0."""
    border = -sigma * float(ndtri((1 - q) / 2)) if q < 1 else 40 * sigma
    r = []
    for stop in (border, 40 * sigma):
        x, weight = _points(sigma, epsilon, stop)
        r.append(float((weight / (x + epsilon)).sum()))
    return r[0] / r[1], q, q


def _gaussian(q: float, sigma: float, epsilon: float) -> tuple[float, float, float]:
    """d ~ N(0, 1): r > c where |d| > c (|p| + epsilon); c is found by bisection."""
    if q in (0.0, 1.0):
        return q, q, q
    x, weight = _points(sigma, epsilon, 40 * sigma)
    low, high = math.log(1e-12 / sigma), math.log(1e3 / epsilon)
    for _ in range(200):
        middle = (low + high) / 2
        reached = float((weight * erfc(math.exp(middle) * (x + epsilon) / math.sqrt(2))).sum())
        low, high = (middle, high) if reached > q else (low, middle)
    a = math.exp(low) * (x + epsilon)
    tail = np.exp(-(a**2) / 2)  # of E|d|; that of E d^2 has a second term
    r = float((weight * tail / (x + epsilon)).sum() / (weight / (x + epsilon)).sum())
    energy = float((weight * (math.sqrt(2 / math.pi) * a * tail + erfc(a / math.sqrt(2)))).sum())
    return r, float((weight * tail).sum()), energy
