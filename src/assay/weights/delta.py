"""Sparse deltas: where a restored model differs from the tuned one, so that each can be made of the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._files import atomic
from assay.errors import DataError
from assay.weights.checkpoint import DTYPES, Checkpoint, Tensor, open_checkpoint, stored_tensors
from assay.weights.pair import CHUNK, Pair
from assay.weights.ranking import Chunk
from assay.weights.restore import stored, stored_before, unfitting
from assay.weights.selection import Levels, Selection, levels
from assay.weights.told import counted, held, rules_of
from assay.weights.writing import alike, check_room, kept, one_error, write_models

FORMAT = "assay-delta-2"
PARTS = ("positions", "original", "tuned")
_Bits = NDArray[Any]


def write_deltas(
    pair: Pair,
    selection: Selection,
    output: str | Path,
    *,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    elements: int = CHUNK,
) -> list[Path]:
    """Write, for each percent of a selection, what `restore` would change in the tuned model, and nothing else.

    Parameters
    ----------
    pair : Pair
        The tuned side no adapter.
    selection : Selection
        Of the chunks of this pair.
    output : str or Path
        Folder that gets a file ``percent-5.safetensors`` for 5 percent.
    about, resume, overwrite, elements
        As in `restore`.

    Returns
    -------
    list of Path
        One safetensors file a percent. Of each tensor that changes it has the flat, rising ``positions`` and the values
        there, ``original`` and ``tuned``, in the tuned dtype; in its metadata the rule, what it took, and the hashes of
        the tuned and of the restored model's weights.

    Raises
    ------
    DataError
        For an adapter, files that are there, or a disk that is full or read-only. No half file is left.

    Notes
    -----
    Reads both models twice and hashes the tuned weights once more for each percent. A bf16 weight takes 8 bytes, an
    fp32 one 12, so that a delta is smaller than the model up to some 25 percent of it. Taken weights whose bytes are
    the same already take none.
    """
    tuned = pair.tuned
    if not isinstance(tuned, Checkpoint):
        raise DataError(
            f"tuned must be a whole model for a delta; {tuned.path} is an adapter. Merge it with: assay weights "
            f"restore {pair.original.path} {tuned.path} --percent 0 -o merged, and give merged/percent-0 in its place."
        )
    names = [f"percent-{percent:g}.safetensors" for percent in selection.percents]
    if len(set(names)) < len(names):
        raise DataError(f"percents must have names of their own; got {names}. Use fewer digits.")
    places = [Path(output) / name for name in names]
    rules = rules_of(pair, selection, about)
    there = kept(places, rules, lambda place: read_delta(place)["about"]) if resume else [False] * len(places)
    todo = [j for j, one in enumerate(there) if not one]
    taken = [place for j, place in enumerate(places) if j in todo and place.exists()]
    if taken and not overwrite:
        raise DataError(
            f"output must not have {taken[0].name}; {output} has it. Name another folder, or delete it."
        )
    if not todo:
        return places
    number = len(places)
    told = np.zeros((number, 3), np.int64)
    counts, digests = _survey(pair, tuned, selection, told, elements)
    headers = [
        _header(
            tuned, {name: int(found[j]) for name, found in counts.items() if found[j]},
            {"format": FORMAT, "about": json.dumps(rules[j] | held(selection, j, told[j])), "tuned": digests[0],
             "restored": digests[j + 1], "copies": json.dumps(dict(pair.copies))},
        )
        for j in range(number)
    ]  # fmt: skip
    with one_error(Path(output)), ExitStack() as stack:
        check_room(Path(output), sum(headers[j][2] for j in todo))
        for j in todo:
            for left in Path(output).glob(f".{names[j]}.*.part"):  # of a run that was killed
                left.unlink()
        files = {j: stack.enter_context(atomic(places[j])) for j in todo}
        for j, file in files.items():
            file.write(headers[j][0])
        ends = {j: dict(headers[j][1]) for j in todo}
        for chunk, level, original, ours in _differing(pair, tuned, selection, elements):
            for j, file in files.items():
                at = np.flatnonzero((level <= j) & (original != ours))
                if not len(at):
                    continue
                width = _positions(tuned).itemsize
                values = ((at + chunk[1]).astype(_positions(tuned)), original[at], ours[at])
                for part, one in zip(PARTS, values, strict=True):
                    key = f"{chunk[0]}.{part}"
                    file.seek(ends[j][key])
                    file.write(one.tobytes())
                    ends[j][key] += len(at) * (width if part == "positions" else one.itemsize)
    return places


def apply_delta(
    delta: str | Path,
    model: str | Path,
    output: str | Path,
    *,
    revert: bool = False,
    elements: int = CHUNK,
) -> Path:
    """Write the restored model that a delta makes of the tuned one, or the tuned one of the restored, bit for bit.

    Parameters
    ----------
    delta : str or Path
        A file of `write_deltas`.
    model : str or Path
        As in `open_checkpoint`: the tuned model; with `revert` the restored one. Shards may be cut in any way.
    output : str or Path
        Folder of the model that is written, with the layout and other files of `model`; it must not be there.
    revert : bool
        Go back.
    elements : int
        Weights worked on at once; changes no result.

    Returns
    -------
    Path

    Raises
    ------
    DataError
        For a model whose weights are not those that the delta was made of, told by hash; a delta that is damaged; an
        output that is there, or a disk that is full or read-only. Nothing is left then.

    Notes
    -----
    Reads the model twice and writes it once; what is written is hashed, too, and must be what the delta says.
    """
    file = Path(delta)
    metadata = read_delta(file)
    before, after = (metadata[name] for name in (("restored", "tuned") if revert else ("tuned", "restored")))
    source, target = ("restored", "tuned") if revert else ("tuned", "restored")
    layout = open_checkpoint(model)
    rows = _rows(layout, elements)
    found = _combined(layout, rows)
    if found != before:
        hint = (
            f"It is the {target} one already."
            if found == after
            else f"Give the {source} model, with its names and dtypes."
        )
        raise DataError(
            f"{layout.path} must be the {source} model of {file}; its weights have hash {found[:12]}, not "
            f"{before[:12]}. {hint}"
        )
    given = Checkpoint(file, {one.name: one for one in stored_tensors(file)}, {}, (file,))
    names = sorted(name.removesuffix(".positions") for name in given.tensors if name.endswith(".positions"))
    copies = json.loads(metadata["copies"])
    names += [copy for copy, name in copies.items() if name in names]
    lost = [name for name in names if name not in layout.tensors]
    if lost:
        raise DataError(
            f"{file} must fit the model; it changes {lost[0]}, which is not there. Copy it again."
        )
    sides = ("original", "tuned") if revert else ("tuned", "original")

    def slices(name: str) -> Iterator[Callable[[int], _Bits]]:
        running = hashlib.sha256()
        for values in _patched(given, layout.tensors[copies.get(name, name)], layout, sides, elements):
            running.update(values.data)
            yield alike(values)
        rows[name] = running.hexdigest()

    def manifests() -> list[dict[str, Any]]:
        if _combined(layout, rows) != after:
            raise DataError(f"{file} must make the {target} model; it makes another. Copy it again.")
        return [what | {"about": metadata["about"]}]

    place = Path(output)
    what = {
        "delta": file.name,
        "direction": "revert" if revert else "apply",
        "before": before,
        "after": after,
    }
    write_models(
        layout, place.parent, [place.name], slices, manifests,
        sizes={name: layout.tensors[name].size for name in names}, elements=elements,
    )  # fmt: skip
    return place


def _patched(
    given: Checkpoint, tensor: Tensor, layout: Checkpoint, sides: Sequence[str], elements: int
) -> Iterator[_Bits]:
    """Yield the bytes of a tensor by slices, with the values of the first side replaced by those of the second."""
    places = given.tensors[f"{tensor.name}.positions"]
    kind, done = np.dtype("<u4") if places.dtype == "U32" else np.dtype("<u8"), 0
    for start in range(0, tensor.size, elements):
        stop = min(tensor.size, start + elements)
        bits = _bits(layout.raw(tensor.name, start, stop), tensor.dtype)
        many = min(places.size - done, stop - start)  # they rise: no more can be in here
        at = _part(places, kind, done, done + many)
        at = at[: np.searchsorted(at, stop)]
        old, new = (
            _part(given.tensors[f"{tensor.name}.{side}"], bits.dtype, done, done + len(at)) for side in sides
        )
        done += len(at)
        at = at.astype(np.int64) - start
        inside = bool(((at >= 0) & (at < len(bits))).all())
        if not (inside and np.array_equal(bits[at], old)):
            raise DataError(
                f"{given.path} must fit the model; {tensor.name} is another there. Copy it again."
            )
        bits[at] = new
        yield bits


def _survey(
    pair: Pair, tuned: Checkpoint, selection: Selection, told: NDArray[np.int64], elements: int
) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Return how many values of each tensor differ by percent, and the hashes of the tuned and all restored models."""
    number = len(selection.percents)
    counts: dict[str, NDArray[np.int64]] = {}
    compared, before = {match.name: match.size for match in pair.matches}, stored_before(pair)
    outside = {name: tensor for name, tensor in tuned.tensors.items() if name not in compared}
    rows = [{name: _digest(tuned, tensor, 0, elements).hexdigest() for name, tensor in outside.items()}]
    rows += [dict(rows[0]) for _ in range(number)]
    stream = _differing(pair, tuned, selection, elements)
    for name, members in groupby(stream, key=lambda one: one[0][0]):
        running = [hashlib.sha256() for _ in rows]
        counts[name] = np.zeros(number, np.int64)
        dtype = tuned.tensors[name].dtype
        for (_, _, p, s), level, original, ours in members:
            unfit = unfitting(p, original.view(DTYPES[dtype]), dtype, before[name])
            told += [counted(j, level, p != s, unfit) for j in range(number)]
            counts[name] += np.cumsum(np.bincount(level[original != ours], minlength=number + 1))[:number]
            out = ours.copy()
            running[0].update(out.data)
            for j in range(number):
                np.copyto(out, original, where=level == j)
                running[j + 1].update(out.data)
        for into, one in zip(rows, running, strict=True):
            into[name] = _digest(tuned, tuned.tensors[name], compared[name], elements, one).hexdigest()
            into |= {copy: into[name] for copy, of in pair.copies.items() if of == name}
    return counts, [_combined(tuned, one) for one in rows]


def _differing(
    pair: Pair, tuned: Checkpoint, selection: Selection, elements: int
) -> Iterator[tuple[Chunk, Levels, _Bits, _Bits]]:
    """Yield each chunk with its levels and the bits of both sides as the tuned file stores them."""
    for chunk in pair.chunks(elements):
        name, start, p, _ = chunk
        dtype = tuned.tensors[name].dtype
        ours = _bits(tuned.raw(name, start, start + len(p)), dtype)
        yield chunk, levels(selection, chunk), stored(p, dtype).view(ours.dtype), ours


def _bits(raw: NDArray[np.uint8], dtype: str) -> _Bits:
    """Return bytes as whole numbers, one a value, so that -0 is not 0."""
    return raw.view(f"<u{DTYPES[dtype].itemsize}")


def _part(tensor: Tensor, kind: np.dtype[Any], start: int, stop: int) -> _Bits:
    """Return some numbers of a tensor of a delta."""
    with open(tensor.file, "rb") as f:
        f.seek(tensor.start + start * kind.itemsize)
        return np.frombuffer(f.read((stop - start) * kind.itemsize), kind)


def _rows(layout: Checkpoint, elements: int) -> dict[str, str]:
    """Return the sha256 of each tensor's bytes."""
    return {name: _digest(layout, one, 0, elements).hexdigest() for name, one in layout.tensors.items()}


def _digest(layout: Checkpoint, tensor: Tensor, start: int, elements: int, running: Any = None) -> Any:
    """Return a sha256 with the bytes of a tensor from a value on added."""
    running = hashlib.sha256() if running is None else running
    for at in range(start, tensor.size, elements):
        running.update(layout.raw(tensor.name, at, min(tensor.size, at + elements)).data)
    return running


def _combined(layout: Checkpoint, rows: Mapping[str, str]) -> str:
    """Return one hash of the weights of a model: names, dtypes, shapes and bytes, however they are cut into files."""
    lines = [f"{name} {one.dtype} {list(one.shape)} {rows[name]}\n" for name, one in layout.tensors.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _positions(tuned: Checkpoint) -> np.dtype[Any]:
    return np.dtype("<u4" if all(one.size <= 2**32 for one in tuned.tensors.values()) else "<u8")


def _header(
    tuned: Checkpoint, counts: Mapping[str, int], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, int], int]:
    """Return the header of a delta, where each of its tensors starts in the file, and how long the file is."""
    kind = _positions(tuned)
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for part in PARTS:
        for name, number in counts.items():
            own = tuned.tensors[name].dtype
            dtype, width = (
                (f"U{8 * kind.itemsize}", kind.itemsize)
                if part == "positions"
                else (own, DTYPES[own].itemsize)
            )
            entries[f"{name}.{part}"] = {
                "dtype": dtype, "shape": [number], "data_offsets": [at, at + number * width]
            }  # fmt: skip
            at += number * width
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    first = 8 + len(text)
    starts = {key: first + one["data_offsets"][0] for key, one in entries.items() if key != "__metadata__"}
    return len(text).to_bytes(8, "little") + text, starts, first + at


def read_delta(file: str | Path) -> dict[str, Any]:
    """Return the metadata of a delta, what `restore` writes beside a model as ``about``; raise for another file."""
    if not Path(file).is_file():
        raise DataError(f"{file} must be a file of assay weights restore --delta; there is none.")
    stored_tensors(Path(file))
    with open(file, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
    found: dict[str, Any] = header.get("__metadata__", {})
    if found.get("format") != FORMAT:
        raise DataError(f"{file} must be a file of assay weights restore --delta; it is another one.")
    return found | {"about": json.loads(found["about"])}
