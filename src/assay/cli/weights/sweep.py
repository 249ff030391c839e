"""`assay weights sweep`: a tuned model with weights set back step by step, each state evaluated, beside controls."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.knowledge.models import BatchSize, Device, Dtype, Threads
from assay.cli.knowledge.options import (
    Aliases,
    AnswerTokens,
    Examples,
    Prompt,
    Rule,
    Shape,
    Shots,
    StatementTemplates,
)
from assay.cli.options import DATA, METHOD, OUTPUT, flag
from assay.cli.weights.options import (
    Blocks,
    Draws,
    Equal,
    Layers,
    Modules,
    Original,
    Pattern,
    Percent,
    Rankings,
    Scope,
)


def weights_sweep(
    original: Original,
    tuned: Annotated[
        list[str],
        typer.Argument(
            help="Folders of models, or LoRA adapters, made of it: fine-tunings alike but for their seed.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str, flag("--output", "-o", help="Folder for answers, tables, a page and a manifest.", panel=OUTPUT)
    ],
    facts: Annotated[
        str | None,
        flag("--facts", help="Evaluate by facts, as assay knowledge facts reads or writes them.", panel=DATA),
    ] = None,
    grades: Annotated[
        str | None,
        flag(
            "--grades",
            help="Folder of assay knowledge grade, of the original: accuracy is the mean of its categories'.",
            panel=DATA,
        ),
    ] = None,
    dev_fraction: Annotated[
        float,
        flag(
            "--dev-fraction",
            help="Share of facts to choose percents by; the rest report. Splits dev and test are used as they are.",
            panel=DATA,
        ),
    ] = 0.5,
    limit: Annotated[
        int | None,
        flag(
            "--limit",
            help="At most so many facts in dev, test and OOD, as many of each relation.",
            panel=DATA,
        ),
    ] = None,
    shape: Shape = None,
    train: Examples = None,
    texts: Annotated[
        str | None,
        flag(
            "--texts",
            help="Evaluate by the loss on other text: .txt, a text a line; a folder of .txt; data as assay reads it.",
            panel=DATA,
        ),
    ] = None,
    texts_limit: Annotated[
        int | None, flag("--texts-limit", help="Only the first so many texts.", panel=DATA)
    ] = None,
    command: Annotated[
        str | None,
        flag(
            "--command",
            help="Evaluate by a command with {model} in it, whose last line is a number or a JSON object of numbers.",
            panel=METHOD,
        ),
    ] = None,
    lm_eval: Annotated[
        str | None,
        flag("--lm-eval", help="Evaluate by tasks of lm-evaluation-harness, comma-separated.", panel=METHOD),
    ] = None,
    include_path: Annotated[
        str | None,
        flag(
            "--include-path",
            help="lm-eval only: folder of tasks, as assay knowledge export has them.",
            panel=DATA,
        ),
    ] = None,
    lm_eval_limit: Annotated[
        int | None, flag("--lm-eval-limit", help="lm-eval only: at most so many examples a task.", panel=DATA)
    ] = None,
    lm_eval_chat: Annotated[
        bool,
        flag("--lm-eval-chat", help="lm-eval only: examples in the model's chat template.", panel=METHOD),
    ] = False,
    metric: Annotated[
        str | None,
        flag(
            "--metric",
            help="What percents are chosen by: macro (with --grades), micro, loss, or the name of a number.",
            panel=METHOD,
        ),
    ] = None,
    lower: Annotated[
        bool, flag("--lower/--higher", help="Whether the number of --metric is better lower.", panel=METHOD)
    ] = False,
    percent: Percent = "1,3,5,10,20,40,60",
    rankings: Rankings = "relative,random,shrink",
    equal: Equal = "weights,energy",
    draws: Draws = 3,
    blocks: Blocks = 0,
    modules: Modules = False,
    scope: Scope = "transformer",
    layers: Layers = None,
    pattern: Pattern = None,
    prompt: Prompt = "sft",
    shots: Shots = None,
    templates: StatementTemplates = None,
    aliases: Aliases = "none",
    rule: Rule = "contains",
    max_tokens: AnswerTokens = 16,
    write_best: Annotated[
        bool,
        flag(
            "--write-best",
            help="Write to OUT/best the first model in the state that dev chose: the best mean over models and draws.",
            panel=OUTPUT,
        ),
    ] = False,
    keep_models: Annotated[
        bool,
        flag("--keep-models", help="Keep the checkpoint of every state: OUT/MODEL/models.", panel=OUTPUT),
    ] = False,
    seed: Annotated[
        int, flag("--seed", help="Of random weights, and of the facts of dev and of --limit.", panel=METHOD)
    ] = 0,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Set weights of a tuned model back step by step and evaluate each state: does restoring help, and which weights?

    Each ranking stands beside random weights and beside all changes shrunk alike, at as many weights and at equal
    energy. Percents are chosen on dev facts and reported on test facts, with intervals over facts and tuned models.
    """
    given = dict(locals())
    from pathlib import Path

    from assay import weights as room
    from assay._files import write_json
    from assay.cli import console, manifest
    from assay.cli.output import open_folder, staged, write_csv
    from assay.cli.weights.options import layers_of, plan_of
    from assay.cli.weights.sweep_given import (
        REPORT,
        RESULT,
        check_given,
        entries_of,
        facts_of,
        metric_check,
        names_of,
        only_metric,
        programs_of,
        settings_of,
        texts_of,
    )
    from assay.cli.weights.sweep_shown import expected, printed, progress_of, said_of_best
    from assay.report import write_page
    from assay.study.restoration.compare import compare
    from assay.study.restoration.page import sections
    from assay.study.restoration.runs import read_runs
    from assay.study.restoration.states import states
    from assay.study.restoration.sweep import BEST, best_state, forget, forget_best, sweep
    from assay.study.restoration.sweep import write_best as written
    from assay.study.restoration.tables import tables
    from assay.study.restoration.verdicts import sentences

    check_given(given, console.FORMATS)
    plan = plan_of(percent, rankings, equal, draws=draws, blocks=blocks, modules=modules, seed=seed)
    talk = console.Talk(quiet)
    names = names_of(tuned)
    pairs = {
        name: room.open_pair(original, one, scope=scope, layers=layers_of(layers), pattern=pattern)
        for name, one in names.items()
    }
    asked = facts_of(given, talk)
    other = texts_of(given)
    programs = programs_of(given)
    folder = open_folder(output, [original, *tuned], overwrite=overwrite, resume=resume)
    if overwrite and not resume:
        forget(folder, list(names))
    with talk.stage("hash", "the files of all models"):
        hashes = {name: room.hashed(pair) for name, pair in pairs.items()}
    beside = entries_of(given)
    settings = {name: settings_of(given, plan, [*own, *beside]) for name, own in hashes.items()}
    once = {(one["role"], one["path"]): one for own in hashes.values() for one in own}
    inputs = [*once.values(), *beside]
    with talk.stage("evaluate", expected(plan, pairs)) as bar:
        sweep(
            pairs, plan, output=folder, settings=settings, **asked, texts=other,
            programs=programs, keep_models=keep_models, device=device, dtype=dtype, threads=threads,
            batch_size=batch_size, checked=metric_check(given), progress=progress_of(talk, bar),
        )  # fmt: skip
    own = {state.name for state in states(plan, next(iter(pairs.values())))}  # not what another plan left
    runs = read_runs(folder, names=names, states=own)
    chosen = metric or only_metric(given, runs[0].rows["tuned"])
    reference = plan.rankings[0]
    result = compare(
        {Path(original).resolve().name: runs}, metric=chosen, reference=reference, lower_is_better=lower
    )
    if write_best:
        forget_best(folder)
    best = best_state(result, plan) if write_best else None
    if best is not None:
        with talk.stage("write", f"{best.name} to {folder / BEST}"):
            written(next(iter(pairs.values())), plan, best, folder / BEST)
    said = [*sentences(result), *(said_of_best(result, best, next(iter(pairs))) if write_best else [])]
    with staged(folder) as stage:
        write_json(stage / RESULT, result | {"said": said})
        (stage / "tables").mkdir()
        for name, rows in tables(result).items():
            write_csv(stage / "tables" / f"{name}.csv", rows)
        write_page(
            stage / REPORT,
            title="Does setting weights back help, and which?",
            subtitle=f"{', '.join(names)} against {original}",
            sections=sections(result),
            provenance={
                name: given[name]
                for name in ("original", "tuned", "scope", "percent", "rankings", "equal", "draws", "seed")
            },
        )
        manifest.write(
            stage, weights_sweep, given, inputs,
            counts={"models": len(runs), "states": len(runs[0].rows),
                    "weights": next(iter(pairs.values())).size,
                    "facts": {name: len(own) for name, own in (asked.get("sets") or {}).items()}, "texts": len(other)},
            results={"said": said, "choices": tables(result).get("choices", [])}, talk=talk,
        )  # fmt: skip
    talk.say(f"wrote {RESULT}, tables, {REPORT} and manifest.json to {folder}")
    for line in said:
        talk.say(line)
    rows = tables(result).get("choices", []) if format == "csv" else printed(result)
    console.show(rows, format, whole=result | {"said": said})
