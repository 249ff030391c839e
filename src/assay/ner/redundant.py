"""Documents that say what another one says: copies, with the annotations they disagree about, and near copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from assay.data.duplicates import normal
from assay.ner.document import Document
from assay.ner.near import near_texts

Mark = tuple[tuple[tuple[int, int], ...], str]


def richness(document: Document) -> tuple[int, int]:
    """Return how many labels and how many entities a document has."""
    return len({entity.label for entity in document.entities}), len(document.entities)


def copies(documents: Sequence[Document]) -> dict[int, int]:
    """Return which documents have the text of another one that stays: the richest of each text.

    The richest has most labels, then most entities, then stands first. Texts are compared after NFC and with runs of
    white space as one space; see `differences` for what their annotations disagree about.

    Returns
    -------
    dict
        Row that goes -> row that stays, ascending.

    Examples
    --------
    >>> from assay.ner import Document, Entity
    >>> copies([Document("1", "in Paris"), Document("2", "in  Paris", (Entity(4, 9, "LOC"),))])
    {0: 1}
    """
    groups: dict[str, list[int]] = {}
    for row, document in enumerate(documents):
        groups.setdefault(normal(document.text), []).append(row)
    gone: dict[int, int] = {}
    for rows in groups.values():
        if len(rows) > 1:
            best = max(rows, key=lambda row: (richness(documents[row]), -row))
            gone |= {row: best for row in rows if row != best}
    return dict(sorted(gone.items()))


def near_copies(documents: Sequence[Document], *, near: float = 0.8) -> dict[int, tuple[int, float]]:
    """Return which documents are near to another one that stays, richest first.

    From the richest document on (most labels, most entities, then the first), each one stays unless it is near to one
    that stays already. So every one that goes has a partner that stays and is no poorer, and no two that stay are near.

    Parameters
    ----------
    documents
        Documents without copies, see `copies`; those of empty texts are near to none.
    near
        Jaccard index of the sets of character 5-grams from which two texts are near, above 0 and at most 1.

    Returns
    -------
    dict
        Row that goes -> (row that stays, Jaccard index), ascending.

    Examples
    --------
    >>> from assay.ner import Document
    >>> texts = ["The river is wide today.", "The river is wide today!", "A bird sings."]
    >>> near_copies([Document(str(n), text) for n, text in enumerate(texts)])
    {1: (0, 0.9047619047619048)}
    """
    order = sorted(range(len(documents)), key=lambda row: (*(-n for n in richness(documents[row])), row))
    every = np.ones(len(order), dtype=bool)
    found = near_texts([documents[row].text for row in order], near=near, asks=every, stays=every)
    gone = {order[at]: (order[other[0]], other[1]) for at, other in enumerate(found) if other is not None}
    return dict(sorted(gone.items()))


def differences(one: Document, other: Document) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the entities that only the first, and only the second of two copies has, each as ``label: words``.

    Offsets are compared without white space, as the texts were.

    Examples
    --------
    >>> from assay.ner import Document, Entity
    >>> one = Document("1", "in Paris", (Entity(3, 8, "LOC"),))
    >>> differences(one, Document("2", "in  Paris", (Entity(4, 9, "city"),)))
    (('LOC: Paris',), ('city: Paris',))
    """
    mine, theirs = _marks(one), _marks(other)
    sides = []
    for document, more in ((one, mine - theirs), (other, theirs - mine)):
        flat = "".join(normal(document.text).split(" "))
        words = (
            f"{label}: {' '.join(flat[a:b] for a, b in parts)}" for parts, label in sorted(more.elements())
        )
        sides.append(tuple(words))
    return sides[0], sides[1]


def _marks(document: Document) -> Counter[Mark]:
    """Return the entities of a document with offsets that count no white space."""

    def at(offset: int) -> int:
        return len(normal(document.text[:offset]).replace(" ", ""))

    return Counter(
        (tuple((at(start), at(end)) for start, end in entity.parts), entity.label)
        for entity in document.entities
    )
