"""Processes that encode, fed through pipes.

Why not `multiprocessing`: its workers import the caller's main script again, so a script without a
``__main__`` guard, or one read from standard input, cannot start them; and they outlive a parent that is
killed. A worker here ends when its pipe closes, however the parent ended; it is outside the terminal's
foreground group, so Ctrl-C reaches the parent alone, which kills its workers at once.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import subprocess
import sys
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from assay.errors import DataError

# Texts sent at a time: little enough to keep many workers evenly busy, enough to make the pipe's cost vanish.
CHUNK = 16

_PROGRAM = "import pickle, sys; sys.path[:] = {path!r}; from assay.embed.workers import serve; serve()"


class Workers:
    """`count` processes, each holding the encoder that ``"module:function"`` returns for `arguments`."""

    def __init__(self, count: int, factory: str, arguments: tuple[object, ...]) -> None:
        program = _PROGRAM.format(path=[os.path.abspath(entry) for entry in sys.path])
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._stop = weakref.finalize(self, _kill, self._processes)
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0 if os.name == "posix" else None,
            )
            self._processes.append(process)
            self._idle.put(process)
            _send(process, (factory, arguments))

    def encode(self, texts: Sequence[str], dimensions: int) -> NDArray[np.float32]:
        """Return the rows of `texts` in order; anything that goes wrong, Ctrl-C too, ends every worker."""
        vectors = np.empty((len(texts), dimensions), dtype=np.float32)
        threads = ThreadPoolExecutor(len(self._processes))
        try:
            starts = range(0, len(texts), CHUNK)
            for future in [threads.submit(self._chunk, vectors, texts, start) for start in starts]:
                future.result()
        except BaseException:
            self._stop()
            threads.shutdown(cancel_futures=True)
            raise
        threads.shutdown()
        return vectors

    def _chunk(self, vectors: NDArray[np.float32], texts: Sequence[str], start: int) -> None:
        process = self._idle.get()
        try:
            rows = vectors[start : start + CHUNK]
            _send(process, list(texts[start : start + CHUNK]))
            assert process.stdout is not None
            data = process.stdout.read(rows.nbytes)
            if len(data) != rows.nbytes:
                raise _ended(process)
            rows[:] = np.frombuffer(data, dtype=np.float32).reshape(rows.shape)
        finally:
            self._idle.put(process)


def serve() -> None:
    """Run a worker: read lists of texts from standard input, write their vectors to standard output."""
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not land among the vectors
    factory, arguments = pickle.load(requests)
    module, _, function = factory.partition(":")
    encode = getattr(importlib.import_module(module), function)(*arguments)
    while True:
        try:
            texts = pickle.load(requests)
        except EOFError:
            return
        replies.write(np.ascontiguousarray(encode(texts), dtype=np.float32).tobytes())
        replies.flush()


def _send(process: subprocess.Popen[bytes], message: object) -> None:
    assert process.stdin is not None
    try:
        pickle.dump(message, process.stdin)
        process.stdin.flush()
    except (BrokenPipeError, ValueError):
        raise _ended(process) from None


def _ended(process: subprocess.Popen[bytes]) -> DataError:
    return DataError(
        f"workers must keep running; got one that ended with exit code {process.wait()}. "
        "If memory ran out (exit code -9), use fewer workers."
    )


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # what was still to be sent has no reader any more
