"""From files to what a ranking takes: the same for any sharding, type that holds the values, slices and prefix."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from assay.weights import changes, levels, open_pair, select, tally
from tests.weights.made import make_model, nudge, write_floats


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model in bf16 and a tuned one, each in one file and in shards, the tuned one also in float32."""
    import torch

    place = tmp_path_factory.mktemp("masks")
    model = make_model("qwen2").to(torch.bfloat16)
    for name, size in (("p", "1GB"), ("p many", "5KB")):
        model.save_pretrained(place / name, max_shard_size=size)
    tuned = nudge(model.float()).to(torch.bfloat16)
    for name, size in (("s", "1GB"), ("s many", "3KB")):
        tuned.save_pretrained(place / name, max_shard_size=size)
    tuned.float().save_pretrained(place / "s wide")
    return place


@pytest.mark.parametrize("ranking", ["relative", "random"])
def test_the_same_weights_are_taken_however_they_are_stored(folders, ranking):
    def masks(original, tuned, elements):
        pair = open_pair(folders / original, folders / tuned)
        chunks = partial(pair.chunks, elements)
        found = select(chunks, [1, 5, 20, 60], ranking=ranking)
        taken = {}
        for chunk in chunks():
            taken.setdefault(chunk[0], []).append(levels(found, chunk))
        return {name: np.concatenate(parts).tobytes() for name, parts in taken.items()}

    wanted = masks("p", "s", 2**20)
    assert len({byte for mask in wanted.values() for byte in mask}) == 5
    assert masks("p many", "s many", 2**20) == wanted
    assert masks("p", "s many", 37) == wanted
    assert masks("p many", "s wide", 64) == wanted


def test_two_ways_of_adding_up_agree(folders):
    pair = open_pair(folders / "p", folders / "s", scope="all")
    found = changes(pair.chunks())
    sums = tally(select(pair.chunks, [5]), pair.chunks, by=lambda name: name)
    assert list(sums.groups) == list(found)
    wanted = [
        [it.size, it.size - it.unchanged, it.relative, it.absolute, it.squared] for it in found.values()
    ]
    np.testing.assert_allclose(sums.whole, wanted, rtol=1e-6)


def test_an_adapter_gives_the_masks_of_its_merge(folders, tmp_path):
    base = open_pair(folders / "p", folders / "p").original
    draw = np.random.default_rng(1).standard_normal
    modules = [f"model.layers.{layer}.self_attn.q_proj" for layer in range(2)]
    factors = {module: (draw((2, 16)).astype("f4"), draw((16, 2)).astype("f4")) for module in modules}
    write_floats(
        tmp_path / "adapter" / "adapter_model.safetensors",
        {
            f"base_model.model.{module}.lora_{part}.weight": array
            for module, both in factors.items()
            for part, array in zip("AB", both, strict=True)
        },
    )
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    pair = open_pair(folders / "p", tmp_path / "adapter")
    merged = {name: base.read(name).reshape(it.shape) for name, it in base.tensors.items()}
    for module, (a, b) in factors.items():
        merged[f"{module}.weight"] = merged[f"{module}.weight"] + 2 * (b @ a)
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "config.json").write_bytes((folders / "p" / "config.json").read_bytes())
    write_floats(tmp_path / "merged" / "model.safetensors", merged)
    other = open_pair(folders / "p", tmp_path / "merged")
    assert changes(pair.chunks()).keys() == changes(other.chunks()).keys()
    found, wanted = (select(one.chunks, [0.5, 10]) for one in (pair, other))
    for chunk in pair.chunks(50):
        if chunk[0].endswith("q_proj.weight"):
            np.testing.assert_array_equal(levels(found, chunk), levels(wanted, chunk))
        else:
            assert (chunk[2] == chunk[3]).all()
