"""CoNLL columns: a token a line with its tag, an empty line between sentences.

Tabs part the columns where every line has one, else tabs and spaces; no other character does, since U+00A0 and
U+3000 can be tokens. The tags stand in the last column or the first. What else stands beside them is not read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay._files import atomic
from assay.data.containers import opened
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.document import Document, joined
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.tags import OUTSIDE, Tagged, documents, encoded, parsed, token_spans

BOUNDARY = "-DOCSTART-"
DOCSTART = "docstart"  # the key in meta of the first sentence after such a line
COMMENTS = "comments"  # the key in meta of comment lines that are no `key = value`
_SAMPLE = 20_000  # lines of each file by which its columns are told
_CLEAN = 0.95  # share of them that must fit
_STRIPPED = 0.99  # share of tokens that must be a character and a digit for the digit to be no part of them
_PARTS = re.compile(r"[\t ]+")
_CHARACTER_DIGIT = re.compile(r"^.[0-9][\t ]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand: columns from 0."""

    width: int
    token: int
    tags: tuple[int, ...]
    index: bool
    note: str = ""


def detect(head: Head) -> bool:
    """Tell whether the lines of a file are tokens with tags, nearly all of them alike."""
    _, rows = _sample(head.lines)
    return bool(rows) and _layout([rows], None) is not None


def read(
    files: Sequence[File],
    *,
    scheme: str | None = None,
    tag_column: int | str | None = None,
    repair: str = "begin",
    on_bad: OnBad = refuse,
) -> Read:
    """Read the files of a corpus.

    Parameters
    ----------
    files
        All of the corpus: one scheme and, for files of the same number of columns, one layout holds for them all.
    scheme
        One of `assay.ner.formats.tags.SCHEMES`; inferred by default.
    tag_column
        Column of the tags, from 1, or from -1 backwards; ``"all"`` unites every column of tags, whose entities may then
        nest. By default the only column of tags; of several the last, or all if they share labels (GENIA).
    repair
        What becomes of a tag that breaks the scheme, see `assay.ner.formats.tags.decoded`.
    on_bad
        Takes (kind, origin, message) of a line that cannot be read.
    """
    texts = [_text(file.path) for file in files]
    lines = [text.split("\n") for text in texts]
    samples = [_sample(each) for each in lines]
    layouts: dict[int, Layout] = {}
    of = [Counter(map(len, rows)).most_common(1)[0][0] if rows else 0 for _, rows in samples]
    notes: list[str] = []
    for width in sorted(set(of) - {0}):
        layout = _layout(
            [rows for own, (_, rows) in zip(of, samples, strict=True) if own == width], tag_column
        )
        if layout is None:
            first = of.index(width)
            raise _no_columns(files[first].path, lines[first], tag_column)
        layouts[width] = layout
        if layout.note:
            notes.append(layout.note)
    strip = _has_digits(texts, samples, layouts, of)
    if strip:
        notes.append("tokens are a character and a digit, which was left out")
    del texts
    sentences: list[Tagged] = []
    empty = 0
    for number, (file, width) in enumerate(zip(files, of, strict=True)):
        if width:
            empty += _sentences(
                lines[number], samples[number][0], layouts[width], file, strip, sentences, on_bad
            )
        lines[number] = []
    if empty:
        notes.append(f"lines with a tag and no token, left out: {empty:,}")
    made, found = documents(sentences, scheme=scheme, repair=repair, on_bad=on_bad)
    return Read(made, notes=(*found, *notes))


def write(documents: Sequence[Document], path: Path, *, scheme: str = "IOB2") -> None:
    """Write tokens and tags parted by a tab; texts in `Document.meta` become comments ``# key = value``."""
    with atomic(path, "w") as out:
        for number, document in enumerate(documents):
            tokens = [document.text[start:end] for start, end in document.tokens or ()]
            tags = encoded(token_spans(document), len(tokens), scheme)
            if not tokens:
                raise DataError(f"document {document.id!r} must have at least one token.")
            if document.meta.get(DOCSTART) is True:
                out.write(f"{BOUNDARY}\tO\n\n")
            comments = _comments(document)
            if not number and not comments and tokens[0][0] == "\ufeff":
                out.write("\n")  # else it would be the file's byte order mark
            out.writelines(comments)
            for token, tag in zip(tokens, tags, strict=True):
                if not token or "\t" in token or "\n" in token or (token == BOUNDARY and tag == "O"):
                    raise DataError(
                        f"token must have no tab and no line break, and not be {BOUNDARY}; got {token!r} in document "
                        f"{document.id!r}."
                    )
                if set(tag) & {"\t", "\n", "\r"}:
                    raise DataError(f"label must have no tab and no line break; got {tag[2:]!r}.")
                out.write(f"{token}\t{tag}\n")
            out.write("\n")


def commented(document: Document) -> list[str]:
    """Return the fields of a document that comment lines and boundaries hold."""
    return [key for key, value in document.meta.items() if _is_comment(key, value)]


def _is_comment(key: str, value: Any) -> bool:
    if key == DOCSTART:
        return value is True
    if key == COMMENTS:
        return isinstance(value, list) and all(
            isinstance(text, str) and " = " not in text and _is_line(text) for text in value
        )
    return isinstance(value, str) and " = " not in key and _is_line(key) and _is_line(value)


def _is_line(text: str) -> bool:
    return text.strip() == text != "" and not set("\n\r\t") & set(text)


def _comments(document: Document) -> list[str]:
    lines = []
    for key in commented(document):
        value = document.meta[key]
        if key == COMMENTS:
            lines += [f"# {text}\n" for text in value]
        elif key != DOCSTART:
            lines.append(f"# {key} = {value}\n")
    return lines


def _text(path: Path) -> str:
    with opened(path) as stream:
        data: bytes = stream.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: must be UTF-8; got the byte "
            f"0x{data[error.start]:02x}. Convert it, e.g.: iconv -f GB18030 -t UTF-8 {path.name}"
        ) from None
    return text.replace("\r\n", "\n") if "\r" in text else text


def _sample(lines: Sequence[str]) -> tuple[bool, list[list[str]]]:
    """Return whether only tabs part the columns, and the columns of some of the lines, comments left out."""
    step = len(lines) // _SAMPLE + 1
    some = [line for line in lines[::step] if line.strip("\t ")]
    some = [
        line for line in some if not line.startswith("#") and _PARTS.split(line, 1)[0] != BOUNDARY
    ] or some
    tabs = bool(some) and sum("\t" in line for line in some) >= _CLEAN * len(some)
    split = _splitter(tabs)
    return tabs, [split(line) for line in some]


def _splitter(tabs: bool) -> Callable[[str], list[str]]:
    return (lambda line: line.split("\t")) if tabs else (lambda line: _PARTS.split(line.strip("\t ")))


def _layout(samples: Sequence[list[list[str]]], tag_column: int | str | None) -> Layout | None:
    rows = [row for sample in samples for row in sample]
    [(width, _)] = Counter(map(len, rows)).most_common(1)
    fitting = [row for row in rows if len(row) == width]
    if width < 2 or len(fitting) < _CLEAN * len(rows):
        return None
    index = width > 2 and _is_index([row[0] for row in fitting])
    if index:
        fitting = [row for row in fitting if row[0].isdecimal()]
    columns = [Counter(column) for column in zip(*fitting, strict=True)]
    labels: dict[int, set[str]] = {}
    for number, column in enumerate(columns):
        known = {value: parsed(value) for value in column}
        if sum(column[value] for value, tag in known.items() if tag) >= _CLEAN * len(fitting):
            labels[number] = {tag[1] for tag in known.values() if tag and tag[1]}
    if index:
        labels.pop(0, None)
    chosen, note = _chosen(labels, width, tag_column)
    if not chosen:
        return None
    free = [number for number in range(int(index), width) if number not in chosen]
    plain = [number for number in free if number not in labels] or free
    if not plain:
        return None
    return Layout(width, plain[0], chosen, index, note)


def _is_index(values: Sequence[str]) -> bool:
    """Tell whether a column counts the tokens of each sentence, as in CoNLL-U."""
    numbers = sum(value.isdecimal() or bool(re.fullmatch(r"\d+[-.]\d+", value)) for value in values)
    return numbers >= _CLEAN * len(values) and any(value in ("0", "1") for value in values)


def _chosen(
    labels: dict[int, set[str]], width: int, tag_column: int | str | None
) -> tuple[tuple[int, ...], str]:
    """Return the columns of tags to read, and what to tell of the choice."""
    if tag_column == "all":
        return tuple(labels), ""
    if tag_column is not None:
        number = _column(tag_column, width)
        return ((number,) if number in labels else ()), ""
    full = [number for number, found in labels.items() if found]
    if len(full) < 2:
        return tuple((full or list(labels))[-1:]), ""
    named = ", ".join(str(number + 1) for number in full)
    first, *rest = (labels[number] for number in full)
    if all(first & other for other in rest):
        return tuple(full), f"columns {named} hold tags of the same labels and were united"
    return (
        (full[-1],),
        f"columns {named} hold tags; column {full[-1] + 1} was read (tag_column chooses one, 'all' unites them)",
    )


def _column(tag_column: int | str, width: int) -> int:
    try:
        number = int(tag_column)
    except ValueError:
        number = 0
    if not 1 <= abs(number) <= width:
        raise DataError(
            f"tag_column must be a column from 1 to {width}, or from -1 to -{width}, or 'all'; got {tag_column!r}."
        )
    return number - 1 if number > 0 else width + number


def _no_columns(path: Path, lines: Sequence[str], tag_column: int | str | None) -> DataError:
    """Return what is wrong with a file whose lines have no layout: its first line without a tag, if there is one."""
    if tag_column is not None:
        return DataError(
            f"{path}: lines must have one number of columns, and tags in column {tag_column}; they have not. "
            "Leave out tag_column to have it found."
        )
    for number, line in enumerate(lines, 1):
        fields = _PARTS.split(line.strip("\t "))
        data = fields[0] not in ("", BOUNDARY) and not line.startswith("#")
        if data and (len(fields) < 2 or not (parsed(fields[0]) or parsed(fields[-1]))):
            return DataError(
                f"{path}:{number}: line must be a token and a tag in columns; got {excerpt(line)}."
            )
    return DataError(f"{path}: lines must have one number of columns, and tags in one; they have not.")


def _has_digits(
    texts: Sequence[str],
    samples: Sequence[tuple[bool, list[list[str]]]],
    layouts: dict[int, Layout],
    widths: Sequence[int],
) -> bool:
    """Tell whether nearly all tokens are a character and a digit: first by the samples, then by every line."""
    tokens = [
        row[layouts[w].token]
        for w, (_, rows) in zip(widths, samples, strict=True)
        for row in rows
        if len(row) == w
    ]
    numbered = sum(len(token) == 2 and token[1] in "0123456789" for token in tokens)
    if not tokens or numbered < _STRIPPED * len(tokens) or all(token.isascii() for token in tokens):
        return False
    if any(layout.token for layout in layouts.values()):
        return True
    found = sum(sum(1 for _ in _CHARACTER_DIGIT.finditer(text)) for text in texts)
    return found >= _STRIPPED * sum(
        sum(1 for line in text.split("\n") if line.strip("\t ")) for text in texts
    )


def _sentences(
    lines: Sequence[str],
    tabs: bool,
    layout: Layout,
    file: File,
    strip: bool,
    into: list[Tagged],
    on_bad: OnBad,
) -> int:
    """Append the sentences of one file and return how many lines had no token."""
    path = str(file.path)
    width, at, (column, *more) = layout.width, layout.token, layout.tags
    split = _splitter(tabs)
    separator = "\t" if tabs else " "
    known = set(OUTSIDE)
    tokens: list[str] = []
    tags: list[str] = []
    others: list[list[str]] = [[] for _ in more]
    skipped: list[int] = []
    meta: dict[str, Any] = {}
    empty = line_of = 0

    def finish() -> None:
        nonlocal tokens, tags, others, skipped, meta
        if tokens:
            if strip:
                tokens = [t[0] if len(t) == 2 and t[1] in "0123456789" else t for t in tokens]
            text, offsets = joined(tokens)
            columns = tuple(tuple(c) for c in (tags, *others) if not OUTSIDE.issuperset(c))
            name = meta.get("sent_id", "")
            into.append(Tagged(file.split, name, text, offsets, columns, meta, path, line_of, tuple(skipped)))
            tokens, tags, others, skipped, meta = [], [], [[] for _ in more], [], {}

    for number, line in enumerate(lines, 1):
        fields = line.split(separator)
        if len(fields) != width or fields[column] not in known or more or not fields[at]:
            bare = line.strip("\t ")
            if not bare:
                finish()
                continue
            if len(fields) != width:
                fields = split(line)
                if len(fields) != width:
                    fields = _PARTS.split(bare)
            fits = len(fields) == width and all(parsed(fields[each]) for each in layout.tags)
            if fields[0] == BOUNDARY and not (fits and fields[column] not in OUTSIDE):
                finish()
                meta[DOCSTART] = True
                continue
            if not fits:
                if width == 2 and not at and line[0] in "\t " and parsed(bare):
                    empty += 1
                    skipped.append(len(tokens))
                elif not tokens and line.startswith("#"):
                    _comment(bare, meta)
                elif layout.index and not fields[0].isdecimal() and re.fullmatch(r"\d+[-.]\d+", fields[0]):
                    skipped.append(len(tokens))
                else:
                    skipped.append(len(tokens))
                    on_bad("malformed", f"{path}:{number}", _malformed(fields, layout))
                continue
            known.add(fields[column])
            if not fields[at]:
                empty += 1
                skipped.append(len(tokens))
                continue
            for each, values in zip(more, others, strict=True):
                values.append(fields[each])
        elif fields[0] == BOUNDARY and fields[column] in OUTSIDE:
            finish()
            meta[DOCSTART] = True
            continue
        if not tokens:
            line_of, skipped = number, []
        tokens.append(fields[at])
        tags.append(fields[column])
    finish()
    return empty


def _comment(line: str, meta: dict[str, Any]) -> None:
    text = line[1:].strip()
    key, found, value = text.partition(" = ")
    if found and key:
        meta[key] = value
    elif text:
        meta.setdefault(COMMENTS, []).append(text)


def _malformed(fields: Sequence[str], layout: Layout) -> str:
    if len(fields) != layout.width:
        return f"line must have {layout.width} columns as the others; got {excerpt(' '.join(fields))}."
    wrong = next(fields[each] for each in layout.tags if parsed(fields[each]) is None)
    return f"tag must be O, or a letter, - or _, and a label; got {excerpt(wrong)} in column {layout.tags[0] + 1}."


CONLL = NerFormat(
    "conll",
    "columns: a token a line with its tag, an empty line between sentences",
    (".conll", ".tsv", ".txt", ".iob", ".iob2", ".bio", ".bmes", ".conllu"),
    detect,
    read,
    write,
    holds=frozenset({"comments"}),
    tokens=True,
    options=("scheme", "tag_column", "repair"),
    write_options=("scheme",),
)
