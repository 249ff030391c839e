"""Sweeps as they could have come out, with effects that were put in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from assay.study.restoration.runs import Run

PERCENTS = (1.0, 5.0, 20.0, 40.0)
FACTS = {"dev": 100, "test": 120, "OOD": 60}
HELD = {
    1.0: 2.0,
    3.0: 6.0,
    5.0: 10.0,
    10.0: 19.0,
    20.0: 34.0,
    40.0: 62.0,
    60.0: 85.0,
}  # energy by relative's percent
LAYERS, MODULES = ("0-1", "2-3"), ("q_proj", "down_proj")
Gain = Callable[[dict[str, Any]], float]  # of a state's row, in standard deviations of a fact's strength


def rows(
    *,
    percents: Sequence[float] = PERCENTS,
    draws: int = 2,
    seed: int = 0,
    parts: bool = False,
    more: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Return the rows of a sweep's states: what they are, and what is set back."""
    found: dict[str, dict[str, Any]] = {}

    def add(kind: str, by: str = "", percent: float | None = None, draw: int | None = None, part: str | None = None,
            weights: float | None = None, energy: float | None = None) -> None:  # fmt: skip
        held = {
            "weights": weights,
            "changed": weights,
            "relative": energy,
            "absolute": energy,
            "energy": energy,
        }
        told = [
            kind,
            by,
            None if percent is None else f"{percent:g}",
            part,
            None if draw is None else f"s{draw}",
        ]
        name = "-".join(one for one in told if one)
        found[name] = {
            "kind": kind, "by": by, "percent": percent, "seed": draw, "part": part, "name": name,
            "held": None if kind == "original" else held,
        }  # fmt: skip

    add("tuned", weights=0.0, energy=0.0)
    add("scope", weights=100.0, energy=100.0)
    add("original")
    for k in percents:
        for kind in ("relative", *more):
            add(kind, "weights", k, weights=k, energy=HELD[k])
            if kind != "relative":
                add(kind, "energy", k, weights=k, energy=HELD[k])
        for draw in range(seed, seed + draws):
            add("random", "weights", k, draw, weights=k, energy=k)
            add("random", "energy", k, draw, weights=HELD[k], energy=HELD[k])
        add("shrink", "weights", k, energy=k)
        add("shrink", "energy", k, energy=HELD[k])
    for by, names in (("layers", LAYERS), ("modules", MODULES)) if parts else ():
        for n, part in enumerate(names):
            add("whole", by, part=part, weights=30.0 + 40 * n, energy=40.0 + 20 * n)
            for draw in range(seed, seed + draws):
                add("random", by, draw=draw, part=part, weights=30.0 + 40 * n, energy=30.0 + 40 * n)
    return found


def runs(
    gain: Gain,
    *,
    seeds: int = 3,
    facts: Mapping[str, int] = FACTS,
    bins: int = 5,
    texts: int = 0,
    spread: float = 0.1,
    noise: float = 0.4,
    world: int = 0,
    own_draws: bool = True,
    **plan: Any,
) -> list[Run]:
    """Return runs in which a state moves every fact's strength by its gain: right is who is above 0.

    `spread`: sd of the gain over runs and draws; `noise`: what each state adds to each fact, so that states differ
    by chance.
    """
    rng = np.random.default_rng(world)
    of = {name: np.sort(rng.integers(0, bins, size)) for name, size in facts.items()}
    strength = {name: (one - (bins - 1) / 2) * 0.6 + rng.normal(size=len(one)) for name, one in of.items()}
    tokens = rng.integers(20, 200, texts).astype(float)
    base = tokens * rng.normal(3, 0.3, texts)
    draws = plan.get("draws", 2)
    found = []
    for number in range(seeds):
        states = rows(seed=100 * number if own_draws else 0, **({"draws": draws} | plan))
        mine = {name: one + rng.normal(0, 0.5, len(one)) for name, one in strength.items()}
        answers, losses = {}, {}
        for name, row in states.items():
            lift = gain(row) + (0 if row["kind"] in ("tuned", "original") else rng.normal(0, spread))
            answers[name] = {on: one + lift + rng.normal(0, noise, len(one)) > 0 for on, one in mine.items()}
            left = 0 if row["held"] is None else 1 - (row["held"]["energy"] or 0) / 100
            if texts:
                losses[name] = (tokens, base + tokens * (0.5 * left**2 + rng.normal(0, 0.02, texts)))
        found.append(Run(f"D0-96-s{number}", number, states, answers, of, losses))
    return found


def write(found: Sequence[Run], folder: Path) -> None:
    """Write runs as a sweep does."""
    for run in found:
        for name, row in run.rows.items():
            answers = [
                {"id": f"{on}{n}", "set": on, "bin": int(run.bins[on][n]), "right": bool(it)}
                for on, right in run.answers[name].items()
                for n, it in enumerate(right)
            ]
            losses = [
                {"id": f"t{n}", "tokens": int(t), "nats": float(x)}
                for n, (t, x) in enumerate(zip(*run.losses.get(name, ((), ())), strict=True))
            ]
            for kind, lines in (("answers", answers), ("losses", losses)):
                if lines:
                    path = folder / run.name / kind / f"{name}.jsonl"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
            path = folder / run.name / "states" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(orjson.dumps(row))
