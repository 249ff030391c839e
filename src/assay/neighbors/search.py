"""Which rows are probably nearest: blocks of matrix products, and the nearest of each row kept as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._parallel import Crew

TALL, WIDE = 1024, 512  # rows and columns of a product whose result stays in the cache
PANEL = 2**24  # entries of the reference that are made ready at a time
Lists = tuple[NDArray[np.floating[Any]], NDArray[np.int32]]


@dataclass(frozen=True, slots=True)
class Side:
    """Rows that ask or answer, as they were given: in memory or in a file.

    They are compared times `scale`, or as directions under `cosine`. `length` holds their norms; rows in `without` do
    not answer.
    """

    rows: NDArray[np.floating[Any]]
    length: NDArray[np.float64]
    scale: float
    cosine: bool
    without: NDArray[np.bool_] | None = None

    def half(self, dtype: type[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return half the squared norm of what is compared of each row."""
        if self.cosine:
            return np.full(len(self.rows), 0.5, dtype=dtype)
        return ((self.length * self.scale) ** 2 / 2).astype(dtype)

    def answers(self, dtype: type[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return the same, infinite where a row does not answer, so that it is near to nobody."""
        half = self.half(dtype)
        if self.without is not None:
            half[self.without] = np.inf
        return half

    def block(
        self, part: slice | NDArray[np.intp], dtype: type[np.floating[Any]]
    ) -> NDArray[np.floating[Any]]:
        """Return what is compared of some rows; no copy where they can be taken as they are."""
        block: NDArray[Any] = self.rows[part]
        if self.cosine:
            length = self.length[part, None]
            if (
                dtype is np.float32
                and self.rows.dtype != np.float64
                and length.min() > 1e-30
                and length.max() < 1e30
            ):
                block = block / length.astype(np.float32)
            else:
                block = block / length
        elif self.scale != 1.0:
            block = block * np.float64(self.scale)
        return np.ascontiguousarray(block, dtype=dtype)


def empty_lists(count: int, width: int, dtype: type[np.floating[Any]]) -> Lists:
    """Return lists of `width` that hold nobody."""
    return np.full((count, width), np.inf, dtype=dtype), np.full((count, width), -1, dtype=np.int32)


def propose(
    asking: Side, queries: NDArray[np.intp], answering: Side, width: int, dtype: type[np.floating[Any]]
) -> Lists:
    """Return for each query half the squared distances to the `width` nearest rows, by rounded products, and the rows.

    The highest comes first, and no other row is nearer, but for rounding. The reference is read once.
    """
    from assay.neighbors.kernels import keep

    keys, rows = empty_lists(len(queries), width, dtype)
    own, theirs = asking.half(dtype)[queries], answering.answers(dtype)
    n, d = answering.rows.shape
    panel = max(WIDE, PANEL // d)
    with Crew() as crew:
        step = max(64, min(TALL, -(-len(queries) // (4 * crew.threads))))
        for first in range(0, n, panel):
            count = min(panel, n - first)
            block = answering.block(slice(first, first + count), dtype)

            def work(start: int, stop: int, first: int = first, block: NDArray[Any] = block) -> None:
                mine = asking.block(queries[start:stop], dtype)
                buffer = np.empty(len(mine) * WIDE, dtype=dtype)
                for at in range(0, len(block), WIDE):
                    products = _product(mine, block[at : at + WIDE], buffer)
                    here = theirs[first + at : first + at + WIDE]
                    keep(products, own[start:stop], here, first + at, keys[start:stop], rows[start:stop])

            crew.over_blocks(len(queries), step, work)
    return keys, rows


def propose_for_all(side: Side, width: int, dtype: type[np.floating[Any]]) -> Lists:
    """As `propose`, for rows among themselves: each product serves both of its rows, so that half of them are made.

    Rows that do not answer do not ask either. In a round no two pairs of blocks share a block, so that threads write
    to lists of their own.
    """
    from assay.neighbors.kernels import keep, keep_both

    n = len(side.rows)
    keys, rows = empty_lists(n, width, dtype)
    half = side.answers(dtype)
    bar = np.where(np.isfinite(half), -np.inf, np.inf).astype(dtype)
    with Crew() as crew:
        size = min(4 * TALL, max(WIDE, n // (8 * crew.threads)))
        count = -(-n // size)

        def meet(i: int, j: int) -> None:
            mine, theirs = (side.block(slice(b * size, (b + 1) * size), dtype) for b in (i, j))
            buffer = np.empty(TALL * WIDE, dtype=dtype)
            for a in range(0, len(mine), TALL):
                here = slice(i * size + a, i * size + min(a + TALL, len(mine)))
                for b in range(0, len(theirs), WIDE):
                    there = slice(j * size + b, j * size + min(b + WIDE, len(theirs)))
                    products = _product(mine[a : a + TALL], theirs[b : b + WIDE], buffer)
                    lists = keys[here], rows[here]
                    if i == j:
                        keep(products, half[here], half[there], there.start, *lists)
                    else:
                        others = keys[there], rows[there], bar[there]
                        keep_both(products, half[here], half[there], here.start, there.start, *lists, *others)
                np.subtract(half[here], keys[here, 0], out=bar[here], where=np.isfinite(half[here]))

        for turn in range(count):
            pairs = [(i, (turn - i) % count) for i in range(count) if i <= (turn - i) % count]

            def work(at: int, _: int, pairs: list[tuple[int, int]] = pairs) -> None:
                meet(*pairs[at])

            crew.over_blocks(len(pairs), 1, work)
    return keys, rows


def _product(a: NDArray[Any], b: NDArray[Any], buffer: NDArray[Any]) -> NDArray[Any]:
    """Return the products of all rows of both, in the buffer."""
    out = buffer[: len(a) * len(b)].reshape(len(a), len(b))
    return np.dot(a, b.T, out=out)
