"""Processes that hold something heavy and answer one message at a time, fed through pipes.

Why not `multiprocessing`: its workers import the caller's main script again, so a script without a
``__main__`` guard, or one read from standard input, cannot start them; and they outlive a parent that is
killed. A worker here ends when its pipe closes, whatever it is doing and however the parent ended; it is
outside the terminal's foreground group, so Ctrl-C reaches the parent alone, which kills its workers at once.
"""

from __future__ import annotations

import importlib
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from assay.errors import AssayError, DataError

_PROGRAM = "import sys; sys.path[:] = {path!r}; from assay._workers import serve; serve()"


class Workers:
    """`count` processes, each holding the function that ``"module:function"`` returns for `arguments`."""

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

    def over(self, messages: Sequence[object], take: Callable[[int, Any], None]) -> None:
        """Have every message answered and call ``take(position, answer)`` as answers come, on several threads.

        Anything that goes wrong, Ctrl-C too, ends every worker. An `AssayError` of a worker is raised here.
        """
        threads = ThreadPoolExecutor(len(self._processes))
        try:
            futures = [
                threads.submit(self._ask, messages, take, position) for position in range(len(messages))
            ]
            for future in futures:
                future.result()
        except BaseException:
            self._stop()
            threads.shutdown(cancel_futures=True)
            raise
        threads.shutdown()

    def close(self) -> None:
        """End the processes."""
        self._stop()

    def _ask(self, messages: Sequence[object], take: Callable[[int, Any], None], position: int) -> None:
        process = self._idle.get()
        try:
            _send(process, messages[position])
            assert process.stdout is not None
            try:
                answer = pickle.load(process.stdout)
            except EOFError:
                raise _ended(process) from None
        finally:
            self._idle.put(process)
        if isinstance(answer, AssayError):
            raise answer
        take(position, answer)


def serve() -> None:
    """Run a worker: read messages from standard input, write their answers to standard output."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not land among the answers
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(messages,), daemon=True).start()
    factory, arguments = messages.get()
    module, _, function = factory.partition(":")
    answer = getattr(importlib.import_module(module), function)(*arguments)
    while True:
        try:
            reply = answer(messages.get())
        except AssayError as error:
            reply = error
        pickle.dump(reply, replies)
        replies.flush()


def _listen(messages: queue.SimpleQueue[Any]) -> None:
    """Take in messages; end the process with its parent, at once, so that a run that is resumed does not meet it."""
    code = 1
    try:
        while True:
            messages.put(pickle.load(sys.stdin.buffer))
    except EOFError:
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(code)


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
