"""The paper's claims, each as a test on the cells of a knowledge study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.knowledge.intervals import Floats, rank_correlation
from assay.study.knowledge.tables import (
    ALL,
    BINS,
    DIVERGENCES,
    MIXED,
    Result,
    Value,
    accuracy,
    label,
    of_accuracy,
    originals,
    over_seeds,
    size_label,
    sizes,
    taken,
    tested,
    trained_bins,
)

Verdict = Literal["holds", "does not hold", "undecided"]
CONFIDENCE = 0.95
REACHED = 0.9  # share of a size that a bin must fill to be compared with others at it
RESAMPLES = 2000
FEWEST_GROUPS = 4  # bins x sizes, for a correlation
MIDDLE = (1, 2, 3)

Seeds = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """One number that a claim is about, its interval of 95 %, and what it says of the claim.

    `effect` is positive where the claim holds, except for a correlation, which the claim wants below 0. `low` and
    `high` are None where one seed leaves no interval. `n`: seeds, or for a correlation groups of cells.
    """

    what: str
    effect: float
    low: float | None
    high: float | None
    n: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper, what may honestly be read from its figures, how it is tested here, and what came out.

    `on`: the test set, or the kind of divergence. `unit` of the effects. `why`: what made it undecided, else empty.
    """

    name: str
    on: str
    says: str
    reading: str
    tested: str
    unit: str
    verdict: Verdict
    why: str
    effects: tuple[Effect, ...]


def claims(result: Result) -> list[Claim]:
    """Return the paper's claims with effects, intervals over seeds, and verdicts.

    Parameters
    ----------
    result : mapping
        As in `assay.study.knowledge.tables.tables`.

    Returns
    -------
    list of Claim
        For each claim one a test set, or one a kind of divergence. A claim holds where all of its effects do: each
        interval lies on the claimed side of 0. It does not hold where one interval lies on the other side. Else it is
        undecided, as with one seed, one size, or bins that were not trained.

    Notes
    -----
    Intervals are Student's over one difference a seed, cells of one seed paired: sizes nest within a seed. Where the
    best of several is compared (a peak, a rival), it is chosen for each seed by the means of the other seeds, so that
    the choice does not favour it (with one seed, by that seed). The correlation's interval is a bootstrap
    (percentiles) of training bin x size groups, all seeds of a group together, since they are alike. Intervals cover
    other seeds: other random subsets and orders, not other facts, models or templates. No correction for the number
    of claims.

    Bins are compared with each other at the largest size that every bin fills to nine tenths, since another size is
    another effect; a bin with itself at all sizes, "all" too. Source: Ye et al., EMNLP 2025, arXiv 2509.16596, which
    gives no interval for any of these.
    """
    found = list[Claim]()
    for test in tested(result):
        found += [
            _peak(result, test),
            _middle(result, test),
            _gap(result, test),
            _diagonal(result, test),
            _hurts(result, test),
        ]
    for on, value in DIVERGENCES.items():
        if any(value(cell) is not None for cell in result["cells"]):
            found += [_falls(result, on, value), _rises(result, on, value)]
            found += [_together(result, test, on, value) for test in tested(result)]
    order = list(dict.fromkeys(claim.name for claim in found))
    return sorted(found, key=lambda claim: order.index(claim.name))


def common_size(result: Result) -> int | None:
    """Return the largest size that every training bin fills to nine tenths; None where there is none."""
    bins = [b for b in trained_bins(result) if b != MIXED]
    for size in reversed([size for size in sizes(result) if not isinstance(size, str)]):
        if all((taken(result, b, size) or 0.0) >= REACHED * size for b in bins):
            return size
    return None


def interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return Student's interval around the mean of one difference a seed; None for fewer than two."""
    if len(differences) < 2:
        return None
    from scipy.special import stdtrit

    n = len(differences)
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * np.std(differences, ddof=1) / np.sqrt(n))
    middle = float(np.mean(differences))
    return middle - half, middle + half


def _effect(what: str, upper: Seeds, lower: Seeds) -> Effect | None:
    """Return upper - lower over the seeds that both have."""
    differences = [upper[seed] - lower[seed] for seed in upper if seed in lower]
    if not differences:
        return None
    bounds = interval(differences)
    low, high = bounds or (None, None)
    return Effect(what, float(np.mean(differences)), low, high, len(differences), _judged(low, high))


def _judged(low: float | None, high: float | None) -> Verdict:
    if low is None or high is None:
        return "undecided"
    return "holds" if low > 0 else "does not hold" if high < 0 else "undecided"


def _best(options: Sequence[Seeds]) -> Seeds:
    """Return for each seed the value of the option that is best by the other seeds' means."""
    seeds = sorted(set.intersection(*(set(option) for option in options)))
    table = np.array([[option[seed] for seed in seeds] for option in options])
    if len(seeds) < 2:
        return dict(zip(seeds, table.max(axis=0).tolist(), strict=True)) if seeds else {}
    others = table.sum(axis=1, keepdims=True) - table
    return dict(zip(seeds, table[others.argmax(axis=0), range(len(seeds))].tolist(), strict=True))


def _claim(
    name: str,
    on: str,
    *,
    says: str,
    reading: str,
    tested: str,
    effects: Sequence[Effect | None],
    unit: str = "points",
    missing: str,
) -> Claim:
    """Return a claim with the verdict of its effects; `missing` says what it takes where there is none."""
    own = tuple(effect for effect in effects if effect is not None)
    verdict: Verdict = "undecided"
    why = ""
    if not own:
        why = missing
    elif any(effect.verdict == "does not hold" for effect in own):
        verdict = "does not hold"
    elif all(effect.verdict == "holds" for effect in own):
        verdict = "holds"
    elif all(effect.low is None for effect in own):
        why = "one seed: no interval"
    else:
        open_ = [effect.what for effect in own if effect.verdict == "undecided"]
        why = f"the interval holds 0: {', '.join(open_)}" if len(open_) < len(own) else "the interval holds 0"
    return Claim(name, on, says, reading, tested, unit, verdict, why, own)


def _by_examples(result: Result, trained: int | str) -> list[int | str]:
    """Return the sizes of a bin from fewest to most examples, of equal ones the first."""
    found: dict[float, int | str] = {}
    for size in sizes(result):
        count = taken(result, trained, size)
        if count is not None:
            found.setdefault(count, size)
    return [found[count] for count in sorted(found)]


def _peak(result: Result, test: str) -> Claim:
    effects = []
    for trained in (b for b in trained_bins(result) if b != MIXED):
        own = _by_examples(result, trained)
        values = [over_seeds(result, trained, size, accuracy(test)) for size in own]
        if len(own) > 1 and all(values):
            effects.append(_effect(label(trained), _best(values[:-1]), values[-1]))
    return _claim(
        "A small scale is best",
        test,
        says="240 examples are best; 1,920 are up to 14 % worse.",
        reading="13.69 is D2 at 240 minus D0 at 1,920: size and category both changed. The largest drop given within "
        "one category is 8.86 (D0). The paper's own appendix: the peak moves with model and settings.",
        tested="For each training bin: the best size before its largest, minus its largest.",
        effects=effects,
        missing="it takes a bin with two sizes",
    )


def _mean_of(options: Sequence[Seeds]) -> Seeds:
    """Return the mean of several options for each seed that all have."""
    seeds = sorted(set.intersection(*(set(option) for option in options)))
    return {seed: float(np.mean([option[seed] for option in options])) for seed in seeds}


def _middle_of(result: Result, test: str, size: int) -> tuple[str, Seeds] | None:
    """Return D2's accuracy, or where it was not trained the mean of D1 and D3, and what it is."""
    bins = [2] if 2 in trained_bins(result) else [b for b in MIDDLE if b in trained_bins(result)]
    values = [over_seeds(result, b, size, accuracy(test)) for b in bins]
    if not bins or not all(values):
        return None
    return " and ".join(map(label, bins)), _mean_of(values)


def _middle(result: Result, test: str) -> Claim:
    size = common_size(result)
    middle = None if size is None else _middle_of(result, test, size)
    effects = []
    if size is not None and middle is not None:
        for end in (0, 4):
            other = over_seeds(result, end, size, accuracy(test))
            effects.append(_effect(f"{middle[0]} over {label(end)}", middle[1], other))
    return _claim(
        "Mid-mastery data is best",
        test,
        says="At 1,920 the category matters by over 12 %, and D2 is best.",
        reading="D2 - D0 is 12.06 at 1,920. D2 leads D3 by 2.4 and D4 by 3.6, with spreads of .9 to 1.6 over few runs.",
        tested=f"At {_at(size)}: D2 (without it the mean of D1 and D3) minus D0, and minus D4.",
        effects=effects,
        missing="it takes a middle bin, D0 or D4, and a size that all bins fill",
    )


def _gap(result: Result, test: str) -> Claim:
    size = common_size(result)
    smallest = next((s for s in sizes(result) if s != ALL), None)
    effects = []
    if size is not None and isinstance(smallest, int) and smallest < size:
        large, small = _middle_of(result, test, size), _middle_of(result, test, smallest)
        if large is not None and small is not None:
            gaps = [
                {
                    seed: value - worst[seed]
                    for seed, value in middle[1].items()
                    if seed in (worst := over_seeds(result, 0, s, accuracy(test)))
                }
                for middle, s in ((large, size), (small, smallest))
            ]
            effects.append(_effect(f"{large[0]} over D0", gaps[0], gaps[1]))
    return _claim(
        "The gap grows with scale",
        test,
        says='The gap between categories grows "1.50 times" from 240 to 1,920.',
        reading="12.06 at 1,920 against 4.83 at 240 is 2.5 times.",
        tested=f"The lead of the middle over D0 at {_at(size)}, minus the same at {_at(smallest)}.",
        effects=effects,
        missing="it takes D0, a middle bin and two sizes that all bins fill",
    )


def _diagonal(result: Result, test: str) -> Claim:
    size = common_size(result)
    bins = [b for b in trained_bins(result) if isinstance(b, int)]
    effects = []
    for own in bins if len(bins) > 1 else ():
        if size is None:
            break
        values = {b: over_seeds(result, b, size, accuracy(test, own)) for b in bins}
        if all(values.values()):
            rival = _best([values[b] for b in bins if b != own])
            effects.append(_effect(label(own), values[own], rival))
    return _claim(
        "Each bin is best on itself",
        test,
        says="Each category gives the best accuracy on the test facts of its own, and D2 on all together.",
        reading="True of D0 too (1.75 against .64 to .98 on bin 0): there it is guessing that counts. Not out of "
        "domain: there D2 is best on bins 1 to 3.",
        tested=f"At {_at(size)}, for each test bin: its own training bin minus the best other one.",
        effects=effects,
        missing="it takes two training bins, their test bins, and a size that all bins fill",
    )


def _hurts(result: Result, test: str) -> Claim:
    effects = []
    sizes_of_d0 = _by_examples(result, 0)
    if sizes_of_d0:
        largest = sizes_of_d0[-1]
        tuned = over_seeds(result, 0, largest, accuracy(test))
        for said, found in originals(result, test).items():
            before = of_accuracy(found)
            if before is not None:
                effects.append(_effect(f"original, {said}", dict.fromkeys(tuned, before), tuned))
    return _claim(
        "D0 data hurts",
        test,
        says="Training on D0 at a large scale makes closed-book answers worse.",
        reading="The paper gives no score of the original: it compares tuned models with each other. Asked in the SFT "
        "prompt, which it has not learnt, the original shows less than it knows.",
        tested="The original minus D0 at its largest size, for each way of asking the original.",
        effects=effects,
        missing="it takes D0 and a score of the original",
    )


def _falls(result: Result, on: str, value: Value) -> Claim:
    effects = []
    for trained in (b for b in trained_bins(result) if b != MIXED):
        own = _by_examples(result, trained)
        if len(own) > 2:
            first, second = (over_seeds(result, trained, size, value) for size in own[:2])
            effects.append(_effect(label(trained), first, second))
    return _claim(
        "Divergence falls at first",
        on,
        says="KL to the original falls from 60 to 240 examples.",
        reading="A figure only, of one test bin, without numbers.",
        tested="For each training bin of three sizes or more: its smallest size minus the next.",
        effects=effects,
        unit="nats",
        missing="it takes a bin with three sizes",
    )


def _rises(result: Result, on: str, value: Value) -> Claim:
    effects = []
    rise: dict[int, Seeds] = {}
    for trained in (b for b in BINS if b in trained_bins(result)):
        own = _by_examples(result, trained)
        if len(own) > 1:
            small = over_seeds(result, trained, own[0], value)
            large = over_seeds(result, trained, own[-1], value)
            rise[trained] = {seed: large[seed] - small[seed] for seed in large if seed in small}
            if trained in (0, 1):
                effects.append(_effect(f"{label(trained)} rises", large, small))
    size, smallest = common_size(result), next(iter(sizes(result)), None)
    if size is not None and smallest != size and smallest is not None:
        grown = [
            {
                seed: last - first[seed]
                for seed, last in over_seeds(result, b, size, value).items()
                if seed in (first := over_seeds(result, b, smallest, value))
            }
            for b in (0, 1, 4)
        ]
        effects += [_effect(f"{label(b)} more than D4", grown[b], grown[2]) for b in (0, 1)]
    return _claim(
        "Divergence rises, most for D0 and D1",
        on,
        says="KL to the original rises from 240 to 1,920 examples, most for D0 and D1.",
        reading="A figure only. The paper's KL is of bin 4, the first token, ten tokens, and between two prompts.",
        tested="D0 and D1: largest size minus smallest. "
        f"Then that rise, to {_at(size)}, minus the rise of D4.",
        effects=effects,
        unit="nats",
        missing="it takes D0 or D1 at two sizes",
    )


def _together(result: Result, test: str, on: str, value: Value) -> Claim:
    groups = []
    for trained in trained_bins(result):
        for size in sizes(result):
            x = over_seeds(result, trained, size, value)
            y = over_seeds(result, trained, size, accuracy(test))
            pairs = [(x[seed], y[seed]) for seed in x if seed in y]
            if pairs:
                groups.append(np.array(pairs))
    effects: list[Effect | None] = []
    if len(groups) >= FEWEST_GROUPS:
        effects.append(_correlation(groups))
    return _claim(
        "Accuracy falls as divergence rises",
        f"{test}, {on}",
        says="Models further from the original answer worse.",
        reading="A figure only, no coefficient. Size and category move both, so that it is no cause.",
        tested=f"Spearman over all cells; the claim wants it below 0. Bootstrap of bin x size groups ({len(groups)}).",
        effects=effects,
        unit="Spearman",
        missing=f"it takes {FEWEST_GROUPS} training bins x sizes",
    )


def _correlation(groups: Sequence[Floats]) -> Effect | None:
    """Return Spearman's coefficient over all cells, its interval over draws of whole groups."""

    def of(rows: Sequence[int]) -> float:
        joined = np.concatenate([groups[row] for row in rows])
        return rank_correlation(joined[:, 0], joined[:, 1])

    found = of(range(len(groups)))
    if np.isnan(found):
        return None
    draws = np.random.default_rng(0).integers(0, len(groups), size=(RESAMPLES, len(groups)))
    drawn = np.array([of(rows) for rows in draws.tolist()])
    drawn = drawn[~np.isnan(drawn)]
    low, high = (float(q) for q in np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Effect("all cells", found, low, high, len(groups), _judged(-high, -low))


def _at(size: int | str | None) -> str:
    return "the largest size that all bins fill" if size is None else f"{size_label(size)} examples"
