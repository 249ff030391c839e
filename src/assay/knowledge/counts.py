"""What a model answered, counted by fact and template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assay.errors import DataError
from assay.knowledge.intervals import Floats, Ints, hits_of_draws


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What one model answered, counted: of each fact (row) under each template (column).

    Parameters
    ----------
    hits, draws : array of int (facts, templates)
        Of the samples, how many were right and how many there are. No draws: the fact has no such template. At
        least one draw a fact.
    greedy : array of bool (facts, templates), optional
        Whether the greedy answer was right. Counts only where there are draws.

    Raises
    ------
    DataError
        For more hits than draws, a fact without draws, or shapes that differ.

    Examples
    --------
    >>> tally = Tally([[3, 0], [4, 0]], [[4, 4], [4, 0]])
    >>> tally.scores.tolist()
    [0.375, 1.0]
    """

    hits: Ints
    draws: Ints
    greedy: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        hits, draws = hits_of_draws(self.hits, self.draws, least=0)
        if hits.ndim != 2 or not hits.shape[1]:
            raise DataError(f"hits must be a matrix (facts, templates); got shape {hits.shape}.")
        if not draws.any(axis=1).all():
            at = int(np.argmin(draws.any(axis=1)))
            raise DataError(f"draws must have at least one for each fact; fact {at} has none.")
        object.__setattr__(self, "hits", hits)
        object.__setattr__(self, "draws", draws)
        if self.greedy is not None:
            greedy = np.asarray(self.greedy, dtype=bool)
            shape_of("greedy", greedy, hits.shape)
            object.__setattr__(self, "greedy", greedy)

    @property
    def totals(self) -> tuple[Ints, Ints]:
        """Hits and draws of each fact."""
        return self.hits.sum(axis=1), self.draws.sum(axis=1)

    @property
    def scores(self) -> Floats:
        """The mastery score R of each fact: hits / draws, 0 to 1."""
        hits, draws = self.totals
        return np.asarray(hits / draws)


def tally(correct: ArrayLike, *, greedy: ArrayLike | None = None, asked: ArrayLike | None = None) -> Tally:
    """Return the counts of samples that are right or wrong.

    Parameters
    ----------
    correct : array of bool (facts, templates, samples)
    greedy : array of bool (facts, templates), optional
    asked : array of bool (facts, templates), optional
        Where False, the fact has no such template and its samples count neither as right nor as wrong. None: all
        have all.

    Returns
    -------
    Tally

    Raises
    ------
    DataError
        For shapes that do not fit, values that are neither 0 nor 1, a fact without a template.

    Examples
    --------
    >>> tally([[[1, 0], [1, 1]]]).hits.tolist()
    [[1, 2]]
    """
    right = np.asarray(correct)
    if right.ndim != 3 or not right.shape[2]:
        raise DataError(f"correct must be an array (facts, templates, samples); got shape {right.shape}.")
    if right.dtype != bool and not np.isin(right, (0, 1)).all():
        raise DataError("correct must be true or false, or 1 or 0; got other numbers. Pass counts to Tally.")
    draws = np.full(right.shape[:2], right.shape[2])
    if asked is not None:
        given = np.asarray(asked, dtype=bool)
        shape_of("asked", given, draws.shape)
        draws = draws * given
        right = right.astype(bool) & given[:, :, None]
    return Tally(
        right.sum(axis=2, dtype=np.int64), draws, None if greedy is None else np.asarray(greedy, dtype=bool)
    )


def shape_of(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise unless the array has the shape of the facts and templates."""
    if array.shape != shape:
        raise DataError(f"{name} must have the shape of hits, {shape}; got {array.shape}.")


def template_scores(tally: Tally, relations: Sequence[str]) -> dict[str, Floats]:
    """Return the share of right answers under each template, for each relation.

    Parameters
    ----------
    tally : Tally
    relations : sequence of str
        Of each fact; the templates of a relation are the columns in which it has draws.

    Returns
    -------
    dict of relation to array (templates,)
        0 to 1; nan where no fact of the relation has the template. A template far below the others may ask for
        something else.

    Raises
    ------
    DataError
        For other than one relation a fact.

    Examples
    --------
    >>> template_scores(Tally([[3, 0], [4, 0]], [[4, 4], [4, 0]]), ["P36", "P36"])
    {'P36': array([0.875, 0.   ])}
    """
    if len(relations) != len(tally.hits):
        raise DataError(f"relations must be as many as the facts ({len(tally.hits)}); got {len(relations)}.")
    of = np.array([str(name) for name in relations], dtype=object)
    found = {}
    for relation in dict.fromkeys(of.tolist()):
        rows = of == relation
        with np.errstate(invalid="ignore"):
            found[relation] = np.asarray(tally.hits[rows].sum(axis=0) / tally.draws[rows].sum(axis=0))
    return found
