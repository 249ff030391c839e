"""The store: nothing is encoded twice, nothing is half written, the same bytes after any kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.embed import Embeddings, embed
from assay.errors import DataError


class Letters:
    """Vectors made of a text's hash; it counts what it encodes, and can be told to break."""

    name = "letters"

    def __init__(self, seed: int = 0, width: int = 5, break_at: str | None = None) -> None:
        self.fingerprint = {"encoder": "letters", "seed": seed}
        self.seen: list[str] = []
        self._width = width
        self._break_at = break_at

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if self._break_at in texts:
            raise KeyboardInterrupt
        self.seen.extend(texts)
        seeds = [[*text.encode("utf-8", "surrogatepass"), self.fingerprint["seed"]] for text in texts]
        return np.array([np.random.default_rng(seed).normal(size=self._width) for seed in seeds], np.float32)


TEXTS = [f"text {number}" for number in range(50)]


@settings(derandomize=True, max_examples=50, deadline=None)
@given(
    st.lists(st.text(st.characters(codec=None), max_size=3), min_size=1, max_size=30),
    st.integers(1, 8),
    st.sampled_from(["float32", "float16"]),
)
def test_rows_are_those_of_the_encoder(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], shard_size: int, dtype: str
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    encoder = Letters()
    expected = Letters().encode(texts).astype(dtype)
    for embedded in (len(set(texts)), 0):
        matrix, report = embed(texts, encoder, cache=cache, shard_size=shard_size, dtype=dtype)
        assert matrix.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(matrix, expected)
        assert (report.texts, report.distinct) == (len(texts), len(set(texts)))
        assert (report.embedded, report.cached) == (embedded, len(set(texts)) - embedded)
    assert sorted(encoder.seen) == sorted(set(texts))


def test_another_set_encodes_only_what_is_new(tmp_path: Path) -> None:
    embed(TEXTS[:30], Letters(), cache=tmp_path, shard_size=8)
    encoder = Letters()
    matrix, report = embed(TEXTS[::-1], encoder, cache=tmp_path, shard_size=8)
    assert encoder.seen == TEXTS[:29:-1]
    assert (report.embedded, report.cached) == (20, 30)
    np.testing.assert_array_equal(matrix, Letters().encode(TEXTS[::-1]))


def test_other_fingerprints_and_dtypes_have_folders_of_their_own(tmp_path: Path) -> None:
    for encoder, dtype in ((Letters(0), "float32"), (Letters(1), "float32"), (Letters(0), "float16")):
        matrix, report = embed(TEXTS, encoder, cache=tmp_path, dtype=dtype)
        assert report.embedded == 50
        np.testing.assert_array_equal(matrix, encoder.encode(TEXTS).astype(dtype))
    assert len(list(tmp_path.glob("letters-*/manifest.json"))) == 3


def test_progress_counts_distinct_texts(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    embed(TEXTS[:10], Letters(), cache=tmp_path)
    embed(
        [*TEXTS[:30], *TEXTS[:5]],
        Letters(),
        cache=tmp_path,
        shard_size=8,
        progress=lambda *a: calls.append(a),
    )
    assert calls == [(10, 30), (18, 30), (26, 30), (30, 30)]


def test_an_interrupted_run_keeps_its_finished_shards(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        embed(TEXTS, Letters(break_at="text 20"), cache=tmp_path, shard_size=8, out=tmp_path / "out.npy")
    assert not list(tmp_path.glob("*out.npy*"))
    assert not list(tmp_path.glob(".*out.npy*"))
    encoder = Letters()
    matrix, report = embed(TEXTS, encoder, cache=tmp_path, shard_size=8, out=tmp_path / "out.npy")
    assert encoder.seen == TEXTS[16:]
    assert report.cached == 16
    assert isinstance(matrix, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), Letters().encode(TEXTS))


KILLED = """
import sys, time
from assay.embed import embed, resolve

encoder = resolve("sentence", workers=int(sys.argv[2]))
texts = [f"Write {n} lines about the sea." for n in range(300)]

class Logged:
    name, fingerprint = encoder.name, encoder.fingerprint
    def encode(self, batch):
        vectors = encoder.encode(batch)
        print(*batch, sep="\\n", flush=True)
        return vectors

def progress(done, total):
    print(f"done {done}", flush=True)
    if sys.argv[3] == "hang" and done >= 60:
        time.sleep(600)

matrix, report = embed(texts, Logged(), cache=sys.argv[1], shard_size=30, progress=progress)
print(f"report {report.embedded} {report.cached}")
import hashlib
print("hash", hashlib.sha256(matrix.tobytes()).hexdigest())
"""


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    def run(cache: str, workers: int, hang: str) -> list[str]:
        command = [sys.executable, "-c", KILLED, str(tmp_path / cache), str(workers), hang]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.strip())
                if hang == "hang" and lines[-1] == "done 60":
                    os.kill(process.pid, signal.SIGKILL)
            assert process.wait(timeout=60) == (-signal.SIGKILL if hang == "hang" else 0)
        return lines

    killed = run("a", 1, "hang")
    resumed = run("a", 1, "go")
    whole = run("b", 1, "go")
    asked = [line for line in killed + resumed if line.startswith("Write")]
    assert len(asked) == 300
    assert len(set(asked)) == 300
    assert "report 240 60" in resumed
    assert "report 300 0" in whole
    assert resumed[-1] == whole[-1]
    assert resumed[-1].startswith("hash ")


def test_runs_that_share_a_folder_do_not_harm_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), "1", "go"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    hashes = {run.communicate(timeout=120)[0].splitlines()[-1] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(hashes) == 1
    matrix, report = embed(["Write 7 lines about the sea."], _sentence(), cache=tmp_path)
    assert report.embedded == 0
    assert matrix.shape == (1, 512)


def _sentence() -> object:
    from assay.embed import resolve

    return resolve("sentence")


@pytest.mark.parametrize("which", ["vectors", "keys"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_shard_is_named(tmp_path: Path, which: str, damage: str) -> None:
    embed(TEXTS, Letters(), cache=tmp_path, shard_size=20)
    keys = sorted(tmp_path.glob("letters-*/*.keys.npy"))[0]
    file = keys if which == "keys" else keys.with_name(keys.name.replace(".keys.npy", ".npy"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes({"cut": content[:-9], "flip": content, "empty": b"", "text": b"hello"}[damage])
    stem = keys.name.split(".")[0]
    with pytest.raises(DataError) as error:
        embed(TEXTS, Letters(), cache=tmp_path)
    assert str(error.value).startswith(f"{file} must be a whole shard of embeddings; got ")
    assert str(error.value).endswith(f"Delete {stem}*.npy in that folder, and its texts are embedded again.")
    for part in file.parent.glob(f"{stem}*.npy"):
        part.unlink()
    _, report = embed(TEXTS, Letters(), cache=tmp_path)
    assert report.cached in (30, 40)


def test_missing_vectors_are_named(tmp_path: Path) -> None:
    embed(TEXTS, Letters(), cache=tmp_path)
    keys = next(tmp_path.glob("letters-*/*.keys.npy"))
    keys.with_name(keys.name.replace(".keys.npy", ".npy")).unlink()
    with pytest.raises(DataError, match="got there is none, though its keys are there"):
        embed(TEXTS, Letters(), cache=tmp_path)


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    embed(TEXTS, Letters(), cache=tmp_path)
    next(tmp_path.glob("letters-*/manifest.json")).write_text("{}")
    with pytest.raises(DataError, match="must hold the fingerprint that its folder is named for"):
        embed(TEXTS, Letters(), cache=tmp_path)


def test_bad_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"texts must be a non-empty sequence of texts; got \[\]"):
        embed([], Letters(), cache=tmp_path)
    with pytest.raises(DataError, match="texts must be a non-empty sequence of texts; got 'abc'"):
        embed("abc", Letters(), cache=tmp_path)
    with pytest.raises(DataError, match="dtype must be one of float32, float16; got 'float64'"):
        embed(TEXTS, Letters(), cache=tmp_path, dtype="float64")
    with pytest.raises(DataError, match="shard_size must be >= 1; got 0"):
        embed(TEXTS, Letters(), cache=tmp_path, shard_size=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cache must be a folder; .*file is a file"):
        embed(TEXTS, Letters(), cache=tmp_path / "file")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            np.zeros((2, 3), np.float32),
            r"finite vectors with a direction; 2 of 2 have none, first .* 'text 0'",
        ),
        (
            np.array([[1, 2], [np.nan, 1]], np.float32),
            "with a direction; 1 of 2 have none, first .* 'text 1'",
        ),
        (np.ones((1, 3), np.float32), r"must return one vector a text; got shape \(1, 3\) for 2 texts"),
    ],
)
def test_what_an_encoder_returns_is_checked(tmp_path: Path, result: np.ndarray, message: str) -> None:
    encoder = Letters()
    encoder.encode = lambda texts: result  # type: ignore[method-assign]
    with pytest.raises(DataError, match=message):
        embed(TEXTS[:2], encoder, cache=tmp_path)
    assert not list(tmp_path.glob("*/*.npy"))


def test_a_model_that_changed_its_width_is_noticed(tmp_path: Path) -> None:
    embed(TEXTS[:10], Letters(), cache=tmp_path)
    with pytest.raises(DataError, match="vectors of one encoder must have one length; got 5 and 7"):
        embed(TEXTS, Letters(width=7), cache=tmp_path)


def test_embeddings_keep_their_laws() -> None:
    vectors = np.ones((3, 2), np.float32)
    kept = Embeddings(vectors, ("a", "b", "c"), {"encoder": "x"})
    assert kept.vectors is vectors
    with pytest.raises(DataError, match=r"ids must be as many as embeddings \(3\); got 2"):
        Embeddings(vectors, ("a", "b"), {})
    with pytest.raises(DataError, match="ids must be unique; got 'a' at rows 0 and 2"):
        Embeddings(vectors, ("a", "b", "a"), {})
    with pytest.raises(
        DataError, match="embeddings must be finite; 1 of 3 rows hold NaN or inf, first at row 1"
    ):
        Embeddings(np.array([[1.0], [np.inf], [0.0]]), ("a", "b", "c"), {})
    with pytest.raises(DataError, match="embeddings must hold floats; got dtype int64"):
        Embeddings(np.ones((3, 2), np.int64), ("a", "b", "c"), {})


class Mortal(Letters):
    """Letters whose process ends at one text, the first time."""

    def __init__(self, flag: Path, refuse: bool = False) -> None:
        super().__init__()
        self._flag, self._refuse = flag, refuse

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if "text 33" in texts and self._refuse:
            raise DataError("text 33 must be another; got it.")
        if "text 33" in texts and not self._flag.exists():
            self._flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)


@pytest.mark.parametrize("workers", [1, 3])
def test_ray_workers_write_the_same_bytes(ray_started: None, tmp_path: Path, workers: int) -> None:
    texts = [*TEXTS, "half \ud83d", "text 4"]
    here, _ = embed(texts, Letters(), cache=tmp_path / "here", shard_size=8)
    mortal = Mortal(tmp_path / "died")
    there, report = embed(
        texts, mortal, cache=tmp_path / "there", shard_size=8, engine="ray", workers=workers
    )
    assert (tmp_path / "died").exists()
    assert there.tobytes() == here.tobytes()
    assert (report.distinct, report.embedded) == (51, 51)
    [one], [other] = ((tmp_path / side).iterdir() for side in ("here", "there"))
    assert {f.name: f.read_bytes() for f in one.iterdir()} == {
        f.name: f.read_bytes() for f in other.iterdir()
    }


def test_what_ray_workers_embedded_before_an_error_is_kept(ray_started: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^text 33 must be another; got it\.$"):
        embed(TEXTS, Mortal(tmp_path / "no", True), cache=tmp_path, shard_size=1, engine="ray", workers=1)
    _, report = embed(TEXTS, Letters(), cache=tmp_path)
    assert 0 < report.cached < 50


def test_an_encoder_that_cannot_travel(ray_started: None, tmp_path: Path) -> None:
    encoder = Letters()
    encoder.held = open(tmp_path / "held", "w")  # noqa: SIM115
    with (
        encoder.held,
        pytest.raises(DataError, match=r"encoder must be one that can be sent to a Ray worker; got"),
    ):
        embed(TEXTS, encoder, cache=tmp_path, engine="ray")
