"""A recipe -> one training set: read, check, map, apply, guard against leakage, drop copies, prune, write."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from assay._files import atomic, write_json
from assay.errors import DataError
from assay.ner.apply import unify
from assay.ner.candidates import sifted
from assay.ner.check import Finding, check
from assay.ner.decisions import Decision, write_decisions
from assay.ner.document import Corpus, Document
from assay.ner.export import export
from assay.ner.instruct import check_labels
from assay.ner.prune import prune
from assay.ner.pruned import REASONS as PRUNED
from assay.ner.pruned import Disagreement, Dropped, Pruned, TypeRow
from assay.ner.read import read_corpus
from assay.ner.recipes import Entry, Place, Recipe, Role, places
from assay.ner.standard import LabelRow, named, with_kept
from assay.ner.write import write_corpus

ROLES: tuple[Role, ...] = ("train", "dev", "test")
STEPS: dict[str, tuple[str, ...]] = {
    "leakage": ("test", "near_test"),
    "copies": ("copy",),
    "near copies": ("near_copy",),
    "prune": ("quota", "negative", "limit", "strategy"),
}
REASONS: dict[str, str] = {
    "split": "the recipe uses other splits of its corpus",
    "drawn": "the recipe limits its corpus, and others were drawn",
    **PRUNED,
}
SHOWN = 3
Progress = Callable[[int, int], None]
Stage = Callable[[str, str], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Count:
    """What a role of a corpus, or of all of them (`corpus` ""), holds after a step.

    `empty` are documents without entities, `labels` different ones.
    """

    step: str
    role: str
    corpus: str
    corpora: int
    documents: int
    empty: int
    entities: int
    labels: int


@dataclass(frozen=True, slots=True)
class Built:
    """One training set and how it came to be.

    corpora
        In the order of the recipe. A document's `split` is its role, and ``meta["split"]`` that of its file where it
        has another name.
    counts
        Of all corpora and of each, by role, after reading, the choice of splits (``roles``), mapping (``apply``), and
        each of `STEPS`, which concern the training documents alone.
    labels
        What became of every raw label.
    dropped
        Every document that is in none of the corpora, with a reason of `REASONS`.
    findings, decisions
        What `assay.ner.check` found, and all that was applied.
    missing
        Corpora that were left out because they are not there.
    disagreements
        Entities that only one of two training documents of one text had.
    pruned
        What `assay.ner.prune` returned, None where the recipe has no pruning.
    paths, files
        Of the corpora, and of the decision files that were read, with those that their splits name.
    """

    recipe: Recipe
    corpora: tuple[Corpus, ...]
    counts: tuple[Count, ...]
    labels: tuple[LabelRow, ...]
    dropped: tuple[Dropped, ...]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    missing: tuple[Place, ...]
    disagreements: tuple[Disagreement, ...]
    pruned: Pruned | None
    paths: tuple[Path, ...]
    files: tuple[Path, ...]

    def of(self, role: str) -> list[Document]:
        """Return the documents of a role: ``train``, ``dev`` or ``test``."""
        return [
            document for corpus in self.corpora for document in corpus.documents if document.split == role
        ]

    def totals(self) -> list[dict[str, Any]]:
        """Return what all corpora hold after each step, a row a role."""
        return [
            {key: value for key, value in asdict(count).items() if key != "corpus"}
            for count in self.counts
            if not count.corpus
        ]


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

    They are read and checked, their labels get the names that the recipe gives them, and of what is trained on goes
    what is held out, what stands twice, and what pruning does not keep.

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
        Corpora that are not there (and how to get them), a file that cannot be read, errors that `check` finds where
        the recipe stops at them, decisions that are not valid, entities that a split leaves open, labels that no prompt
        can hold where prompts are exported.

    Notes
    -----
    All corpora are in memory: 1 GB for 55,000 sentences, with pruning. The same recipe, files and seed give the same
    result, whatever the order of hashes and the number of threads.

    Held out is what has the role ``dev`` or ``test`` in any corpus: a training document equal or near to one of either
    goes. Where the recipe prunes, `assay.ner.prune` does all of this; where it does not, copies of equally rich
    documents go by the order of the recipe.

    Examples
    --------
    >>> from importlib.resources import as_file, files
    >>> from assay.ner import read_recipe
    >>> with as_file(files("assay.ner") / "builtin" / "mini") as mini:
    ...     built = build(read_recipe("mini"), data=mini)
    >>> [(row["step"], row["documents"]) for row in built.totals() if row["role"] == "train"][:2]
    [('roles', 394), ('apply', 394)]
    """
    at = places(recipe, folder=folder, data=data)
    found, missing = _there(at, skip_missing)
    tally = _Tally()
    with stage("read", f"{len(found)} corpora") as progress:
        parts = []
        for number, place in enumerate(found):
            whole = _read(recipe, place)
            tally.read(whole)
            part, left = _with_roles(place.entry, whole, recipe.seed)
            parts.append(part)
            tally.dropped += left
            progress(number + 1, len(found))
    tally.count("roles", parts)
    with stage("check", f"{sum(len(corpus.documents) for corpus in parts):,} documents"):
        findings = tuple(finding for corpus in parts for finding in check(corpus))
        wrong = [finding for finding in findings if finding.severity == "error"]
        if wrong and recipe.check == "error":
            raise DataError(
                f"corpora must be sound; {len(wrong)} errors were found, first: {wrong[0].where}: {wrong[0].message}. "
                "Mend them, or write check: report into the recipe."
            )
    with stage("map", recipe.mapping):
        applied, labels, decisions, files = named(recipe, found, parts, Path(folder))
        tally.count("apply", applied)
        if recipe.export is not None and {*recipe.export.to} != {"gliner"}:
            for corpus in applied:
                if corpus.labels:
                    check_labels(f"labels of {corpus.name}", corpus.labels)
    with stage("prune", "nothing" if recipe.prune is None else recipe.prune.strategy) as progress:
        kept, gone, disagreements, pruned = _kept(recipe, applied, missing, progress)
        tally.steps(applied, gone)
    if not any(document.split == "train" for corpus in kept for document in corpus.documents):
        why = ", ".join(f"{count} {reason}" for reason, count in Counter(one.reason for one in gone).items())
        raise DataError(
            f"corpora must leave documents to train on; got none ({why or 'no split is trained on'}). "
            "Check role, splits and prune."
        )
    return Built(
        recipe=recipe,
        corpora=tuple(corpus for corpus in kept if corpus.documents),
        counts=tuple(tally.counts),
        labels=with_kept(labels, kept),
        dropped=tuple(tally.dropped),
        findings=findings,
        decisions=decisions,
        missing=tuple(missing),
        disagreements=tuple(disagreements),
        pruned=pruned,
        paths=tuple(place.path for place in found),
        files=files,
    )


class _Tally:
    """What is left after each step, and what is not."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self.dropped: list[Dropped] = []
        self._labels: set[str] = set()
        self._splits: dict[tuple[str, str], str] = {}

    def read(self, corpus: Corpus) -> None:
        """Count a corpus as it was read, and add it to the first row, which is of all."""
        mine = _counted("read", "all", corpus.name, corpus.documents)
        self._splits |= {(corpus.name, document.id): document.split for document in corpus.documents}
        self._labels |= {entity.label for document in corpus.documents for entity in document.entities}
        all_of_them = self.counts.pop(0) if self.counts else Count("read", "all", "", 0, 0, 0, 0, 0)
        both = {
            name: getattr(all_of_them, name) + getattr(mine, name)
            for name in ("corpora", "documents", "empty", "entities")
        }
        self.counts.insert(0, replace(all_of_them, labels=len(self._labels), **both))
        self.counts.append(mine)

    def count(self, step: str, corpora: Sequence[Corpus], roles: Sequence[Role] = ROLES) -> None:
        """Count what corpora hold after a step, all of them and then each."""
        parts = {
            role: {c.name: [d for d in c.documents if d.split == role] for c in corpora} for role in roles
        }
        for role, by_corpus in parts.items():
            whole = [document for documents in by_corpus.values() for document in documents]
            corpora_with = sum(bool(documents) for documents in by_corpus.values())
            if whole:
                self.counts.append(replace(_counted(step, role, "", whole), corpora=corpora_with))
        for name in [corpus.name for corpus in corpora]:
            for role in roles:
                if parts[role][name]:
                    self.counts.append(_counted(step, role, name, parts[role][name]))

    def steps(self, corpora: Sequence[Corpus], gone: Iterable[Dropped]) -> None:
        """Count what is left to train on after each of `STEPS`, and keep why documents went."""
        reasons = {(one.corpus, one.document): one for one in gone}
        left = list(corpora)
        for step, of in STEPS.items():
            left = [
                replace(
                    corpus,
                    documents=tuple(
                        d
                        for d in corpus.documents
                        if (one := reasons.get((corpus.name, d.id))) is None or one.reason not in of
                    ),
                )
                for corpus in left
            ]
            self.count(step, left, ("train",))
        order = {corpus.name: number for number, corpus in enumerate(corpora)}
        self.dropped += [
            replace(one, split=self._splits[one.corpus, one.document]) for one in reasons.values()
        ]
        self.dropped.sort(key=lambda one: (order.get(one.corpus, -1), one.split, one.document))


def _counted(step: str, role: str, corpus: str, documents: Collection[Document]) -> Count:
    return Count(
        step,
        role,
        corpus,
        1,
        len(documents),
        sum(not document.entities for document in documents),
        sum(len(document.entities) for document in documents),
        len({entity.label for document in documents for entity in document.entities}),
    )


def _there(at: Sequence[Place], skip_missing: bool) -> tuple[list[Place], list[Place]]:
    """Return the corpora that are there and those that are not, or raise and say how to get these."""
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
        raise DataError(
            f"corpora must be there, at least one; none of {len(at)} is. Name another data folder."
        )
    return found, missing


def _read(recipe: Recipe, place: Place) -> Corpus:
    """Return a corpus, read as its source says unless B2NERD gave it out, and as the recipe says."""
    entry, source = place.entry, place.entry.known
    options: dict[str, Any] = {}
    if source is not None and recipe.layout == "names":
        options = {"language": source.language, **source.reading}
    options |= entry.reading.given()
    if entry.language is not None:
        options["language"] = entry.language
    return read_corpus(place.path, name=entry.name, **options)


def _with_roles(entry: Entry, corpus: Corpus, seed: int) -> tuple[Corpus, list[Dropped]]:
    """Return the documents that have a role, which is their split from now on, and those left out."""
    role_of = _roles(entry, corpus)
    main: Role = "train" if entry.trained else "test"
    drawn = {document.id for document in corpus.documents if role_of.get(document.split) == main}
    if entry.limit is not None and len(drawn) > entry.limit:
        drawn = set(sorted(drawn, key=lambda id: (_hash(seed, corpus.name, id), id))[: entry.limit])
    kept, dropped = [], []
    for document in corpus.documents:
        role = role_of.get(document.split)
        if role is None or (role == main and document.id not in drawn):
            reason = "split" if role is None else "drawn"
            dropped.append(Dropped(corpus.name, document.split, document.id, reason))
            continue
        meta = document.meta if role == document.split else {**document.meta, "split": document.split}
        kept.append(replace(document, split=role, corpus=corpus.name, meta=meta))
    return replace(corpus, documents=tuple(kept)), dropped


def _roles(entry: Entry, corpus: Corpus) -> Mapping[str, Role]:
    """Return what becomes of each split of a corpus that is used."""
    there = corpus.splits
    if not entry.splits:
        if entry.role == "test":
            return {"test": "test"} if "test" in there else dict.fromkeys(there, "test")
        held: dict[str, Role] = {"dev": "dev", "test": "test"}
        return {split: held.get(split, "train") for split in there if split != "test" or entry.role == "both"}
    for role, splits in entry.splits.items():
        if not set(splits) & set(there):
            has = ", ".join(split or "''" for split in there)
            raise DataError(
                f"splits.{role} of {entry.name} must be of those that it has ({has}); got {', '.join(splits)}."
            )
    return {split: role for role in ROLES for split in entry.splits.get(role, ())}


def _hash(seed: int, *words: str) -> bytes:
    return hashlib.sha256("\0".join((str(seed), *words)).encode("utf-8", "surrogatepass")).digest()


def _kept(
    recipe: Recipe, corpora: Sequence[Corpus], missing: Sequence[Place], progress: Progress
) -> tuple[Sequence[Corpus], Sequence[Dropped], Sequence[Disagreement], Pruned | None]:
    """Return the corpora with what is trained on and held out, why the rest went, and where copies disagree."""
    documents = [document for corpus in corpora for document in corpus.documents]
    if recipe.prune is None:
        train = [document for document in documents if document.split == "train"]
        held = [document for document in documents if document.split != "train"]
        _, gone, disagreements = sifted(train, held, recipe.near)
        names = {(one.corpus, one.document) for one in gone}
        kept = [
            replace(c, documents=tuple(d for d in c.documents if (c.name, d.id) not in names))
            for c in corpora
        ]
        return kept, gone, disagreements, None
    said = recipe.prune
    dev = [replace(c, documents=tuple(d for d in c.documents if d.split == "dev")) for c in corpora]
    pruned = prune(
        corpora,
        test=[corpus for corpus in dev if corpus.documents],
        k=said.k,
        strategy=said.strategy,
        negatives=said.negatives,
        max_per_corpus=_of_those_there(said.max_per_corpus, {d.corpus for d in documents}, missing),
        max_per_language=_of_those_there(said.max_per_language, {d.language for d in documents}, missing),
        near=recipe.near,
        encoder=said.encoder,
        seed=recipe.seed if said.seed is None else said.seed,
        budget=said.budget,
        progress=progress,
    )
    return pruned.corpora, pruned.dropped, pruned.disagreements, pruned


def _of_those_there(
    most: int | Mapping[str, int] | None, there: Collection[str], missing: Sequence[Place]
) -> int | Mapping[str, int] | None:
    """Return limits without those of what is missing, which pruning knows nothing of."""
    if not missing or not isinstance(most, Mapping):
        return most
    return {name: number for name, number in most.items() if name in there} or None


def write_built(
    built: Built, folder: str | Path, *, progress: Progress | None = None
) -> dict[str, Any] | None:
    """Write a training set into an existing folder, and return what its exports hold, counted.

    ``train.jsonl``, ``dev.jsonl`` and ``test.jsonl`` are assay's own documents, each with its corpus, raw labels and
    decisions; every export has a folder of its shape. ``counts.tsv`` has a row a step, role and corpus, ``labels.tsv``
    one a raw label, ``types.tsv`` one a label and corpus that was pruned, ``dropped.tsv`` one a document that is not
    used, ``skipped.tsv`` one that is too long for a prompt, where there is any, ``disagreements.tsv`` one a copy that
    was annotated otherwise, ``findings.tsv`` one a finding; ``decisions.yaml`` has every decision that was applied,
    ``prune.json`` how redundant the rest is.
    """
    place = Path(folder)
    one = unify(built.corpora, name=built.recipe.name)
    write_corpus(one, place, format="documents", overwrite=True)
    write_decisions(place / "decisions.yaml", built.decisions)
    tables: dict[str, tuple[type[Any], Iterable[Any]]] = {
        "counts": (Count, built.counts),
        "labels": (LabelRow, built.labels),
        "dropped": (Dropped, built.dropped),
        "findings": (Finding, built.findings),
        "disagreements": (Disagreement, built.disagreements),
    }
    if built.pruned is not None:
        tables["types"] = (TypeRow, built.pruned.types)
        report = built.pruned.report()
        write_json(
            place / "prune.json",
            {key: report[key] for key in report if key not in ("types", "disagreements")},
        )
    for name, (kind, rows) in tables.items():
        columns = [field.name for field in fields(kind)]
        _table(place / f"{name}.tsv", columns, ([getattr(row, each) for each in columns] for row in rows))
    said = built.recipe.export
    if said is None:
        return None
    options = said.model_dump(exclude={"seed"})
    seed = built.recipe.seed if said.seed is None else said.seed
    skipped: list[tuple[str, str]] = []
    options |= {"seed": seed, "title": built.recipe.name, "skipped": skipped, "progress": progress}
    counts = export(built.corpora, place, **options)
    if skipped:
        _table(place / "skipped.tsv", ["document", "reason"], skipped)
    return counts


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with atomic(path, "w") as f:
        writer = csv.writer(f, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["; ".join(value) if isinstance(value, tuple) else value for value in row])
