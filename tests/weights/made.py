"""Tiny models of every family, and safetensors files written byte by byte, as the layout says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

SMALL = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 24, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
EXPERTS = {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
NO_KV = {
    key: value for key, value in SMALL.items() if key not in ("num_key_value_heads", "intermediate_size")
}
# name: row of the table, config class, its arguments
FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("llama", "LlamaConfig", SMALL),
    "llama with biases": ("llama", "LlamaConfig", SMALL | {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("llama", "MistralConfig", SMALL),
    "qwen2": ("llama", "Qwen2Config", SMALL),
    "qwen3": ("llama", "Qwen3Config", SMALL | {"head_dim": 4}),
    "gemma": ("llama", "GemmaConfig", SMALL | {"head_dim": 4}),
    "gemma2": ("llama", "Gemma2Config", SMALL | {"head_dim": 4}),
    "gemma3": ("llama", "Gemma3TextConfig", SMALL | {"head_dim": 4}),
    "smollm3": ("llama", "SmolLM3Config", SMALL),
    "olmo2": ("llama", "Olmo2Config", SMALL),
    "granite": ("llama", "GraniteConfig", SMALL),
    "stablelm": ("llama", "StableLmConfig", SMALL),
    "cohere": ("llama", "CohereConfig", SMALL),
    "phi": ("phi", "PhiConfig", SMALL | {"qk_layernorm": True}),
    "phi3": ("phi3", "Phi3Config", SMALL),
    "mixtral": ("mixtral", "MixtralConfig", SMALL | {"num_local_experts": 3, "num_experts_per_tok": 2}),
    "qwen2 moe": (
        "qwen_moe", "Qwen2MoeConfig", SMALL | EXPERTS | {"shared_expert_intermediate_size": 8, "mlp_only_layers": [1]}
    ),
    "qwen3 moe": ("qwen_moe", "Qwen3MoeConfig", SMALL | EXPERTS | {"head_dim": 4}),
    "gpt2": (
        "gpt2", "GPT2Config",
        {
            "vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 24, "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    "gpt neox": ("gpt_neox", "GPTNeoXConfig", SMALL),
    "opt": ("opt", "OPTConfig", NO_KV | {"ffn_dim": 24, "word_embed_proj_dim": 8}),
    "falcon": ("falcon", "FalconConfig", NO_KV),
    "falcon 40b": ("falcon", "FalconConfig", NO_KV | {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon rw": (
        "falcon", "FalconConfig", NO_KV | {"bias": True, "parallel_attn": False, "alibi": True, "multi_query": False}
    ),
}  # fmt: skip


def make_model(family: str = "llama", *, seed: int = 0, **changes: Any) -> Any:
    """Return a random model of a family of `FAMILIES`."""
    import torch
    import transformers

    _, kind, arguments = FAMILIES[family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return transformers.AutoModelForCausalLM.from_config(
            getattr(transformers, kind)(**arguments | changes)
        )


def nudge(model: Any, *, seed: int = 1) -> Any:
    """Return the model with a small change of every parameter."""
    import torch

    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1e-3 * torch.randn(parameter.shape, generator=random)
    return model


def write_safetensors(file: Path, tensors: Mapping[str, tuple[str, list[int], bytes]]) -> Path:
    """Write names to (dtype, shape, bytes)."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, content) in tensors.items():
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
        at += len(content)
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        len(header).to_bytes(8, "little") + header + b"".join(content for _, _, content in tensors.values())
    )
    return file


def write_floats(file: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays in float32."""
    return write_safetensors(
        file,
        {name: ("F32", list(array.shape), array.astype("<f4").tobytes()) for name, array in arrays.items()},
    )


def llama_arrays(*, vocabulary: int = 6, layers: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays of a Llama of width 4, head not tied."""
    draw = np.random.default_rng(seed).standard_normal
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, 4), "model.norm.weight": (4,), "lm_head.weight": (vocabulary, 4)
    }  # fmt: skip
    for layer in range(layers):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"model.layers.{layer}.self_attn.{name}.weight"] = (4, 4)
        for name in ("gate_proj", "up_proj"):
            shapes[f"model.layers.{layer}.mlp.{name}.weight"] = (5, 4)
        shapes[f"model.layers.{layer}.mlp.down_proj.weight"] = (4, 5)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"model.layers.{layer}.{name}.weight"] = (4,)
    return {name: draw(shape).astype(np.float32) for name, shape in shapes.items()}


def write_model(folder: Path, arrays: Mapping[str, np.ndarray], **config: Any) -> Path:
    """Write a folder with `model.safetensors` and `config.json` of a Llama."""
    write_floats(folder / "model.safetensors", arrays)
    config = {"model_type": "llama", "tie_word_embeddings": False} | config
    (folder / "config.json").write_text(json.dumps(config))
    return folder
