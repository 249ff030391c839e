"""Two stages for pools that are too large for one: a choice from each part, then the choice from the union."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError
from assay.select.selection import Selection


def in_parts(
    choose: Callable[[NDArray[np.int64], int], Selection],
    n: int,
    *,
    budget: int,
    parts: int,
    extra: float = 2.0,
) -> Selection:
    """Choose rows in two stages: from each part of a pool more than its share, then the budget from all of those.

    Not the choice from the whole pool: rows of one part do not see those of another until the second stage. What
    that loses in NovelSum is measured in docs/scale.md.

    Parameters
    ----------
    choose : callable
        ``choose(rows, budget)`` returns the selection of `budget` of these rows of the pool, numbered within them;
        such as ``lambda rows, budget: novelselect(pool[rows], budget=budget, density=density[rows])``. The density
        should be that of the whole pool: each part alone is thinner.
    n : int
        Rows of the pool.
    budget : int
        How many rows to choose in the end.
    parts : int
        How many parts. Part i holds rows i, i + parts, i + 2 parts ..., so that sorted pools are spread evenly.
    extra : float >= 1
        From each part ``extra * budget / parts`` rows are chosen, rounded up (all, where it has no more).

    Returns
    -------
    Selection
        Of the second stage, with rows numbered in the pool.

    Raises
    ------
    DataError
        `extra` below 1, a budget or a number of parts beyond the rows, and whatever `choose` raises.

    Notes
    -----
    Time: that of `parts` choices of ``extra * budget / parts`` from ``n / parts`` rows, which may run anywhere, and
    of one from ``extra * budget`` rows.

    Examples
    --------
    >>> import numpy as np
    >>> from assay.select import kcenter
    >>> pool = np.eye(8)
    >>> found = in_parts(lambda rows, k: kcenter(pool[rows], budget=k, start=0), 8, budget=3, parts=2)
    >>> len(set(found.indices.tolist()))
    3
    """
    _check.whole("budget", budget, 1, n)
    _check.whole("parts", parts, 1, n)
    _check.at_least("extra", extra, 1)
    each = math.ceil(extra * budget / parts)
    kept = []
    for part in range(parts):
        rows = np.arange(part, n, parts)
        kept.append(rows if len(rows) <= each else rows[choose(rows, each).indices])
    union = np.sort(np.concatenate(kept))
    if len(union) < budget:
        raise DataError(
            f"extra must leave at least the budget ({budget}) for the second stage; got {extra:g}, which leaves "
            f"{len(union)}. Raise it."
        )
    found = choose(union, budget)
    return Selection(
        indices=union[found.indices],
        gains=found.gains,
        method=found.method,
        parameters=dict(found.parameters) | {"parts": parts, "extra": extra},
        facts=dict(found.facts) | {"second_stage_rows": len(union)},
    )
