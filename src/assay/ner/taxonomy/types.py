"""Types of entities: what they are called in two languages, what they mean, what they are part of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay._files import atomic, read_yaml, yaml_bytes
from assay.errors import DataError
from assay.ner.names import Problem, name_fault

FILE = "taxonomy.yaml"
Text = Annotated[str, Field(strict=True)]
Id = Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_-]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(_Frozen):
    """One text in both languages, "" where it is missing."""

    en: Text = ""
    zh: Text = ""


class Phrases(_Frozen):
    """Several texts in each language."""

    en: tuple[Text, ...] = ()
    zh: tuple[Text, ...] = ()


class Type(_Frozen):
    """One type.

    `id` is never used for another type: one that is given up stays, and names what it was `replaced_by`.
    `en` and `zh` are what labels are called. `includes` and `excludes` say what counts and what does not where people
    would ask. `parent` is the id of the type that it is part of; `other` marks the child
    of a parent that holds whatever the other children do not, `exhausted` a parent whose children leave nothing over.
    `sources` are the raw labels, ``corpus/label``, that come to it. `decided_by` "proposal" marks what no person has
    confirmed.
    """

    id: Id
    en: Text = ""
    zh: Text = ""
    definition: Words = Words()
    includes: Words = Words()
    excludes: Words = Words()
    parent: Text | None = None
    other: bool = False
    exhausted: bool = False
    aliases: Phrases = Phrases()
    examples: Phrases = Phrases()
    sources: tuple[Text, ...] = ()
    decided_by: Text = ""
    replaced_by: Text | None = None


class Taxonomy(_Frozen):
    """The file ``taxonomy.yaml``. `version` counts the changes of its content, from 1."""

    version: Annotated[int, Field(strict=True, ge=1)] = 1
    types: tuple[Type, ...] = ()

    @property
    def living(self) -> tuple[Type, ...]:
        """The types that were not replaced."""
        return tuple(kind for kind in self.types if kind.replaced_by is None)

    def named(self, name: str) -> Type | None:
        """Return the living type of a name in either language, compared after case folding."""
        folded = name.casefold()
        return next((k for k in self.living if folded in (k.en.casefold(), k.zh.casefold())), None)


def read_taxonomy(path: str | Path) -> Taxonomy:
    """Read a taxonomy file.

    Raises
    ------
    DataError
        The file is missing or is no taxonomy; whether it keeps the laws tells `faults`.
    """
    found = read_yaml(path)
    if not isinstance(found, dict) or "types" not in found:
        raise DataError(f"{path} must be a mapping with version and types.")
    try:
        return Taxonomy.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        loc = list(first["loc"])
        types = found["types"]
        if loc[0] == "types" and len(loc) > 1 and isinstance(loc[1], int) and isinstance(types[loc[1]], dict):
            loc[:2] = [types[loc[1]].get("id", f"type {loc[1] + 1}")]
        place = ".".join(map(str, loc))
        if first["type"] == "extra_forbidden":
            there = ", ".join(Type.model_fields)
            raise DataError(f"{path}: {place} is no field; types have: {there}.") from None
        if first["type"] == "missing":
            raise DataError(f"{path}: {place} must be given.") from None
        rule = first["msg"].replace("Input should be", "must be").replace("String should", "must")
        quote = " Quote words such as no and 1." if first["type"] == "string_type" else ""
        raise DataError(f"{path}: {place} {rule}; got {first['input']!r}.{quote}") from None


def write_taxonomy(path: str | Path, taxonomy: Taxonomy) -> None:
    """Write a taxonomy file, whole or not at all, in the order of its types."""
    with atomic(path) as f:
        f.write(yaml_taxonomy(taxonomy))


def yaml_taxonomy(taxonomy: Taxonomy) -> bytes:
    """Return a taxonomy as its file, fields at their defaults left out."""
    types = [kind.model_dump(mode="json", exclude_defaults=True) for kind in taxonomy.types]
    return yaml_bytes({"version": taxonomy.version, "types": types})


def faults(taxonomy: Taxonomy) -> list[Problem]:
    """Return what breaks the laws of a taxonomy; every problem names its type.

    Ids are unique. Every living type has a name in both languages, lawful (`assay.ner.names`) and no other living one's
    name or alias in that language after case folding. Parents exist, live and make no circle. A parent has exactly one
    child marked `other`, or is `exhausted` and has none. What a type was replaced by exists, and at last is living.
    """
    by_id: dict[str, Type] = {}
    problems = []

    def error(kind: Type, rule: str) -> None:
        problems.append(Problem("error", (kind.id,), f"{kind.id}: {rule}"))

    for kind in taxonomy.types:
        if kind.id in by_id:
            error(kind, "id must be unique; got it twice. Give one a new id.")
        by_id.setdefault(kind.id, kind)
    for language in ("en", "zh"):
        _names(taxonomy, language, error)
    children: dict[str, list[Type]] = {}
    for kind in taxonomy.living:
        if kind.parent is not None:
            children.setdefault(kind.parent, []).append(kind)
            above = by_id.get(kind.parent)
            if above is None:
                error(kind, f"parent must be the id of a type; got {kind.parent!r}. Add it, or name another.")
            elif above.replaced_by is not None:
                error(
                    kind, f"parent must be a living type; {above.id} was replaced. Name {above.replaced_by}."
                )
    for kind in taxonomy.living:
        below = children.get(kind.id, [])
        others = [child.id for child in below if child.other]
        if kind.exhausted and (others or not below):
            what = f"the other child {others[0]}" if others else "no children"
            error(kind, f"exhausted must be left out for a type with {what}. Remove the one or the other.")
        elif below and not kind.exhausted and len(others) != 1:
            error(
                kind,
                f"children must have exactly one that is marked other; got {len(others)}. "
                "Add one for whatever the others are not, or mark the parent exhausted.",
            )
        if kind.other and kind.parent is None:
            error(kind, "other must be left out for a type without parent. Give it a parent.")
    for kind in _circular(by_id, {kind.id: kind.parent for kind in taxonomy.living}):
        error(kind, f"parent must not lead back to the type; got {kind.parent!r}. Cut the circle.")
    for kind in taxonomy.types:
        if kind.replaced_by is not None and kind.replaced_by not in by_id:
            error(
                kind,
                f"replaced_by must be the id of a type; got {kind.replaced_by!r}. Add it, or name another.",
            )
    for kind in _circular(by_id, {kind.id: kind.replaced_by for kind in taxonomy.types}):
        error(kind, f"replaced_by must lead to a living type; got {kind.replaced_by!r}. Cut the circle.")
    return problems


def _names(taxonomy: Taxonomy, language: Literal["en", "zh"] | str, error: Any) -> None:
    owner: dict[str, str] = {}
    for kind in taxonomy.living:
        name = str(getattr(kind, language))
        if not name:
            error(kind, f"{language} must be given. Name it in both languages.")
            continue
        fault = name_fault(name)
        if fault is not None:
            error(kind, f"{language} {fault}")
        first = owner.setdefault(name.casefold(), kind.id)
        if first != kind.id:
            error(kind, f"{language} must be a name of its own; {first} is called {name!r} too. Qualify one.")
    for kind in taxonomy.living:
        for alias in getattr(kind.aliases, language):
            first = owner.setdefault(alias.casefold(), kind.id)
            if first != kind.id:
                error(kind, f"aliases must name one type only; {alias!r} is {first} too. Remove one.")


def _circular(by_id: Mapping[str, Type], onward: Mapping[str, str | None]) -> Iterable[Type]:
    """Return one type, the first by id, of every circle."""
    done: set[str] = set()
    found = []
    for start in sorted(onward):
        way: list[str] = []
        at: str | None = start
        while at is not None and at not in done and at not in way:
            way.append(at)
            at = onward.get(at)
        if at is not None and at in way:
            found.append(by_id[min(way[way.index(at) :])])
        done.update(way)
    return found


def taxonomy_rows(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Return the living types as rows, children below their parents, with the depth of each."""
    children: dict[str | None, list[Type]] = {}
    ids = {kind.id for kind in taxonomy.living}
    for kind in taxonomy.living:
        children.setdefault(kind.parent if kind.parent in ids else None, []).append(kind)
    rows: list[dict[str, Any]] = []
    stack = [(kind, 0) for kind in reversed(children.get(None, []))]
    while stack:
        kind, depth = stack.pop()
        rows.append(
            {
                "id": kind.id,
                "depth": depth,
                "en": kind.en,
                "zh": kind.zh,
                "parent": kind.parent,
                "sources": len(kind.sources),
                "decided_by": kind.decided_by,
                "definition": kind.definition.en or kind.definition.zh,
            }
        )
        stack += [(child, depth + 1) for child in reversed(children.get(kind.id, []))]
    return rows
