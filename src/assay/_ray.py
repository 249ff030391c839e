"""Ray: starting it or joining a cluster, and objects with state that live in its processes.

The only module that starts Ray. ``connect(address)`` joins a cluster, or starts a Ray of this process's own; a Ray that
already runs in the process is used as it is and never shut down. Whoever needs workers then says::

    with Actors(4, "assay.some.module:Shard", lambda i: (matrix[start[i] : stop[i]], i)) as actors:
        answers = actors.all("best")                  # every actor, answers in the order of the actors
        answers = actors.each("add", [(1,), (2,)...])  # every actor with arguments of its own
        answer = actors.one(2, "rows", 10)            # one actor
        actors.over("tile", [(0, 64), (64, 128)], take)  # a queue of calls for whoever is idle

`Shard(*arguments)` is made in the worker; large arrays among its arguments are put into Ray's object store, each as an
object of its own and the same array once, and arrive there without a copy, read-only. An actor that is lost, with its
process or its machine, is made again from ``arguments_of(i)``, brought to its state by the calls that ``replay(i)``
names, and asked again; the others keep their answers. An `AssayError` raised in a worker is raised here as itself.
Whatever goes wrong, Ctrl-C too, ends all actors. A call of all actors costs about a millisecond.

A worker has one core: `assay._parallel.cores` says 1 in it.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits

from assay import _check, _parallel
from assay.errors import AssayError, DataError

ENGINES = ("local", "ray")
REBUILDS = 3  # times that one actor is made again before a run gives up
REACH_SECONDS = 5.0  # until a machine that does not answer is given up
JOIN_SECONDS = 10.0  # until a server that does, but not as Ray does, is given up
LARGE = 1 << 16  # bytes of an argument from which it is put into the object store once for all actors
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the new behaviour, which Ray warns of otherwise
    "RAY_task_events_report_interval_ms": "0",  # no record of every call: only dashboards read it
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_LOG_LEVEL": "ERROR",
}

_joined: str | None = None  # what this module connected to
_own = False  # whether that is a Ray of this process's own
_idle: list[
    Any
] = []  # workers of a Ray of one's own that wait for their next object: starting one takes 0.5 s


def connect(address: str | None = None) -> ModuleType:
    """Return the module `ray`, connected: to the cluster at `address`, or to a Ray that this starts.

    Parameters
    ----------
    address
        ``host:port`` of a cluster's head node, which this machine must be a node of, or ``auto`` for the cluster that
        runs on this machine. None: the environment variable ``RAY_ADDRESS``, or else a new local Ray, which ends, with
        all that it wrote to disk, when this process does.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    DataError
        Nothing answers at `address`, within seconds, or a Ray that is no match for this one.
    """
    global _joined, _own
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    ray = _check.require("ray", "ray", "engine 'ray'")
    if ray.is_initialized():
        if address is not None and address != _joined:
            raise DataError(
                f"ray_address must be left out where Ray runs in this process already; got {address!r}. "
                "Call ray.shutdown() first, or use the Ray that runs."
            )
        return ray
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        _start(ray)
    else:
        _join(ray, address)
    _joined, _own = address, address == "local"
    _idle.clear()
    return ray


def check_engine(engine: str, workers: int | None, device: str = "cpu") -> None:
    """Raise unless the three go together."""
    _check.choice("engine", engine, ENGINES)
    if workers is not None:
        _check.whole("workers", workers, 1)
        if engine == "local":
            raise DataError(f"workers must be left out with engine 'local'; got {workers}. Use engine='ray'.")
    if engine == "ray" and device != "cpu":
        raise DataError(f"device must be 'cpu' with engine 'ray'; got {device!r}. Use one or the other.")


def worker_count(workers: int | None) -> int:
    """Return `workers`, or one for every CPU of the cluster."""
    return workers or max(1, int(connect().cluster_resources().get("CPU", 1)))


def cpus_each(count: int) -> int:
    """Return the CPUs that each of `count` workers should ask Ray for.

    One, but none where there are fewer CPUs than workers, which share them then: else they would wait for ever.
    """
    return int(not _own and connect().cluster_resources().get("CPU", 0) >= count)


def _start(ray: ModuleType) -> None:
    """Start a Ray of this process's own, in a folder that goes when the process does."""
    # sockets lie in the folder, whose name must be short for that
    folder = tempfile.mkdtemp(prefix="assay-ray-", dir="/tmp" if os.name == "posix" else None)
    atexit.register(_stop, ray, folder)
    with _environment("PYTHONPATH", os.pathsep.join(os.path.abspath(entry) for entry in sys.path)):
        _init(ray, address="local", num_cpus=_parallel.cores(), include_dashboard=False, _temp_dir=folder)


def _stop(ray: ModuleType, folder: str) -> None:
    ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _join(ray: ModuleType, address: str) -> None:
    """Join the cluster at `address`, after another process could: Ray tries for minutes, deaf to Ctrl-C."""
    if "://" in address:
        raise DataError(
            f"ray_address must be host:port of the head node, or auto; got {address!r}. Ray Client is not supported: "
            "run assay on a node of the cluster (join it with: ray start --address host:port)."
        )
    if address != "auto":
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise DataError(f"ray_address must be host:port of the head node, or auto; got {address!r}.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
        except OSError as error:
            raise _unreachable(address, str(error)) from None
    program = f"import ray; ray.init(address={address!r}, log_to_driver=False, configure_logging=False)"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=JOIN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise _unreachable(address, f"no answer of a Ray in {JOIN_SECONDS:.0f} s") from None
    if tried.returncode:
        raise _unreachable(address, (tried.stderr.strip().splitlines() or ["no reason given"])[-1])
    _init(ray, address=address)


def _init(ray: ModuleType, **options: Any) -> None:
    quiet = logging.getLogger("ray")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)
    try:
        ray.init(log_to_driver=False, configure_logging=False, **options)
    finally:
        quiet.setLevel(max(level, logging.ERROR))


def _unreachable(address: str, reason: str) -> DataError:
    return DataError(
        f"ray_address must be a Ray cluster that this machine is a node of; got {address!r}: "
        f"{reason.partition('. ')[0].rstrip('.')}. See: ray status"
    )


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class Actors:
    """`count` objects, each made by ``"module:function"`` in a Ray worker of its own; see the module.

    `arguments_of(i)` gives what the i-th is made from, also when it has to be made again; `replay(i)` then gives the
    calls, ``(method, *arguments)``, that bring it to where it was, the call under way not among them.
    """

    def __init__(
        self,
        count: int,
        factory: str,
        arguments_of: Callable[[int], tuple[Any, ...]],
        *,
        replay: Callable[[int], Iterable[tuple[Any, ...]]] | None = None,
    ) -> None:
        self._ray = connect()
        self._lost: tuple[type[BaseException], ...] = (
            self._ray.exceptions.RayActorError,
            self._ray.exceptions.ObjectLostError,
            self._ray.exceptions.OutOfMemoryError,
        )
        self._factory, self._arguments_of, self._replay = factory, arguments_of, replay
        self._put: dict[int, tuple[Any, Any]] = {}  # an array that is kept alive, and its place in the store
        self._holders: list[Any] = []
        self._rebuilt = [0] * count
        self._stop = weakref.finalize(self, _kill, self._ray, self._holders)
        self._remote = self._ray.remote(
            num_cpus=cpus_each(count), max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )(_Holder)
        with self._ending():
            built = [self._build(i) for i in range(count)]
            for i, ref in enumerate(built):
                self._answer(i, ref, None)
            self._put.clear()

    def __len__(self) -> int:
        return len(self._rebuilt)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the objects, and of the workers too where others may want their CPUs."""
        if _own and self._ray.is_initialized():
            for holder in self._holders:
                holder.build.remote("builtins:object")
            _idle.extend(self._holders)
            self._holders.clear()
        self._stop()

    def all(self, method: str, *arguments: Any) -> list[Any]:
        """Return every actor's answer to the same call, in the order of the actors."""
        given = self._shared(arguments)
        self._put.clear()
        return self.each(method, [given] * len(self))

    def each(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return every actor's answer to a call with arguments of its own, in the order of the actors."""
        with self._ending():
            calls = [(method, *given) for given in arguments]
            refs = [self._send(i, call) for i, call in enumerate(calls)]
            try:
                answers = self._ray.get(refs)
            except self._lost:
                return [
                    self._answer(i, ref, call) for i, (ref, call) in enumerate(zip(refs, calls, strict=True))
                ]
            return [_raised(answer) for answer in answers]

    def one(self, i: int, method: str, *arguments: Any) -> Any:
        """Return the answer of the i-th actor."""
        with self._ending():
            call = (method, *arguments)
            return self._answer(i, self._send(i, call), call)

    def over(
        self, method: str, arguments: Sequence[tuple[Any, ...]], take: Callable[[int, Any], None]
    ) -> None:
        """Have whoever is idle answer each call, and ``take(position, answer)`` as answers come.

        For objects whose answers do not depend on who is asked. At most two calls an actor are under way.
        """
        with self._ending():
            waiting = iter(enumerate(arguments))
            under_way: dict[Any, tuple[int, int]] = {}
            for position, given in [pair for _, pair in zip(range(2 * len(self)), waiting, strict=False)]:
                i = position % len(self)
                under_way[self._send(i, (method, *given))] = i, position
            while under_way:
                [ref], _ = self._ray.wait(list(under_way), num_returns=1)
                i, position = under_way.pop(ref)
                answer = self._answer(i, ref, (method, *arguments[position]))
                del ref
                following = next(waiting, None)
                if following is not None:
                    under_way[self._send(i, (method, *following[1]))] = i, following[0]
                take(position, answer)

    def _send(self, i: int, call: tuple[Any, ...]) -> Any:
        return self._holders[i].call.remote(*call)

    def _answer(self, i: int, ref: Any, call: tuple[Any, ...] | None) -> Any:
        """Return what is at `ref`; if its actor is lost, make it again and, where there is a call, repeat that."""
        while True:
            try:
                return _raised(self._ray.get(ref))
            except self._lost as error:
                self._again(i, error)
                if call is None:
                    return None
                ref = self._send(i, call)

    def _again(self, i: int, error: BaseException) -> None:
        """Make a lost actor again and bring it to its state; it may be lost once more meanwhile."""
        holder = self._holders[i]
        while True:
            self._rebuilt[i] += 1
            if self._rebuilt[i] > REBUILDS:
                raise DataError(
                    f"workers must keep running; worker {i} of {len(self)} was lost {self._rebuilt[i]} times, last: "
                    f"{' '.join(str(error).split())[:300]} If memory ran out, use fewer workers or more machines."
                ) from error
            _end(self._ray, holder)
            try:
                # without a claim to a CPU: with its machine, the one that it had may be gone
                self._ray.get(self._build(i, num_cpus=0))
                for call in self._replay(i) if self._replay is not None else ():
                    _raised(self._ray.get(self._send(i, call)))
            except self._lost as again:
                error, holder = again, self._holders[i]
            else:
                self._put.clear()
                return

    def _build(self, i: int, **demand: int) -> Any:
        holder = _idle.pop() if _own and _idle else self._remote.options(**demand).remote()
        self._holders[i : i + 1] = [holder]
        return holder.build.remote(self._factory, *self._shared(self._arguments_of(i)))

    def _shared(self, arguments: Iterable[Any]) -> tuple[Any, ...]:
        """Return the arguments with large arrays put into the object store."""
        return tuple(
            self._place(value) if isinstance(value, np.ndarray) and value.nbytes >= LARGE else value
            for value in arguments
        )

    def _place(self, array: Any) -> Any:
        """Return where the array lies in the object store; the same array is put there once while actors are made."""
        if id(array) not in self._put:
            self._put[id(array)] = array, self._ray.put(array)
        return self._put[id(array)][1]

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """End all actors if anything goes wrong inside, Ctrl-C too."""
        try:
            yield
        except self._ray.exceptions.RayTaskError as error:
            self._stop()
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except BaseException:
            self._stop()
            raise


class _Holder:
    """What runs in a worker: an object, and calls of its methods."""

    def build(self, factory: str, *arguments: Any) -> AssayError | None:
        _parallel.limit_cores(1)
        module, _, function = factory.partition(":")
        make = getattr(importlib.import_module(module), function)
        threadpool_limits(1)  # of the libraries that were imported just now
        try:
            self._held = make(*arguments)
        except AssayError as error:
            return error
        return None

    def call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._held, method)(*arguments)
        except AssayError as error:
            return error


def _raised(answer: Any) -> Any:
    if isinstance(answer, AssayError):
        raise answer
    return answer


def _end(ray: ModuleType, holder: Any) -> None:
    try:
        ray.kill(holder, no_restart=True)
    except ValueError:
        return  # Ray has forgotten it already


def _kill(ray: ModuleType, holders: list[Any]) -> None:
    if ray.is_initialized():
        for holder in holders:
            _end(ray, holder)
    holders.clear()
