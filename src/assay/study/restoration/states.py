"""Which states of a tuned model a sweep evaluates: each ranking step by step, its controls, baselines and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.weights import RANKINGS, Pair

PERCENTS = (1.0, 3.0, 5.0, 10.0, 20.0, 40.0, 60.0)
EQUAL = ("weights", "energy")
WAYS = (*RANKINGS, "bottom", "shrink")  # of restoring
TUNED, SCOPE, ORIGINAL = "tuned", "scope", "original"


@dataclass(frozen=True, slots=True)
class State:
    """One state of a model.

    `kind` is tuned (0 %), scope (100 %: what is in scope is the original's, the rest tuned), original (all of it); a
    row of `RANKINGS`; bottom (what the first ranking has last); shrink; or whole, a part set back alone.

    `by` says what `percent` is of: weights of the scope, or energy: as much sum d^2 undone as the same percent of
    weights undoes by the first ranking. For shrink by weights it is the percent of sum d^2, which so many random
    weights undo. By layers or modules a `part` is set back whole, or (kind random) as many weights anywhere in scope.
    `seed` is that of a random choice.
    """

    kind: str
    by: str = ""
    percent: float | None = None
    seed: int | None = None
    part: str | None = None

    @property
    def name(self) -> str:
        """Of its files: ``relative-weights-5``, ``random-energy-5-s0``, ``whole-layers-0-3``, ``tuned``."""
        percent = None if self.percent is None else f"{self.percent:g}"
        seed = None if self.seed is None else f"s{self.seed}"
        return "-".join(one for one in (self.kind, self.by, percent, self.part, seed) if one)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep evaluates.

    `percents` of weights, beside 0 and 100, which always are; `rankings`: of `WAYS`, the first one is the reference of
    equal energy; `equal`: of `EQUAL`, how the others are compared with it; `draws`: seeds of a random choice, from
    `seed` on; `blocks`: so many blocks of layers are set back whole, one at a time; `modules`: so are the matrices of
    each name; `parts`: whether those have random controls.
    """

    percents: tuple[float, ...] = PERCENTS
    rankings: tuple[str, ...] = ("relative", "random", "shrink")
    equal: tuple[str, ...] = EQUAL
    draws: int = 3
    blocks: int = 0
    modules: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for percent in self.percents:
            _check.between("percents", percent, 0, 100)
        if any(a >= b for a, b in pairwise(self.percents)):
            raise DataError(f"percents must rise; got {list(self.percents)}. Sort them.")
        for name, chosen, known in (("rankings", self.rankings, WAYS), ("equal", self.equal, EQUAL)):
            for one in chosen:
                _check.choice(name, one, known)
            if not chosen or len(set(chosen)) < len(chosen):
                raise DataError(f"{name} must be some of {', '.join(known)}, each once; got {list(chosen)}.")
        if self.rankings[0] not in RANKINGS:
            raise DataError(
                f"rankings must begin with the one that others are compared with, a ranking; got {self.rankings[0]!r}."
            )
        _check.whole("draws", self.draws, 1)
        _check.whole("blocks", self.blocks, 0)
        _check.whole("seed", self.seed, 0)

    @property
    def steps(self) -> tuple[float, ...]:
        """The percents between 0 and 100."""
        return tuple(percent for percent in self.percents if 0 < percent < 100)

    def seeds(self, kind: str) -> tuple[int | None, ...]:
        """Return the seeds of a way of restoring: None where it has none."""
        return tuple(range(self.seed, self.seed + self.draws)) if kind == "random" else (None,)


def states(plan: Plan, pair: Pair) -> list[State]:
    """Return the states of a plan, those of one selection together, percents rising.

    The first ranking has no states by energy: they would be those by weights.
    """
    found = [State(TUNED), State(SCOPE)]
    for kind in plan.rankings:
        for by in plan.equal if kind != plan.rankings[0] else ("weights",):
            for seed in plan.seeds(kind):
                found += [State(kind, by, percent, seed) for percent in plan.steps]
    for by, parts in parts_of(plan, pair).items():
        found += [State("whole", by, part=part) for part in parts]
        for seed in plan.seeds("random"):
            found += [State("random", by, part=part, seed=seed) for part in parts]
    return [*found, State(ORIGINAL)]


def parts_of(plan: Plan, pair: Pair) -> dict[str, dict[str, frozenset[str]]]:
    """Return the tensors of each part of a plan, by layers and by modules."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    if plan.blocks:
        layers = sorted({match.place.layer for match in pair.matches if match.place.layer is not None})
        if plan.blocks > len(layers):
            raise DataError(
                f"blocks must be at most the layers in scope, {len(layers)}; got {plan.blocks}. Ask for fewer."
            )
        found["layers"] = {
            _named(block): _tensors(pair, block)
            for block in (one.tolist() for one in np.array_split(np.array(layers), plan.blocks))
        }
    if plan.modules:
        modules = dict.fromkeys(match.place.module for match in pair.matches)
        found["modules"] = {
            one: frozenset(match.name for match in pair.matches if match.place.module == one)
            for one in modules
        }
    return found


def _named(block: Sequence[int]) -> str:
    first, last = block[0], block[-1]
    return str(first) if first == last else f"{first}-{last}"


def _tensors(pair: Pair, block: Sequence[int]) -> frozenset[str]:
    return frozenset(match.name for match in pair.matches if match.place.layer in block)
