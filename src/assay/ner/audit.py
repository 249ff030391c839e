"""What is wrong with predictions whatever the gold says: invented labels and mentions, repeats, broken answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from assay.errors import DataError
from assay.ner.compat import item_list, normalised, plain
from assay.ner.document import Document, Entity
from assay.ner.score import check_aligned

FAULTS: Mapping[str, str] = {
    "label": "items whose label is none of those asked for",
    "mention": "items whose words the text does not have",
    "repeat": "items that are said more often than the text has them",
    "empty": "answers without a word, and items without a label or without words",
    "format": "parts of answers that are no item: they have no colon",
}
NOTHING = ("none", "无", "na", "[]")  # answers that say that there is no entity


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind (a row of `FAULTS`), the document, and the item or part that has it."""

    kind: str
    document: str
    item: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Every fault of every item of some answers, and how many `documents`, `items` and `faulty` documents there are."""

    documents: int
    items: int
    faults: tuple[Fault, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The number of faults of each kind."""
        found = Counter(fault.kind for fault in self.faults)
        return {kind: found[kind] for kind in FAULTS}

    @property
    def faulty(self) -> int:
        """The number of documents with a fault."""
        return len({fault.document for fault in self.faults})


def audit_answers(
    documents: Sequence[Document],
    answers: Sequence[str],
    *,
    labels: Collection[str] | None,
    gpt: bool = False,
) -> Audit:
    """Return the faults of generated answers, each of their items looked at.

    Parameters
    ----------
    documents
        What was asked about; only ids and texts are looked at.
    answers
        Their answers, ``label: entity; label: entity``.
    labels
        The labels that were asked for, compared as `assay.ner.compat.normalised` writes them. None: not known, so that
        no label is a fault.
    gpt
        Read answers as those of GPT models; see `assay.ner.compat.item_list`.

    Notes
    -----
    Words count as those of the text where it has them as `assay.ner.compat.plain` writes both. B2NER's audit looks
    at one item of an answer and, in texts with a colon, at what is left of them.

    Examples
    --------
    >>> found = audit_answers([Document("1", "Bob left")], ["person: Bob; animal: Rex; so"], labels=["person"])
    >>> [(fault.kind, fault.item) for fault in found.faults]
    [('label', 'animal:rex'), ('mention', 'animal:rex'), ('format', 'so')]
    """
    if len(documents) != len(answers):
        raise DataError(f"answers must be as many as documents ({len(documents)}); got {len(answers)}.")
    allowed = None if labels is None else {normalised(label) for label in labels}
    faults: list[Fault] = []
    total = 0
    for document, answer in zip(documents, answers, strict=True):
        text = plain(document.text)
        items = item_list(answer, gpt=gpt)
        total += len(items)
        if not answer.strip():
            faults.append(Fault("empty", document.id, ""))
        said: Counter[str] = Counter()
        for item in items:
            label, _, words = item.partition(":")
            said[item] += 1
            if not label or not words:
                faults.append(Fault("empty", document.id, item))
                continue
            if allowed is not None and label not in allowed:
                faults.append(Fault("label", document.id, item))
            if words not in text:
                faults.append(Fault("mention", document.id, item))
            if said[item] > max(1, text.count(words)):
                faults.append(Fault("repeat", document.id, item))
        parts = [part.strip() for part in plain(answer).split(";")]
        faults += [
            Fault("format", document.id, part)
            for part in parts
            if part and ":" not in part and (part not in NOTHING or len(parts) > 1)
        ]
    return Audit(len(documents), total, tuple(faults))


def audit_entities(
    documents: Sequence[Document],
    predicted: Sequence[Sequence[Entity]],
    *,
    labels: Collection[str],
    unlocated: Sequence[Sequence[str]] | None = None,
) -> Audit:
    """Return the faults of predicted entities: labels not asked for, repeats, and mentions that were not located."""
    check_aligned(documents, predicted, unlocated)
    allowed = set(labels)
    faults: list[Fault] = []
    total = 0
    for at, (document, entities) in enumerate(zip(documents, predicted, strict=True)):
        nowhere = () if unlocated is None else unlocated[at]
        total += len(entities) + len(nowhere)
        seen: set[tuple[object, str]] = set()
        for entity in entities:
            item = f"{entity.label}: {document.surface(entity)}"
            if entity.label not in allowed:
                faults.append(Fault("label", document.id, item))
            if (entity.parts, entity.label) in seen:
                faults.append(Fault("repeat", document.id, item))
            seen.add((entity.parts, entity.label))
        for label in nowhere:
            faults.append(Fault("mention", document.id, f"{label}: ?"))
            if label not in allowed:
                faults.append(Fault("label", document.id, f"{label}: ?"))
    return Audit(len(documents), total, tuple(faults))
