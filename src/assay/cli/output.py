"""The folder that a run fills: never one that it reads from, and filled all at once."""

from __future__ import annotations

import csv
import fnmatch
import glob
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from assay._files import atomic, file_hash, new_folder
from assay.errors import DataError

MANIFEST = "manifest.json"


def open_folder(path: str, sources: Sequence[str], *, overwrite: bool, resume: bool | None) -> Path:
    """Return the folder of a run, made if missing; refuse one that holds files, or that a source is read from."""
    check_apart(Path(path), sources)
    return new_folder(path, overwrite=overwrite, resume=resume)


def check_apart(path: Path, sources: Sequence[str], *, file: bool = False) -> None:
    """Raise if what is written into a folder, or to a file, would be read as data by the next such run."""
    target = path.resolve()
    for source in sources:
        place = Path(source)
        if place.is_dir():
            inside = target.is_relative_to(place.resolve())
        elif place.is_file():
            inside = place.resolve().parent == target
        else:
            inside = glob.has_magic(source) and _reached(target, source, file)
        if inside:
            raise DataError(
                f"output must be apart from the data; {path} is where {source} is read from. Name another place."
            )


def _reached(target: Path, pattern: str, file: bool) -> bool:
    """Tell whether a glob finds a file, or looks into a folder."""
    parts = Path(os.path.abspath(pattern)).parts
    names = target.parts
    if "**" in parts:
        parts = parts[: parts.index("**")]
        names = names[: len(parts)]
    elif not file:
        parts = parts[:-1]
    return len(names) == len(parts) and all(map(fnmatch.fnmatch, names, parts))


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to write to; when the block ends without an error, its files move up to `folder`.

    With a manifest among them, `folder` is this run's own: the manifest of an earlier run goes before anything else
    changes and the new one comes last, so that a folder that has one is complete; what the earlier run wrote and
    this one does not is removed, if it is as it was written.
    """
    stage = Path(tempfile.mkdtemp(prefix=".assay-", suffix=".part", dir=folder))
    try:
        yield stage
        if (stage / MANIFEST).exists():
            clear(folder)
        for name in sorted(files_of(stage), key=lambda name: (name == MANIFEST, name)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(folder / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of equal keys, at least one, as CSV."""
    with atomic(path, "w") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def files_of(folder: Path) -> list[str]:
    """Return the files of a folder and of those in it, by their names from there with ``/``, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def clear(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove the manifest of a folder, and what it lists as it was written, but for the files to `keep`."""
    earlier = _outputs(folder / MANIFEST)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name, digest in earlier.items():
        if name in keep:
            continue
        path = folder / name
        below = path.resolve().is_relative_to(folder.resolve())
        if below and path.is_file() and file_hash(path) == digest:
            path.unlink()
            for parent in path.relative_to(folder).parents:
                if parent != Path() and not any((folder / parent).iterdir()):
                    (folder / parent).rmdir()


def _outputs(manifest: Path) -> dict[str, str]:
    """Return the files that a manifest lists, with their hashes; none where it is no manifest of a run."""
    try:
        content = orjson.loads(manifest.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    outputs = content.get("outputs") if isinstance(content, dict) else None
    return outputs if isinstance(outputs, dict) else {}
