"""The paper's claims, each as a test on the cells of a knowledge study."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.study.effects import (
    Effect,
    Rights,
    Seeds,
    Verdict,
    best,
    correlation,
    effect_of,
    mean_of,
    minus,
    values_of,
    with_facts,
)
from assay.study.knowledge.tables import (
    ALL,
    DIVERGENCES,
    MIXED,
    PROMPTS,
    Result,
    Value,
    accuracy,
    label,
    of_accuracy,
    over_seeds,
    size_label,
    sizes,
    taken,
    tested,
    trained_bins,
)

REACHED = 0.9  # share of a size that a bin must fill to be compared with others at it
FEWEST_GROUPS = 5  # bins x sizes, for a correlation: four are in one order by chance once in 24
MIDDLE = (1, 2, 3)


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


def claims(result: Result, *, rights: Mapping[str, Rights] | None = None) -> list[Claim]:
    """Return the paper's claims with effects, intervals over seeds and facts, and verdicts.

    Parameters
    ----------
    result : mapping
        As in `assay.study.knowledge.tables.tables`.
    rights : mapping from str to Rights, optional
        By test set, which facts each cell and the original had right: see `assay.study.knowledge.right_answers`.
        Without it intervals of accuracies are over seeds alone: too narrow where bins hold few facts.

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
    (percentiles) of training bin x size groups, all seeds of a group together, since they are alike. With `rights`
    the half-width of an accuracy's interval is sqrt(a^2 + b^2): a of seeds, and b = 1.96 standard errors over facts,
    within each bin, of the difference averaged over seeds: see `half_of_facts`, for bins of few facts. So intervals
    cover other random subsets and orders of training, and other test facts of these relations; not other models, worlds
    or templates. Divergences have seeds alone. No correction for the number of claims.

    Bins are compared with each other at the largest size that every bin fills to nine tenths, since another size is
    another effect; a bin with itself at all sizes, "all" too. Source: Ye et al., EMNLP 2025, arXiv 2509.16596, which
    gives no interval for any of these.
    """
    found = list[Claim]()
    for test in tested(result):
        of = (rights or {}).get(test)
        found += [one(result, test, of) for one in (_peak, _middle, _gap, _diagonal)]
        found += _hurts(result, test, of)
    for on, value in DIVERGENCES.items():
        if any(value(cell) is not None for cell in result["cells"]):
            found += [_falls(result, on, value), _rises(result, on, value)]
            found += [_together(result, test, on, value) for test in tested(result)]
    order = list(dict.fromkeys(claim.name for claim in found))
    return sorted(found, key=lambda claim: order.index(claim.name))


def listed(judged: Sequence[Claim]) -> list[dict[str, Any]]:
    """Return claims as rows, one an effect; a claim without one has a row that says why."""
    return [
        {
            "claim": one.name,
            "on": one.on,
            "verdict": one.verdict,
            "effect of": "" if its is None else its.what,
            "effect": None if its is None else its.effect,
            "low": None if its is None else its.low,
            "high": None if its is None else its.high,
            "n": None if its is None else its.n,
            "unit": one.unit,
            "why": one.why,
        }
        for one in judged
        for its in one.effects or (None,)
    ]


def common_size(result: Result) -> int | None:
    """Return the largest size that every training bin fills to nine tenths; None where there is none."""
    bins = [b for b in trained_bins(result) if b != MIXED]
    for size in reversed([size for size in sizes(result) if not isinstance(size, str)]):
        if all((taken(result, b, size) or 0.0) >= REACHED * size for b in bins):
            return size
    return None


def _scores(
    result: Result,
    test: str,
    rights: Rights | None,
    trained: int | str,
    size: int | str,
    category: int | str = "macro",
) -> Seeds:
    """Return the accuracy of a training bin and size on a test set, or on one of its bins, by seed."""
    return {
        seed: with_facts(value, rights, f"{label(trained)}-{size}-s{seed}", category)
        for seed, value in over_seeds(result, trained, size, accuracy(test, category)).items()
    }


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


def _peak(result: Result, test: str, rights: Rights | None) -> Claim:
    effects = []
    for trained in (b for b in trained_bins(result) if b != MIXED):
        own = _by_examples(result, trained)
        values = [_scores(result, test, rights, trained, size) for size in own]
        if len(own) > 1 and all(values):
            effects.append(effect_of(label(trained), best(values[:-1]), values[-1], rights))
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


def _middle_of(result: Result, test: str, rights: Rights | None, size: int) -> tuple[str, Seeds] | None:
    """Return D2's accuracy, or where it was not trained the mean of D1 and D3, and what it is."""
    bins = [2] if 2 in trained_bins(result) else [b for b in MIDDLE if b in trained_bins(result)]
    values = [_scores(result, test, rights, b, size) for b in bins]
    if not bins or not all(values):
        return None
    return " and ".join(map(label, bins)), mean_of(values)


def _middle(result: Result, test: str, rights: Rights | None) -> Claim:
    size = common_size(result)
    middle = None if size is None else _middle_of(result, test, rights, size)
    effects = []
    if size is not None and middle is not None:
        for end in (0, 4):
            other = _scores(result, test, rights, end, size)
            effects.append(effect_of(f"{middle[0]} over {label(end)}", middle[1], other, rights))
    return _claim(
        "Mid-mastery data is best",
        test,
        says="At 1,920 the category matters by over 12 %, and D2 is best.",
        reading="D2 - D0 is 12.06 at 1,920. D2 leads D3 by 2.4 and D4 by 3.6, with spreads of .9 to 1.6 over few runs.",
        tested=f"At {_at(size)}: D2 (without it the mean of D1 and D3) minus D0, and minus D4.",
        effects=effects,
        missing="it takes a middle bin, D0 or D4, and a size that all bins fill",
    )


def _gap(result: Result, test: str, rights: Rights | None) -> Claim:
    size = common_size(result)
    smallest = next((s for s in sizes(result) if s != ALL), None)
    effects = []
    if size is not None and isinstance(smallest, int) and smallest < size:
        large, small = _middle_of(result, test, rights, size), _middle_of(result, test, rights, smallest)
        if large is not None and small is not None:
            gaps = [
                minus(middle[1], _scores(result, test, rights, 0, s))
                for middle, s in ((large, size), (small, smallest))
            ]
            effects.append(effect_of(f"{large[0]} over D0", gaps[0], gaps[1], rights))
    return _claim(
        "The gap grows with scale",
        test,
        says='The gap between categories grows "1.50 times" from 240 to 1,920.',
        reading="12.06 at 1,920 against 4.83 at 240 is 2.5 times.",
        tested=f"The lead of the middle over D0 at {_at(size)}, minus the same at {_at(smallest)}.",
        effects=effects,
        missing="it takes D0, a middle bin and two sizes that all bins fill",
    )


def _diagonal(result: Result, test: str, rights: Rights | None) -> Claim:
    size = common_size(result)
    bins = [b for b in trained_bins(result) if isinstance(b, int)]
    effects = []
    for own in bins if len(bins) > 1 else ():
        if size is None:
            break
        values = {b: _scores(result, test, rights, b, size, own) for b in bins}
        if all(values.values()):
            rival = best([values[b] for b in bins if b != own])
            effects.append(effect_of(label(own), values[own], rival, rights, own))
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


def _hurts(result: Result, test: str, rights: Rights | None) -> list[Claim]:
    """Return a claim for each way of asking the original, since they disagree."""
    own = _by_examples(result, 0)
    tuned = _scores(result, test, rights, 0, own[-1]) if own else {}
    effects: dict[str, Effect | None] = {}
    for way, said in PROMPTS.items():
        value = of_accuracy((result["original"].get(way) or {}).get(test))
        if value is not None:
            before = dict.fromkeys(tuned, with_facts(value, rights, way))
            effects[f"{test}, {said}"] = effect_of(f"original, {said}", before, tuned, rights)
    return [
        _claim(
            "D0 data hurts",
            on,
            says="Training on D0 at a large scale makes closed-book answers worse.",
            reading="The paper gives no score of the original: it compares tuned models with each other. In the SFT "
            "prompt, unless that is its own chat template, the original shows less than it knows; asked in another way "
            "it may show what any fine-tuning takes: see whether D4 stays below that original, too.",
            tested="The original minus D0 at its largest size, for each way of asking the original.",
            effects=[effect],
            missing="it takes D0 and a score of the original",
        )
        for on, effect in (effects or {test: None}).items()
    ]


def _falls(result: Result, on: str, value: Value) -> Claim:
    effects = []
    for trained in (b for b in trained_bins(result) if b != MIXED):
        own = _by_examples(result, trained)
        if len(own) > 2:
            first, second = (values_of(over_seeds(result, trained, size, value)) for size in own[:2])
            effects.append(effect_of(label(trained), first, second))
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
    for trained in (b for b in (0, 1) if b in trained_bins(result)):
        own = _by_examples(result, trained)
        if len(own) > 1:
            small, large = (values_of(over_seeds(result, trained, size, value)) for size in (own[0], own[-1]))
            effects.append(effect_of(f"{label(trained)} rises", large, small))
    size, smallest = common_size(result), next(iter(sizes(result)), None)
    if size is not None and smallest != size and smallest is not None:
        grown = {
            b: minus(*(values_of(over_seeds(result, b, at, value)) for at in (size, smallest)))
            for b in (0, 1, 4)
        }
        effects += [effect_of(f"{label(b)} more than D4", grown[b], grown[4]) for b in (0, 1)]
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
    groups: dict[Hashable, list[tuple[float, float]]] = {}
    for trained in trained_bins(result):
        for size in sizes(result):
            x = over_seeds(result, trained, size, value)
            y = over_seeds(result, trained, size, accuracy(test))
            pairs = [(x[seed], y[seed]) for seed in x if seed in y]
            if pairs:
                groups[trained, size] = pairs
    effects: list[Effect | None] = []
    if len(groups) >= FEWEST_GROUPS:
        effects.append(correlation(groups))
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


def _at(size: int | str | None) -> str:
    return "the largest size that all bins fill" if size is None else f"{size_label(size)} examples"
