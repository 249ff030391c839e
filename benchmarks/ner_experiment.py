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

    `labels` holds the sums by label.
    """

    all: np.ndarray
    seen: np.ndarray
    unseen: np.ndarray
    labels: Mapping[str, np.ndarray]


def scored(gold: Sequence[Document], found: Sequence[Any], threshold: float, seen: frozenset[str]) -> Scored:
    """Score what a cell found with more than a confidence."""
    tables = {part: np.zeros((len(gold), 3), dtype=np.int64) for part in ("all", "seen", "unseen")}
    labels: dict[str, np.ndarray] = {}
    for at, (document, row) in enumerate(zip(gold, found, strict=True)):
        predicted = [(((start, end),), label) for start, end, label, score in row if score > threshold]
        for label, counts in tally(labelled(document.entities), predicted)[0].items():
            line = np.array([counts.correct, counts.gold, counts.predicted])
            tables["all"][at] += line
            tables["seen" if label in seen else "unseen"][at] += line
            labels[label] = labels.get(label, 0) + line
    return Scored(tables["all"], tables["seen"], tables["unseen"], labels)


def best_threshold(gold: Sequence[Document], found: Sequence[Any]) -> float:
    """Return the confidence with the best F1, the lowest of equals."""
    return max(THRESHOLDS, key=lambda at: (f1(scored(gold, found, at, frozenset()).all.sum(axis=0)), -at))


def results() -> tuple[dict[tuple[str, int, str, str], Scored], dict[tuple[str, int], dict[str, Any]]]:
    """Return scores by (condition, seed, test, naming), and what is known of each cell, of all that are there."""
    scores: dict[tuple[str, int, str, str], Scored] = {}
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    *held_out, dev = tests()
    for condition, what in CONDITIONS.items():
        for seed in SEEDS:
            path = cell_path(condition, seed)
            if not path.exists():
                continue
            cell = json.loads(path.read_text())
            if cell["identity"] != identity(condition, seed):
                continue
            found = cell.pop("found")
            own = renamed(dev.documents, names(DEV[1], what.naming))
            cell["threshold"] = best_threshold(own, found[f"dev/{what.naming}"])
            cells[condition, seed] = cell
            for one in held_out:
                for naming in NAMINGS:
                    gold = renamed(one.documents, names(one.name, naming))
                    scores[condition, seed, one.name, naming] = scored(
                        gold, found[f"{one.name}/{naming}"], cell["threshold"], frozenset(cell["names"])
                    )
    return scores, cells


Side = tuple[str, str]  # a condition, and the naming that its test is asked under
EFFECTS: Mapping[str, tuple[Side, Side]] = {
    "all of it: unified, asked by standard names": (("raw", "raw"), ("unified", "standard")),
    "renamed test labels alone, raw training": (("raw", "raw"), ("raw", "standard")),
    "spelled-out test labels alone, raw training": (("raw", "raw"), ("raw", "words")),
    "training names spelled out, raw test names": (("raw", "raw"), ("words", "raw")),
    "spelled out on both sides": (("raw", "raw"), ("words", "words")),
    "unification, raw test names": (("raw", "raw"), ("unified", "raw")),
    "unification, standard test names": (("raw", "standard"), ("unified", "standard")),
    "unification beyond spelling, standard test names": (("words", "standard"), ("unified", "standard")),
    "pruning to 100 a type": (("unified", "standard"), ("pruned 100", "standard")),
    "pruning to 300 a type": (("unified", "standard"), ("pruned 300", "standard")),
    "fewer documents at random, as many as 100 a type": (
        ("unified", "standard"),
        ("random as 100", "standard"),
    ),
    "pruned to 100 against as many at random": (("random as 100", "standard"), ("pruned 100", "standard")),
}


def drawn(tables: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return draws of the mean F1 over seeds: documents drawn for all seeds alike, seeds drawn too."""
    n, seeds = len(tables[0]), len(tables)
    stack = np.stack(tables)  # (seeds, documents, 3)
    out = np.empty(DRAWS)
    for draw in range(DRAWS):
        weight = np.bincount(rng.integers(n, size=n), minlength=n)
        each = f1(np.einsum("d,sdc->sc", weight, stack))
        out[draw] = each[rng.integers(seeds, size=seeds)].mean()
    return out


def span(draws: np.ndarray) -> str:
    """Return the middle 95 % of draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{low:.1f} to {high:.1f}"


def ner_experiment() -> list[dict]:
    """Raw merge, unified labels and pruning: GLiNER from a 22-million-parameter encoder, asked under three namings.

    Trained on wnut17, btc, wikigold, gum, uner_en_ewt, bc5cdr, ncbi_disease and crossner_politics; CrossNER music and
    AI are seen by no model, and no training text is in or near a test text. Conditions have the same steps, batches,
    optimiser and seeds. Namings: raw (as in the corpora), words (abbreviations and run-together words spelled out),
    standard (the shipped taxonomy). Strict micro F1 in percent over all labels, mean over seeds; the threshold of each
    model is the best on 200 documents of wnut17's dev split. Interval: 95 % of draws of documents and seeds (with three
    seeds a rough one); `seeds` is the range. First rows: cells; then: effects as paired differences.
    """
    run_missing()
    scores, cells = results()
    rows: list[dict] = []
    for one in [row[1] for row in TEST]:
        for condition in CONDITIONS:
            for naming in NAMINGS:
                rows += _cell_row(scores, cells, one, condition, naming)
    for one in [row[1] for row in TEST]:
        for effect, sides in EFFECTS.items():
            rows += _effect_row(scores, one, effect, sides)
    return rows


def _of(scores: Mapping[Any, Scored], condition: str, naming: str, one: str) -> list[Scored]:
    return [scores[at] for seed in SEEDS if (at := (condition, seed, one, naming)) in scores]


def _cell_row(scores: Any, cells: Any, one: str, condition: str, naming: str) -> list[dict]:
    found = _of(scores, condition, naming, one)
    if not found:
        return []
    own = [cells[condition, seed] for seed in SEEDS if (condition, seed) in cells]
    each = [float(f1(part.all.sum(axis=0))) for part in found]
    sums = [part.all.sum(axis=0) for part in found]

    def mean(values: Iterable[float]) -> float:
        listed = list(values)
        return round(sum(listed) / len(listed), 1)

    return [
        {
            "test": one,
            "trained on": condition,
            "asked by": naming,
            "F1": mean(each),
            "interval": span(drawn([part.all for part in found], np.random.default_rng(0))),
            "seeds": f"{min(each):.1f} to {max(each):.1f}",
            "precision": mean(100 * s[0] / max(s[2], 1) for s in sums),
            "recall": mean(100 * s[0] / max(s[1], 1) for s in sums),
            "F1 of seen names": mean(f1(part.seen.sum(axis=0)) for part in found),
            "F1 of unseen names": mean(f1(part.unseen.sum(axis=0)) for part in found),
            "training documents": round(sum(cell["documents"] for cell in own) / len(own)),
            "threshold": "/".join(f"{cell['threshold']:.2f}" for cell in own),
        }
    ]


def _effect_row(scores: Any, one: str, effect: str, sides: tuple[Side, Side]) -> list[dict]:
    before, after = (_of(scores, *side, one) for side in sides)
    if not before or len(before) != len(after):
        return []
    n, seeds = len(before[0].all), len(before)
    stacks = [np.stack([part.all for part in side]) for side in (before, after)]
    each = [f1(stack.sum(axis=1)) for stack in stacks]
    rng, draws = np.random.default_rng(0), np.empty(DRAWS)
    for draw in range(DRAWS):
        weight = np.bincount(rng.integers(n, size=n), minlength=n)
        old, new = (f1(np.einsum("d,sdc->sc", weight, stack)) for stack in stacks)
        draws[draw] = (
            new[rng.integers(seeds, size=seeds)].mean() - old[rng.integers(seeds, size=seeds)].mean()
        )
    if sides[0][0] == sides[1][0]:  # one model, two namings: the seeds are pairs
        rng = np.random.default_rng(0)
        for draw in range(DRAWS):
            weight = np.bincount(rng.integers(n, size=n), minlength=n)
            old, new = (f1(np.einsum("d,sdc->sc", weight, stack)) for stack in stacks)
            draws[draw] = (new - old)[rng.integers(seeds, size=seeds)].mean()
    gain = each[1] - each[0]
    return [
        {
            "test": one,
            "effect": effect,
            "F1": round(float(each[1].mean() - each[0].mean()), 1),
            "interval": span(draws),
            "seeds": " ".join(f"{value:+.1f}" for value in gain),
        }
    ]


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
