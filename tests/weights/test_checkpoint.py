"""Slices of safetensors files against torch's own reading, and one clear error for each file that is not whole."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import open_checkpoint
from tests.weights.made import llama_arrays, make_model, write_floats, write_model, write_safetensors


def by_definition(dtype: str, content: bytes) -> list[float]:
    """Return values one by one, from the formats' definitions."""
    if dtype == "F32":
        return [one for (one,) in struct.iter_unpack("<f", content)]
    if dtype == "F16":
        return [one for (one,) in struct.iter_unpack("<e", content)]
    return [struct.unpack("<f", b"\0\0" + content[at : at + 2])[0] for at in range(0, len(content), 2)]


@pytest.mark.parametrize(("dtype", "width"), [("F32", 4), ("F16", 2), ("BF16", 2)])
def test_slices_are_the_values(dtype, width, tmp_path):
    content = np.random.default_rng(3).bytes(24 * width)  # any bits: NaN and infinity too
    whole = by_definition(dtype, content)
    file = write_safetensors(
        tmp_path / "a.safetensors", {"first": ("F32", [1], b"abcd"), "x": (dtype, [4, 6], content)}
    )
    there = open_checkpoint(file)
    assert (list(there.tensors), there.tensors["x"].shape, there.tensors["x"].size) == (
        ["first", "x"],
        (4, 6),
        24,
    )
    for start, stop in [(0, 24), (0, None), (5, 11), (23, 24), (7, 7)]:
        found = there.read("x", start, stop)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, np.array(whole[start:stop], dtype=np.float32))
        assert (
            there.raw("x", start, stop).tobytes()
            == content[start * width : (24 if stop is None else stop) * width]
        )
    with pytest.raises(DataError, match="start and stop must be from 0 to 24; got 3 and 25"):
        there.read("x", 3, 25)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_saved_model_is_read_as_torch_has_it_sharded_or_not(dtype, tmp_path):
    import torch

    model = make_model("qwen2").to(getattr(torch, dtype))
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", max_shard_size="4KB")
    one, many = open_checkpoint(tmp_path / "one"), open_checkpoint(tmp_path / "many")
    assert (len(one.files), len(many.files) > 2) == (1, True)
    assert one.config["model_type"] == many.config["model_type"] == "qwen2"
    values = dict(model.named_parameters())
    assert list(one.tensors) == list(many.tensors) == sorted(values)
    for name, value in values.items():
        wanted = value.detach().float().numpy().ravel()
        np.testing.assert_array_equal(one.read(name), wanted)
        np.testing.assert_array_equal(many.read(name), wanted)
        assert one.raw(name).tobytes() == many.raw(name).tobytes()
        assert one.tensors[name].shape == tuple(value.shape)


def test_buffers_are_no_weights(tmp_path):
    file = write_safetensors(
        tmp_path / "model.safetensors",
        {
            "h.0.attn.bias": ("U8", [1, 1, 2, 2], b"abcd"),
            "model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", [1], b"abcd"),
            "h.0.attn.c_attn.bias": ("F32", [1], b"abcd"),
            "embeddings.position_ids": ("I64", [1], b"abcdefgh"),
        },
    )
    assert list(open_checkpoint(file).tensors) == ["h.0.attn.c_attn.bias"]


def test_no_torch_is_imported():
    code = "import sys, assay.weights; print([m for m in ('torch', 'transformers', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def sharded(tmp_path):
    """A folder with an index and two shards."""
    arrays = llama_arrays()
    names = sorted(arrays)
    halves = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, half in halves.items():
        write_floats(tmp_path / file, {name: arrays[name] for name in half})
    places = {name: file for file, half in halves.items() for name in half}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return tmp_path


def test_a_shard_cut_short_is_told_at_opening(sharded):
    assert open_checkpoint(sharded).tensors.keys() == llama_arrays().keys()
    shard = sharded / "b.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-3])
    last = sorted(llama_arrays())[-1]
    wanted = rf"b\.safetensors must be whole; {last} ends at byte {len(content)}, the file at {len(content) - 3}\. Copy"
    with pytest.raises(DataError, match=wanted):
        open_checkpoint(sharded)
    shard.write_bytes(content[:100])
    with pytest.raises(
        DataError, match=r"b\.safetensors must be whole; got a file that ends inside its header"
    ):
        open_checkpoint(sharded)
    shard.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n")
    with pytest.raises(DataError, match=r"got a pointer of Git LFS\. Fetch it: git lfs pull"):
        open_checkpoint(sharded)
    for content in (b"", b"PK\3\4", (2).to_bytes(8, "little") + b"[]", (4).to_bytes(8, "little") + b'{"a"'):
        shard.write_bytes(content)
        with pytest.raises(
            DataError, match=r"b\.safetensors must be a \.safetensors file; got something else"
        ):
            open_checkpoint(sharded)
    shard.unlink()
    with pytest.raises(DataError, match=r"b\.safetensors must be there, since the index names it"):
        open_checkpoint(sharded)


def test_a_file_that_shrinks_while_it_is_read_stops(tmp_path):
    file = write_floats(tmp_path / "a.safetensors", {"x": np.ones(100)})
    there = open_checkpoint(file)
    file.write_bytes(file.read_bytes()[:-8])
    assert there.read("x", 0, 98).sum() == 98
    with pytest.raises(DataError, match="must stay as it is while it is read; it ends before x does"):
        there.read("x", 0, 100)


def test_shards_and_index_must_agree(sharded):
    index = sharded / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    index.write_text(
        json.dumps({"weight_map": places | {"lm_head.weight": "b.safetensors", "z": "a.safetensors"}})
    )
    with pytest.raises(
        DataError, match=r"2 of 22 are not there, first lm_head\.weight in b\.safetensors\. Copy the shards"
    ):
        open_checkpoint(sharded)
    index.write_text(json.dumps({"weight_map": {"z": "../a.safetensors"}}))
    with pytest.raises(DataError, match=r"must name files of its folder; got '\.\./a\.safetensors'"):
        open_checkpoint(sharded)
    index.write_text("{}")
    with pytest.raises(DataError, match="must have a weight_map"):
        open_checkpoint(sharded)
    index.write_text(json.dumps({"weight_map": places}))
    write_floats(sharded / "b.safetensors", llama_arrays())
    with pytest.raises(DataError, match=r"must hold no tensor of another shard; .* is in a\.safetensors too"):
        open_checkpoint(sharded)


def test_sizes_must_fit_shapes(tmp_path):
    file = write_safetensors(tmp_path / "a.safetensors", {"x": ("F32", [2, 2], b"12345678")})
    with pytest.raises(DataError, match=r"x must have the bytes of its shape; got 8 for F32 \[2, 2\]"):
        open_checkpoint(file)


def test_quantized_weights_are_refused(tmp_path):
    for dtype, content in (("F8_E4M3", b"1234"), ("U8", b"1234"), ("I32", b"1234" * 4)):
        file = write_safetensors(tmp_path / "a.safetensors", {"x": (dtype, [4], content)})
        with pytest.raises(
            DataError, match=f"x must be F32, BF16 or F16; got {dtype}. Save the model in one of them"
        ):
            open_checkpoint(file)
    folder = write_model(tmp_path / "m", llama_arrays(), quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(DataError, match=r"its config\.json says bitsandbytes\. Save it dequantized"):
        open_checkpoint(folder)


def test_folders_without_weights_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"must be an existing folder or \.safetensors file; there is none"):
        open_checkpoint(tmp_path / "x")
    wanted = r"must hold model\.safetensors or model\.safetensors\.index\.json; got "
    with pytest.raises(DataError, match=wanted + "neither"):
        open_checkpoint(tmp_path)
    write_floats(tmp_path / "other.safetensors", {"x": np.ones(1)})
    with pytest.raises(DataError, match=wanted + r"other\.safetensors alone\. Give the file"):
        open_checkpoint(tmp_path)
    write_floats(tmp_path / "model-00001-of-00002.safetensors", {"x": np.ones(1)})
    with pytest.raises(DataError, match=wanted + r"shards without the index\. Copy it too"):
        open_checkpoint(tmp_path)
    (tmp_path / "pytorch_model-00001-of-00002.bin").touch()
    with pytest.raises(DataError, match=wanted + r"pickled weights\. Load it in transformers"):
        open_checkpoint(tmp_path)
    (tmp_path / "m.gguf").touch()
    with pytest.raises(DataError, match=wanted + "GGUF"):
        open_checkpoint(tmp_path)
    with pytest.raises(DataError, match="got GGUF"):
        open_checkpoint(tmp_path / "m.gguf")
    (tmp_path / "adapter_config.json").touch()
    with pytest.raises(DataError, match=wanted + r"an adapter\. Give it as the tuned model"):
        open_checkpoint(tmp_path)
