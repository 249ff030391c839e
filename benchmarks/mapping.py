"""Benchmark of `assay ner map`: every corpus of the catalogue left out in turn."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assay.embed import resolve
from assay.ner import Corpus, propose_mapping, read_corpus
from assay.ner.mapping.signals import Space
from assay.ner.relations import plain_name
from assay.ner.taxonomy import Source, sources, universal

FOLDERS = {
    "crossner_ai": "crossner/ai",
    "crossner_music": "crossner/music",
    "crossner_politics": "crossner/politics",
    **{name: name for name in ("bc5cdr", "btc", "gum", "ncbi_disease", "uner_en_ewt", "uner_zh_gsdsimp")},
    **{name: name for name in ("weibo", "wikigold", "wnut17")},
}
BINS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.01)


class Once:
    """An encoder that encodes each text once: the corpora are compared with the same types."""

    def __init__(self) -> None:
        self.encoder = resolve("sentence", workers=2)
        self.name, self.fingerprint = self.encoder.name, self.encoder.fingerprint
        self.known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            self.known.update(zip(new, self.encoder.encode(new), strict=True))
        return np.stack([self.known[text] for text in texts])


@dataclass
class Tally:
    """Labels whose type is known: how many there are, and how many of each kind of answer are right."""

    labels: int = 0
    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, right: bool) -> None:
        self.asked[what] += 1
        self.right[what] += right

    def share(self, what: str) -> float | str:
        return self.right[what] / self.asked[what] if self.asked[what] else ""


def ner_map() -> list[dict]:
    """First proposals of `assay ner map` that are right, every corpus of the catalogue left out in turn.

    Its mapping, its meanings and the aliases that only it has as a label are hidden. `exact name`: the label is spelled
    as a name or an alias of one type. `same label`: else what most other corpora mean by it. `first`, `top 3`: the
    proposals, from label names alone; `near`: the first is right, or above or below what is right. `guide`: with the
    meanings of its labels given, where the catalogue has any. `texts`: with its texts, and the other shared corpora
    as references. Weights were chosen on the train and more rows; the test corpora had no part in it.
    """
    encoder, catalogue = Once(), sources()
    texts = _read()
    groups: dict[str, Tally] = {}
    confidences: dict[str, list[tuple[float, bool]]] = {}
    rows = []
    for name, source in catalogue.items():
        known = {label: raw.type for label, raw in source.labels.items() if raw.type is not None}
        if not known:
            continue
        tally = Tally(len(known))
        language = source.language.split("-")[0]
        bare = Corpus(name, (), tuple(source.labels), language=language)
        first = propose_mapping([bare], encoder=encoder, top=3)
        exact, same = baselines(name, source, catalogue)
        for each in first:
            if each.label in known:
                truth = known[each.label]
                tally.add("exact name", exact.get(each.label) == truth)
                tally.add("same label", same.get(each.label) == truth)
                tally.add("first", each.type == truth)
                tally.add("top 3", truth in [one.type for one in each.candidates])
                tally.add("near", _near(each.type, truth))
                if each.label not in same:
                    tally.add("first, name unseen", each.type == truth)
                confidences.setdefault(source.group, []).append((each.confidence, each.type == truth))
        meanings = {label: raw.meaning for label, raw in source.labels.items() if raw.meaning}
        if meanings:
            told = propose_mapping([bare], encoder=encoder, definitions=meanings, top=3)
            for each in told:
                if each.label in known:
                    tally.add("guide", each.type == known[each.label])
        if name in texts:
            others = [corpus for other, corpus in texts.items() if other != name]
            for each in propose_mapping([texts[name]], encoder=encoder, references=others, top=3):
                if each.label in known:
                    tally.add("texts", each.type == known[each.label])
        rows.append(_row(name, source.group, tally))
        for group in (source.group, "all"):
            whole = groups.setdefault(group, Tally())
            whole.labels += tally.labels
            whole.right += tally.right
            whole.asked += tally.asked
    order = {"test": 0, "train": 1, "more": 2}
    rows.sort(key=lambda row: order[str(row["group"])])
    rows += [_row(f"labels of {group}", group, groups[group]) for group in (*order, "all") if group in groups]
    for group in order:
        for low, high in itertools.pairwise(BINS):
            held = [right for value, right in confidences.get(group, ()) if low <= value < high]
            if held:
                row = {
                    "corpus": f"confidence {low:g} to {min(high, 1):g}",
                    "group": group,
                    "labels": len(held),
                }
                rows.append(row | {"first": sum(held) / len(held)})
    return rows


def _row(name: str, group: str, tally: Tally) -> dict:
    row: dict = {"corpus": name, "group": group, "labels": tally.labels}
    for what in ("exact name", "same label", "first", "top 3", "near", "guide", "texts"):
        row[what] = tally.share(what)
    return row | {
        "first, name unseen": tally.share("first, name unseen"),
        "unseen": tally.asked["first, name unseen"],
    }


def baselines(
    name: str, source: Source, catalogue: Mapping[str, Source]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what labels come to by equal spelling alone: of names and aliases, and also of other corpora's labels."""
    space = Space(universal(), catalogue, (name,), None)
    named: dict[str, set[str]] = {}
    for kind, called in zip(space.types, space.names, strict=True):
        for each, _ in called:
            named.setdefault(plain_name(each), set()).add(kind.id)
    votes: dict[str, Counter[str]] = {}
    for other in space.catalogue.values():
        for label, raw in other.labels.items():
            if raw.type is not None:
                votes.setdefault(plain_name(label), Counter())[raw.type] += 1
    exact = {
        label: next(iter(named[plain_name(label)]))
        for label in source.labels
        if len(named.get(plain_name(label), ())) == 1
    }
    most = {
        label: min(votes[plain_name(label)].items(), key=lambda pair: (-pair[1], pair[0]))[0]
        for label in source.labels
        if plain_name(label) in votes
    }
    return exact, exact | most


def _near(one: str, two: str) -> bool:
    above = {kind.id: kind.parent for kind in universal().living}

    def line(at: str | None) -> list[str]:
        found: list[str] = []
        while at is not None:
            found.append(at)
            at = above.get(at)
        return found

    return one in line(two) or two in line(one)


def _read() -> dict[str, Corpus]:
    """Return the corpora of the development data by their names in the catalogue, or none where it is missing."""
    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"
    return {
        name: read_corpus(data / folder, name=name)
        for name, folder in FOLDERS.items()
        if (data / folder).exists()
    }
