"""Files that are whole or absent, and what identifies them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from assay.errors import DataError


@contextmanager
def atomic(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file beside `path` for writing and move it there only when the block ends without an error."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(
            handle, mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else ""
        ) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as f:
        f.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY))
        f.write(b"\n")


def read_json(path: str | Path) -> Any:
    """Read one JSON document; a broken one raises `DataError` with the file's name."""
    try:
        return orjson.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} must be an existing file; there is none.") from None
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: must be JSON; {error.msg}.") from None


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON Lines, all or none."""
    with atomic(path) as f:
        for row in rows:
            f.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def read_lines(path: Path) -> Iterable[dict[str, Any]]:
    """Yield the rows that `write_lines` wrote."""
    with open(path, "rb") as f:
        for line in f:
            yield orjson.loads(line)


def read_yaml(path: str | Path, content: bytes | None = None) -> Any:
    """Read one YAML document, from `content` where the file was read already; a key that stands twice is refused."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value]
            twice = next((key for key, _ in node.value if keys.count(key.value) > 1), None)
            if twice is not None:
                line = twice.start_mark.line + 1
                raise DataError(f"{path}:{line}: a key must stand once; got {twice.value!r} again.")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(Path(path).read_bytes() if content is None else content, Loader)
    except FileNotFoundError:
        raise DataError(f"{path} must be an existing file; there is none.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2026-13-01
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} must be YAML; {' '.join(str(error).split())}.") from None


def yaml_bytes(value: Any) -> bytes:
    """Return `value` as YAML in blocks, keys in the order given."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=110)
    return str(text).encode()


def file_hash(path: str | Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def new_folder(path: str | Path, *, overwrite: bool = False, resume: bool | None = None) -> Path:
    """Return the folder `path`, made if missing; one that holds files is refused unless told otherwise.

    `resume` is None where a run cannot be gone on with.

    Nothing is deleted here: an overwriting run replaces the files that it writes, each when it is whole.
    """
    folder = Path(path)
    if folder.is_file():
        raise DataError(f"output must be a folder; {folder} is a file.")
    if folder.is_dir() and any(folder.iterdir()) and not (overwrite or resume):
        go_on = "" if resume is None else "--resume to go on with an interrupted run, or "
        raise DataError(
            f"output must be a new or empty folder; {folder} holds files. Use {go_on}--overwrite to replace it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder
