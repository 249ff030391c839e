"""The decisions that follow from the universal taxonomy: each label of a public corpus -> the name of its type."""

from __future__ import annotations

from typing import Literal

from assay.errors import DataError
from assay.ner.decisions import Decision
from assay.ner.taxonomy import Source, Taxonomy, Type

AUTHOR = "taxonomy"


def mapping_decisions(
    corpus: str, source: Source, taxonomy: Taxonomy, *, language: Literal["en", "zh"] = "en"
) -> list[Decision]:
    """Return the decisions that give each label of a public corpus the name of the type that it comes to.

    Labels whose type is not known have no decision and keep their own name. Where several come to one type, one
    decision says that they are the `same`.

    Parameters
    ----------
    corpus
        What the corpus is called here.
    source
        The public corpus that it is.
    taxonomy
        The types; of one that was replaced the name is that of what it was replaced by.
    language
        Of the names.

    Raises
    ------
    DataError
        The taxonomy has no type of such an id.

    Examples
    --------
    >>> from assay.ner.taxonomy import sources, universal
    >>> source = sources()["wnut17"]
    >>> named = {d.name for d in mapping_decisions("posts", source, universal())}
    >>> len(named) <= len(source.labels)
    True
    """
    by_id = {kind.id: kind for kind in taxonomy.types}
    labels: dict[str, list[str]] = {}
    for label, raw in source.labels.items():
        if raw.type is not None:
            kind = _living(raw.type, by_id, f"{source.name}/{label}")
            labels.setdefault(kind.id, []).append(label)
    return [
        Decision(
            id=f"{corpus}-u{number}",
            labels=tuple(f"{corpus}/{label}" for label in own),
            action="rename" if len(own) == 1 else "same",
            name=by_id[id].zh if language == "zh" else by_id[id].en,
            author=AUTHOR,
            reason=f"type {id}",
        )
        for number, (id, own) in enumerate(labels.items(), 1)
    ]


def _living(id: str, by_id: dict[str, Type], label: str) -> Type:
    seen = {id}
    while id in by_id and by_id[id].replaced_by is not None:
        id = str(by_id[id].replaced_by)
        if id in seen:
            break
        seen.add(id)
    if id not in by_id or by_id[id].replaced_by is not None:
        raise DataError(f"type of {label} must be the id of a living type; got {id!r}.")
    return by_id[id]
