"""Ray's lifecycle, and objects that live in its workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from assay import _ray
from assay._parallel import cores
from assay._ray import Actors
from assay.errors import DataError


class Tally:
    """What a worker holds in these tests: a shard of numbers and what was added to it."""

    def __init__(self, shard: np.ndarray, name: int) -> None:
        if name < 0:
            raise DataError(f"name must be >= 0; got {name}.")
        self.shard, self.name, self.added = shard, name, []

    def add(self, number: float) -> float:
        self.added.append(number)
        return float(self.shard.sum()) + sum(self.added)

    def scaled(self, by: float) -> float:
        if by == 0:
            raise DataError("by must be another number; got 0.")
        return float(self.shard[0] / by)

    def about(self) -> tuple[int, int, bool, int]:
        return os.getpid(), self.name, self.shard.flags.writeable, cores()

    def die_once(self, flag: str) -> str:
        """End the process, unless the file is there already."""
        if not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def divide(self, by: float) -> float:
        return 1 / by


MATRIX = np.arange(120_000.0).reshape(4, 30_000)


def tallies(count: int, replay=None) -> Actors:
    return Actors(count, "tests.test_ray:Tally", lambda i: (MATRIX[i], i), replay=replay)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_answers_come_in_the_order_of_the_actors(ray_started: None, count: int) -> None:
    with tallies(count) as actors:
        assert actors.all("scaled", 1.0) == [30_000.0 * i for i in range(count)]
        assert actors.each("scaled", [(i + 1.0,) for i in range(count)]) == [
            30_000.0 * i / (i + 1) for i in range(count)
        ]
        assert actors.one(count - 1, "scaled", 2.0) == 15_000.0 * (count - 1)
        found: dict[int, float] = {}
        actors.over("divide", [(n + 1,) for n in range(20)], found.__setitem__)
        assert found == {n: 1 / (n + 1) for n in range(20)}
        about = actors.all("about")
        assert len({pid for pid, *_ in about} | {os.getpid()}) == count + 1
        assert [rest for _, *rest in about] == [[i, False, 1] for i in range(count)]


def test_a_lost_actor_is_made_again_with_its_state(ray_started: None, tmp_path) -> None:
    done: list[float] = []
    with tallies(2, lambda i: [("add", number) for number in done]) as actors:
        before = actors.all("about")
        for number in (1.0, 2.0):
            answers = actors.all("add", number)
            done.append(number)
        os.kill(before[1][0], signal.SIGKILL)
        assert actors.all("add", 4.0) == [answer + 4.0 for answer in answers]
        assert actors.one(0, "about")[0] == before[0][0]
        assert actors.one(1, "about")[0] != before[1][0]
        done.append(4.0)
        assert actors.one(0, "die_once", str(tmp_path / "one")) == "alive"
        seen: dict[int, str] = {}
        actors.over("die_once", [(str(tmp_path / "over"),)] * 6, seen.__setitem__)
        assert seen == dict.fromkeys(range(6), "alive")
        assert actors.all("add", 8.0) == [answer + 12.0 for answer in answers]


def test_an_actor_that_is_lost_again_and_again_ends_the_run(ray_started: None) -> None:
    actors = tallies(2)
    with pytest.raises(DataError, match=r"workers must keep running; worker 0 of 2 was lost 4 times, last: "):
        actors.one(0, "die")


def test_errors_in_an_actor_come_out_as_themselves(ray_started: None) -> None:
    import ray

    with pytest.raises(DataError, match=r"^name must be >= 0; got -1\.$"):
        Actors(2, "tests.test_ray:Tally", lambda i: (MATRIX[i], -i))
    actors = tallies(2)
    pids = [pid for pid, *_ in actors.all("about")]
    with pytest.raises(DataError, match=r"^by must be another number; got 0\.$"):
        actors.all("scaled", 0.0)
    deadline = time.time() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.time() < deadline:
        time.sleep(0.02)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    with pytest.raises(ZeroDivisionError), tallies(1) as one:
        one.one(0, "divide", 0)
    assert ray.is_initialized()


def test_a_ray_that_runs_in_the_process_is_used(ray_started: None) -> None:
    import ray

    assert _ray.connect() is ray
    with pytest.raises(
        DataError, match=r"ray_address must be left out where Ray runs in this process already"
    ):
        _ray.connect("127.0.0.1:6379")


def test_addresses_of_another_form() -> None:
    program = """
from assay import _ray
from assay.errors import DataError
for address in ("ray://h:10001", "h", "h:x", ":1", "h:70000"):
    try:
        _ray.connect(address)
    except DataError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    form = "ray_address must be host:port of the head node, or auto; got "
    assert [line[: line.index("'.") + 2] for line in said.splitlines()] == [
        f"{form}{address!r}." for address in ("ray://h:10001", "h", "h:x", ":1", "h:70000")
    ]


def test_a_server_that_is_no_ray_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        program = f"""
from assay import _ray
_ray.JOIN_SECONDS = 3
_ray.connect("127.0.0.1:{mute.getsockname()[1]}")
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(": no answer of a Ray in 3 s. See: ray status")


def test_a_ray_of_ones_own_leaves_nothing(tmp_path) -> None:
    program = """
import os
from assay import _ray
ray = _ray.connect()
with _ray.Actors(1, "tests.test_ray:Tally", lambda i: (None, 0)) as actors:
    print(ray._private.worker.global_worker.node.get_session_dir_path())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "/assay-ray-" in done.stdout
    assert not Path(done.stdout.strip()).parent.exists()
