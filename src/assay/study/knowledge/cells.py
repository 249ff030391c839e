"""One fine-tuning of a study of knowledge: trained, asked, compared with the original, and written down."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay import _check
from assay._files import read_json, read_lines, write_json, write_lines
from assay.embed.transformer import device_for
from assay.errors import AssayWarning
from assay.knowledge import Grades, ask, bin_subset, choose_shots, read_grades, samples_of
from assay.knowledge.models.transformer import Transformer
from assay.knowledge.prompts import CHAT_TEMPLATES, EXAMPLE
from assay.knowledge.samples import ALL
from assay.knowledge.templates import Templates
from assay.study.answers import accuracy_of, rows_of
from assay.study.knowledge.grid import GridCell, Questions
from assay.study.knowledge.scores import paper_kl, percent, same_kl
from assay.study.restoration.facts import facts_measure, halves
from assay.study.restoration.run import run_states, together
from assay.study.restoration.states import ORIGINAL as OF_ORIGINAL
from assay.study.restoration.states import Plan
from assay.study.restoration.texts import texts_measure
from assay.training import train
from assay.training.loading import load_tuned, precision_for
from assay.training.presets import settings
from assay.training.train import RECORD
from assay.weights import open_pair

CELL, ANSWERS, SUBSET, MODEL = "cell.json", "answers.jsonl", "subset.json", "model"
RESTORED = "restoration"
ORIGINAL, BINS, ASKED = "original.json", "bins.json", "facts.jsonl"
TESTS = ("ID", "OOD")


@dataclass(frozen=True, slots=True)
class Asking:
    """How every cell is tuned and asked.

    `chat_template` is a Jinja text, or the name of a row of `CHAT_TEMPLATES`, for training and asking alike; None: the
    model's own. `rule` says when an answer is right, `taught_rule` when one to the prompt of training is; None: alike.
    `training` are keywords of `assay.training.train`, in place of what `preset` has. `shots`: answered training facts
    before a question of the few-shot prompt, each written as in `example`. `ask_batch_size`: sequences that are asked
    for at a time.
    """

    chat_template: str | None = "knowledge"
    rule: str = "contains"
    taught_rule: str | None = None
    answer_tokens: int = 16
    ask_batch_size: int = 64
    shots: int = 4
    example: tuple[str, str] = EXAMPLE
    preset: str = "knowledge"
    training: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    dtype: str = "auto"
    keep_models: bool = False

    @property
    def template(self) -> str | None:
        """The Jinja text."""
        return (
            None if self.chat_template is None else CHAT_TEMPLATES.get(self.chat_template, self.chat_template)
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What the cells of a study have in common.

    `sampled`: bins are those of draws, not of probabilities. `restoration`: the states, with weights set back, in which
    each tuned model is asked, too, and has the loss of `texts` told; None: none.
    """

    folder: str
    model: str
    asking: Asking
    sets: Mapping[str, Questions]
    templates: Templates
    sampled: bool
    seed: int
    restoration: Plan | None = None
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Held:
    """What a process keeps from cell to cell: the original, its grades, and the bin of every fact."""

    pair: tuple[Any, Any]
    original: Transformer
    grades: Grades
    categories: Mapping[str, int]


def cell_worker(work: Work, threads: int) -> Callable[[GridCell | None], None]:
    """Return the function that does a cell, or asks the original (None), in a process of its own.

    The original is loaded once, with the first of them; the libraries at once, while the facts are still graded.
    """
    torch = _check.require("torch", "lm", "a study")
    torch.set_num_threads(threads)
    _check.require("trl", "lm", "a study")
    _check.require("transformers", "lm", "a study").logging.disable_progress_bar()
    warnings.simplefilter("ignore", AssayWarning)  # what was cut or left out is counted in training.json
    held: list[_Held] = []

    def run(cell: GridCell | None) -> None:
        if not held:
            held.append(_held(work))
        if cell is None:
            _ask_original(work, held[0])
        else:
            _do(cell, work, held[0], threads)

    return run


def _held(work: Work) -> _Held:
    import torch

    its, folder = work.asking, Path(work.folder)
    place = device_for(its.device)
    model, tokenizer, _ = load_tuned(work.model, getattr(torch, precision_for(its.dtype, place)))
    grades = read_grades(folder / "grades", score="sampled" if work.sampled else "exact")
    if not work.sampled:  # grades that were taken over may have draws, which decide no bin here
        grades = replace(grades, tally=None, by_rule=None)
    return _Held(
        (model, tokenizer),
        Transformer(
            (model, tokenizer), chat_template=its.template, batch_size=its.ask_batch_size, device=place
        ),
        grades,
        read_json(folder / BINS)["categories"],
    )


def _do(cell: GridCell, work: Work, held: _Held, threads: int) -> None:
    """Train, ask, compare, and write: what is there of a cell when `CELL` is, is whole."""
    its = work.asking
    place = device_for(its.device)
    folder = Path(work.folder) / "cells" / cell.name
    tests = tuple(one for name in TESTS for one in work.sets[name])
    seconds, since = dict[str, float](), time.perf_counter()

    def lap(name: str) -> None:
        nonlocal since
        now = time.perf_counter()
        seconds[name], since = round(now - since, 3), now

    trained = _trained_on(cell, work, held.categories)
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
    write_json(folder / SUBSET, {"ids": [one.id for one in trained]})
    adapter = settings(its.preset, {"method": its.training.get("method")}).method == "lora"
    model = train(
        work.model if adapter else held.pair,  # an adapter must name its model
        samples_of(trained), output=folder / MODEL, preset=its.preset, seed=cell.seed,
        chat_template=its.template, device=place.partition(":")[0], dtype=its.dtype, threads=threads,
        **its.training,
    )  # fmt: skip
    record = read_json(model / RECORD)
    lap("train")
    tuned = Transformer(
        model, chat_template=its.template, batch_size=its.ask_batch_size, device=place, dtype=its.dtype
    )
    rows = {"train": _answers(work, held, tuned, "train", trained)}
    rows |= {name: _answers(work, held, tuned, name, work.sets[name]) for name in TESTS}
    lap("ask")
    same, by_fact = same_kl(tuned, held.original, tests, held.categories)
    paper = paper_kl(tuned, held.original, work.sets["ID"], held.grades, work.templates)
    lap("divergence")
    if work.restoration is not None:
        _restore(work, held, work.restoration, model, folder / RESTORED)
        lap("restore")
    every = [row for part in rows.values() for row in part]
    write_lines(folder / ANSWERS, [row | {"kl": by_fact.get(row["id"])} for row in every])
    write_json(
        folder / CELL,
        {
            "bin": cell.bin,
            "size": cell.size,
            "taken": len(trained),
            "seed": cell.seed,
            "training": {"steps": record["steps"], "last_loss": record["losses"][-1]["loss"]},
            "accuracy": {name: accuracy_of(rows[name]) for name in TESTS},
            "train_accuracy": percent([row["right"] for row in rows["train"]]),
            "ended": percent([row["finished"] for name in TESTS for row in rows[name]]),
            "kl": {"paper": paper, "same": same},
            "seconds": seconds,
        },
    )
    if not its.keep_models:
        shutil.rmtree(folder / MODEL)


def _restore(work: Work, held: _Held, plan: Plan, tuned: Path, output: Path) -> None:
    """Ask the tuned model the test facts in each state of a plan; half of those in domain are to choose by."""
    its = work.asking
    tokenizer = held.pair[1]
    measures = [texts_measure(work.texts, tokenizer)] if work.texts else []
    by_facts = facts_measure(
        halves(work.sets["ID"], seed=work.seed) | {"OOD": work.sets["OOD"]}, tokenizer,
        categories=held.categories, chat_template=its.template, batch_size=its.ask_batch_size,
        device=device_for(its.device), rule=its.taught_rule or its.rule, max_tokens=its.answer_tokens,
    )  # fmt: skip

    def load(side: str) -> Any:
        if side == OF_ORIGINAL:
            return held.pair[0]
        model, _, _ = load_tuned(tuned, held.pair[0].dtype)
        return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model

    run_states(
        open_pair(work.model, tuned), plan, output=output, measure=together(by_facts, *measures), load=load
    )


def _ask_original(work: Work, held: _Held) -> None:
    """Ask the original for the test facts in three ways, and write its answers and accuracies."""
    folder = Path(work.folder) / "original"
    its = work.asking
    shots = choose_shots(work.sets["train"], count=its.shots, seed=work.seed)
    options: dict[str, dict[str, Any]] = {
        "sft": {},
        "few_shot": {"rule": its.rule, "prompting": "few-shot", "shots": shots, "example": its.example},
        "statement": {"rule": its.rule, "prompting": "statement", "templates": work.templates},
    }
    found: dict[str, Any] = {}
    for way, how in options.items():
        if not (folder / f"{way}.jsonl").exists():
            rows = [_answers(work, held, held.original, name, work.sets[name], **how) for name in TESTS]
            write_lines(folder / f"{way}.jsonl", [row for part in rows for row in part])
        answers = list(read_lines(folder / f"{way}.jsonl"))
        found[way] = {name: accuracy_of([row for row in answers if row["set"] == name]) for name in TESTS}
        found[way]["ended"] = percent([row["finished"] for row in answers])
    write_json(folder / ORIGINAL, found)


def _answers(
    work: Work, held: _Held, model: Transformer, name: str, questions: Questions, **how: Any
) -> list[dict[str, Any]]:
    """Return a row for each question of a set, with the model's answer, by default to the prompt of training."""
    if not questions:
        return []
    its = work.asking
    answered = ask(
        model, questions, max_tokens=its.answer_tokens, **({"rule": its.taught_rule or its.rule} | how)
    )
    return rows_of(name, questions, answered, held.categories)


def _trained_on(cell: GridCell, work: Work, categories: Mapping[str, int]) -> Questions:
    """Return the facts that a cell is trained on, in order of choice."""
    questions = work.sets["train"]
    chosen = bin_subset(
        questions,
        [categories[one.id] for one in questions],
        bin=cell.bin_name,
        size=None if cell.size == ALL else int(cell.size),
        seed=cell.seed,
    )
    return tuple(questions[at] for at in chosen.indices.tolist())
