"""Rows of the Hugging Face hub: ``tokens`` and ``ner_tags``, as texts or as numbers of declared names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay._files import atomic
from assay.data.containers import BINARY, records, suffix_of
from assay.data.json_text import dumps, excerpt
from assay.data.read import hub_splits
from assay.errors import DataError
from assay.ner.document import Document, joined
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.rows import Row, name_of, others, rows
from assay.ner.formats.tags import Tagged, documents, encoded, parsed, token_spans

TOKENS = ("tokens", "words")
TAGS = ("ner_tags", "tags", "labels")
_INFO = ("dataset_info.json", "dataset_infos.json")


def detect(head: Head) -> bool:
    """Tell whether the first row has tokens and as many tags."""
    row = head.row
    if not isinstance(row, dict):
        return False
    tokens, tags = _columns(row)
    return bool(tags) and isinstance(row[tokens], list) and isinstance(row[tags], list)


def read(
    files: Sequence[File], *, scheme: str | None = None, repair: str = "begin", on_bad: OnBad = refuse
) -> Read:
    """Read JSON, JSON Lines, Parquet and Arrow files.

    Names of numbered tags come from the features that a Parquet or Arrow file declares, else from ``dataset_info.json``
    or the head of ``README.md`` beside it.
    """
    sentences: list[Tagged] = []
    empty = 0
    for file in files:
        names: dict[str, list[str]] = {}
        if suffix_of(file.path) in BINARY:
            found = [(record.origin, record.row) for record in records(file.path)]
        else:
            found = list(rows(file.path, on_bad=on_bad))
        for column in {_columns(row)[1] for _, row in found[:1] if isinstance(row, dict)} - {""}:
            names[column] = _declared(file.path, column)
        empty += _sentences(found, file.split, names, sentences, on_bad)
    return _read(sentences, empty, scheme, repair, on_bad)


def from_hub(
    repo: str, config: str | None, split: str | None, *, scheme: str | None, repair: str, on_bad: OnBad
) -> Read:
    """Read a dataset of the hub or of its cache: all of its splits, or one."""
    found = hub_splits(repo, config, argument="path")
    if split is not None and split not in found:
        raise DataError(
            f"split must be one of {', '.join(found)}; got {split!r}. Write {repo}@{next(iter(found))}."
        )
    sentences: list[Tagged] = []
    empty = 0
    for name in found if split is None else [split]:
        held = found[name]
        names = {column: _names(feature) for column, feature in held.features.to_dict().items()}
        numbered = ((f"{repo}@{name}:{number}", row) for number, row in enumerate(held, 1))
        empty += _sentences(numbered, name, names, sentences, on_bad)
    return _read(sentences, empty, scheme, repair, on_bad)


def write(documents: Sequence[Document], path: Path, *, scheme: str = "IOB2") -> None:
    """Write rows ``id, tokens, ner_tags`` with tags as texts: Parquet, or JSON Lines by the suffix.

    `Document.meta` becomes further columns.
    """
    made = []
    for document in documents:
        tokens = [document.text[start:end] for start, end in document.tokens or ()]
        row: dict[str, Any] = {"id": document.id} if document.id else {}
        row |= {"tokens": tokens, "ner_tags": encoded(token_spans(document), len(tokens), scheme)}
        made.append(row | others(dict(document.meta), "id", *row))
    if suffix_of(path) == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = dict.fromkeys(key for row in made for key in row)
        try:
            table = pa.table({key: [row.get(key) for row in made] for key in columns})
            if made:
                texts = pa.list_(pa.string())
                for column in ("tokens", "ner_tags"):
                    at = table.schema.get_field_index(column)
                    table = table.set_column(at, column, table[column].cast(texts))
        except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
            raise DataError(f"meta must hold what Parquet can hold; {error}. Write .jsonl instead.") from None
        with atomic(path) as out:
            pq.write_table(table, out)
        return
    with atomic(path) as out:
        out.writelines(dumps(row) + b"\n" for row in made)


def _columns(row: dict[str, Any]) -> tuple[str, str]:
    tokens = next((key for key in TOKENS if key in row), "")
    return tokens, next((key for key in TAGS if tokens and key in row), "")


def _read(sentences: list[Tagged], empty: int, scheme: str | None, repair: str, on_bad: OnBad) -> Read:
    notes = (f"empty tokens, left out: {empty:,}",) if empty else ()
    made, found = documents(sentences, scheme=scheme, repair=repair, on_bad=on_bad)
    return Read(made, notes=(*found, *notes))


def _sentences(
    rows: Iterable[Row],
    split: str,
    names: dict[str, list[str]],
    into: list[Tagged],
    on_bad: OnBad,
) -> int:
    """Append the sentences of rows and return how many tokens were empty."""
    empty = 0
    for origin, row in rows:
        if not isinstance(row, dict) or not _columns(row)[1]:
            on_bad("malformed", origin, f"row must have tokens and ner_tags; got {excerpt(row)}.")
            continue
        token_column, tag_column = _columns(row)
        tokens, values = row[token_column], row[tag_column]
        problem = _problem(tokens, values, token_column, tag_column)
        if problem:
            on_bad("malformed", origin, problem)
            continue
        tags = _named(values, names.get(tag_column, []))
        wrong = next((at for at, tag in enumerate(tags) if parsed(tag) is None), None)
        if wrong is not None:
            what = "O, or a letter, - or _, and a label"
            if isinstance(values[wrong], int):
                what = "declared: features in the file, or dataset_info.json or README.md beside it"
            on_bad("tag", origin, f"{tag_column}[{wrong}] must be {what}; got {excerpt(values[wrong])}.")
            continue
        if "" in tokens:
            empty += tokens.count("")
            kept = [(token, tag) for token, tag in zip(tokens, tags, strict=True) if token]
            tokens, tags = [token for token, _ in kept], [tag for _, tag in kept]
        text, offsets = joined(tokens)
        name = name_of(row)
        left = others(row, token_column, tag_column, "id" if name else "")
        meta = {key: value for key, value in left.items() if value is not None}
        columns = (tuple(tags),) if any(tag not in "Oo0" for tag in tags) else ()
        into.append(Tagged(split, name, text, offsets, columns, meta, origin, 0))
    return empty


def _problem(tokens: Any, values: Any, token_column: str, tag_column: str) -> str:
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return f"{token_column} must be a list of texts; got {excerpt(tokens)}."
    if not isinstance(values, list) or len(values) != len(tokens):
        count = len(values) if isinstance(values, list) else excerpt(values)
        return f"{tag_column} must be a list of {len(tokens)} tags, one for each token; got {count}."
    return ""


def _named(values: Sequence[Any], names: Sequence[str]) -> list[str]:
    """Return tags as texts; a number without a name stays a text that is no tag."""
    if all(isinstance(value, str) for value in values):
        return list(values)
    return [
        names[value] if isinstance(value, int) and 0 <= value < len(names) else f"<{value}>"
        for value in values
    ]


def _declared(path: Path, column: str) -> list[str]:
    """Return the names of the tags that a file or the files beside it declare for a column."""
    if suffix_of(path) in BINARY:
        found = _names(_features(path).get(column))
        if found:
            return found
    for folder in (path.parent, path.parent.parent):
        for info in _INFO:
            if (folder / info).is_file():
                return _names(_find(json.loads((folder / info).read_bytes()), column))
        card = folder / "README.md"
        if card.is_file():
            import yaml

            text = card.read_text("utf-8", "replace")
            if text.startswith("---") and "\n---" in text[3:]:
                found = _names(_find(yaml.safe_load(text[3 : text.index("\n---", 3)]), column))
                if found:
                    return found
    return []


def _features(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if suffix_of(path) == ".parquet":
        metadata = pq.read_schema(path).metadata
    else:
        with pa.memory_map(str(path)) as source:
            try:
                metadata = pa.ipc.open_file(source).schema.metadata
            except pa.ArrowInvalid:
                source.seek(0)
                metadata = pa.ipc.open_stream(source).schema.metadata
    info = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    found = info.get("info", {}).get("features") or {}
    return found if isinstance(found, dict) else {}


def _find(value: Any, column: str) -> Any:
    """Return what a description of data says of a column: under its name, or in an object that has it as `name`."""
    if isinstance(value, dict):
        if value.get("name") == column:
            return value
        if isinstance(value.get("features"), dict) and column in value["features"]:
            return value["features"][column]
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        found = _find(each, column)
        if found is not None:
            return found
    return None


def _names(feature: Any) -> list[str]:
    """Return the names that a feature declares, however deep: a list, or an object by number."""
    if not isinstance(feature, dict):
        return []
    names = feature.get("names")
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=int)]
    if isinstance(names, list):
        return [str(name) for name in names]
    return next((found for value in feature.values() if (found := _names(value))), [])


HUB = NerFormat(
    "hub",
    "tokens and ner_tags, texts or numbers with names: Parquet, Arrow, JSON Lines, or a hub id",
    (".parquet", ".jsonl"),
    detect,
    read,
    write,
    holds=frozenset({"id", "meta"}),
    tokens=True,
    options=("scheme", "repair"),
    write_options=("scheme",),
)
