"""A greedy choice on disk as far as it has come: any prefix of it determines the rest."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay._files import atomic
from assay.errors import DataError, warn

SECONDS = 120.0  # between two writes
BLOCK = 8192


class Checkpoint:
    """The rows chosen so far and their gains, in `path`, for one pool and one set of options but the budget.

    A pool that is mapped from a file must not change meanwhile.
    """

    def __init__(
        self, path: str | Path | None, pool: Any, rows: NDArray[np.floating[Any]], options: Mapping[str, Any]
    ) -> None:
        self.path = None if path is None else Path(path)
        self._file = Path(pool.filename) if isinstance(pool, np.memmap) and pool.filename else None
        self._state = self._stat()
        self._key = "" if path is None else fingerprint(rows, options)
        self._written = time.monotonic()
        self._failed = False

    def load(self, budget: int) -> tuple[list[int], list[float]]:
        """Return the first `budget` rows and gains of an earlier run; none where there was none."""
        if self.path is None or not self.path.exists():
            return [], []
        key, rows, gains = read_kept(self.path, "rows", "gains")
        if key != self._key:
            raise DataError(
                f"checkpoint must be of the same pool and options; {self.path} is of others. "
                "Delete it, or name another file."
            )
        return rows[:budget].tolist(), gains[:budget].tolist()

    def keep(self, rows: list[int], gains: list[float], *, now: bool = False) -> None:
        """Write what is chosen, if it is time to; where that fails, warn once and leave the earlier file as it is."""
        if not now and time.monotonic() - self._written < SECONDS:
            return
        self._written = time.monotonic()
        self.check_pool()
        if self.path is None:
            return
        found = {"rows": np.array(rows, dtype=np.int64), "gains": np.array(gains)}
        self._failed |= not write_kept(self.path, self._key, found, told=self._failed)

    def check_pool(self) -> None:
        """Raise if the file behind the pool is not what it was."""
        if self._stat() != self._state:
            raise DataError(
                f"pool must not change while rows are chosen from it; {self._file} did. Run again."
            )

    def _stat(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return (-1, -1)
        return found.st_size, found.st_mtime_ns


def read_kept(path: Path, *names: str) -> tuple[Any, ...]:
    """Return the key and the arrays that `write_kept` put into a file."""
    try:
        with open(path, "rb") as f, np.load(f, allow_pickle=False) as saved:
            return str(saved["key"]), *(saved[name] for name in names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"checkpoint must be a whole file; {path} is not ({error}). Delete it.") from error


def write_kept(path: Path, key: str, arrays: Mapping[str, NDArray[Any]], *, told: bool = False) -> bool:
    """Write arrays under a key, whole or not at all; where that fails, warn unless `told`, and return False."""
    try:
        with atomic(path) as f:
            np.savez(f, key=np.array(key), **arrays)  # type: ignore[arg-type]
    except OSError as error:
        if not told:
            warn(f"checkpoint {path} could not be written ({error}); the run goes on without it.")
        return False
    return True


def fingerprint(rows: NDArray[np.floating[Any]], options: Mapping[str, Any]) -> str:
    """Return a digest of a matrix and of options."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{rows.shape} {rows.dtype}".encode())
    for start in range(0, len(rows), BLOCK):
        digest.update(np.ascontiguousarray(rows[start : start + BLOCK]).data)
    digest.update(
        orjson.dumps(options, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS, default=repr)
    )
    return digest.hexdigest()
