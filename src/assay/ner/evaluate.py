"""Gold corpora and their predictions -> a row a set and naming, and the averages that papers publish."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from assay._check import choice
from assay.errors import DataError
from assay.ner.answers import target
from assay.ner.apply import KEY
from assay.ner.audit import Audit, audit_answers, audit_entities
from assay.ner.compat import average_f1, dropped_counts, item_list, item_set, normalised, sample_counts
from assay.ner.document import Corpus, Document
from assay.ner.naming import NAMINGS, Naming, named, naming, translate
from assay.ner.predictions import Answer, Predictions, labels_of
from assay.ner.score import Counts, Score, interval, score

COMPAT = ("b2ner",)


@dataclass(frozen=True, slots=True)
class SetScore:
    """How good the predictions of one set are, under one naming of its labels.

    `names` is ``raw`` or ``standard``, and `predicted_in` that of the predictions, both ``""`` where labels have one
    name. `counts` decide precision, recall and F1, whose `interval` is that of documents drawn anew; `full` is the
    strict score behind them, None under `compat`. `best_f1` is the F1 if every prediction whose name could be several
    were taken for the right one of them, and `undecidable` counts such predictions; without any it is the F1. `ignored`
    has for each ignored label how many entities, or items of answers, were dropped, gold and predicted.
    """

    name: str
    language: str
    documents: int
    counts: Counts
    interval: tuple[float, float] | None
    audit: Audit
    full: Score | None = None
    compat: str = ""
    names: str = ""
    predicted_in: str = ""
    best_f1: float = 0.0
    undecidable: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def f1(self) -> float:
        """The F1 of the counts, 0 to 1."""
        return self.counts.strict.f1


def evaluate(
    gold: Corpus,
    predictions: Predictions,
    *,
    compat: str | None = None,
    names: str | None = None,
    predicted_names: str | None = None,
    ignore_labels: Collection[str] = (),
    trained: Sequence[Corpus] | None = None,
    gpt: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[SetScore]:
    """Return the scores of one set: one, or one under raw and one under standard names.

    Parameters
    ----------
    gold
        With ``meta["decided"]`` in its entities where its labels were unified, see `assay.ner.apply`.
    predictions
        For all of its documents.
    compat
        ``"b2ner"``: compare answers as B2NER's program does, see `assay.ner.compat`; answers that were generated are
        taken as they are, entities are written as one. By default entities are compared by place, strictly.
    names
        ``"raw"``, ``"standard"`` or ``"both"``. By default both where decisions changed a label, else the only ones.
    predicted_names
        Which of them predictions use; by default those that have more of their labels.
    ignore_labels
        See `assay.ner.score`, by the names that are scored.
    trained
        What the model was trained on, to score its labels and others apart; not under `compat`.
    gpt
        Read answers as those of GPT models, ``A: B, C``.
    resamples, confidence, seed
        Of the interval, see `assay.ner.score`.

    Returns
    -------
    list of SetScore
        Raw names first.

    Raises
    ------
    DataError
        Names that the corpus does not have, or an option out of range.
    """
    if compat is not None:
        choice("compat", compat, COMPAT)
    choice("names", names or "both", (*NAMINGS, "both"))
    choice("predicted_names", predicted_names or "raw", NAMINGS)
    found = naming(gold)
    if found is None and (names in NAMINGS or predicted_names is not None):
        raise DataError(
            f"names must be left out of {gold.name}, whose entities keep no raw labels; got "
            f"{names or predicted_names!r}. Score a corpus that assay ner apply wrote."
        )
    given = "" if found is None else predicted_names or _used(found, predictions)
    audit = _audit(gold, predictions, labels_of(gold) if found is None else _asked(gold, found, given), gpt)
    wanted: Sequence[str] = ("",) if found is None else (str(names),) if names in NAMINGS else NAMINGS
    drawn: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": seed}
    scores = []
    for view in wanted:
        corpus = named(gold, view) if view else gold
        across = None
        if found is not None and view != given:
            across = found.to_raw if view == "raw" else found.to_standard
        undecidable: dict[str, int] = {}
        full = None
        if compat is None:
            seen = None if trained is None else _labels(trained, view)
            options = {"ignore_labels": ignore_labels, "trained_labels": seen, **drawn}
            full, best_f1 = _strict(corpus, predictions, across, undecidable, options)
            counts, spread, ignored = full.counts, full.interval, full.ignored
        else:
            each, best_f1, ignored = _compat(corpus, predictions, across, undecidable, ignore_labels, gpt)
            counts, spread = sum(each, Counts()), _interval(each, drawn)
        scores.append(
            SetScore(
                corpus.name, corpus.language, len(corpus.documents), counts, spread, audit, full, compat or "",
                view, given, best_f1, undecidable, ignored,
            )
        )  # fmt: skip
    return scores


def _used(found: Naming, predictions: Predictions) -> str:
    """Return the naming of predictions, told from their labels."""
    return found.of(predictions.entities, [label for labels in predictions.unlocated for label in labels])


def _asked(gold: Corpus, found: Naming, given: str) -> tuple[str, ...]:
    """Return the labels that predictions may have under the names that they use."""
    declared = named(gold, given).labels if KEY in gold.meta else ()
    return tuple(dict.fromkeys((*found.labels(given), *declared)))


def _audit(corpus: Corpus, predictions: Predictions, labels: Sequence[str], gpt: bool) -> Audit:
    """Return the faults of predictions, under the names that they use."""
    if predictions.answers is not None:
        return audit_answers(corpus.documents, predictions.answers, labels=labels, gpt=gpt)
    return audit_entities(
        corpus.documents, predictions.entities, labels=labels, unlocated=predictions.unlocated
    )


def _strict(
    corpus: Corpus,
    predictions: Predictions,
    across: Mapping[str, tuple[str, ...]] | None,
    undecidable: dict[str, int],
    options: Mapping[str, Any],
) -> tuple[Score, float]:
    """Return the strict score of predictions, and the F1 that they have at best."""
    if across is None:
        full = score(corpus.documents, predictions.entities, unlocated=predictions.unlocated, **options)
        return full, full.counts.strict.f1
    unlocated = [[across.get(label, (label,))[0] for label in labels] for labels in predictions.unlocated]
    other = translate(predictions.entities, corpus, across)
    undecidable.update(other.undecidable)
    full = score(corpus.documents, other.worst, unlocated=unlocated, **options)
    if not undecidable:
        return full, full.counts.strict.f1
    best = score(corpus.documents, other.best, unlocated=unlocated, **{**options, "resamples": 0})
    return full, best.counts.strict.f1


def _compat(
    corpus: Corpus,
    predictions: Predictions,
    across: Mapping[str, tuple[str, ...]] | None,
    undecidable: dict[str, int],
    ignore_labels: Collection[str],
    gpt: bool,
) -> tuple[list[Counts], float, Mapping[str, tuple[int, int]]]:
    """Return what B2NER counts of each document, the F1 that they have at best, and what was ignored."""
    right = [target(document.text, document.entities).strip() for document in corpus.documents]
    said = predictions.answers or _written(corpus, predictions)
    if across is None:
        each = sample_counts(right, said, gpt=gpt, ignore_labels=ignore_labels)
        ignored = dropped_counts(right, said, ignore_labels, gpt=gpt)
        return each, sum(each, Counts()).strict.f1, ignored
    folded = {normalised(label): names for label, names in across.items()}
    pairs = [
        _translated(answer, gold, folded, undecidable, gpt) for answer, gold in zip(said, right, strict=True)
    ]
    worst, best = (
        sample_counts(right, [pair[side] for pair in pairs], ignore_labels=ignore_labels) for side in (0, 1)
    )
    ignored = dropped_counts(right, [pair[0] for pair in pairs], ignore_labels)
    return worst, sum(best, Counts()).strict.f1, ignored


def _interval(each: Sequence[Counts], drawn: Mapping[str, Any]) -> tuple[float, float] | None:
    rows = np.array([(one.correct, one.gold, one.predicted) for one in each], dtype=np.int64).reshape(-1, 3)
    return interval(rows, **drawn)


def _labels(trained: Sequence[Corpus], view: str) -> set[str]:
    """Return the labels of training corpora, under raw names where these are scored."""
    return {
        label for corpus in trained for label in labels_of(named(corpus, view) if view == "raw" else corpus)
    }


def _written(corpus: Corpus, predictions: Predictions) -> list[str]:
    """Return predicted entities as answers; mentions that were not located stand as words that no text has."""
    return [
        "; ".join(
            [target(document.text, entities).strip()] * bool(entities or not nowhere)
            + [f"{label}: \N{REPLACEMENT CHARACTER}" for label in nowhere]
        )
        for document, entities, nowhere in zip(
            corpus.documents, predictions.entities, predictions.unlocated, strict=True
        )
    ]


def _translated(
    answer: str, gold: str, across: Mapping[str, tuple[str, ...]], undecidable: dict[str, int], gpt: bool
) -> tuple[str, str]:
    """Return an answer under other names, taken for as bad and as good as it can be."""
    right = item_set(gold)
    low, high = [], []
    for item in item_list(answer, gpt=gpt):
        label, _, words = item.partition(":")
        may_be = across.get(label, (label,))
        sure = may_be[0]
        if len(may_be) > 1:
            undecidable[label] = undecidable.get(label, 0) + 1
            sure = f"{label} ({' or '.join(may_be)})"
        there = [name for name in may_be if normalised(f"{name}: {words}") in right]
        low.append(f"{sure}: {words}")
        high.append(f"{(there or may_be)[0]}: {words}")
    return "; ".join(low), "; ".join(high)


def evaluate_answers(
    answers: Sequence[Answer],
    *,
    ignore_labels: Collection[str] = (),
    gpt: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[SetScore]:
    """Return the B2NER scores of answers that hold the right ones, a set and language each, as its program writes them.

    Options as of `evaluate`.
    """
    lacking = [answer for answer in answers if answer.gold is None]
    if lacking:
        raise DataError(
            f"answers must hold the right ones (gold) to be scored alone; {len(lacking)} of {len(answers)} do not, "
            f"first {lacking[0].id!r}. Give the gold corpus."
        )
    sets: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        sets.setdefault((answer.corpus, answer.language), []).append(answer)
    drawn = {"resamples": resamples, "confidence": confidence, "seed": seed}
    scores = []
    for (name, language), mine in sets.items():
        gold = [answer.gold or "" for answer in mine]
        said = [answer.answer for answer in mine]
        each = sample_counts(gold, said, gpt=gpt, ignore_labels=ignore_labels)
        counts = sum(each, Counts())
        labels = tuple(dict.fromkeys(label for answer in mine for label in answer.labels))
        documents = [Document(answer.id, answer.text or "") for answer in mine]
        faults = audit_answers(documents, said, labels=labels or None, gpt=gpt)
        ignored = dropped_counts(gold, said, ignore_labels, gpt=gpt)
        scores.append(
            SetScore(
                name, language, len(mine), counts, _interval(each, drawn), faults, None, "b2ner",
                best_f1=counts.strict.f1, ignored=ignored,
            )
        )  # fmt: skip
    return scores


@dataclass(frozen=True, slots=True)
class Average:
    """The unweighted mean of the F1 of the sets of one language and naming; `sets` are those that it counts."""

    language: str
    names: str
    f1: float
    best_f1: float
    sets: tuple[str, ...]


def averages(scores: Iterable[SetScore]) -> list[Average]:
    """Return the averages by language and naming, each set once, as published; see `assay.ner.compat.average_f1`.

    A set whose labels have one name counts under both.
    """
    scores = list(scores)
    views = tuple(dict.fromkeys(one.names for one in scores if one.names)) or ("",)
    groups: dict[tuple[str, str], list[SetScore]] = {}
    for one in scores:
        for view in (one.names,) if one.names else views:
            groups.setdefault((one.language, view), []).append(one)
    found = []
    for (language, names), mine in groups.items():
        f1 = average_f1({one.name: one.f1 for one in mine})
        best = average_f1({one.name: one.best_f1 for one in mine})
        if f1 is not None and best is not None:
            counted = tuple(one.name for one in mine if average_f1({one.name: 0.0}) is not None)
            found.append(Average(language, names, f1, best, counted))
    return found
