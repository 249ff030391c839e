"""Writing models that are the tuned one with some weights set back to the original, several in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError
from assay.weights import kernels
from assay.weights.checkpoint import DTYPES, Checkpoint, Tensor
from assay.weights.lora import MERGE
from assay.weights.pair import CHUNK, Pair
from assay.weights.ranking import Chunk, Floats32
from assay.weights.selection import Selection, levels
from assay.weights.shrink import shrink
from assay.weights.told import Flags, counted, held, rules_of
from assay.weights.writing import alike, kept, write_models

_Stored = NDArray[Any]
_Versions = Callable[[Chunk, Tensor], Callable[[int], _Stored]]  # of a chunk: model number j's values


def restore(
    pair: Pair,
    selection: Selection,
    output: str | Path,
    *,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    elements: int = CHUNK,
) -> list[Path]:
    """Write, for each percent of a selection, the tuned model with the weights taken set back to the original's.

    All percents in one pass. Names, shapes, dtypes and shards are the tuned model's; what is not taken is its byte for
    byte, and its other files (config, tokenizer, chat template) are copied. A LoRA adapter is written merged, in the
    layout and dtypes of the original, with its own tokenizer and template where it has them.

    Parameters
    ----------
    pair : Pair
    selection : Selection
        Of the chunks of this pair.
    output : str or Path
        Folder that gets a folder ``percent-5`` for 5 percent; they must not be there yet.
    about : mapping, optional
        Put into each `MANIFEST` as it is, such as the scope and, from `hashed`, what was read.
    resume : bool
        Leave the percents that are there; their `MANIFEST` must say the same of the rule and of `about`.
    overwrite : bool
        Replace folders of that name which assay wrote, all when all are whole.
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
        For folders that are there, too little room on the disk or none that may be written to, or a selection of
        other tensors. Nothing is left then: each folder is written beside and renamed when all are whole.

    Notes
    -----
    Reads both models once and writes each output once, from start to end, on up to four threads, with its hash; a
    shard of each is brought to the disk (fsync) before the next. Memory: `memory_bound`.
    """
    names = [f"percent-{percent:g}" for percent in selection.percents]
    rules = rules_of(pair, selection, about)
    todo = _todo(Path(output), names, rules, resume)
    counts = np.zeros((len(names), 3), np.int64)
    before = stored_before(pair)

    def versions(chunk: Chunk, tensor: Tensor) -> Callable[[int], _Stored]:
        name, _, p, s = chunk
        level, moved = levels(selection, chunk), p != s
        original, tuned = stored(p, tensor.dtype), stored(s, tensor.dtype)
        unfit = unfitting(p, original, tensor.dtype, before[name])

        def values_of(number: int) -> _Stored:
            j = todo[number]
            if name == tensor.name:  # not a copy of it
                counts[j] += counted(j, level, moved, unfit)
            out = np.empty_like(tuned)
            kernels.mixed(level, j, bits(original), bits(tuned), bits(out))
            return out

        return values_of

    def manifests() -> list[dict[str, Any]]:
        return [rules[j] | held(selection, j, counts[j]) for j in todo]

    _write(pair, Path(output), [names[j] for j in todo], versions, manifests, elements, overwrite)
    return [Path(output) / name for name in names]


def write_shrunk(
    pair: Pair,
    energies: Sequence[float],
    output: str | Path,
    *,
    names: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    elements: int = CHUNK,
) -> list[Path]:
    """Write, for each energy, the tuned model with every change in scope made smaller alike, as `shrink` does.

    Parameters
    ----------
    pair : Pair
    energies : sequence of float
        Shares of sum d^2 that are undone, 0 to 1.
    output : str or Path
        Folder that gets a folder ``shrink-0.25`` for an energy of .25; they must not be there yet.
    names : sequence of str, optional
        Other names of these folders.
    about, resume, overwrite, elements
        As in `restore`.

    Returns
    -------
    list of Path

    Raises
    ------
    DataError
        As in `restore`.

    Notes
    -----
    In bf16 the change that is left is rounded, so that the energy undone is not quite the one asked for; the
    `MANIFEST` has both. It is of finite weights alone.
    """
    for energy in energies:
        _check.between("energies", energy, 0, 1)
    names = [f"shrink-{energy:g}" for energy in energies] if names is None else names
    rules = [
        {"ranking": "shrink", "energy": energy, "weights": pair.size} | dict(about or {})
        for energy in energies
    ]
    todo = _todo(Path(output), names, rules, resume)
    whole, left = np.zeros((len(todo), 1)), np.zeros((len(todo), 1))

    def versions(chunk: Chunk, tensor: Tensor) -> Callable[[int], _Stored]:
        name, _, p, s = chunk

        def values_of(number: int) -> _Stored:
            out = stored(shrink(p, s, energy=energies[todo[number]]), tensor.dtype)
            if name == tensor.name:
                kernels.add_energy(p, s, whole[number])
                kernels.add_energy(p, read_back(out, tensor.dtype), left[number])
            return out

        return values_of

    def manifests() -> list[dict[str, Any]]:
        return [
            rules[j] | {"energy_undone": 1 - some / all_ if all_ else 0.0}
            for j, some, all_ in zip(todo, left[:, 0].tolist(), whole[:, 0].tolist(), strict=True)
        ]

    _write(pair, Path(output), [names[j] for j in todo], versions, manifests, elements, overwrite)
    return [Path(output) / name for name in names]


def write_values(
    pair: Pair,
    values: Callable[[Chunk], Floats32],
    place: Path,
    about: Mapping[str, Any],
    *,
    elements: int = CHUNK,
) -> Path:
    """Write one model whose weights in scope are `values` of each chunk, and return its folder."""

    def versions(chunk: Chunk, tensor: Tensor) -> Callable[[int], _Stored]:
        return alike(stored(values(chunk), tensor.dtype))

    _write(pair, place.parent, [place.name], versions, lambda: [dict(about)], elements, False)
    return place


def _todo(output: Path, names: Sequence[str], rules: Sequence[Mapping[str, Any]], resume: bool) -> list[int]:
    """Return the numbers of the models that are to be written."""
    there = kept([output / name for name in names], rules) if resume else [False] * len(names)
    return [j for j, one in enumerate(there) if not one]


def stored(values: Floats32, dtype: str) -> _Stored:
    """Return float32 values as a file of this dtype holds them, rounded to nearest, ties to even; refuse infinity."""
    if dtype == "BF16":
        out = np.empty(len(values), np.uint16)
        kernels.upper_halves(values.view(np.uint32), out)
        return out
    try:
        with np.errstate(over="raise"):
            return values.astype(DTYPES[dtype], copy=False)
    except FloatingPointError:
        raise DataError(
            f"weights must fit into {dtype}, the tuned model's; got {np.abs(values).max():g}. Save it in BF16 or F32."
        ) from None


def read_back(stored: _Stored, dtype: str) -> Floats32:
    if dtype == "BF16":
        return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return stored.astype(np.float32, copy=False)


def bits(stored: _Stored) -> _Stored:
    """Return stored values as whole numbers, so that -0 is not 0."""
    return stored.view(f"<u{stored.itemsize}")


def stored_before(pair: Pair) -> dict[str, str]:
    """Return the original's dtype of each tensor compared."""
    return {match.name: pair.original.tensors[match.original].dtype for match in pair.matches}


def unfitting(p: Floats32, original: _Stored, dtype: str, before: str) -> Flags | None:
    """Return which original weights, of dtype `before`, are others as they are stored; None where none can be."""
    return None if dtype in ("F32", before) else read_back(original, dtype) != p


def _write(
    pair: Pair,
    output: Path,
    names: Sequence[str],
    versions: _Versions,
    manifests: Callable[[], list[dict[str, Any]]],
    elements: int,
    overwrite: bool,
) -> None:
    """Write one model for each name."""
    layout = layout_of(pair)
    compared = {match.name: match for match in pair.matches}
    outside = {} if layout is pair.tuned else {match.name: match for match in pair.outside}

    def slices(name: str) -> Iterator[Callable[[int], _Stored]]:
        tensor = layout.tensors[name]
        name = pair.copies.get(name, name)
        if name in compared:
            for chunk in pair.slices(compared[name], elements):
                yield versions(chunk, tensor)
            return
        for start in range(0, outside[name].size, elements):  # an adapter may change what is outside, too
            values = stored(
                pair.tuned.read(name, start, min(outside[name].size, start + elements)), tensor.dtype
            )
            yield alike(values)

    sizes = {name: one.size for name, one in (compared | outside).items()}
    sizes |= {copy: sizes[name] for copy, name in pair.copies.items() if name in sizes}
    write_models(
        layout, output, names, slices, manifests, sizes=sizes, elements=elements, overwrite=overwrite,
        adapter=None if layout is pair.tuned else pair.tuned.path,
    )  # fmt: skip


def layout_of(pair: Pair) -> Checkpoint:
    """Return the model in whose files and dtypes a pair is written: the tuned one, an adapter's base."""
    if isinstance(pair.tuned, Checkpoint):
        return pair.tuned
    if pair.resized:
        name, before, after = pair.resized[0]
        raise DataError(
            f"tuned must be as large as its base where it is an adapter; {name} has {after} rows, not {before}. "
            f"{MERGE}"
        )
    own = next(
        (one.name for one in (*pair.matches, *pair.outside) if one.name not in pair.original.tensors), None
    )
    if own is not None:
        raise DataError(f"{pair.tuned.path} must only change tensors of its base; it adds {own}. {MERGE}")
    return pair.original
