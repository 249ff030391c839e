"""A taxonomy in numbers: types of each branch, and labels of each corpus that come to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from assay.ner.taxonomy.sources import Source
from assay.ner.taxonomy.types import Taxonomy, Type


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The numbers of all, of one branch, language or corpus.

    types
        Living types: in a branch those that it has, else those that a label comes to.
    leaves, sourced_leaves
        Those without children; of these the ones that a label comes to.
    labels
        Raw labels, those that are not known by name among them: `mapped` and `unknown`.
    unverified
        Of the mapped ones, those whose meaning was not read in a public source.
    """

    kind: Literal["all", "branch", "language", "corpus"]
    name: str
    types: int
    leaves: int
    sourced_leaves: int
    labels: int
    mapped: int
    unknown: int
    unverified: int


def summary(
    taxonomy: Taxonomy,
    *,
    branches: Mapping[str, Iterable[Type]] | None = None,
    catalogue: Mapping[str, Source] | None = None,
) -> list[SummaryRow]:
    """Return the numbers of a taxonomy: one row for all of it, then one a branch, a language and a corpus.

    Parameters
    ----------
    taxonomy
        Types whose `sources` are the labels that come to them.
    branches
        The types of each file; None takes each type without parent with all below it.
    catalogue
        The corpora; they know of labels that come to nothing, of languages and of what was verified. None counts what
        the `sources` of the types name.
    """
    parents = {kind.parent for kind in taxonomy.living}
    leaves = {kind.id for kind in taxonomy.living if kind.id not in parents}
    to = {label: kind.id for kind in taxonomy.living for label in kind.sources}
    unknown: dict[str, int] = {}
    unverified: set[str] = set()
    languages: dict[str, list[str]] = {}
    corpora: dict[str, list[str]] = {}
    for name, source in (catalogue or {}).items():
        labels = [f"{name}/{label}" for label in source.labels]
        corpora[name] = labels
        languages.setdefault(source.language, []).append(name)
        unknown[name] = source.unknown
        unverified.update(f"{name}/{key}" for key, raw in source.labels.items() if raw.provenance != "read")
    if catalogue is None:
        for label in to:
            corpora.setdefault(label.partition("/")[0], []).append(label)

    def row(
        kind: Literal["all", "branch", "language", "corpus"],
        name: str,
        labels: Iterable[str],
        nameless: int = 0,
        types: Iterable[str] | None = None,
    ) -> SummaryRow:
        given = list(labels)
        mapped = [label for label in given if label in to]
        reached = {to[label] for label in mapped}
        held = reached if types is None else set(types)
        return SummaryRow(
            kind,
            name,
            types=len(held),
            leaves=len(held & leaves),
            sourced_leaves=len(held & leaves & reached),
            labels=len(given) + nameless,
            mapped=len(mapped),
            unknown=len(given) - len(mapped) + nameless,
            unverified=sum(label in unverified for label in mapped),
        )

    every = [label for labels in corpora.values() for label in labels]
    rows = [row("all", "", every, sum(unknown.values()), [kind.id for kind in taxonomy.living])]
    living = {kind.id for kind in taxonomy.living}
    for name, kinds in (branches or _roots(taxonomy)).items():
        ids = {kind.id for kind in kinds} & living
        rows.append(row("branch", name, [label for label in to if to[label] in ids], 0, ids))
    for name, members in sorted(languages.items()):
        labels = [label for corpus in members for label in corpora[corpus]]
        rows.append(row("language", name, labels, sum(unknown[corpus] for corpus in members)))
    return rows + [row("corpus", name, labels, unknown.get(name, 0)) for name, labels in corpora.items()]


def _roots(taxonomy: Taxonomy) -> dict[str, list[Type]]:
    """Return the types below each type without parent, itself among them, by its id."""
    parent = {kind.id: kind.parent for kind in taxonomy.living}
    found: dict[str, list[Type]] = {}
    for kind in taxonomy.living:
        at, seen = kind.id, {kind.id}
        while (above := parent.get(at)) is not None and above in parent and above not in seen:
            at = above
            seen.add(at)
        found.setdefault(at, []).append(kind)
    return found
