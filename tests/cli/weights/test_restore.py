"""`assay weights restore`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.weights import open_checkpoint, open_pair, restore, select
from tests.cli.conftest import Assay, files_in
from tests.weights.made import llama_arrays, write_model


@pytest.fixture
def models(tmp_path: Path) -> None:
    """A model and one of small changes, with a matrix that did not change."""
    random = np.random.default_rng(3)
    p = llama_arrays()
    s = {name: p[name] + np.float32(1e-3) * random.standard_normal(p[name].shape).astype("f4") for name in p}
    s["model.layers.0.mlp.up_proj.weight"] = p["model.layers.0.mlp.up_proj.weight"]
    write_model(tmp_path / "p", p)
    write_model(tmp_path / "s", s)


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes()))


@pytest.mark.usefixtures("models")
def test_what_is_written_replays_resumes_and_is_replaced(assay: Assay, tmp_path: Path) -> None:
    run = ("weights", "restore", "p", "s", "-o", "out", "--format", "json")
    done = assay(*run, "--percent", "0,20,100", "--per", "layer", "--among", "changed")
    assert done.code == 0, done.err
    assert "llama: 14 tensors of scope transformer; 7 are outside" in done.err
    manifest = json.loads(done.out)
    assert manifest == read(tmp_path / "out" / "manifest.json")
    assert files_in(tmp_path / "out") == {"manifest.json", "percent-0", "percent-20", "percent-100"}
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    layers = {match.name: match.place.layer for match in pair.matches}
    selection = select(pair.chunks, [0, 20, 100], group_of=layers.get, among="changed")
    for expected in restore(pair, selection, tmp_path / "expected"):
        for name in ("model.safetensors", "config.json"):
            assert (expected / name).read_bytes() == (tmp_path / "out" / expected.name / name).read_bytes()
    row = manifest["results"][1]
    assert (
        row["weights"] == selection.counts[1] == 44
    )  # of layer 0, without its equal matrix, 20 of 104; of layer 1 24 of 124
    assert row["of_sum_d2"] == pytest.approx(100 * selection.shares[1, 2])
    again = assay("run", "out/manifest.json", "-o", "other")
    assert again.code == 0, again.err
    other = read(tmp_path / "other" / "manifest.json")
    assert [other.pop("run").keys()] == [manifest.pop("run").keys()]
    assert other == manifest  # and so every file: it has their hashes
    stamp = (tmp_path / "out" / "percent-20" / "model.safetensors").stat().st_mtime_ns
    more = (*run, "--percent", "10,20,40", "--per", "layer", "--among", "changed")
    assert "--resume to go on" in assay(*more).err
    done = assay(*more, "--resume")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "percent-20" / "model.safetensors").stat().st_mtime_ns == stamp
    whole = restore(pair, select(pair.chunks, [40], group_of=layers.get, among="changed"), tmp_path / "forty")
    assert (whole[0] / "model.safetensors").read_bytes() == (
        tmp_path / "out" / "percent-40" / "model.safetensors"
    ).read_bytes()
    done = assay(*run, "--percent", "20", "--resume")
    assert done.err.splitlines()[-1].startswith(
        "error: out/percent-0 must be of the same run to go on with; among is 'changed', not 'all'."
    )
    # the manifest of what was gone on with tells of all models, so that it repeats them all, and all are replaced
    all_of = {f"percent-{percent}" for percent in (0, 10, 20, 40, 100)}
    assert files_in(tmp_path / "out") == {"manifest.json", *all_of}
    manifest = read(tmp_path / "out" / "manifest.json")
    assert manifest["parameters"]["percent"] == "0,10,20,40,100"
    assert {name.partition("/")[0] for name in manifest["outputs"]} == all_of
    assert [row["percent"] for row in manifest["results"]] == [0, 10, 20, 40, 100]
    done = assay(*run, "--percent", "5", "--overwrite")
    assert done.code == 0, done.err
    assert files_in(tmp_path / "out") == {"manifest.json", "percent-5"}


@pytest.mark.usefixtures("models")
def test_shrunk_to_the_energy_of_each_percent(assay: Assay, tmp_path: Path) -> None:
    done = assay("weights", "restore", "p", "s", "--percent", "0,20,95", "--shrink", "-o", "out")
    assert done.code == 0, done.err
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    shares = select(pair.chunks, [0, 20, 95]).shares[:, 2]
    rows = read(tmp_path / "out" / "manifest.json")["results"]
    for row, share in zip(rows, shares, strict=True):
        assert row["of_sum_d2"] == pytest.approx(100 * share)
        assert row["of_sum_d2_undone"] == pytest.approx(100 * share, abs=0.01)
    for percent, side in ((0, "s"), (95, "p")):
        found = open_checkpoint(tmp_path / "out" / f"shrink-percent-{percent}")
        for match in pair.matches:
            expected = open_checkpoint(tmp_path / side).read(match.name)
            assert found.read(match.name) == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--official", "fp8"), "--official must be one of bf16, fp16; got 'fp8'."),
        (
            ("--official", "bf16", "--ranking", "random"),
            "--ranking must be relative where --official is given",
        ),
        (("--per", "head"), "--per must be one of global, layer, tensor; got 'head'."),
        (("--percent", "1.0000001,1.0000002"), "percents must have names of their own"),
    ],
)
def test_refusals(assay: Assay, tmp_path: Path, given: tuple[str, ...], said: str) -> None:
    done = assay("weights", "restore", "p", "s", "-o", "out", *given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err.splitlines()[-1]
    assert not (tmp_path / "out").exists() or files_in(tmp_path / "out") == set()


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--ties", "some"), "--ties must be one of first, all, none; got 'some'."),
        (("--among", "new"), "--among must be one of all, changed; got 'new'."),
        (("--percent", "5,1"), "percents must be 1 to 254 numbers that rise; got [5.0, 1.0]. Sort them."),
    ],
)
def test_what_is_wrong_from_the_start_leaves_no_folder(
    assay: Assay, tmp_path: Path, given: tuple[str, ...], said: str
) -> None:
    done = assay("weights", "restore", "p", "s", "-o", "out", *given)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
