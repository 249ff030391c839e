"""A recipe -> one training set: read, check, map, apply, guard against leakage, drop copies, prune, write."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from assay._files import atomic
from assay.errors import DataError
from assay.ner.apply import KEY, LabelChange, apply, preview, unify
from assay.ner.check import Finding, check
from assay.ner.decisions import Decision, read_decisions, write_decisions
from assay.ner.document import Corpus
from assay.ner.read import read_corpus
from assay.ner.recipes import NONE, UNIVERSAL, Entry, Place, Recipe, Role, places
from assay.ner.standard import AUTHOR, mapping_decisions
from assay.ner.taxonomy import universal
from assay.ner.write import write_corpus

ROLES: tuple[Role, ...] = ("train", "dev", "test")
SHOWN = 3
Progress = Callable[[int, int], None]
Stage = Callable[[str, str], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Count:
    """How many documents, entities, labels and documents without entities a role of a corpus has after a step."""

    step: str
    corpus: str
    role: str
    documents: int
    entities: int
    labels: int
    empty: int


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What became of a raw label: the `name` it got, by what, and its entities as read and in what is trained on.

    `how` is ``mapped`` (with the type and whether its meaning was ``read``), ``decided``, ``raw`` where nothing was
    asked for, or ``unknown`` where the taxonomy does not say what it means, so that it keeps its own name.
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


@dataclass(frozen=True, slots=True)
class Dropped:
    """A document that is not trained on, why, and the document it gave way to where there is one."""

    corpus: str
    split: str
    document: str
    reason: str
    partner: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """One training set and how it came to be.

    `train`, `dev` and `test` hold a corpus for each that has documents there, in the order of the recipe, their
    documents' `split` the role and ``meta["split"]`` that of their file. `missing` are corpora that were left out
    because they are not there. `readings` say how each was read. `files` are the decision files that were used.
    """

    recipe: Recipe
    train: tuple[Corpus, ...]
    dev: tuple[Corpus, ...]
    test: tuple[Corpus, ...]
    counts: tuple[Count, ...]
    labels: tuple[LabelRow, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    missing: tuple[Place, ...]
    paths: tuple[Path, ...]
    files: tuple[Path, ...]

    def totals(self) -> list[dict[str, Any]]:
        """Return documents, entities and different labels of each step and role over all corpora."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for count in self.counts:
            row = rows.setdefault(
                (count.step, count.role),
                {"step": count.step, "role": count.role, "corpora": 0, "documents": 0, "entities": 0},
            )
            row["corpora"] += 1
            row["documents"] += count.documents
            row["entities"] += count.entities
        return list(rows.values())


@contextmanager
def _quiet(name: str, expect: str = "") -> Iterator[Progress]:
    yield lambda done, total: None


def build(
    recipe: Recipe,
    *,
    folder: str | Path = ".",
    data: str | Path | None = None,
    skip_missing: bool = False,
    stage: Stage = _quiet,
) -> Built:
    """Make one training set of the corpora of a recipe.

    Parameters
    ----------
    recipe
        As `read_recipe` returns it.
    folder
        That of the recipe's file, from which its paths go.
    data
        Folder of the corpora, in place of the one that the recipe names.
    skip_missing
        Go on without corpora that are not there, instead of stopping.
    stage
        ``stage(name, expect)`` opens each step and gives what takes (done, total).

    Raises
    ------
    DataError
        Corpora that are not there (and how to get them), a file that cannot be read, findings where the recipe stops at
        them, decisions that are not valid, entities that a split leaves open.

    Notes
    -----
    All corpora are in memory. The same recipe, files and seed give the same result, whatever the order of hashes.
    """
    at = places(recipe, folder=folder, data=data)
    missing = [place for place in at if not place.there]
    if missing and not skip_missing:
        shown = "; ".join(f"{place.entry.name} ({place.path}): {place.how}" for place in missing[:SHOWN])
        more = f" And {len(missing) - SHOWN} more." if len(missing) > SHOWN else ""
        raise DataError(
            f"corpora must be where the recipe looks for them; {len(missing)} of {len(at)} are not there: "
            f"{shown}{more} Get them (assay ner recipes RECIPE lists all), name another data folder, or go on without "
            "them: --skip-missing."
        )
    found = [place for place in at if place.there]
    if not found:
        raise DataError(f"corpora must be there, at least one; none of {len(at)} is.")
    tally = _Tally()
    with stage("read", f"{len(found)} corpora") as progress:
        whole = []
        for number, place in enumerate(found):
            whole.append(_read(recipe, place))
            progress(number + 1, len(found))
        tally.count("read", whole)
    parts = []
    for place, corpus in zip(found, whole, strict=True):
        parts.append(tally.drop(*_with_roles(place.entry, corpus, recipe.seed)))
    tally.count("roles", parts)
    with stage("check", f"{tally.documents:,} documents"):
        findings = tuple(finding for corpus in parts for finding in check(corpus))
        wrong = [finding for finding in findings if finding.severity == "error"]
        if wrong and recipe.check == "error":
            raise DataError(
                f"corpora must be sound; {len(wrong)} errors were found, first: {wrong[0].where}: {wrong[0].message}. "
                "Mend them, or leave check: report in the recipe."
            )
    with stage("map", recipe.mapping):
        applied, labels, decisions, files = _mapped(recipe, found, parts, Path(folder))
        tally.count("apply", applied)
    train = _of_role(applied, "train")
    if not train:
        raise DataError("corpora must have documents to train on; got none. Check role and splits.")
    return Built(
        recipe=recipe,
        train=train,
        dev=_of_role(applied, "dev"),
        test=_of_role(applied, "test"),
        counts=tuple(tally.counts),
        labels=_with_kept(labels, train),
        dropped=tuple(tally.dropped),
        findings=findings,
        decisions=decisions,
        missing=tuple(missing),
        paths=tuple(place.path for place in found),
        files=files,
    )


class _Tally:
    """What is left after each step, and what is not."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self.dropped: list[Dropped] = []
        self.documents = 0

    def count(self, step: str, corpora: Iterable[Corpus]) -> None:
        self.documents = 0
        for corpus in corpora:
            self.documents += len(corpus.documents)
            roles = {document.split: None for document in corpus.documents} if step != "read" else {"": None}
            for role in sorted(roles, key=lambda role: ROLES.index(role) if role in ROLES else -1):
                mine = [d for d in corpus.documents if step == "read" or d.split == role]
                self.counts.append(
                    Count(
                        step,
                        corpus.name,
                        role or "all",
                        len(mine),
                        sum(len(document.entities) for document in mine),
                        len({entity.label for document in mine for entity in document.entities}),
                        sum(not document.entities for document in mine),
                    )
                )

    def drop(self, corpus: Corpus, dropped: Iterable[Dropped]) -> Corpus:
        self.dropped += dropped
        return corpus


def _read(recipe: Recipe, place: Place) -> Corpus:
    """Return a corpus, read as its source says unless B2NERD gave it out, and as the recipe says."""
    entry, source = place.entry, place.entry.known
    options: dict[str, Any] = {}
    if source is not None and recipe.layout == "names":
        options |= source.reading
        options.setdefault("language", source.language)
    options |= entry.reading.given()
    if entry.language is not None:
        options["language"] = entry.language
    return read_corpus(place.path, name=entry.name, **options)


def _with_roles(entry: Entry, corpus: Corpus, seed: int) -> tuple[Corpus, list[Dropped]]:
    """Return the documents that have a role, which is their split from now on, and those left out."""
    there = corpus.splits
    if entry.splits:
        role_of: dict[str, Role] = {split: role for role in ROLES for split in entry.splits.get(role, ())}
        for named_role, named in entry.splits.items():
            if not set(named) & set(there):
                has = ", ".join(split or "''" for split in there)
                raise DataError(
                    f"splits.{named_role} of {entry.name} must be of those that it has ({has}); got {', '.join(named)}."
                )
    elif entry.role == "test":
        role_of = {"test": "test"} if "test" in there else dict.fromkeys(there, "test")
    else:
        held: dict[str, Role] = {"dev": "dev", "test": "test"}
        role_of = {split: held.get(split, "train") for split in there}
        if entry.role == "train":
            role_of.pop("test", None)
    main = "test" if entry.role == "test" and not entry.splits else "train"
    chosen = {document.id for document in corpus.documents if role_of.get(document.split) == main}
    if entry.limit is not None and len(chosen) > entry.limit:
        chosen = set(sorted(chosen, key=lambda id: (_drawn(seed, corpus.name, id), id))[: entry.limit])
    kept, dropped = [], []
    for document in corpus.documents:
        role = role_of.get(document.split, "")
        if not role or (role == main and document.id not in chosen):
            reason = "limit" if role else "split"
            dropped.append(Dropped(corpus.name, document.split, document.id, reason))
        elif role == document.split:
            kept.append(document)
        else:
            kept.append(replace(document, split=role, meta={**document.meta, "split": document.split}))
    return replace(corpus, documents=tuple(kept)), dropped


def _drawn(seed: int, *words: str) -> bytes:
    return hashlib.sha256("\0".join((str(seed), *words)).encode("utf-8", "surrogatepass")).digest()


def _of_role(corpora: Iterable[Corpus], role: str) -> tuple[Corpus, ...]:
    found = (
        replace(corpus, documents=tuple(d for d in corpus.documents if d.split == role)) for corpus in corpora
    )
    return tuple(corpus for corpus in found if corpus.documents)


def _mapped(
    recipe: Recipe, found: Sequence[Place], corpora: Sequence[Corpus], folder: Path
) -> tuple[list[Corpus], list[LabelRow], tuple[Decision, ...], tuple[Path, ...]]:
    """Return the corpora under new names, each label's fate, the decisions, and the files that these are from."""
    files: dict[Path, None] = {}
    used: dict[str, Decision] = {}
    applied, rows = [], []
    for place, corpus in zip(found, corpora, strict=True):
        own, mine = _decided(recipe, place.entry, corpus, folder)
        files |= dict.fromkeys(mine)
        home = mine[0].parent if mine else folder
        by_id = {decision.id: decision for decision in own}
        for change in preview([corpus], own, folder=home).changes:
            rows.append(_label_row(recipe, place.entry, change, by_id.get(change.decision)))
        applied += apply([corpus], own, folder=home, undecided=recipe.undecided)
        for decision in own:
            before = used.get(decision.id)
            labels = (*before.labels, *decision.labels) if before else decision.labels
            action = "merge" if before and before.name else decision.action
            used[decision.id] = decision.model_copy(update={"labels": labels, "action": action})
    return applied, rows, tuple(used.values()), tuple(files)


def _decided(
    recipe: Recipe, entry: Entry, corpus: Corpus, folder: Path
) -> tuple[list[Decision], tuple[Path, ...]]:
    """Return the decisions on the labels of a corpus, the nearest first, and the files that they are from."""
    own = list(_named(entry))
    files = []
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
    return own, tuple(files)


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


def _with_kept(rows: Sequence[LabelRow], train: Iterable[Corpus]) -> tuple[LabelRow, ...]:
    """Return the rows of labels with the entities that are trained on."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for corpus in train:
        for document in corpus.documents:
            for entity in document.entities:
                mark = entity.meta.get(KEY)
                label = mark["label"] if isinstance(mark, Mapping) and "label" in mark else entity.label
                counts[corpus.name, label, entity.label] += 1
    return tuple(replace(row, kept=counts[row.corpus, row.label, row.name]) for row in rows)


def write_built(built: Built, folder: str | Path) -> None:
    """Write a training set into an existing folder: documents, what became of labels and documents, counts, decisions.

    ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl`` are assay's own documents, each with its corpus, raw labels and
    decisions. ``counts.tsv`` has a row a step, corpus and role, ``labels.tsv`` one a raw label, ``dropped.tsv`` one a
    document that is not trained on, ``findings.tsv`` one a finding, ``decisions.yaml`` every decision that was applied.
    """
    place = Path(folder)
    write_corpus(
        unify([*built.train, *built.dev, *built.test], name=built.recipe.name),
        place,
        format="documents",
        overwrite=True,
    )
    write_decisions(place / "decisions.yaml", built.decisions)
    _table(place / "counts.tsv", Count, built.counts)
    _table(place / "labels.tsv", LabelRow, built.labels)
    _table(place / "dropped.tsv", Dropped, built.dropped)
    _table(place / "findings.tsv", Finding, built.findings)


def _table(path: Path, kind: type[Any], rows: Iterable[Any]) -> None:
    columns = [field.name for field in fields(kind)]
    with atomic(path, "w") as f:
        writer = csv.writer(f, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([getattr(row, column) for column in columns] for row in rows)
