"""Deltas: each model made of the other, byte for byte, and of no other."""

from __future__ import annotations

import errno
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import apply_delta, open_pair, read_delta, restore, select, write_deltas
from tests.weights.made import llama_arrays, write_model
from tests.weights.test_restore import models, values

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
PERCENTS = [0, 5, 33.3, 100]


@pytest.mark.parametrize(
    ("dtype", "original", "shards"), [("F32", "F32", 1), ("BF16", "BF16", 3), ("F16", "F32", 1)]
)
def test_applied_it_is_restored_and_reverted_it_is_tuned(
    tmp_path: Path, dtype: str, original: str, shards: int
) -> None:
    first, second = models(tmp_path, dtype, original, shards)
    pair = open_pair(first, second)
    selection = select(pair.chunks, PERCENTS)
    whole = restore(pair, selection, tmp_path / "whole")
    deltas = write_deltas(pair, selection, tmp_path / "deltas", elements=7)
    for percent, delta, expected in zip(PERCENTS, deltas, whole, strict=True):
        there = apply_delta(delta, second, tmp_path / f"there-{percent}", elements=11)
        back = apply_delta(delta, there, tmp_path / f"back-{percent}", revert=True, elements=5)
        for file in expected.glob("*.safetensors"):
            assert (there / file.name).read_bytes() == file.read_bytes()
            assert (back / file.name).read_bytes() == (second / file.name).read_bytes()
        assert (there / "tokenizer.json").is_file()


@pytest.mark.parametrize("grown", [False, True])
def test_a_second_copy_of_a_tied_head_stays_one(tmp_path: Path, grown: bool) -> None:
    """Else transformers takes the two for a model whose head is not tied."""
    arrays = {name: array for name, array in llama_arrays().items() if name != HEAD}
    write_model(tmp_path / "original", arrays, tie_word_embeddings=True)
    tuned = {name: array * np.float32(1.01) for name, array in arrays.items()}
    if grown:
        tuned[EMBEDDING] = np.vstack([tuned[EMBEDDING], np.ones((2, 4), np.float32)])
    second = write_model(tmp_path / "tuned", tuned | {HEAD: tuned[EMBEDDING]}, tie_word_embeddings=True)
    pair = open_pair(tmp_path / "original", second, scope="all")
    assert (pair.tied, pair.copies) == ((HEAD,), {HEAD: EMBEDDING})
    selection = select(pair.chunks, [0, 50, 100])
    whole = restore(pair, selection, tmp_path / "whole", elements=5)
    assert (whole[0] / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    for at, delta in enumerate(write_deltas(pair, selection, tmp_path / "deltas", elements=5)):
        there = apply_delta(delta, second, tmp_path / f"there-{at}")
        back = apply_delta(delta, there, tmp_path / f"back-{at}", revert=True)
        for one, other in ((there, whole[at]), (back, second)):
            assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
        found = values(there)
        assert (found[HEAD] == found[EMBEDDING]).all()
    assert (found[EMBEDDING][:24] == arrays[EMBEDDING].ravel()).all()


def test_another_reader_understands_it(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    (delta,) = write_deltas(pair, select(pair.chunks, [20]), tmp_path / "deltas")
    p, s = values(first), values(second)
    found = safetensors.load_file(delta)
    number = 0
    for name in {key.rpartition(".")[0] for key in found}:
        at = found[f"{name}.positions"]
        number += len(at)
        assert (found[f"{name}.original"] == p[name].ravel()[at]).all()
        assert (found[f"{name}.tuned"] == s[name].ravel()[at]).all()
    assert number == pair.size * 20 // 100


def test_shares_of_nothing_are_json(tmp_path: Path) -> None:
    _, second = models(tmp_path)
    pair = open_pair(second, second)
    (delta,) = write_deltas(pair, select(pair.chunks, [20]), tmp_path / "deltas")
    assert b"NaN" not in delta.read_bytes()
    assert read_delta(delta)["about"]["shares"]["relative"] is None


def test_refusals(tmp_path: Path) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    selection = select(pair.chunks, [20])
    (tmp_path / "deltas").mkdir()
    (tmp_path / "deltas" / ".percent-20.safetensors.a1b2.part").touch()  # of a run that was killed
    (delta,) = write_deltas(pair, selection, tmp_path / "deltas")
    assert list((tmp_path / "deltas").iterdir()) == [delta]
    there = apply_delta(delta, second, tmp_path / "there")
    for model, revert, said in (
        (first, False, "Give the tuned model"), (there, False, "It is the restored one already"),
        (second, True, "It is the tuned one already"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            apply_delta(delta, model, tmp_path / "out", revert=revert)
    with pytest.raises(DataError, match="must be a file of assay weights restore --delta; it is another"):
        apply_delta(second / "model.safetensors", second, tmp_path / "out")
    with pytest.raises(DataError, match=r"output must not have percent-20\.safetensors"):
        write_deltas(pair, selection, tmp_path / "deltas")
    content = bytearray(delta.read_bytes())
    assert write_deltas(pair, selection, tmp_path / "deltas", resume=True) == [delta]
    with pytest.raises(DataError, match="ranking is 'relative', not 'random'"):
        write_deltas(pair, select(pair.chunks, [20], ranking="random"), tmp_path / "deltas", resume=True)
    part = 4 * selection.counts[0]  # bytes of positions, of original and of tuned values, which come last
    for place, said in (
        (len(content) - 1, "another there"),
        (len(content) - part - 1, "it makes another"),
        (len(content) - 2 * part - 1, "it makes another"),
        (len(content) - 2 * part - 4, "another there"),
    ):
        content[place] ^= 1
        delta.write_bytes(content)
        with pytest.raises(DataError, match=said):
            apply_delta(delta, second, tmp_path / "out")
        content[place] ^= 1
    delta.write_bytes(content[:-9])
    with pytest.raises(DataError, match="must be whole"):
        apply_delta(delta, second, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert {one.name for one in tmp_path.iterdir()} == {"original", "tuned", "deltas", "there"}


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: writing fails in the middle, as on a full disk."""
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    selection = select(pair.chunks, [10, 100])
    (delta,) = write_deltas(pair, select(pair.chunks, [100]), tmp_path / "deltas")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
    try:
        for run in (
            lambda: restore(pair, selection, tmp_path / "out"),
            lambda: write_deltas(pair, selection, tmp_path / "out"),
            lambda: apply_delta(delta, second, tmp_path / "out" / "model"),
        ):
            with pytest.raises(DataError, match=r"output must have room; the disk of .* became full"):
                run()
            assert list((tmp_path / "out").iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_room_is_looked_for_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    selection = select(pair.chunks, [10, 100])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9))
    for run in (restore, write_deltas):
        with pytest.raises(
            DataError, match=r"output must have room for 0\.00 GB; \S*out has 0\.00 GB\. Free some"
        ):
            run(pair, selection, tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []


def test_a_read_only_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = models(tmp_path)
    pair = open_pair(first, second)
    selection = select(pair.chunks, [10])

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    for run in (restore, write_deltas):
        with pytest.raises(DataError, match=r"must be a folder that can be written to; .*out: Read-only"):
            run(pair, selection, tmp_path / "out")
    assert not (tmp_path / "out").exists()
