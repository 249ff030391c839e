"""Processes fed through pipes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay._workers import Workers
from assay.errors import DataError


def root(base: float):
    """The function of a worker: a root, or one of our errors for a negative number."""

    def answer(number: float) -> float:
        if number < 0:
            raise DataError(f"number must be >= 0; got {number}.")
        return math.sqrt(number) * base

    return answer


def test_answers_come_to_their_positions() -> None:
    workers = Workers(2, "tests.test_workers:root", (10.0,))
    found: dict[int, float] = {}
    workers.over([n * n for n in range(30)], found.__setitem__)
    assert found == {n: 10.0 * n for n in range(30)}
    workers.over([4.0], found.__setitem__)
    assert found[0] == 20.0
    workers.close()


def test_an_error_of_ours_is_raised_here() -> None:
    with pytest.raises(DataError, match=r"number must be >= 0; got -1\."):
        Workers(1, "tests.test_workers:root", (1.0,)).over([1, -1, 4], lambda at, answer: None)


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(
        DataError, match=r"workers must keep running; got one that ended with exit code 3\. If mem"
    ):
        Workers(2, "os:_exit", (3,)).over(["a"] * 40, lambda at, answer: None)


def slow(place: str):
    """The function of a worker: says that it has begun, and a while later that it went on."""

    def answer(seconds: float) -> None:
        Path(place, f"begun-{os.getpid()}").touch()
        time.sleep(seconds)
        Path(place, "went-on").touch()

    return answer


def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Else a run that is resumed at once would meet it in the same folder."""
    workers = f"Workers(1, 'tests.test_workers:slow', ({str(tmp_path)!r},))"
    program = f"from assay._workers import Workers; {workers}.over([60.0], print)"
    parent = subprocess.Popen([sys.executable, "-c", program])
    try:
        while not list(tmp_path.glob("begun-*")):
            assert parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.kill()
        parent.wait()
    [begun] = tmp_path.glob("begun-*")
    worker = int(begun.name.partition("-")[2])
    for _ in range(600):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the worker outlived its parent by half a minute")
    assert not (tmp_path / "went-on").exists()
