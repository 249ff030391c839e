"""Decisions -> what they change, the changed corpora, and the corpora as they were."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from assay._check import choice
from assay.errors import DataError
from assay.ner.decisions import REST, Decision, Rule
from assay.ner.document import Corpus, Document, Entity
from assay.ner.index import key
from assay.ner.validate import file_fault, outcomes, validate

KEY = "decided"
EXAMPLES = 3
CONTEXT = 40
TABLE = (
    "corpus",
    "split",
    "document",
    "start",
    "end",
    "label",
    "surface",
    "name",
    "may_be",
    "decision",
    "context",
)
Place = tuple[str, str, str, int, int]


@dataclass(frozen=True, slots=True)
class LabelChange:
    """How many entities of a raw label come to a name, by which decision ("" where none), with some of their words."""

    corpus: str
    label: str
    name: str
    decision: str
    entities: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undecided:
    """An entity of a split label that no rule takes, or several do: `may_be` are the names that it may get."""

    corpus: str
    split: str
    document: str
    start: int
    end: int
    label: str
    surface: str
    may_be: tuple[str, ...]
    decision: str
    context: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What `apply` would do. `folded` counts entities that become a copy of another one, with its bounds and name."""

    changes: tuple[LabelChange, ...]
    undecided: tuple[Undecided, ...]
    folded: int

    def before(self) -> dict[str, int]:
        """Return the entities of each ``corpus/label``."""
        return _summed((f"{change.corpus}/{change.label}", change.entities) for change in self.changes)

    def after(self) -> dict[str, int]:
        """Return the entities of each name, those that are folded counted too."""
        return _summed((change.name, change.entities) for change in self.changes)


def _summed(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in counts:
        sums[name] = sums.get(name, 0) + count
    return sums


def preview(
    corpora: Sequence[Corpus], decisions: Sequence[Decision], *, folder: str | Path | None = None
) -> Preview:
    """Return what `apply` would change, with the same arguments, and what no rule decides; nothing is changed."""
    counts: dict[tuple[str, str, str, str], int] = {}
    examples: dict[tuple[str, str, str, str], dict[str, None]] = {}
    undecided: list[Undecided] = []
    folded = 0
    chooser = _Chooser(decisions, folder)
    for corpus in corpora:
        for document in corpus.documents:
            chosen = [chooser(corpus.name, document, entity) for entity in document.entities]
            for entity, (name, decision, may_be) in zip(document.entities, chosen, strict=True):
                row = (corpus.name, entity.label, name, decision)
                counts[row] = counts.get(row, 0) + 1
                words = examples.setdefault(row, {})
                if len(words) < EXAMPLES:
                    words[document.surface(entity)] = None
                if may_be:
                    undecided.append(_undecided(corpus.name, document, entity, decision, may_be))
            folded += sum(at is not None for at in _copies(document, [name for name, _, _ in chosen]))
    order = {corpus.name: {label: at for at, label in enumerate(corpus.labels)} for corpus in corpora}
    rows = sorted(counts, key=lambda row: (row[0], order[row[0]].get(row[1], len(order[row[0]])), row[1:]))
    changes = (LabelChange(*row, counts[row], tuple(examples[row])) for row in rows)
    return Preview(tuple(changes), tuple(undecided), folded)


def apply(
    corpora: Sequence[Corpus],
    decisions: Sequence[Decision],
    *,
    folder: str | Path | None = None,
    undecided: Literal["error", "keep-raw"] = "error",
) -> list[Corpus]:
    """Return the corpora with every label as it was decided; `revert` takes it back.

    An entity whose label was decided keeps its raw label and the decision's id in ``meta["decided"]``. Of entities that
    come to the same bounds and name, having had different labels, the first stays and holds the others there.

    Parameters
    ----------
    corpora
        As they were read; decisions name their labels ``corpus/label``.
    decisions
        Valid ones, see `validate`. Those on other corpora do nothing.
    folder
        Where the files lie that splits name: that of the decision file.
    undecided
        What becomes of entities that a split does not decide: ``"error"`` stops, ``"keep-raw"`` leaves them alone.

    Returns
    -------
    list of Corpus
        In the order given, their labels the new names.

    Raises
    ------
    DataError
        Decisions that are not valid, a file of a split that cannot be used, or undecided entities.

    Notes
    -----
    O(entities), and the corpora once more in memory.

    Examples
    --------
    >>> from assay.ner import Corpus, Decision, Document, Entity
    >>> mini = Corpus("mini", (Document("1", "in Paris", (Entity(3, 8, "LOC"),)),))
    >>> decision = Decision(id="d1", labels=("mini/LOC",), action="rename", name="location")
    >>> applied = apply([mini], [decision])
    >>> applied[0].documents[0].entities[0]
    Entity(start=3, end=8, label='location', spans=None, meta={'decided': {'label': 'LOC', 'decision': 'd1'}})
    >>> revert(applied) == [mini]
    True
    """
    choice("undecided", undecided, ("error", "keep-raw"))
    chooser = _Chooser(decisions, folder)
    applied = []
    left: list[Undecided] = []
    for corpus in corpora:
        documents = []
        raw: set[str] = set()
        for document in corpus.documents:
            chosen = [chooser(corpus.name, document, entity) for entity in document.entities]
            for entity, (name, decision, may_be) in zip(document.entities, chosen, strict=True):
                if may_be:
                    left.append(_undecided(corpus.name, document, entity, decision, may_be))
                    raw.add(name)
            documents.append(_changed(document, chosen) if document.entities else document)
        labels = dict.fromkeys(
            name for label in corpus.labels for name in (*chooser.names(corpus.name, label), *({label} & raw))
        )
        meta = marked(corpus.meta, {"labels": list(corpus.labels)})
        applied.append(replace(corpus, documents=tuple(documents), labels=tuple(labels), meta=meta))
    if left and undecided == "error":
        first = left[0]
        raise DataError(
            f"decisions must decide every entity; {len(left)} are left, first {first.surface!r} in document "
            f"{first.document!r} of {first.corpus} ({first.decision}). Add rules, or keep their raw label: keep-raw."
        )
    return applied


def revert(corpora: Sequence[Corpus]) -> list[Corpus]:
    """Return corpora as they were before `apply`, equal in every entity, label and order.

    Entities that were added or changed since are kept as they are now, with the raw label where they hold one.
    """
    reverted = []
    for corpus in corpora:
        documents = tuple(_unchanged(document) for document in corpus.documents)
        mark = corpus.meta.get(KEY)
        labels = corpus.labels
        if isinstance(mark, Mapping) and "labels" in mark:
            labels = tuple(mark["labels"])
        reverted.append(replace(corpus, documents=documents, labels=labels, meta=unmarked(corpus.meta)))
    return reverted


def unify(corpora: Sequence[Corpus], *, name: str = "unified") -> Corpus:
    """Return one corpus with the documents of all, each of which names its corpus."""
    languages = {corpus.language for corpus in corpora}
    licences = dict.fromkeys(corpus.licence for corpus in corpora if corpus.licence)
    return Corpus(
        name,
        tuple(
            document if document.corpus == corpus.name else replace(document, corpus=corpus.name)
            for corpus in corpora
            for document in corpus.documents
        ),
        labels=tuple(dict.fromkeys(label for corpus in corpora for label in corpus.labels)),
        language=languages.pop() if len(languages) == 1 else "",
        licence="; ".join(licences),
    )


def write_undecided(path: str | Path, undecided: Sequence[Undecided]) -> None:
    """Write a table of undecided entities, with an empty column ``name`` to fill in for a manual rule.

    Rows of an existing table that somebody has filled in stay, first, as they are.
    """
    from assay._files import atomic

    filled = [row for row in _table(path) if row.get("name")] if Path(path).is_file() else []
    with atomic(path, "w") as f:
        writer = csv.DictWriter(f, TABLE, delimiter="\t", lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(filled)
        for one in undecided:
            row = {column: getattr(one, column) for column in TABLE if column not in ("name", "may_be")}
            writer.writerow({**row, "name": "", "may_be": " | ".join(one.may_be)})


class _Chooser:
    """Tells for an entity: its name, the id of the decision ("" for none), and, undecided, the names it may get."""

    def __init__(self, decisions: Sequence[Decision], folder: str | Path | None) -> None:
        wrong = [problem for problem in validate(decisions, folder=folder) if problem.severity == "error"]
        if wrong:
            more = f" {len(wrong) - 1} more are wrong." if len(wrong) > 1 else ""
            raise DataError(f"decisions must be valid; {wrong[0].message}{more}")
        self._outcome, _ = outcomes(decisions)
        self._split = {entry.id: _splitter(entry, folder) for entry in decisions if entry.action == "split"}

    def __call__(self, corpus: str, document: Document, entity: Entity) -> tuple[str, str, tuple[str, ...]]:
        entry = self._outcome.get(f"{corpus}/{entity.label}")
        if entry is None:
            return entity.label, "", ()
        if entry.name is not None:
            return entry.name, entry.id, ()
        name, may_be = self._split[entry.id](corpus, document, entity)
        return (entity.label if name is None else name), entry.id, may_be

    def names(self, corpus: str, label: str) -> tuple[str, ...]:
        """Return the names that a label comes to, its own where nothing was decided."""
        entry = self._outcome.get(f"{corpus}/{label}")
        return (label,) if entry is None else entry.names


def _splitter(
    entry: Decision, folder: str | Path | None
) -> Callable[[str, Document, Entity], tuple[str | None, tuple[str, ...]]]:
    """Return what tells the name of an entity of a split label, or None and the names that it may get."""
    into = entry.into or {}
    rest = next((name for name, rule in into.items() if rule == REST), None)
    rules = {name: rule for name, rule in into.items() if isinstance(rule, Rule)}
    listed = {
        name: _gazetteer(_file(rule.gazetteer, entry, folder))
        for name, rule in rules.items()
        if rule.gazetteer
    }
    searched = {name: re.compile(rule.regex) for name, rule in rules.items() if rule.regex}
    predicted = {
        name: _predictions(_file(rule.model, entry, folder)) for name, rule in rules.items() if rule.model
    }
    by_hand: dict[Place, dict[str, str]] = {}
    for file in dict.fromkeys(rule.manual for rule in rules.values() if rule.manual):
        by_hand |= _manual(_file(file, entry, folder), tuple(into))
    by_words: dict[str, frozenset[str]] = {}

    def taken(surface: str) -> frozenset[str]:
        """Return the names whose gazetteer or expression takes a surface."""
        if surface not in by_words:
            folded = key(surface)
            by_words[surface] = frozenset(
                name
                for name in rules
                if folded in listed.get(name, ()) or (name in searched and searched[name].search(surface))
            )
        return by_words[surface]

    def choose(corpus: str, document: Document, entity: Entity) -> tuple[str | None, tuple[str, ...]]:
        surface = document.surface(entity)
        row = by_hand.get((corpus, document.split, document.id, entity.start, entity.end))
        if row is not None and row["label"] in ("", entity.label):
            if row["surface"] not in ("", surface):
                raise DataError(
                    f"{row['where']}: surface must be what the document has there, {surface!r}; "
                    f"got {row['surface']!r}. List the undecided again."
                )
            return row["name"], ()
        yes = set(taken(surface))
        unknown = {
            name
            for name, rule in rules.items()
            if rule.manual and rule.files == (rule.manual,) and not rule.regex
        }
        for name, of in predicted.items():
            labels = of.get(document.text, {}).get((entity.start, entity.end), frozenset())
            if name in labels:
                yes.add(name)
            elif not labels & into.keys():
                unknown.add(name)
        if len(yes) == 1:
            return yes.pop(), ()
        if not yes and not unknown and rest is not None:
            return rest, ()
        return None, tuple(name for name in into if name in (yes or unknown) or (name == rest and not yes))

    return choose


def _file(name: str | None, entry: Decision, folder: str | Path | None) -> Path:
    if folder is None:
        raise DataError(f"folder must be given for {entry.id}, which reads {name}; got None.")
    fault = file_fault(name or "", folder)
    if fault is not None:
        raise DataError(f"{entry.id}: into {fault}")
    return Path(folder) / (name or "")


def _gazetteer(path: Path) -> frozenset[tuple[str, ...]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text; {error.reason} at byte {error.start}.") from None
    return frozenset(key(line) for line in lines if line.strip())


def _predictions(path: Path) -> dict[str, dict[tuple[int, int], frozenset[str]]]:
    """Return the labels that a model gave to places, by text."""
    from assay.ner.read import read_corpus

    places: dict[str, dict[tuple[int, int], frozenset[str]]] = {}
    for document in read_corpus(path).documents:
        of = places.setdefault(document.text, {})
        for entity in document.entities:
            place = (entity.start, entity.end)
            of[place] = of.get(place, frozenset()) | {entity.label}
    return places


def _table(path: str | Path) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as f:
            return [
                {name: value or "" for name, value in row.items() if name is not None}
                for row in csv.DictReader(f, delimiter="\t")
            ]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} must be UTF-8 text; {error.reason} at byte {error.start}.") from None


def _manual(path: Path, names: tuple[str, ...]) -> dict[Place, dict[str, str]]:
    """Return the rows of a table that name an entity, by its place."""
    found: dict[Place, dict[str, str]] = {}
    for number, row in enumerate(_table(path), 2):
        where = f"{path}:{number}"
        lacks = [column for column in ("corpus", "document", "start", "end", "name") if column not in row]
        if lacks:
            raise DataError(
                f"{path} must have the columns {', '.join(TABLE[:8])}; it lacks {', '.join(lacks)}."
            )
        name = row["name"].strip()
        if not name:
            continue
        if name not in names:
            raise DataError(f"{where}: name must be one of {', '.join(names)}; got {name!r}.")
        try:
            place = (row["corpus"], row.get("split", ""), row["document"], int(row["start"]), int(row["end"]))
        except ValueError:
            raise DataError(
                f"{where}: start and end must be whole numbers; got {row['start']!r} and {row['end']!r}."
            ) from None
        first = found.setdefault(
            place,
            {"label": row.get("label", ""), "surface": row.get("surface", ""), "name": name, "where": where},
        )
        if first["name"] != name:
            raise DataError(
                f"{where}: an entity must have one name; got {name!r} here, {first['name']!r} above."
            )
    return found


def _undecided(
    corpus: str, document: Document, entity: Entity, decision: str, may_be: tuple[str, ...]
) -> Undecided:
    low, high = max(0, entity.start - CONTEXT), entity.end + CONTEXT
    return Undecided(
        corpus,
        document.split,
        document.id,
        entity.start,
        entity.end,
        entity.label,
        document.surface(entity),
        may_be,
        decision,
        " ".join(document.text[low:high].split()),
    )


def _copies(document: Document, names: Sequence[str]) -> list[int | None]:
    """Return for each entity the earlier one that has its bounds and new name, and had another label, or None."""
    first: dict[tuple[Any, ...], int] = {}
    copies: list[int | None] = []
    for at, (entity, name) in enumerate(zip(document.entities, names, strict=True)):
        kept = first.setdefault((entity.start, entity.end, entity.spans, name), at)
        copies.append(kept if document.entities[kept].label != entity.label else None)
    return copies


def _changed(document: Document, chosen: Sequence[tuple[str, str, tuple[str, ...]]]) -> Document:
    copies = _copies(document, [name for name, _, _ in chosen])
    held: dict[int, list[dict[str, Any]]] = {}
    for at, kept in enumerate(copies):
        if kept is not None:
            entity = document.entities[at]
            copy = {"at": at, "label": entity.label, "decision": chosen[at][1], "meta": dict(entity.meta)}
            held.setdefault(kept, []).append(copy)
    entities = []
    for at, (entity, (name, decision, may_be)) in enumerate(zip(document.entities, chosen, strict=True)):
        if copies[at] is not None:
            continue
        if (decision and not may_be) or at in held or KEY in entity.meta:
            mark: dict[str, Any] = {"label": entity.label, "decision": "" if may_be else decision}
            if at in held:
                mark["copies"] = held[at]
            entity = replace(entity, label=name, meta=marked(entity.meta, mark))
        entities.append(entity)
    return replace(document, entities=tuple(entities))


def _unchanged(document: Document) -> Document:
    entities: list[Entity] = []
    copies: list[tuple[int, Entity]] = []
    for entity in document.entities:
        mark = entity.meta.get(KEY)
        if not isinstance(mark, Mapping) or "label" not in mark:
            entities.append(entity)
            continue
        for copy in mark.get("copies", ()):
            copies.append((copy["at"], replace(entity, label=copy["label"], meta=copy["meta"])))
        entities.append(replace(entity, label=mark["label"], meta=unmarked(entity.meta)))
    for at, entity in sorted(copies, key=lambda copy: copy[0]):
        entities.insert(at, entity)
    return replace(document, entities=tuple(entities))


def marked(meta: Mapping[str, Any], mark: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """Return `meta` with a mark, which holds what stood in its place."""
    return {**meta, key: {**mark, "before": meta[key]} if key in meta else mark}


def unmarked(meta: Mapping[str, Any], key: str = KEY) -> dict[str, Any]:
    """Return `meta` as it was before it was marked."""
    mark = meta.get(key)
    if isinstance(mark, Mapping) and "before" in mark:
        return {**meta, key: mark["before"]}
    return {name: value for name, value in meta.items() if name != key}
