"""How well one model knows facts, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay._check import choice
from assay._files import read_json
from assay.errors import DataError
from assay.knowledge.counts import Tally
from assay.knowledge.grading.folder import FACTS, IDENTITY, Row, read_rows
from assay.knowledge.intervals import Floats, Ints
from assay.knowledge.mastery import categories, exact_categories, exact_scores
from assay.knowledge.matching import MATCHERS

SAMPLES = 10  # of each template; the paper's


@dataclass(frozen=True, slots=True, eq=False)
class Grades:
    """How well one model knows facts, under each template.

    `probabilities` (facts, most templates): the exact score under each template, nan where a fact has fewer; None
    where it was not asked for. `by_rule` and `tally`: draws, hits and right greedy answers by every matching rule, and
    by the one asked for; None where nothing was drawn. `starts`: whether the greedy answer begins with the object
    (the rule ``first``), as `paper_rows` wants it. `identity`: model and settings.
    """

    ids: tuple[str, ...]
    relations: tuple[str, ...]
    probabilities: Floats | None
    tally: Tally | None
    starts: NDArray[np.bool_] | None
    identity: Mapping[str, Any]
    by_rule: Mapping[str, Tally] | None = None

    @property
    def scores(self) -> Floats:
        """The mastery score R of each fact, 0 to 1: the sampled one, the exact one where nothing was drawn."""
        return exact_scores(self._exact) if self.tally is None else self.tally.scores

    @property
    def categories(self) -> Ints:
        """The category of each fact, 0 to 4, by the same score."""
        return self.exact_categories if self.tally is None else categories(*self.tally.totals)

    @property
    def exact_categories(self) -> Ints:
        """The category of each fact by its exact score, for as many draws as there are, or would be (10 a template)."""
        scores, found = exact_scores(self._exact), np.empty(len(self.ids), dtype=np.int64)
        draws = SAMPLES * (~np.isnan(self._exact)).sum(axis=1) if self.tally is None else self.tally.totals[1]
        for number in np.unique(draws):
            at = draws == number
            found[at] = exact_categories(scores[at], draws=int(number))
        return found

    @property
    def _exact(self) -> Floats:
        if self.probabilities is None:
            raise DataError("grades must have an exact score; they have none. Grade with exact=True.")
        return self.probabilities

    def of(self, ids: Sequence[str]) -> Grades:
        """Return the grades of these facts, in this order."""
        place = {id: at for at, id in enumerate(self.ids)}
        missing = [id for id in ids if id not in place]
        if missing:
            raise DataError(
                f"ids must be of facts that were graded; {len(missing)} of {len(ids)} were not, first {missing[0]!r}. "
                "Grade them, too."
            )
        rows = [place[id] for id in ids]

        def chosen(tally: Tally) -> Tally:
            greedy = None if tally.greedy is None else tally.greedy[rows]
            return Tally(tally.hits[rows], tally.draws[rows], greedy)

        return Grades(
            tuple(ids),
            tuple(self.relations[at] for at in rows),
            None if self.probabilities is None else self.probabilities[rows],
            None if self.tally is None else chosen(self.tally),
            None if self.starts is None else self.starts[rows],
            self.identity,
            None if self.by_rule is None else {rule: chosen(one) for rule, one in self.by_rule.items()},
        )


def read_grades(folder: str | Path, *, score: str | None = None, rule: str | None = None) -> Grades:
    """Return the grades in a folder that `grade` filled, or is filling.

    Parameters
    ----------
    folder : path
    score : {"exact", "sampled"}, optional
        Only the facts that have it, with the other score where all of them have that, too. None: what all facts have.
    rule : str, optional
        Of `MATCHERS`; by default the one that was asked for.

    Returns
    -------
    Grades

    Raises
    ------
    DataError
        For a folder without grades, without any of that score, or where neither score is there for all facts.
    """
    place = Path(folder)
    if score is not None:
        choice("score", score, ("exact", "sampled"))
    if not (place / IDENTITY).is_file():
        raise DataError(f"folder must be one that assay knowledge grade filled; {place} has no {IDENTITY}.")
    identity = read_json(place / IDENTITY)
    rule = choice("rule", rule or identity["rule"], MATCHERS)
    rows = list(read_rows(place / FACTS).values())
    if score is not None:
        rows = [row for row in rows if ("exact" if score == "exact" else "hits") in row]
    exact, sampled = (bool(rows) and all(part in row for row in rows) for part in ("exact", "hits"))
    if not exact and not sampled:
        raise DataError(
            f"folder must have grades that all facts share; {place} has {score or 'no score'} for "
            f"{'none' if score else f'all of {len(rows)}'}. Choose exact or sampled, or grade the rest."
        )
    return grades_of(rows, identity, exact=exact, sampled=sampled, rule=rule)


def grades_of(rows: Sequence[Row], identity: Row, *, exact: bool, sampled: bool, rule: str) -> Grades:
    most = max(len(row["exact"] if exact else row["hits"][rule]) for row in rows)
    shape = (len(rows), most)
    probabilities = by_rule = starts = None
    if exact:
        probabilities = np.full(shape, np.nan)
        for at, row in enumerate(rows):
            probabilities[at, : len(row["exact"])] = row["exact"]
    if sampled:
        draws = np.zeros(shape, dtype=np.int64)
        for at, row in enumerate(rows):
            draws[at, : len(row["hits"][rule])] = identity["sampled"]["samples"]
        greedy = identity["sampled"]["greedy"]
        by_rule = {
            each: Tally(
                _filled(rows, "hits", each, shape),
                draws,
                _filled(rows, "greedy", each, shape) > 0 if greedy else None,
            )
            for each in MATCHERS
        }
        starts = by_rule["first"].greedy
    return Grades(
        tuple(row["id"] for row in rows),
        tuple(row["relation"] for row in rows),
        probabilities,
        None if by_rule is None else by_rule[rule],
        starts,
        identity | {"rule": rule},
        by_rule,
    )


def _filled(rows: Sequence[Row], part: str, rule: str, shape: tuple[int, int]) -> Ints:
    found = np.zeros(shape, dtype=np.int64)
    for at, row in enumerate(rows):
        found[at, : len(row[part][rule])] = row[part][rule]
    return found
