"""A choice in two stages."""

from __future__ import annotations

import numpy as np
import pytest

from assay.diversity import novelsum
from assay.errors import DataError
from assay.neighbors import local_density
from assay.select import in_parts, novelselect, random


def test_two_stages_choose_nearly_as_well():
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(900, 12)) + 2 * rng.normal(size=(9, 12))[rng.integers(9, size=900)]).astype(
        np.float32
    )
    density = local_density(rows)

    def choose(where, budget):
        return novelselect(rows[where], budget=budget, density=density[where])

    def value(found):
        return novelsum(rows[found.indices], density=density[found.indices])

    whole = novelselect(rows, budget=60, density=density)
    one = in_parts(choose, 900, budget=60, parts=1, extra=15)
    assert one.indices.tolist() == whole.indices.tolist()
    found = in_parts(choose, 900, budget=60, parts=5)
    assert len(set(found.indices.tolist())) == 60
    assert found.facts["second_stage_rows"] == 120
    assert value(random(rows, budget=60)) < value(found)
    assert value(found) > 0.97 * value(whole)
    tail = in_parts(choose, 900, budget=900, parts=7, extra=1)
    assert sorted(tail.indices) == list(range(900))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 11, "parts": 2}, r"budget must be <= 10; got 11\."),
        ({"budget": 2, "parts": 0}, r"parts must be >= 1; got 0\."),
        ({"budget": 2, "parts": 2, "extra": 0.5}, r"extra must be >= 1; got 0\.5\."),
    ],
)
def test_errors(options, message):
    with pytest.raises(DataError, match=message):
        in_parts(lambda rows, budget: random(np.eye(10)[rows], budget=budget), 10, **options)
