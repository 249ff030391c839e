"""Every parameter of tiny models of every family has one region, and all regions that it should have are there."""

from __future__ import annotations

import pytest

from assay.errors import DataError
from assay.weights import ARCHITECTURES, REGIONS, SCOPES, architecture_of, layer_of, open_checkpoint, place_of
from tests.weights.made import FAMILIES, make_model

# regions that a family has beside attention, mlp, embedding and norm
BESIDE = {
    "llama": {"head"}, "llama with biases": {"head", "bias"}, "mistral": {"head"}, "qwen2": {"head", "bias"},
    "qwen3": {"head"}, "gemma": set(), "gemma2": set(), "gemma3": set(), "smollm3": set(), "olmo2": {"head"},
    "granite": {"head"}, "stablelm": {"head"}, "cohere": set(), "phi": {"head", "bias"}, "phi3": {"head"},
    "mixtral": {"head", "router"}, "qwen2 moe": {"head", "router", "bias"}, "qwen3 moe": {"head", "router"},
    "gpt2": {"bias"}, "gpt neox": {"head", "bias"}, "opt": {"bias"}, "falcon": set(), "falcon 40b": set(),
    "falcon rw": {"bias"},
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_regions_are_not_empty_and_together_all_parameters(family, tmp_path):
    model = make_model(family)
    model.save_pretrained(tmp_path)
    there = open_checkpoint(tmp_path)
    assert architecture_of(there.tensors, there.config) == FAMILIES[family][0]
    assert architecture_of(there.tensors) == FAMILIES[family][0]  # without config.json too
    places = {name: place_of(name, FAMILIES[family][0]) for name in there.tensors}
    # one region a name: all of them together are the model
    sizes = dict.fromkeys(REGIONS, 0)
    for name, place in places.items():
        sizes[place.region] += there.tensors[name].size
    assert sum(sizes.values()) == sum(parameter.numel() for parameter in model.parameters())
    filled = {region for region, size in sizes.items() if size}
    assert filled == {"attention", "mlp", "embedding", "norm"} | BESIDE[family]
    # matrices of layers are attention and mlp, and nothing else is, but what chooses experts
    for name, place in places.items():
        matrix = place.layer is not None and len(there.tensors[name].shape) == 2
        assert (place.region in (*SCOPES["transformer"], "router")) == matrix, name
    # the scope of the paper's program, where that has no biases or routers
    theirs = {name for name in places if "layers" in name and "norm" not in name}
    ours = {name for name, place in places.items() if place.region in SCOPES["transformer"]}
    assert (ours == theirs) == (not BESIDE[family] & {"bias", "router"} and "falcon" not in family)
    layers = {place.layer for place in places.values()} - {None}
    assert layers == {0, 1}
    for layer in layers:
        assert {"attention", "mlp", "norm"} - {p.region for p in places.values() if p.layer == layer} == set()


@pytest.mark.parametrize("family", ["mixtral", "qwen3 moe"])
def test_experts_saved_as_one_tensor_are_mlp(family, tmp_path):
    model = make_model(family)
    model.save_pretrained(tmp_path / "one", save_original_format=False)
    model.save_pretrained(tmp_path / "each")
    sizes = []
    for folder in ("one", "each"):
        there = open_checkpoint(tmp_path / folder)
        row = architecture_of(there.tensors, there.config)
        sizes.append(dict.fromkeys(REGIONS, 0))
        for name, tensor in there.tensors.items():
            sizes[-1][place_of(name, row).region] += tensor.size
    assert sizes[0] == sizes[1]


def test_counts_of_a_llama_by_hand(tmp_path):
    make_model().save_pretrained(tmp_path)
    there = open_checkpoint(tmp_path)
    sizes = dict.fromkeys(REGIONS, 0)
    for name, tensor in there.tensors.items():
        sizes[place_of(name, "llama").region] += tensor.size
    # width 16, MLP 24, 2 of 4 heads for k and v, vocabulary 40, 2 layers
    assert sizes == {
        "attention": 2 * (2 * 16 * 16 + 2 * 16 * 8), "mlp": 2 * 3 * 16 * 24, "router": 0, "embedding": 40 * 16,
        "head": 40 * 16, "norm": 5 * 16, "bias": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "architecture", "region", "layer", "module"),
    [
        ("model.layers.11.self_attn.q_proj.weight", "llama", "attention", 11, "self_attn.q_proj"),
        ("base_model.model.model.layers.0.self_attn.q_proj.bias", "llama", "bias", 0, "self_attn.q_proj"),
        ("model.layers.3.self_attn.q_norm.weight", "llama", "norm", 3, "self_attn.q_norm"),
        ("model.layers.3.mlp.experts.12.up_proj.weight", "qwen_moe", "mlp", 3, "mlp.experts.up_proj"),
        ("model.layers.3.mlp.gate.weight", "qwen_moe", "router", 3, "mlp.gate"),
        ("h.5.ln_1.bias", "gpt2", "norm", 5, "ln_1"),  # as the hub has GPT-2
        ("wpe.weight", "gpt2", "embedding", None, "wpe"),
        ("decoder.layers.1.fc1.weight", "opt", "mlp", 1, "fc1"),
        ("model.decoder.final_layer_norm.bias", "opt", "norm", None, "final_layer_norm"),
        ("lm_head.bias", "phi", "bias", None, "lm_head"),
        ("_orig_mod.model.embed_tokens.weight", "llama", "embedding", None, "embed_tokens"),
    ],
)
def test_places(name, architecture, region, layer, module):
    found = place_of(name, architecture)
    assert (found.region, found.layer, found.module) == (region, layer, module)
    assert layer_of(name, architecture) == layer


@pytest.mark.parametrize("row", ARCHITECTURES)
def test_a_module_is_of_one_region(row):
    it = ARCHITECTURES[row]
    listed = [*it.attention, *it.mlp, *it.norm, *it.router, *it.beside, it.embedding, it.head]
    assert len(listed) == len(set(listed)) == len(it.modules)
    assert it.summary
    others = [kind for name, one in ARCHITECTURES.items() if name != row for kind in one.model_types]
    assert not set(it.model_types) & set(others)


def test_unknown_names_stop():
    names = ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.mamba.in_proj.weight"]
    with pytest.raises(
        DataError,
        match=r"names of llama \(model_type 'qwen3'\); 1 of 2 have not, first model\.layers\.0\.mamba\.in_proj"
        r"\.weight\. Choose scope 'all', with a pattern",
    ):
        architecture_of(names, {"model_type": "qwen3"})
    with pytest.raises(DataError, match=r"names of one of llama, phi, .*\(model_type 'jamba'\); 1 of 2"):
        architecture_of(names, {"model_type": "jamba"})
    with pytest.raises(
        DataError, match=r"mamba\.in_proj\.weight must be the name of a tensor of llama; no region"
    ):
        place_of(names[1], "llama")
    with pytest.raises(
        DataError, match=r"architecture must be one of llama, .*; got 'lama'\. Did you mean 'llama'"
    ):
        place_of(names[0], "lama")
