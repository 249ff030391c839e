"""Rows out of files: JSON, JSON Lines, CSV, Parquet and Arrow, plain or compressed.

Every reader yields `Record`s, a broken row as a record with its problem, so that what to do about it is
decided in one place (`read`, `check`). A file that cannot be read at all raises `DataError`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from assay.data.json_text import excerpt, loads
from assay.data.turns import is_turn
from assay.errors import DataError, warn

BOMS = {b"\xff\xfe\x00\x00": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
UTF8_BOM = b"\xef\xbb\xbf"
STDIN = "stdin"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file, where it stood (``file:line``), and what is wrong with it, if anything."""

    origin: str
    row: Any
    problem: str = ""


def suffix_of(path: str | Path) -> str:
    """Return the container suffix of a file name with its compression (``.jsonl.gz``), or ``""``."""
    name = Path(path).name.lower()
    for end in COMPRESSIONS:
        if name.endswith(end):
            inner = Path(name[: -len(end)]).suffix
            return inner + end if inner in READERS and inner not in BINARY else ""
    suffix = Path(name).suffix
    return suffix if suffix in READERS else ""


def records(path: Path, *, label: str | None = None) -> Iterator[Record]:
    """Yield the records of one file; `label` stands for the file in origins and messages."""
    suffix = suffix_of(path)
    reader = READERS[suffix.removesuffix(".gz").removesuffix(".zst")]
    name = label or str(path)
    try:
        yield from reader(path, name)
    except DataError as error:
        raise DataError(str(error).replace(str(path), name)) from None
    except OSError as error:
        raise DataError(f"{name}: must be readable; {error.strerror or error}.") from None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed, past a UTF-8 byte order mark."""
    with open(path, "rb") as raw:
        broken: tuple[type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
        if path.name.lower().endswith(".gz"):
            stream: Any = gzip.GzipFile(fileobj=raw)
        elif path.name.lower().endswith(".zst"):
            import zstandard

            broken = (EOFError, zstandard.ZstdError)
            stream = _ZstdFile(raw)
        else:
            stream = raw
        buffered = stream if stream is raw else io.BufferedReader(stream, 1 << 20)
        try:
            yield _past_mark(path, buffered)
        except broken as error:
            kind = path.suffix.lower().removeprefix(".")
            raise DataError(f"{path}: must be a whole .{kind} file; {error}. Fetch it again.") from None


class _ZstdFile(io.RawIOBase):
    """The text of a zstd file; one that is cut short raises EOFError, where the library's own reader ends."""

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._raw = raw
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._text = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            data = self._frame.unused_data if self._frame is not None and self._frame.eof else b""
            data = data or self._raw.read(1 << 16)
            if not data:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("it ends inside a frame")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._new()
            self._text = self._frame.decompress(data)
        count = min(len(buffer), len(self._text))
        buffer[:count] = self._text[:count]
        self._text = self._text[count:]
        return count


def _past_mark(path: Path, stream: IO[bytes]) -> IO[bytes]:
    head = stream.peek(4)[:4]  # type: ignore[attr-defined]
    for mark, encoding in BOMS.items():
        if head.startswith(mark):
            raise DataError(
                f"{path}:1: must be UTF-8; got {encoding} (it opens with the bytes {mark.hex(' ')}). "
                f"Convert it: iconv -f {encoding} -t UTF-8 {path.name}"
            )
    if b"\x00" in head:
        raise DataError(
            f"{path}:1: must be UTF-8; got zero bytes ({head.hex(' ')}), as UTF-16 has. "
            f"Convert it: iconv -f UTF-16LE -t UTF-8 {path.name}"
        )
    if head.startswith(UTF8_BOM):
        stream.read(len(UTF8_BOM))
    return stream


def is_json_lines(path: Path) -> bool:
    """Tell whether a JSON file's content is JSON Lines rather than one array, whatever its name says."""
    with opened(path) as stream:
        first = b""
        for line in stream:
            if line.strip():
                first = line.strip()
                break
        if not first.startswith(b"["):
            return bool(first) or _named_lines(path)
        try:
            value = loads(first)
        except ValueError:
            return False
        more = any(line.strip() for line in stream)
        return bool(value) and (more or is_turn(value[0]))


def _json(path: Path, name: str) -> Iterator[Record]:
    lines = is_json_lines(path)
    if lines and not _named_lines(path):
        whole = _one_object(path)
        if whole is not None:
            yield Record(f"{name}:1", whole)
            return
        warn(f"{name} is JSON Lines under a .json name; read as such.")
    if not lines and _named_lines(path) and name != STDIN:
        warn(f"{name} is a JSON array under a JSON Lines name; read as such.")
    yield from (_json_lines if lines else _json_array)(path, name)


def _named_lines(path: Path) -> bool:
    return suffix_of(path).startswith((".jsonl", ".ndjson"))


def _one_object(path: Path) -> Any:
    """Return the value of a file that is one object over several lines, else None."""
    with opened(path) as stream:
        first = next((line for line in stream if line.strip()), b"")
        try:
            loads(first)
            return None
        except ValueError:
            pass
        try:
            return loads(first + stream.read())
        except ValueError:
            return None


def _json_lines(path: Path, name: str) -> Iterator[Record]:
    with opened(path) as stream:
        for number, line in enumerate(stream, 1):
            text = line.strip()
            if not text:
                continue
            origin = f"{name}:{number}"
            try:
                row = loads(text)
            except UnicodeDecodeError as error:
                yield Record(origin, None, _not_utf8(text, error))
            except ValueError as error:
                reason = _json_reason(error)
                yield Record(origin, None, f"row must be JSON; {reason} in {excerpt(_lossy(text))}.")
            else:
                yield Record(origin, row)


def _json_array(path: Path, name: str) -> Iterator[Record]:
    with opened(path) as stream:
        data = stream.read()
    if not data.strip():
        return
    try:
        rows = loads(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}:{line}: {_not_utf8(data, error)}") from None
    except ValueError:
        yield from _array_rows(data.decode("utf-8"), name)
        return
    for number, row in enumerate(rows, 1):
        yield Record(f"{name}:{number}", row)


def _array_rows(text: str, name: str) -> Iterator[Record]:
    """Yield the rows of a broken array that come before the break, then the break itself."""
    decode = json.JSONDecoder().raw_decode
    space = re.compile(r"[ \t\r\n]*")

    def skip(at: int) -> int:
        found = space.match(text, at)
        return found.end() if found else at

    at = skip(0) + 1
    number = 0
    whole = len(text.rstrip())
    cut = False
    while True:
        at = skip(at)
        try:
            row, at = decode(text, at)
        except json.JSONDecodeError as error:
            at = min(error.pos, whole)
            rest = text[at:whole]
            cut = error.msg.startswith("Unterminated string") or (len(rest) < 5 and not set(rest) & set("]}"))
            break
        except RecursionError:
            yield Record(
                f"{name}:{text.count(chr(10), 0, at) + 1}", None, "row must be JSON; nested too deeply."
            )
            return
        number += 1
        yield Record(f"{name}:{number}", row)
        at = skip(at)
        if not text.startswith(",", at):
            cut = at >= whole
            break
        at += 1
    line = text.count("\n", 0, at) + 1
    if cut:
        problem = (
            f"JSON array must end with ']'; the file is cut short after {number} whole rows. Fetch it again."
        )
    elif text.startswith("]", at) and at + 1 < whole:
        got = excerpt(text[at + 1 : at + 61].strip())
        problem = f"JSON array must be the whole file; got {got} after its ']'."
    else:
        got = excerpt(text[at : at + 60])
        problem = f"row {number + 1} of the JSON array must be JSON, rows parted by commas; got {got}."
    yield Record(f"{name}:{line}", None, problem)


def _json_reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:].removesuffix(' at')} at column {error.colno}"
    return str(error)


def _not_utf8(text: bytes, error: UnicodeDecodeError) -> str:
    start = text.rfind(b"\n", 0, error.start) + 1
    return (
        f"must be UTF-8; got the byte 0x{text[error.start]:02x} at {error.start - start + 1} in the line. "
        "Convert it, e.g.: iconv -f CP1252 -t UTF-8"
    )


def _lossy(text: bytes) -> str:
    return text[:200].decode("utf-8", "replace")


def csv_dialect(path: Path) -> tuple[list[str], str, str]:
    """Return the column names, the delimiter (comma, semicolon or tab) and the line end of a CSV file."""
    with opened(path) as stream:
        head = stream.readline()
        rest = stream.readline()
    line = head.decode("utf-8", "replace").rstrip("\r\n")
    delimiter = max(",;\t", key=line.count)
    if line.count('"') % 2:
        line += "\n" + rest.decode("utf-8", "replace")
    columns = next(csv.reader([line], delimiter=delimiter), [])
    return columns, delimiter, "\r\n" if head.endswith(b"\r\n") else "\n"


def _csv(path: Path, name: str) -> Iterator[Record]:
    _, delimiter, _ = csv_dialect(path)
    csv.field_size_limit(1 << 30)
    with opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        try:
            columns = next(reader, None)
            if columns is None:
                return
            _distinct(columns, f"{name}:1")
            line = reader.line_num + 1
            for values in reader:
                origin, line = f"{name}:{line}", reader.line_num + 1
                if not values:
                    continue
                if len(values) != len(columns):
                    yield Record(
                        origin, None, f"row must have {len(columns)} fields as the header; got {len(values)}."
                    )
                else:
                    yield Record(origin, dict(zip(columns, values, strict=True)))
        except csv.Error as error:
            raise DataError(f"{name}:{reader.line_num}: must be CSV; {error}.") from None
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}: must be UTF-8; got the byte 0x{error.object[error.start]:02x} after line "
                f"{reader.line_num}. Convert it, e.g.: iconv -f CP1252 -t UTF-8"
            ) from None


def _distinct(columns: list[str], where: str) -> None:
    if len(set(columns)) != len(columns):
        raise DataError(f"{where}: column names must be distinct; got {excerpt(columns)}.")


def _parquet(path: Path, name: str) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from _batches(file.iter_batches(batch_size=1024), name)
    except pa.ArrowInvalid as error:
        raise DataError(f"{name}: must be a Parquet file; {str(error).splitlines()[0]}") from None


def _arrow(path: Path, name: str) -> Iterator[Record]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
        except pa.ArrowInvalid:
            source.seek(0)
            try:
                batches = iter(pa.ipc.open_stream(source))
            except pa.ArrowInvalid as error:
                raise DataError(f"{name}: must be an Arrow file or stream; {error}.") from None
        yield from _batches(batches, name)


def _batches(batches: Iterator[Any], name: str) -> Iterator[Record]:
    number = 0
    for batch in batches:
        _distinct(batch.schema.names, name)
        for row in batch.to_pylist():
            number += 1
            yield Record(f"{name}:{number}", row)


READERS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
BINARY = (".parquet", ".arrow")
COMPRESSIONS = (".gz", ".zst")
