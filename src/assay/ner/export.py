"""Corpora -> what models are trained on: B2NER's files, conversations, prompts, GLiNER's rows, a hub data set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal

from assay._check import choice, known
from assay._files import atomic
from assay.data.json_text import dumps
from assay.errors import DataError
from assay.ner.answers import lost
from assay.ner.document import Corpus, Document
from assay.ner.export_card import HUB_NAMES, export_card
from assay.ner.instruct import Instruction, check_labels, descriptions_of, instruct
from assay.ner.prompts import CHAT_TEMPLATE, wording_of
from assay.ner.write import Loss, write_corpus

TARGETS: Mapping[str, str] = {
    "b2ner": "B2NER's folders of JSON: NER_en/SET/train.json, ..., labels.json",
    "messages": "conversations, JSON Lines: a user's turn and the answer",
    "prompt": "prompt and completion, JSON Lines, and the chat template that trains on just these",
    "gliner": "GLiNER's rows: tokens and the entities among them",
    "hub": "a data set for the hub: Parquet by split, and its card",
}
LABEL_SETS = ("corpus", "all", "document")
TITLE = "Instructions for open NER"
CHAT_FILE = "chat_template.jinja"
_ROWS_AT_ONCE = 4096
_SURROGATE = re.compile("[\ud800-\udfff]")


def export(
    corpora: Sequence[Corpus],
    folder: str | Path,
    *,
    to: Sequence[str],
    labels: str = "corpus",
    training: bool | None = None,
    max_labels: int = 18,
    label_dropout: float = 0.1,
    shuffle: bool = True,
    descriptions: Mapping[str, str] | Literal["universal"] | None = None,
    examples: int = 0,
    max_chars: int | None = None,
    on_long: str = "error",
    skipped: list[tuple[str, str]] | None = None,
    seed: int = 0,
    title: str = TITLE,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write corpora in the shapes that models are trained on, and return what was written, counted.

    Parameters
    ----------
    corpora : sequence of Corpus
        Of different names; one that `unify` made is taken apart again. Chinese documents get Chinese sentences around
        them, all others English ones, as B2NER asks.
    folder : path
        Made if missing. A folder is written in it for each of `to`; other files stay.
    to : sequence of str
        Rows of `TARGETS`:

        - ``b2ner``: ``NER_en/SET/{train,dev,test}.json`` and ``labels.json``, as the released program reads them; it
          makes the prompts itself;
        - ``messages``: ``{id, messages, corpus, labels}`` with two turns;
        - ``prompt``: ``{id, prompt, completion, corpus, labels}``, and ``chat_template.jinja``. With that template
          ``assay train`` reads start token, prompt, answer, end token, and learns answer and end token:
          B2NER's training text to the byte;
        - ``gliner``: ``{tokenized_text, ner}``, all entities, all corpora in one file a split;
        - ``hub``: Parquet with ``id, corpus, language, text, entities, labels, prompt, completion``, and ``README.md``.
    labels : str
        ``"corpus"``: a document is asked for the labels of its corpus, declared ones first, then others that occur.
        ``"all"``: for those of all corpora of its language, only right where all were annotated for all of them: what
        a corpus was not annotated for, it says is not there. ``"document"``: for those that its record lists as
        ``labels``, where it does, else for those of its corpus.
    training : bool, optional
        By default the documents of ``train``, or of no split, are made for training and all others for inference.
    max_labels, label_dropout, shuffle, examples, max_chars, on_long, skipped, seed
        As in `assay.ner.instruct.instruct`. Examples come from the split ``train`` of the same corpus.
    descriptions : mapping or "universal", optional
        What labels mean; ``"universal"`` takes it from the universal taxonomy.
    title : str
        Heading of the card.
    progress : callable, optional
        Called with documents done and in all.

    Returns
    -------
    dict
        ``corpora, documents, entities, labels`` (by language), ``instructions`` (by split), ``skipped``,
        ``entities_not_asked`` (left out of answers with their labels), ``exemplars``, ``not_read_back`` (entities that
        an answer does not give back, see `assay.ner.answers`) and ``losses`` of files, by target.

    Raises
    ------
    DataError
        An unknown target, corpora of one name, labels that no prompt can hold, or what `instruct` refuses.

    Notes
    -----
    Same corpora, options and versions, same bytes. Files are written one after the other, each whole or not at all.
    """
    for name in to:
        known("target", name, TARGETS, "assay ner export --help")
    if not to:
        raise DataError(f"to must name at least one of {', '.join(TARGETS)}; got none.")
    choice("labels", labels, LABEL_SETS)
    corpora = _by_source(corpora)
    parts = _parts(corpora)
    asked = _asked(parts, labels)
    if {*to} != {"gliner"}:
        for (name, _), row in asked.items():
            check_labels(f"labels of {name}", row)
    place = Path(folder)
    losses: dict[str, Counter[str]] = {}
    counts: dict[str, Any] = {
        "corpora": len(corpora),
        "documents": sum(len(corpus.documents) for corpus in corpora),
        "entities": sum(len(document.entities) for corpus in corpora for document in corpus.documents),
        "labels": {
            language: len({label for key, row in asked.items() if key[1] == language for label in row})
            for language in dict.fromkeys(language for _, language in asked)
        },
    }
    if _SHAPES.keys() & {*to}:
        options: dict[str, Any] = {
            "max_labels": max_labels,
            "label_dropout": label_dropout,
            "shuffle": shuffle,
            "examples": examples,
            "max_chars": max_chars,
            "on_long": on_long,
            "own_labels": labels == "document",
            "seed": seed,
        }
        gone = [] if skipped is None else skipped
        before = len(gone)
        made = _Written()
        names = [name for name in _SHAPES if name in to]
        with ExitStack() as stack:
            writers = [stack.enter_context(_Writer(place / name, _SHAPES[name])) for name in names]
            for one in _instructions(parts, asked, training, descriptions, skipped=gone, **options):
                for writer in writers:
                    writer.add(one)
                made.add(one)
                if progress is not None and made.total % 256 == 0:
                    progress(made.total, counts["documents"])
        counts |= made.counts() | {"skipped": len(gone) - before}
        if "prompt" in to:
            with atomic(place / "prompt" / CHAT_FILE, "w") as f:
                f.write(CHAT_TEMPLATE)
        if "hub" in to:
            told = descriptions if isinstance(descriptions, str) else bool(descriptions)
            parameters = {"labels": labels, "training": training, "descriptions": told, **options}
            card = export_card(corpora, title=title, counts=counts, parameters=parameters, splits=made.splits)
            with atomic(place / "hub" / "README.md", "w") as f:
                f.write(card)
    if "b2ner" in to:
        for corpus, language in parts:
            kept = replace(corpus, labels=asked[corpus.name, language])
            target = place / "b2ner" / f"NER_{language}" / corpus.name
            _count(losses, "b2ner", write_corpus(kept, target, format="b2nerd", overwrite=True))
    if "gliner" in to:
        documents = [document for corpus, _ in parts for document in corpus.documents]
        named = tuple(replace(document, id=f"{document.corpus}/{document.id}") for document in documents)
        _count(
            losses,
            "gliner",
            write_corpus(Corpus("gliner", named), place / "gliner", format="gliner", overwrite=True),
        )
    if losses:
        counts["losses"] = {name: dict(found) for name, found in losses.items()}
    return counts


def _instructions(
    parts: Sequence[tuple[Corpus, str]],
    asked: Mapping[tuple[str, str], tuple[str, ...]],
    training: bool | None,
    descriptions: Mapping[str, str] | Literal["universal"] | None,
    *,
    examples: int,
    **options: Any,
) -> Iterator[Instruction]:
    """Yield the instructions of all parts, split by split."""
    for corpus, language in parts:
        labels = asked[corpus.name, language]
        said = descriptions_of(labels, language) if descriptions == "universal" else descriptions
        train = [document for document in corpus.documents if document.split == "train"]
        for split in corpus.splits:
            yield from instruct(
                [document for document in corpus.documents if document.split == split],
                labels,
                language=language,
                training=split == "train" if training is None else training,
                descriptions=said,
                examples=examples,
                example_pool=train if examples else (),
                **options,
            )


def _by_source(corpora: Sequence[Corpus]) -> list[Corpus]:
    """Return corpora of one source each, of different names; every document has its corpus and a split.

    A corpus that was made of several, as `assay.ner.unify` makes one, is taken apart again: what one of them was not
    annotated for must not be asked of its documents. Of its labels each gets those that it has.
    """
    found = []
    for corpus in corpora:
        rows: dict[str, list[Document]] = {}
        for document in corpus.documents:
            rows.setdefault(document.corpus or corpus.name, []).append(document)
        for name, documents in rows.items():
            own = corpus.name if len(rows) == 1 else name
            has = {entity.label for document in documents for entity in document.entities}
            declared = [label for label in corpus.labels if label in has or len(rows) == 1]
            found.append(
                Corpus(
                    own,
                    tuple(replace(one, corpus=own, split=one.split or "train") for one in documents),
                    labels=tuple(dict.fromkeys([*declared, *sorted(has.difference(declared))])),
                    language=corpus.language,
                    licence=corpus.licence if len(rows) == 1 else "",
                )
            )
    for name, count in Counter(corpus.name for corpus in found).items():
        if count > 1 or name.startswith("."):
            raise DataError(
                f"corpora must have different names that a folder can have; got {name!r} {count} times."
            )
    if not found:
        raise DataError("corpora must hold documents; got none.")
    return found


def _parts(corpora: Iterable[Corpus]) -> list[tuple[Corpus, str]]:
    """Return corpora cut by the language that they are asked in."""
    parts = []
    for corpus in corpora:
        rows: dict[str, list[Document]] = {}
        for document in corpus.documents:
            rows.setdefault(wording_of(document.language or corpus.language), []).append(document)
        parts += [(replace(corpus, documents=tuple(row)), language) for language, row in rows.items()]
    return parts


def _asked(parts: Sequence[tuple[Corpus, str]], labels: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the labels of each part, in the order of files."""
    own = {(corpus.name, language): corpus.labels for corpus, language in parts}
    if labels != "all":
        return own
    every: dict[str, dict[str, None]] = {}
    for (_, language), row in own.items():
        every.setdefault(language, {}).update(dict.fromkeys(row))
    return {key: tuple(every[key[1]]) for key in own}


def _count(losses: dict[str, Counter[str]], name: str, found: Iterable[Loss]) -> None:
    row = losses.setdefault(name, Counter())
    for loss in found:
        row[loss.kind] += loss.count


class _Written:
    """What was written, counted."""

    def __init__(self) -> None:
        self.splits: Counter[str] = Counter()
        self.total = self._dropped = self._exemplars = self._lost = 0

    def add(self, one: Instruction) -> None:
        self.splits[one.document.split] += 1
        self.total += 1
        self._dropped += len(one.dropped)
        self._exemplars += one.exemplars
        self._lost += len(lost(one.document))

    def counts(self) -> dict[str, Any]:
        return {
            "instructions": dict(self.splits),
            "entities_not_asked": self._dropped,
            "exemplars": self._exemplars,
            "not_read_back": self._lost,
        }


def _messages(one: Instruction) -> dict[str, Any]:
    turns = [{"role": "user", "content": one.prompt}, {"role": "assistant", "content": one.target}]
    return {"id": one.id, "messages": turns, "corpus": one.document.corpus, "labels": list(one.labels)}


def _prompt(one: Instruction) -> dict[str, Any]:
    row = {"id": one.id, "prompt": one.prompt, "completion": one.target}
    return row | {"corpus": one.document.corpus, "labels": list(one.labels)}


def _whole(text: str) -> str:
    """Return a text as long as it was, without halves of UTF-16 pairs, which Parquet refuses."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _hub(one: Instruction) -> dict[str, Any]:
    document = one.document
    entities = [
        {
            "start": e.start,
            "end": e.end,
            "label": _whole(e.label),
            "text": _whole(document.text[e.start : e.end]),
        }
        for e in document.entities
    ]
    return {
        "id": _whole(one.id),
        "corpus": document.corpus,
        "language": document.language,
        "text": _whole(document.text),
        "entities": entities,
        "labels": list(one.labels),
        "prompt": _whole(one.prompt),
        "completion": _whole(one.target),
    }


_SHAPES: Mapping[str, Callable[[Instruction], dict[str, Any]]] = {
    "messages": _messages,
    "prompt": _prompt,
    "hub": _hub,
}


class _Writer:
    """Rows into a file a split, which are all whole or all absent."""

    def __init__(self, folder: Path, shape: Callable[[Instruction], dict[str, Any]]) -> None:
        self._folder, self._shape = folder, shape
        self._stack = ExitStack()
        self._files: dict[str, _Parquet | IO[bytes]] = {}

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, one: Instruction) -> None:
        split = one.document.split
        name = HUB_NAMES.get(split, split) if self._shape is _hub else split
        if name not in self._files:
            self._files[name] = self._opened(name)
        row, file = self._shape(one), self._files[name]
        if isinstance(file, _Parquet):
            file.add(row)
        else:
            file.write(dumps(row) + b"\n")

    def _opened(self, name: str) -> _Parquet | IO[bytes]:
        if name.startswith(".") or not name.isprintable() or {"/", "\\"} & {*name}:
            raise DataError(f"split must be what a file can be called; got {name!r}. Rename it.")
        if self._shape is not _hub:
            return self._stack.enter_context(atomic(self._folder / f"{name}.jsonl"))
        raw = self._stack.enter_context(atomic(self._folder / "data" / f"{name}.parquet"))
        return self._stack.enter_context(_Parquet(raw))


class _Parquet:
    """Rows of instructions into a Parquet file, some thousands at a time."""

    def __init__(self, raw: IO[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = pa.string()
        entity = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("label", text), ("text", text)])
        self._schema = pa.schema(
            [("id", text), ("corpus", text), ("language", text), ("text", text), ("entities", pa.list_(entity)),
             ("labels", pa.list_(text)), ("prompt", text), ("completion", text)]
        )  # fmt: skip
        self._writer = pq.ParquetWriter(raw, self._schema)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []
