"""A linear-chain conditional random field over words, shapes and affixes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from assay._check import at_least, whole
from assay.errors import DataError
from assay.ner.document import Document, Entity
from assay.ner.taggers import Fingerprint
from assay.ner.taggers.tokens import entities, tags, token_spans


class CRF:
    """A conditional random field, by python-crfsuite.

    Features of a token: the words from two before to two after in lower case, and of itself and its neighbours the
    shape and the first and last three characters. In scripts without spaces a character is a token.

    Parameters
    ----------
    argument
        None is taken; there for the table.
    c1, c2
        Weights of the L1 and L2 penalties (>= 0).
    iterations
        At most so many steps of OWL-QN.
    seed
        Not used: training draws nothing.

    Notes
    -----
    Deterministic. 2 to 14 s for 3,000 sentences, growing with the square of the labels. c1, c2 and iterations are
    those of `ner.md`, not of a paper.
    """

    def __init__(
        self, argument: str = "", *, c1: float = 0.1, c2: float = 0.01, iterations: int = 60, seed: int = 0
    ) -> None:
        at_least("c1", c1, 0)
        at_least("c2", c2, 0)
        self._options = {
            "c1": float(c1),
            "c2": float(c2),
            "max_iterations": whole("iterations", iterations, 1),
        }
        self._model: bytes | None = None

    @property
    def fingerprint(self) -> Fingerprint:
        return {"tagger": "crf", **self._options}

    def fit(self, documents: Sequence[Document]) -> None:
        """Train on documents; those without tokens are left out."""
        import pycrfsuite

        trainer = pycrfsuite.Trainer(verbose=False)
        trainer.set_params({**self._options, "feature.possible_transitions": True})
        known: set[str] = set()
        for document in documents:
            if spans := token_spans(document):
                tagged = tags(document, spans)
                known.update(tagged)
                trainer.append(_features(document.text, spans), tagged)
        if not known:
            raise DataError("documents must hold words to learn from; got none.")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            trainer.train(str(path))
            self._model = path.read_bytes()

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        """Return the entities on the likeliest path of each document."""
        import pycrfsuite

        if self._model is None:
            raise DataError("tagger must be fitted before it predicts; got one that is not. Call fit first.")
        tagger = pycrfsuite.Tagger()
        tagger.open_inmemory(self._model)
        found = []
        for document in documents:
            spans = token_spans(document)
            found.append(entities(spans, tagger.tag(_features(document.text, spans))) if spans else ())
        return found


def _features(text: str, spans: Sequence[tuple[int, int]]) -> list[list[str]]:
    """Return the features of each token."""
    words = [text[start:end] for start, end in spans]
    small = [word.lower() for word in words]
    own = [
        (f"s={_shape(word)}", f"p={low[:3]}", f"e={low[-3:]}") for word, low in zip(words, small, strict=True)
    ]
    out = []
    for at in range(len(words)):
        row = ["b"]
        for step in range(-2, 3):
            near = at + step
            if not 0 <= near < len(words):
                if abs(step) == 1:
                    row.append(f"{step}:edge")
                continue
            row.append(f"{step}:w={small[near]}")
            if abs(step) < 2:
                row += [f"{step}:{feature}" for feature in own[near]]
        out.append(row)
    return out


def _shape(word: str) -> str:
    """Return the kinds of characters in a word, runs of one kind as one: ``McDonald`` is ``XxXx``, ``B-52`` ``X-d``."""
    kinds = (
        "X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else "c" if c.isalpha() else c
        for c in word
    )
    return "".join(kind for kind, _ in groupby(kinds))
