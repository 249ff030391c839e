"""A file, a folder of splits or a hub id in; one corpus out."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay._check import choice
from assay.data.containers import BINARY, COMPRESSIONS, READERS, opened, records, suffix_of
from assay.data.read import hub_id
from assay.errors import DataError
from assay.ner.document import Corpus, Document
from assay.ner.formats import NER_FORMATS, File, Head, NerFormat, Read, hub
from assay.ner.formats.docbin import DOCBIN
from assay.ner.formats.format import OnBad, refuse
from assay.ner.formats.tags import REPAIRS, SCHEMES

_HEAD = 1 << 18  # bytes by which a file is told
_DEPTH = 4  # of folders in a folder in which corpora are looked for
_SPLITS = {
    "train": "train",
    "training": "train",
    "testa": "dev",
    "testb": "test",
    "dev": "dev",
    "devel": "dev",
    "development": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "test": "test",
}
_ORDER = ("train", "dev", "test")
_NOT_DATA = re.compile(
    r"(?i)(\.|licen[cs]e|copying|readme|notice|citation|changelog|entity-list|labels\.json|dataset_infos?\.json|"
    r"dataset_dict\.json|state\.json|manifest\.json|config\.json|answers\.jsonl|cache-)|.*\.(md|py|html|pdf|sh|yaml|yml|cfg|conf|lock|zip)$"
)
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_NAMED_LANGUAGE = re.compile(r"NER_(en|zh)")


def read_corpus(
    path: str | Path,
    *,
    name: str | None = None,
    format: str | None = None,
    language: str | None = None,
    scheme: str | None = None,
    tag_column: int | str | None = None,
    repair: str = "begin",
    offsets: str | None = None,
    on_bad: OnBad = refuse,
) -> Corpus:
    """Return a corpus read from a file, a folder whose files are its splits, or the hub.

    The format is told from the content. What is inferred (the tag scheme, the columns) is inferred once for the whole
    corpus and told in `Corpus.notes`.

    Parameters
    ----------
    path
        A file, also with ``.gz`` or ``.zst``; a folder: each data file in it is a split, or each folder in it that is
        named as one; or ``org/name[:config][@split]`` on the hub, which needs ``assay[hub]``. A split is called
        ``train``, ``dev`` or ``test`` where the file name says so (``wnut17train.conll``, ``devel.tsv``), else as the
        file. Licences, readmes and lists of labels are no data.
    name
        Name of the corpus; by default that which the file says, else of the folder, or the file without its suffixes.
    format
        Name of a row of `NER_FORMATS`; by default told from the content, which must be of one format.
    language
        ``en``, ``zh`` or another code. By default by script: a document is ``zh`` where a fourth or more of its letters
        are Han, else ``en``, since languages of one script are not told apart; a corpus is ``mixed`` where a tenth or
        more of its documents are of either.
    scheme
        ``IOB1``, ``IOB2``, ``BIOES``, ``BMES`` or ``BILOU``; by default inferred. Formats of tags only.
    tag_column
        Column of the tags, from 1, or from -1 backwards, or ``"all"`` to unite several. Columns only.
    repair
        What becomes of a tag that breaks the scheme (``I-PER`` after ``O``): ``begin`` an entity with it, ``drop`` it,
        or ``error``. Counted in the notes.
    offsets
        What offsets count: ``code points``, ``inclusive``, ``utf-16`` or ``bytes``; by default told from the words.
        Formats of characters only.
    on_bad
        Takes (kind, origin, message) of whatever cannot be read, which is then left out; by default an error.

    Returns
    -------
    Corpus
        Its documents have the ids of the file (``sent_id``, ``id``), behind the split and a colon where these are not
        unique, else ``split:number`` from 1. Two documents of one id and split become ``id`` and ``id#2``.

    Raises
    ------
    DataError
        Where there is no such file or none that can be read, files differ in format, a folder holds several corpora, or
        (``file:line: ...``) a line cannot be read.

    Notes
    -----
    All of a corpus is in memory. Offsets are shared between documents; 4 million tokens take some 5 seconds.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "tiny"
    >>> folder.mkdir()
    >>> _ = (folder / "train.conll").write_text("Ada\\tI-PER\\nLovelace\\tI-PER\\nwrote\\tO\\n")
    >>> corpus = read_corpus(folder)
    >>> corpus.name, corpus.documents[0].id, corpus.documents[0].text, corpus.notes
    ('tiny', 'train:1', 'Ada Lovelace wrote', ('read as conll', 'IOB1 inferred'))
    """
    if scheme is not None:
        choice("scheme", scheme, SCHEMES)
    if format is not None:
        choice("format", format, NER_FORMATS)
    choice("repair", repair, REPAIRS)
    options: dict[str, Any] = {"scheme": scheme, "tag_column": tag_column, "offsets": offsets}
    found = None if isinstance(path, Path) else hub_id(path)
    if found is not None:
        shape = NER_FORMATS["hub"]
        _check_options(options, shape)
        repo, config, split = found["repo"], found["config"], found["split"]
        read = hub.from_hub(repo, config, split, scheme=scheme, repair=repair, on_bad=on_bad)
        kept = (
            replace(document, split=_SPLITS.get(document.split, document.split))
            for document in read.documents
        )
        read = replace(read, documents=tuple(kept))
        named, source = repo.split("/")[1], str(path)
    else:
        shape, read = _read(Path(path), format, options, repair, on_bad)
        named, source = _named(Path(path)), str(path)
        by_path = _NAMED_LANGUAGE.fullmatch(Path(path).resolve().parent.name)
        if by_path and not read.language:
            read = replace(read, language=by_path[1])
    spoken = language or read.language
    named = name or read.name or named
    documents = _placed(read, named, spoken)
    if not documents:
        raise DataError(f"{source} must hold at least one document; it has none.")
    return Corpus(
        named,
        documents,
        read.labels,
        spoken or _language(documents),
        read.licence,
        read.source or source,
        (f"read as {shape.name}", *read.notes),
        read.meta,
    )


def corpora(path: str | Path) -> list[str]:
    """Return the corpora that a path leads to: the folders in it that are corpora (as in B2NERD's tree), or itself."""
    root = Path(path)
    found = _corpora(root) if root.is_dir() else []
    return [str(folder) for folder in found] or [str(path)]


def _corpora(folder: Path, depth: int = _DEPTH) -> list[Path]:
    if any(_told(file.path) for file in _walk(folder, "")):
        return [folder]
    if not depth:
        return []
    return [each for inner in _folders(folder) for each in _corpora(inner, depth - 1)]


def corpus_files(path: str | Path, format: str | None = None) -> tuple[NerFormat, list[File]]:
    """Return the format and the data files of a corpus on the disk, as `read_corpus` takes them."""
    shape, files, _ = _files(Path(path), format)
    return shape, files


def _check_options(options: dict[str, Any], shape: NerFormat) -> None:
    for option, value in options.items():
        if value is not None and option not in shape.options:
            takers = [row.name for row in NER_FORMATS.values() if option in row.options]
            raise DataError(
                f"{option} must be left out of {shape.name}; got {value!r}. It is for {', '.join(takers)}."
            )


def _read(
    root: Path, format: str | None, options: dict[str, Any], repair: str, on_bad: OnBad
) -> tuple[NerFormat, Read]:
    """Return the format of the files behind a path, and what its reader makes of them."""
    shape, files, left = _files(root, format)
    _check_options(options, shape)
    given = {key: value for key, value in options.items() if value is not None}
    if "repair" in shape.options:
        given["repair"] = repair
    read = shape.read(files, on_bad=on_bad, **given)
    if left:
        read = replace(read, notes=(*read.notes, f"not read: {', '.join(left)}"))
    return shape, read


def _files(root: Path, format: str | None) -> tuple[NerFormat, list[File], list[str]]:
    """Return the format of what is behind a path, the data files by split, and the names of files of no format."""
    if root.is_file():
        file = File(root, _split(root.name) or _stem(root))
        shape = NER_FORMATS[format] if format else _shape(head(root))
        if shape is None:
            raise DataError(
                f"{root} must be of a known format ({', '.join(NER_FORMATS)}); its content is of none. "
                "Name the format, and the first line that does not fit is shown."
            )
        return shape, [file], []
    if not root.is_dir():
        raise DataError(f"path must be an existing file or folder; there is no {root}.{_nearest(root)}")
    found = {file: NER_FORMATS[format] if format else _told(file.path) for file in _walk(root, "")}
    order = {split: number for number, split in enumerate(_ORDER)}
    kept = [file for file, shape in found.items() if shape]
    kept.sort(key=lambda file: (order.get(file.split, len(order)), str(file.path)))
    shapes = {shape.name: file.path for file, shape in reversed(found.items()) if shape}
    if not shapes:
        inside = [str(folder.relative_to(root)) for folder in _corpora(root)]
        if inside:
            raise DataError(
                f"path must be one corpus; {root} holds {len(inside)}: {', '.join(inside[:6])}"
                f"{' ...' if len(inside) > 6 else ''}. Name one of them."
            )
        raise DataError(f"{root} must hold files of a known format ({', '.join(NER_FORMATS)}); it has none.")
    if len(shapes) > 1:
        shown = ", ".join(f"{name} ({path.name})" for name, path in shapes.items())
        raise DataError(f"path must hold files of one format; got {shown}. Name the format, or part them.")
    return NER_FORMATS[next(iter(shapes))], kept, sorted(file.path.name for file in found if file not in kept)


def _walk(folder: Path, split: str) -> Iterator[File]:
    """Yield the files of a folder that may be data, by name, and of the folders in it that are splits."""
    for path in _data_files(folder):
        yield File(path, split or _split(path.name) or _stem(path))
    inner = _folders(folder)
    for each in inner:
        own = _SPLITS.get(each.name.lower(), split)
        if own or (len(inner) == 1 and each.name == "data"):
            yield from _walk(each, own)


def _data_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not _NOT_DATA.match(path.name)
        and not (path.suffix == ".txt" and path.with_suffix(".ann").is_file())
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _split(name: str) -> str:
    """Return the split that a file name names, ``""`` if none."""
    words = re.findall(r"[a-z]+", name.lower())
    return next((_SPLITS[word] for word in words if word in _SPLITS), "")


def _named(root: Path) -> str:
    return root.resolve().name if root.is_dir() else _stem(root)


def _stem(path: Path) -> str:
    """Return the name of a file without its suffixes, as far as they are known ones."""
    known = (
        {suffix for row in NER_FORMATS.values() for suffix in row.suffixes} | set(COMPRESSIONS) | set(READERS)
    )
    name = path.name
    while Path(name).suffix.lower() in known and Path(name).stem:
        name = Path(name).stem
    return name


def _nearest(path: Path) -> str:
    parent = path.parent if path.parent.is_dir() else Path()
    near = difflib.get_close_matches(
        path.name, [each.name for each in parent.iterdir() if each.exists()], n=2, cutoff=0.5
    )
    return f" Did you mean {' or '.join(str(parent / each) for each in near)}?" if near else ""


def head(path: Path) -> Head:
    """Return what a file is told by."""
    if path.suffix in DOCBIN.suffixes:
        return Head(path, (), None)
    if suffix_of(path) in BINARY:
        first = next((record.row for record in records(path)), None)
        return Head(path, (), first)
    try:
        with opened(path) as stream:
            data = stream.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path}: must be readable; {error.strerror or error}.") from None
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = text.split("\n")
    if len(data) == _HEAD:
        lines.pop()
    return Head(path, tuple(lines), _first_value(path, text, len(data) == _HEAD))


def _first_value(path: Path, text: str, cut: bool) -> Any:
    """Return the first JSON value of a text, of an array its first, else None; a cut one is read on."""
    start = text.lstrip()
    array = start[:1] == "["
    body = start[1:].lstrip() if array else start
    if body[:1] != "{":
        return None
    try:
        return json.JSONDecoder().raw_decode(body)[0]
    except (ValueError, RecursionError):
        if not cut:
            return None
    with opened(path) as stream:
        return _first_value(path, stream.read().decode("utf-8", "replace"), False)


def _shape(seen: Head) -> NerFormat | None:
    return next((row for row in NER_FORMATS.values() if row.detect(seen)), None)


def _told(path: Path) -> NerFormat | None:
    """Return the format of a file, None where it has none or is no text."""
    try:
        return _shape(head(path))
    except DataError:
        return None


def _placed(read: Read, corpus: str, language: str) -> tuple[Document, ...]:
    """Return documents with their corpus, language and an id of their own; without a language each is asked."""
    given = Counter(document.id for document in read.documents if document.id)
    clash = any(count > 1 for count in given.values())
    numbers: Counter[str] = Counter()
    used: set[str] = set()
    spoken = language or _language(read.documents)
    documents = []
    for document in read.documents:
        numbers[document.split] += 1
        own = document.id
        if not own:
            own = f"{document.split}:{numbers[document.split]}"
        elif clash and document.split:
            own = f"{document.split}:{own}"
        unique, copy = own, 1
        while unique in used:
            copy += 1
            unique = f"{own}#{copy}"
        used.add(unique)
        mine = spoken if spoken != "mixed" else _language([document])
        documents.append(
            Document(
                unique,
                document.text,
                document.entities,
                document.language or mine,
                document.corpus or corpus,
                document.split,
                document.tokens,
                document.meta,
            )
        )
    return tuple(documents)


def _language(documents: Sequence[Document]) -> str:
    """Return ``zh``, ``en`` or ``mixed`` by the scripts of up to 2,000 documents, evenly drawn."""
    some = documents[:: len(documents) // 2000 + 1]
    share = sum(_is_chinese(document.text) for document in some) / max(len(some), 1)
    return "zh" if share >= 0.9 else "en" if share <= 0.1 else "mixed"


def _is_chinese(text: str) -> bool:
    han = 0 if text.isascii() else len(_HAN.findall(text))
    return han > 0 and 4 * han >= sum(map(str.isalpha, text))
