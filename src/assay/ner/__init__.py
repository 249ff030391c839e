"""Corpora -> where they disagree -> one labelling.

`document` says what an entity and a document are; `read` and `write` turn files into corpora and back by `formats`, one
format a file; `check` and `stats` say what is in them. `index` finds every mention in every text, `screen` gathers
what each corpus makes of it, `relations` says how two labels relate, `conflicts` makes ranked cards of that, which
`cards` holds as a file. `planted` has corpora whose conflicts are known.
"""

from assay.ner.cards import Card, Cards, read_cards, write_cards, write_cards_tsv
from assay.ner.check import Finding, check
from assay.ner.conflicts import conflicts
from assay.ner.document import Corpus, Document, Entity
from assay.ner.formats import NER_FORMATS
from assay.ner.planted import planted
from assay.ner.read import read_corpus
from assay.ner.relations import Thresholds, relations
from assay.ner.screen import Evidence, screen
from assay.ner.stats import stats
from assay.ner.write import Loss, write_corpus

__all__ = [
    "NER_FORMATS",
    "Card",
    "Cards",
    "Corpus",
    "Document",
    "Entity",
    "Evidence",
    "Finding",
    "Loss",
    "Thresholds",
    "check",
    "conflicts",
    "planted",
    "read_cards",
    "read_corpus",
    "relations",
    "screen",
    "stats",
    "write_cards",
    "write_cards_tsv",
    "write_corpus",
]
