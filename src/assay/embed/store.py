"""Embeddings on disk: each distinct text encoded once, kept in shards, found again by the next run.

::

    CACHE/
    └── sentence-3f0c19d2a4b85e67/       one folder for each fingerprint and dtype
        ├── manifest.json                that fingerprint, readable
        ├── 5c7e…-91ab….npy              vectors of one shard (rows, d)
        └── 5c7e…-91ab….keys.npy         their texts' hashes (rows, 16); written last: now it counts

A shard's name is the hash of its keys and the hash of its vectors, so a damaged one is known, and runs that
share a folder can only ever write the same bytes under the same name.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay import _ray
from assay._check import choice, whole
from assay._files import atomic, read_json, write_json
from assay.embed.encoder import Encoder, Fingerprint
from assay.embed.vectors import check_finite
from assay.errors import DataError

SHARD_ROWS = 1024
KEY_BYTES = 16
BLOCK_ROWS = 8192
DTYPES = ("float32", "float16")


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Vectors (n, d), one id for each row, and the fingerprint of the encoder they come from.

    The vectors may be memory-mapped; they are checked in blocks and never copied.
    """

    vectors: NDArray[np.floating[Any]]
    ids: Sequence[str] | NDArray[Any]
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        check_finite("embeddings", self.vectors)
        if len(self.ids) != len(self.vectors):
            raise DataError(f"ids must be as many as embeddings ({len(self.vectors)}); got {len(self.ids)}.")
        seen: dict[Any, int] = {}
        for row, name in enumerate(self.ids):
            if seen.setdefault(name, row) != row:
                raise DataError(f"ids must be unique; got {name!r} at rows {seen[name]} and {row}.")


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What a call of `embed` did: `texts` given, `distinct` among them, `embedded` now, `cached` before."""

    texts: int
    distinct: int
    embedded: int
    cached: int
    seconds: float


def embed(
    texts: Sequence[str],
    encoder: Encoder,
    *,
    cache: str | Path,
    dtype: str = "float32",
    shard_size: int = SHARD_ROWS,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: str = "local",
    workers: int | None = None,
) -> tuple[NDArray[np.floating[Any]], EmbedReport]:
    """Return the vectors of `texts`, encoding only what the cache does not hold yet.

    A text is known by the hash of its characters, so equal texts are encoded once, whatever set they are in.
    Each shard is on disk before the next begins: a run that is killed loses the shard it was working on, and
    the next call goes on from there. Any number of runs may share a cache; runs at work on the same texts at
    the same time each encode them.

    Parameters
    ----------
    texts
        At least one.
    encoder
        See `assay.embed.resolve`; ``tfidf`` must be fitted already.
    cache
        A folder, made if missing. Other encoders' vectors may lie there too.
    dtype
        ``float32`` or ``float16`` (half the space, three digits), in the cache and in the result.
    shard_size
        Texts encoded between two writes, >= 1.
    out
        Where set, the result is written to this ``.npy`` file, whole or not at all, and memory-mapped.
    progress
        Called with (distinct texts done, distinct texts in all), at first with what the cache holds.
    engine
        ``local``, or ``ray``: a pool of Ray workers, each with the model, encodes the shards through Ray Data. They are
        written as they come. A lost worker's shard is encoded again.
    workers
        Ray workers of one core, >= 1, and a GPU each where the encoder is on one. None: one for every CPU of the
        cluster.

    Returns
    -------
    matrix, report
        (n, d) in the order of `texts`, and how many texts were embedded now and found in the cache.

    Raises
    ------
    DataError
        No texts, a damaged cache, or vectors that are not finite or have no direction.

    Notes
    -----
    Memory: the result once (none of it with `out`), about 200 bytes for each distinct text, and one shard.
    Reading n rows back costs one pass over the shards that hold them.

    The same call gives the same bytes after any number of kills, since the texts still to do are taken in
    order of first appearance and an unfinished shard is done again whole. With an encoder whose vectors do
    not depend on their batch (``sentence``, ``tfidf``), bytes do not depend on what was in the cache either;
    with the others a text that another set brought to the cache may differ by rounding, about 1e-7.
    """
    began = time.perf_counter()
    if isinstance(texts, str) or not len(texts):
        raise DataError(f"texts must be a non-empty sequence of texts; got {texts!r}.")
    choice("dtype", dtype, DTYPES)
    _ray.check_engine(engine, workers)
    whole("shard_size", shard_size, 1)
    folder = _folder(Path(cache), encoder.fingerprint, dtype)
    keys = [_key(text) for text in texts]
    missing: dict[bytes, int] = {}
    for row, key in enumerate(keys):
        missing.setdefault(key, row)
    distinct = len(missing)
    first = np.fromiter((missing[key] for key in keys), dtype=np.int64, count=len(keys))
    del keys
    target = _Target(len(texts), dtype, None if out is None else Path(out))
    try:
        for vectors, found in _read_shards(folder, missing, dtype):
            target.put(vectors, found)
        cached = distinct - len(missing)
        if progress is not None:
            progress(cached, distinct)
        todo = list(missing.items())
        shards = [todo[start : start + shard_size] for start in range(0, len(todo), shard_size)]
        done = cached
        for number, vectors in _encoded_by(
            encoder, [[texts[row] for _, row in shard] for shard in shards], engine, workers
        ):
            shard = shards[number]
            vectors = _checked(encoder, [texts[row] for _, row in shard], vectors, dtype)
            target.put(vectors, [row for _, row in shard])
            _write_shard(folder, np.frombuffer(b"".join(key for key, _ in shard), np.uint8), vectors)
            done += len(shard)
            if progress is not None:
                progress(done, distinct)
        matrix = target.finish(first)
    except BaseException:
        target.abandon()
        raise
    report = EmbedReport(len(texts), distinct, distinct - cached, cached, time.perf_counter() - began)
    return matrix, report


class _Target:
    """The result, in memory or in a file beside `out`; its width is known with the first vectors."""

    def __init__(self, rows: int, dtype: str, out: Path | None) -> None:
        self._shape = rows
        self._dtype = np.dtype(dtype)
        self._out = out
        self._part: Path | None = None
        self._matrix: NDArray[np.floating[Any]] | None = None

    def put(self, vectors: NDArray[np.floating[Any]], rows: Sequence[int]) -> None:
        if self._matrix is None:
            shape = (self._shape, vectors.shape[1])
            if self._out is None:
                self._matrix = np.empty(shape, dtype=self._dtype)
            else:
                self._out.parent.mkdir(parents=True, exist_ok=True)
                self._part = self._out.with_name(f".{self._out.name}.{time.time_ns()}.part")
                self._matrix = np.lib.format.open_memmap(self._part, "w+", dtype=self._dtype, shape=shape)
        if vectors.shape[1] != self._matrix.shape[1]:
            raise DataError(
                f"vectors of one encoder must have one length; got {self._matrix.shape[1]} and "
                f"{vectors.shape[1]}. If the model behind the same name changed, use another cache folder."
            )
        self._matrix[np.asarray(rows, dtype=np.int64)] = vectors

    def finish(self, first: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Copy each text's first row to its repetitions, and move a file to its place."""
        matrix = self._matrix
        assert matrix is not None
        again = np.flatnonzero(first != np.arange(len(first)))
        for start in range(0, len(again), BLOCK_ROWS):
            rows = again[start : start + BLOCK_ROWS]
            matrix[rows] = matrix[first[rows]]
        if self._part is None or self._out is None:
            return matrix
        assert isinstance(matrix, np.memmap)
        matrix.flush()
        self._part.replace(self._out)
        self._part = self._matrix = None
        mapped: NDArray[np.floating[Any]] = np.load(self._out, mmap_mode="r", allow_pickle=False)
        return mapped

    def abandon(self) -> None:
        if self._part is not None:
            self._part.unlink(missing_ok=True)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def _hash(array: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=8).hexdigest()


def _folder(cache: Path, fingerprint: Fingerprint, dtype: str) -> Path:
    """The folder of one fingerprint and dtype, with its manifest."""
    if cache.is_file():
        raise DataError(f"cache must be a folder; {cache} is a file.")
    content: Mapping[str, Any] = {"version": 1, "dtype": dtype, "fingerprint": dict(fingerprint)}
    digest = hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    kind = "".join(char for char in str(fingerprint.get("encoder", "")) if char.isalnum() or char in "_-")
    folder = cache / f"{kind or 'encoder'}-{digest}"
    manifest = folder / "manifest.json"
    if not manifest.exists():
        write_json(manifest, content)
    elif read_json(manifest) != content:
        raise DataError(
            f"{manifest} must hold the fingerprint that its folder is named for. Delete {folder}."
        )
    return folder


def _read_shards(
    folder: Path, missing: dict[bytes, int], dtype: str
) -> Iterator[tuple[NDArray[np.floating[Any]], list[int]]]:
    """Yield the vectors of wanted texts and their rows, shard by shard, taking them off `missing`."""
    for keys_file in sorted(folder.glob("*.keys.npy")):
        if not missing:
            return
        keys = _read(keys_file, np.dtype(np.uint8))
        name = keys_file.name.removesuffix(".keys.npy")
        keys_hash, _, vectors_hash = name.partition("-")
        if _hash(keys.ravel()) != keys_hash or keys.shape[1] != KEY_BYTES:
            raise _damaged(keys_file, "its content is not what its name says")
        here = [(position, missing.pop(key.tobytes(), None)) for position, key in enumerate(keys)]
        hits = [(position, row) for position, row in here if row is not None]
        if not hits:
            continue
        vectors_file = folder / f"{name}.npy"
        vectors = _read(vectors_file, np.dtype(dtype))
        if _hash(vectors) != vectors_hash or len(vectors) != len(keys):
            raise _damaged(vectors_file, "its content is not what its name says")
        yield vectors[[position for position, _ in hits]], [row for _, row in hits]


def _read(file: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise _damaged(file, "there is none, though its keys are there") from None
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, str(error)) from error
    if array.ndim != 2 or array.dtype != dtype:
        raise _damaged(file, f"shape {array.shape}, dtype {array.dtype}")
    return array


def _damaged(file: Path, got: str) -> DataError:
    return DataError(
        f"{file} must be a whole shard of embeddings; got {got}. "
        f"Delete {file.name.split('.')[0]}*.npy in that folder, and its texts are embedded again."
    )


def _encoded_by(
    encoder: Encoder, shards: Sequence[Sequence[str]], engine: str, workers: int | None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the number of each shard and its vectors, in any order."""
    if engine == "ray" and shards:
        from assay.embed.spread import encoded_shards

        yield from encoded_shards(encoder, shards, workers)
        return
    for number, texts in enumerate(shards):
        yield number, np.asarray(encoder.encode(texts))


def _checked(
    encoder: Encoder, texts: Sequence[str], vectors: NDArray[Any], dtype: str
) -> NDArray[np.floating[Any]]:
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise DataError(
            f"encoder {encoder.name!r} must return one vector a text; got shape {vectors.shape} "
            f"for {len(texts)} texts."
        )
    vectors = np.ascontiguousarray(vectors, dtype=dtype)
    bad = np.flatnonzero(~(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)))
    if len(bad):
        raise DataError(
            f"encoder {encoder.name!r} must return finite vectors with a direction; {len(bad)} of "
            f"{len(texts)} have none, first that of the text {texts[bad[0]][:40]!r}. Leave such rows out."
        )
    return vectors


def _write_shard(folder: Path, keys: NDArray[np.uint8], vectors: NDArray[np.floating[Any]]) -> None:
    name = f"{_hash(keys)}-{_hash(vectors)}"
    for file, array in ((f"{name}.npy", vectors), (f"{name}.keys.npy", keys.reshape(-1, KEY_BYTES))):
        with atomic(folder / file) as handle:
            np.save(handle, array, allow_pickle=False)
