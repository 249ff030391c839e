"""The taxonomy: the types that labels come to, with their places in a tree, as a file and its laws.

`types` says what a type and a taxonomy file are; `universal` is the taxonomy that assay ships, and `sources` are the
public corpora whose labels it takes in.
"""

from assay.ner.taxonomy.sources import RawLabel, Source, sources
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
    "FILE",
    "Phrases",
    "RawLabel",
    "Source",
    "Taxonomy",
    "Type",
    "Words",
    "branches",
    "faults",
    "read_taxonomy",
    "sources",
    "taxonomy_rows",
    "universal",
    "write_taxonomy",
]
