"""Evidence -> how two labels relate: equal, subset, superset, overlap, disjoint, open."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum, sqrt

import numpy as np

from assay._check import between, whole
from assay.ner.cards import Direction, Interval, Relation
from assay.ner.screen import NONE, Evidence, Witness

Z = 1.959963984540054  # of a two-sided interval of 95 %
RESAMPLES = 1000
Label = tuple[str, str]  # the name of a corpus and one of its labels
GAP, BOUNDARY, SPLIT = "coverage gap", "boundary convention", "split"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where relations begin and end, as shares of mentions (0 to 1); the defaults were fitted to public corpora.

    `mentions` is how many a direction needs. Below `disjoint` in both directions two labels have nothing in common,
    below `same` they overlap; from there on they are equal if the directions differ by at most `equal`, else one is
    part of the other. `gap` is the share of mentions that are not annotated from which a corpus has a gap. Bounds are
    another convention where, more often than at home by `boundary`, entities lie in the mentions or cut them, or where,
    by `inside`, the mentions lie in longer entities of the counterpart's label: the first names of one corpus do so
    in the full names of another in up to 44 % without any other convention.
    """

    mentions: int = 15
    disjoint: float = 0.1
    same: float = 0.75
    equal: float = 0.15
    gap: float = 0.3
    boundary: float = 0.15
    inside: float = 0.5

    def __post_init__(self) -> None:
        whole("mentions", self.mentions, 1)
        for name in ("disjoint", "same", "equal", "gap", "boundary", "inside"):
            between(name, getattr(self, name), 0, 1)
        between("disjoint", self.disjoint, 0, self.same)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two labels of two corpora, with both directions and what follows from them; see `assay.ner.cards.Card`."""

    first: Label
    second: Label
    directions: tuple[Direction, Direction]
    relation: Relation
    likely: bool
    flags: tuple[str, ...]


def relations(evidence: Evidence, *, thresholds: Thresholds | None = None) -> list[Pair]:
    """Return how the labels of every two corpora relate, for every two labels that have anything to do with each other.

    That is: a share of at least `Thresholds.disjoint` in one direction, or equal names (but for case, width, spaces,
    hyphens and underscores), or other bounds more often than at home. Two labels of other pairs are disjoint as far as
    the corpora tell.

    With r the share of mentions of the first label that the other corpus annotates as the second, and r' the same the
    other way: max(r, r') < .1 is disjoint, < .75 overlap; else they are equal if abs(r - r') <= .15, and otherwise
    the label with the larger share is the subset. A direction of fewer than 15 mentions leaves the relation open.
    `Pair.likely` says that Wilson's interval of a share crosses the threshold that decided.

    Flags: ``coverage gap`` where mentions of one label are not annotated at all in the other corpus (30 %),
    ``boundary convention`` where entities of other bounds stand in their place (see `Thresholds`), ``split`` where one
    label has several subsets in the other corpus.

    Returns
    -------
    list of Pair
        Sorted by the labels; `first` belongs to the corpus that comes first by name.
    """
    limits = thresholds or Thresholds()
    names = [corpus.name for corpus in evidence.corpora]
    pairs = []
    for at, one in enumerate(names):
        for two in names[at + 1 :]:
            pairs.extend(_between(evidence, one, two, limits))
    return _split_flags(pairs)


def _between(evidence: Evidence, one: str, two: str, limits: Thresholds) -> list[Pair]:
    forward = {x: _Side(evidence.witnesses.get((one, x, two), ())) for x in evidence.gold[one]}
    backward = {y: _Side(evidence.witnesses.get((two, y, one), ())) for y in evidence.gold[two]}
    alike: dict[str, list[str]] = {}
    for y in backward:
        alike.setdefault(plain_name(y), []).append(y)
    met = {(x, y) for x in forward for y in alike.get(plain_name(x), ())}
    met |= {(x, y) for x, there in forward.items() for y in there.labels() if y in backward}
    met |= {(x, y) for y, back in backward.items() for x in back.labels() if x in forward}
    pairs = []
    for x, y in sorted(met):
        there, back = forward[x], backward[y]
        named = same_name(x, y)
        r, s = there.shares.get(f"same:{y}", 0.0), back.shares.get(f"same:{x}", 0.0)
        touches = (there.n >= limits.mentions and r >= limits.disjoint) or (
            back.n >= limits.mentions and s >= limits.disjoint
        )
        flags = _flags(there, x, y, named, limits) | _flags(back, y, x, named, limits)
        if not (touches or BOUNDARY in flags or (named and (there.n or back.n))):
            continue
        directions = (
            _direction(evidence, (one, x), (two, y), there),
            _direction(evidence, (two, y), (one, x), back),
        )
        relation, likely = relate(directions, limits)
        pairs.append(Pair((one, x), (two, y), directions, relation, likely, tuple(sorted(flags))))
    return pairs


class _Side:
    """The witnesses of one label in one other corpus, summed up: `n` of them stand outside longer entities."""

    __slots__ = ("all", "at_home", "bounds", "cut", "n", "own", "shares", "top", "witnesses")

    def __init__(self, witnesses: Sequence[Witness]) -> None:
        self.witnesses = [witness for witness in witnesses if witness.verdicts]
        self.n, self.all = len(self.witnesses), len(witnesses)
        self.shares = mean_shares([w.verdicts for w in self.witnesses])
        self.own = mean_shares([w.own for w in self.witnesses])
        self.bounds = mean_shares([w.bounds for w in witnesses])
        self.at_home = mean_shares([w.own_bounds for w in witnesses])
        self.top = next((name for name in self.shares if name.startswith("same:")), None)
        there, home = (
            fsum(share for name, share in bounds.items() if not name.startswith("inside:"))
            for bounds in (self.bounds, self.at_home)
        )
        self.cut = (
            there - home
        )  # how much more often entities lie in the mentions or cut them there than at home

    def labels(self) -> list[str]:
        """Return the labels that the mentions, or longer entities around them, have there."""
        verdicts = (name.partition(":") for name in (*self.shares, *self.bounds))
        return [label for verdict, _, label in verdicts if verdict in ("same", "inside")]

    def held(self, label: str, other: str) -> float:
        """Return how much more often the mentions lie in longer entities of the counterpart's label than at home."""
        return self.bounds.get(f"inside:{other}", 0.0) - self.at_home.get(f"inside:{label}", 0.0)


def mean_shares(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean share of each name, largest first."""
    values: dict[str, list[float]] = {}
    for each in shares:
        for name, share in each.items():
            values.setdefault(name, []).append(share)
    means = {name: fsum(every) / len(shares) for name, every in values.items()}
    return dict(sorted(means.items(), key=lambda item: (-item[1], item[0])))


def _flags(side: _Side, label: str, other: str, named: bool, limits: Thresholds) -> set[str]:
    """Return the flags that the direction of a label gives to its pair with the other."""
    counterpart = named or side.top == f"same:{other}"
    flags = set()
    if counterpart and side.n >= limits.mentions and side.shares.get(NONE, 0.0) >= limits.gap:
        flags.add(GAP)
    if side.all >= limits.mentions and (
        (counterpart and side.cut >= limits.boundary) or side.held(label, other) >= limits.inside
    ):
        flags.add(BOUNDARY)
    return flags


def _direction(evidence: Evidence, source: Label, target: Label, side: _Side) -> Direction:
    verdict = f"same:{target[1]}"
    values = np.array([witness.verdicts.get(verdict, 0.0) for witness in side.witnesses])
    names = "/".join(source), "/".join(target)
    return Direction(
        source=names[0],
        target=names[1],
        mentions=side.n,
        share=side.shares.get(verdict, 0.0) if side.n else None,
        wilson=wilson(side.shares.get(verdict, 0.0), side.n) if side.n else None,
        bootstrap=bootstrap(values, seed=evidence.settings.seed, name="\n".join(names)) if side.n else None,
        verdicts=tuple(side.shares.items()),
        own=tuple(side.own.items()),
    )


def relate(directions: tuple[Direction, Direction], limits: Thresholds) -> tuple[Relation, bool]:
    """Return the relation of two labels, and whether an interval crosses the threshold that decided it."""
    one, two = directions
    if min(one.mentions, two.mentions) < limits.mentions:
        return "open", False
    r, s = one.share or 0.0, two.share or 0.0
    (low, high), (low2, high2) = one.wilson or (0.0, 0.0), two.wilson or (0.0, 0.0)
    top, least, most = max(r, s), max(low, low2), max(high, high2)
    if top < limits.disjoint:
        return "disjoint", most >= limits.disjoint
    if top < limits.same:
        return "overlap", least < limits.disjoint or most >= limits.same
    # half the width of an interval of 95 % around the difference, from those of the two
    slack = sqrt(((high - low) / 2) ** 2 + ((high2 - low2) / 2) ** 2)
    likely = least < limits.same or abs(abs(r - s) - limits.equal) < slack
    if round(abs(r - s), 9) <= limits.equal:
        return "equal", likely
    return ("subset" if r > s else "superset"), likely


def wilson(share: float, n: int) -> Interval:
    """Return Wilson's interval of 95 % around a share of n mentions.

    A mean of n shares varies at most as much as a proportion of the same size, so that the interval is wide enough.

    >>> wilson(1.0, 15)
    (0.796..., 1.0)
    """
    center = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, center - half), min(1.0, center + half)


def bootstrap(values: np.ndarray, *, seed: int, name: str) -> Interval:
    """Return the percentile interval of 95 % around the mean of shares, from 1,000 resamples of the mentions.

    The draw depends on the seed and on the name of the question, not on what else is asked.
    """
    entropy = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    draws = np.random.default_rng([seed, entropy])
    distinct, counts = np.unique(values, return_counts=True)
    resampled = draws.multinomial(len(values), counts / len(values), size=RESAMPLES) @ distinct / len(values)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def same_name(first: str, second: str) -> bool:
    """Tell whether two labels are spelled alike but for case, width, spaces, hyphens and underscores."""
    return plain_name(first) == plain_name(second)


def plain_name(label: str) -> str:
    """Return a label without what does not tell it apart from another.

    >>> plain_name("Creative_Work") == plain_name("creative-work")
    True
    """
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", label).casefold())


def subsets(pairs: Sequence[Pair]) -> dict[tuple[Label, str], list[Label]]:
    """Return, for each label and other corpus, the labels of that corpus which are subsets of it, in order."""
    found: dict[tuple[Label, str], list[Label]] = {}
    for pair in pairs:
        if pair.relation in ("subset", "superset"):
            narrow, broad = _ordered(pair)
            found.setdefault((broad, narrow[0]), []).append(narrow)
    return {key: sorted(labels) for key, labels in found.items()}


def _ordered(pair: Pair) -> tuple[Label, Label]:
    """Return the narrower label and the broader one of a pair where one is part of the other."""
    return (pair.first, pair.second) if pair.relation == "subset" else (pair.second, pair.first)


def _split_flags(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs, those flagged whose broader label has two subsets or more in the other corpus."""
    parts = subsets(pairs)
    out = []
    for pair in pairs:
        narrow, broad = _ordered(pair)
        if pair.relation in ("subset", "superset") and len(parts[broad, narrow[0]]) > 1:
            pair = replace(pair, flags=(*pair.flags, SPLIT))
        out.append(pair)
    return out
