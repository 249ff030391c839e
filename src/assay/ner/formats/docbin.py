"""spaCy's DocBin (``.spacy``), through spaCy: flat entities in ``doc.ents``, nested ones in ``doc.spans``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from assay._check import require
from assay._files import atomic
from assay.data.json_text import dumps, loads
from assay.errors import DataError
from assay.ner.document import Document, Entity, Span
from assay.ner.formats.format import File, Head, NerFormat, OnBad, Read, refuse
from assay.ner.formats.tags import token_spans

KEY = "sc"  # the group of spans that spaCy's own span categorizer reads
_OURS = "assay"


def detect(head: Head) -> bool:
    """Tell by the suffix; the content is compressed."""
    return head.path.suffix == ".spacy"


def read(files: Sequence[File], *, on_bad: OnBad = refuse) -> Read:
    """Read every entity of ``doc.ents`` and of all groups of ``doc.spans``, once each."""
    spacy = require("spacy", "spacy", "DocBin")
    tokens = require("spacy.tokens", "spacy", "DocBin")
    vocab = spacy.blank("xx").vocab
    documents = []
    for file in files:
        try:
            bin_ = tokens.DocBin().from_disk(file.path)
            docs = list(bin_.get_docs(vocab))
        except Exception as error:
            raise DataError(
                f"{file.path}: must be a DocBin; spaCy says: {type(error).__name__}: {str(error).rstrip('.')}."
            ) from None
        for number, doc in enumerate(docs, 1):
            found: dict[tuple[int, int, str], Entity] = {}
            groups = [doc.ents, *(doc.spans[key] for key in doc.spans)]
            for span in (span for group in groups for span in group):
                if not span.label_:
                    on_bad(
                        "malformed", f"{file.path}:{number}", f"span must have a label; got {span.text!r}."
                    )
                    continue
                key = (span.start_char, span.end_char, span.label_)
                found.setdefault(key, Entity(*key))
            ours = doc.user_data.get(_OURS, {})
            documents.append(
                Document(
                    ours.get("id", ""),
                    doc.text,
                    tuple(found.values()),
                    split=file.split,
                    tokens=tuple((t.idx, t.idx + len(t)) for t in doc if not t.is_space),
                    meta=loads(ours.get("meta", "{}").encode()),
                )
            )
    return Read(tuple(documents))


def write(documents: Sequence[Document], path: Path) -> None:
    """Write a DocBin; if entities overlap anywhere, each document has all of its own in ``doc.spans["sc"]`` too.

    Then ``doc.ents`` has the longest, the first of equal ones. White space between tokens is kept as spaCy keeps it.
    The id and `Document.meta` (as JSON) stand in ``doc.user_data``.
    """
    spacy = require("spacy", "spacy", "DocBin")
    types = require("spacy.tokens", "spacy", "DocBin")
    util = require("spacy.util", "spacy", "DocBin")
    vocab = spacy.blank("xx").vocab
    bin_ = types.DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    spans = [token_spans(document) for document in documents]
    nested = any(_overlap(each) for each in spans)
    for document, own in zip(documents, spans, strict=True):
        words, spaces, places = _words(document.text, document.tokens or ())
        doc = types.Doc(vocab, words=words, spaces=spaces)
        all_: list[Any] = [types.Span(doc, places[a], places[b - 1] + 1, label=label) for a, b, label in own]
        doc.ents = util.filter_spans(all_)
        if nested:
            doc.spans[KEY] = all_
        doc.user_data[_OURS] = {"id": document.id, "meta": dumps(dict(document.meta)).decode()}
        bin_.add(doc)
    with atomic(path) as out:
        out.write(bin_.to_bytes())


def _overlap(spans: Sequence[tuple[int, int, str]]) -> bool:
    ordered = sorted(spans)
    return any(a[1] > b[0] for a, b in pairwise(ordered))


def _words(text: str, tokens: Sequence[Span]) -> tuple[list[str], list[bool], list[int]]:
    """Return spaCy's words, which of them a space follows, and the place of each token among the words.

    One space after a word is its own; what else stands between tokens is a word.
    """
    words: list[str] = []
    spaces: list[bool] = []
    places: list[int] = []
    end = 0
    for start, stop in (*tokens, (len(text), len(text))):
        gap = text[end:start]
        if words and gap.startswith(" "):
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            words.append(gap)
            spaces.append(False)
        if start < stop:
            places.append(len(words))
            words.append(text[start:stop])
            spaces.append(False)
        end = stop
    return words, spaces, places


DOCBIN = NerFormat(
    "docbin",
    "spaCy's DocBin: doc.ents, and doc.spans where entities nest",
    (".spacy",),
    detect,
    read,
    write,
    holds=frozenset(("text", "nested", "overlapping", "id", "meta")),
    tokens=True,
)
