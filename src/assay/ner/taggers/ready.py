"""Predictions that something else made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from assay.errors import DataError
from assay.ner.document import Document, Entity
from assay.ner.taggers import Fingerprint


class Ready:
    """Answers with the entities of given documents, which are found by their texts.

    Parameters
    ----------
    documents
        Documents with predicted entities, in any order. Where two have one text, the first counts.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._found: dict[str, tuple[Entity, ...]] = {}
        for document in documents:
            self._found.setdefault(document.text, document.entities)

    @property
    def fingerprint(self) -> Fingerprint:
        digest = hashlib.blake2b(digest_size=16)
        for text, entities in self._found.items():
            said = [(entity.parts, entity.label) for entity in entities]
            digest.update(repr((text, said)).encode())
        return {"tagger": "predictions", "content": digest.hexdigest()}

    def fit(self, documents: Sequence[Document]) -> None:
        """Do nothing: whatever made the predictions was trained elsewhere."""

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        """Return the entities that were predicted; refuse a document that is not there."""
        lacking = [document for document in documents if document.text not in self._found]
        if lacking:
            raise DataError(
                f"predictions must hold every document that is tested, with the same text; {len(lacking)} of "
                f"{len(documents)} are not there, first {lacking[0].id!r} of {lacking[0].corpus or 'its corpus'}. "
                "Predict all documents of the corpora."
            )
        return [self._found[document.text] for document in documents]
