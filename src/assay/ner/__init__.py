"""Corpora -> where they disagree -> one labelling.

`document` says what an entity and a document are; `formats` reads and writes them, one format a file. `index` finds
every mention in every text, `screen` gathers what each corpus makes of it, `relations` says how two labels relate,
`conflicts` makes ranked cards of that, which `cards` holds as a file.
"""

from assay.ner.cards import Card, Cards, read_cards, write_cards
from assay.ner.conflicts import conflicts
from assay.ner.document import Corpus, Document, Entity
from assay.ner.read import read_corpus
from assay.ner.relations import Thresholds, relations
from assay.ner.screen import Evidence, screen

__all__ = [
    "Card",
    "Cards",
    "Corpus",
    "Document",
    "Entity",
    "Evidence",
    "Thresholds",
    "conflicts",
    "read_cards",
    "read_corpus",
    "relations",
    "screen",
    "write_cards",
]
