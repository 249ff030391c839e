"""Small conversations in two domains, and a model that learns them in seconds."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data import Message, Sample

NAMES = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Joan", "Kit", "Lena"]
THINGS = [
    "apples",
    "books",
    "coins",
    "drums",
    "eggs",
    "forks",
    "gears",
    "hats",
    "inks",
    "jars",
    "kites",
    "lamps",
]


def conversations(count: int, *, domain: str, seed: int = 0) -> list[Sample]:
    """Return samples of a domain; all differ."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        a, b = rng.integers(1, 99, size=2).tolist()
        name, thing = NAMES[number % 12], THINGS[number // 12 % 12]
        if domain == "sums":
            ask, answer = f"{name} has {a} {thing} and buys {b}.", f"{a + b} {thing}"
        else:
            ask, answer = f"Turn round: {thing} {name} {a} {b}", f"{b} {a} {name} {thing}"
        row = {"instruction": ask, "input": "", "output": answer}
        found.append(
            Sample(f"{domain}{number}", (Message("user", ask), Message("assistant", answer)), row, "alpaca")
        )
    return found


@pytest.fixture(scope="session")
def sources() -> dict[str, list[Sample]]:
    return {"sums": conversations(150, domain="sums"), "turns": conversations(150, domain="turns")}
