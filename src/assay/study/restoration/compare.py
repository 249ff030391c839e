"""Sweeps -> what restoring does: levels of every state, choices made on dev, paired differences, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.study.effects import mean_of
from assay.study.restoration.groups import At, Difference, Group, Key, group_of_texts, mean_told
from assay.study.restoration.metrics import UNITS, metric_of
from assay.study.restoration.runs import Run
from assay.weights import RANKINGS

Result = dict[str, Any]
Row = dict[str, Any]

TUNED, SCOPE, ORIGINAL = ("tuned", "", None, None), ("scope", "", None, None), ("original", "", None, None)
BASELINES = {"tuned": TUNED, "scope": SCOPE, "original": ORIGINAL}
ORDER = ("random", "shrink", *(name for name in RANKINGS if name != "random"), "bottom")
HELD = ("weights", "changed", "relative", "absolute", "energy")
WEIGHTS, ENERGY, CHOSEN = "equal weights", "equal energy", "each at its own percent"
RESTORED = "restored"  # against the tuned model itself
BY = {WEIGHTS: "weights", ENERGY: "energy"}
SAID = {"holds": "better", "does not hold": "worse", "undecided": "undecided"}


def compare(
    groups: Mapping[str, Sequence[Run]],
    *,
    metric: str = "macro",
    reference: str = "relative",
    lower_is_better: bool = False,
) -> Result:
    """Return what restoration does to each group of tuned models, and whether a ranking beats the controls.

    Parameters
    ----------
    groups : mapping from str to sequence of Run
        By label. The runs of a group are tuned alike but for their seeds, from one original.
    metric : str
        "macro": mean of the accuracies of the bins, as in the paper (of all facts where none are graded); "micro": of
        all facts; "loss": on texts, a token; else a name of the rows' ``numbers``.
    reference : str
        The ranking that is held against all others.
    lower_is_better : bool
        Of a number by name; of the others it is known.

    Returns
    -------
    dict
        ``metric``, ``unit``, ``reference``, ``sets`` and ``chosen_on``; ``groups``, by label:

        - ``runs``, ``facts`` (by set), ``texts``, ``draws``, ``missing`` (states that not all runs have);
        - ``states``: a row a state, its value on each set (mean over runs and draws), sd over runs, and its gain over
          the tuned model with an interval; percent of the sums that are set back; ``loss`` on other text;
        - ``choices``: for each ranking the percent that is best on dev, and what it is elsewhere;
        - ``differences``: the reference less the tuned model, and less each other ranking, at equal percents of
          weights, at equal energy, and each at its own percent; ``chosen`` are those at the percent that was chosen
          for the reference; ``energy`` and ``other energy``: percent of sum d^2 that both undo;
        - ``parts``: layers and modules that are set back whole, less the tuned model, and less as many weights
          anywhere.

        ``together``: the chosen differences, means over groups, 0 where nothing is restored. All effects are of
        "better": a positive one says that the reference, or restoration, is better, whatever the metric.

    Raises
    ------
    DataError
        For no run, no tuned state, an unknown metric or reference, runs of other facts.

    Notes
    -----
    Percents are chosen on the dev facts alone, by the mean over runs and draws, nothing restored being a candidate;
    of equal ones the one that undoes less. A ranking may choose among all of its states, by weights and by energy, so
    that shrinking reaches as far as the reference does. Text is split in turn into dev and test. A number has no dev:
    each run's percent is chosen by the other runs.

    Intervals of 95 %: the same facts in both states of a run, one difference a run, half of the width sqrt(a^2 + b^2 +
    c^2). a: Student's over runs (seeds of fine-tuning). b: 1.96 standard errors over facts within each bin, or over
    texts, of the difference averaged over runs, less what is in a already (`assay.study.effects.half_without`). c:
    1.96 standard errors over draws of random choices, pooled over random states, where runs share the seeds of draws;
    with seeds of their own a has it, and of one draw it cannot be told. With one run a is left out: the interval is
    for other facts, not for another fine-tuning. An interval is of the percent that was chosen: that dev may choose
    another adds nothing. Nothing is corrected for the number of intervals.

    Source: Ye et al., EMNLP 2025, arXiv 2509.16596, Tables 4 and 11, which have no dev set, no controls and no
    intervals.
    """
    if not groups or not all(groups.values()):
        raise DataError("groups must have at least one run each; got none. Run the sweep first.")
    measure = metric_of([run for runs in groups.values() for run in runs], metric, lower_is_better)
    found: Result = {
        "metric": metric, "unit": UNITS.get(metric, ""), "reference": reference, "sign": measure.sign,
        "sets": list(measure.sets), "chosen_on": measure.choose, "groups": {}, "together": [],
    }  # fmt: skip
    kept: dict[tuple[str, str, str], list[Difference]] = {}
    for label, runs in groups.items():
        found["groups"][label] = _compared(Group(runs, measure, group_of_texts(runs)), reference, kept)
    if len(groups) > 1:
        found["together"] = _together(kept)
    return found


def _compared(group: Group, reference: str, kept: dict[tuple[str, str, str], list[Difference]]) -> Row:
    if TUNED not in group.names:
        raise DataError("runs must have the state 'tuned'; it is missing. Run the sweep to its end.")
    kinds = {key[0] for key in group.names if key[3] is None and key[0] not in BASELINES}
    if kinds:
        _check.choice("reference", reference, sorted(kinds))
    order = [reference, *(kind for kind in ORDER if kind in kinds - {reference})] if kinds else []
    chosen = {kind: _choice(group, kind) for kind in order}
    first = next(iter(group.runs.values()))
    return {
        "runs": [run.name for run in group.runs.values()],
        "facts": {on: len(of) for on, of in first.bins.items()},
        "texts": len(first.losses["tuned"][0]) if "tuned" in first.losses else None,
        "draws": max((len(own) for by_run in group.names.values() for own in by_run.values()), default=1),
        "missing": group.missing,
        "states": [_state(group, key) for key in _ordered(group, order)],
        "choices": [_chosen(group, kind, at) for kind, at in chosen.items()],
        "differences": _differences(group, chosen, kept),
        "parts": _parts(group),
    }


def _ordered(group: Group, order: Sequence[str]) -> list[Key]:
    """Return the states: baselines, rankings by weights then by energy, parts."""
    ranks = {kind: rank for rank, kind in enumerate((*BASELINES, *order, "whole"))}
    return sorted(
        group.names,
        key=lambda key: (key[3] is not None, ranks.get(key[0], len(ranks)), key[1] != "weights", key[1], key[2] or 0,
                         _natural(key[3])),
    )  # fmt: skip


def _natural(part: str | None) -> tuple[int, str]:
    head = (part or "").partition("-")[0]
    return (int(head) if head.isdigit() else 0), part or ""


def _sets(group: Group) -> list[str]:
    """Return all sets, that of the choice first."""
    choose = group.measure.choose
    return [*([] if choose is None else [choose]), *group.measure.sets]


def _state(group: Group, key: Key) -> Row:
    """Return a state's row: what is set back, its values, its gains over the tuned model, its loss."""
    kind, by, percent, part = key
    row: Row = {"kind": kind, "by": by, "percent": percent, "part": part}
    row["draws"] = min(map(len, group.names[key].values()))
    row |= {what: group.held(key, what) for what in HELD}
    at, tuned = group.everywhere(key), group.everywhere(TUNED)
    for on in _sets(group):
        row |= {
            on if name == "value" else f"{on} {name}": value for name, value in _level(group, at, on).items()
        }
        row |= _prefixed(on, group.difference(at, tuned, on))
    return row | _loss(group, at)


def _level(group: Group, at: At, on: str) -> Row:
    """Return a value as it is, and its sd over runs."""
    values = [group.measure.sign * one[0] for one in group.seeds(at, on).values()]
    return {"value": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def _prefixed(on: str, difference: Difference | None) -> Row:
    """Return a gain with its interval, as columns of a set; all None of a state over itself."""
    effect = None if difference is None or difference.same else difference.effect()
    return {
        f"{on} gain": None if effect is None else effect.effect,
        f"{on} low": None if effect is None else effect.low,
        f"{on} high": None if effect is None else effect.high,
    }


def _loss(group: Group, at: At) -> Row:
    """Return the loss on all texts, and its change from the tuned model's; nothing where there are none."""
    if group.texts is None:
        return {}
    changed = _prefixed("loss", group.texts.difference(at, group.everywhere(TUNED), ""))
    return {"loss": _level(group.texts, at, "")["value"], "loss change": changed.pop("loss gain")} | changed


def _choice(group: Group, kind: str) -> At:
    """Return the state that a ranking chooses: by the dev set for all runs, else for each run by the others."""
    options, choose = _options(group, kind), group.measure.choose
    return _best(group, options, choose) if choose is not None else _by_others(group, options)


def _options(group: Group, kind: str) -> list[Key]:
    """Return what a ranking may choose: nothing restored, then its states, those first that undo less."""
    own = [key for key in group.names if key[0] == kind and key[3] is None]
    return [TUNED, *sorted(own, key=lambda key: (group.held(key, "energy") or 0.0, key[2] or 0.0, key[1]))]


def _best(group: Group, options: Sequence[Key], on: str, only: int | None = None) -> At:
    """Return the option of the highest mean over runs; of equal ones the first."""
    values = [
        np.mean(
            [
                one[0]
                for number, one in group.seeds(group.everywhere(key), on).items()
                if only in (None, number)
            ]
        )
        for key in options
    ]
    return group.everywhere(options[_highest(values)])


def _by_others(group: Group, options: Sequence[Key]) -> At:
    (on,) = group.measure.sets[:1]
    values = {key: group.seeds(group.everywhere(key), on) for key in options}
    found = {}
    for number in group.runs:
        others = [one for one in group.runs if one != number] or [number]
        means = [np.mean([values[key][one][0] for one in others]) for key in options]
        found[number] = options[_highest(means)]
    return found


def _highest(values: Sequence[float]) -> int:
    """Return the place of the highest value, of equal ones the first; one that is no number is never the highest."""
    return int(np.argmax(np.nan_to_num(np.round(values, 9), nan=-np.inf, posinf=np.inf, neginf=-np.inf)))


def _chosen(group: Group, kind: str, at: At) -> Row:
    """Return what a ranking chose, and what that state is on every set."""
    keys = list(at.values())
    one = keys[0] if len(set(keys)) == 1 else None
    choose, options = group.measure.choose, _options(group, kind)
    own = [
        at[number] if choose is None else _best(group, options, choose, number)[number]
        for number in group.runs
    ]
    row: Row = {
        "ranking": kind,
        "by": None if one is None or one == TUNED else one[1],
        "percent": _percent(at),
        "weights": mean_told(_undone(group, key, "weights") for key in keys),
        "energy": _energy(group, at),
        "candidates": len(options),
        "energy by each": [_undone(group, key, "energy") for key in own],
    }
    for on in _sets(group):
        row |= {
            on if name == "value" else f"{on} {name}": value for name, value in _level(group, at, on).items()
        }
        row |= _prefixed(on, group.difference(at, group.everywhere(TUNED), on))
    return row | _loss(group, at)


def _undone(group: Group, key: Key, what: str) -> float | None:
    return 0.0 if key == TUNED else group.held(key, what)


def _differences(
    group: Group, chosen: Mapping[str, At], kept: dict[tuple[str, str, str], list[Difference]]
) -> list[Row]:
    """Return the reference less each other ranking, in three ways, on every set that is reported."""
    if not chosen:
        return []
    reference, *others = chosen
    own = chosen[reference]
    keys = sorted(
        (key for key in group.names if key[0] == reference and key[3] is None), key=lambda key: key[2] or 0.0
    )
    rows = []

    def add(on: str, against: str, how: str, percent: float | None, upper: At, lower: At) -> None:
        difference = group.difference(upper, lower, on)
        row: Row = {"on": on, "against": against, "how": how, "percent": percent, "chosen": upper == own}
        row |= {"energy": _energy(group, upper), "other energy": _energy(group, lower)}
        rows.append(row | _numbers(difference))
        if upper == own:
            kept.setdefault((on, against, how), []).append(difference)

    for on in group.measure.sets:
        add(on, "tuned", RESTORED, _percent(own), own, group.everywhere(TUNED))
    for on, against in product(group.measure.sets, others):
        pairs = dict[tuple[str, float | None], tuple[At, At]]()
        for how, by in BY.items():
            options = [*(group.everywhere(key) for key in keys), own]
            for upper in options:
                lower: At = {
                    n: key if key == TUNED else (against, by, key[2], None) for n, key in upper.items()
                }
                if all(key in group.names for key in lower.values()):
                    pairs[how, _percent(upper)] = (upper, lower)
        for (how, percent), (upper, lower) in pairs.items():
            add(on, against, how, percent, upper, lower)
        add(on, against, CHOSEN, _percent(own), own, chosen[against])
    return rows


def _percent(at: At) -> float | None:
    """Return the percent of a state that all runs are in; None where they are in several."""
    percents = {key[2] or 0.0 for key in at.values()}
    return percents.pop() if len(percents) == 1 else None


def _energy(group: Group, at: At) -> float | None:
    """Return the percent of sum d^2 that is undone, the mean over runs and draws."""
    return mean_told(_undone(group, key, "energy") for key in at.values())


def _numbers(difference: Difference) -> Row:
    """Return an effect as columns; all None, and "same", where both are one state."""
    if difference.same:
        return dict.fromkeys(("effect", "low", "high", "n", "facts")) | {"verdict": "same"}
    effect = asdict(difference.effect())
    return {name: effect[name] for name in ("effect", "low", "high", "n", "facts")} | {
        "verdict": SAID[effect["verdict"]]
    }


def _together(kept: Mapping[tuple[str, str, str], Sequence[Difference]]) -> list[Row]:
    """Return the chosen differences as means over groups, one a seed; of groups that have the same seeds.

    A group in which both are one state, as where nothing is restored, counts: with 0.
    """
    rows = []
    for (on, against, how), own in kept.items():
        seeds = {tuple(one.seeds) for one in own}
        if len(own) > 1 and len(seeds) == 1 and not all(one.same for one in own):
            mean = Difference(
                mean_of([one.seeds for one in own]), float(np.mean([one.draws for one in own])), own[0].half
            )
            rows.append({"on": on, "against": against, "how": how, "groups": len(own)} | _numbers(mean))
    return rows


def _parts(group: Group) -> list[Row]:
    """Return layers and modules set back whole, less the tuned model and less as many weights anywhere in scope."""
    rows = []
    for key in _ordered(group, ()):
        if key[0] != "whole":
            continue
        control = ("random", key[1], key[2], key[3])
        at, tuned = group.everywhere(key), group.everywhere(TUNED)
        row: Row = {"by": key[1], "part": key[3]} | {what: group.held(key, what) for what in HELD}
        for on in _sets(group):
            row[on] = _level(group, at, on)["value"]
            row |= _prefixed(on, group.difference(at, tuned, on))
            other = control in group.names
            row[f"{on} control"] = _level(group, group.everywhere(control), on)["value"] if other else None
            against = group.difference(at, group.everywhere(control), on) if other else None
            row |= {
                name.replace(f"{on} ", f"{on} over control "): value
                for name, value in _prefixed(on, against).items()
            }
        rows.append(row | _loss(group, at))
    return rows
