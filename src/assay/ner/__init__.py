"""Corpora -> where they disagree -> one labelling.

`document` says what an entity and a document are; `formats` reads and writes them, one format a file.
"""

from assay.ner.document import Corpus, Document, Entity

__all__ = ["Corpus", "Document", "Entity"]
