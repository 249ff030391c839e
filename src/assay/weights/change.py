"""How far weights moved, summed over tensors, layers, modules or regions: one pass over a pair's slices."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import TypeVar

import numpy as np

from assay.errors import DataError
from assay.weights.checkpoint import Vector
from assay.weights.ranking import EPSILON

BLOCK = 2**16  # values that are summed at once, so that what is between stays in the cache
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Change:
    """How far some weights moved; d is tuned less original (p). Sums, so that two of them add up.

    A sum over many weights says nothing alone: compare it with the sum's share that as many weights would have, and
    with the null model's, whose relative changes are as uneven.
    """

    size: int
    unchanged: int  # d = 0
    relative: float  # sum of |d| / (|p| + 1e-8)
    absolute: float  # sum of |d|
    signed: float  # sum of d
    squared: float  # sum of d^2
    scaled: float  # sum of |d| / the standard deviation of the original weights of its tensor
    original: float  # sum of p^2
    largest: float  # the largest |d|

    def __add__(self, other: Change) -> Change:
        """Return the change of both sets of weights."""
        sums = [a + b for a, b in zip(astuple(self), astuple(other), strict=True)]
        sums[-1] = max(self.largest, other.largest)
        return Change(*sums)

    @property
    def unchanged_fraction(self) -> float:
        """0 to 1."""
        return self.unchanged / self.size

    @property
    def mean_relative(self) -> float:
        """Mean of |d| / (|p| + 1e-8): a few weights near zero make most of it."""
        return self.relative / self.size

    @property
    def mean_absolute(self) -> float:
        """Mean of |d|."""
        return self.absolute / self.size

    @property
    def mean_signed(self) -> float:
        """Mean of d; near zero beside the mean of |d| where changes have no direction."""
        return self.signed / self.size

    @property
    def mean_scaled(self) -> float:
        """Mean of |d| in standard deviations of the original weights of each tensor."""
        return self.scaled / self.size

    @property
    def norm_ratio(self) -> float:
        """Norm of d over the norm of p; infinity where p is all zero and d is not, 0 where both are."""
        if not self.original:
            return float("inf") if self.squared else 0.0
        return float(np.sqrt(self.squared / self.original))


def changes(chunks: Iterable[tuple[str, int, Vector, Vector]]) -> dict[str, Change]:
    """Return how far the weights of each tensor moved.

    Parameters
    ----------
    chunks : iterable of (name, start, original, tuned)
        As `Pair.chunks()` gives them; a tensor's slices in any order, each once.

    Returns
    -------
    dict
        Tensor name to `Change`, in the order in which they come. Sums are float64 of float32 changes; other slices
        change their last digits.

    Raises
    ------
    DataError
        For nan or infinity on a side, or a change too large for float32: tensor and place named.

    Notes
    -----
    The standard deviation that `scaled` divides by is that of the compared weights, at least 1e-8, as in the ranking
    of that name. Source of the relative change: Ye et al., EMNLP 2025, arXiv 2509.16596, whose program adds the
    1e-8 and sums in bfloat16.

    Examples
    --------
    >>> p, s = np.array([1, -2, 0.5, 4], np.float32), np.array([1.5, -2, 0.75, 3], np.float32)
    >>> found = changes([("w", 0, p, s)])["w"]
    >>> found.unchanged, found.absolute, found.signed, round(found.relative, 6), found.largest
    (1, 1.75, -0.25, 1.25, 1.0)
    """
    sums: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for name, start, original, tuned in chunks:
        if original.shape != tuned.shape or original.ndim != 1:
            raise DataError(
                f"tuned values of {name} must be as many as the original's {original.shape}; got {tuned.shape}."
            )
        total = sums.setdefault(name, np.zeros(9))
        for at in range(0, len(original), BLOCK):
            p, s = original[at : at + BLOCK], tuned[at : at + BLOCK]
            with np.errstate(over="ignore", invalid="ignore"):
                d = s - p
            distance, weight = np.abs(d), np.abs(p)
            if not np.isfinite(distance).all():
                _refuse(name, start + at, p, s, distance)
            wide, base = d.astype(np.float64), p.astype(np.float64)
            part: tuple[float, ...] = (
                len(d),
                len(d) - int(np.count_nonzero(d)),
                float((distance / (weight + np.float32(EPSILON))).sum(dtype=np.float64)),
                float(np.abs(wide).sum()),
                float(wide.sum()),
                float(wide @ wide),
                float(base.sum()),
                float(base @ base),
            )
            total[:8] += part
            total[8] = max(total[8], distance.max(initial=0))
    found = {}
    for name, total in sums.items():
        size, unchanged, relative, absolute, signed, squared, mean, original_squared, largest = total.tolist()
        variance = (original_squared - mean * mean / size) / size if size else 0.0
        spread = variance**0.5 if variance > 1e-13 * original_squared / max(size, 1) else 0.0  # else rounding
        found[name] = Change(
            int(size), int(unchanged), relative, absolute, signed, squared, absolute / max(spread, EPSILON),
            original_squared, largest,
        )  # fmt: skip
    return found


def grouped(found: Mapping[str, Change], key: Callable[[str], Key]) -> dict[Key, Change]:
    """Return the changes of tensors added up by a key of their names, such as their layer.

    Parameters
    ----------
    found : mapping of str to Change
    key : callable
        Name to group; tensors of one group are added.

    Returns
    -------
    dict
        Group to `Change`, in the order in which groups first come.

    Examples
    --------
    >>> one = np.ones(2, np.float32)
    >>> found = changes([("a.0", 0, one, one * 2), ("b.0", 0, one, one), ("b.1", 0, one, one * 3)])
    >>> {layer: (part.size, part.absolute) for layer, part in grouped(found, lambda name: name[-1]).items()}
    {'0': (4, 2.0), '1': (2, 4.0)}
    """
    groups: dict[Key, Change] = {}
    for name, change in found.items():
        group = key(name)
        groups[group] = groups[group] + change if group in groups else change
    return groups


def _refuse(name: str, start: int, p: Vector, s: Vector, distance: Vector) -> None:
    """Raise for the first value that is not finite."""
    at = int(np.argmax(~np.isfinite(distance)))
    for side, values in (("original", p), ("tuned", s)):
        if not np.isfinite(values[at]):
            raise DataError(
                f"{side} values must be finite; {name} has {values[at]} at place {start + at}. Mend the model."
            )
    raise DataError(
        f"changes must fit into float32; {name} goes from {p[at]:g} to {s[at]:g} at place {start + at}."
    )
