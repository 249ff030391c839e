"""The taxonomy: the types that labels come to, with their places in a tree, as a file and its laws.

`types` says what a type and a taxonomy file are; `universal` is the taxonomy that assay ships, and `sources` are the
public corpora whose labels it takes in. `complete` has the laws of a taxonomy that is given to others, `look` finds
types in one, `summary` counts it, `export` writes it for other programs.
"""

from assay.ner.taxonomy.complete import complaints
from assay.ner.taxonomy.export import EXPORTS
from assay.ner.taxonomy.look import Hit, search, subtree
from assay.ner.taxonomy.sources import RawLabel, Source, sources
from assay.ner.taxonomy.summary import SummaryRow, summary
from assay.ner.taxonomy.types import (
    FILE,
    Phrases,
    Taxonomy,
    Type,
    Words,
    faults,
    read_taxonomy,
    taxonomy_rows,
    write_taxonomy,
)
from assay.ner.taxonomy.universal import branches, universal

__all__ = [
    "EXPORTS",
    "FILE",
    "Hit",
    "Phrases",
    "RawLabel",
    "Source",
    "SummaryRow",
    "Taxonomy",
    "Type",
    "Words",
    "branches",
    "complaints",
    "faults",
    "read_taxonomy",
    "search",
    "sources",
    "subtree",
    "summary",
    "taxonomy_rows",
    "universal",
    "write_taxonomy",
]
