"""Writing models that are the tuned one with some weights set back to the original, several in one pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay._files import write_json
from assay.errors import DataError
from assay.weights import kernels
from assay.weights.checkpoint import DTYPES, Checkpoint, Tensor
from assay.weights.official import to_bf16
from assay.weights.pair import CHUNK, Pair
from assay.weights.ranking import Chunk, Floats32
from assay.weights.selection import Selection, levels
from assay.weights.shares import SUMS
from assay.weights.shrink import shrink

MANIFEST = "assay-restore.json"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack")  # never copied as they are
_Stored = NDArray[Any]
_Versions = Callable[[Chunk, Tensor], Iterator[_Stored]]


def restore(pair: Pair, selection: Selection, output: str | Path, *, elements: int = CHUNK) -> list[Path]:
    """Write, for each percent of a selection, the tuned model with the weights taken set back to the original's.

    All percents in one pass. Names, shapes, dtypes and shards are the tuned model's; what is not taken is its byte for
    byte, and its other files (config, tokenizer, chat template) are copied. A LoRA adapter is written merged, in the
    layout and dtypes of the original.

    Parameters
    ----------
    pair : Pair
    selection : Selection
        Of the chunks of this pair.
    output : str or Path
        Folder that gets a folder ``percent-5`` for 5 percent; they must not be there yet.
    elements : int
        Weights worked on at once; changes no result.

    Returns
    -------
    list of Path
        One folder a percent, each with `MANIFEST`: the rule of the selection, what it took, how many originals
        did not fit the tuned dtype and were rounded.

    Raises
    ------
    DataError
        For folders that are there, too little room on the disk, or a selection of other tensors. Nothing is left then:
        each folder is written beside and renamed when it is whole.

    Notes
    -----
    Reads both models once and writes each output once; memory some 25 bytes for each of `elements`.
    """
    names = [f"percent-{percent:g}" for percent in selection.percents]
    number = len(names)
    sums = np.zeros((number + 1, 5))
    rounded = np.zeros(number + 1, np.int64)

    def versions(chunk: Chunk, tensor: Tensor) -> Iterator[_Stored]:
        _, _, p, s = chunk
        level = levels(selection, chunk)
        kernels.add_up(level, p, s, sums)
        original, out = _stored(p, tensor.dtype), _stored(s, tensor.dtype)
        unfit = _read_back(original, tensor.dtype) != p
        if unfit.any():
            rounded[:] += np.bincount(level[unfit], minlength=number + 1)
        for j in range(number):
            np.copyto(out, original, where=level == j)
            yield out

    def manifests() -> list[dict[str, Any]]:
        taken, unfit = np.cumsum(sums, axis=0), np.cumsum(rounded)
        found = []
        for j, percent in enumerate(selection.percents):
            with np.errstate(invalid="ignore"):
                shares = taken[j] / taken[-1]
            found.append(
                {
                    "percent": percent,
                    "of": selection.of,
                    "ranking": selection.ranking,
                    "bottom": selection.bottom,
                    "among": selection.among,
                    "ties": selection.ties,
                    "seed": selection.seed,
                    "weights": int(taken[-1, 0]),
                    "changed": int(taken[-1, 1]),
                    "taken": int(taken[j, 0]),
                    "taken_changed": int(taken[j, 1]),
                    "rounded": int(unfit[j]),
                    "shares": dict(zip(SUMS, shares.tolist(), strict=True)),
                    "thresholds": {
                        str(group): {
                            "key": one.thresholds[j].key,
                            "above": one.thresholds[j].above,
                            "equal": one.thresholds[j].equal,
                            "equal_taken": one.thresholds[j].take,
                            "last_equal": one.thresholds[j].cut,
                        }
                        for group, one in selection.groups.items()
                    },
                }
            )
        return found

    return _write(pair, Path(output), names, versions, manifests, elements)


def write_shrunk(
    pair: Pair, energies: Sequence[float], output: str | Path, *, elements: int = CHUNK
) -> list[Path]:
    """Write, for each energy, the tuned model with every change in scope made smaller alike, as `shrink` does.

    Parameters
    ----------
    pair : Pair
    energies : sequence of float
        Shares of sum d^2 that are undone, 0 to 1.
    output : str or Path
        Folder that gets a folder ``shrink-0.25`` for an energy of .25; they must not be there yet.
    elements : int
        Weights worked on at once; changes no result.

    Returns
    -------
    list of Path

    Raises
    ------
    DataError
        As in `restore`.

    Notes
    -----
    In bf16 the change that is left is rounded, so that the energy undone is not quite the one asked for.
    """
    for energy in energies:
        _check.between("energies", energy, 0, 1)

    def versions(chunk: Chunk, tensor: Tensor) -> Iterator[_Stored]:
        _, _, p, s = chunk
        for energy in energies:
            yield _stored(shrink(p, s, energy=energy), tensor.dtype)

    def manifests() -> list[dict[str, Any]]:
        return [{"ranking": "shrink", "energy": energy} for energy in energies]

    return _write(
        pair, Path(output), [f"shrink-{energy:g}" for energy in energies], versions, manifests, elements
    )


def _stored(values: Floats32, dtype: str) -> _Stored:
    """Return float32 values as a file of this dtype holds them, rounded to nearest, ties to even."""
    if dtype == "BF16":
        return (to_bf16(values).view(np.uint32) >> np.uint32(16)).astype(np.uint16)
    with np.errstate(over="ignore"):
        return values.astype(DTYPES[dtype])


def _read_back(stored: _Stored, dtype: str) -> Floats32:
    if dtype == "BF16":
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32)


def _write(
    pair: Pair,
    output: Path,
    names: list[str],
    versions: _Versions,
    manifests: Callable[[], list[dict[str, Any]]],
    elements: int,
) -> list[Path]:
    """Write one model for each name; `versions` gives the stored values of a chunk for each of them in turn."""
    layout = pair.tuned if isinstance(pair.tuned, Checkpoint) else pair.original
    if layout is not pair.tuned and pair.resized:
        name, before, after = pair.resized[0]
        raise DataError(
            f"tuned must be as large as its base where it is an adapter; {name} has {after} rows, not {before}. "
            "Merge it first."
        )
    if len(set(names)) < len(names):
        raise DataError(f"percents must have names of their own; got {names}. Use fewer digits.")
    there = [name for name in names if (output / name).exists()]
    if there:
        raise DataError(
            f"output must not have {there[0]}; {output} has it. Name another folder, or delete it."
        )
    output.mkdir(parents=True, exist_ok=True)
    needed = len(names) * sum(file.stat().st_size for file in layout.files)
    free = shutil.disk_usage(output).free
    if needed > free:
        raise DataError(
            f"output must have room for {len(names)} models of {needed / len(names) / 1e9:.2f} GB; {output} has "
            f"{free / 1e9:.2f} GB. Ask for fewer percents at a time."
        )
    with _parts(output, names) as parts, ExitStack() as open_files:
        files = {
            source: [open_files.enter_context(open(part / source.name, "wb")) for part in parts]
            for source in layout.files
        }
        _copy_rest(pair, layout, files, elements)
        for chunk in pair.chunks(elements):
            name, start, *_ = chunk
            tensor = layout.tensors[name]
            place = tensor.start + start * DTYPES[tensor.dtype].itemsize
            for target, values in zip(files[tensor.file], versions(chunk, tensor), strict=True):
                target.seek(place)
                target.write(values.tobytes())
        for targets in files.values():
            for target in targets:
                target.flush()
                os.fsync(target.fileno())
        for part, manifest in zip(parts, manifests(), strict=True):
            _copy_folder(layout.path, part)
            write_json(part / MANIFEST, manifest)
    return [output / name for name in names]


@contextmanager
def _parts(output: Path, names: list[str]) -> Iterator[list[Path]]:
    """Give a hidden folder for each name; rename them all at the end, or leave nothing."""
    parts = [output / f".{name}.part" for name in names]
    try:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
            part.mkdir()
        yield parts
        for part, name in zip(parts, names, strict=True):
            part.rename(output / name)
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)


def _copy_rest(pair: Pair, layout: Checkpoint, files: dict[Path, list[Any]], elements: int) -> None:
    """Write what is not compared: headers, tensors out of scope, rows that one side has not; all as tuned."""
    compared = {match.name: match.size for match in pair.matches}
    for source, targets in files.items():
        inside = sorted(
            (one.start, one.start + compared[one.name] * DTYPES[one.dtype].itemsize)
            for one in layout.tensors.values()
            if one.file == source and one.name in compared
        )
        edges = [0, *(edge for pair_ in inside for edge in pair_), source.stat().st_size]
        with open(source, "rb") as f:
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                f.seek(start)
                for target in targets:
                    target.seek(start)
                while start < stop:
                    block = f.read(min(stop - start, 4 * elements))
                    if not block:
                        raise DataError(f"{source} must stay as it is while it is read; it became shorter.")
                    for target in targets:
                        target.write(block)
                    start += len(block)
    if layout is pair.tuned:
        return
    for match in pair.outside:  # an adapter may change them, too
        tensor = layout.tensors[match.name]
        for start in range(0, match.size, elements):
            values = _stored(
                pair.tuned.read(match.name, start, min(match.size, start + elements)), tensor.dtype
            )
            for target in files[tensor.file]:
                target.seek(tensor.start + start * DTYPES[tensor.dtype].itemsize)
                target.write(values.tobytes())


def _copy_folder(source: Path, target: Path) -> None:
    """Copy the files beside the weights: config, index, tokenizer, template, licence."""
    if source.is_dir():
        for file in sorted(source.iterdir()):
            if file.is_file() and file.suffix not in WEIGHTS and not (target / file.name).exists():
                shutil.copyfile(file, target / file.name)
