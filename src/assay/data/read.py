"""A path, folder, glob, hub id or ``-`` in; samples out, one at a time, with their rows whole."""

from __future__ import annotations

import atexit
import difflib
import glob
import itertools
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay._check import choice, require, whole
from assay.data.containers import COMPRESSIONS, READERS, STDIN, Record, records, suffix_of
from assay.data.formats import FORMATS, sample_of, shape_of
from assay.data.json_text import excerpt
from assay.data.sample import Sample
from assay.errors import DataError, warn

SKIP_HINT = "Use --on-bad skip to drop such rows and list them."
NOT_DATA = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "manifest.json")
_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<config>[^@:]+))?(?:@(?P<split>[^@]+))?")
_SPOOL = "assay-stdin-"


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one record: its sample, or the problem that kept it from being one."""

    number: int
    origin: str
    sample: Sample | None
    problem: str = ""


def read(
    source: str | Path,
    *,
    shape: str | None = None,
    limit: int | None = None,
    on_bad: str = "error",
    skipped: list[tuple[str, str]] | None = None,
) -> Iterator[Sample]:
    """Yield the samples of a source, in order.

    JSON Lines, CSV, Parquet and Arrow are streamed; a JSON array is loaded whole. A row's values are kept as
    they are, so that `write` gives them back equal: lone surrogates (``"\\ud83d"``) stay in `Message.content`
    and are written as escapes again, integers beyond 64 bits stay integers, NaN stays NaN.

    Parameters
    ----------
    source
        A file (``.json .jsonl .ndjson .csv``, each also with ``.gz`` or ``.zst``, ``.parquet``, ``.arrow``),
        a folder (all such files under it, sorted, hidden ones left out), a glob, ``-`` for standard input
        (JSON or JSON Lines), or ``org/name[:config][@split]`` on the hub, which needs ``assay[hub]``.
    shape
        Name of a row of `FORMATS`; by default told from the rows, which must then all have one shape.
    limit
        Stop after so many samples (>= 1).
    on_bad
        ``"error"`` stops at the first row that cannot be read; ``"skip"`` drops such rows.
    skipped
        Takes (origin, reason) for every dropped row. Without it, one `AssayWarning` at the end counts them.

    Yields
    ------
    Sample
        With the row's own ``id`` or ``_id``, else its number in the source from 0.

    Raises
    ------
    DataError
        Where the source is missing, empty, of no known kind, mixes shapes, or (unless skipped) has a bad row.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "data.jsonl"
    >>> _ = path.write_text('{"instruction": "Add.", "input": "1 1", "output": "2"}\\n')
    >>> [sample] = read(path)
    >>> sample.format, sample.messages[0].content
    ('alpaca', 'Add.\\n1 1')
    """
    choice("on_bad", on_bad, ("error", "skip"))
    if shape is not None:
        choice("shape", shape, FORMATS)
    if limit is not None:
        whole("limit", limit, 1)
    resolve(source)
    if hub_id(source):
        require("datasets", "hub", f"the hub id {source!r}")
    return _read(source, shape, limit, on_bad, skipped)


def _read(
    source: str | Path,
    shape: str | None,
    limit: int | None,
    on_bad: str,
    skipped: list[tuple[str, str]] | None,
) -> Iterator[Sample]:
    dropped = skipped if skipped is not None else []
    before = len(dropped)
    stream = readings(source, shape=shape)
    found = 0
    first: Sample | None = None
    for reading in stream:
        if reading.sample is None:
            if on_bad == "error":
                raise DataError(f"{reading.origin}: {reading.problem} {SKIP_HINT}")
            dropped.append((reading.origin, reading.problem))
            continue
        first = first or reading.sample
        if reading.sample.format != first.format:
            raise _mixed(source, itertools.chain([reading], stream), first)
        yield reading.sample
        found += 1
        if found == limit:
            break
    if not found and len(dropped) > before:
        origin, reason = dropped[before]
        raise DataError(
            f"{source} must hold at least one readable row; all {len(dropped) - before} were dropped, "
            f"the first: {origin}: {reason}"
        )
    if skipped is None and dropped:
        origin, reason = dropped[0]
        warn(f"{len(dropped)} rows of {source} were dropped, the first: {origin}: {reason}")


def readings(source: str | Path, *, shape: str | None = None) -> Iterator[Reading]:
    """Yield what became of every record of a source, bad ones too; an empty source raises `DataError`."""
    number = -1
    for number, record in enumerate(_records(source)):
        if record.problem:
            yield Reading(number, record.origin, None, record.problem)
            continue
        name = shape or shape_of(record.row)
        if name is None:
            yield Reading(number, record.origin, None, _no_shape(record))
            continue
        try:
            sample = sample_of(record.row, record.origin, number, shape=name)
        except DataError as error:
            yield Reading(number, record.origin, None, str(error).removeprefix(f"{record.origin}: "))
        else:
            yield Reading(number, record.origin, sample)
    if number < 0:
        raise DataError(f"{source} must hold at least one row; it is empty.")


def _no_shape(record: Record) -> str:
    return (
        f"row must have a known shape ({', '.join(FORMATS)}); got {excerpt(record.row, 160)}. "
        "Name the shape with --from to read every row as that one, or rename the columns."
    )


def _mixed(source: str | Path, rest: Iterator[Reading], first: Sample) -> DataError:
    firsts = {first.format: first.origin}
    for reading in rest:
        if reading.sample is not None:
            firsts.setdefault(reading.sample.format, reading.origin)
    shown = ", ".join(f"{name} first at {origin}" for name, origin in firsts.items())
    return DataError(
        f"{source} must hold rows of one shape; got {shown}. "
        "Split it, or name the shape that all rows have with --from."
    )


def resolve(source: str | Path) -> list[Path]:
    """Return the files behind a source, sorted; none for a hub id or standard input.

    Raises
    ------
    DataError
        Where there is no such file, or none that can be read.
    """
    text = str(source)
    path = Path(source)
    if text == "-":
        return []
    if path.is_file():
        if not suffix_of(path):
            raise DataError(f"source must be a file that ends in {_suffixes()}; got {text}.")
        return [path]
    if path.is_dir():
        return _data_files(sorted(path.rglob("*")), path)
    if glob.has_magic(text):
        return _data_files([Path(name) for name in sorted(glob.glob(text, recursive=True))], None, text)
    if hub_id(text):
        return []
    raise DataError(f"source must be an existing file; there is no {text}.{_nearest(path)}")


def hub_id(source: str | Path) -> re.Match[str] | None:
    """Return the parts (repo, config, split) of ``org/name[:config][@split]``, or None if it names a path."""
    text = str(source)
    found = _HUB_ID.fullmatch(text)
    if found is None or isinstance(source, Path) or Path(text).exists() or suffix_of(found["repo"]):
        return None
    if found["repo"].startswith(".") or Path(found["repo"].split("/")[0]).is_dir():
        return None
    return found


def _data_files(paths: list[Path], folder: Path | None, pattern: str = "") -> list[Path]:
    def hidden(path: Path) -> bool:
        parts = path.relative_to(folder).parts if folder else (path.name,)
        return any(part.startswith(".") for part in parts)

    files = [p for p in paths if p.is_file() and suffix_of(p) and p.name not in NOT_DATA and not hidden(p)]
    if not files:
        raise DataError(f"source must lead to files that end in {_suffixes()}; {folder or pattern} has none.")
    return files


def _suffixes() -> str:
    return f"{', '.join(READERS)} (text also with {' or '.join(COMPRESSIONS)})"


def _nearest(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir() if p.is_dir() or suffix_of(p)]
    except OSError:
        return f" There is no folder {path.parent} either."
    near = difflib.get_close_matches(path.name, names, n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(str(path.parent / n) for n in near)}?" if near else ""


def spool_stdin() -> Path:
    """Copy standard input into a temporary file, deleted at exit, so that it can be read more than once.

    Its records are then said to come from ``stdin``.
    """
    folder = Path(tempfile.mkdtemp(prefix=_SPOOL))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "stdin.jsonl"
    with open(path, "wb") as out:
        shutil.copyfileobj(sys.stdin.buffer, out)
    return path


def _records(source: str | Path) -> Iterator[Record]:
    if str(source) == "-":
        source = spool_stdin()
    found = hub_id(source)
    if found is not None:
        yield from _hub_records(found["repo"], found["config"], found["split"])
        return
    for path in resolve(source):
        yield from records(path, label=STDIN if path.parent.name.startswith(_SPOOL) else None)


def _hub_records(repo: str, config: str | None, split: str | None) -> Iterator[Record]:
    """Yield the rows of a dataset on the hub or in its cache."""
    splits = hub_splits(repo, config)
    names = list(splits)
    name = split or ("train" if "train" in names else names[0])
    if name not in names or (split is None and "train" not in names and len(names) > 1):
        raise DataError(f"split must be one of {', '.join(names)}; got {split!r}. Write {repo}@{names[0]}.")
    for number, row in enumerate(splits[name], 1):
        yield Record(f"{repo}@{name}:{number}", row)


def hub_splits(repo: str, config: str | None, *, argument: str = "source") -> Any:
    """Return the splits of a dataset on the hub or in its cache; HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE hold.

    Where the hub cannot be reached and the cache lacks the dataset, that is said at once: `datasets` would try again
    for half a minute, and what was meant is often a path.
    """
    datasets = require("datasets", "hub", f"the hub id {repo!r}")
    try:
        if not _lies_here(datasets, repo):
            _ask(repo)
        return datasets.load_dataset(repo, config)
    except (OSError, ValueError, RuntimeError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{argument} must be an existing file or a dataset on the hub; there is no file {repo}, "
            f"and the hub says: {why}"
        ) from None


def _lies_here(datasets: Any, repo: str) -> bool:
    from huggingface_hub import constants

    caches = Path(datasets.config.HF_DATASETS_CACHE), Path(constants.HF_HUB_CACHE)
    names = repo.replace("/", "___"), f"datasets--{repo.replace('/', '--')}"
    return Path(repo).is_dir() or any((cache / name).is_dir() for cache in caches for name in names)


def _ask(repo: str) -> None:
    """Raise OSError where the hub cannot be reached; what it answers, `datasets` will hear too."""
    from huggingface_hub import HfApi, errors

    try:
        HfApi().dataset_info(repo, timeout=5)
    except errors.HfHubHTTPError:
        return
    except errors.HfHubHTTPError.__bases__ as error:
        raise OSError(f"it cannot be reached ({error})") from None
