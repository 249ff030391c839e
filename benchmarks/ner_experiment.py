"""How much of the gain of unified labels is unification, how much pruning, and how much the names of test labels.

``python -m benchmarks ner_experiment --save`` trains what is not there yet, a model a cell (`CONDITIONS` x `SEEDS`),
and makes the table. Cells are kept in ``build/ner_experiment`` and used again while settings, documents and names
stay the same. ``python -m benchmarks.ner_experiment CONDITION SEED`` runs one cell.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from assay.ner import Corpus, Document, read_corpus
from assay.ner.score import labelled, tally

KEEP = Path("build/ner_experiment")
TRAIN = (  # folder, its name among the sources, splits
    ("wnut17", "wnut17", ("train",)),
    ("btc", "btc", ()),
    ("wikigold", "wikigold", ()),
    ("gum", "gum", ("train",)),
    ("uner_en_ewt", "uner_en_ewt", ("dev",)),
    ("bc5cdr", "bc5cdr", ("train",)),
    ("ncbi_disease", "ncbi_disease", ("train",)),
    ("crossner/politics", "crossner_politics", ("train", "dev")),
)
DEV = ("wnut17", "wnut17", ("dev",), 200)  # where the threshold is chosen
TEST = (  # ... and how many documents, 0 for all
    ("crossner/music", "crossner_music", ("test",), 0),
    ("crossner/ai", "crossner_ai", ("test",), 0),
    ("wnut17", "wnut17", ("test",), 250),
    ("crossner/politics", "crossner_politics", ("test",), 150),
)
OUT_OF_DOMAIN = ("crossner_music", "crossner_ai")
NAMINGS = ("raw", "words", "standard")
SPELLED = {  # what people write for an abbreviation or a run of words, without a taxonomy
    "PER": "person",
    "LOC": "location",
    "ORG": "organization",
    "MISC": "miscellaneous",
    "misc": "miscellaneous",
    "organisation": "organization",
    "politicalparty": "political party",
    "musicgenre": "music genre",
    "musicalartist": "musical artist",
    "musicalinstrument": "musical instrument",
    "programlang": "programming language",
}
SETTINGS: dict[str, Any] = {"steps": 1000, "batch_size": 32, "learning_rate": 1e-3, "max_labels": 12}
SEEDS = (0, 1, 2)
LOWEST = 0.05  # confidence below which nothing is kept
THRESHOLDS = tuple(n / 100 for n in range(5, 95, 5))
DRAWS = 2000


@dataclass(frozen=True)
class Condition:
    """What is trained on: names of labels, and documents: all, pruned to `k` a type, or as many drawn at random."""

    naming: str
    k: int | None = None
    random: bool = False


CONDITIONS = {
    "raw": Condition("raw"),
    "words": Condition("words"),
    "unified": Condition("standard"),
    "pruned 100": Condition("standard", 100),
    "pruned 300": Condition("standard", 300),
    "random as 100": Condition("standard", 100, random=True),
    "random as 300": Condition("standard", 300, random=True),
}


@cache
def corpus(folder: str, name: str, splits: tuple[str, ...]) -> Corpus:
    """Return a corpus under the name that the sources know it by, some of its splits, all of them `train` or `test`."""
    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"
    found = read_corpus(data / folder)
    part = "test" if splits in (("test",), ("dev",)) and (folder, name, splits) not in TRAIN else "train"
    documents = tuple(
        replace(document, corpus=name, split=part)
        for document in found.documents
        if not splits or document.split in splits
    )
    return replace(found, name=name, documents=documents)


def names(name: str, naming: str) -> dict[str, str]:
    """Return what each raw label of a corpus is called."""
    from assay.ner.taxonomy.sources import sources
    from assay.ner.taxonomy.universal import universal

    raw = sources()[name].labels
    if naming == "raw":
        return {label: label for label in raw}
    if naming == "words":
        return {label: SPELLED.get(label, label.replace("-", " ")).lower() for label in raw}
    types = {one.id: one.en for one in universal().types}
    return {label: types[row.type] for label, row in raw.items() if row.type}


def renamed(documents: Iterable[Document], called: Mapping[str, str]) -> list[Document]:
    """Return documents whose entities have the new names."""
    return [
        replace(d, entities=tuple(replace(e, label=called[e.label]) for e in d.entities)) for d in documents
    ]


def tests() -> list[Corpus]:
    """Return the test corpora, some of their documents where not all are asked for, drawn with seed 0."""
    out = []
    for folder, name, splits, size in (*TEST, DEV):
        found = corpus(folder, name, splits)
        if size:
            rows = np.random.default_rng(0).permutation(len(found.documents))[:size]
            found = replace(found, documents=tuple(found.documents[row] for row in sorted(rows)))
        out.append(found)
    return out


def training(condition: Condition, seed: int) -> tuple[list[Document], dict[str, list[str]]]:
    """Return the documents of a condition, and what each corpus is asked for. No text is in or near a test document."""
    from assay.ner.leakage import leaked
    from assay.ner.prune import prune

    corpora, asked = [], {}
    held_out = tests()
    guard = [document for one in held_out for document in one.documents]
    for folder, name, splits in TRAIN:
        found, called = corpus(folder, name, splits), names(name, condition.naming)
        gone = leaked(found.documents, guard)
        stay = [document for row, document in enumerate(found.documents) if row not in gone]
        corpora.append(replace(found, labels=(), documents=tuple(renamed(stay, called))))
        asked[name] = sorted(set(called.values()))
    if condition.k is not None:
        pruned = prune(corpora, test=held_out, k=condition.k, seed=seed).corpora
        if condition.random:
            size = sum(len(one.documents) for one in pruned)
            pool = [document for one in corpora for document in one.documents]
            rows = np.random.default_rng(seed).permutation(len(pool))[:size]
            return [pool[row] for row in sorted(rows)], asked
        corpora = list(pruned)
    return [document for one in corpora for document in one.documents], asked


def cell_path(condition: str, seed: int) -> Path:
    """Return where a cell is kept."""
    return KEEP / f"{condition.replace(' ', '_')}-{seed}.json"


def identity(condition: str, seed: int) -> str:
    """Return a hash of all that decides a cell."""
    what = [SETTINGS, str(CONDITIONS[condition]), seed, TRAIN, TEST, DEV]
    what += [
        [names(name, naming) for naming in NAMINGS] for name in sorted({row[1] for row in (*TRAIN, *TEST)})
    ]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def run_cell(condition: str, seed: int) -> None:
    """Train one model and keep what it finds in every test corpus under every naming."""
    import torch

    from benchmarks.open_tagger import Features, predict, train

    torch.set_num_threads(1)
    what = CONDITIONS[condition]
    documents, asked = training(what, seed)
    features = Features(KEEP / "features")
    start = time.perf_counter()
    net, losses = train(documents, features, asked, seed=seed, **SETTINGS)
    trained = time.perf_counter() - start
    found: dict[str, Any] = {}
    for at, one in enumerate(tests()):
        for naming in NAMINGS if at < len(TEST) else (what.naming,):
            labels = sorted(set(names(one.name, naming).values()))
            place = "dev" if at == len(TEST) else one.name
            found[f"{place}/{naming}"] = predict(net, one.documents, features, labels, lowest=LOWEST)
    write = {
        "identity": identity(condition, seed),
        "documents": len(documents),
        "entities": sum(len(d.entities) for d in documents),
        "types": len({(d.corpus, e.label) for d in documents for e in d.entities}),
        "names": sorted({label for labels in asked.values() for label in labels}),
        "losses": losses,
        "train_seconds": trained,
        "seconds": time.perf_counter() - start,
        "found": found,
    }
    path = cell_path(condition, seed)
    path.with_suffix(".part").write_text(json.dumps(write))
    path.with_suffix(".part").replace(path)


def f1(counts: np.ndarray) -> Any:
    """Return strict F1 in percent from sums (..., 3) of correct, gold and predicted."""
    correct, gold, predicted = np.moveaxis(counts, -1, 0)
    return 100 * 2 * correct / np.maximum(gold + predicted, 1)


@dataclass(frozen=True)
class Scored:
    """What a cell scores in a test under a naming: counts (documents, 3) of all labels, of seen ones, of others.

    Seen are names that training asked for. `labels` holds the sums by label. `best` is the best F1 of any threshold,
    `plain` that of the threshold which is best in domain.
    """

    all: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    labels: Mapping[str, np.ndarray]
    threshold: float
    best: float
    plain: float


def scored(
    gold: Sequence[Document], found: Sequence[Any], threshold: float, plain: float, seen: frozenset[str]
) -> Scored:
    """Score what a cell found with more than a confidence; `plain` is that which is best in domain."""
    tables = {part: np.zeros((len(gold), 3), dtype=np.int64) for part in ("all", "seen", "unseen")}
    labels: dict[str, Any] = {}
    for at, (document, row) in enumerate(zip(gold, found, strict=True)):
        predicted = [(((start, end),), label) for start, end, label, score in row if score > threshold]
        for label, counts in tally(labelled(document.entities), predicted)[0].items():
            line = np.array([counts.correct, counts.gold, counts.predicted])
            tables["all"][at] += line
            tables["seen" if label in seen else "unseen"][at] += line
            labels[label] = labels.get(label, 0) + line
    each = f1_by_threshold(gold, found)
    return Scored(
        tables["all"], tables["seen"], tables["unseen"], labels, threshold, max(each.values()), each[plain]
    )


def f1_by_threshold(gold: Sequence[Document], found: Sequence[Any]) -> dict[float, float]:
    """Return strict F1 in percent for each of `THRESHOLDS`."""
    total = sum(len(document.entities) for document in gold)
    right, wrong = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    for document, row in zip(gold, found, strict=True):
        left = Counter((entity.start, entity.end, entity.label) for entity in document.entities)
        for start, end, label, score in row:  # flat: no place twice
            hit = left[start, end, label] > 0
            (right if hit else wrong)[np.array(THRESHOLDS) < score] += 1
    each = 200 * right / np.maximum(total + right + wrong, 1)
    return dict(zip(THRESHOLDS, each.tolist(), strict=True))


def best(each: Mapping[float, float]) -> float:
    """Return the threshold with the best F1, the lowest of equals."""
    return max(each, key=lambda threshold: (each[threshold], -threshold))


def results() -> tuple[dict[Place, Scored], dict[tuple[str, int], dict[str, Any]]]:
    """Return scores by (condition, seed, test, naming), and what is known of each cell, of all that are there."""
    scores: dict[Place, Scored] = {}
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    *held_out, dev = tests()
    for condition, what in CONDITIONS.items():
        for seed in SEEDS:
            path = cell_path(condition, seed)
            if not path.exists() or json.loads(path.read_text())["identity"] != identity(condition, seed):
                continue
            cell = json.loads(path.read_text())
            found = cell.pop("found")
            own = renamed(dev.documents, names(DEV[1], what.naming))
            plain = best(f1_by_threshold(own, found[f"dev/{what.naming}"]))
            cells[condition, seed] = cell
            for naming in NAMINGS:
                gold = {one.name: renamed(one.documents, names(one.name, naming)) for one in held_out}
                for one in gold:
                    threshold = plain
                    if one in OUT_OF_DOMAIN:
                        [other] = set(OUT_OF_DOMAIN) - {one}
                        threshold = best(f1_by_threshold(gold[other], found[f"{other}/{naming}"]))
                    scores[condition, seed, one, naming] = scored(
                        gold[one], found[f"{one}/{naming}"], threshold, plain, frozenset(cell["names"])
                    )
    return scores, cells


Place = tuple[str, int, str, str]
Side = tuple[str, str]  # a condition, and the naming that its test is asked under
EFFECTS: Mapping[str, tuple[Side, Side]] = {
    "all of it: unified and asked by standard names": (("raw", "raw"), ("unified", "standard")),
    "- test labels renamed alone, raw training": (("raw", "raw"), ("raw", "standard")),
    "- then unified training, standard test names": (("raw", "standard"), ("unified", "standard")),
    "- or first unified training, raw test names": (("raw", "raw"), ("unified", "raw")),
    "- then test labels renamed, unified training": (("unified", "raw"), ("unified", "standard")),
    "words alone: spelled out on both sides": (("raw", "raw"), ("words", "words")),
    "- test labels spelled out alone, raw training": (("raw", "raw"), ("raw", "words")),
    "taxonomy beyond words, standard test names": (("words", "standard"), ("unified", "standard")),
    "taxonomy beyond words, each asked by its own names": (("words", "words"), ("unified", "standard")),
    "pruned to 300 a type": (("unified", "standard"), ("pruned 300", "standard")),
    "pruned to 100 a type": (("unified", "standard"), ("pruned 100", "standard")),
    "as many documents as at 100, at random": (("unified", "standard"), ("random as 100", "standard")),
    "as many documents as at 300, at random": (("unified", "standard"), ("random as 300", "standard")),
    "pruned to 100 against as many at random": (("random as 100", "standard"), ("pruned 100", "standard")),
    "pruned to 300 against as many at random": (("random as 300", "standard"), ("pruned 300", "standard")),
}


def _of(scores: Mapping[Place, Scored], side: Side, one: str) -> list[Scored]:
    """Return the scores of a side in a test, a seed each."""
    condition, naming = side
    return [scores[at] for seed in SEEDS if (at := (condition, seed, one, naming)) in scores]


def _draws(sides: Sequence[Sequence[Scored]], *, pairs: bool) -> np.ndarray:
    """Return draws (DRAWS, sides) of mean F1: documents the same for all sides, seeds too where they are pairs."""
    stacks = [np.stack([part.all for part in side]) for side in sides]  # (seeds, documents, 3)
    seeds, n = stacks[0].shape[:2]
    rng, out = np.random.default_rng(0), np.empty((DRAWS, len(sides)))
    for draw in range(DRAWS):
        weight = np.bincount(rng.integers(n, size=n), minlength=n)
        rows = rng.integers(seeds, size=seeds)
        for at, stack in enumerate(stacks):
            rows = rows if pairs or not at else rng.integers(seeds, size=seeds)
            out[draw, at] = f1(np.einsum("d,sdc->sc", weight, stack))[rows].mean()
    return out


def _span(draws: np.ndarray) -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{low:.1f} to {high:.1f}"


def _mean(values: Iterable[Any]) -> float:
    return round(float(np.mean([float(value) for value in values])), 1)


def ner_experiment() -> list[dict]:
    """Raw merge, unified labels, pruning: a tagger for labels given by name, asked under three namings.

    Trained on wnut17, btc, wikigold, gum, uner_en_ewt, bc5cdr, ncbi_disease and crossner_politics; CrossNER music and
    AI are seen by no model, and no training text is in or near a test text. The tagger (`benchmarks/open_tagger.py`)
    compares spans with names over a frozen encoder of 22 million parameters; conditions have the same steps, batches,
    optimiser and seeds. Namings: raw (as in the corpora), words (abbreviations and run-together words spelled out),
    standard (the shipped taxonomy). Strict micro F1 in percent over all labels, mean over seeds, with thresholds by
    model and naming: for music the best on AI, for AI the best on music, otherwise that which is best on 200 documents
    of wnut17's dev split. "In-domain threshold": F1 with the latter everywhere; "best": with the best on the test
    itself. Interval: the middle 95 % of draws of documents and seeds, rough with so few seeds; `seeds` is their range.
    Seen names are those that training asked for.
    """
    run_missing()
    scores, cells = results()
    rows = []
    for one in [row[1] for row in TEST]:
        for condition in CONDITIONS:
            own = [cells[condition, seed] for seed in SEEDS if (condition, seed) in cells]
            for naming in NAMINGS:
                found = _of(scores, (condition, naming), one)
                if not found:
                    continue
                sums = [part.all.sum(axis=0) for part in found]
                each = [float(f1(row)) for row in sums]
                rows.append(
                    {
                        "test": one,
                        "trained on": condition,
                        "asked by": naming,
                        "F1": _mean(each),
                        "interval": _span(_draws([found], pairs=True)),
                        "seeds": f"{min(each):.1f} to {max(each):.1f}",
                        "in-domain threshold": _mean(part.plain for part in found),
                        "best": _mean(part.best for part in found),
                        "precision": _mean(100 * row[0] / max(row[2], 1) for row in sums),
                        "recall": _mean(100 * row[0] / max(row[1], 1) for row in sums),
                        "seen names": _mean(f1(part.seen.sum(axis=0)) for part in found),
                        "unseen names": _mean(f1(part.unseen.sum(axis=0)) for part in found),
                        "training documents": round(_mean(cell["documents"] for cell in own)),
                        "thresholds": " ".join(f"{part.threshold:.2f}" for part in found),
                    }
                )
    return rows


def ner_experiment_effects() -> list[dict]:
    """What each step changes, of the cells of `ner_experiment`: differences of strict micro F1 in points.

    Interval: the middle 95 % of draws of documents, the same for both sides, and of seeds, in pairs where both sides
    are one model; rough with so few seeds. `seeds`: the differences seed by seed. The last columns: the difference
    with the other thresholds of `ner_experiment`.
    """
    run_missing()
    scores, _ = results()
    rows = []
    for one in [row[1] for row in TEST]:
        for effect, (first, second) in EFFECTS.items():
            before, after = _of(scores, first, one), _of(scores, second, one)
            if not before or len(before) != len(after):
                continue
            draws = _draws([before, after], pairs=first[0] == second[0])
            gains = [
                float(f1(new.all.sum(axis=0)) - f1(old.all.sum(axis=0)))
                for old, new in zip(before, after, strict=True)
            ]
            rows.append(
                {
                    "test": one,
                    "effect": effect,
                    "from": ", asked ".join(first),
                    "to": ", asked ".join(second),
                    "F1": _mean(gains),
                    "interval": _span(draws[:, 1] - draws[:, 0]),
                    "seeds": " ".join(f"{gain:+.1f}" for gain in gains),
                    "in-domain threshold": _mean(
                        new.plain - old.plain for old, new in zip(before, after, strict=True)
                    ),
                    "best": _mean(new.best - old.best for old, new in zip(before, after, strict=True)),
                }
            )
    return rows


def ner_experiment_labels() -> list[dict]:
    """Strict F1 in percent of each label out of domain, mean over seeds, of the cells of `ner_experiment`.

    Columns: what was trained on, and the naming that the test is asked under.
    """
    run_missing()
    scores, _ = results()
    rows = []
    for one in OUT_OF_DOMAIN:
        called = {naming: names(one, naming) for naming in NAMINGS}
        for raw in called["raw"]:
            row: dict[str, Any] = {"test": one, "label": raw, "standard name": called["standard"][raw]}
            for condition in CONDITIONS:
                for naming in ("raw", "standard"):
                    found = _of(scores, (condition, naming), one)
                    sums = [part.labels.get(called[naming][raw], np.zeros(3)) for part in found]
                    if sums:
                        row["gold"] = int(sums[0][1])
                        row[f"{condition}, {naming}"] = _mean(f1(each) for each in sums)
            rows.append(row)
    return rows


def run_missing() -> None:
    """Run the cells that are not there, as many at a time as there are processors, seeds in turn."""
    if not (KEEP / "features" / "index.json").exists():
        subprocess.run([sys.executable, "-m", "benchmarks.ner_experiment", "features"], check=True)
    missing = []
    for seed in SEEDS:
        for condition in CONDITIONS:
            path = cell_path(condition, seed)
            if path.exists() and json.loads(path.read_text())["identity"] == identity(condition, seed):
                continue
            missing.append((condition, seed))

    def run(cell: tuple[str, int]) -> None:
        subprocess.run([sys.executable, "-m", "benchmarks.ner_experiment", cell[0], str(cell[1])], check=True)

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(run, missing))


if __name__ == "__main__":
    KEEP.mkdir(parents=True, exist_ok=True)
    if sys.argv[1] == "features":
        from benchmarks.open_tagger import make_features

        corpora = [*(corpus(*row) for row in TRAIN), *tests()]
        make_features([d for one in corpora for d in one.documents], KEEP / "features")
        sys.exit()
    run_cell(sys.argv[1], int(sys.argv[2]))
