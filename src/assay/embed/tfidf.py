"""An encoder without weights: hashed character n-grams, TF-IDF, truncated SVD."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.embed.encoder import Fingerprint, mend, unit_rows
from assay.errors import DataError

NGRAMS = (1, 3)  # 5-NN label accuracy: dolly .65, BELLE .75; longer ones are slower and no better
FEATURES = 2**17
DIMENSIONS = 256
FIT_AT_MOST = 50_000
SEED = 0


def build(argument: str) -> TfidfEncoder:
    """Return an unfitted `tfidf` encoder."""
    del argument  # the spec has none
    return TfidfEncoder()


class TfidfEncoder:
    """Latent semantic vectors of character n-grams, fitted on the texts themselves.

    Every word, and every run of Chinese, Japanese or Thai, is cut into runs of 1 to 3 characters, which are
    hashed into 131,072 features, weighed by TF-IDF with sublinear counts, and projected on the leading
    singular vectors of the texts fitted on. A lexical encoder: it knows spellings, not meanings.

    Vectors have 256 dimensions, fewer for a small corpus. The last dimension is kept for texts without a
    character that is known, empty ones above all: they point along it, equal to one another and at cosine
    distance 1 from every other text, so no row is zero.

    Fitting depends on the set of distinct texts, neither on their order nor on copies. Sets that are to be
    compared must be encoded by one fitted encoder.
    """

    def __init__(self) -> None:
        self.name = "tfidf"
        self._fitted_on: str | None = None
        self._idf: NDArray[np.float32] | None = None
        self._components: NDArray[np.float32] | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        """The settings, the library's version and a hash of the texts fitted on."""
        from sklearn import __version__

        self._require_fit()
        return {
            "encoder": "tfidf",
            "revision": f"scikit-learn {__version__}, char_wb {NGRAMS[0]}-{NGRAMS[1]}, {FEATURES} features",
            "pooling": "svd",
            "max_tokens": None,
            "normalisation": "unit",
            "dtype": "float32",
            "fitted_on": self._fitted_on,
            "seed": SEED,
        }

    def fit(self, texts: Sequence[str]) -> TfidfEncoder:
        """Learn weights and directions from `texts`, and return the encoder itself.

        At most 50,000 distinct texts are used, a seeded sample where there are more. One thread, so that
        the same texts give the same bytes on any number of cores; half a minute for 50,000 instructions.
        """
        from sklearn.utils.extmath import randomized_svd
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

        distinct = sorted({_digest(text): text for text in texts}.items())
        if not distinct:
            raise DataError("texts must hold at least one text to fit on; got none.")
        self._fitted_on = hashlib.blake2b(b"".join(key for key, _ in distinct), digest_size=16).hexdigest()
        chosen = [text for _, text in distinct]
        if len(chosen) > FIT_AT_MOST:
            rows = np.random.default_rng(SEED).choice(len(chosen), FIT_AT_MOST, replace=False)
            chosen = [chosen[row] for row in np.sort(rows)]
        counts = _counts(chosen)
        seen_in = np.bincount(counts.indices, minlength=FEATURES)
        self._idf = np.asarray(np.log((1 + len(chosen)) / (1 + seen_in)) + 1, dtype=np.float32)
        weighed = _weigh(counts, self._idf)
        used = np.flatnonzero(seen_in)  # the rest would only be carried through the decomposition as zeros
        rank = min(DIMENSIONS - 1, len(chosen), len(used))
        self._components = np.zeros((FEATURES, rank), dtype=np.float32)
        if rank:
            with threadpool_limits(1):
                _, _, directions = randomized_svd(weighed[:, used], rank, n_iter=4, random_state=SEED)
            self._components[used] = directions.T
        return self

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d), d at most 256. `fit` comes first."""
        idf, components = self._require_fit()
        vectors = np.zeros((len(texts), components.shape[1] + 1), dtype=np.float32)
        if len(texts):
            vectors[:, :-1] = _weigh(_counts(texts), idf) @ components
        unknown = np.linalg.norm(vectors, axis=1) < 1e-6
        vectors[unknown] = 0
        vectors[unknown, -1] = 1
        return unit_rows(vectors)

    def _require_fit(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self._idf is None or self._components is None:
            raise DataError(
                "encoder 'tfidf' must be fitted before use; got one that is not. Call fit(texts)."
            )
        return self._idf, self._components


def _digest(text: str) -> bytes:
    return hashlib.blake2b(mend(text).encode(), digest_size=16).digest()


def _counts(texts: Sequence[str]) -> Any:
    """Sparse counts of hashed n-grams, (n, FEATURES), indices sorted."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=NGRAMS,
        n_features=FEATURES,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    counts = vectorizer.transform([mend(text) for text in texts])
    counts.sort_indices()
    return counts


def _weigh(counts: Any, idf: NDArray[np.float32]) -> Any:
    """Sublinear TF-IDF rows of norm 1."""
    from sklearn.preprocessing import normalize

    weighed = counts.copy()
    weighed.data = (1 + np.log(weighed.data)) * idf[weighed.indices]
    return normalize(weighed, copy=False)
