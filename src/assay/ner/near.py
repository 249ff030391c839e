"""Which texts are nearly the same, exactly: an index of the rarest character 5-grams of every text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay._check import at_least
from assay.data.duplicates import NGRAM_CHARS, normal
from assay.errors import DataError

BUCKETS = 2**22


def near_texts(
    texts: Sequence[str], *, near: float, asks: NDArray[np.bool_], stays: NDArray[np.bool_]
) -> list[tuple[int, float] | None]:
    """Return for each text that `asks` the lowest-numbered earlier text near to it, with the Jaccard index.

    Texts are near where the sets of their character 5-grams, normalised and case-folded as in
    `assay.data.duplicates.shingles`, have a Jaccard index of `near` or more. A text that `stays` can be found by later
    ones, unless it asked and was found near to one itself: so of a group of near texts the first stays. The pairs are
    exact, up to a collision of 44-bit hashes (one text in 10**9 has one within it); nothing is left to chance as in
    MinHash-LSH, which misses one pair in 350 at the limit.

    Parameters
    ----------
    texts
        In the order that decides.
    near
        Jaccard index, above 0 and at most 1.
    asks, stays : array (n,) of bool

    Notes
    -----
    About n (m log m + p c) operations for texts of m grams, of which a share p = 1 - near is looked up, and c texts
    that share one of these: the rarest grams of all texts, so that c is small. Memory: 8 bytes a gram, 30 a gram that
    is looked up, 32 MB for the counts.

    Source of the filters: Chaudhuri et al., ICDE 2006 (prefixes); Xiao et al., WWW 2008 (positions).

    Examples
    --------
    >>> both = np.ones(2, dtype=bool)
    >>> near_texts(["The river is wide today.", "the  river is wide today"], near=0.8, asks=both, stays=both)
    [None, (0, 0.95)]
    """
    from assay.ner import kernels

    at_least("near", near, 0, strict=True)
    if near > 1:
        raise DataError(f"near must be <= 1; got {near!r}.")
    folded = [normal(text).casefold().encode("utf-32-le", "replace") for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(text) // 4 for text in folded])]).astype(np.int64)
    codes = np.frombuffer(b"".join(folded), dtype="<u4")
    del folded
    keys, lengths = np.empty(len(codes), dtype=np.uint64), np.empty(len(texts), dtype=np.int64)
    kernels.hash_grams(codes, starts, NGRAM_CHARS, keys, lengths)
    del codes
    kernels.rarest_first(keys, starts, lengths, np.zeros(BUCKETS, dtype=np.int64))
    size = int((lengths - np.ceil(near * lengths - 1e-9) + 1)[stays].sum()) if len(texts) else 0
    heads = np.full(1 << max(size, 1).bit_length(), -1, dtype=np.int64)
    found, share = np.empty(len(texts), dtype=np.int64), np.zeros(len(texts))
    entries = (np.empty(size, dtype=kind) for kind in (np.uint64, np.int64, np.int64, np.int64))
    kernels.join(keys, starts, lengths, asks, stays, near, heads, *entries, found, share)
    return [
        (other, jaccard) if other >= 0 else None
        for other, jaccard in zip(found.tolist(), share.tolist(), strict=True)
    ]
