"""The same blocks for any number of threads; errors reach the caller."""

from __future__ import annotations

import numpy as np
import pytest

from assay._parallel import Crew, cores, over_blocks


def test_results_do_not_depend_on_threads():
    rows = np.random.default_rng(0).normal(size=(1000, 33)).astype(np.float32)
    found = []
    for threads in (1, 2, 5):
        out = np.empty((1000, 1000), dtype=np.float32)

        def work(start, stop, out=out):
            out[start:stop] = rows[start:stop] @ rows.T

        over_blocks(1000, 96, work, threads=threads)
        found.append(out.tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("threads", [1, 3])
def test_every_row_once_and_errors_are_raised(threads):
    seen = np.zeros(1001, dtype=int)

    def work(start, stop):
        seen[start:stop] += 1

    with Crew(threads) as crew:
        crew.over_blocks(1001, 10, work)
        crew.over_blocks(0, 10, work)

        def fail(start, stop):
            if start == 40:
                raise ValueError("block 40")

        with pytest.raises(ValueError, match="block 40"):
            crew.over_blocks(100, 10, fail)
    assert (seen == 1).all()
    assert cores() >= 1
