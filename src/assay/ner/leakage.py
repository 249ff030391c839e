"""Training documents whose text a test set has, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.data.duplicates import normal
from assay.ner.document import Document
from assay.ner.near import near_texts


def leaked(
    train: Sequence[Document], test: Sequence[Document], *, near: float = 0.8
) -> dict[int, tuple[int, float]]:
    """Return which training documents equal a test document or are near to one.

    Entities do not count: a text whose answers the test asks for is leaked whatever its labels are called.

    Parameters
    ----------
    train, test
        Documents.
    near
        Jaccard index of the sets of character 5-grams from which two texts are near, above 0 and at most 1. At 1 only
        texts with the same grams are.

    Returns
    -------
    dict
        Row in `train` -> (row in `test`, Jaccard index, which is 1 for equal texts): the first test document that is
        equal, otherwise the first near one. In the order of `train`.

    Notes
    -----
    Texts are equal after NFC and with runs of white space as one space. Exact, see `assay.ner.near.near_texts`:
    afterwards no pair of a kept and a test document reaches the limit. About 25 bytes a character.

    Examples
    --------
    >>> from assay.ner import Document
    >>> train = [Document("1", "The river is wide today."), Document("2", "A bird sings.")]
    >>> leaked(train, [Document("t", "the river is wide today")])
    {0: (0, 0.95)}
    """
    first: dict[str, int] = {}
    for row, document in enumerate(test):
        first.setdefault(normal(document.text), row)
    asks = np.arange(len(test) + len(train)) >= len(test)
    near_ones = near_texts([d.text for d in (*test, *train)], near=near, asks=asks, stays=~asks)[len(test) :]
    found = {}
    for row, (document, other) in enumerate(zip(train, near_ones, strict=True)):
        equal = first.get(normal(document.text))
        if equal is not None:
            found[row] = (equal, 1.0)
        elif other is not None:
            found[row] = other
    return found
