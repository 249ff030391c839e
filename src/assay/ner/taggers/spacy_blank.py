"""A blank spaCy pipeline, trained from scratch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from assay._check import require, whole
from assay.errors import DataError
from assay.ner.document import Document, Entity
from assay.ner.taggers import Fingerprint
from assay.ner.taggers.tokens import entities, tags, token_spans

BATCH = 32
DROPOUT = 0.1


class Spacy:
    """spaCy's entity recogniser over its own word features, without vectors, whatever the language.

    Parameters
    ----------
    argument
        None is taken; there for the table.
    epochs
        Passes over the documents (>= 1).
    seed
        Of first weights, order and dropout.

    Notes
    -----
    spaCy draws from the global generators of Python and numpy; they are set for it and put back. Deterministic on one
    machine.
    """

    def __init__(self, argument: str = "", *, epochs: int = 10, seed: int = 0) -> None:
        self._epochs = whole("epochs", epochs, 1)
        self._seed = seed
        self._pipeline: Any = None

    @property
    def fingerprint(self) -> Fingerprint:
        with _drawing(self._seed):  # importing spaCy seeds the generators, too
            require("spacy", "spacy", "tagger 'spacy'")
        return {"tagger": "spacy", "version": version("spacy"), "epochs": self._epochs, "seed": self._seed}

    def fit(self, documents: Sequence[Document]) -> None:
        """Train a new pipeline on documents."""
        rows = [(document, spans) for document in documents if (spans := token_spans(document))]
        if not rows:
            raise DataError("documents must hold words to learn from; got none.")
        with _drawing(self._seed):
            spacy = require("spacy", "spacy", "tagger 'spacy'")
            training = require("spacy.training", "spacy", "tagger 'spacy'")
            pipeline = spacy.blank("xx")
            pipeline.add_pipe("ner")
            examples = [
                training.Example(
                    self._doc(pipeline, document, spans),
                    self._doc(pipeline, document, spans, tags(document, spans)),
                )
                for document, spans in rows
            ]
            optimizer = pipeline.initialize(lambda: examples)
            order = random.Random(self._seed)
            for _ in range(self._epochs):
                order.shuffle(examples)
                for start in range(0, len(examples), BATCH):
                    pipeline.update(examples[start : start + BATCH], sgd=optimizer, drop=DROPOUT)
        self._pipeline = pipeline

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        """Return the entities that the pipeline finds."""
        if self._pipeline is None:
            raise DataError("tagger must be fitted before it predicts; got one that is not. Call fit first.")
        found: list[tuple[Entity, ...]] = []
        for document in documents:
            spans = token_spans(document)
            if not spans:
                found.append(())
                continue
            doc = self._pipeline(self._doc(self._pipeline, document, spans))
            found.append(
                entities(spans, [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc])
            )
        return found

    def _doc(
        self,
        pipeline: Any,
        document: Document,
        spans: Sequence[tuple[int, int]],
        tagged: Sequence[str] | None = None,
    ) -> Any:
        from spacy.tokens import Doc

        words = [document.text[start:end] for start, end in spans]
        return Doc(pipeline.vocab, words=words, ents=None if tagged is None else list(tagged))


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Set the global generators for the block, and put them back."""
    before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002
