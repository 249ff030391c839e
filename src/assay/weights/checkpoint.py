"""A checkpoint on disk: which tensors its safetensors files hold, and any slice of one as float32."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from assay._files import read_json
from assay.errors import DataError

Vector = NDArray[np.float32]

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "BF16": np.dtype("<u2"), "F16": np.dtype("<f2")}
MOST_HEADER = 100_000_000  # bytes, as the safetensors library allows
# masks, positions and frequencies that some programs write beside the weights; nothing trains them
BUFFERS = re.compile(
    r"(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(bias|masked_bias)|position_ids|embed_positions\._float_tensor)$"
)
CONVERT = "Load it in transformers in full precision and save it with save_pretrained."


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor's values lie: `start` is the byte of its first value in `file`; row-major, little-endian."""

    name: str
    dtype: str  # F32, BF16 or F16
    shape: tuple[int, ...]
    file: Path
    start: int

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The weights of a model on disk, by name in sorted order, without any value read.

    Buffers (masks, position ids, rotary frequencies) are not among them.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]  # of config.json; empty where there is none
    files: tuple[Path, ...]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Vector:
        """Return values `start` to `stop` of a tensor, counted flat, as float32; every value is exact.

        Memory: 4 bytes a value, and 2 more for bf16 and fp16 while it runs. NaN and infinity pass.
        """
        tensor = self.tensors[name]
        raw = self.raw(name, start, stop).view(DTYPES[tensor.dtype])
        if tensor.dtype == "BF16":
            wide = raw.astype(np.uint32)
            wide <<= 16  # bf16 is the upper half of a float32
            return wide.view(np.float32)
        return raw.astype(np.float32, copy=False)

    def raw(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[np.uint8]:
        """Return the bytes of values `start` to `stop` of a tensor as they are stored."""
        tensor = self.tensors[name]
        stop = tensor.size if stop is None else stop
        if not 0 <= start <= stop <= tensor.size:
            raise DataError(f"start and stop must be from 0 to {tensor.size}; got {start} and {stop}.")
        width = DTYPES[tensor.dtype].itemsize
        got = np.empty((stop - start) * width, dtype=np.uint8)
        view, done = got.data, 0
        with open(tensor.file, "rb", buffering=0) as f:
            f.seek(tensor.start + start * width)
            while done < len(got):
                count = f.readinto(view[done : done + 2**30])
                if not count:
                    raise DataError(
                        f"{tensor.file} must stay as it is while it is read; it ends before {name} does. Run again."
                    )
                done += count
        return got


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Return the checkpoint at `path`: its names, shapes and places, all checked, and no value read.

    Parameters
    ----------
    path : str or Path
        A folder with `model.safetensors`, or with `model.safetensors.index.json` and its shards (the single file
        goes first where both are there, as in transformers), or one `.safetensors` file. `config.json` beside
        it is read where there is one.

    Returns
    -------
    Checkpoint

    Raises
    ------
    DataError
        For a folder without such files (one with an adapter, GGUF or pickled weights is told what to do), a file
        that is no safetensors file, is cut short, or disagrees with its index; for quantised weights: a
        `quantization_config`, or a weight that is not F32, BF16 or F16.

    Notes
    -----
    Reads the headers alone: some milliseconds and some 500 bytes of memory a tensor. Does not need torch or the
    safetensors package.
    Source of the layout: https://github.com/huggingface/safetensors: 8 bytes little-endian with the length of a JSON
    header (`dtype`, `shape`, `data_offsets` from the end of the header), then the bytes.
    """
    place = Path(path)
    if place.is_dir():
        folder, files, listed = place, *_files_of(place)
    elif place.is_file():
        folder, files, listed = place.parent, (place,), {}
        if place.suffix == ".gguf":
            raise DataError(f"{place} must be a .safetensors file or a folder of them; got GGUF. {CONVERT}")
    else:
        raise DataError(f"{place} must be an existing folder or .safetensors file; there is none.")
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.json'} must be a JSON object; got {type(config).__name__}.")
    quantized = config.get("quantization_config")
    if quantized:
        method = quantized.get("quant_method", "quantized") if isinstance(quantized, dict) else quantized
        raise DataError(
            f"{place} must hold weights in F32, BF16 or F16; its config.json says {method}. Save it dequantized."
        )
    tensors = weights_of(files)
    lost = [
        name
        for name, file in listed.items()
        if not BUFFERS.search(name) and (name not in tensors or tensors[name].file.name != file)
    ]
    if lost:
        raise DataError(
            f"{place / INDEX} must say where tensors are; {len(lost)} of {len(listed)} are not there, first "
            f"{lost[0]} in {listed[lost[0]]}. Copy the shards and the index again."
        )
    return Checkpoint(place, tensors, config, files)


def weights_of(files: Iterable[Path]) -> dict[str, Tensor]:
    """Return the tensors of files by sorted name, without buffers; raise for one that is quantized or comes twice."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        for tensor in stored_tensors(file):
            if BUFFERS.search(tensor.name):
                continue
            if tensor.name in tensors:
                raise DataError(
                    f"{file} must hold no tensor of another shard; {tensor.name} is in "
                    f"{tensors[tensor.name].file.name} too. Delete the shards that are left of another model."
                )
            if tensor.dtype not in DTYPES:
                raise DataError(
                    f"{file}: {tensor.name} must be F32, BF16 or F16; got {tensor.dtype}. "
                    "Save the model in one of them."
                )
            tensors[tensor.name] = tensor
        if not tensors:
            raise DataError(f"{file} must hold weights; it holds none.")
    return {name: tensors[name] for name in sorted(tensors)}


def stored_tensors(file: Path) -> list[Tensor]:
    """Return the tensors of one safetensors file, of any dtype, each checked to lie inside the file."""
    try:
        total = file.stat().st_size
        with open(file, "rb") as f:
            first = f.read(8)
            length = int.from_bytes(first, "little")
            whole = len(first) == 8 and length <= MOST_HEADER
            text = f.read(length) if whole else b""
    except FileNotFoundError:
        raise DataError(
            f"{file} must be there, since the index names it; it is not. Copy it again."
        ) from None
    if first == b"version ":
        raise DataError(
            f"{file} must be a .safetensors file; got a pointer of Git LFS. Fetch it: git lfs pull"
        )
    if whole and len(text) < length:
        raise DataError(f"{file} must be whole; got a file that ends inside its header. Copy it again.")
    try:
        entries = orjson.loads(text)
        entries.pop("__metadata__", None)
        tensors, ends = [], []
        for name, entry in entries.items():
            low, high = entry["data_offsets"]
            shape = tuple(int(extent) for extent in entry["shape"])
            tensors.append(Tensor(name, str(entry["dtype"]), shape, file, 8 + length + int(low)))
            ends.append(8 + length + int(high))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{file} must be a .safetensors file; got something else.") from None
    for tensor, end in zip(tensors, ends, strict=True):
        if end > total:
            raise DataError(
                f"{file} must be whole; {tensor.name} ends at byte {end}, the file at {total}. Copy it again."
            )
        width = DTYPES[tensor.dtype].itemsize if tensor.dtype in DTYPES else None
        if tensor.start < 8 + length or (width and end - tensor.start != tensor.size * width):
            raise DataError(
                f"{file}: {tensor.name} must have the bytes of its shape; got {end - tensor.start} for "
                f"{tensor.dtype} {list(tensor.shape)}."
            )
    return tensors


def _files_of(folder: Path) -> tuple[tuple[Path, ...], dict[str, str]]:
    """Return the files that hold a folder's weights, and the file of each name where there is an index."""
    if (folder / SINGLE).is_file():
        return (folder / SINGLE,), {}
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        listed = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(listed, dict) or not listed or not all(isinstance(f, str) for f in listed.values()):
            raise DataError(f"{folder / INDEX} must have a weight_map of names to files; it has none.")
        names = sorted(set(listed.values()))
        strange = next((name for name in names if Path(name).name != name), None)
        if strange is not None:
            raise DataError(f"{folder / INDEX} must name files of its folder; got {strange!r}.")
        return tuple(folder / name for name in names), listed
    wanted = f"{folder} must hold {SINGLE} or {INDEX}"
    if (folder / "adapter_config.json").is_file():
        raise DataError(
            f"{wanted}; got an adapter. Give it as the tuned model, and its base as the original."
        )
    if any(folder.glob("*.gguf")):
        raise DataError(f"{wanted}; got GGUF. {CONVERT}")
    if any(folder.glob("pytorch_model*.bin")):
        raise DataError(f"{wanted}; got pickled weights. {CONVERT}")
    found = [file.name for file in sorted(folder.glob("*.safetensors"))]
    if any("-of-" in name for name in found):
        raise DataError(f"{wanted}; got shards without the index. Copy it too.")
    raise DataError(f"{wanted}; got {f'{found[0]} alone. Give the file' if found else 'neither'}.")
