"""A GLiNER model, asked for the labels of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay._check import between, require
from assay.errors import DataError
from assay.ner.document import Document, Entity
from assay.ner.taggers import Fingerprint
from assay.ner.taggers.tokens import token_spans

BATCH = 8


class Gliner:
    """A model that is given label names and finds their entities; it is not trained.

    `fit` only takes the labels of the documents, so that scores say what the names mean to the model. Names such as
    ``PER`` mean little to it: give it words, by `names` of `cross_validate`.

    Parameters
    ----------
    argument
        Folder of a model, or its id on the hub.
    threshold
        Confidence from which an entity counts (0 to 1).
    seed
        Not used: nothing is drawn.
    """

    def __init__(self, argument: str, *, threshold: float = 0.5, seed: int = 0) -> None:
        between("threshold", threshold, 0, 1)
        self._path, self._threshold = argument, threshold
        self._labels: list[str] | None = None
        self._model: Any = None

    @property
    def fingerprint(self) -> Fingerprint:
        path = str(Path(self._path).resolve()) if Path(self._path).exists() else self._path
        return {"tagger": "gliner", "model": path, "threshold": self._threshold}

    def fit(self, documents: Sequence[Document]) -> None:
        """Take the labels of documents as those to look for."""
        self.ask({entity.label for document in documents for entity in document.entities})

    def ask(self, labels: Iterable[str]) -> None:
        """Take labels as those to look for."""
        self._labels = sorted(set(labels))

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        """Return the entities that the model finds, flat."""
        return [tuple(entity for entity, _ in found) for found in self.scored(documents)]

    def scored(self, documents: Sequence[Document]) -> list[list[tuple[Entity, float]]]:
        """Return the entities that the model finds, flat, each with its confidence (0 to 1).

        Spans are taken by confidence, those that overlap one before them left out: what a higher threshold would find
        is what has a higher confidence here.
        """
        if self._labels is None:
            raise DataError("tagger must be fitted before it predicts; got one that is not. Call fit first.")
        if not self._labels:
            return [[] for _ in documents]
        if self._model is None:
            self._model = self._load()
        spans = {document.text: token_spans(document) for document in documents}
        self._model.data_processor.words_splitter = lambda text: (
            (text[start:end], start, end) for start, end in spans[text]
        )
        texts = [document.text for document in documents if spans[document.text]]
        found = iter(
            self._model.inference(texts, self._labels, threshold=self._threshold, batch_size=BATCH)
            if texts
            else ()
        )
        return [
            [(Entity(e["start"], e["end"], e["label"]), float(e["score"])) for e in next(found)]
            if spans[document.text]
            else []
            for document in documents
        ]

    def _load(self) -> Any:
        gliner = require("gliner", "gliner", "tagger 'gliner'")
        from huggingface_hub.errors import HFValidationError

        try:
            return gliner.GLiNER.from_pretrained(self._path)
        except (OSError, HFValidationError) as error:
            raise DataError(
                f"tagger must name a GLiNER model; {self._path} is none: {str(error).splitlines()[0]}"
            ) from None
