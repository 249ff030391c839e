"""A LoRA adapter of PEFT as a tuned model: its base plus the products of its factors, in float32, slice by slice."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay._files import read_json
from assay.errors import DataError
from assay.weights.checkpoint import Checkpoint, Tensor, Vector, weights_of
from assay.weights.regions import ARCHITECTURES, canonical

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BLOCK = 2**18  # values of a product that are computed at once, whatever slice is asked for
MERGE = "Merge it first: merge_and_unload() in PEFT, save_pretrained, and give that folder."
# settings of PEFT under which the change is more than a product of two factors, or the base another one
REFUSED = (
    "use_dora", "use_qalora", "use_bdlora", "lora_bias", "layer_replication", "target_parameters", "megatron_config",
    "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config",
    "velora_config",
)  # fmt: skip
OTHER_BASE = (
    "pissa",
    "olora",
    "corda",
    "loftq",
    "lora_ga",
    "mica",
)  # these starts change the base's own weights
FACTOR = re.compile(r"(.+)\.lora_(A|B|embedding_A|embedding_B)(\.weight)?")


@dataclass(frozen=True, slots=True)
class Factors:
    """The change of one matrix: scale * B A, its transpose where `transposed`; A is (r, inputs), B (outputs, r)."""

    a: Tensor
    b: Tensor
    scale: float
    transposed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """A tuned model made of a base and an adapter; reads like a `Checkpoint`, dense and in float32."""

    path: Path
    base: Checkpoint
    tensors: Mapping[str, Tensor]  # the base's, by its names, but for those that the adapter holds whole
    config: Mapping[str, Any]  # of the base
    settings: Mapping[str, Any]  # of adapter_config.json
    files: tuple[Path, ...]
    factors: Mapping[str, Factors]  # by names of the base
    stored: Checkpoint  # the adapter's own file

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Vector:
        """Return values `start` to `stop` of a tensor as merging in float32 gives them, for any slices the same."""
        tensor = self.tensors[name]
        stop = tensor.size if stop is None else stop
        if tensor.file in self.files:
            values = self.stored.read(tensor.name, start, stop)
        else:
            values = self.base.read(name, start, stop)
        if name in self.factors:
            values += self.change(name, start, stop)
        return values

    def change(self, name: str, start: int = 0, stop: int | None = None) -> Vector:
        """Return values `start` to `stop` of the product of a matrix's factors, float32.

        Memory: the slice, both factors of the matrix, and a block of some 1 MB (one row where that is longer).
        """
        factors, tensor = self.factors[name], self.tensors[name]
        stop = tensor.size if stop is None else stop
        rows, columns = tensor.shape
        rank = factors.a.shape[0]
        a = self.stored.read(factors.a.name).reshape(rank, -1)
        b = self.stored.read(factors.b.name).reshape(-1, rank)
        left, right = (a.T, b.T) if factors.transposed else (b, a)
        # always the same blocks of rows: BLAS rounds otherwise for other shapes
        height = max(1, BLOCK // columns)
        values = np.empty(stop - start, dtype=np.float32)
        for row in range(start // columns // height * height, rows, height):
            at = row * columns
            if at >= stop:
                break
            product = left[row : row + height] @ right
            product *= np.float32(factors.scale)
            low, high = max(start, at), min(stop, at + product.size)
            values[low - start : high - start] = product.reshape(-1)[low - at : high - at]
        return values


def is_adapter(path: str | Path) -> bool:
    """Return whether a folder holds an adapter of PEFT."""
    return (Path(path) / CONFIG).is_file()


def open_adapter(path: str | Path, base: Checkpoint) -> Adapter:
    """Return the model that an adapter makes of its base, without any value read.

    Parameters
    ----------
    path : str or Path
        Folder with `adapter_config.json` and `adapter_model.safetensors`, as PEFT saves them.
    base : Checkpoint
        The model that it was trained on.

    Returns
    -------
    Adapter

    Raises
    ------
    DataError
        For an adapter of another kind than LoRA, or whose change is not a product of two factors (DoRA and others:
        merge it first); for one that does not fit the base: names or shapes that it lacks.

    Notes
    -----
    The change of a matrix is (alpha / r) B A, or (alpha / sqrt(r)) B A with `use_rslora`; `rank_pattern` and
    `alpha_pattern` count; transposed in embeddings and where matrices are stored inputs x outputs (`fan_in_fan_out`,
    GPT-2). Modules in `modules_to_save`, biases and resized embeddings are taken whole. Computed in float32 and
    never rounded to the base's type: merging in bf16 rounds small changes away (huggingface/peft#1388, #2502), so
    that a model merged so is another one than this.
    Source: Hu et al., "LoRA", ICLR 2022, arXiv 2106.09685; Kalajdzievski, arXiv 2312.03732 (rsLoRA); PEFT 0.21.
    """
    folder = Path(path)
    settings = read_json(folder / CONFIG)
    if not isinstance(settings, dict):
        raise DataError(f"{folder / CONFIG} must be a JSON object; got {type(settings).__name__}.")
    _check_kind(folder, settings)
    file = folder / WEIGHTS
    if not file.is_file():
        raise DataError(
            f"{folder} must hold {WEIGHTS}; it does not. Save the adapter again with save_pretrained."
        )
    stored = Checkpoint(folder, weights_of((file,)), {}, (file,))
    names = {canonical(name): name for name in base.tensors}
    tensors, pairs = dict(base.tensors), dict[str, dict[str, Tensor]]()
    for tensor in stored.tensors.values():
        found = FACTOR.fullmatch(tensor.name)
        if found is not None:
            pairs.setdefault(found[1], {})[found[2]] = tensor
        elif ".lora_" in tensor.name:
            raise DataError(f"{file} must hold pairs lora_A and lora_B; got {tensor.name}. {MERGE}")
        else:
            own = tensor.name.removeprefix("base_model.model.").replace(".base_layer.", ".")
            own = own.replace(".modules_to_save.", ".")
            tensors[names.get(canonical(own), own)] = tensor
    factors = {}
    strange = [module for module in pairs if f"{canonical(module)}.weight" not in names]
    heads = {row.head for row in ARCHITECTURES.values()}
    if strange and all(canonical(module) in heads for module in strange):
        raise DataError(
            f"{folder} must not change {strange[0]}, which is the embedding too; it does. {MERGE}"
        )
    if strange:
        raise DataError(
            f"adapter must be one of the original; {len(strange)} of {len(pairs)} modules are not in {base.path}, "
            f"first {strange[0]}.{_of(settings)}"
        )
    for module, parts in pairs.items():
        name = names[f"{canonical(module)}.weight"]
        factors[name] = _factors(module, parts, tensors[name], settings, base)
    return Adapter(
        folder, base, {name: tensors[name] for name in sorted(tensors)}, base.config, settings, (file,), factors,
        stored,
    )  # fmt: skip


def _check_kind(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise for an adapter whose change is more than products of factors."""
    kind = settings.get("peft_type", "LORA")
    if kind != "LORA":
        raise DataError(f"{folder} must be an adapter of kind LORA; got {kind}. {MERGE}")
    used = next((name for name in REFUSED if settings.get(name)), None)
    if used is not None:
        shown = "DoRA (use_dora)" if used == "use_dora" else used
        raise DataError(f"{folder} must be a plain LoRA adapter; got {shown}. {MERGE}")
    start = str(settings.get("init_lora_weights", True)).lower()
    if start.startswith(OTHER_BASE):
        raise DataError(
            f"{folder} must be an adapter of the original's own weights; init_lora_weights {start!r} changed them. "
            f"{MERGE}"
        )


def _factors(
    module: str, parts: Mapping[str, Tensor], tensor: Tensor, settings: Mapping[str, Any], base: Checkpoint
) -> Factors:
    """Return the factors of one module, checked against the matrix that they change."""
    embedding = set(parts) == {"embedding_A", "embedding_B"}
    if not embedding and set(parts) != {"A", "B"}:
        raise DataError(
            f"{module} must have lora_A and lora_B; got {', '.join(sorted(parts))}. Save it again."
        )
    a, b = (parts["embedding_A"], parts["embedding_B"]) if embedding else (parts["A"], parts["B"])
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
        raise DataError(
            f"{module} must have factors (r, inputs) and (outputs, r); got {a.shape} and {b.shape}. {MERGE}"
        )
    plain = module.removeprefix("base_model.model.")
    rank = _patterned(settings, "rank_pattern", plain, settings.get("r"))
    alpha = _patterned(settings, "alpha_pattern", plain, settings.get("lora_alpha"))
    if a.shape[0] != rank or not isinstance(alpha, int | float):
        raise DataError(
            f"{module} must have the rank and alpha of {CONFIG}; got rank {a.shape[0]} for r {rank!r}, "
            f"alpha {alpha!r}. Copy the adapter again."
        )
    straight = (b.shape[0], a.shape[1])
    fits = straight == tensor.shape, straight[::-1] == tensor.shape
    # where both fit, the flag decides; PEFT sets it layer by layer, so that it can be wrong for some of GPT-2's
    turned = settings.get("fan_in_fan_out") or (base.config.get("model_type") == "gpt2" and ".c_" in module)
    transposed = embedding or (bool(turned) if all(fits) else fits[1])
    if not fits[transposed]:
        raise DataError(
            f"adapter must be one of the original; {module} changes a matrix of shape {list(straight)}, the original's "
            f"is {list(tensor.shape)}.{_of(settings)}"
        )
    scale = alpha / math.sqrt(rank) if settings.get("use_rslora") else alpha / rank
    return Factors(a, b, scale, transposed)


def _patterned(settings: Mapping[str, Any], key: str, module: str, default: Any) -> Any:
    """Return the value of the first pattern that fits the end of a module's name, as PEFT chooses it."""
    patterns: Mapping[str, Any] = settings.get(key) or {}
    fits = (one for one in patterns if re.match(rf"(.*\.)?({one})$", module))
    return patterns.get(next(fits, ""), default)


def _of(settings: Mapping[str, Any]) -> str:
    """Return what the adapter says of its base, to end a message with."""
    name = settings.get("base_model_name_or_path")
    return f" It says that its base is {name}." if name else " Give the model that it was trained on."
