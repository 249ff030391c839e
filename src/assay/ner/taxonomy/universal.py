"""The universal taxonomy that assay ships: a reviewed file a branch, joined with the labels that come to each type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files

from assay.ner.taxonomy.sources import sources
from assay.ner.taxonomy.types import Taxonomy, Type, read_taxonomy


@cache
def branches() -> Mapping[str, tuple[Type, ...]]:
    """Return the types of each branch, by the name of its file."""
    found = {}
    with as_file(files("assay.ner") / "builtin" / "taxonomy") as folder:
        for path in sorted(folder.glob("*.yaml")):
            found[path.stem] = read_taxonomy(path).types
    return found


@cache
def universal() -> Taxonomy:
    """Return the universal taxonomy; the `sources` of a type are the raw labels of `sources` that come to it."""
    labels: dict[str, list[str]] = {}
    for source in sources().values():
        for label, raw in source.labels.items():
            if raw.type is not None:
                labels.setdefault(raw.type, []).append(f"{source.name}/{label}")
    types = [
        kind.model_copy(update={"sources": tuple(labels.get(kind.id, ()))})
        for kinds in branches().values()
        for kind in kinds
    ]
    return Taxonomy(types=tuple(types))
