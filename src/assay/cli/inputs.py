"""Data arguments -> texts, columns and vectors."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check, _ray
from assay._files import file_hash
from assay._parallel import cores
from assay.cli.console import Talk, human_seconds
from assay.data import FORMATS, read, resolve, spool_stdin, text
from assay.data.json_text import excerpt
from assay.embed import ENCODERS, Encoder, load_vectors
from assay.embed import embed as embed_texts
from assay.embed import resolve as resolve_encoder
from assay.embed.encoder import mend
from assay.embed.store import DTYPES
from assay.errors import DataError

VECTOR_FILES = (".npy", ".safetensors")


@dataclass(frozen=True, slots=True)
class Given:
    """A data argument as it was given: its role in the run, the source, its ready vectors, what to keep of it."""

    role: str
    source: str
    vectors: str | None = None
    shape: str | None = None
    limit: int | None = None
    columns: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """The names of the options that gave source and vectors."""
        beside = self.role in ("initial", "reference")
        return (self.role, f"{self.role}_vectors") if beside else ("source", "vectors")

    @property
    def only_vectors(self) -> bool:
        """Whether the source holds vectors and no records."""
        return self.source.endswith(VECTOR_FILES)

    @property
    def ready(self) -> bool:
        """Whether nothing has to be embedded."""
        return self.only_vectors or self.vectors is not None


@dataclass(slots=True)
class Records:
    """What a run needs of a source: its texts, ids and wanted columns, or its ready vectors."""

    given: Given
    path: str | Path
    files: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    shape: str | None = None
    origins: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    vectors: NDArray[np.floating[Any]] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def matrix(self) -> NDArray[np.floating[Any]]:
        """The vectors, which `Embedding.fill` gives."""
        assert self.vectors is not None
        return self.vectors

    def check_unchanged(self) -> None:
        """Raise if a file behind the records is not what it was when they were read."""
        for (path, digest), file in zip(self.files, _files(self.given, self.path), strict=True):
            if file_hash(file) != digest:
                raise DataError(f"{path} must not change during a run; it did. Run again.")


@dataclass(frozen=True, slots=True)
class Reading:
    """How every source of a run is read."""

    text: str = "all"
    on_bad: str = "error"
    vectors_column: str | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """How texts become vectors in a run, and where they are kept."""

    encoder: str = "sentence"
    max_tokens: int | None = None
    pooling: str | None = None
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "float32"
    workers: int | None = None
    base_url: str | None = None
    cache: str | None = None
    engine: str = "local"
    ray_address: str | None = None

    @property
    def search_device(self) -> str:
        """Where neighbour searches run: on a GPU only when one is named."""
        return "cpu" if self.device == "auto" or self.engine == "ray" else self.device

    @property
    def spread(self) -> dict[str, Any]:
        """The keywords `engine` and `workers` of whatever can run on Ray."""
        return {"engine": self.engine, "workers": self.workers if self.engine == "ray" else None}

    def connect(self) -> None:
        """Start or join the Ray that is asked for, so that one that cannot be reached is known at once."""
        _ray.check_engine(**self.spread)
        if self.ray_address is not None and self.engine != "ray":
            raise DataError(
                f"ray_address must be left out with engine {self.engine!r}; got {self.ray_address!r}."
            )
        if self.engine == "ray":
            _ray.connect(self.ray_address)

    def resolve(self) -> Encoder:
        """Return the encoder."""
        _check.choice("dtype", self.dtype, DTYPES)
        row = ENCODERS.get(self.encoder.partition(":")[0])
        takes_device = row is None or "device" in row.options
        return resolve_encoder(
            self.encoder,
            max_tokens=self.max_tokens,
            pooling=self.pooling,
            batch_size=self.batch_size,
            device=self.device if takes_device else "auto",
            workers=None if self.engine == "ray" else self.workers,
            base_url=self.base_url,
        )

    def fill(
        self,
        sets: Sequence[Records],
        encoder: Encoder | None,
        talk: Talk,
        folder: Path | None,
        *,
        keep_texts: bool = False,
    ) -> dict[str, Any]:
        """Give every set its vectors, all by one encoder, and return what the manifest should say of it.

        Vectors are kept in the cache, or else in ``folder/embeddings``, or else only for this run. Texts are let go
        of, unless `keep_texts`.
        """
        if encoder is None:
            return {"encoder": {"encoder": "ready vectors"}}
        texts = [entry for records in sets for entry in records.texts]
        with ExitStack() as stack:
            if self.cache is not None:
                cache = Path(self.cache)
            elif folder is not None:
                cache = folder / "embeddings"
            else:
                cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assay-")))
            fit = getattr(encoder, "fit", None)
            if fit is not None:
                with talk.stage("fit", f"{len(texts):,} texts"):
                    fit(texts)
            with talk.stage(
                "embed", f"{len(texts):,} texts with {encoder.name}{_expected(encoder, texts)}"
            ) as progress:
                matrix, report = embed_texts(
                    texts, encoder, cache=cache, dtype=self.dtype, progress=progress, **self.spread
                )
        talk.say(f"embedded {report.embedded:,} texts now, {report.cached:,} were in the cache")
        start = 0
        for records in sets:
            records.vectors = matrix[start : start + len(records)]
            start += len(records)
            if not keep_texts:
                records.texts.clear()
        return {
            "encoder": dict(encoder.fingerprint),
            "distinct_texts": report.distinct,
            "run": {"embedded": report.embedded, "from_cache": report.cached},
        }


def check(wanted: Sequence[Given], reading: Reading, embedding: Embedding) -> Encoder | None:
    """Raise by whatever can be known to be wrong before anything is read; return the encoder, if one is needed."""
    _check.choice("text", reading.text, ("all", "instruction"))
    _check.choice("on_bad", reading.on_bad, ("error", "skip"))
    for given in wanted:
        _check_given(given)
    if sum(given.source == "-" for given in wanted) > 1:
        raise DataError("standard input must be one source only; got - more than once.")
    ready = [given for given in wanted if given.ready]
    waiting = [given for given in wanted if not given.ready]
    if ready and waiting:
        raise DataError(
            f"every set must come with ready vectors, or none; {ready[0].source} has them and "
            f"{waiting[0].source} has not. Vectors of different encoders do not compare."
        )
    if waiting:
        if reading.vectors_column is not None:
            raise DataError("vectors_column must be left out without ready vectors; got one.")
        encoder = embedding.resolve()
        embedding.connect()
        return encoder
    if reading.text != "all":
        raise DataError(f"text must be left out with ready vectors; got {reading.text!r}.")
    plain = Embedding(device=embedding.device, engine=embedding.engine, ray_address=embedding.ray_address)
    if embedding.engine == "ray":
        plain = replace(plain, workers=embedding.workers)
    for option in fields(Embedding):
        value = getattr(embedding, option.name)
        if value != getattr(plain, option.name):
            raise DataError(f"{option.name} must be left out with ready vectors; got {value!r}.")
    embedding.connect()
    return None


def _check_given(given: Given) -> None:
    source, vectors = given.names
    if given.shape is not None:
        _check.choice("shape", given.shape, FORMATS)
    if given.limit is not None:
        _check.at_least("limit", given.limit, 1)
    if given.only_vectors:
        if given.vectors is not None:
            raise DataError(
                f"{vectors} must be left out where the data is vectors already; got {given.vectors}."
            )
        if given.columns:
            raise DataError(
                f"{given.source} must hold records to have a column {given.columns[0]!r}; it holds vectors only."
            )
        if not Path(given.source).is_file():
            raise DataError(f"{source} must be an existing file; there is no {given.source}.")
    else:
        resolve(given.source)
    if given.vectors is not None and not Path(given.vectors).is_file():
        raise DataError(f"{vectors} must be an existing file; there is no {given.vectors}.")


def sets_under(
    sources: Sequence[str],
    vectors: str | None,
    reference: str | None,
    reference_vectors: str | None,
    shape: str | None,
    limit: int | None,
) -> list[Given]:
    """Return the sets that a command measures, each with its own of the comma-separated vectors, and the reference."""
    ready = [None] * len(sources) if vectors is None else vectors.split(",")
    if len(ready) != len(sources):
        raise DataError(f"vectors must name one file a set ({len(sources)}); got {len(ready)}.")
    found = [Given("set", source, file, shape, limit) for source, file in zip(sources, ready, strict=True)]
    if reference is not None:
        return [*found, Given("reference", reference, reference_vectors)]
    if reference_vectors is not None:
        raise DataError("reference_vectors must come with a source as reference; got none.")
    return found


def opened(given: Given) -> Records:
    """Return the records of a source before any is read, with the hashes of its files."""
    records = Records(given, spool_stdin() if given.source == "-" else given.source)
    shown = [given.source] if given.source == "-" else _files(given, records.path)
    records.files = [
        (str(name), file_hash(file)) for name, file in zip(shown, _files(given, records.path), strict=True)
    ]
    return records


def load(given: Given, reading: Reading) -> Records:
    """Read a source once, keeping its texts by the rule and the wanted columns of its rows."""
    records = opened(given)
    if given.only_vectors:
        matrix, names = load_vectors(given.source, column=reading.vectors_column)
        records.vectors = matrix[: given.limit]
        records.ids = [str(name) for name in (names or range(len(matrix)))[: given.limit]]
        return records
    records.columns = {name: [] for name in given.columns}
    stream = read(
        records.path, shape=given.shape, limit=given.limit, on_bad=reading.on_bad, skipped=records.skipped
    )
    for sample in stream:
        records.ids.append(mend(sample.id))
        if not given.ready:
            records.texts.append(text(sample, reading.text))
        records.shape = sample.format
        if records.columns:
            records.origins.append(sample.origin)
        for name, values in records.columns.items():
            if not isinstance(sample.row, dict) or name not in sample.row:
                have = ", ".join(sample.row) if isinstance(sample.row, dict) else "none"
                raise DataError(f"{sample.origin}: row must have a column {name!r}; its columns are: {have}.")
            values.append(sample.row[name])
    if given.vectors is not None:
        matrix, _ = load_vectors(given.vectors, column=reading.vectors_column)
        if len(matrix) != len(records):
            raise DataError(
                f"{given.names[1]} must have one row a record ({len(records)} in {given.source}); "
                f"{given.vectors} has {len(matrix)}."
            )
        records.vectors = matrix
    return records


def numbers(records: Records, column: str, *, positive: bool) -> NDArray[np.float64]:
    """Return a column as numbers, or raise by the first value that is none, or not positive where that is asked for."""
    out = np.empty(len(records))
    for row, value in enumerate(records.columns[column]):
        try:
            out[row] = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            out[row] = float("nan")
        if not np.isfinite(out[row]) or (positive and out[row] <= 0):
            rule, hint = (
                ("a positive number", " Shift or scale the scores.") if positive else ("a number", "")
            )
            raise DataError(f"{records.origins[row]}: {column} must be {rule}; got {excerpt(value)}.{hint}")
    return out


def _expected(encoder: Encoder, texts: Sequence[str]) -> str:
    """Say how long the default encoder will take; the others show their rate as they go."""
    if encoder.name != "sentence" or len(texts) < 2000:
        return ""
    characters = sum(min(len(entry), 1200) for entry in texts)
    return f", {human_seconds(characters / 80_000 / cores())} if none is in the cache"


def _files(given: Given, path: str | Path) -> list[Path]:
    """Return the files behind a source; none for a hub id."""
    return [Path(path)] if given.only_vectors else resolve(path)
