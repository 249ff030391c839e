"""Samples out, in the shape and container they came in, or in others."""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from assay._check import choice
from assay._files import atomic
from assay.data.containers import csv_dialect, is_json_lines, suffix_of
from assay.data.formats import FORMATS, rendered
from assay.data.json_text import dumps, excerpt
from assay.data.read import resolve
from assay.data.sample import Sample
from assay.errors import DataError

_ROWS_AT_ONCE = 1024


def write(
    samples: Iterable[Sample],
    path: str | Path,
    *,
    shape: str | None = None,
    like: str | Path | None = None,
) -> int:
    """Write samples to a file, whole or not at all, and return how many.

    In its own shape a sample's row is written as it was read, so every column has an equal value; in another
    shape it is rendered from its messages, with the other columns carried over.

    Parameters
    ----------
    samples
        Samples of one shape.
    path
        The container is told by the suffix: ``.json`` (an array, indented), ``.jsonl``, ``.ndjson``,
        ``.csv``, each also with ``.gz`` or ``.zst``, ``.parquet``, ``.arrow``; ``-`` is JSON Lines on
        standard output.
    shape
        Name of a row of `FORMATS`; by default each sample's own.
    like
        A source whose file details are taken over where its suffix is the same: JSON Lines under a ``.json``
        name, the columns, delimiter and line ends of a CSV, the schema of a Parquet or Arrow file.

    Raises
    ------
    DataError
        Where the samples have several shapes, or a row has no place in the shape or the container.

    Notes
    -----
    Text is UTF-8, not escapes, but for lone surrogates, which only an escape can hold. The same samples give
    the same bytes, compressed or not. JSON Lines, JSON and CSV are streamed; Parquet and Arrow are gathered
    in memory and refused where a row would not keep its values (Arrow gives all rows the same fields).
    """
    if shape is not None:
        choice("shape", shape, FORMATS)
    rows = _rows(samples, shape)
    if str(path) == "-":
        count = _write_lines(rows, sys.stdout.buffer, None)
        sys.stdout.buffer.flush()
        return count
    target = Path(path)
    suffix = suffix_of(target)
    if not suffix:
        raise DataError(
            f"path must end in {', '.join(WRITERS)} (text also with .gz or .zst), or be '-'; got {path}."
        )
    model = next((p for p in resolve(like) if suffix_of(p) == suffix), None) if like is not None else None
    if suffix.startswith(".json") and not suffix.startswith(".jsonl") and model and is_json_lines(model):
        container = ".jsonl"
    else:
        container = suffix.removesuffix(".gz").removesuffix(".zst")
    with atomic(target) as raw, _compressed(raw, suffix) as stream:
        return WRITERS[container](rows, stream, model)


def selected_name(source: str | Path) -> str:
    """Return the file name that a selection from a source should have: ``selected`` and the source's suffix.

    Standard input, a hub id, and a folder or glob with several kinds of file give JSON Lines.

    >>> selected_name("-")
    'selected.jsonl'
    """
    kinds = {suffix_of(path) for path in resolve(source)}
    return f"selected{kinds.pop() if len(kinds) == 1 else '.jsonl'}"


def _rows(samples: Iterable[Sample], shape: str | None) -> Iterator[tuple[str, Any]]:
    """Yield (where from, row) in the shape asked for."""
    first = None
    for sample in samples:
        name = shape or sample.format
        first = first or name
        if name != first:
            raise DataError(
                f"samples must have one shape; got {first} and {name} (at {sample.origin or sample.id}). "
                "Name the shape to write with --to."
            )
        yield sample.origin or f"sample {sample.id}", rendered(sample, shape)


@contextmanager
def _compressed(raw: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """Wrap a file in the compression of its suffix, with nothing in it that depends on time or name."""
    if suffix.endswith(".gz"):
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield packed  # type: ignore[misc]
    elif suffix.endswith(".zst"):
        import zstandard

        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as packed:
            yield packed
    else:
        yield raw


def _dumped(origin: str, row: Any, *, indent: bool = False) -> bytes:
    try:
        return dumps(row, indent=indent)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def _write_lines(rows: Iterator[tuple[str, Any]], stream: IO[bytes], model: Path | None) -> int:
    count = 0
    for origin, row in rows:
        stream.write(_dumped(origin, row) + b"\n")
        count += 1
    return count


def _write_array(rows: Iterator[tuple[str, Any]], stream: IO[bytes], model: Path | None) -> int:
    count = 0
    for origin, row in rows:
        text = _dumped(origin, row, indent=True).replace(b"\n", b"\n  ")
        stream.write((b",\n  " if count else b"[\n  ") + text)
        count += 1
    stream.write(b"\n]\n" if count else b"[]\n")
    return count


def _write_csv(rows: Iterator[tuple[str, Any]], stream: IO[bytes], model: Path | None) -> int:
    columns, delimiter, end = csv_dialect(model) if model else (None, ",", "\n")
    line = io.StringIO(newline="")
    writer = csv.writer(line, delimiter=delimiter, lineterminator=end)
    count = 0
    for origin, row in rows:
        if not isinstance(row, dict):
            raise DataError(
                f"{origin}: row must be an object to fit a CSV; got {excerpt(row)}. Write .jsonl."
            )
        if not count:
            columns = columns if columns and set(columns) == set(row) else list(row)
            writer.writerow(columns)
        if columns is None or set(row) != set(columns):
            raise DataError(
                f"{origin}: row must have the columns {', '.join(columns or [])} to fit the CSV; "
                f"got {', '.join(row)}. Write .jsonl."
            )
        for key, value in row.items():
            if not isinstance(value, str | int | float):
                raise DataError(
                    f"{origin}: {key} must be a text or a number to fit a CSV; got {excerpt(value)}. "
                    "Write .jsonl."
                )
        writer.writerow([row[key] for key in columns])
        try:
            stream.write(line.getvalue().encode("utf-8"))
        except UnicodeEncodeError:
            raise DataError(
                f"{origin}: row must be UTF-8 to fit a CSV; got a lone surrogate. Write .jsonl."
            ) from None
        line.seek(0)
        line.truncate()
        count += 1
    if not count and columns:
        writer.writerow(columns)
        stream.write(line.getvalue().encode("utf-8"))
    return count


def _table(rows: Iterator[tuple[str, Any]], schema: Any) -> Any:
    """Return rows as an Arrow table that gives equal values back, or raise by the first that would not."""
    import pyarrow as pa

    pairs = list(rows)
    for origin, row in pairs:
        if not isinstance(row, dict):
            raise DataError(
                f"{origin}: row must be an object to fit an Arrow table; got {excerpt(row)}. Write .jsonl."
            )
    origin = pairs[0][0] if pairs else ""
    if schema is not None and pairs and set(schema.names) != set(pairs[0][1]):
        schema = None
    try:
        if schema is None:
            table = pa.Table.from_pylist([row for _, row in pairs])
        else:
            table = pa.Table.from_pylist([row for _, row in pairs], schema=schema)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise DataError(
            f"{origin}: rows must fit one Arrow table; {str(error).splitlines()[0]}. Write .jsonl."
        ) from None
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        back = table.slice(start, _ROWS_AT_ONCE).to_pylist()
        for (origin, row), held in zip(pairs[start:], back, strict=False):
            if not _equal(row, held):
                raise DataError(
                    f"{origin}: row must keep its values in an Arrow table, which gives all rows the same "
                    f"fields; got {excerpt(row)}, held as {excerpt(held)}. Write .jsonl."
                )
    return table


def _equal(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, NaN being equal to NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and bool(one == other)


def _write_parquet(rows: Iterator[tuple[str, Any]], stream: IO[bytes], model: Path | None) -> int:
    import pyarrow.parquet as pq

    table = _table(rows, pq.read_schema(model) if model else None)
    pq.write_table(table, stream)
    return int(table.num_rows)


def _write_arrow(rows: Iterator[tuple[str, Any]], stream: IO[bytes], model: Path | None) -> int:
    import pyarrow as pa

    schema = None
    in_file = False
    if model:
        with pa.memory_map(str(model)) as source:
            try:
                schema = pa.ipc.open_file(source).schema
                in_file = True
            except pa.ArrowInvalid:
                source.seek(0)
                schema = pa.ipc.open_stream(source).schema
    table = _table(rows, schema)
    with (pa.ipc.new_file if in_file else pa.ipc.new_stream)(stream, table.schema) as out:
        out.write_table(table)
    return int(table.num_rows)


WRITERS: dict[str, Callable[[Iterator[tuple[str, Any]], IO[bytes], Path | None], int]] = {
    ".json": _write_array,
    ".jsonl": _write_lines,
    ".ndjson": _write_lines,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
}
