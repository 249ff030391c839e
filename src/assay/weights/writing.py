"""Writing models that are another one with some values changed, several at once: whole, or nothing is left."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from assay._files import read_json, write_json
from assay._parallel import cores
from assay.errors import DataError
from assay.weights.checkpoint import DTYPES, Checkpoint

MANIFEST = "assay-restore.json"
RUN = "manifest.json"  # of the run that made the model; not of what is written here
TEMPLATES = "additional_chat_templates"  # the one folder that transformers writes beside
ADAPTER = ("adapter_config.json", "config.json", "README.md")  # of an adapter; not of the model it makes
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack")  # never copied as they are
ROOM = "Free some, or ask for fewer percents at a time."
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WRITERS = 4  # threads at most
# of a tensor, slice after slice: what gives the values of model number j as they are stored, on any thread, once
Slices = Callable[[str], Iterable[Callable[[int], Any]]]


def write_models(
    layout: Checkpoint,
    output: Path,
    names: Sequence[str],
    slices: Slices,
    manifests: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    sizes: Mapping[str, int],
    elements: int,
    overwrite: bool = False,
    adapter: Path | None = None,
) -> None:
    """Write a folder for each name: files, layout and bytes of `layout`, but for what `slices` gives.

    `sizes` has the tensors that `slices` gives, each whole up to so many values; they are asked for in the order of the
    files. `manifests` are asked for at the end, one a name; each gets the hashes of the ``files`` with weights. With
    `overwrite` a folder that has a `MANIFEST` is replaced, when the new one is whole. Other files are those of
    `adapter`, then of `layout`.
    """
    if len(set(names)) < len(names):
        raise DataError(f"percents must have names of their own; got {list(names)}. Use fewer digits.")
    for name in names:
        place = output / name
        if place.exists() and not overwrite:
            raise DataError(
                f"output must not have {name}; {output} has it. Name another folder, or delete it."
            )
        if place.exists() and not (place / MANIFEST).is_file():
            raise DataError(
                f"{place} must be a model that assay wrote to be replaced; it has no {MANIFEST}. Delete it, or name "
                "another folder."
            )
    if not names:
        return
    with one_error(output):
        check_room(output, len(names) * sum(file.stat().st_size for file in layout.files))
        with _parts(output, names) as parts:
            hashes = _fill(layout, parts, slices, sizes, elements)
            for part, manifest, files in zip(parts, manifests(), hashes, strict=True):
                if adapter is not None:
                    _copy_folder(adapter, part, but=ADAPTER)
                _copy_folder(layout.path, part)
                write_json(part / MANIFEST, {**manifest, "files": files})


def check_room(output: Path, needed: int) -> None:
    """Make the folder, and raise where its disk has not so many bytes."""
    output.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(output).free
    if needed > free:
        raise DataError(
            f"output must have room for {needed / 1e9:.2f} GB; {output} has {free / 1e9:.2f} GB. {ROOM}"
        )


def kept(
    places: Sequence[Path],
    rules: Sequence[Mapping[str, Any]],
    read: Callable[[Path], Mapping[str, Any]] = lambda place: (
        read_json(place / MANIFEST) if (place / MANIFEST).is_file() else {}
    ),
) -> list[bool]:
    """Return which outputs are there already, whole; raise for one that `read` says was made by another rule."""
    found = []
    for place, rule in zip(places, rules, strict=True):
        found.append(place.exists())
        told = read(place) if place.exists() else rule
        plain = orjson.loads(orjson.dumps(dict(rule)))  # as it is read back
        other = [key for key in rule if told.get(key) not in (plain[key], rule[key])]
        if other:
            raise DataError(
                f"{place} must be of the same run to go on with; {other[0]} is {told.get(other[0])!r}, not "
                f"{rule[other[0]]!r}. Name another folder, or overwrite it."
            )
    return found


@contextmanager
def one_error(output: Path) -> Iterator[None]:
    """Say what is wrong with the disk in one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DataError(
                f"output must have room; the disk of {output} became full ({error.strerror}), and nothing was kept. "
                f"{ROOM}"
            ) from None
        ours = error.filename is None or Path(error.filename).is_relative_to(output)
        if ours and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise DataError(
                f"output must be a folder that can be written to; {error.filename or output}: {error.strerror}. "
                "Name another one."
            ) from None
        raise


def _fill(
    layout: Checkpoint, parts: Sequence[Path], slices: Slices, sizes: Mapping[str, int], elements: int
) -> list[dict[str, str]]:
    """Write the files with weights of every model, each from its start to its end, and return their hashes."""
    found: list[dict[str, str]] = [{} for _ in parts]
    for source in layout.files:
        blocks = _blocks(layout, source, slices, sizes, elements)
        for into, digest in zip(
            found, _write_all([part / source.name for part in parts], blocks), strict=True
        ):
            into[source.name] = digest
    return found


def _write_all(places: Sequence[Path], blocks: Iterable[Callable[[int], Any]]) -> list[str]:
    """Write a file of each model and return their hashes; a block is made while the one before is written."""
    running = [hashlib.sha256() for _ in places]
    with ExitStack() as files, ThreadPoolExecutor(min(cores(), WRITERS, len(places))) as writers:
        targets = [files.enter_context(open(place, "wb", buffering=0)) for place in places]

        def put(j: int, values_of: Callable[[int], Any]) -> None:
            left = memoryview(values_of(j)).cast("B")
            running[j].update(left)
            while left:
                left = left[targets[j].write(left) :]

        busy: list[Future[None]] = []
        for values_of in blocks:
            _all_done(busy)
            busy = [writers.submit(put, j, values_of) for j in range(len(places))]
        _all_done(busy)
        _all_done([writers.submit(os.fsync, target.fileno()) for target in targets])
    return [one.hexdigest() for one in running]


def _all_done(futures: Iterable[Future[None]]) -> None:
    for future in futures:
        future.result()


@contextmanager
def _parts(output: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Give a hidden folder for each name; rename them all at the end, or leave nothing."""
    parts = [output / f".{name}.part" for name in names]
    replaced = [output / f".{name}.old" for name in names]

    def clear() -> None:
        for hidden in (*parts, *replaced):
            shutil.rmtree(hidden, ignore_errors=True)

    clear()  # of a run that was killed
    try:
        for part in parts:
            part.mkdir()
        yield parts
        for part, old, name in zip(parts, replaced, names, strict=True):
            if (output / name).exists():
                (output / name).rename(
                    old
                )  # not deleted in place: a kill would leave a part that looks whole
            part.rename(output / name)
    finally:
        clear()


def _blocks(
    layout: Checkpoint, source: Path, slices: Slices, sizes: Mapping[str, int], elements: int
) -> Iterator[Callable[[int], Any]]:
    """Yield what gives the blocks of a file: those of `slices`, and between them what all models have as it is."""
    inside = sorted(
        (one.start, name) for name, one in layout.tensors.items() if one.file == source and sizes.get(name)
    )
    at = 0
    with open(source, "rb", buffering=0) as f:
        for start, name in [*inside, (source.stat().st_size, "")]:
            f.seek(at)
            while at < start:
                block = f.read(min(start - at, 4 * elements))
                if not block:
                    raise DataError(f"{source} must stay as it is while it is read; it became shorter.")
                yield alike(block)
                at += len(block)
            if name:
                yield from slices(name)
                at += sizes[name] * DTYPES[layout.tensors[name].dtype].itemsize


def alike(values: Any) -> Callable[[int], Any]:
    """Return what gives every model the same values."""
    return lambda _: values


def _copy_folder(source: Path, target: Path, but: Sequence[str] = ()) -> None:
    """Copy the files beside the weights: config, index, tokenizer, template, licence."""
    source = source if source.is_dir() or not (source.parent / "config.json").is_file() else source.parent
    if source.is_dir():
        for file in sorted(source.iterdir()):
            if (
                file.is_file()
                and file.suffix not in WEIGHTS
                and file.name not in (MANIFEST, RUN, *but)
                and not (target / file.name).exists()
            ):
                shutil.copyfile(file, target / file.name)
        if (source / TEMPLATES).is_dir() and not (target / TEMPLATES).exists():
            shutil.copytree(source / TEMPLATES, target / TEMPLATES)
