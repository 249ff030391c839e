"""``python -m benchmarks.smollm2_sweep FOLDER GRADES TEXTS``: three tuned SmolLM2-135M restored, and controls.

FOLDER is that of `benchmarks.smollm2_study`, GRADES what `assay knowledge grade` made of its facts. Three seeds are
tuned on 240 facts of D0, which cost that study ten points out of domain. 5, 20 and 40 % are set back by relative
change, at random (a draw a seed), and by shrinking at the energy of relative change. Dev: 200 facts of ID, 100 of OOD
relations; reported: 200 others of ID and 300 others of OOD. The loss of the first 20 of TEXTS is a check. What is
finished is found in FOLDER and not done again.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.knowledge import read_facts, read_grades, samples_of
from assay.knowledge.prompts import CHAT_TEMPLATES
from assay.knowledge.samples import bin_subset
from assay.study.restoration import Plan, facts_measure, halves, run_states
from assay.study.restoration.compare import compare
from assay.study.restoration.runs import Run, read_runs
from assay.study.restoration.tables import tables
from assay.study.restoration.texts import read_texts, texts_measure
from assay.study.restoration.verdicts import sentences
from assay.training import train
from assay.training.loading import load_model
from assay.weights import open_pair

PLAN = Plan(percents=(0.0, 5.0, 20.0, 40.0), draws=1)
PROMPT = CHAT_TEMPLATES["knowledge"]
SEEDS = range(3)
TEXTS = 20
RESULTS = Path(__file__).parent / "results" / "sweep_smollm2"


def main() -> None:
    from assay.cli.output import write_csv

    folder, grades, texts = map(Path, sys.argv[1:4])
    for seed in SEEDS:
        tuned = tune(folder, grades, seed)
        sweep(folder, tuned, seed, read_texts(texts, limit=TEXTS))
    runs = [
        with_losses(
            read_runs(folder / "sweep" / f"s{seed}")[0], read_runs(folder / "loss" / f"s{seed}")[0], seed
        )
        for seed in SEEDS
    ]
    result = compare({"D0, 240": runs}, metric="micro")
    print("\n".join(sentences(result)))
    for name, rows in tables(result).items():
        write_csv(RESULTS / f"{name}.csv", rows)


def tune(folder: Path, grades: Path, seed: int) -> Path:
    """Fine-tune on 240 facts of D0, unless that was done."""
    place = folder / "tuned" / f"s{seed}"
    if not place.exists():
        found = read_grades(grades, score="exact")
        bins = dict(zip(found.ids, found.categories.tolist(), strict=True))
        facts = [one for one in read_facts(folder / "facts.jsonl").questions if one.split == "train"]
        chosen = bin_subset(facts, [bins[one.id] for one in facts], bin="D0", size=240, seed=seed)
        samples = samples_of([facts[at] for at in chosen.indices.tolist()])
        train(folder / "model", samples, output=place, preset="knowledge", seed=seed, chat_template=PROMPT)
    return place


def sweep(folder: Path, tuned: Path, seed: int, texts: list[str]) -> None:
    """Ask, and measure the loss, in every state; in two folders, so that one may be repeated without the other."""
    import torch

    pair = open_pair(folder / "model", tuned)
    tests = [one for one in read_facts(folder / "facts.jsonl").questions if one.split == "test"]
    inside, outside = (
        halves(tuple(one for one in tests if one.domain == domain), dev=size)
        for domain, size in (("ID", 200), ("OOD", 100))
    )
    sets = {"dev": inside["dev"] + outside["dev"], "test": inside["test"], "OOD": outside["test"]}
    tokenizer = load_model(folder / "model", torch.float32)[1]
    own = replace(PLAN, seed=seed)
    plans = (  # shrinking has no states of its own by weights here
        replace(own, rankings=("relative", "random")),
        replace(own, rankings=("relative", "shrink"), equal=("energy",)),
    )

    def load(side: str) -> Any:
        return load_model(folder / "model" if side == "original" else tuned, torch.float32)[0]

    for name, measure in (
        ("sweep", facts_measure(sets, tokenizer, chat_template=PROMPT)),
        ("loss", texts_measure(texts, tokenizer)),
    ):
        for plan in plans:
            run_states(pair, plan, output=folder / name / f"s{seed}", measure=measure, load=load)


def with_losses(run: Run, losses: Run, seed: int) -> Run:
    rows = {name: {**row, "loss": losses.rows[name]["loss"]} for name, row in run.rows.items()}
    return replace(run, seed=seed, rows=rows, losses=losses.losses)


if __name__ == "__main__":
    main()
