"""Corpora as one folder of documents, with the files that they came from, and back to the byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from assay._files import file_hash
from assay.data.containers import COMPRESSIONS
from assay.errors import DataError
from assay.ner.apply import marked, revert, unify, unmarked
from assay.ner.document import Corpus, Document
from assay.ner.formats import NER_FORMATS, File
from assay.ner.formats.b2nerd import LABELS
from assay.ner.formats.documents import row_of
from assay.ner.read import corpus_files
from assay.ner.write import Loss, write_corpus

ORIGINALS, INDEX = "originals.zip", "index.json"
SOURCE = "source"
ENTITIES = (
    "discontinuous",
    "duplicate",
    "nested",
    "blank",
    "edge_space",
    "empty",
)  # losses that change annotations


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _File(_Frozen):
    path: str
    sha256: str


class _Part(_Frozen):
    """Splits of a corpus and the files that hold just those; `documents` tells whether somebody edited them."""

    splits: tuple[str, ...]
    files: tuple[_File, ...]
    documents: str


class _Source(_Frozen):
    name: str
    source: str
    format: str
    labels: tuple[str, ...]
    language: str
    licence: str
    parts: tuple[_Part, ...]
    beside: tuple[_File, ...]

    @property
    def files(self) -> tuple[_File, ...]:
        return (*self.beside, *(file for part in self.parts for file in part.files))


class _Index(_Frozen):
    format: Literal["assay.ner.unified/1"] = "assay.ner.unified/1"
    corpora: tuple[_Source, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A file that was restored: byte for byte, or written anew from `documents` that somebody edited, with losses.

    Where somebody deleted all documents, there is no file.
    """

    corpus: str
    file: str
    bytes: bool
    documents: int
    losses: tuple[Loss, ...] = ()


def write_unified(
    originals: Sequence[Corpus],
    applied: Sequence[Corpus],
    folder: str | Path,
    *,
    readings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Corpus:
    """Write applied corpora as one, a file a split, with all that `restore` needs, and return it.

    ``<split>.jsonl`` are assay's own documents: each names its corpus and, where one file holds its split, that file in
    ``meta["source"]``. ``originals.zip`` holds the files that the corpora were read from, compressed.

    Parameters
    ----------
    originals, applied
        Corpora as they were read, and as `apply` returns them.
    folder
        An existing one; files of the same names are replaced.
    readings
        For each corpus by name, the options that it was read with: ``format`` tells which files belong to it.
    """
    place = Path(folder)
    sources, kept, named = [], [], []
    for corpus, changed in zip(originals, applied, strict=True):
        source, files, documents = _source(corpus, changed, dict((readings or {}).get(corpus.name, {})))
        sources.append(source)
        kept += files
        named.append(replace(changed, documents=documents))
    one = unify(named)
    write_corpus(one, place, format="documents", overwrite=True)
    with zipfile.ZipFile(place / ORIGINALS, "w", zipfile.ZIP_DEFLATED) as out:
        index = orjson.dumps(_Index(corpora=tuple(sources)).model_dump(), option=orjson.OPT_INDENT_2)
        out.writestr(zipfile.ZipInfo(INDEX), index, zipfile.ZIP_DEFLATED)
        for name, path in kept:
            with open(path, "rb") as f, out.open(_entry(name), "w", force_zip64=True) as entry:
                shutil.copyfileobj(f, entry)
    return one


def restore(folder: str | Path, output: str | Path) -> list[Restored]:
    """Take back what `write_unified` made: the files of every corpus into ``output/<corpus>/``.

    Files whose documents are as they were written come out byte for byte. Where somebody edited a document since, added
    or deleted one, the files of its split are written anew, in their format if it holds every entity and else as
    assay's own documents, under the raw labels: no edit is lost.

    Raises
    ------
    DataError
        The folder is no unified corpus, or its originals are damaged.
    """
    place, target = Path(folder), Path(output)
    if not (place / ORIGINALS).is_file():
        raise DataError(f"{place} must be a folder that assay ner apply wrote; it has no {ORIGINALS}.")
    target.mkdir(parents=True, exist_ok=True)
    files = [File(path, path.stem) for path in sorted(place.glob("*.jsonl"))]
    documents: dict[str, list[Document]] = {}
    for document in NER_FORMATS["documents"].read(files).documents if files else ():
        documents.setdefault(document.corpus, []).append(document)
    restored: list[Restored] = []
    with _opened(place / ORIGINALS) as (archive, index):
        for source in index.corpora:
            restored += _restore(archive, source, documents.pop(source.name, []), target)
    for name, added in documents.items():
        restored.append(_anew(Corpus(name or "added", tuple(added)), "documents", (), target))
    return restored


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, _Index]]:
    try:
        archive = zipfile.ZipFile(path)
        index = _Index.model_validate_json(archive.read(INDEX))
        lacks = {f"{source.name}/{file.path}" for source in index.corpora for file in source.files}
        lacks -= set(archive.namelist())
        if lacks:
            raise KeyError(min(lacks))
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        what = " ".join(str(error).split())[:200]
        raise DataError(f"{path} must be as assay ner apply wrote it; {what}. Apply again.") from None
    with archive:
        yield archive, index


def _source(
    corpus: Corpus, changed: Corpus, reading: Mapping[str, Any]
) -> tuple[_Source, list[tuple[str, Path]], tuple[Document, ...]]:
    """Return what is to be known of a corpus, its files, and its documents, marked with them."""
    root = Path(corpus.source)
    files: list[File] = []
    shape = "documents"
    if root.exists():
        row, files = corpus_files(root, reading.get("format"))
        shape = row.name
    splits = tuple(sorted(corpus.splits))
    by_file = {file.split for file in files} == set(splits)
    groups = [(split,) for split in splits] if by_file else [splits]
    home = root if root.is_dir() else root.parent
    kept, parts = [], []
    single: dict[str, str] = {}
    for group in groups:
        mine = [file.path for file in files if not by_file or file.split in group]
        mine += [
            text for path in mine if path.suffix == ".ann" and (text := path.with_suffix(".txt")).is_file()
        ]
        paths = [path.relative_to(home).as_posix() for path in mine]
        kept += [(f"{corpus.name}/{name}", path) for name, path in zip(paths, mine, strict=True)]
        if len(paths) == 1:
            single |= dict.fromkeys(group, paths[0])
        hashes = tuple(
            _File(path=name, sha256=file_hash(path)) for name, path in zip(paths, mine, strict=True)
        )
        parts.append((group, hashes))
    beside = []
    if files and (declared := files[0].path.parent / LABELS).is_file():
        name = declared.relative_to(home).as_posix()
        beside.append(_File(path=name, sha256=file_hash(declared)))
        kept.append((f"{corpus.name}/{name}", declared))
    documents = tuple(
        replace(
            document,
            corpus=corpus.name,
            meta=marked(document.meta, {"file": single[document.split]}, SOURCE)
            if document.split in single
            else document.meta,
        )
        for document in changed.documents
    )
    source = _Source(
        name=corpus.name,
        source=corpus.source,
        format=shape,
        labels=corpus.labels,
        language=corpus.language,
        licence=corpus.licence,
        parts=tuple(
            _Part(splits=group, files=hashes, documents=_digest(documents, group)) for group, hashes in parts
        ),
        beside=tuple(beside),
    )
    return source, kept, documents


def _digest(documents: Sequence[Document], splits: Sequence[str]) -> str:
    """Return what changes with any document of some splits, or with their order in a split."""
    digest = hashlib.sha256()
    for split in splits:
        for document in documents:
            if document.split == split:
                digest.update(json.dumps(row_of(document), sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _restore(
    archive: zipfile.ZipFile, source: _Source, documents: Sequence[Document], target: Path
) -> list[Restored]:
    restored = []
    for file in source.beside:
        restored.append(_copied(archive, source, file, target, 0))
    known = {split for part in source.parts for split in part.splits}
    new = tuple(sorted({document.split for document in documents} - known))
    for part in (*source.parts, *([_Part(splits=new, files=(), documents="")] if new else [])):
        mine = [document for document in documents if document.split in part.splits]
        if part.files and _digest(mine, part.splits) == part.documents:
            restored += [_copied(archive, source, file, target, len(mine)) for file in part.files]
        elif part.files and not mine:  # all were deleted
            restored.append(Restored(source.name, ", ".join(file.path for file in part.files), False, 0))
        elif mine:
            corpus = Corpus(source.name, tuple(mine), source.labels, source.language, source.licence)
            restored.append(_anew(corpus, source.format, part.files, target))
    return restored


def _inside(target: Path, corpus: str, name: str) -> Path:
    """Return the place of a file of a corpus, or raise: neither names anything outside."""
    path = target / corpus / name
    if "/" in corpus or corpus in ("", ".", "..") or ".." in Path(name).parts or Path(name).is_absolute():
        raise DataError(f"{ORIGINALS} must hold files of its corpora only; got {corpus}/{name}. Apply again.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _copied(archive: zipfile.ZipFile, source: _Source, file: _File, target: Path, documents: int) -> Restored:
    path = _inside(target, source.name, file.path)
    with archive.open(f"{source.name}/{file.path}") as entry, open(path, "wb") as out:
        shutil.copyfileobj(entry, out)
    if file_hash(path) != file.sha256:
        path.unlink()
        raise DataError(
            f"{ORIGINALS} must hold {file.path} of {source.name} as it was; its hash differs. Apply again."
        )
    return Restored(source.name, file.path, True, documents)


def _anew(corpus: Corpus, format: str, files: Sequence[_File], target: Path) -> Restored:
    """Write documents under their raw labels, in place of the files that held them."""
    plain = tuple(replace(document, meta=unmarked(document.meta, SOURCE)) for document in corpus.documents)
    [raw] = revert([replace(corpus, documents=plain)])
    row = NER_FORMATS[format]
    with tempfile.TemporaryDirectory(prefix=".assay-", dir=target) as stage:
        losses: tuple[Loss, ...] = ()
        whole = False
        if row.write is not None:
            try:
                losses = write_corpus(raw, Path(stage) / "own", format=format)
                whole = not any(loss.kind in ENTITIES for loss in losses)
            except DataError:  # entities that the format cannot hold
                whole = False
        if not whole:
            row = NER_FORMATS["documents"]
            losses = write_corpus(raw, Path(stage) / "all", format="documents")
        made = sorted(
            path for path in (Path(stage) / ("own" if whole else "all")).iterdir() if path.name != LABELS
        )
        names = [path.name for path in made]
        if len(made) == len(files) == 1:
            names = [_uncompressed(files[0].path)]
            if not whole:
                names = [str(Path(names[0]).with_suffix(row.suffixes[0]))]
        for path, name in zip(made, names, strict=True):
            path.replace(_inside(target, corpus.name, name))
    return Restored(corpus.name, ", ".join(names), False, len(corpus.documents), losses)


def _uncompressed(name: str) -> str:
    return str(Path(name).with_suffix("")) if Path(name).suffix.lower() in COMPRESSIONS else name
