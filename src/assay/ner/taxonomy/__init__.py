"""The taxonomy: the types that labels come to, with their places in a tree, as a file and its laws."""

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

__all__ = [
    "FILE",
    "Phrases",
    "Taxonomy",
    "Type",
    "Words",
    "faults",
    "read_taxonomy",
    "taxonomy_rows",
    "write_taxonomy",
]
