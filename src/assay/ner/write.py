"""A corpus -> files of a format, and what that format could not hold."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay._check import choice, known
from assay.data.containers import COMPRESSIONS
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.check import place_of
from assay.ner.document import Corpus, Document, Entity, Span, joined, unspaced
from assay.ner.formats import NER_FORMATS
from assay.ner.formats.conll import commented
from assay.ner.formats.format import NerFormat
from assay.ner.formats.tags import SCHEMES
from assay.ner.index import tokens as words_of
from assay.ner.nesting import flat

FLATTEN = ("error", "outer", "inner")
SPACE = "\t\r\n"  # what no token of a file can hold; other white space in tokens that are given stays
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(f"[{SPACE}]")
LOSSES: dict[str, str] = {
    "discontinuous": "entities in pieces, written as one from the first piece to the last",
    "duplicate": "entities that stand twice, written once",
    "nested": "entities inside or across others, left out",
    "blank": "entities of nothing but white space, left out",
    "edge_space": "entities with white space at an edge, written without it",
    "empty": "documents without a word, left out",
    "surrogates": "documents with halves of UTF-16 pairs, written as U+FFFD",
    "spacing": "documents whose white space is written otherwise",
    "tokens_cut": "documents whose tokens are cut where entities begin or end, or leave out words",
    "tokens": "documents whose token bounds are not written",
    "id": "documents whose id is not written",
    "meta": "documents with other fields, which are not written",
    "entity_meta": "entities with other fields, which are not written",
    "split": "splits, written as one",
    "labels": "labels that are declared and do not occur, not written",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that was lost: its kind (a row of `LOSSES`), how often, and the first case."""

    kind: str
    count: int
    first: str

    @property
    def summary(self) -> str:
        """What was lost, in words."""
        return LOSSES[self.kind]


@dataclass(slots=True)
class _Losses:
    """Losses as they are found."""

    found: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, kind: str, where: str, count: int = 1) -> None:
        if count:
            before, first = self.found.get(kind, (0, where))
            self.found[kind] = (before + count, first)

    def report(self) -> tuple[Loss, ...]:
        return tuple(Loss(kind, *self.found[kind]) for kind in LOSSES if kind in self.found)


def write_corpus(
    corpus: Corpus,
    path: str | Path,
    *,
    format: str,
    flatten: str = "error",
    scheme: str = "IOB2",
    overwrite: bool = False,
) -> tuple[Loss, ...]:
    """Write a corpus as files of a format and return what they do not hold.

    Parameters
    ----------
    corpus
        As `read_corpus` returns it, or made in Python.
    path
        A file, where it ends as files of the format do; else a folder, which gets one file a split.
    format
        Name of a row of `NER_FORMATS` that assay writes.
    flatten
        What becomes of entities that share characters, in a format that holds only flat ones: ``"outer"`` keeps the
        longer, ``"inner"`` the shorter, ``"error"`` stops.
    scheme
        Of the tags, in formats of tags: ``IOB1``, ``IOB2``, ``BIOES``, ``BMES`` or ``BILOU``.
    overwrite
        Replace what is there. Other files in a folder stay.

    Returns
    -------
    tuple of Loss
        In the order of `LOSSES`; empty if reading the files again gives the same corpus.

    Raises
    ------
    DataError
        An unknown format or one that is only read, entities to flatten, or an output that exists.

    Notes
    -----
    Files are whole or absent: they are written beside and renamed when all are done.

    Formats of tokens get the tokens that a document has, else words, signs, and single characters of unspaced scripts.
    A token is cut where an entity begins or ends inside it, and words that no token has become tokens, so that no
    entity is lost or moved. Their readers put one space between tokens (`document.joined`): where that is not the
    text, the document counts under ``spacing``.

    Examples
    --------
    >>> import tempfile
    >>> from assay.ner import Corpus, Document, Entity, read_corpus
    >>> document = Document("7", "in Paris", (Entity(3, 8, "LOC"),))
    >>> path = tempfile.mkdtemp() + "/mini.jsonl"
    >>> write_corpus(Corpus("mini", (document,)), path, format="b2nerd")
    ()
    >>> read_corpus(path).documents[0].entities[0].label
    'LOC'
    """
    target = Path(path)
    choice("scheme", scheme, SCHEMES)
    row, one_file = check_target(target, format=format, flatten=flatten, overwrite=overwrite)
    assert row.write is not None
    losses = _Losses()
    splits = ("",) if one_file else corpus.splits or ("",)
    target.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        named = list(zip(corpus.documents, _own_ids(corpus), strict=True))
        for split in splits:
            chosen = [(one, own) for one, own in named if one_file or one.split == split]
            fitted = [two for one, own in chosen for two in _fitted(corpus, one, own, row, flatten, losses)]
            options = {name: {"corpus": corpus, "scheme": scheme}[name] for name in row.write_options}
            name = target.name if one_file else _file_name(split or corpus.name, row)
            row.write(fitted, stage / name, **options)
        if row.beside is not None and not one_file:
            row.beside(corpus, stage)
        _move(stage, target, one_file)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    if one_file and "split" not in row.holds and len(corpus.splits) > 1:
        losses.add("split", ", ".join(corpus.splits), len(corpus.splits))
    if "labels" not in row.holds and (one_file or row.beside is None):
        occur = {entity.label for document in corpus.documents for entity in document.entities}
        never = [label for label in corpus.labels if label not in occur]
        losses.add("labels", ", ".join(never[:1]), len(never))
    return losses.report()


def check_target(target: Path, *, format: str, flatten: str, overwrite: bool) -> tuple[NerFormat, bool]:
    """Return the row of a format and whether it goes to one file, or raise by what can be known to be wrong before."""
    row = NER_FORMATS[known("format", format, NER_FORMATS, "assay ner convert --help")]
    choice("flatten", flatten, FLATTEN)
    if row.write is None:
        writable = ", ".join(name for name, other in NER_FORMATS.items() if other.write)
        raise DataError(f"{format} must be a format that assay writes ({writable}); it only reads that one.")
    one_file = target.suffix in row.suffixes
    suffixes = {suffix for other in NER_FORMATS.values() for suffix in other.suffixes} | {*COMPRESSIONS}
    if not one_file and target.suffix in suffixes:
        raise DataError(
            f"output must be a folder, or a file that ends in {' or '.join(row.suffixes)} for the format {row.name}; "
            f"got {target}."
        )
    if one_file and target.is_dir():
        raise DataError(f"output must be a file; {target} is a folder.")
    if not one_file and target.is_file():
        raise DataError(f"output must be a folder; {target} is a file.")
    if not overwrite and (target.is_file() or (target.is_dir() and any(target.iterdir()))):
        kind = "file" if one_file else "or empty folder"
        raise DataError(f"output must be a new {kind}; {target} exists. Use --overwrite to replace it.")
    return row, one_file


def _move(stage: Path, target: Path, one_file: bool) -> None:
    umask = os.umask(0)
    os.umask(umask)
    if not one_file and not target.exists():
        stage.chmod(0o777 & ~umask)
        stage.rename(target)
        return
    for path in sorted(stage.iterdir()):
        path.replace(target if one_file else target / path.name)


def _file_name(split: str, row: NerFormat) -> str:
    if split.startswith(".") or not split.isprintable() or {"/", "\\"} & {*split}:
        raise DataError(f"split must be what a file can be called; got {split!r}. Write one file instead.")
    return split + row.suffixes[0]


def _mended(document: Document) -> Document:
    """Return a document without halves of UTF-16 pairs in its text, labels and other fields."""
    entities = tuple(
        replace(entity, label=_whole(entity.label), meta=_whole(entity.meta)) for entity in document.entities
    )
    return replace(
        document,
        id=_whole(document.id),
        text=_whole(document.text),
        entities=entities,
        meta=_whole(document.meta),
    )


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_whole(key): _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _own_ids(corpus: Corpus) -> Iterable[str]:
    """Yield the id of each document, empty where it is what a reader gives to one that has none: split and number."""
    numbers: Counter[str] = Counter()
    for document in corpus.documents:
        numbers[document.split] += 1
        made = document.id == f"{document.split}:{numbers[document.split]}"
        yield "" if made else document.id


def _fitted(
    corpus: Corpus, document: Document, own: str, row: NerFormat, flatten: str, losses: _Losses
) -> Iterable[Document]:
    """Yield a document as a format can hold it, and count what that costs."""
    where = place_of(corpus, document)
    holds = row.holds
    if "surrogates" not in holds and (mended := _mended(document)) != document:
        losses.add("surrogates", where)
        document, own = mended, _whole(own)
    entities = document.entities
    if "discontinuous" not in holds:
        for entity in entities:
            if entity.spans is not None:
                losses.add("discontinuous", f"{_shown(document, entity)} in {where}")
        entities = tuple(replace(entity, spans=None) if entity.spans else entity for entity in entities)
    kept = set(commented(document)) if "comments" in holds else set()
    said = document.meta["sent_id"] if "sent_id" in kept else ""
    if own and "id" not in holds and own not in (said, f"{document.split}:{said}"):
        losses.add("id", where)
    if "meta" not in holds and document.meta.keys() - kept:
        losses.add("meta", where)
    if "entity meta" not in holds:
        losses.add("entity_meta", where, sum(bool(entity.meta) for entity in entities))
    if not row.tokens:
        if document.tokens is not None and "tokens" not in holds:
            losses.add("tokens", where)
        entities = _once(document, entities, row, where, losses)
        yield replace(document, id=document.id if "split" in holds else own, entities=entities)
        return
    tokens = fitting_tokens(document.text, document.tokens, entities, characters=row.characters)
    if not tokens:
        losses.add("empty", where)
        for entity in entities:
            losses.add("blank", f"{_shown(document, entity)} in {where}")
        return
    if document.tokens is not None and tokens != document.tokens:
        losses.add("tokens_cut", where)
    entities = tuple(_to_tokens(document, entities, tokens, where, losses))
    entities = _once(document, entities, row, where, losses)
    if not {"nested", "overlapping"} <= holds:
        entities = _flattened(document, entities, row, flatten, where, losses)
    again, _ = joined([document.text[start:end] for start, end in tokens])
    if "text" not in holds and again != document.text:
        losses.add("spacing", where)
    yield replace(document, id=own, entities=entities, tokens=tokens)


def fitting_tokens(
    text: str, tokens: Sequence[Span] | None, entities: Sequence[Entity], *, characters: bool = False
) -> tuple[Span, ...]:
    """Return tokens that cover every word of a text, hold no white space, and end wherever an entity begins or ends.

    With `characters`, those of unspaced scripts are tokens of their own.
    """
    whole: list[Span] = []
    at = 0
    for start, end in (*(tokens or ()), (len(text), len(text))):
        for first, last in words_of(text[at:start])[1]:
            begun = max(at + first, whole[-1][1] if whole else 0)  # one sign may fold to several words
            if begun < at + last:
                whole.append((begun, at + last))
        if start < end:
            whole.append((start, end))
        at = end
    bounds = {bound for entity in entities for bound in (entity.start, entity.end)}
    pieces: list[Span] = []
    for start, end in whole:
        word = text[start:end]
        if (
            bounds.isdisjoint(range(start + 1, end))
            and _SPACES.search(word) is None
            and not (characters and end > start + 1 and not word.isascii())
        ):
            pieces.append((start, end))
            continue
        begun = start
        for place in range(start, end + 1):
            space = place < end and text[place] in SPACE
            alone = characters and any(start <= at < end and unspaced(text[at]) for at in (place - 1, place))
            if place == end or place in bounds or space or alone:
                if begun < place:
                    pieces.append((begun, place))
                begun = place + 1 if space else place
    return tuple(pieces)


def _to_tokens(
    document: Document, entities: Sequence[Entity], tokens: Sequence[Span], where: str, losses: _Losses
) -> Iterable[Entity]:
    """Yield entities from their first token to their last, which differs from their bounds by white space only."""
    starts = [start for start, _ in tokens]
    ends = [end for _, end in tokens]
    for entity in entities:
        first = bisect_left(starts, entity.start)
        last = bisect_right(ends, entity.end) - 1
        if first <= last and (starts[first], ends[last]) == (entity.start, entity.end):
            yield entity
            continue
        kind = "edge_space" if first <= last else "blank"
        losses.add(kind, f"{_shown(document, entity)} in {where}")
        if first <= last:
            yield replace(entity, start=starts[first], end=ends[last])


def _once(
    document: Document, entities: Sequence[Entity], row: NerFormat, where: str, losses: _Losses
) -> tuple[Entity, ...]:
    """Return entities without repetition, where the format does not hold it."""
    if "duplicates" in row.holds:
        return tuple(entities)
    once: dict[tuple[tuple[Span, ...], str], Entity] = {}
    for entity in entities:
        if (entity.parts, entity.label) in once:
            losses.add("duplicate", f"{_shown(document, entity)} in {where}")
        once.setdefault((entity.parts, entity.label), entity)
    return tuple(once.values())


def _flattened(
    document: Document, entities: Sequence[Entity], row: NerFormat, flatten: str, where: str, losses: _Losses
) -> tuple[Entity, ...]:
    """Return entities of which no two share a character."""
    kept = flat(entities, "outer" if flatten == "error" else flatten)
    stay = set(map(id, kept))
    gone = [entity for entity in entities if id(entity) not in stay]
    if gone and flatten == "error":
        raise DataError(
            f"{where}: entities must be flat for the format {row.name}; got {_shown(document, gone[0])} inside or "
            "across another. Use --flatten outer or inner, or another format."
        )
    if gone:
        losses.add("nested", f"{_shown(document, gone[0])} in {where}", len(gone))
    return kept


def _shown(document: Document, entity: Entity) -> str:
    return f"{entity.label} {excerpt(document.surface(entity))}"
