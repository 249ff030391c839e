"""Corpora -> the training documents that may be kept, in the order that decides, and what became of the rest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assay.data.duplicates import normal
from assay.data.json_text import dumps
from assay.errors import DataError
from assay.ner.choose import Candidates, Plan
from assay.ner.document import Corpus, Document
from assay.ner.formats.documents import row_of
from assay.ner.leakage import leaked
from assay.ner.pruned import Disagreement, Dropped
from assay.ner.redundant import copies, differences, near_copies

if TYPE_CHECKING:
    from assay.embed import Encoder

Progress = Callable[[int, int], None]
HELD_OUT = ("test", "dev")
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates, in the order that decides, and what became of the rest."""

    documents: tuple[Document, ...]
    candidates: Candidates
    train: int
    held_out: int
    test: int
    having: Counter[tuple[str, str]]
    dropped: list[Dropped]
    disagreements: list[Disagreement]


def prepare(
    corpora: Sequence[Corpus],
    test: Sequence[Corpus],
    near: float,
    encoder: str | Encoder,
    plans: Sequence[Plan],
    parts: Sequence[Progress],
) -> Pool:
    """Return the candidates of plans, which differ in their strategy alone.

    `parts` are called with the progress of the guard, of copies and of vectors.
    """
    twice = [name for name, count in Counter(corpus.name for corpus in corpora).items() if count > 1]
    if twice:
        raise DataError(f"corpora must have different names; got {twice[0]!r} twice.")
    documents = list(named(corpora))
    plans[0].check_names({d.corpus for d in documents}, {d.language for d in documents})
    seed = plans[0].seed
    train = ordered([d for d in documents if d.split not in HELD_OUT], seed)
    tests = ordered([*named(test), *(d for d in documents if d.split == "test")], seed)
    having = Counter((d.corpus, label) for d in train for label in labels_of(d))
    train, dropped, disagreements = sifted(train, tests, near, parts)
    vectors = _encoded([document.text for document in train], encoder, parts[2])
    parts[2](1, 1)
    return Pool(
        tuple(train),
        Candidates(
            vectors,
            tuple(labels_of(document) for document in train),
            tuple(document.corpus for document in train),
            tuple(document.language for document in train),
        ),
        sum(d.split not in HELD_OUT for d in documents),
        sum(d.split in HELD_OUT for d in documents),
        len(tests),
        having,
        dropped,
        disagreements,
    )


def sifted(
    train: list[Document], tests: Sequence[Document], near: float, parts: Sequence[Progress] = ()
) -> tuple[list[Document], list[Dropped], list[Disagreement]]:
    """Return the documents that neither tests nor other documents say, why the rest went, and where copies disagree.

    Of equally rich copies the first stays. The first two `parts` are called when leaks, and when copies are gone.
    """
    dropped: list[Dropped] = []
    disagreements: list[Disagreement] = []

    def drop(row: int, reason: str, partner: Document) -> None:
        one = train[row]
        dropped.append(Dropped(one.corpus, one.split, one.id, reason, _name(partner)))

    leaks = leaked(train, tests, near=near)
    for row, (other, _) in leaks.items():
        same_text = normal(train[row].text) == normal(tests[other].text)
        drop(row, "test" if same_text else "near_test", tests[other])
    train = [document for row, document in enumerate(train) if row not in leaks]
    for part in parts[:1]:
        part(1, 1)
    same = copies(train)
    for row, other in same.items():
        drop(row, "copy", train[other])
        mine, theirs = differences(train[row], train[other])
        if mine or theirs:
            disagreements.append(Disagreement(_name(train[row]), _name(train[other]), mine, theirs))
    train = [document for row, document in enumerate(train) if row not in same]
    alike = near_copies(train, near=near)
    for row, (other, _) in alike.items():
        drop(row, "near_copy", train[other])
    train = [document for row, document in enumerate(train) if row not in alike]
    for part in parts[1:2]:
        part(1, 1)
    return train, dropped, disagreements


def named(corpora: Sequence[Corpus]) -> Iterator[Document]:
    """Yield documents that name their corpus and language."""
    for corpus in corpora:
        for document in corpus.documents:
            name, language = document.corpus or corpus.name, document.language or corpus.language
            if (name, language) == (document.corpus, document.language):
                yield document
            else:
                yield replace(document, corpus=name, language=language)


def ordered(documents: Sequence[Document], seed: int) -> list[Document]:
    """Return documents by a hash of seed and text, then corpus, split and id, then all that they hold."""
    from assay.embed.encoder import mend

    salt = seed.to_bytes(8, "little")
    keyed = sorted(
        (
            (
                hashlib.blake2b(mend(d.text).encode(), digest_size=8, salt=salt).digest(),
                d.corpus,
                d.split,
                d.id,
            ),
            row,
        )
        for row, d in enumerate(documents)
    )
    out: list[Document] = []
    at = 0
    while at < len(keyed):
        stop = at + 1
        while stop < len(keyed) and keyed[stop][0] == keyed[at][0]:
            stop += 1
        tied = [documents[row] for _, row in keyed[at:stop]]
        out += tied if len(tied) == 1 else sorted(tied, key=lambda d: dumps(row_of(d)))
        at = stop
    return out


def labels_of(document: Document) -> tuple[str, ...]:
    """Return the different labels of a document, sorted."""
    return tuple(sorted({entity.label for entity in document.entities}))


def _name(document: Document) -> str:
    return f"{document.corpus}/{document.id}"


def _encoded(texts: list[str], encoder: str | Encoder, progress: Progress) -> NDArray[np.float32]:
    from assay.embed import resolve

    if not texts:
        return np.empty((0, 1), dtype=np.float32)
    if isinstance(encoder, str):
        encoder = resolve(encoder)
        fit = getattr(encoder, "fit", None)
        if fit is not None:
            fit(texts)
    parts = []
    for start in range(0, len(texts), BLOCK):
        parts.append(encoder.encode(texts[start : start + BLOCK]))
        progress(start, len(texts))
    return np.concatenate(parts)
