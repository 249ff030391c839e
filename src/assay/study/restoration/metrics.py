"""How the states of a sweep are valued: accuracy of facts, loss on texts, or a number that a program told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.knowledge.intervals import Floats, Ints
from assay.study.effects import CONFIDENCE, Rights, half_of_facts, half_without
from assay.study.restoration.runs import Run

Half = Callable[[Floats], float]

DEV, TEST = "dev", "test"
UNITS = {"macro": "points", "micro": "points", "loss": "nats"}
METRICS = ("macro", "micro", "loss")
_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Metric:
    """How states are valued. `value`: of a run's state on a set, then what each fact or text adds.

    `half`: of an interval over the facts or texts of a set; `strata`: the bin of each. `sets`: those that are reported.
    `choose`: the set that percents are chosen on, None: by the other runs. `sign` is -1 where less is better.
    """

    value: Callable[[Run, str, str], Floats]
    half: Callable[[str], Half | None]
    strata: Callable[[str], Ints]
    sets: tuple[str, ...]
    choose: str | None
    sign: int


def metric_of(runs: Sequence[Run], metric: str, lower_is_better: bool) -> Metric:
    """Return how a metric is read."""
    first = runs[0]
    if metric in ("macro", "micro"):
        own = _answered(runs)
        rights = {on: Rights(bins, {}) for on, bins in own.items()}
        weights = {on: one.weights(metric) for on, one in rights.items()}

        def accuracy(run: Run, name: str, on: str) -> Floats:
            parts = weights[on] * run.answers[name][on]
            return np.concatenate([[parts.sum()], parts])

        return Metric(
            accuracy,
            lambda on: partial(_half_of_facts, rights=rights[on], category=metric),
            lambda on: rights[on].bins,
            tuple(on for on in own if on != DEV),
            DEV if DEV in own else None,
            1,
        )
    if metric == "loss":
        check_texts(runs)
        tokens, _ = first.losses["tuned"]
        taken = {DEV: np.arange(len(tokens)) % 2 == 0, TEST: np.arange(len(tokens)) % 2 == 1}
        if not all(tokens[own].any() for own in taken.values()):
            raise DataError(
                f"texts must have some to choose by and some to report for --metric loss, of two tokens at least; got "
                f"{len(tokens)}. Give more texts."
            )
        return Metric(
            lambda run, name, on: loss_of(*(one[taken[on]] for one in run.losses[name])),
            lambda on: partial(half_of_texts, tokens=tokens[taken[on]]),
            lambda on: np.zeros(int(taken[on].sum()), dtype=np.int64),
            (TEST,),
            DEV,
            -1,
        )
    numbers = sorted(
        set.intersection(*({*(row.get("numbers") or ())} for run in runs for row in run.rows.values()))
    )
    _check.choice("metric", metric, [*METRICS, *numbers])

    def number(run: Run, name: str, on: str) -> Floats:
        return np.array([run.rows[name]["numbers"][metric]], dtype=float)

    return Metric(number, lambda on: None, lambda on: _NONE, ("all",), None, -1 if lower_is_better else 1)


def _answered(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the bins of each set's facts, or raise where runs have none or others."""
    bins = dict(sorted(runs[0].bins.items(), key=lambda item: (item[0] != DEV, item[0] != TEST)))
    for run in runs:
        if not run.answers:
            raise DataError(
                f"metric must be one that was measured; {run.name} was asked no facts. Give a number."
            )
        for name in run.rows:
            own = run.answers.get(name) or {}
            if any(on not in own or len(own[on]) != len(of) for on, of in bins.items()):
                raise DataError(
                    f"runs must be asked the same facts; state {name} of {run.name} was asked others. "
                    "Compare runs of one sweep."
                )
        if any(not np.array_equal(run.bins[on], of) for on, of in bins.items()):
            raise DataError(
                f"runs must be asked the same facts; {run.name} has other bins. Compare runs of one sweep."
            )
    return bins


def check_texts(runs: Sequence[Run]) -> None:
    """Raise where runs have no losses, or of other texts."""
    for run in runs:
        for name in run.rows:
            if name not in run.losses:
                raise DataError(f"metric must be one that was measured; {run.name} has no loss of {name}.")
            if not np.array_equal(run.losses[name][0], runs[0].losses["tuned"][0]):
                raise DataError(f"runs must be of the same texts; state {name} of {run.name} is of others.")


def loss_of(tokens: Floats, nats: Floats) -> Floats:
    """Return the mean loss a token, then what each text adds to it."""
    return np.concatenate([[nats.sum() / tokens.sum()], nats / tokens.sum()])


def _half_of_facts(parts: Floats, rights: Rights, category: str) -> float:
    return half_without(half_of_facts(parts.mean(axis=0), rights, category), parts, rights.bins)


def half_of_texts(parts: Floats, tokens: Floats) -> float:
    """Return half of the interval of a mean a token, or of a difference of two, for other texts alike.

    Of a ratio of sums (Cochran, Sampling Techniques, 1977, eq. 2.45, of a large population), a row of `parts` a run.
    """
    n = len(tokens)
    if n < 2:
        return float("inf")
    rest = parts - parts.sum(axis=1, keepdims=True) * tokens / tokens.sum()
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    half = float(z * np.sqrt(n / (n - 1) * np.square(rest.mean(axis=0)).sum()))
    return half_without(half, rest, np.zeros(n, dtype=np.int64))
