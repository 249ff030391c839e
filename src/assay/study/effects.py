"""What one number differs by between two groups of models, one difference a seed, with its interval."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.knowledge.intervals import Floats, Ints, with_accuracy
from assay.knowledge.mastery import CATEGORIES

Verdict = Literal["holds", "does not hold", "undecided"]
CONFIDENCE = 0.95
RESAMPLES = 2000

# by seed: a value, and where answers are given what each fact of the test set adds to it
Seeds = Mapping[int, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """Which facts of a test set were answered rightly: their `bins`, and `right` by the name of a cell or, of the
    original, of a way of asking."""

    bins: Ints
    right: Mapping[str, NDArray[np.bool_]]

    def weights(self, category: int | str) -> Floats:
        """Return what each fact adds to "macro", "micro" or a bin's accuracy where it is right, in points."""
        counts = np.bincount(self.bins, minlength=len(CATEGORIES))
        if category == "micro":
            return np.full(len(self.bins), 100 / len(self.bins))
        if category == "macro":
            return np.asarray(100 / (np.count_nonzero(counts) * counts[self.bins]))
        return np.where(self.bins == category, 100 / max(1, counts[int(category)]), 0.0)

    def parts(self, name: str, category: int | str) -> Floats:
        """Return what each fact adds to "macro", "micro" or a bin's accuracy, in points."""
        return np.asarray(self.weights(category) * self.right[name])


@dataclass(frozen=True, slots=True)
class Effect:
    """One number that a claim is about, its interval of 95 %, and what it says of the claim.

    `effect` is positive where the claim holds, except for a correlation, which the claim wants below 0. `low` and
    `high` are None where one seed leaves no interval. `n`: seeds, or for a correlation groups of cells. `facts`: half
    the width that the interval would have over facts alone, None where it is over seeds alone.
    """

    what: str
    effect: float
    low: float | None
    high: float | None
    n: int
    facts: float | None
    verdict: Verdict


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return Student's interval around the mean of one difference a seed; None for fewer than two."""
    if len(differences) < 2:
        return None
    from scipy.special import stdtrit

    n = len(differences)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * np.std(differences, ddof=1) / np.sqrt(n))
    middle = float(np.mean(differences))
    return middle - half, middle + half


def with_facts(value: float, rights: Rights | None, name: str, category: int | str = "macro") -> Floats:
    return np.array([value]) if rights is None else np.concatenate([[value], rights.parts(name, category)])


def values_of(values: Mapping[int, float]) -> Seeds:
    return {seed: np.array([value]) for seed, value in values.items()}


def minus(upper: Seeds, lower: Seeds) -> Seeds:
    """Return upper - lower over the seeds that both have."""
    return {seed: upper[seed] - lower[seed] for seed in upper if seed in lower}


def effect_of(
    what: str, upper: Seeds, lower: Seeds, rights: Rights | None = None, category: int | str = "macro"
) -> Effect | None:
    """Return upper - lower over the seeds that both have, with its interval; both are accuracies of a category."""
    differences = minus(upper, lower)
    if not differences:
        return None
    if rights is None:
        return effect_over(what, differences)
    return effect_over(what, differences, lambda parts: half_of_facts(parts.mean(axis=0), rights, category))


def effect_over(
    what: str,
    differences: Seeds,
    half: Callable[[Floats], float] | None = None,
    *,
    alone: bool = False,
    beside: float = 0.0,
) -> Effect:
    """Return the mean of differences, one a seed, with its interval.

    `half` gives half of the interval over facts (or texts), from what each adds, a row a seed. With `alone`
    one seed has an interval too, over facts alone: for other facts, not for another seed. `beside` is half of the
    interval over a third thing, of no part in the other two.
    """
    table = np.array(list(differences.values()))
    middle, bounds = float(table[:, 0].mean()), interval(table[:, 0].tolist())
    facts = None if half is None else half(table[:, 1:])
    low, high = None, None
    if bounds is not None or (alone and facts is not None):
        seeds = 0.0 if bounds is None else (bounds[1] - bounds[0]) / 2
        width = float(np.hypot(np.hypot(seeds, facts or 0.0), beside))
        low, high = middle - width, middle + width
    return Effect(what, middle, low, high, len(differences), facts, judged(low, high))


def half_of_facts(parts: Floats, rights: Rights, category: int | str) -> float:
    """Return half of the interval of a difference of accuracies, for other facts of the same bins.

    Each bin counts two facts more than it has: one level, half a fact up and half a fact down (Agresti and Min 2005,
    for paired shares). So a bin of one fact, or of facts that all came out alike, is not without doubt.
    """
    weights, variance = rights.weights(category), 0.0
    for at in np.unique(rights.bins[weights > 0]):
        mine = rights.bins == at
        turned, n = parts[mine] / weights[mine], np.count_nonzero(mine) + 2
        of_one = (np.square(turned).sum() + 1) / n - (turned.sum() / n) ** 2
        variance += float((weights[mine][0] * (n - 2)) ** 2 * of_one / n)
    return float(NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * np.sqrt(variance))


def half_without(half: float, parts: Floats, groups: Ints) -> float:
    """Return half of an interval over facts, less what Student's interval over seeds has already: see `by_chance`."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return float(np.sqrt(max(0.0, half**2 - z**2 * by_chance(parts, groups))))


def by_chance(parts: Floats, groups: Ints) -> float:
    """Return the variance of a mean over seeds (rows) that comes from facts whose parts differ by chance in each.

    Such facts widen the spread over seeds and the one over facts alike. Their share is what is left over in the table
    of seeds and facts when the means of both are taken out, within each group of facts; of one seed it cannot be told,
    and is 0.
    """
    seeds, variance = len(parts), 0.0
    for group in np.unique(groups) if seeds > 1 else ():
        own = parts[:, groups == group]
        n = own.shape[1]
        if n > 1:
            rest = own - own.mean(axis=0) - own.mean(axis=1, keepdims=True) + own.mean()
            variance += n * float(np.square(rest).sum()) / ((seeds - 1) * (n - 1)) / seeds
    return variance


def judged(low: float | None, high: float | None) -> Verdict:
    if low is None or high is None:
        return "undecided"
    return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


def best(options: Sequence[Seeds]) -> Seeds:
    """Return for each seed the value of the option that is best by the other seeds' means."""
    seeds = sorted(set.intersection(*(set(option) for option in options)))
    if not seeds:
        return {}
    table = np.array([[option[seed][0] for seed in seeds] for option in options])
    others = table if len(seeds) == 1 else table.sum(axis=1, keepdims=True) - table
    return {seed: options[at][seed] for seed, at in zip(seeds, others.argmax(axis=0).tolist(), strict=True)}


def mean_of(options: Sequence[Seeds]) -> Seeds:
    """Return the mean of several options for each seed that all have."""
    seeds = sorted(set.intersection(*(set(option) for option in options)))
    return {seed: np.mean([option[seed] for option in options], axis=0) for seed in seeds}


def correlation(pairs: Mapping[Hashable, Sequence[tuple[float, float]]]) -> Effect | None:
    """Return Spearman's coefficient over the cells of all groups, its interval over draws of whole groups."""
    rows = [(group, *pair) for group, mine in pairs.items() for pair in mine]
    found = with_accuracy(
        [x for _, x, _ in rows], [y for _, _, y in rows], groups=[group for group, _, _ in rows],
        confidence=CONFIDENCE, resamples=RESAMPLES,
    )  # fmt: skip
    if np.isnan(found.spearman):
        return None
    verdict = judged(-found.high, -found.low)
    return Effect("all cells", found.spearman, found.low, found.high, found.groups, None, verdict)
