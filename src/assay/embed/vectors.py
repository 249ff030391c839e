"""Ready vectors that a user brings: `.npy`, `.safetensors`, Parquet, JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay._check import known
from assay._files import read_json
from assay.errors import DataError

BLOCK_ROWS = 8192
COLUMN = "embedding"
SAFETENSORS_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

Ids = tuple[str, ...] | None


def load_vectors(path: str | Path, *, column: str | None = None) -> tuple[NDArray[np.floating[Any]], Ids]:
    """Return the vectors (n, d) in a file, and the rows' ids where the file holds them.

    Parameters
    ----------
    path
        ``.npy``: a float matrix, memory-mapped. ``.safetensors``: a matrix of F64, F32, F16 (memory-mapped)
        or BF16 (widened to float32). ``.parquet``: a column of equally long lists; a column ``id`` gives the
        ids. ``.json``: a list of lists of numbers, which is what NovelSum's program reads, or a list of
        objects with the vector under ``embedding`` and perhaps an ``id``. ``.jsonl``: the same, a row a line.
    column
        The Parquet column or JSON key (default ``embedding``), or the tensor's name where a ``.safetensors``
        file holds several.

    Returns
    -------
    matrix, ids
        float16, float32 or float64, as the file has it; JSON gives float64. `ids` is None where it has none.

    Raises
    ------
    DataError
        No such file, another kind of file, rows of different lengths, values that are not finite.

    Notes
    -----
    Memory: ``.npy`` and ``.safetensors`` are read a block at a time to be checked; Parquet takes its column
    twice; a ``.json`` file about 40 bytes a number while it is parsed, a ``.jsonl`` file one row at a time.
    """
    file = Path(path)
    readers = {
        ".npy": _npy,
        ".safetensors": _safetensors,
        ".parquet": _parquet,
        ".json": _json,
        ".jsonl": _jsonl,
    }
    if file.suffix not in readers:
        raise DataError(f"vectors must be a file of kind {', '.join(readers)}; got {str(path)!r}.")
    if not file.is_file():
        raise DataError(f"vectors must be an existing file; got {str(path)!r}.")
    if column is not None and file.suffix == ".npy":
        raise DataError(f"column must be left out for a .npy file, which has none; got {column!r}.")
    matrix, ids = readers[file.suffix](file, column)
    check_finite(str(path), matrix)
    return matrix, ids


def check_finite(name: str, matrix: NDArray[Any]) -> None:
    """Raise unless `matrix` is a non-empty finite float matrix (n, d); reads it in blocks."""
    if matrix.ndim != 2 or not matrix.shape[0] or not matrix.shape[1]:
        raise DataError(
            f"{name} must be a matrix (n, d) with at least one row and column; got {matrix.shape}."
        )
    if matrix.dtype.kind != "f":
        raise DataError(f"{name} must hold floats; got dtype {matrix.dtype}. Save it as float32.")
    count, first = 0, -1
    for start in range(0, len(matrix), BLOCK_ROWS):
        bad = np.flatnonzero(~np.isfinite(matrix[start : start + BLOCK_ROWS]).all(axis=1))
        if len(bad):
            first = start + int(bad[0]) if first < 0 else first
            count += len(bad)
    if count:
        raise DataError(
            f"{name} must be finite; {count} of {len(matrix)} rows hold NaN or inf, first at row {first}."
        )


def _npy(file: Path, column: str | None) -> tuple[NDArray[Any], Ids]:
    try:
        matrix: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} must be a .npy file of numbers; got {error}.") from error
    return matrix, None


def _safetensors(file: Path, column: str | None) -> tuple[NDArray[Any], Ids]:
    """The layout is an 8-byte length, a JSON header of that length, and the tensors' bytes."""
    size = file.stat().st_size
    with open(file, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        try:
            header = orjson.loads(f.read(length)) if length <= size else None
        except orjson.JSONDecodeError:
            header = None
    if not isinstance(header, dict):
        raise DataError(f"{file} must be a .safetensors file; got something else.")
    header.pop("__metadata__", None)
    if column is None and len(header) != 1:
        raise DataError(
            f"column must name one tensor of {file}; it holds {', '.join(sorted(header)) or 'none'}."
        )
    name = next(iter(header)) if column is None else known("tensor", column, header, f"the tensors of {file}")
    dtype, shape, (start, end) = header[name]["dtype"], header[name]["shape"], header[name]["data_offsets"]
    if dtype not in SAFETENSORS_DTYPES or len(shape) != 2:
        raise DataError(
            f"{file}: {name} must be a matrix of {', '.join(SAFETENSORS_DTYPES)}; got {dtype} of shape "
            f"{shape}."
        )
    kind = np.dtype(SAFETENSORS_DTYPES[dtype])
    if end - start != shape[0] * shape[1] * kind.itemsize or 8 + length + end > size:
        raise DataError(f"{file} must be whole; got a file that ends before {name} does.")
    if not end - start:
        return np.empty(shape, dtype=np.float32), None
    matrix: NDArray[Any] = np.memmap(
        file, dtype=kind, mode="r", offset=8 + length + start, shape=tuple(shape)
    )
    if dtype != "BF16":
        return matrix, None
    wide = np.empty(shape, dtype=np.float32)
    for row in range(0, len(matrix), BLOCK_ROWS):
        block = matrix[row : row + BLOCK_ROWS].astype(np.uint32) << 16  # bf16 is the upper half of a float32
        wide[row : row + BLOCK_ROWS] = block.view(np.float32)
    return wide, None


def _parquet(file: Path, column: str | None) -> tuple[NDArray[Any], Ids]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
        names = table.schema_arrow.names
        name = known("column", column or COLUMN, names, f"the columns of {file}")
        lists = table.read(columns=[name]).column(name).combine_chunks()
        ids = table.read(columns=["id"]).column("id").to_pylist() if "id" in names else None
    except pa.ArrowException as error:
        raise DataError(f"{file} must be a Parquet file; got {error}.") from error
    kind = lists.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise DataError(f"{file}: {name} must be a column of lists of numbers; got {kind}.")
    values = lists.flatten()
    if lists.null_count or values.null_count:
        raise DataError(f"{file}: {name} must hold no nulls; got {lists.null_count + values.null_count}.")
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise DataError(f"{file}: {name} must be a column of lists of numbers; got {kind}.")
    flat = values.to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_list(kind):
        lengths = np.full(len(lists), kind.list_size)
    else:
        lengths = np.diff(lists.offsets.to_numpy())
    _same_length(file, name, lengths)
    width = int(lengths[0]) if len(lengths) else 0
    matrix = flat.reshape(len(lists), width)
    return matrix if matrix.dtype.kind == "f" else matrix.astype(np.float64), _as_ids(ids)


def _same_length(file: Path, name: str, lengths: NDArray[np.integer[Any]]) -> None:
    other = np.flatnonzero(lengths != lengths[0]) if len(lengths) else lengths
    if len(other):
        raise DataError(
            f"{file}: {name} must hold lists of one length; row 0 has {lengths[0]} numbers, row {other[0]} "
            f"has {lengths[other[0]]}, {len(other)} of {len(lengths)} rows differ from row 0."
        )


def _as_ids(ids: list[Any] | None) -> Ids:
    return None if ids is None else tuple(str(name) for name in ids)


def _json(file: Path, column: str | None) -> tuple[NDArray[Any], Ids]:
    rows = read_json(file)
    if not isinstance(rows, list):
        raise DataError(f"{file} must be a list of vectors; got {type(rows).__name__}.")
    return _rows(file, ((f"{file}: row {number}", row) for number, row in enumerate(rows)), column)


def _jsonl(file: Path, column: str | None) -> tuple[NDArray[Any], Ids]:
    def lines() -> Iterator[tuple[str, Any]]:
        with open(file, "rb") as f:
            for number, line in enumerate(f, start=1):
                if line.strip():
                    try:
                        row = orjson.loads(line)
                    except orjson.JSONDecodeError as error:
                        raise DataError(f"{file}:{number}: must be JSON; {error.msg}.") from None
                    yield f"{file}:{number}", row

    return _rows(file, lines(), column)


def _rows(file: Path, rows: Iterator[tuple[str, Any]], column: str | None) -> tuple[NDArray[Any], Ids]:
    """Vectors from lists of numbers, or from objects that hold one."""
    key = column or COLUMN
    vectors: list[NDArray[np.float64]] = []
    ids: list[Any] = []
    for place, row in rows:
        vector = row
        if isinstance(row, dict):
            vector = row.get(key)
            if "id" in row:
                ids.append(row["id"])
        elif column is not None:
            raise DataError(
                f"{place}: must be an object with the key {column!r}; got a {type(row).__name__}."
            )
        numbers = isinstance(vector, list) and all(type(number) in (float, int) for number in vector)
        if not numbers or not vector:
            raise DataError(f"{place}: {key} must be a non-empty list of numbers; got {str(vector)[:60]}.")
        vectors.append(np.asarray(vector, dtype=np.float64))
    if not vectors:
        raise DataError(f"{file} must hold at least one vector; got none.")
    _same_length(file, key, np.asarray([len(vector) for vector in vectors]))
    if ids and len(ids) != len(vectors):
        raise DataError(
            f"{file}: id must stand in every row or in none; got it in {len(ids)} of {len(vectors)}."
        )
    return np.stack(vectors), _as_ids(ids) if ids else None
