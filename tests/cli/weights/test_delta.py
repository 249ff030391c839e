"""`assay weights restore --delta`, `apply` and `revert`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from tests.cli.conftest import Assay, files_in
from tests.weights.made import llama_arrays, write_floats, write_model


def test_there_and_back(assay: Assay, tmp_path: Path) -> None:
    p = llama_arrays()
    write_model(tmp_path / "p", p)
    write_model(tmp_path / "s", {name: one + np.float32(1e-3) for name, one in p.items()})
    (tmp_path / "s" / "manifest.json").write_text("{}")  # of the run that trained it
    run = ("weights", "restore", "p", "s", "--percent", "5,30")
    whole, done = assay(*run, "-o", "whole"), assay(*run, "--delta", "-o", "deltas")
    assert (done.code, done.out) == (0, whole.out), done.err
    assert files_in(tmp_path / "deltas") == {
        "manifest.json", "percent-5.safetensors", "percent-30.safetensors"
    }  # fmt: skip
    delta = "deltas/percent-30.safetensors"
    done = assay("weights", "apply", delta, "s", "-o", "there", "--format", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["results"]["direction"] == "apply"
    done = assay("weights", "revert", delta, "there", "-o", "back")
    assert done.code == 0, done.err
    for place, expected in (("there", "whole/percent-30"), ("back", "s")):
        weights = (tmp_path / place / "model.safetensors").read_bytes()
        assert weights == (tmp_path / expected / "model.safetensors").read_bytes()
        assert files_in(tmp_path / place) == {
            "assay-restore.json", "config.json", "manifest.json", "model.safetensors"
        }  # fmt: skip
    again = assay("run", "there/manifest.json", "-o", "other")
    assert again.code == 0, again.err
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == (
        tmp_path / "there" / "model.safetensors"
    ).read_bytes()
    done = assay("weights", "apply", delta, "p", "-o", "wrong")
    assert done.code == 2
    assert "error: p must be the tuned model of deltas/percent-30.safetensors" in done.err
    assert files_in(tmp_path / "wrong") == set()
    done = assay("weights", "apply", "deltas/percent-7.safetensors", "s", "-o", "wrong")
    assert done.code == 2
    assert "error: deltas/percent-7.safetensors must be a file of assay weights restore --delta;" in done.err
    done = assay(*run, "--delta", "--shrink", "-o", "no")
    assert (done.code, "--delta must not be given with --shrink" in done.err) == (2, True)


def test_a_delta_of_an_adapter_says_how_to_merge_it(assay: Assay, tmp_path: Path) -> None:
    write_model(tmp_path / "p", llama_arrays())
    name = "base_model.model.model.layers.1.self_attn.v_proj.lora_"
    write_floats(
        tmp_path / "lora" / "adapter_model.safetensors",
        {f"{name}A.weight": np.ones((1, 4), "f4"), f"{name}B.weight": np.ones((4, 1), "f4")},
    )
    (tmp_path / "lora" / "adapter_config.json").write_text('{"r": 1, "lora_alpha": 0.01}')
    done = assay("weights", "restore", "p", "lora", "--percent", "5", "--delta", "-o", "out")
    assert done.code == 2
    [said] = re.findall("assay (weights restore .*), and give merged/percent-0 in its place", done.err)
    assert assay(*said.split()).code == 0
    done = assay("weights", "restore", "p", "merged/percent-0", "--percent", "5", "--delta", "-o", "out")
    assert (done.code, files_in(tmp_path / "out")) == (0, {"manifest.json", "percent-5.safetensors"})
