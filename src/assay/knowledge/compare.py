"""Right and wrong answers to the same facts: accuracy by category, two runs beside each other, what was lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay import _check
from assay.errors import DataError
from assay.knowledge.census import most_frequent
from assay.knowledge.intervals import Floats, Ints, share
from assay.knowledge.mastery import CATEGORIES
from assay.knowledge.matching import matcher
from assay.knowledge.questions import Question

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """Right answers of a group of facts, in percent: the mean over runs, its interval, and the sd over runs.

    `sd` is None of a single run.
    """

    facts: int
    percent: float
    low: float
    high: float
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many facts were answered rightly, in percent.

    `macro` is the unweighted mean of the categories that have facts, None where no categories were told; `micro` is
    the share of all facts. `bins` has the five categories, None where one has no fact.
    """

    runs: int
    macro: Rate | None
    micro: Rate
    bins: tuple[Rate | None, ...]
    relations: Mapping[str, Rate]


@dataclass(frozen=True, slots=True)
class Difference:
    """Right answers of a group of facts before and after, in percent, and after - before with its interval, in points.

    `lost` were right before only, `gained` after only: facts, or their mean over all pairs of runs. `p_value` is
    McNemar's of these, exact and two-sided, for one run each; else None.
    """

    facts: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    lost: float
    gained: float
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """Two runs, or groups of runs, over the same facts; laid out as `Accuracy`."""

    macro: Difference | None
    micro: Difference
    bins: tuple[Difference | None, ...]
    relations: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of facts by category (``D0`` to ``D4``; ``all`` where none were told), each in one of the four.

    `kept`: right before and after; `lost`: before only; `gained`: after only; `never`: neither.
    """

    kept: Mapping[str, tuple[str, ...]]
    lost: Mapping[str, tuple[str, ...]]
    gained: Mapping[str, tuple[str, ...]]
    never: Mapping[str, tuple[str, ...]]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of facts of each, by category."""
        return {
            name: {group: len(ids) for group, ids in getattr(self, name).items()} for name in self.__slots__
        }


@dataclass(frozen=True, slots=True)
class Majority:
    """What answering each relation by its most frequent answer scores: whether each fact is right by it.

    `answers` has the answer of each relation; `guessed` are the relations that training has not, whose answer is the
    most frequent of the asked facts themselves: the best that a constant guess could do.
    """

    right: tuple[bool, ...]
    answers: Mapping[str, str]
    guessed: tuple[str, ...]

    @property
    def percent(self) -> float:
        """Right answers in percent."""
        return 100 * sum(self.right) / len(self.right)


def accuracy(
    right: ArrayLike,
    *,
    categories: Sequence[int] | Ints | None = None,
    relations: Sequence[str] = (),
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Accuracy:
    """Return how many facts were answered rightly: macro, micro, by category and by relation.

    Parameters
    ----------
    right : array of bool (facts,) or (runs, facts)
        Of one run, or of several over the same facts.
    categories : array of int, optional
        0 to 4, of each fact.
    relations : sequence of str, optional
        Of each fact.
    confidence : float in (0, 1)
        Of the intervals (percentiles).
    resamples : int
        Of facts with replacement, within each category for `macro`, and of runs; at least 2.
    seed : int

    Returns
    -------
    Accuracy
        Percent. Comparable between runs over the same facts and categories. The facts of a test set differ from
        those of another, so that two of one mean have no order.

    Raises
    ------
    DataError
        For no fact, lengths that differ, values that are neither true nor false, a category beyond 4.

    Notes
    -----
    Source: Ye et al., EMNLP 2025, arXiv 2509.16596, whose headline is `macro`: a category of few facts weighs as much
    as one of many. Intervals are ours. Where all facts of a group are alike (all wrong) the interval has no width,
    though others would not all be: see `share_interval`.

    Examples
    --------
    >>> found = accuracy([1, 0, 1, 1], categories=[0, 0, 0, 4], relations=["P17", "P17", "P36", "P36"])
    >>> found.macro.percent.__round__(1), found.micro.percent, found.relations["P36"].percent
    (83.3, 75.0, 100.0)
    """
    runs = _runs("right", right)
    groups, by_relation = _groups(runs.shape[1], categories, relations)
    _settings(confidence, resamples, seed)

    def rate(parts: list[Ints]) -> Rate:
        rows = [runs[:, part].astype(np.float64) for part in parts]
        each = np.mean([part.mean(axis=1) for part in rows], axis=0)
        drawn = _drawn(rows, [len(runs)], resamples, seed)[0]
        low, high = _interval(drawn, confidence)
        sd = 100 * float(each.std(ddof=1)) if len(each) > 1 else None
        return Rate(sum(map(len, parts)), 100 * float(each.mean()), 100 * low, 100 * high, sd)

    there = [part for part in groups if len(part)]
    return Accuracy(
        len(runs),
        rate(there) if there else None,
        rate([np.arange(runs.shape[1])]),
        tuple(rate([part]) if len(part) else None for part in groups),
        {name: rate([part]) for name, part in by_relation.items()},
    )


def paired(
    before: ArrayLike,
    after: ArrayLike,
    *,
    categories: Sequence[int] | Ints | None = None,
    relations: Sequence[str] = (),
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Paired:
    """Return the difference of two runs over the same facts, or of two groups of runs (seeds).

    Parameters
    ----------
    before, after : array of bool (facts,) or (runs, facts)
        In the same order of facts; the number of runs may differ.
    categories, relations, confidence, resamples, seed
        As in `accuracy`.

    Returns
    -------
    Paired
        Points, after - before, each with an interval. The same facts are drawn for both sides, so that what they have
        in common does not count; runs are drawn on each side for itself, whatever their seeds.

    Raises
    ------
    DataError
        As in `accuracy`; facts that differ in number.

    Notes
    -----
    McNemar's test asks whether as many facts were lost as gained, and takes facts for independent; many tests of many
    groups find some small p by chance. An interval over one run says nothing about another seed.

    Examples
    --------
    >>> found = paired([1, 1, 1, 0], [0, 0, 1, 0]).micro
    >>> found.difference, found.lost, found.p_value
    (-50.0, 2.0, 0.5)
    """
    a, b = _runs("before", before), _runs("after", after)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"after must be of the facts of before ({a.shape[1]}); got {b.shape[1]}.")
    groups, by_relation = _groups(a.shape[1], categories, relations)
    _settings(confidence, resamples, seed)
    both = np.concatenate([a, b])

    def difference(parts: list[Ints]) -> Difference:
        rows = [both[:, part].astype(np.float64) for part in parts]
        each = np.mean([part.mean(axis=1) for part in rows], axis=0)
        first, second = each[: len(a)].mean(), each[len(a) :].mean()
        drawn = _drawn(rows, [len(a), len(b)], resamples, seed)
        low, high = _interval(drawn[1] - drawn[0], confidence)
        taken = np.concatenate(parts)
        was, now = a[:, None, taken], b[None, :, taken]
        lost = float((was & ~now).sum(axis=2).mean())
        gained = float((~was & now).sum(axis=2).mean())
        single = len(a) == len(b) == 1
        return Difference(
            len(taken), 100 * float(first), 100 * float(second), 100 * float(second - first), 100 * low, 100 * high,
            lost, gained, mcnemar(int(lost), int(gained)) if single else None,
        )  # fmt: skip

    there = [part for part in groups if len(part)]
    return Paired(
        difference(there) if there else None,
        difference([np.arange(a.shape[1])]),
        tuple(difference([part]) if len(part) else None for part in groups),
        {name: difference([part]) for name, part in by_relation.items()},
    )


def mcnemar(lost: int, gained: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: as many lost as gained, but for chance.

    Examples
    --------
    >>> mcnemar(1, 5), mcnemar(0, 0)
    (0.21875, 1.0)
    """
    n, least = lost + gained, min(lost, gained)
    ways = tail = 1
    for k in range(least):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << n))


def gained_lost(
    before: ArrayLike,
    after: ArrayLike,
    *,
    ids: Sequence[str],
    categories: Sequence[int] | Ints | None = None,
) -> Changes:
    """Return which facts were kept, lost, gained and never known, by category.

    Parameters
    ----------
    before, after : array of bool (facts,)
        Whether each was right, in one order.
    ids : sequence of str
        Of each fact.
    categories : array of int, optional
        0 to 4, of each fact: the original model's, so that a category tells how well known the lost ones were.

    Raises
    ------
    DataError
        For lengths that differ.

    Examples
    --------
    >>> gained_lost([1, 1, 0, 0], [1, 0, 1, 0], ids=["a", "b", "c", "d"], categories=[4, 4, 0, 0]).lost["D4"]
    ('b',)
    """
    a, b = _runs("before", before), _runs("after", after)
    for name, part in (("before", a), ("after", b)):
        if part.shape != (1, len(ids)):
            raise DataError(f"{name} must be of one run over {len(ids)} facts; got {part.shape}.")
    groups, _ = _groups(len(ids), categories, ())
    named = dict(zip(CATEGORIES, groups, strict=True)) if categories is not None else {"all": range(len(ids))}
    was, now = a[0], b[0]
    kinds = (was & now, was & ~now, ~was & now, ~was & ~now)
    return Changes(
        *({name: tuple(ids[at] for at in rows if kind[at]) for name, rows in named.items()} for kind in kinds)
    )


def majority_baseline(
    train: Iterable[Question], questions: Sequence[Question], *, rule: str = "contains"
) -> Majority:
    """Return what answering each relation by its most frequent answer scores: knowing nothing but the relation.

    Parameters
    ----------
    train
        Where the answers are counted; may be empty.
    questions
        Those that are asked, at least one.
    rule
        A row of `MATCHERS`.

    Examples
    --------
    >>> train = [Question(str(n), "", "P17", "?", (answer,)) for n, answer in enumerate(["Norway", "Norway", "Peru"])]
    >>> found = majority_baseline(train, [Question("a", "", "P17", "?", ("Norway",)), train[2]])
    >>> found.right, found.percent, found.answers
    ((True, False), 50.0, {'P17': 'Norway'})
    """
    if not questions:
        raise DataError("questions must have at least one question; got none.")
    known = {relation: answer for relation, (answer, _) in most_frequent(train).items()}
    own = {relation: answer for relation, (answer, _) in most_frequent(questions).items()}
    answers = {relation: known.get(relation, answer) for relation, answer in own.items()}
    right = tuple(
        matcher(question.answers, aliases=question.aliases, rule=rule)(answers[question.relation])
        for question in questions
    )
    return Majority(right, answers, tuple(relation for relation in own if relation not in known))


def _runs(name: str, right: ArrayLike) -> NDArray[np.bool_]:
    """Return right answers as (runs, facts), or raise by their name."""
    try:
        found = np.asarray(right)
    except ValueError:
        raise DataError(f"{name} must have as many facts in each run; the runs differ.") from None
    if found.ndim not in (1, 2) or 0 in found.shape:
        raise DataError(f"{name} must be of at least one run and fact; got shape {found.shape}.")
    if found.dtype != bool and not np.isin(found, (0, 1)).all():
        raise DataError(f"{name} must be true or false, or 1 or 0; got other values.")
    return np.atleast_2d(found.astype(bool))


def _groups(
    facts: int, categories: Sequence[int] | Ints | None, relations: Sequence[str]
) -> tuple[list[Ints], dict[str, Ints]]:
    """Return the places of the facts of each category and relation; no category's where none are told."""
    groups = [np.empty(0, dtype=np.int64) for _ in CATEGORIES]
    if categories is not None:
        of = np.asarray(categories)
        if (
            of.shape != (facts,)
            or of.dtype.kind not in "iu"
            or not ((of >= 0) & (of < len(CATEGORIES))).all()
        ):
            raise DataError(
                f"categories must be whole numbers from 0 to {len(CATEGORIES) - 1}, one for each of {facts} facts; "
                f"got {len(of) if of.ndim else 1} of dtype {of.dtype}."
            )
        groups = [np.flatnonzero(of == number) for number in range(len(CATEGORIES))]
    if len(relations) not in (0, facts):
        raise DataError(f"relations must be as many as the facts ({facts}); got {len(relations)}.")
    rows: dict[str, list[int]] = {}
    for at, name in enumerate(relations):
        rows.setdefault(name, []).append(at)
    return groups, {name: np.array(places) for name, places in rows.items()}


def _settings(confidence: float, resamples: int, seed: int) -> None:
    share("confidence", confidence)
    _check.whole("resamples", resamples, 2)
    _check.whole("seed", seed, 0)


def _drawn(parts: Sequence[Floats], sides: Sequence[int], resamples: int, seed: int) -> list[Floats]:
    """Return the mean of each side's runs in each resample: of facts within each part, of runs within each side.

    Facts with the same answers in all runs are alike, so that how often each kind is drawn is all that counts.
    """
    draws = np.random.default_rng(seed)
    means = np.zeros((resamples, len(parts[0])))
    for part in parts:
        kinds, number = np.unique(part, axis=1, return_counts=True)
        facts = int(number.sum())
        taken = draws.multinomial(facts, number / facts, size=resamples)
        means += taken @ kinds.T / facts / len(parts)
    found = []
    start = 0
    for runs in sides:
        chosen = draws.integers(0, runs, size=(resamples, runs)) + start
        found.append(np.take_along_axis(means, chosen, axis=1).mean(axis=1))
        start += runs
    return found


def _interval(values: Floats, confidence: float) -> Interval:
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
