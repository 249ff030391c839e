"""The tuned models of a group in all of their states: values a state, paired differences of two, their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from assay.knowledge.intervals import Floats
from assay.study.effects import CONFIDENCE, Effect, Seeds, by_chance, effect_over, minus
from assay.study.restoration.metrics import Half, Metric, check_texts, half_of_texts, loss_of
from assay.study.restoration.runs import Run

Key = tuple[str, str, float | None, str | None]  # kind, by, percent, part: a state but for its draw
At = Mapping[int, Key]  # a state for each run


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """One difference a run, with what each fact adds; half of the interval over draws; that over facts.

    `same`: of a state with itself.
    """

    seeds: Seeds
    draws: float
    half: Half | None
    same: bool = False

    def effect(self) -> Effect:
        return effect_over("", self.seeds, self.half, alone=True, beside=self.draws)


class Group:
    """The runs of a group, which are paired, and their states."""

    def __init__(self, runs: Sequence[Run], measure: Metric, texts: Group | None = None) -> None:
        seeds = [run.seed for run in runs]
        self.runs = dict(zip(seeds if len(set(seeds)) == len(seeds) else range(len(runs)), runs, strict=True))
        self.measure = measure
        self.names: dict[Key, dict[int, list[str]]] = {}
        self.texts = texts
        self._values: dict[tuple[Key, int, str], list[Floats]] = {}
        self._draws: dict[str, float] = {}
        for number, run in self.runs.items():
            for name, row in sorted(run.rows.items(), key=lambda item: (item[1].get("seed") or 0, item[0])):
                self.names.setdefault(key_of(row), {}).setdefault(number, []).append(name)
        self.missing = sorted(_said(key) for key, own in self.names.items() if len(own) < len(self.runs))
        self.names = {key: own for key, own in self.names.items() if len(own) == len(self.runs)}

    def draws(self, key: Key, number: int, on: str) -> list[Floats]:
        """Return the values of the draws of a state of a run."""
        found = self._values.get((key, number, on))
        if found is None:
            run, measure = self.runs[number], self.measure
            found = [measure.sign * measure.value(run, name, on) for name in self.names[key][number]]
            self._values[key, number, on] = found
        return found

    def seeds(self, at: At, on: str) -> Seeds:
        """Return the mean over draws of a state of each run."""
        return {number: np.mean(self.draws(key, number, on), axis=0) for number, key in at.items()}

    def everywhere(self, key: Key) -> At:
        return dict.fromkeys(self.runs, key)

    def held(self, key: Key, what: str) -> float | None:
        """Return how much of a sum is set back, in percent, the mean over runs and draws."""
        found = [
            (run.rows[name].get("held") or {}).get(what)
            for number, run in self.runs.items()
            for name in self.names[key][number]
        ]
        return mean_told(found)

    def difference(self, upper: At, lower: At, on: str) -> Difference:
        """Return upper - lower; 0 and `same` where they are the same states."""
        same = all(upper[number] == lower[number] for number in self.runs)
        draws = (
            0.0 if same else float(np.hypot(self._half_of_draws(upper, on), self._half_of_draws(lower, on)))
        )
        return Difference(
            minus(self.seeds(upper, on), self.seeds(lower, on)), draws, self.measure.half(on), same
        )

    def _half_of_draws(self, at: At, on: str) -> float:
        """Return half of the interval over draws of a random choice; 0 where the spread over runs has it."""
        draws = min(len(self.names[key][number]) for number, key in at.items())
        if {key[0] for key in at.values()} != {"random"} or draws < 2 or not self._shares_draws():
            return 0.0
        z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
        return float(z * np.sqrt(self._variance_of_draws(on) / draws))

    def _shares_draws(self) -> bool:
        """Return whether all runs have the same seeds of draws, or there is one."""
        return (
            len(
                {tuple(sorted({r.get("seed") or 0 for r in run.rows.values()})) for run in self.runs.values()}
            )
            == 1
        )

    def _variance_of_draws(self, on: str) -> float:
        """Return how much draws differ but for chance in each fact, pooled over all random states."""
        if on not in self._draws:
            found = []
            for key, own in self.names.items():
                count = min(map(len, own.values()))
                if key[0] == "random" and count > 1:
                    drawn = [self.draws(key, number, on)[:count] for number in own]
                    table = np.mean(drawn, axis=0)
                    found.append(
                        table[:, 0].var(ddof=1) - count * by_chance(table[:, 1:], self.measure.strata(on))
                    )
            self._draws[on] = max(0.0, float(np.mean(found))) if found else 0.0
        return self._draws[on]


def key_of(row: Mapping[str, Any]) -> Key:
    """Return a state but for its draw, of its row."""
    percent = row.get("percent")
    return row["kind"], row.get("by") or "", None if percent is None else float(percent), row.get("part")


def group_of_texts(runs: Sequence[Run]) -> Group | None:
    """Return a group valued by its loss on all texts; None where it was not measured."""
    if not all(name in run.losses for run in runs for name in run.rows):
        return None
    check_texts(runs)
    tokens = runs[0].losses["tuned"][0]
    half = partial(half_of_texts, tokens=tokens)
    strata = np.zeros(len(tokens), dtype=np.int64)
    return Group(
        runs,
        Metric(
            lambda run, name, on: loss_of(*run.losses[name]), lambda on: half, lambda on: strata, ("",), None, 1
        ),
    )  # fmt: skip


def mean_told(values: Iterable[float | None]) -> float | None:
    """Return the mean; None where one is not known."""
    own = list(values)
    told = [one for one in own if one is not None]
    return float(np.mean(told)) if len(told) == len(own) else None


def _said(key: Key) -> str:
    return " ".join(f"{one:g} %" if isinstance(one, float) else one for one in key if one not in (None, ""))
