"""Two versions of a corpus that differ in their labels -> which label became which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from assay._check import between
from assay.ner.decisions import Decision
from assay.ner.document import Corpus, Document


@dataclass(frozen=True, slots=True)
class Renamed:
    """How many entities of a raw label have a name in the other version, and what share of the label's that is."""

    corpus: str
    label: str
    name: str
    entities: int
    share: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `recover` found.

    `renamed` has a row a raw label and name. `conflicts` are the labels, ``corpus/label``, that came to several names.
    `unaligned` are the documents of the raw version, and of the other, whose text the other does not have;
    `only_raw` and `only_standard` count entities without one of their bounds on the other side, in aligned documents.
    """

    renamed: tuple[Renamed, ...]
    conflicts: tuple[str, ...]
    documents: int
    unaligned: tuple[tuple[str, ...], tuple[str, ...]]
    only_raw: int
    only_standard: int


def recover(raw: Corpus, standard: Corpus) -> Recovery:
    """Return which label of a corpus became which name, from a version with raw labels and one with standard ones.

    Documents are aligned by text: those of equal splits first, copies in the order in which they stand, then what is
    left whatever its split. Entities are aligned by their bounds; several of the same bounds pair in order where both
    versions have as many, and are left out otherwise.

    Returns
    -------
    Recovery
        Rows by raw label in the order of the corpus, the most frequent name first.
    """
    pairs, left, over = _aligned(raw.documents, standard.documents)
    counts: dict[str, dict[str, int]] = {label: {} for label in raw.labels}
    only_raw = only_standard = 0
    for one, two in pairs:
        ours, theirs = _by_bounds(one), _by_bounds(two)
        for bounds in ours.keys() | theirs.keys():
            mine, yours = ours.get(bounds, []), theirs.get(bounds, [])
            if len(mine) != len(yours):
                only_raw += len(mine)
                only_standard += len(yours)
                continue
            for label, name in zip(mine, yours, strict=True):
                names = counts.setdefault(label, {})
                names[name] = names.get(name, 0) + 1
    renamed = tuple(
        Renamed(raw.name, label, name, count, count / sum(names.values()))
        for label, names in counts.items()
        for name, count in sorted(names.items(), key=lambda item: (-item[1], item[0]))
    )
    conflicts = tuple(f"{raw.name}/{label}" for label, names in counts.items() if len(names) > 1)
    unaligned = (tuple(one.id for one in left), tuple(two.id for two in over))
    return Recovery(renamed, conflicts, len(pairs), unaligned, only_raw, only_standard)


def recovered_decisions(recoveries: Iterable[Recovery], *, min_share: float = 1.0) -> list[Decision]:
    """Return the decisions that make standard names of raw labels, those of one name in one decision.

    A label that came to several names is decided only where one has at least `min_share` of its entities (above 0.5 to
    1); others are for a person. Labels that keep a name nobody shares need no decision.
    """
    between("min_share", min_share, 0.5, 1)
    labels: dict[str, list[Renamed]] = {}
    for recovery in recoveries:
        for row in recovery.renamed:
            if row.share >= min_share and row.share > 0.5:
                labels.setdefault(row.name, []).append(row)
    decisions: list[Decision] = []
    for name, rows in sorted(labels.items()):
        if len(rows) == 1 and rows[0].label == name:
            continue
        corpora = [row.corpus for row in rows]
        action: Literal["rename", "merge", "same"] = "rename"
        if len(rows) > 1:
            action = "merge" if len(set(corpora)) < len(corpora) else "same"
        whole = sum(round(row.entities / row.share) for row in rows)
        decisions.append(
            Decision(
                id=f"d{len(decisions) + 1}",
                labels=tuple(f"{row.corpus}/{row.label}" for row in rows),
                action=action,
                name=name,
                author="recover-mapping",
                reason=f"{sum(row.entities for row in rows):,} of {whole:,} aligned entities have this name",
            )
        )
    return decisions


def _aligned(
    raw: Sequence[Document], standard: Sequence[Document]
) -> tuple[list[tuple[Document, Document]], list[Document], list[Document]]:
    pairs: list[tuple[Document, Document]] = []
    left, over = list(raw), list(standard)
    for of_one_split in (True, False):
        waiting: dict[tuple[str, str], list[Document]] = {}
        for document in reversed(over):
            waiting.setdefault((document.split if of_one_split else "", document.text), []).append(document)
        rest = []
        taken = set()
        for document in left:
            found = waiting.get((document.split if of_one_split else "", document.text))
            if found:
                other = found.pop()
                taken.add(id(other))
                pairs.append((document, other))
            else:
                rest.append(document)
        left, over = rest, [document for document in over if id(document) not in taken]
    return pairs, left, over


def _by_bounds(document: Document) -> dict[tuple[tuple[int, int], ...], list[str]]:
    found: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for entity in document.entities:
        found.setdefault(entity.parts, []).append(entity.label)
    return found
