"""Benchmarks of the screen for label conflicts: what it finds, how fast, and on real corpora."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.ner import Corpus, Evidence, read_corpus
from assay.ner.conflicts import conflicts
from assay.ner.index import tokens
from assay.ner.planted import Expected, planted
from assay.ner.relations import BOUNDARY, GAP, Thresholds, relations, same_name
from assay.ner.screen import screen
from benchmarks.machine import peak_gb
from benchmarks.official_screen import INNER, MISSED, SAME, official_screen
from benchmarks.timing import timed

NOISE = (0.0, 0.05, 0.1, 0.2)
SEEDS = range(5)
COLUMNS = ("equal", "part", "overlap", "disjoint", "gap", "boundary")
Label = tuple[str, str]  # a label (corpus/label) and another corpus


@dataclass
class Findings:
    """What a screen says: relations of pairs of labels, and gaps and boundaries, each of one of several labels."""

    relations: dict[tuple[str, str], str] = field(default_factory=dict)
    gaps: list[set[Label]] = field(default_factory=list)
    boundaries: list[set[Label]] = field(default_factory=list)


def ours(corpora: Sequence[Corpus]) -> Findings:
    """Return what `assay ner screen` finds with its defaults."""
    evidence = screen(corpora)
    found = Findings()
    for pair in relations(evidence):
        one, two = "/".join(pair.first), "/".join(pair.second)
        found.relations[one, two] = pair.relation
        sides = {(one, pair.second[0]), (two, pair.first[0])}
        found.gaps += [sides] * (GAP in pair.flags)
        found.boundaries += [sides] * (BOUNDARY in pair.flags)
    found.gaps += [{(gap.label, gap.corpus)} for gap in conflicts(evidence).gaps]
    return found


def official(corpora: Sequence[Corpus], *, seed: int) -> Findings:
    """Return what the official screen's figures say, read with our thresholds: it prints shares, not findings.

    Its share of `same` stands for ours, `not extracted` for gaps, `same type inside` for boundaries, and 15 mentions
    are asked for as in ours. It compares labels of equal names only; other pairs it says nothing about.
    """
    limits = Thresholds()
    runs = {(run.label, run.target): run for run in official_screen(corpora, seed=seed)}
    found = Findings()
    for (label, target), run in runs.items():
        side = {("/".join(label), target[0])}
        if run.found >= limits.mentions:
            found.gaps += [side] * (run.share(MISSED) >= limits.gap)
            found.boundaries += [side] * (run.share(INNER) >= limits.boundary)
        back = runs[target, label]
        if label[0] < target[0] and min(run.found, back.found) >= limits.mentions:
            r, s = run.share(SAME), back.share(SAME)
            found.relations["/".join(label), "/".join(target)] = _relation(r, s, limits)
    return found


def _relation(r: float, s: float, limits: Thresholds) -> str:
    if max(r, s) < limits.disjoint:
        return "disjoint"
    if max(r, s) < limits.same:
        return "overlap"
    if abs(r - s) <= limits.equal:
        return "equal"
    return "subset" if r > s else "superset"


@dataclass
class Tally:
    """Findings that are right, findings, planted things that were found, planted things."""

    right: int = 0
    said: int = 0
    found: int = 0
    planted: int = 0

    def add(self, said: Sequence[bool], found: Sequence[bool]) -> None:
        self.right += sum(said)
        self.said += len(said)
        self.found += sum(found)
        self.planted += len(found)

    @property
    def precision(self) -> float | None:
        return self.right / self.said if self.said else None

    @property
    def recall(self) -> float:
        return self.found / self.planted


def judge(found: Findings, truth: Sequence[Expected], tallies: dict[str, Tally]) -> None:
    """Add to the tallies what of the findings is right, and what of the truth was found, for each of `COLUMNS`.

    ``part`` is subset and superset, in the right direction. ``disjoint`` counts among labels of one name only: that
    other labels have nothing to do with each other is nothing to find. A gap or a boundary is that of a label in
    another corpus; a finding that may speak of either of two labels is right if it is so for one.
    """
    for kind in ("equal", "part", "overlap", "disjoint"):
        names = ("subset", "superset") if kind == "part" else (kind,)
        rows = [row for row in truth if kind != "disjoint" or _one_name(row)]
        said = [(row, found.relations.get((row.first, row.second))) for row in rows]
        tallies[kind].add(
            [name == row.relation for row, name in said if name in names],
            [name == row.relation for row, name in said if row.relation in names],
        )
    for kind, sets in (("gap", found.gaps), ("boundary", found.boundaries)):
        true = {(row.first, row.second.split("/")[0]) for row in truth if kind in row.flags[0]}
        true |= {(row.second, row.first.split("/")[0]) for row in truth if kind in row.flags[1]}
        tallies[kind].add([bool(each & true) for each in sets], [_covered(one, sets) for one in sorted(true)])


def _covered(one: Label, sets: Collection[set[Label]]) -> bool:
    return any(one in each for each in sets)


def _one_name(row: Expected) -> bool:
    return same_name(row.first.split("/")[1], row.second.split("/")[1])


def ner_planted() -> list[dict]:
    """Precision / recall of our screen and of the official one on planted conflicts, five seeds each.

    `part`: subset or superset. `disjoint`: labels of one name that mean different things. `same names` is the recall of
    relations among pairs of one name, all that the official screen looks at; its figures are read with our thresholds.
    """
    out = []
    for language in ("en", "zh"):
        for noise in NOISE:
            tallies = {method: {kind: Tally() for kind in COLUMNS} for method in ("ours", "official")}
            named = {method: Tally() for method in tallies}
            for seed in SEEDS:
                corpora, truth = planted(seed=seed, noise=noise, language=language)
                for method, found in (("ours", ours(corpora)), ("official", official(corpora, seed=seed))):
                    judge(found, truth, tallies[method])
                    rows = [row for row in truth if _one_name(row)]
                    named[method].add(
                        [], [found.relations.get((r.first, r.second)) == r.relation for r in rows]
                    )
            for method, by_kind in tallies.items():
                row = {"language": language, "noise": f"{noise:.0%}", "screen": method}
                for kind, tally in by_kind.items():
                    shown = "-" if tally.precision is None else f"{tally.precision:.2f}"
                    row[kind] = f"{shown} / {tally.recall:.2f}"
                out.append(row | {"same names": f"{named[method].recall:.2f}"})
    return out


def ner_speed() -> list[dict]:
    """Four million tokens of planted English screened to ranked cards, and the official screen where it can finish.

    Floor: one pass of the tokeniser over all texts. The official screen compares labels of equal names only and, but
    in rows without cut, at most 2,000 mentions with 2,000 sentences; ours all labels with all, whole.
    """
    out = []
    both = ("ours", "official", "official, no cut")
    for names, methods in ((50, both), (300, both), (1050, ("ours",))):
        corpora, _ = planted(names=names, noise=0.1)
        count, floor = timed(
            lambda corpora=corpora: sum(len(tokens(d.text)[0]) for c in corpora for d in c.documents)
        )
        documents = sum(len(corpus.documents) for corpus in corpora)
        mentions = sum(len(d.entities) for corpus in corpora for d in corpus.documents)
        base = {"tokens": count, "documents": documents, "entities": mentions}
        before = peak_gb()
        seconds = 0.0
        for method in methods:
            row = base | {"screen": method}
            if method == "ours":
                evidence, scanned = timed(lambda corpora=corpora: screen(corpora))
                _, ranked = timed(lambda evidence=evidence: conflicts(evidence))
                seconds = scanned + ranked
                row |= {"seconds": seconds, "of these relations and cards": ranked}
                row |= {"tokens a second": count / seconds, "times the floor": seconds / floor}
                row |= {"peak GB": peak_gb(), "of these the corpora": before}
            else:
                cut = {} if method == "official" else {"cut": None}
                runs, took = timed(lambda corpora=corpora, cut=cut: official_screen(corpora, **cut))
                row |= {"seconds": took, "times ours": took / seconds, "directed runs": len(runs)}
            out.append(row)
    return out


# Section 3.5 of the description: source, target, label -> share (without case guard), mentions
PUBLISHED = (
    ("politics/country", "wikigold/LOC", 0.99, 36),
    ("politics/country", "wnut17/location", 0.92, 39),
    ("politics/country", "btc/LOC", 0.86, 54),
    ("btc/LOC", "politics/location", 0.54, 111),
    ("btc/LOC", "politics/country", 0.40, 111),
    ("wikigold/LOC", "politics/location", 0.57, 79),
    ("wikigold/LOC", "politics/country", 0.36, 79),
    ("wnut17/location", "politics/location", 0.50, 45),
    ("wnut17/location", "politics/country", 0.46, 45),
    ("politics/politician", "btc/PER", 0.86, 19),
    ("btc/PER", "politics/politician", 0.67, 24),
    ("btc/PER", "politics/person", 0.17, 24),
    ("bc5cdr/Disease", "ncbi_disease/Disease", 0.84, None),
    ("ncbi_disease/Disease", "bc5cdr/Disease", 0.83, None),
)
PUBLISHED_FOLDERS = ("crossner/politics", "btc", "wikigold", "wnut17", "bc5cdr", "ncbi_disease")
FOLDERS = (
    *PUBLISHED_FOLDERS,
    *("crossner/ai", "crossner/music", "gum", "uner_en_ewt", "uner_zh_gsdsimp", "weibo"),
)


def ner_shared() -> list[dict]:
    """All corpora of the development data screened at once. Floor: one pass of the tokeniser over all texts."""
    corpora, reading = timed(lambda: _read(FOLDERS))
    if not corpora:
        return [{"not measured": f"no data at {_data()}; set ASSAY_DATA"}]
    count, floor = timed(lambda: sum(len(tokens(d.text)[0]) for c in corpora for d in c.documents))
    base = {"corpora": len(corpora), "documents": sum(len(c.documents) for c in corpora), "tokens": count}
    before = peak_gb()
    out = []
    for guard in (True, False):
        evidence, scanned = timed(lambda guard=guard: screen(corpora, case_guard=guard))
        cards, ranked = timed(lambda evidence=evidence: conflicts(evidence))
        row = base | {"case guard": "on" if guard else "off"}
        row |= {"seconds to read": reading, "to screen": scanned, "to cards": ranked}
        row |= {"tokens a second": count / (scanned + ranked), "times the floor": (scanned + ranked) / floor}
        row |= {"peak GB so far": peak_gb(), "of these the corpora": before}
        out.append(row | {"cards": len(cards.cards), "gaps": len(cards.gaps)})
    return out


def ner_published() -> list[dict]:
    """Shares of mentions that another corpus marks as a label, beside those that the description of the rules gives.

    Case guard off, as there; tolerance .05.
    """
    corpora = _read(PUBLISHED_FOLDERS)
    if not corpora:
        return [{"not measured": f"no data at {_data()}; set ASSAY_DATA"}]
    return published(screen(corpora, case_guard=False))


def published(evidence: Evidence) -> list[dict]:
    """Return a row for each published share."""
    out = []
    for source, target, share, mentions in PUBLISHED:
        corpus, label = source.split("/")
        other, wanted = target.split("/")
        found = [w.verdicts for w in evidence.witnesses.get((corpus, label, other), ()) if w.verdicts]
        mean = sum(verdicts.get(f"same:{wanted}", 0.0) for verdicts in found) / max(len(found), 1)
        row = {"from": source, "to": target, "given": share, "ours": mean, "difference": mean - share}
        out.append(row | {"mentions given": mentions or "", "mentions ours": len(found)})
    return out


def _data() -> Path:
    return Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"


def _read(folders: Sequence[str]) -> list[Corpus]:
    """Return corpora of the development data, or none where it is missing."""
    return [read_corpus(_data() / folder) for folder in folders] if _data().exists() else []
