"""Labels of a recipe's corpora -> the names that they get: of the universal taxonomy, of decisions, of the recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from assay.errors import DataError
from assay.ner.apply import KEY, LabelChange, apply, preview
from assay.ner.decisions import Decision, Rule, read_decisions
from assay.ner.document import Corpus
from assay.ner.recipes import NONE, UNIVERSAL, Entry, Place, Recipe
from assay.ner.taxonomy import Source, Taxonomy, Type, universal

AUTHOR = "taxonomy"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What became of a raw label: the `name` it got, by what, and its entities as read and in what is trained on.

    `how` is ``mapped`` (with the id of the type, and whether its meaning was ``read`` in a public source), ``decided``,
    ``ignored`` by a decision, ``unknown`` where neither the taxonomy nor a decision says what it comes to, so that it
    keeps its own name, or ``raw`` where nothing was asked. Of entities that come to one place and name the first is
    counted in `kept`.
    """

    corpus: str
    label: str
    name: str
    how: str
    type: str
    provenance: str
    decision: str
    entities: int
    kept: int


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


def named(
    recipe: Recipe, found: Sequence[Place], corpora: Sequence[Corpus], folder: Path
) -> tuple[list[Corpus], list[LabelRow], tuple[Decision, ...], tuple[Path, ...]]:
    """Return the corpora with the names that a recipe gives to labels, and how these came to be.

    Returns
    -------
    tuple
        Corpora, a row a raw label, the decisions that were applied, and the files that they are from or refer to.
    """
    files: dict[Path, None] = {}
    used: dict[str, Decision] = {}
    applied, rows = [], []
    for place, corpus in zip(found, corpora, strict=True):
        own, whole, mine = _decided(recipe, place.entry, corpus, folder)
        files |= dict.fromkeys(mine)
        home = mine[0].parent if mine else folder
        by_id = {decision.id: decision for decision in own}
        ignored = {label for entry in whole.values() if entry.action == "ignore" for label in entry.labels}
        for change in preview([corpus], own, folder=home).changes:
            row = _label_row(recipe, place.entry, change, by_id.get(change.decision))
            seen = not row.decision and f"{row.corpus}/{row.label}" in ignored
            rows.append(replace(row, how="ignored") if seen else row)
        applied += apply([corpus], own, folder=home, undecided=recipe.undecided)
        for decision in own:
            before = used.get(decision.id)
            if before is not None:  # one decision on several corpora
                labels = (*before.labels, *decision.labels)
                decision = whole[decision.id].model_copy(update={"labels": labels})
            used[decision.id] = decision
    return applied, rows, tuple(used.values()), tuple(files)


def _decided(
    recipe: Recipe, entry: Entry, corpus: Corpus, folder: Path
) -> tuple[list[Decision], dict[str, Decision], tuple[Path, ...]]:
    """Return the decisions on the labels of a corpus, the nearest first, all of their files, and all files."""
    own = list(_named(entry))
    whole: dict[str, Decision] = {}
    files: list[Path] = []
    ruled: list[Path] = []
    shared = None if recipe.mapping in (UNIVERSAL, NONE) else recipe.mapping
    for file, mine in ((entry.decisions, True), (shared, False)):
        if file is None:
            continue
        path = folder / file
        if not path.is_file():
            what = f"decisions of {entry.name} must be" if mine else f"mapping must be {UNIVERSAL}, {NONE} or"
            raise DataError(f"{what} an existing decision file; there is no {path}.")
        files.append(path)
        entries = read_decisions(path).entries
        if mine:
            entries = tuple(e.model_copy(update={"id": f"{entry.name}-{e.id}"}) for e in entries)
        whole |= {e.id: e for e in entries}
        rules = [rule for e in entries for rule in (e.into or {}).values() if isinstance(rule, Rule)]
        ruled += [path.parent / name for rule in rules for name in rule.files]
        own += _left(entries, corpus.name, own)
    if len({path.parent for path in files}) > 1:
        raise DataError(
            f"decisions of {entry.name} and mapping must lie in one folder, as the files of their splits do; got "
            f"{' and '.join(map(str, files))}."
        )
    source = entry.known
    if recipe.mapping == UNIVERSAL and source is not None:
        by_corpus: Literal["en", "zh"] = "zh" if corpus.language == "zh" else "en"
        language = entry.names or (by_corpus if recipe.names == "corpus" else recipe.names)
        said = mapping_decisions(corpus.name, source, universal(), language=language)
        own += _left(said, corpus.name, own)
    return own, whole, (*files, *ruled)


def _named(entry: Entry) -> Iterable[Decision]:
    """Yield the decisions that the names of labels in a recipe come to."""
    labels: dict[str, list[str]] = {}
    for label, name in entry.labels.items():
        labels.setdefault(name, []).append(f"{entry.name}/{label}")
    for number, (name, own) in enumerate(labels.items(), 1):
        yield Decision(
            id=f"{entry.name}-r{number}",
            labels=tuple(own),
            action="rename" if len(own) == 1 else "merge",
            name=name,
            author="recipe",
        )


def _left(entries: Iterable[Decision], corpus: str, before: Sequence[Decision]) -> list[Decision]:
    """Return what decisions say of the labels of a corpus that were not decided before."""
    done = {label for decision in before for label in decision.labels}
    left = []
    for entry in entries:
        labels = tuple(
            label for label in entry.labels if label.partition("/")[0] == corpus and label not in done
        )
        if not labels or entry.action == "ignore":
            continue
        action = "rename" if len(labels) == 1 and entry.action in ("same", "merge") else entry.action
        left.append(entry.model_copy(update={"labels": labels, "action": action}))
    return left


def _label_row(recipe: Recipe, entry: Entry, change: LabelChange, decision: Decision | None) -> LabelRow:
    source = entry.known
    raw = source.labels.get(change.label) if source is not None else None
    if decision is None:
        how = "raw" if recipe.mapping == NONE else "unknown"
    else:
        how = "mapped" if decision.author == AUTHOR else "decided"
    told = raw if how == "mapped" else None
    return LabelRow(
        change.corpus,
        change.label,
        change.name,
        how,
        (told.type or "") if told else "",
        told.provenance if told else "",
        change.decision,
        change.entities,
        0,
    )


def with_kept(rows: Sequence[LabelRow], corpora: Iterable[Corpus]) -> tuple[LabelRow, ...]:
    """Return the rows of labels with the entities that are trained on."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for corpus in corpora:
        for document in corpus.documents:
            if document.split != "train":
                continue
            for entity in document.entities:
                mark = entity.meta.get(KEY)
                label = mark["label"] if isinstance(mark, Mapping) and "label" in mark else entity.label
                counts[corpus.name, label, entity.label] += 1
    return tuple(replace(row, kept=counts[row.corpus, row.label, row.name]) for row in rows)


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
