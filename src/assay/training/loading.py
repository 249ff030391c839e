"""A name -> a causal language model, its tokenizer, and what identifies them: the one place that loads them."""

from __future__ import annotations

import copy
import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import Any

from assay._check import require
from assay._files import read_json
from assay.embed.transformer import dtype_keyword, find_model, model_errors
from assay.errors import DataError

ADAPTER = "adapter_config.json"


def precision_for(dtype: str, device: str) -> str:
    """Return the dtype that ``auto`` stands for on a device: bfloat16 on a GPU that has it, else float32."""
    import torch

    if dtype != "auto":
        return dtype
    return "bfloat16" if device != "cpu" and torch.cuda.is_bf16_supported() else "float32"


def load_model(model: str | Path, dtype: Any, *, beside: str | Path | None = None) -> tuple[Any, Any, str]:
    """Return a causal language model with float weights of a torch dtype, its tokenizer, and what identifies it.

    `model` is a folder (safetensors, or one ``.gguf``), a ``.gguf`` file or an id on the hub. A folder without a
    tokenizer takes that of `beside`, if it is given. No bar is drawn.
    """
    import transformers

    source, options, revision = find_model(str(model), "model")
    # the reader of .gguf draws its bar whatever the switch for bars says
    talk = redirect_stderr(io.StringIO()) if "gguf_file" in options else nullcontext()
    with model_errors(str(model), "model"), _no_bars(), talk:
        if beside is not None and Path(source).is_dir() and not any(Path(source).glob("tokenizer*")):
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(beside))
        else:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        language_model = transformers.AutoModelForCausalLM.from_pretrained(
            source, **{dtype_keyword(): dtype}, **options
        )
    if "gguf_file" in options:  # read into float weights, but the object still counts as quantised
        config = copy.deepcopy(language_model.config)
        del config.quantization_config
        weights = language_model.state_dict()
        language_model = transformers.AutoModelForCausalLM.from_config(config).to(dtype)
        language_model.load_state_dict(weights)
    return language_model, tokenizer, revision


def load_tuned(model: str | Path, dtype: Any, *, base: str | Path | None = None) -> tuple[Any, Any, str]:
    """Return what `load_model` does; the folder of an adapter (PEFT) gives the model it was made for with it on.

    The adapter stays beside the weights: merged, they would be rounded otherwise. A folder without a tokenizer has
    that of the model. `base`: the model in place of the one that the adapter names, and whose tokenizer a tuned model
    without one has.
    """
    folder = Path(model).expanduser()
    if not (folder / ADAPTER).is_file():
        return load_model(model, dtype, beside=base)
    import transformers

    peft = require("peft", "lm", "an adapter")
    base = str(base or read_json(folder / ADAPTER).get("base_model_name_or_path") or "")
    if not base:
        raise DataError(
            f"model must say what model its adapter is for; {folder / ADAPTER} does not. Train it from a folder."
        )
    _, _, adapter = find_model(str(model), "model")
    language_model, tokenizer, revision = load_model(base, dtype)
    with model_errors(str(model), "model"), _no_bars(), warnings.catch_warnings():
        # PEFT still uses a name that transformers is to drop
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        language_model = peft.PeftModel.from_pretrained(language_model, str(folder))
        if any(folder.glob("tokenizer*")):
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    return language_model, tokenizer, f"{revision} + {adapter}"


def weights_hash(language_model: Any) -> str:
    """Return what identifies a model in memory: ``sha256:`` and the hash of its tensors with their names."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in language_model.state_dict().items():
        digest.update(f"{name}\0{tensor.dtype}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"


@contextmanager
def _no_bars() -> Iterator[None]:
    import transformers

    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            transformers.logging.enable_progress_bar()
