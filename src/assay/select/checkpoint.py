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
        try:
            with open(self.path, "rb") as f, np.load(f, allow_pickle=False) as saved:
                key, rows, gains = str(saved["key"]), saved["rows"].tolist(), saved["gains"].tolist()
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"checkpoint must be a whole file; {self.path} is not ({error}). Delete it."
            ) from error
        if key != self._key:
            raise DataError(
                f"checkpoint must be of the same pool and options; {self.path} is of others. "
                "Delete it, or name another file."
            )
        return rows[:budget], gains[:budget]

    def keep(self, rows: list[int], gains: list[float], *, now: bool = False) -> None:
        """Write what is chosen, if it is time to; where that fails, warn once and leave the earlier file as it is."""
        if not now and time.monotonic() - self._written < SECONDS:
            return
        self._written = time.monotonic()
        self.check_pool()
        if self.path is None:
            return
        try:
            with atomic(self.path) as f:
                np.savez(
                    f, key=np.array(self._key), rows=np.array(rows, dtype=np.int64), gains=np.array(gains)
                )
        except OSError as error:
            if not self._failed:
                warn(f"checkpoint {self.path} could not be written ({error}); the choice goes on without it.")
            self._failed = True

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
