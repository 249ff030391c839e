"""Hidden states of a transformers model, pooled: the encoder that the papers use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay._check import choice, require
from assay._files import file_hash
from assay.embed.encoder import Encoder, Fingerprint, mend, unit_rows
from assay.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

POOLINGS = ("last", "mean", "weighted-mean")
DTYPES = ("float32", "float16", "bfloat16")

# Beside the weights, what decides the vectors: the architecture and how a text becomes ids.
SETTINGS = (
    *(
        "config.json",
        "adapter_config.json",
        "*/config.json",
        "modules.json",
        "sentence_*config.json",
        "config_sentence_*.json",
    ),
    *("token*.json", "*/token*.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.*", "merges.txt", "*.model"),
)
WEIGHTS = (("*.safetensors", "*/*.safetensors"), ("*.gguf",), ("pytorch_model*.bin", "*/pytorch_model*.bin"))


def build(
    argument: str, *, max_tokens: int | None, pooling: str | None, batch_size: int, device: str, dtype: str
) -> Encoder:
    """Return the encoder ``hf:<argument>``: a model folder, or an id on the hub."""
    choice("pooling", pooling or "last", POOLINGS)
    choice("dtype", dtype, DTYPES)
    require("torch", "lm", "encoder 'hf:'")
    require("transformers", "lm", "encoder 'hf:'")
    return _Transformer(
        argument,
        256 if max_tokens is None else max_tokens,
        pooling or "last",
        batch_size,
        device_for(device),
        dtype,
    )


class _Transformer:
    """Texts go in as the tokenizer makes them (some add a start or an end token), cut to `max_tokens`."""

    def __init__(
        self, source: str, max_tokens: int, pooling: str, batch_size: int, device: str, dtype: str
    ) -> None:
        self.name = f"hf:{source}"
        self._source, self._load_options, revision = find_model(source)
        self.fingerprint: Fingerprint = {
            "encoder": "hf",
            "revision": revision,
            "pooling": pooling,
            "max_tokens": max_tokens,
            "normalisation": "unit",
            "dtype": dtype,
        }
        self._max_tokens = max_tokens
        self._pooling = pooling
        self._batch_size = batch_size
        self.device = device
        self._dtype = dtype
        self._loaded: tuple[Any, Any] | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, hidden size). Batches hold texts of like length; rows keep their order."""
        if self._loaded is None:
            self._loaded = self._load()
        tokenizer, model = self._loaded
        ids = [self._ids(tokenizer, text) for text in texts]
        order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
        vectors: NDArray[np.float32] | None = None
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            pooled = self._pooled(model, [ids[row] for row in rows])
            if vectors is None:
                vectors = np.empty((len(ids), pooled.shape[1]), dtype=np.float32)
            vectors[rows] = pooled
        if vectors is None:
            return np.empty((0, int(model.config.hidden_size)), dtype=np.float32)
        return unit_rows(vectors)

    def _load(self) -> tuple[Any, Any]:
        import torch
        import transformers

        bars = transformers.logging.is_progress_bar_enabled()
        transformers.logging.disable_progress_bar()
        try:
            with model_errors(self.name):
                tokenizer = transformers.AutoTokenizer.from_pretrained(self._source, **self._load_options)
                model = transformers.AutoModel.from_pretrained(
                    self._source, **{dtype_keyword(): getattr(torch, self._dtype)}, **self._load_options
                )
        finally:
            if bars:
                transformers.logging.enable_progress_bar()
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        return tokenizer, model.to(self.device).eval()

    def _ids(self, tokenizer: Any, text: str) -> list[int]:
        tokenizer.truncation_side = "right"
        ids: list[int] = tokenizer(mend(text), truncation=True, max_length=self._max_tokens)["input_ids"]
        if not ids:
            candidates = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id)
            ids = [token for token in candidates if token is not None][:1]
        if not ids:
            raise DataError(
                f"texts must give at least one token; got {text[:20]!r}, and the tokenizer of {self.name} "
                "has no start or end token to stand for it. Leave such rows out."
            )
        return ids

    def _pooled(self, model: Any, batch: list[list[int]]) -> NDArray[np.float32]:
        """Padding stands on the right and is masked, so positions and states are those of each text alone."""
        import torch

        lengths = torch.tensor([len(ids) for ids in batch])
        longest = int(lengths.max())
        tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids in batch])
        mask = torch.arange(longest)[None, :] < lengths[:, None]
        with torch.inference_mode():
            output = model(input_ids=tokens.to(self.device), attention_mask=mask.long().to(self.device))
            states = output.last_hidden_state.float()
            if self._pooling == "last":
                pooled = states[torch.arange(len(batch)), (lengths - 1).to(states.device)]
            else:
                weights = mask.float()
                if self._pooling == "weighted-mean":
                    weights = weights * torch.arange(1, longest + 1)
                weights = (weights / weights.sum(dim=1, keepdim=True)).to(states.device)
                # masked states are multiplied by 0, which would keep a NaN; some models leave one there
                states = states.masked_fill(~mask.to(states.device)[:, :, None], 0.0)
                pooled = torch.einsum("bt,btd->bd", weights, states)
        vectors: NDArray[np.float32] = pooled.cpu().numpy()
        return vectors


def find_model(source: str, argument: str = "encoder") -> tuple[str, dict[str, Any], str]:
    """Return what to load, with which options, and the revision: a hash of files, or the hub's commit.

    Raises `DataError` for a folder that holds no model and for an id that cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        options, files = _model_files(folder, argument)
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.relative_to(folder).as_posix()}\0{file_hash(file)}\n".encode())
        return str(folder), options, f"sha256:{digest.hexdigest()}"
    if folder.is_file() and folder.suffix == ".gguf":
        _can_read_gguf(folder.name)
        return str(folder.parent), {"gguf_file": folder.name}, f"sha256:{file_hash(folder)}"
    if folder.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source:
        got = "a file" if folder.exists() else "a path where nothing is"
        raise DataError(f"{argument} must name a model folder or a hub id; got {source!r}, {got}.")
    hub = require("huggingface_hub", "lm", "a hub id")
    with model_errors(source, argument):
        snapshot = hub.snapshot_download(source, allow_patterns=["*.json"])
    commit = Path(snapshot).name  # the cache keeps each commit in a folder of its own, snapshots/<commit>
    return source, {"revision": commit}, f"{source}@{commit}"


def _model_files(folder: Path, argument: str) -> tuple[dict[str, Any], list[Path]]:
    """Options to load a folder with, and the files that decide its vectors, by name."""
    for patterns in WEIGHTS:
        weights = sorted(file for pattern in patterns for file in folder.glob(pattern))
        if weights:
            break
    else:
        raise DataError(
            f"{argument} must name a folder that holds a model (*.safetensors, *.bin or one *.gguf); "
            f"got {folder}."
        )
    settings = {file for pattern in SETTINGS for file in folder.glob(pattern)}
    if weights[0].suffix != ".gguf":
        return {}, sorted(settings | set(weights))
    if len(weights) > 1:
        raise DataError(f"{argument} must name a folder with one .gguf file; {folder} holds {len(weights)}.")
    _can_read_gguf(weights[0].name)
    return {"gguf_file": weights[0].name}, weights


def _can_read_gguf(name: str) -> None:
    for package in ("gguf", "accelerate"):
        require(package, "lm", name)


@contextmanager
def model_errors(name: str, argument: str = "encoder") -> Iterator[None]:
    """Turn what the loaders raise for a missing, foreign or unreachable model into `DataError`."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).strip().split("\n")[0][:200]
        raise DataError(
            f"{argument} must name a model that can be loaded; got {name!r}: {reason} "
            "Give a folder that holds the model, or check the id, the network and HF_HUB_OFFLINE."
        ) from error


def device_for(device: str) -> str:
    """Return the torch device that `device` names; `auto` takes a GPU where there is one."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if choice("device", device, names) == "auto":
        return "cuda" if count else "cpu"
    return device


def dtype_keyword() -> str:
    """Return what `from_pretrained` calls the dtype of the weights: the name changed in 4.56."""
    import transformers

    major, minor = (int(part) for part in transformers.__version__.split(".")[:2])
    return "dtype" if (major, minor) >= (4, 56) else "torch_dtype"
