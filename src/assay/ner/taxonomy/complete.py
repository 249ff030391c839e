"""What the shipped taxonomy keeps beyond the laws of every taxonomy file: nothing is left out, and labels add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from assay.ner.names import Problem
from assay.ner.taxonomy.sources import Source
from assay.ner.taxonomy.types import Taxonomy, Type

SIGN = "->"
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
TEXTS = ("definition", "includes", "excludes")


def complaints(taxonomy: Taxonomy, catalogue: Mapping[str, Source] | None = None) -> list[Problem]:
    """Return where a taxonomy is not complete, or the labels of its corpora do not come to its types.

    These rules are for a taxonomy that is given to others; `faults` has those that every one keeps. Every living type
    says in both languages what it means, what counts and what does not, and has an example in each. The Chinese name
    of a child is its parent's, ``->`` and a word of its own; that of a type without parent has no ``->``. Every label
    of the corpora comes to a living type or to None, the unknown ones counted in `Source.unknown` have no name, and
    both together are as many as the corpus has, unless its notes say why not.

    Parameters
    ----------
    taxonomy
        The types.
    catalogue
        The corpora whose labels come to them, such as `sources`; None looks at the types alone.

    Returns
    -------
    list of Problem
        All are errors; each names the type, or the corpus, at fault.

    Examples
    --------
    >>> from assay.ner.taxonomy import sources, universal
    >>> complaints(Taxonomy(types=(Type(id="t1", en="person", zh="人名"),)))[0].message
    't1: definition must be given in en. Write it.'
    """
    problems = [problem for kind in taxonomy.living for problem in _texts(kind)]
    by_id = {kind.id: kind for kind in taxonomy.living}
    for kind in taxonomy.living:
        above = by_id.get(kind.parent or "")
        if kind.parent is None and SIGN in kind.zh:
            problems.append(
                _error(kind.id, f"zh must have no {SIGN} where there is no parent; got {kind.zh!r}.")
            )
        own = kind.zh.removeprefix(f"{above.zh}{SIGN}") if above is not None else ""
        if above is not None and (own == kind.zh or not own or SIGN in own):
            rule = f"zh must be {above.zh}{SIGN} and a word of its own; got {kind.zh!r}."
            problems.append(_error(kind.id, rule))
    replaced = {kind.id for kind in taxonomy.types} - by_id.keys()
    for source in (catalogue or {}).values():
        problems += _labels(source, by_id.keys(), replaced)
    return problems


def _error(id: str, rule: str) -> Problem:
    return Problem("error", (id,), f"{id}: {rule}")


def _texts(kind: Type) -> Iterable[Problem]:
    for field in TEXTS:
        for language in LANGUAGES:
            text = getattr(getattr(kind, field), language)
            if not text.strip():
                yield _error(kind.id, f"{field} must be given in {language}. Write it.")
    for language in LANGUAGES:
        if not getattr(kind.examples, language):
            yield _error(kind.id, f"examples must have one in {language}. Write one of your own.")


def _labels(source: Source, living: Iterable[str], replaced: Iterable[str]) -> Iterable[Problem]:
    there, gone = set(living), set(replaced)
    spelled: dict[str, str] = {}
    for label, raw in source.labels.items():
        first = spelled.setdefault(label.casefold(), label)
        if first != label:
            yield _error(source.name, f"labels must differ by more than case; got {first!r} and {label!r}.")
        if raw.type in gone:
            yield _error(source.name, f"{label}: type must be a living one; {raw.type} was replaced.")
        elif raw.type is not None and raw.type not in there:
            yield _error(source.name, f"{label}: type must be the id of a type; got {raw.type!r}. Add it.")
    known = len(source.labels) + source.unknown
    if source.n_labels != known and not source.notes and source.group != "more":
        yield _error(
            source.name,
            f"labels must be {source.n_labels}, as the corpus has; got {len(source.labels)} and {source.unknown} "
            "unknown. Add them, or say in its notes why not.",
        )
