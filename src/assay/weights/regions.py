"""Which part of a model a tensor belongs to: region, layer and module, from a table of architectures.

Names are those on disk. Leading `PREFIXES` do not count, so that a model saved from inside a wrapper has the same
names as one saved whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay._check import choice
from assay.errors import DataError

# of wrappers (PEFT, DataParallel, torch.compile) and of the body under the head
PREFIXES = ("base_model.model.", "module.", "_orig_mod.", "model.", "transformer.", "gpt_neox.", "decoder.")
NORMS = (
    "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm",
    "self_attn.q_norm", "self_attn.k_norm", "norm",
)  # fmt: skip
FUSED_EXPERTS = (
    "mlp.experts.gate_up_proj",
    "mlp.experts.down_proj",
)  # save_original_format=False: one tensor for all
SELF_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")


@dataclass(frozen=True, slots=True)
class Architecture:
    """One layout of names: a tensor is `PREFIX blocks.LAYER.MODULE.weight` or `PREFIX MODULE.weight`."""

    summary: str
    model_types: tuple[str, ...]  # of config.json
    blocks: str  # what the list of layers is called
    attention: tuple[str, ...]
    mlp: tuple[str, ...]
    norm: tuple[str, ...]
    embedding: str  # its rows are the vocabulary, as those of the head
    head: str = "lm_head"
    router: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # of region embedding too, but no vocabulary: positions, projections

    @property
    def modules(self) -> dict[str, str]:
        """The region of each module; experts have no numbers."""
        return {
            **dict.fromkeys(self.attention, "attention"),
            **dict.fromkeys(self.mlp, "mlp"),
            **dict.fromkeys(self.norm, "norm"),
            **dict.fromkeys(self.router, "router"),
            **dict.fromkeys((self.embedding, *self.beside), "embedding"),
            self.head: "head",
        }


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(
        "Llama, Mistral, Qwen2, Qwen3, Gemma 1 to 3 and others of these names",
        (
            "llama",
            "mistral",
            "qwen2",
            "qwen3",
            "gemma",
            "gemma2",
            "gemma3_text",
            "smollm3",
            "olmo2",
            "granite",
            "stablelm",
            "cohere",
        ),
        "layers",
        SELF_ATTENTION,
        ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
        NORMS,
        "embed_tokens",
    ),
    "phi": Architecture(
        "Phi-1 to Phi-2",
        ("phi",),
        "layers",
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense"),
        ("mlp.fc1", "mlp.fc2"),
        ("input_layernorm", "self_attn.q_layernorm", "self_attn.k_layernorm", "final_layernorm"),
        "embed_tokens",
    ),
    "phi3": Architecture(
        "Phi-3 and Phi-4",
        ("phi3",),
        "layers",
        ("self_attn.qkv_proj", "self_attn.o_proj"),
        ("mlp.gate_up_proj", "mlp.down_proj"),
        NORMS,
        "embed_tokens",
    ),
    "mixtral": Architecture(
        "Mixtral",
        ("mixtral",),
        "layers",
        SELF_ATTENTION,
        (*(f"block_sparse_moe.experts.{name}" for name in ("w1", "w2", "w3")), *FUSED_EXPERTS),
        NORMS,
        "embed_tokens",
        router=("block_sparse_moe.gate", "mlp.gate"),
    ),
    "qwen_moe": Architecture(
        "Qwen2-MoE and Qwen3-MoE; layers without experts too",
        ("qwen2_moe", "qwen3_moe"),
        "layers",
        SELF_ATTENTION,
        (
            *(
                f"mlp.{one}{two}_proj"
                for one in ("", "experts.", "shared_expert.")
                for two in ("gate", "up", "down")
            ),
            FUSED_EXPERTS[0],
        ),
        NORMS,
        "embed_tokens",
        router=("mlp.gate", "mlp.shared_expert_gate"),
    ),
    "gpt2": Architecture(
        "GPT-2; its matrices are stored inputs x outputs",
        ("gpt2",),
        "h",
        ("attn.c_attn", "attn.c_proj"),
        ("mlp.c_fc", "mlp.c_proj"),
        ("ln_1", "ln_2", "ln_f"),
        "wte",
        beside=("wpe",),
    ),
    "gpt_neox": Architecture(
        "GPT-NeoX and Pythia",
        ("gpt_neox",),
        "layers",
        ("attention.query_key_value", "attention.dense"),
        ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        ("input_layernorm", "post_attention_layernorm", "final_layer_norm"),
        "embed_in",
        head="embed_out",
    ),
    "opt": Architecture(
        "OPT",
        ("opt",),
        "layers",
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"),
        ("fc1", "fc2"),
        ("self_attn_layer_norm", "final_layer_norm"),
        "embed_tokens",
        beside=("embed_positions", "project_in", "project_out"),
    ),
    "falcon": Architecture(
        "Falcon",
        ("falcon",),
        "h",
        ("self_attention.query_key_value", "self_attention.dense"),
        ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        ("input_layernorm", "post_attention_layernorm", "ln_attn", "ln_mlp", "ln_f"),
        "word_embeddings",
    ),
}

REGIONS = {
    "attention": "projections of attention",
    "mlp": "feed-forward matrices, of experts too",
    "router": "what chooses experts",
    "embedding": "tokens, positions, and projections beside them",
    "head": "from the last layer to logits, where it is not the embedding",
    "norm": "scales and shifts of norms",
    "bias": "biases of all but norms",
}
SCOPES: dict[str, tuple[str, ...]] = {
    "transformer": ("attention", "mlp"),  # the paper's
    **{name: (name,) for name in REGIONS},
    "all": tuple(REGIONS),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a model a tensor stands: its region, its layer (None outside of layers) and its module."""

    region: str
    layer: int | None
    module: str


def canonical(name: str) -> str:
    """Return a name without its leading `PREFIXES`.

    Examples
    --------
    >>> canonical("base_model.model.model.layers.0.mlp.up_proj.weight")
    'layers.0.mlp.up_proj.weight'
    """
    while prefix := next((one for one in PREFIXES if name.startswith(one)), None):
        name = name.removeprefix(prefix)
    return name


def architecture_of(names: Iterable[str], config: Mapping[str, Any] | None = None) -> str:
    """Return the row of `ARCHITECTURES` that a checkpoint follows.

    Parameters
    ----------
    names : iterable of str
        Of all its tensors.
    config : mapping, optional
        Its config.json. The row is that of its `model_type` where a row has it, else the first that knows all names.

    Raises
    ------
    DataError
        Where no row knows all names: with the first names that are not known.

    Examples
    --------
    >>> architecture_of(["wte.weight", "h.0.attn.c_attn.weight"])
    'gpt2'
    """
    listed = list(names)
    kind = (config or {}).get("model_type")
    named = [row for row, it in ARCHITECTURES.items() if kind in it.model_types]
    strange = {row: [name for name in listed if _place(name, row) is None] for row in named or ARCHITECTURES}
    row = min(strange, key=lambda one: len(strange[one]))
    if strange[row]:
        of = f"of {row}" if named else f"of one of {', '.join(ARCHITECTURES)}"
        raise DataError(
            f"tensors must have names {of} (model_type {kind!r}); {len(strange[row])} of {len(listed)} have not, "
            f"first {', '.join(strange[row][:3])}. Choose scope 'all', with a pattern of names."
        )
    return row


def place_of(name: str, architecture: str) -> Place:
    """Return region, layer and module of a tensor's name.

    Parameters
    ----------
    name : str
        As on disk.
    architecture : str
        A row of `ARCHITECTURES`.

    Returns
    -------
    Place
        `region` is a key of `REGIONS`. Biases are of region bias, but those of norms of region norm. The module has
        no layer, and no number of an expert.

    Raises
    ------
    DataError
        For a name that the architecture does not have.

    Notes
    -----
    The paper's program (Ye et al., EMNLP 2025, arXiv 2509.16596) takes names with `layers` and without `norm` for
    the transformer: with biases and routers, q and k norms left out, and nothing in GPT-2 and Falcon. Ours is
    attention and mlp; the same weights in Llama, Mistral, Gemma and Qwen3.

    Examples
    --------
    >>> place_of("model.layers.11.block_sparse_moe.experts.3.w1.weight", "mixtral")
    Place(region='mlp', layer=11, module='block_sparse_moe.experts.w1')
    """
    choice("architecture", architecture, ARCHITECTURES)
    found = _place(name, architecture)
    if found is None:
        raise DataError(f"{name} must be the name of a tensor of {architecture}; no region has it.")
    return found


def region_of(name: str, architecture: str) -> str:
    """Return the region of a tensor's name: `place_of(name, architecture).region`."""
    return place_of(name, architecture).region


def layer_of(name: str, architecture: str) -> int | None:
    """Return the layer of a tensor's name: `place_of(name, architecture).layer`."""
    return place_of(name, architecture).layer


def unnamed_place(name: str) -> Place:
    """Return the place of a name of no known architecture: no region, its first number as its layer."""
    plain = canonical(name)
    number = re.search(r"(?<=\.)\d+(?=\.)", plain)
    return Place("", int(number[0]) if number else None, re.sub(r"\.\d+(?=\.)", "", plain))


def _place(name: str, architecture: str) -> Place | None:
    row = ARCHITECTURES[architecture]
    plain = canonical(name)
    inside = re.fullmatch(rf"{row.blocks}\.(\d+)\.(.+)", plain)
    layer, rest = (int(inside[1]), inside[2]) if inside else (None, plain)
    module, _, kind = (rest, "", "weight") if rest.endswith(FUSED_EXPERTS) else rest.rpartition(".")
    module = re.sub(r"(?<=experts\.)\d+\.", "", module)
    region = row.modules.get(module)
    if region is None or kind not in ("weight", "bias"):
        return None
    return Place("bias" if kind == "bias" and region != "norm" else region, layer, module)
