"""The study of knowledge: grade a model, fine-tune it on facts that it knows more or less well, see what came of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from assay import _check
from assay._files import read_json, read_lines, write_json
from assay._parallel import cores
from assay._workers import Workers
from assay.embed.transformer import find_model
from assay.errors import DataError
from assay.knowledge import MATCHERS, Facts, Grades, Question, agreement, grade, templates_of, write_facts
from assay.knowledge.formats import as_row
from assay.knowledge.grading.folder import FACTS, IDENTITY, unlike
from assay.knowledge.grading.grade import identity_of
from assay.knowledge.models.transformer import Transformer
from assay.knowledge.samples import balanced
from assay.knowledge.templates import Templates
from assay.knowledge.world import WORLDS, WorldPlan, make_world, pretrain
from assay.study.knowledge.cells import ANSWERS, ASKED, BINS, CELL, ORIGINAL, Asking, Work
from assay.study.knowledge.grid import SETS, GridCell, checked, counts_of, grid, sets_of
from assay.study.knowledge.scores import changes_of, judged, majority_of
from assay.study.restoration.states import Plan
from assay.training.presets import Preset, settings
from assay.weights import open_checkpoint

Progress = Callable[[int, int], None]
Stage = Callable[[str, str], AbstractContextManager[Progress]]
WORLD_EXAMPLE = ("ask {question} reply", " {answer} . ")
STATE = "study.json"
WORLD_TEXTS = 200  # lines of the pre-training whose loss is told of restored models
WORLD_TOKENS = 4  # of an answer in a world: an article, the object, a full stop, and the end
FREE = ("bins", "sizes", "seeds", "mixed")  # more of these may be asked of a study that is done


def knowledge_study(
    model: str | Path,
    facts: Facts,
    *,
    output: str | Path,
    templates: Templates | None = None,
    bins: Sequence[int] = (0, 1, 2, 3, 4),
    sizes: Sequence[int | str] = (60, 240, 1920, "all"),
    seeds: int = 5,
    mixed: bool = True,
    train_facts: int | None = None,
    test_facts: int | None = None,
    ood_facts: int | None = None,
    per_relation: int | None = None,
    samples: int = 10,
    sampled_facts: int = 0,
    draw_tokens: int = 32,
    grades: str | Path | None = None,
    asking: Asking | None = None,
    restoration: Plan | None = None,
    texts: Sequence[str] = (),
    workers: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    stage: Stage = lambda name, expect: nullcontext(lambda done, total: None),
) -> dict[str, Any]:
    """Grade what a model knows, fine-tune it on facts of one bin at a time, and return what came of every one.

    For each bin of mastery (D0 to D4), size and seed a model is tuned on as many facts of each relation, and asked for
    those facts and for test facts of the same relations (ID) and of others (OOD), by bin; its next tokens are compared
    with the original's; facts that it lost or gained are listed. Beside them stand a control trained on mixed bins, the
    original asked in three ways, and the most frequent answer of each relation.

    Parameters
    ----------
    model : path or hub id
        Of a causal language model.
    facts : Facts
        With splits train and test, where they have any: see Notes.
    output : path
        Folder for everything. What an interrupted study finished is found there and not done again, as long as the
        parameters are the same; bins, sizes and seeds may be others.
    templates : mapping of relation to templates, optional
        Statements that are graded by; by default the source's own, else the built-in ones.
    bins, sizes, seeds
        The grid: categories 0 to 4; facts to train on, or "all" of a bin; how many seeds, each with a choice of facts
        and an order of training of its own. Sizes nest. The paper's are 60, 240, 1920, "all", and 5.
    mixed : bool
        Whether to train a control on all bins, evenly, at each size that is a number.
    train_facts, test_facts, ood_facts : int, optional
        Facts to choose from and to test on, balanced over relations; by default all. `ood_facts` 0 leaves OOD out.
    per_relation : int, optional
        Templates of a relation at most.
    samples : int
        Draws of each template, of at most `draw_tokens` tokens; 0 grades by probabilities alone.
    sampled_facts : int
        0: draws decide the bins. More: probabilities do, and so many facts, balanced over sets and relations, are drawn
        for too, for the agreement of both scores.
    grades : path, optional
        Folder that `assay knowledge grade` filled for this model, under the same settings: its facts are taken over.
    asking : Asking, optional
        How the model is tuned and asked.
    restoration : Plan, optional
        States with weights set back in which each tuned model is asked the test facts, too; by default none. The
        model must then be a folder with safetensors.
    texts : sequence of str
        Whose loss is told of each of these states: whether anything else broke.
    workers : int, optional
        Fine-tunings at a time, each a process with the model; by default 1.
    threads : int, optional
        Of torch in each; by default the cores shared out among the workers.
    seed : int
        Of the choice of facts, the draws, and the first of the training seeds.
    stage : callable
        Called with the name of each stage and what to expect, see `assay study`.

    Returns
    -------
    dict
        ``parameters``, ``notes``, ``counts`` (facts by set, bin and relation), ``agreement`` of exact and sampled
        score, ``original`` (accuracy by way of asking), ``majority`` (that of each relation's most frequent
        training answer), ``cells`` (``accuracy`` by set, ``train_accuracy``, ``ended``, ``kl``, and ``turned``: facts
        kept, lost, gained by set and bin) and ``left_out``, the bins and sizes without enough facts. Accuracies are
        percent, divergences nats.

    Raises
    ------
    DataError
        Facts without a split, relations without templates, no bin that fills a size, settings out of their range, an
        output of another study, a worker that ends. What was finished is kept in all cases.

    Notes
    -----
    Cost: grading, see `assay.knowledge.grade`; for each cell a fine-tuning, a greedy answer to each test fact and two
    passes of each model over them. Memory: two models and a training state (16 bytes a parameter) a worker. A tuned
    model is deleted once asked.

    On a CPU the same arguments give the same numbers for any number of workers, at one number of threads.

    Facts without any split are dealt: half of each relation in the domain to train on. A bin that holds fewer training
    facts than a size is left out there, and the reason listed.

    Source: protocol of Ye et al., EMNLP 2025, arXiv 2509.16596. Ours: the prompts other than theirs, the control,
    baselines, lists, and intervals; what they do about relations that are short is not told.
    """
    asking = asking or Asking()
    folder = Path(output)
    chosen_bins, chosen_sizes, numbers = checked(bins, sizes, seeds, seed)
    for name, value, least in (
        ("samples", samples, 0), ("sampled_facts", sampled_facts, 0), ("draw_tokens", draw_tokens, 1),
        ("answer_tokens", asking.answer_tokens, 1), ("ask_batch_size", asking.ask_batch_size, 1),
        ("workers", 1 if workers is None else workers, 1),
        ("threads", 1 if threads is None else threads, 1), ("per_relation", per_relation or 1, 1),
    ):  # fmt: skip
        _check.whole(name, value, least)
    if sampled_facts and not samples:
        raise DataError(f"sampled_facts must be 0 without samples; got {sampled_facts}.")
    for rule in (asking.rule, asking.taught_rule or asking.rule):
        _check.choice("rule", rule, MATCHERS)
    settings(
        asking.preset,
        {name: value for name, value in asking.training.items() if name in Preset.__dataclass_fields__},
    )
    sets, notes = sets_of(
        facts.questions, train_facts=train_facts, test_facts=test_facts, ood_facts=ood_facts, seed=seed
    )
    every = [one for name in SETS for one in sets[name]]
    said = templates_of(facts, templates)
    bare = list(dict.fromkeys(one.relation for one in every if not one.statements and not said[one.relation]))
    if bare:
        raise DataError(f"templates must have one for every relation; got none for {', '.join(bare)}.")
    parameters = {
        "model": find_model(str(model), "model")[2], "facts": _digest(every), "templates": _digest_of(said),
        "bins": chosen_bins, "sizes": chosen_sizes, "seeds": seeds, "mixed": mixed, "per_relation": per_relation,
        "samples": samples, "sampled_facts": sampled_facts, "draw_tokens": draw_tokens, "seed": seed,
        "asking": asdict(asking) | {"keep_models": None, "ask_batch_size": None},
        "restoration": restoration and asdict(restoration) | {"texts": _digest_of(list(texts))},
    }  # fmt: skip
    if grades is not None and not (Path(grades) / IDENTITY).is_file():
        raise DataError(f"grades must be a folder of assay knowledge grade; {grades} has no {IDENTITY}.")
    if restoration is not None:
        open_checkpoint(model)
    _begin(folder, parameters)
    write_facts(every, folder / ASKED)
    work = Work(
        str(folder),
        str(model),
        asking,
        sets,
        said,
        sampled=bool(samples) and not sampled_facts,
        seed=seed,
        restoration=restoration,
        texts=tuple(texts),
    )

    def planned() -> tuple[list[GridCell], list[dict[str, Any]]]:
        of = read_json(folder / BINS)["categories"]
        return grid(
            [of[one.id] for one in sets["train"]],
            bins=chosen_bins,
            sizes=chosen_sizes,
            seeds=numbers,
            mixed=mixed,
        )

    finished = (folder / BINS).exists() and not _left(folder, planned()[0])
    if not finished:
        count = workers or 1
        crew = Workers(
            count, "assay.study.knowledge.cells:cell_worker", (work, threads or max(1, cores() // count))
        )
        try:
            _grade(work, per_relation, samples, sampled_facts, draw_tokens, grades, threads, stage)
            jobs = _left(folder, planned()[0])
            with stage("cells", f"{_told(jobs)}, {count} at a time") as progress:
                done = 0

                def take(at: int, answer: None) -> None:
                    nonlocal done
                    done += 1
                    progress(done, len(jobs))

                crew.over(jobs, take)
        finally:
            crew.close()
    cells, left_out = planned()
    graded = read_json(folder / BINS)
    before = {row["id"]: row["right"] for row in read_lines(folder / "original" / "statement.jsonl")}
    asked = {one.id: one for one in every}
    return {
        "parameters": parameters,
        "notes": notes,
        "counts": counts_of(graded["categories"], sets),
        "agreement": graded["agreement"],
        "original": read_json(folder / "original" / ORIGINAL),
        "majority": majority_of(sets, asking.rule, graded["categories"]),
        "cells": [_finished(folder, cell, before, asked, asking.rule) for cell in cells],
        "left_out": left_out,
    }


def world_study(
    world: str | WorldPlan,
    *,
    output: str | Path,
    bins: Sequence[int] | None = None,
    sizes: Sequence[int | str] | None = None,
    seeds: int | None = None,
    mixed: bool = True,
    samples: int = 10,
    keep_models: bool = False,
    restoration: Plan | None = None,
    workers: int | None = None,
    seed: int = 0,
    stage: Stage = lambda name, expect: nullcontext(lambda done, total: None),
) -> dict[str, Any]:
    """Run the study of knowledge on a world of made facts and a small model that has learnt them, made here.

    Parameters
    ----------
    world : str or WorldPlan
        A row of `WORLDS`: "ci" takes about a minute on two cores, "full" a quarter of an hour.
    output, bins, sizes, seeds, mixed, samples, keep_models, restoration, seed, stage
        As in `knowledge_study`; bins, sizes and seeds are the plan's by default. `seed` makes the world, too.
    workers : int, optional
        Processes of one thread each; by default one a core.

    Returns
    -------
    dict
        That of `knowledge_study`, and ``world``: the mean score of the facts by how often they were seen.

    Raises
    ------
    DataError
        As in `knowledge_study`.

    Notes
    -----
    The rule is ``first``, since what comes after the answer is another statement; for the prompt of training, whose
    answers have no article, it is ``begins``: a model that says "the" first has not learnt the format. Same arguments,
    same numbers, for any number of workers.
    """
    plan = WORLDS[_check.choice("world", world, WORLDS)] if isinstance(world, str) else world
    folder = Path(output)
    made = make_world(plan, seed=seed)
    with stage("pretrain", f"a Llama from scratch on {len(made.texts):,} lines") as progress:
        model = pretrain(made, output=folder / "model", threads=1, resume=True, progress=progress)
    asking = Asking(
        chat_template=None, rule="first", taught_rule="begins", answer_tokens=WORLD_TOKENS, shots=2,
        example=WORLD_EXAMPLE, training={"learning_rate": plan.tuned_learning_rate}, device="cpu", dtype="float32",
        keep_models=keep_models,
    )  # fmt: skip
    result = knowledge_study(
        model, made.facts, output=folder, bins=plan.tuned_bins if bins is None else bins,
        sizes=[size or "all" for size in plan.tuned_sizes] if sizes is None else sizes,
        seeds=plan.tuned_seeds if seeds is None else seeds, mixed=mixed, samples=samples, draw_tokens=WORLD_TOKENS,
        asking=asking, restoration=restoration, threads=1, seed=seed, stage=stage,
        texts=made.texts[:WORLD_TEXTS] if restoration else (), workers=workers or cores(),
    )  # fmt: skip
    scores = read_json(folder / BINS)["scores"]
    by_exposure: dict[int, list[float]] = {}
    for id, count in made.exposures.items():
        by_exposure.setdefault(count, []).append(scores[id])
    means = {str(count): float(np.mean(by_exposure[count])) for count in sorted(by_exposure)}
    return result | {"world": {"plan": asdict(plan), "seed": seed, "mean_score_by_exposure": means}}


def _begin(folder: Path, parameters: dict[str, Any]) -> None:
    """Record what the study is, or raise if the folder holds another one; the grid itself may change."""
    state = folder / STATE
    now = orjson.loads(orjson.dumps(parameters))  # as it is read again
    if state.exists():
        before = read_json(state)
        for name, value in now.items():
            if name not in FREE and before.get(name) != value:
                raise DataError(
                    f"output must hold a study of the same parameters; in {folder} {name} was {before.get(name)!r}, "
                    f"and is now {value!r}. Use another output."
                )
    write_json(state, now)


def _grade(
    work: Work, per_relation: int | None, samples: int, sampled_facts: int, draw_tokens: int,
    taken_over: str | Path | None, threads: int | None, stage: Stage,
) -> None:  # fmt: skip
    """Write score and category of every fact and the agreement of both scores, grading what is not graded yet."""
    folder, asking = Path(work.folder), work.asking
    if (folder / BINS).exists():
        return
    place = folder / "grades"
    every = [one for name in SETS for one in work.sets[name]]
    some: Sequence[Question] = every
    if sampled_facts:
        some = balanced(every, sampled_facts, seed=work.seed)
    drawn = f", {samples} draws for {len(some):,}" if samples else ""
    options: dict[str, Any] = {
        "output": place, "per_relation": per_relation, "max_tokens": draw_tokens, "rule": asking.rule,
        "seed": work.seed, "resume": True,
    }  # fmt: skip
    with stage("grade", f"{len(every):,} facts{drawn}") as progress:
        original = Transformer(
            work.model,
            batch_size=asking.ask_batch_size,
            device=asking.device,
            dtype=asking.dtype,
            threads=threads,
        )
        if taken_over is not None and not (place / IDENTITY).exists():
            same = {name: options[name] for name in ("per_relation", "max_tokens", "rule", "seed")}
            _take_over(Path(taken_over), place, identity_of(original, samples=samples, **same))
        found = exact = grade(original, every, work.templates, samples=0, progress=progress, **options)
        both = None
        if samples:
            both = grade(original, some, work.templates, samples=samples, progress=progress, **options)
            found = exact if sampled_facts else both
    write_json(
        folder / BINS,
        {
            "categories": dict(zip(found.ids, found.categories.tolist(), strict=True)),
            "scores": dict(zip(found.ids, found.scores.tolist(), strict=True)),
            "agreement": _agreement(both),
        },
    )


def _take_over(grades: Path, place: Path, identity: dict[str, Any]) -> None:
    """Copy a folder of grades, which must be of this model and these settings."""
    differ = unlike(read_json(grades / IDENTITY), identity)
    if differ:
        raise DataError(
            f"grades must be of the model and the settings of the study; {grades} differs in {', '.join(differ)}. "
            "Give the study the settings of the grades and a new output, or leave grades out."
        )
    place.mkdir(parents=True, exist_ok=True)
    for name in (FACTS, IDENTITY):  # the identity last: with it the folder counts
        if (grades / name).exists():
            shutil.copyfile(grades / name, place / name)


def _agreement(both: Grades | None) -> dict[str, Any] | None:
    if both is None or both.tally is None or both.probabilities is None:
        return None
    return asdict(agreement(both.probabilities, both.tally))


def _left(folder: Path, cells: Sequence[GridCell]) -> list[GridCell | None]:
    """Return what is still to be done: the original (None), which comes first, and cells."""
    left: list[GridCell | None] = [] if (folder / "original" / ORIGINAL).exists() else [None]
    return left + [cell for cell in cells if not (folder / "cells" / cell.name / CELL).exists()]


def _told(jobs: Sequence[GridCell | None]) -> str:
    original = "the original in three ways, " if None in jobs else ""
    return f"{original}{sum(job is not None for job in jobs)} fine-tunings"


def _finished(
    folder: Path, cell: GridCell, before: Mapping[str, bool], asked: Mapping[str, Question], rule: str
) -> dict[str, Any]:
    """Return what was written of a cell, without its seconds, with how many facts it kept, lost and gained."""
    found = dict(read_json(folder / "cells" / cell.name / CELL))
    del found["seconds"]
    rows = judged(read_lines(folder / "cells" / cell.name / ANSWERS), asked, rule)
    return found | {"turned": changes_of(before, rows)}


def _digest(questions: Sequence[Question]) -> str:
    """Return a hash of all facts, by which a study knows its data again."""
    found = hashlib.sha256()
    for one in questions:
        found.update(hashlib.sha256(orjson.dumps(as_row(one))).digest())
    return found.hexdigest()


def _digest_of(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
