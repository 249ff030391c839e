"""Which texts are nearly the same: MinHash-LSH finds the candidates, exact Jaccard decides.

Texts are compared as sets of character n-grams, so that languages without spaces work too. The texts lie in a
temporary file and only digests stay in memory (about 2 kB a text).
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
import weakref
from typing import Any

from assay._check import at_least
from assay.errors import DataError

NGRAM_CHARS = 5
DIGESTS = 256
SEED = 42
_SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """Return a text in Unicode NFC with every run of white space as one space."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def shingles(text: str) -> set[str]:
    """Return the character 5-grams of a text, normalised and case-folded; a shorter text is its own."""
    text = normal(text).casefold().encode("utf-8", "replace").decode("utf-8")
    if len(text) <= NGRAM_CHARS:
        return {text} if text else set()
    return {text[at : at + NGRAM_CHARS] for at in range(len(text) - NGRAM_CHARS + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """Return the share of two sets that they have in common, 0..1; 0 where both are empty."""
    common = len(one & other)
    return common / (len(one) + len(other) - common) if common else 0.0


def bands_for(near: float) -> int:
    """Return the fewest LSH bands that miss a pair at Jaccard `near` at most once in 200."""
    for rows in (32, 16, 8, 4, 2, 1):
        if (1 - near**rows) ** (DIGESTS // rows) <= 5e-3:
            return DIGESTS // rows
    return DIGESTS


class NearTexts:
    """Texts that can be asked for the earliest one near to another.

    >>> texts = NearTexts(near=0.8)
    >>> texts.add(0, "The colors of the rainbow are red, orange, yellow, green, blue.")
    >>> texts.nearest_before("THE  colors of the rainbow are red, orange, yellow, green, blue.")
    (0, 1.0)
    """

    def __init__(self, *, near: float) -> None:
        from rensa import RMinHashLSH

        at_least("near", near, 0, strict=True)
        if near > 1:
            raise DataError(f"near must be <= 1; got {near!r}.")
        self.near = near
        self._lsh = RMinHashLSH(near, DIGESTS, bands_for(near))
        self._digests: dict[int, Any] = {}
        self._places: dict[int, tuple[int, int]] = {}
        self._store = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._store.close)

    def add(self, number: int, text: str) -> None:
        """Keep a text under a number; an empty one is near to nothing and not kept."""
        grams = shingles(text)
        if grams:
            self._keep(number, text, _digest(grams))

    def nearest_before(self, text: str, *, keep_as: int | None = None) -> tuple[int, float] | None:
        """Return (number, Jaccard) of the lowest-numbered near text, or None; then keep the text if asked."""
        grams = shingles(text)
        if not grams:
            return None
        digest = _digest(grams)
        found = None
        # The estimate's deviation is at most .032, so 0.2 below the limit is six of them.
        for other in sorted(self._lsh.query(digest)):
            if digest.jaccard(self._digests[other]) < self.near - 0.2:
                continue
            share = jaccard(grams, self._shingles(other))
            if share >= self.near:
                found = (other, share)
                break
        if keep_as is not None:
            self._keep(keep_as, text, digest)
        return found

    def _keep(self, number: int, text: str, digest: Any) -> None:
        data = text.encode("utf-8", "replace")
        self._places[number] = (self._store.seek(0, 2), len(data))
        self._store.write(data)
        self._digests[number] = digest
        self._lsh.insert(number, digest)

    def _shingles(self, number: int) -> set[str]:
        start, size = self._places[number]
        self._store.seek(start)
        return shingles(self._store.read(size).decode("utf-8"))


def _digest(grams: set[str]) -> Any:
    from rensa import RMinHash

    return RMinHash.from_token_sets([grams], DIGESTS, SEED)[0]
