"""Where a model of one corpus fails on another: train on each, test on all, and say what goes wrong."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assay._check import at_least, choice, known, whole
from assay._files import read_json, write_json
from assay.errors import DataError, warn
from assay.ner.cards import Cards
from assay.ner.document import Corpus, Document, Entity
from assay.ner.index import key
from assay.ner.relations import plain_name
from assay.ner.score import Counts, Labelled, interval, labelled, tally
from assay.ner.taggers import Tagger, resolve

RESAMPLES = 1000
CONFIDENCE = 0.95
SAME = "="  # the label of the compared entities of both sides
Predicted = Sequence[tuple[Entity, ...]]
Measure = Literal["f1", "transfer", "seen_f1"]


@dataclass(frozen=True, slots=True)
class Cell:
    """How a model of one corpus finds a label of another: trained on `train`, tested on `test`, both ``corpus/label``.

    `documents` are those of the test, of which those with a text that either corpus trains on are left out
    (`duplicates`). `counts` compares predictions of the one label with gold of the other. `own` does it for the model
    of the tested corpus on the same documents, and `seen` for the mentions alone that stand in the gold that the
    model was trained on, under whatever label. `interval` is that of F1, from draws of documents.
    """

    train: str
    test: str
    documents: int
    duplicates: int
    counts: Counts
    own: Counts
    seen: Counts
    interval: tuple[float, float] | None

    @property
    def f1(self) -> float | None:
        """Strict F1, None where neither gold nor prediction has the label."""
        return _f1(self.counts)

    @property
    def transfer(self) -> float | None:
        """F1 over that of the tested corpus' own model, None where that is 0."""
        own = _f1(self.own)
        return self.counts.strict.f1 / own if own else None

    @property
    def seen_f1(self) -> float | None:
        """Strict F1 of the mentions that the model has seen annotated, None where there are none."""
        return _f1(self.seen)

    def row(self) -> dict[str, Any]:
        """Return all figures, by name."""
        low, high = self.interval or (None, None)
        return {
            "train": self.train,
            "test": self.test,
            "f1": self.f1,
            "f1_low": low,
            "f1_high": high,
            "precision": self.counts.strict.precision,
            "recall": self.counts.strict.recall,
            "own_f1": _f1(self.own),
            "transfer": self.transfer,
            "seen_f1": self.seen_f1,
            **self.counts.errors,
            "gold": self.counts.gold,
            "predicted": self.counts.predicted,
            "seen_gold": self.seen.gold,
            "documents": self.documents,
            "duplicates": self.duplicates,
        }


@dataclass(frozen=True, slots=True)
class Matrix:
    """A measure over labels that were compared: a row a label trained on, a column a label tested on.

    `values` (n, n) hold nan where the pair was not compared or the measure is not defined. The diagonal is in-domain.
    """

    name: str
    labels: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What `cross_validate` found.

    `corpora` says, for each, how many documents were trained and tested on; `cells` holds both directions of every pair
    of labels, and each of these labels within its own corpus.
    """

    tagger: Mapping[str, str | int | float]
    settings: Mapping[str, Any]
    corpora: Mapping[str, Mapping[str, int]]
    cells: tuple[Cell, ...]

    def groups(self) -> list[tuple[str, ...]]:
        """Return the labels that hang together by pairs, in the order of their corpora."""
        parent: dict[str, str] = {cell.train: cell.train for cell in self.cells}

        def root(label: str) -> str:
            while parent[label] != label:
                label = parent[label]
            return label

        for cell in self.cells:
            parent[root(cell.test)] = root(cell.train)
        together: dict[str, list[str]] = {}
        for label in parent:
            together.setdefault(root(label), []).append(label)
        return [tuple(group) for group in together.values()]

    def matrices(self, measure: Measure) -> list[Matrix]:
        """Return a matrix for each group of labels, named after its most frequent label.

        `measure` is ``f1``, ``transfer`` or ``seen_f1``.
        """
        choice("measure", measure, ("f1", "transfer", "seen_f1"))
        values = {(cell.train, cell.test): getattr(cell, measure) for cell in self.cells}
        out = []
        for group in self.groups():
            names = Counter(label.partition("/")[2] for label in group)
            name = min(names, key=lambda label: (-names[label], label))
            rows = [[values.get((a, b)) for b in group] for a in group]
            out.append(Matrix(name, group, np.array(rows, dtype=np.float64)))
        return out


def cross_validate(
    corpora: Sequence[Corpus],
    *,
    tagger: str | Callable[[str], Tagger] = "crf",
    pairs: Iterable[tuple[str, str]] | None = None,
    names: Mapping[str, str] | None = None,
    train: int = 3000,
    test: int = 1000,
    split: str = "own",
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CrossValidation:
    """Train a tagger on each corpus and score it on the others, label against label.

    A low score says that two corpora differ, not in what: domain and definition both lower it. So each comes with what
    the tested corpus' own model reaches on the same documents (`Cell.own`), with the score of mentions that the
    model has seen annotated, and with the shares of what went wrong. Judge definitions by `screen`; never by
    F1 alone.

    Parameters
    ----------
    corpora
        Two or more, of different names.
    tagger
        A spec of `assay.ner.taggers.resolve`, or a function that returns a new tagger for the name of a corpus.
    pairs
        Labels to compare, as (``corpus/label``, ``corpus/label``) of two corpora, each in both directions. None: those
        of equal names, after case folding and without ``_`` and ``-``.
    names
        New names of labels, by ``corpus/label`` or by ``label`` for all corpora, given before anything else: two labels
        of one name become one, and ``""`` leaves the entities of a label out. `pairs` speak of the new names.
    train, test
        At most so many documents of each corpus (>= 1), drawn by the seed.
    split
        ``own``: where a corpus has a split ``test`` (or else ``dev``) beside others, test on that and train on the
        others. ``seeded``: mix all documents, and test on the last part, train : test. Corpora without splits are
        always mixed.
    seed
        Of the draws and of the tagger.
    folder
        Where predictions are kept, one file a corpus, so that an interrupted run goes on. None keeps nothing.
    progress
        Called with (models done, models in all).

    Returns
    -------
    CrossValidation
        The same for any order of documents. Compare figures only of equal settings.

    Raises
    ------
    DataError
        Fewer than two corpora, equal names, nothing to compare, a pair of unknown labels, or an option out of range.

    Notes
    -----
    One model a corpus, one prediction for each pair of corpora; 2 to 14 s a model with ``crf``. A tested
    document is left out where either corpus trains on its text (folded, token by token), so that a cell depends on its
    two corpora alone. B2NERD (Yang et al., COLING 2025, arXiv 2406.11192) names model-based cross validation as a first
    step; no program for it is released, so that the figures here are ours.

    Examples
    --------
    >>> def corpus(name, label, words):
    ...     texts = [f"{word} went home" for word in words for _ in range(9)]
    ...     return Corpus(name, tuple(Document(f"{n}", f"{n} {t}", (Entity(len(f"{n} "), len(f"{n} {t}") - 10, label),))
    ...                               for n, t in enumerate(texts)))
    >>> found = cross_validate([corpus("a", "PER", ["Ann", "Bob"]), corpus("b", "per", ["Bob", "Cid"])])
    >>> [(cell.train, cell.test, cell.f1) for cell in found.cells if cell.train != cell.test]
    [('a/PER', 'b/per', 1.0), ('b/per', 'a/PER', 1.0)]
    """
    whole("train", train, 1)
    whole("test", test, 1)
    at_least("seed", seed, 0)
    choice("split", split, ("own", "seeded"))
    corpora = [_renamed(corpus, names or {}) for corpus in corpora]
    by_name = {corpus.name: corpus for corpus in corpora}
    if len(corpora) < 2:
        raise DataError(
            f"corpora must be two or more; got {len(corpora)}. One corpus has nobody to disagree with."
        )
    if len(by_name) < len(corpora):
        twice = next(name for name, n in Counter(corpus.name for corpus in corpora).items() if n > 1)
        raise DataError(f"corpora must have different names; got {twice!r} twice. Name one: NAME=PATH.")
    wanted = _pairs(by_name, pairs)
    involved = {label for pair in wanted for label in pair}
    tests_of: dict[str, dict[str, None]] = {}
    for one, other in wanted:
        tests_of.setdefault(_corpus(one), {_corpus(one): None})[_corpus(other)] = None
        tests_of.setdefault(_corpus(other), {_corpus(other): None})[_corpus(one)] = None
    parts = {name: _split(by_name[name], train, test, split, seed) for name in by_name if name in tests_of}
    make = tagger if callable(tagger) else lambda name: resolve(tagger, seed=seed)

    predicted: dict[tuple[str, str], Predicted] = {}
    fingerprint: Mapping[str, str | int | float] = {}
    for done, name in enumerate(parts):
        if progress is not None:
            progress(done, len(parts))
        model = make(name)
        fingerprint = model.fingerprint
        tests = {other: parts[other][1] for other in by_name if other in tests_of[name]}
        for other, found in _predictions(model, name, parts[name][0], tests, folder).items():
            predicted[name, other] = found
    if progress is not None:
        progress(len(parts), len(parts))

    keys = _Keys()
    texts = {name: {keys[document.text] for document in trained} for name, (trained, _) in parts.items()}
    seen = {
        name: {keys[document.surface(entity)] for document in trained for entity in document.entities}
        for name, (trained, _) in parts.items()
    }
    kept: dict[tuple[str, str], list[int]] = {}
    for a, b in predicted:
        trained_on = texts[a] | texts[b]
        kept[a, b] = [at for at, d in enumerate(parts[b][1]) if keys[d.text] not in trained_on]
    order = {label: at for at, label in enumerate(_references(corpora))}
    cells = []
    directed = {(label, label) for label in involved} | set(wanted) | {(b, a) for a, b in wanted}
    for one, other in sorted(directed, key=lambda pair: (order[pair[0]], order[pair[1]])):
        a, b = _corpus(one), _corpus(other)
        rows = kept[a, b]
        cells.append(
            _cell(
                (one, other),
                [parts[b][1][at] for at in rows],
                [predicted[a, b][at] for at in rows],
                [predicted[b, b][at] for at in rows],
                _Seen(seen[a], keys),
                duplicates=len(parts[b][1]) - len(rows),
                seed=seed,
            )
        )
    return CrossValidation(
        dict(fingerprint),
        {"train": train, "test": test, "split": split, "seed": seed, "names": dict(names or {})},
        {name: {"train": len(trained), "test": len(tested)} for name, (trained, tested) in parts.items()},
        tuple(cells),
    )


class _Keys(dict[str, tuple[str, ...]]):
    """The folded tokens of texts, each found once."""

    def __missing__(self, text: str) -> tuple[str, ...]:
        found = self[text] = key(text)
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """The mentions that a model has seen annotated."""

    mentions: set[tuple[str, ...]]
    keys: _Keys

    def of(self, document: Document, entities: Sequence[Entity], label: str) -> list[Entity]:
        """Return the entities of a label whose mentions were seen."""
        own = [entity for entity in entities if entity.label == label]
        return [entity for entity in own if self.keys[document.surface(entity)] in self.mentions]


def same_names(corpora: Iterable[Corpus]) -> list[tuple[str, str]]:
    """Return the pairs of labels of two corpora whose names are equal, case, width, spaces, ``_`` and ``-`` aside."""
    every = [(label, _corpus(label), plain_name(label.partition("/")[2])) for label in _references(corpora)]
    return [
        (one, other)
        for (one, here, name), (other, there, its) in combinations(every, 2)
        if here != there and name == its
    ]


def attach(cards: Cards, found: CrossValidation) -> Cards:
    """Return the cards with the figures of both directions, where their labels were compared."""
    cells = {(cell.train, cell.test): cell for cell in found.cells}
    out = []
    for card in cards.cards:
        first, second = card.labels
        here = {
            f"{a} → {b}": {
                name: value for name, value in cells[a, b].row().items() if name not in ("train", "test")
            }
            for a, b in ((first, second), (second, first))
            if (a, b) in cells
        }
        if here:
            card = card.model_copy(update={"crossval": {"tagger": found.tagger["tagger"], **here}})
        out.append(card)
    return cards.model_copy(update={"cards": tuple(out)})


def _f1(counts: Counts) -> float | None:
    return counts.strict.f1 if counts.gold + counts.predicted else None


def _corpus(reference: str) -> str:
    return reference.partition("/")[0]


def _labels(corpus: Corpus) -> list[str]:
    """Return the labels that a corpus declares or has."""
    return list(dict.fromkeys((*corpus.labels, *(e.label for d in corpus.documents for e in d.entities))))


def _references(corpora: Iterable[Corpus]) -> list[str]:
    return [f"{corpus.name}/{label}" for corpus in corpora for label in _labels(corpus)]


def _renamed(corpus: Corpus, names: Mapping[str, str]) -> Corpus:
    """Return the corpus with new names of labels; entities of a label whose name is empty are left out."""
    new = {label: names.get(f"{corpus.name}/{label}", names.get(label, label)) for label in _labels(corpus)}
    if all(label == name for label, name in new.items()):
        return corpus
    documents = tuple(
        replace(
            document,
            entities=tuple(
                replace(entity, label=new[entity.label]) for entity in document.entities if new[entity.label]
            ),
        )
        for document in corpus.documents
    )
    return replace(corpus, documents=documents, labels=tuple(dict.fromkeys(filter(None, new.values()))))


def _pairs(corpora: Mapping[str, Corpus], pairs: Iterable[tuple[str, str]] | None) -> list[tuple[str, str]]:
    """Return the pairs to compare, in the order of the corpora, each once."""
    if pairs is None:
        found = same_names(corpora.values())
        if not found:
            raise DataError(
                f"corpora must share names of labels; got none in {', '.join(corpora)}. Give pairs of labels, or names."
            )
        return found
    every = _references(corpora.values())
    order = {label: at for at, label in enumerate(every)}
    wanted: set[tuple[str, str]] = set()
    for pair in pairs:
        for label in pair:
            known("label", label, every, "assay ner stats")
        one, other = sorted(pair, key=order.__getitem__)
        if _corpus(one) == _corpus(other):
            raise DataError(f"pairs must be of labels of two corpora; got {one} and {other}.")
        wanted.add((one, other))
    if not wanted:
        raise DataError("pairs must hold at least one pair of labels; got none.")
    return sorted(wanted, key=lambda pair: (order[pair[0]], order[pair[1]]))


def _split(
    corpus: Corpus, train: int, test: int, split: str, seed: int
) -> tuple[list[Document], list[Document]]:
    """Return the documents to train on and to test on, drawn by the seed, the same for any order of documents."""
    start_of = seed.to_bytes(8, "little")

    def rank(document: Document) -> tuple[bytes, str, str]:
        text = document.text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8, key=start_of).digest(), document.text, document.id

    documents = sorted(corpus.documents, key=rank)
    if len(documents) < 2:
        raise DataError(f"corpora must hold two documents or more; got {len(documents)} in {corpus.name}.")
    held = next((name for name in ("test", "dev") if name in corpus.splits), None)
    if split == "own" and held is not None and len(corpus.splits) > 1:
        trained = [document for document in documents if document.split != held]
        tested = [document for document in documents if document.split == held]
    else:
        size = max(1, min(test, round(len(documents) * test / (train + test)), len(documents) - 1))
        trained, tested = documents[:-size], documents[-size:]
    return trained[:train], tested[:test]


def _predictions(
    model: Tagger,
    name: str,
    trained: Sequence[Document],
    tests: Mapping[str, Sequence[Document]],
    folder: str | Path | None,
) -> dict[str, Predicted]:
    """Return what a model of `trained` predicts on each test, from the folder where it is kept."""
    path = None
    if folder is not None:
        digest = hashlib.blake2b(digest_size=16)
        said = [sorted(model.fingerprint.items()), _content(trained, gold=True)]
        said += [[other, _content(documents, gold=False)] for other, documents in tests.items()]
        digest.update(json.dumps(said).encode())
        path = Path(folder) / f"predictions-{digest.hexdigest()}.json"
        if path.exists():
            return {
                other: [
                    tuple(
                        Entity(s, e, label, spans and tuple(map(tuple, spans))) for s, e, label, spans in row
                    )
                    for row in rows
                ]
                for other, rows in read_json(path)["predicted"].items()
            }
    if not any(document.entities for document in trained):
        warn(f"corpus {name} has no entities among the {len(trained)} documents drawn; its model finds none.")
    model.fit(trained)
    found: dict[str, Predicted] = {other: model.predict(documents) for other, documents in tests.items()}
    if path is not None:
        kept = {
            other: [[[e.start, e.end, e.label, e.spans] for e in row] for row in rows]
            for other, rows in found.items()
        }
        write_json(path, {"corpus": name, "predicted": kept})
    return found


def _content(documents: Sequence[Document], *, gold: bool) -> list[Any]:
    """Return all of the documents that a model could look at."""
    return [[d.text, d.language, d.tokens, labelled(d.entities) if gold else None] for d in documents]


def _cell(
    pair: tuple[str, str],
    documents: Sequence[Document],
    predicted: Predicted,
    own: Predicted,
    seen: _Seen,
    *,
    duplicates: int,
    seed: int,
) -> Cell:
    label, gold_label = (reference.partition("/")[2] for reference in pair)
    counts = own_counts = seen_counts = Counts()
    per_document = np.zeros((len(documents), 3), dtype=np.int64)
    for at, (document, found, at_home) in enumerate(zip(documents, predicted, own, strict=True)):
        gold = _aligned(document.entities, gold_label, "gold")
        here = _one(gold, _aligned(found, label, "predicted"))
        counts += here
        per_document[at] = here.correct, here.gold, here.predicted
        own_counts += _one(gold, _aligned(at_home, gold_label, "predicted"))
        seen_counts += _one(
            _aligned(seen.of(document, document.entities, gold_label), gold_label, "gold"),
            _aligned(seen.of(document, found, label), label, "predicted"),
        )
    return Cell(
        *pair,
        documents=len(documents),
        duplicates=duplicates,
        counts=counts,
        own=own_counts,
        seen=seen_counts,
        interval=interval(per_document, resamples=RESAMPLES, confidence=CONFIDENCE, seed=seed),
    )


def _aligned(entities: Sequence[Entity], label: str, side: str) -> list[Labelled]:
    """Return entities with one label on both sides for the compared ones, and labels of its own for all others."""
    return [(parts, SAME if called == label else f"{side} {called}") for parts, called in labelled(entities)]


def _one(gold: Sequence[Labelled], predicted: Sequence[Labelled]) -> Counts:
    """Return the counts of the compared label in one document."""
    if not any(label == SAME for _, label in (*gold, *predicted)):
        return Counts()
    return tally(gold, predicted)[0][SAME]
