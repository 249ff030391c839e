"""Adapters that PEFT saved, against PEFT's own merge in float32, and one clear error for what is not such a sum."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import open_adapter, open_checkpoint, open_pair, restore, select
from tests.weights.made import make_model, write_floats

QV = ["q_proj", "v_proj"]
pytestmark = [  # all by PEFT
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
    pytest.mark.filterwarnings("ignore:Model (has|with) `tie_word_embeddings=True`"),
    pytest.mark.filterwarnings("ignore:Input and output embeddings are no longer tied"),
]


def save_pair(place, family="llama", *, seed=0, dtype=None, **settings):
    """Save a base and an adapter whose factors are all random; return the folders and what PEFT makes of them."""
    import torch
    from peft import LoraConfig, get_peft_model

    base = make_model(family, seed=seed)
    if dtype is not None:
        base.to(dtype)
    base.save_pretrained(place / "base")
    base.float()
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **{"r": 4, "lora_alpha": 6} | settings))
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += torch.randn(parameter.shape, generator=random)
    model.save_pretrained(place / "adapter")
    merged = model.merge_and_unload()
    return {
        name: value.detach().numpy().ravel().copy()
        for name, value in merged.state_dict(keep_vars=True).items()
    }


def joined(pair, elements):
    found = {}
    for name, _, _, s in pair.chunks(elements):
        found.setdefault(name, []).append(s)
    return {name: np.concatenate(parts) for name, parts in found.items()}


@pytest.mark.parametrize(
    ("family", "settings", "changed"),
    [
        ("llama", {"target_modules": QV}, 4),
        ("llama", {"target_modules": "all-linear", "use_rslora": True}, 14),
        (
            "qwen2",
            {
                "target_modules": [*QV, "up_proj"],
                "rank_pattern": {"v_proj": 2, "layers.1.self_attn.q_proj": 3},
                "alpha_pattern": {"1.mlp.up_proj": 11},
            },
            6,
        ),
        ("gpt2", {"target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True}, 8),
        ("llama", {"target_modules": QV, "modules_to_save": ["lm_head", "embed_tokens"]}, 6),
        ("llama", {"target_modules": [*QV, "embed_tokens"]}, 5),
        ("llama with biases", {"target_modules": QV, "bias": "all"}, 4 + 14),
        ("mixtral", {"target_modules": QV}, 4),
    ],
)
def test_an_adapter_reads_as_its_merge_in_float32(family, settings, changed, tmp_path):
    wanted = save_pair(tmp_path, family, **settings)
    pair = open_pair(tmp_path / "base", tmp_path / "adapter", scope="all")
    found = joined(pair, 2**20)
    if family == "mixtral":  # its experts are one tensor in memory, one each on disk
        wanted = {name: value for name, value in wanted.items() if name in found}
    else:
        assert found.keys() == {name for name in wanted if name != "lm_head.weight" or family != "gpt2"}
    for name in found.keys() & wanted.keys():
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=name)
    base = open_checkpoint(tmp_path / "base")
    assert sum((found[name] != base.read(name)).any() for name in found) == changed
    # any slices give the same bits
    for elements in (7, 64):
        for name, values in joined(pair, elements).items():
            np.testing.assert_array_equal(values, found[name])


def test_the_product_by_hand(tmp_path):
    import torch

    save_pair(tmp_path, target_modules=["k_proj"], use_rslora=True, dtype=torch.bfloat16)
    base = open_checkpoint(tmp_path / "base")
    adapter = open_adapter(tmp_path / "adapter", base)
    name = "model.layers.1.self_attn.k_proj.weight"
    stored = {part: adapter.stored.read(f"base_model.model.{name[:-6]}lora_{part}.weight") for part in "AB"}
    assert base.tensors[name].dtype == "BF16"
    for row, column in ((0, 0), (3, 15), (7, 2)):
        by_hand = sum(float(stored["B"][row * 4 + k]) * float(stored["A"][k * 16 + column]) for k in range(4))
        at = row * 16 + column
        assert adapter.change(name, at, at + 1)[0] == pytest.approx(by_hand * 6 / math.sqrt(4), rel=1e-5)
        # added in float32, not rounded to the base's bf16
        assert (
            adapter.read(name, at, at + 1)[0]
            == base.read(name, at, at + 1)[0] + adapter.change(name, at, at + 1)[0]
        )


def test_blocks_are_not_seen_in_the_values(tmp_path, monkeypatch):
    wanted = save_pair(tmp_path, "gpt2", target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True)
    monkeypatch.setattr("assay.weights.lora.BLOCK", 100)  # two rows of 48 values
    for name, values in joined(open_pair(tmp_path / "base", tmp_path / "adapter"), 33).items():
        np.testing.assert_allclose(values, wanted[name], rtol=1e-5, atol=1e-5)


def test_a_head_of_its_own_on_a_tied_base(tmp_path):
    wanted = save_pair(tmp_path, "gemma", target_modules=QV, modules_to_save=["lm_head"])
    pair = open_pair(tmp_path / "base", tmp_path / "adapter", scope="head")
    [(name, _, p, s)] = pair.chunks()
    np.testing.assert_array_equal(s, wanted["lm_head.weight"])
    np.testing.assert_array_equal(p, open_checkpoint(tmp_path / "base").read("model.embed_tokens.weight"))
    assert (name, pair.matches[0].original) == ("lm_head.weight", "model.embed_tokens.weight")
    with pytest.raises(
        DataError, match=r"must only change tensors of its base; it adds lm_head\.weight\. Merge"
    ):
        restore(pair, select(pair.chunks, [5]), tmp_path / "out")


def test_the_tied_head_cannot_be_changed_alone(tmp_path):
    save_pair(tmp_path, "gemma", target_modules=[*QV, "lm_head"])
    with pytest.raises(
        DataError, match=r"must not change \S+lm_head, which is the embedding too; it does\. Merge"
    ):
        open_pair(tmp_path / "base", tmp_path / "adapter")


@pytest.mark.parametrize(
    "settings", [{"modules_to_save": ["embed_tokens"]}, {"target_modules": ["embed_tokens"]}]
)
def test_the_embedding_of_a_tied_base_cannot_be_changed_alone(settings, tmp_path):
    save_pair(tmp_path, "gemma", **{"target_modules": QV} | settings)
    with pytest.raises(
        DataError,
        match=r"must not change model\.embed_tokens\.weight, which is the head too, alone; it does\. Merge",
    ):
        open_pair(tmp_path / "base", tmp_path / "adapter")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A base, an adapter of it, and its settings."""
    place = tmp_path_factory.mktemp("lora")
    save_pair(place, target_modules=QV)
    return place, json.loads((place / "adapter" / "adapter_config.json").read_text())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, r"must be a plain LoRA adapter; got DoRA \(use_dora\)\. Merge it first: merge_and"),
        ({"peft_type": "IA3"}, r"must be an adapter of kind LORA; got IA3\. Merge it first"),
        ({"lora_bias": True}, r"got lora_bias\. Merge it first"),
        ({"alora_invocation_tokens": [1]}, r"got alora_invocation_tokens\. Merge it first"),
        ({"init_lora_weights": "pissa_niter_4"}, r"own weights; init_lora_weights 'pissa_niter_4' changed them\."),
        ({"r": 5}, r"q_proj must have the rank and alpha of adapter_config\.json; got rank 4 for r 5, alpha 6\. Copy"),
        ({"lora_alpha": None}, r"got rank 4 for r 4, alpha None"),
    ],
)  # fmt: skip
def test_adapters_that_are_no_plain_sum_are_refused(saved, tmp_path, changes, message):
    place, settings = saved
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | changes))
    (tmp_path / "adapter_model.safetensors").write_bytes(
        (place / "adapter" / "adapter_model.safetensors").read_bytes()
    )
    with pytest.raises(DataError, match=message):
        open_pair(place / "base", tmp_path)


def test_an_adapter_of_another_base_stops(saved, tmp_path):
    place, _ = saved
    make_model("gpt2").save_pretrained(tmp_path / "gpt2")
    with pytest.raises(
        DataError,
        match=r"adapter must be one of the original; 4 of 4 modules are not in \S+gpt2, first base_model\.model"
        r"\.model\.layers\.0\.self_attn\.q_proj\. Give the model that it was trained on",
    ):
        open_pair(tmp_path / "gpt2", place / "adapter")
    make_model("llama", hidden_size=32).save_pretrained(tmp_path / "wide")
    with pytest.raises(
        DataError,
        match=r"q_proj changes a matrix of shape \[16, 16\], the original's is \[32, 32\]\. Give",
    ):
        open_pair(tmp_path / "wide", place / "adapter")
    make_model("llama", num_hidden_layers=1).save_pretrained(tmp_path / "short")
    with pytest.raises(
        DataError, match=r"adapter must be one of the original; 2 of 4 .*layers\.1\.self_attn\.q_proj"
    ):
        open_pair(tmp_path / "short", place / "adapter")


def test_what_is_wrong_with_an_adapters_file(saved, tmp_path):
    place, settings = saved
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(
        DataError, match=r"must hold adapter_model\.safetensors; it does not\. Save the adapter again"
    ):
        open_pair(place / "base", tmp_path)
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    a, b = np.zeros((4, 16)), np.zeros((16, 4))
    for arrays, message in [
        ({f"{module}.lora_A.weight": a}, r"q_proj must have lora_A and lora_B; got A\. Save it again"),
        ({f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": a}, r"got \(4, 16\) and \(4, 16\)\. Merge it first"),
        ({f"{module}.lora_magnitude_vector": b[0]}, r"must hold pairs lora_A and lora_B; got .*magnitude_vector\."),
        ({"base_model.model.extra.weight": a}, r"tensors must have names of llama .* first extra\.weight"),
        ({f"{module}.weight": a}, r"q_proj\.weight must have the original's shape \[16, 16\]; got \[4, 16\]"),
        ({}, r"must hold weights; it holds none"),
    ]:  # fmt: skip
        write_floats(tmp_path / "adapter_model.safetensors", arrays)
        with pytest.raises(DataError, match=message):
            open_pair(place / "base", tmp_path)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(DataError, match=r"adapter_config\.json must be a JSON object; got list"):
        open_pair(place / "base", tmp_path)


def test_a_head_that_is_the_embedding_cannot_be_changed_alone(tmp_path):
    make_model("gemma").save_pretrained(tmp_path / "base")
    base = open_checkpoint(tmp_path / "base")
    head = {"lm_head.weight": base.read("model.embed_tokens.weight").reshape(40, 16)}
    write_floats(
        tmp_path / "base" / "model.safetensors",
        {name: base.read(name).reshape(it.shape) for name, it in base.tensors.items()} | head,
    )
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"r": 1, "lora_alpha": 1}))
    factors = {"lora_A": np.ones((1, 16)), "lora_B": np.ones((40, 1))}
    write_floats(
        tmp_path / "adapter" / "adapter_model.safetensors",
        {f"base_model.model.lm_head.{part}.weight": array for part, array in factors.items()},
    )
    with pytest.raises(
        DataError, match=r"must not change lm_head\.weight, which is the embedding too; it does\. Merge it"
    ):
        open_pair(tmp_path / "base", tmp_path / "adapter")
