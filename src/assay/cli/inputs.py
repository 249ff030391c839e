"""Data arguments -> texts, columns and vectors."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.cli.console import Talk, human_seconds
from assay.data import read, resolve, spool_stdin, text
from assay.embed import ENCODERS, Encoder, load_vectors
from assay.embed import embed as embed_texts
from assay.embed import resolve as resolve_encoder
from assay.errors import DataError

VECTOR_FILES = (".npy", ".safetensors")


@dataclass(slots=True)
class Records:
    """What a run needs of a source: its texts, ids and wanted columns, or its ready vectors."""

    source: str
    path: str | Path
    ids: list[str]
    texts: list[str] | None
    shape: str | None = None
    columns: dict[str, list[Any]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    vectors: NDArray[np.floating[Any]] | None = None

    def __len__(self) -> int:
        return len(self.ids)


def load(
    source: str,
    *,
    shape: str | None = None,
    rule: str = "all",
    limit: int | None = None,
    on_bad: str = "error",
    columns: Sequence[str] = (),
    vectors: str | None = None,
    vectors_column: str | None = None,
) -> Records:
    """Read a source once, keeping its texts by `rule` and the named columns of its rows."""
    if source.endswith(VECTOR_FILES):
        if vectors is not None:
            raise DataError(f"vectors must be left out where the data is vectors already; got {vectors}.")
        matrix, names = load_vectors(source, column=vectors_column)
        matrix = matrix[:limit]
        found = range(len(matrix)) if names is None else names[:limit]
        if columns:
            raise DataError(
                f"{source} must hold records to have a column {columns[0]!r}; it holds vectors only."
            )
        return Records(source, source, [str(name) for name in found], None, vectors=matrix)
    _check.choice("text", rule, ("all", "instruction"))
    records = Records(source, spool_stdin() if source == "-" else source, [], [])
    assert records.texts is not None
    records.columns = {name: [] for name in columns}
    for sample in read(records.path, shape=shape, limit=limit, on_bad=on_bad, skipped=records.skipped):
        records.ids.append(sample.id)
        records.texts.append(text(sample, rule))
        records.shape = sample.format
        for name, values in records.columns.items():
            if not isinstance(sample.row, dict) or name not in sample.row:
                have = ", ".join(sample.row) if isinstance(sample.row, dict) else "none"
                raise DataError(f"{sample.origin}: row must have a column {name!r}; its columns are: {have}.")
            values.append(sample.row[name])
    if vectors is not None:
        matrix, _ = load_vectors(vectors, column=vectors_column)
        if len(matrix) != len(records):
            raise DataError(
                f"vectors must have one row a record ({len(records)} in {source}); {vectors} has {len(matrix)}."
            )
        records.vectors = matrix
    return records


def numbers(records: Records, column: str) -> NDArray[np.float64]:
    """Return a column as numbers, or raise by the first value that is none."""
    out = np.empty(len(records))
    for row, value in enumerate(records.columns[column]):
        try:
            if isinstance(value, bool) or value is None:
                raise ValueError
            out[row] = float(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{records.source}: column {column!r} must hold numbers; got {value!r} in row {row} "
                f"(id {records.ids[row]})."
            ) from None
    return out


@dataclass(frozen=True, slots=True)
class Embedder:
    """How texts become vectors in this run, and where they are kept."""

    encoder: str = "sentence"
    max_tokens: int | None = None
    pooling: str | None = None
    batch_size: int = 32
    device: str = "auto"
    dtype: str = "float32"
    workers: int | None = None
    base_url: str | None = None
    cache: str | None = None

    @property
    def search_device(self) -> str:
        """Where neighbour searches run: on a GPU only when one is named."""
        return "cpu" if self.device == "auto" else self.device

    def resolve(self) -> Encoder:
        """Return the encoder."""
        row = ENCODERS.get(self.encoder.partition(":")[0])
        takes_device = row is None or "device" in row.options
        return resolve_encoder(
            self.encoder,
            max_tokens=self.max_tokens,
            pooling=self.pooling,
            batch_size=self.batch_size,
            device=self.device if takes_device else "auto",
            workers=self.workers,
            base_url=self.base_url,
        )

    def fill(self, sets: Sequence[Records], talk: Talk, folder: Path | None) -> dict[str, Any]:
        """Give every set its vectors, all by one encoder, and return what the manifest should say of it.

        Vectors are kept in the cache, or else in ``folder/embeddings``, or else only for this run.
        """
        ready = [records for records in sets if records.vectors is not None]
        waiting = [records for records in sets if records.vectors is None]
        if ready and waiting:
            raise DataError(
                f"every set must come with ready vectors, or none; {ready[0].source} has them and "
                f"{waiting[0].source} has not. Vectors of different encoders do not compare."
            )
        if not waiting:
            return {"encoder": {"encoder": "ready vectors"}}
        encoder = self.resolve()
        texts = [entry for records in waiting for entry in records.texts or []]
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
                matrix, report = embed_texts(texts, encoder, cache=cache, dtype=self.dtype, progress=progress)
        talk.say(f"embedded {report.embedded:,} texts now, {report.cached:,} were in the cache")
        start = 0
        for records in waiting:
            records.vectors = matrix[start : start + len(records)]
            start += len(records)
            records.texts = None
        return {
            "encoder": dict(encoder.fingerprint),
            "distinct_texts": report.distinct,
            "run": {"embedded": report.embedded, "from_cache": report.cached},
        }


def _expected(encoder: Encoder, texts: Sequence[str]) -> str:
    """Say how long the default encoder will take; the others show their rate as they go."""
    if encoder.name != "sentence" or len(texts) < 2000:
        return ""
    characters = sum(min(len(entry), 1200) for entry in texts)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f", {human_seconds(characters / 80_000 / cores)} if none is in the cache"


def files_of(records: Records) -> list[Path]:
    """Return the files behind a source, for the manifest."""
    if records.source == "-":
        return [Path(records.path)]
    return [Path(records.source)] if records.source.endswith(VECTOR_FILES) else resolve(records.source)
