"""Models of sentence-transformers, static ones too, with the pooling they were trained with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._check import choice, require
from assay.embed.encoder import Encoder, Fingerprint, mend, unit_rows
from assay.embed.transformer import DTYPES, device_for, dtype_keyword, find_model, model_errors


def build(argument: str, *, max_tokens: int | None, batch_size: int, device: str, dtype: str) -> Encoder:
    """Return the encoder ``st:<argument>``: a model folder, or an id on the hub."""
    choice("dtype", dtype, DTYPES)
    require("torch", "lm", "encoder 'st:'")
    require("sentence_transformers", "lm", "encoder 'st:'")
    tokens = 256 if max_tokens is None else max_tokens
    return _SentenceTransformer(argument, tokens, batch_size, device_for(device), dtype)


class _SentenceTransformer:
    """Texts are cut to `max_tokens`, or to what the model was made for where that is less."""

    def __init__(self, source: str, max_tokens: int, batch_size: int, device: str, dtype: str) -> None:
        self.name = f"st:{source}"
        self._source, self._load_options, revision = find_model(source)
        self.fingerprint: Fingerprint = {
            "encoder": "st",
            "revision": revision,
            "pooling": "model",
            "max_tokens": max_tokens,
            "normalisation": "unit",
            "dtype": dtype,
        }
        self._max_tokens = max_tokens
        self._batch_size = batch_size
        self.device = device
        self._dtype = dtype
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d). A static model has no vector for an empty text: its row is 0."""
        if self._model is None:
            self._model = self._load()
        vectors = self._model.encode(
            [mend(text) for text in texts],
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return unit_rows(np.asarray(vectors, dtype=np.float32))

    def _load(self) -> Any:
        import sentence_transformers
        import torch

        with model_errors(self.name):
            model = sentence_transformers.SentenceTransformer(
                self._source,
                device=self.device,
                model_kwargs={dtype_keyword(): getattr(torch, self._dtype)},
                **self._load_options,
            )
        limit = model.max_seq_length
        if limit == math.inf:  # static models read everything, unless their tokenizer is told otherwise
            model[0].tokenizer.enable_truncation(self._max_tokens)
        else:
            model.max_seq_length = min(self._max_tokens, limit or self._max_tokens)
        return model
