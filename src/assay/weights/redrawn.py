"""Two models in whose place nothing was learnt: the real original weights, with changes that do not look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from assay import _check
from assay.errors import DataError
from assay.weights.official import to_bf16, to_fp16
from assay.weights.ranking import Chunk, Chunks, Floats32, stream

NULLS = {
    "shuffled": "the changes of each matrix in another order",
    "drawn": "Gaussian changes, as large on average as those of the matrix, stored in the tuned model's type",
}
STEPS = {
    "F32": (23, 1),
    "BF16": (7, 1),
    "F16": (10, 113),
}  # bits after the point; least exponent with all of them
ROUNDED: dict[str, Callable[[Floats32], Floats32]] = {"BF16": to_bf16, "F16": to_fp16}


def redrawn(
    chunks: Chunks,
    *,
    how: str = "shuffled",
    spreads: Mapping[str, float] | None = None,
    dtypes: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Chunks:
    """Return chunks with the original's weights and, as the tuned model's, those plus a change that chance decides.

    Parameters
    ----------
    chunks : callable
        Gives the same chunks at every call. A chunk is shuffled within itself, so other cuts give another null.
    how : str
        A key of `NULLS`. shuffled keeps every change, but gives the coarse steps of large bf16 weights to small ones,
        which lifts all shares where changes are as small as steps. drawn rounds every weight by its own.
    spreads : mapping
        drawn only: tensor to standard deviation of the Gaussian, such as `drawn_spread` gives.
    dtypes : mapping
        drawn only: tensor to BF16, F16 or F32, which tuned weights are rounded to; F32 where there is none.
    seed : int
        With the tensor's name and the chunk's place, all that decides the numbers.

    Returns
    -------
    callable
        As `chunks`: the same at every call.

    Raises
    ------
    DataError
        For an unknown null, or a tensor without its spread.

    Notes
    -----
    Some 10 ns a weight for each pass on one core, 8 bytes more for each weight of a chunk. p + d is rounded to
    float32, so changes far below the weight's own precision may vanish. What is measured on such chunks is what the
    shares of `null_shares` stand for, with the real weights in place of Gaussian ones.

    Examples
    --------
    >>> p, s = np.zeros(4, np.float32), np.array([1, 2, 3, 4], np.float32)
    >>> [(_, _, _, tuned)] = redrawn(lambda: [("w", 0, p, s)], seed=1)()
    >>> sorted(tuned.tolist()), tuned.tolist() == s.tolist()
    ([1.0, 2.0, 3.0, 4.0], False)
    """
    _check.choice("how", how, NULLS)

    def again() -> Iterator[Chunk]:
        for name, start, p, s in chunks():
            random = np.random.default_rng([int(stream(seed, f"{how}\0{name}")), start])
            if how == "shuffled":
                d = s - p
                random.shuffle(d)
                yield name, start, p, p + d
                continue
            if spreads is None or name not in spreads:
                raise DataError(f"spreads must have every tensor for 'drawn'; {name} is missing.")
            d = random.standard_normal(len(p), dtype=np.float32)
            d *= np.float32(spreads[name])
            d += p
            yield name, start, p, ROUNDED.get((dtypes or {}).get(name, "F32"), np.asarray)(d)

    return again


def drawn_spread(
    mean: float, exponents: NDArray[np.int64], *, dtype: str = "F32", on_grid: bool = True
) -> float:
    """Return the standard deviation of Gaussian changes whose mean |d| is `mean` once they are stored.

    Parameters
    ----------
    mean : float
        Mean |d| as measured, of stored weights.
    exponents : array (256,)
        How many original weights have each exponent of float32.
    dtype : str
        BF16, F16 or F32: what the tuned weights are stored in.
    on_grid : bool
        The original's weights are numbers of that type, so that a change below half a step is lost. If not, rounding
        moves weights by itself, evenly up to half a step.

    Returns
    -------
    float
        0 for a mean of 0, and where rounding alone moves weights as far.

    Notes
    -----
    A weight whose neighbours are u apart moves k steps if d rounds to k u, so that the mean of |d| is
    u sum_k erfc((k + 1/2) u / (sigma sqrt 2)), k from 0; over all weights it rises with sigma, which is bisected. Off
    the grid, the variance u^2 / 12 of rounding is added to sigma^2, as if the sum were Gaussian.

    Examples
    --------
    >>> one = np.zeros(256, np.int64)
    >>> one[127] = 1000  # weights from 1 to 2: steps of 2^-7 in bfloat16
    >>> round(drawn_spread(0.01, one), 5), round(drawn_spread(0.001, one, dtype="BF16"), 5)
    (0.01253, 0.00257)
    """
    bits, least = STEPS[dtype]
    seen = np.flatnonzero(exponents)
    step = 2.0 ** (np.maximum(seen, least) - 127 - bits)
    share = exponents[seen] / max(int(exponents.sum()), 1)
    places = np.arange(41)[:, None] + 0.5

    def moved(sigma: float) -> float:
        plain = sigma * np.sqrt(2 / np.pi)
        if not on_grid:
            return float(share @ np.sqrt(plain**2 + step**2 / 6 / np.pi))
        coarse = step * erfc(np.minimum(places * step / (sigma * np.sqrt(2)), 40)).sum(axis=0)
        return float(share @ np.where(step > 0.15 * sigma, coarse, plain))

    low, high = 0.0, 1e4 * mean + float(step.max(initial=0))
    if not mean or (not on_grid and moved(0.0) >= mean):
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if moved(middle) < mean else (low, middle)
    return high
