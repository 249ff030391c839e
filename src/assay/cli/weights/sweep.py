"""`assay weights sweep`: a tuned model with weights set back step by step, each state evaluated, beside controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

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
from assay.cli.knowledge.prompting import PROMPTS
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

if TYPE_CHECKING:
    from assay.study.restoration import Plan
    from assay.study.restoration.compare import Result
    from assay.study.restoration.numbers import Program
    from assay.weights import Pair

Rows = list[dict[str, Any]]
REPORT, RESULT = "report.html", "sweep.json"
TAKEN = {"best", "tables", REPORT, RESULT, "manifest.json"}  # in the output
EVALUATORS = ("facts", "texts", "command", "lm_eval")
# what only facts read, with the defaults; the same for the harness and texts
OF: dict[str, dict[str, Any]] = {
    "facts": {
        "shape": None, "grades": None, "dev_fraction": 0.5, "limit": None, "prompt": "sft", "train": None,
        "shots": None, "templates": None, "aliases": "none", "rule": "contains", "max_tokens": 16,
    },
    "texts": {"texts_limit": None},
    "lm_eval": {"include_path": None, "lm_eval_limit": None, "lm_eval_chat": False},
}  # fmt: skip


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
            help="Write to OUT/best the first model in the state that dev chose, if it beats the tuned one there.",
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
    from assay.report import write_page
    from assay.study.restoration.compare import compare
    from assay.study.restoration.page import sections
    from assay.study.restoration.runs import read_runs
    from assay.study.restoration.states import states
    from assay.study.restoration.sweep import BEST, best_state, forget, forget_best, sweep
    from assay.study.restoration.sweep import write_best as written
    from assay.study.restoration.tables import tables
    from assay.study.restoration.verdicts import sentences

    _check_given(given, console.FORMATS)
    plan = plan_of(percent, rankings, equal, draws=draws, blocks=blocks, modules=modules, seed=seed)
    talk = console.Talk(quiet)
    names = _names(tuned)
    pairs = {
        name: room.open_pair(original, one, scope=scope, layers=layers_of(layers), pattern=pattern)
        for name, one in names.items()
    }
    asked = _facts(given, talk)
    other = _texts(given)
    programs = _programs(given)
    folder = open_folder(output, [original, *tuned], overwrite=overwrite, resume=resume)
    if overwrite and not resume:
        forget(folder, list(names))
    with talk.stage("hash", "the files of all models"):
        hashes = {name: room.hashed(pair) for name, pair in pairs.items()}
    beside = _entries(given)
    settings = {name: _settings(given, plan, [*own, *beside]) for name, own in hashes.items()}
    once = {(one["role"], one["path"]): one for own in hashes.values() for one in own}
    inputs = [*once.values(), *beside]
    with talk.stage("evaluate", _expected(plan, pairs)) as bar:
        sweep(
            pairs, plan, output=folder, settings=settings, **asked, texts=other,
            programs=programs, keep_models=keep_models, device=device, dtype=dtype, threads=threads,
            batch_size=batch_size, checked=_metric_check(given), progress=_progress(talk, bar),
        )  # fmt: skip
    own = {state.name for state in states(plan, next(iter(pairs.values())))}  # not what another plan left
    runs = [run for run in read_runs(folder, states=own) if run.name in names]
    chosen = metric or _only_metric(given, runs[0].rows["tuned"])
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
    said = [*sentences(result), *(_said_of_best(result, best, output) if write_best else [])]
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
    rows = tables(result).get("choices", []) if format == "csv" else _printed(result)
    console.show(rows, format, whole=result | {"said": said})


def _check_given(given: Mapping[str, Any], formats: Sequence[str]) -> None:
    """Raise for options that do not go together, before anything is read."""
    from assay import _check
    from assay import knowledge as room
    from assay.errors import DataError
    from assay.study.restoration.compare import METRICS

    _check.choice("format", given["format"], formats)
    _check.choice("prompt", given["prompt"], PROMPTS)
    _check.choice("rule", given["rule"], room.MATCHERS)
    if given["shape"] is not None:
        _check.choice("shape", given["shape"], room.FACT_FORMATS)
    if not any(given[name] for name in EVALUATORS):
        raise DataError(
            "--facts, --texts, --command or --lm-eval must say how states are evaluated; got none."
        )
    for needed, reads in OF.items():
        for name, usual in reads.items():
            if given[needed] is None and given[name] != usual:
                raise DataError(
                    f"{name} must be left out without {needed}, which it is part of; got {given[name]!r}."
                )
    if given["train"] is not None and given["prompt"] != "few-shot":
        raise DataError(f"train must be left out unless --prompt is few-shot; got {given['train']!r}.")
    shared = {"device": "auto", "dtype": "auto", "batch_size": 64, "threads": None}
    for name, usual in (
        shared.items() if not any(given[one] for one in EVALUATORS if one != "command") else ()
    ):
        if given[name] != usual:
            raise DataError(f"{name} must be left out where a command alone evaluates; got {given[name]!r}.")
    wants = {"macro": "grades", "micro": "facts", "loss": "texts"}
    metric = given["metric"]
    if metric in METRICS and given[wants[metric]] is None:
        raise DataError(f"{wants[metric]} must be given for --metric {metric}; got none.")
    if metric not in (None, *METRICS) and not (given["command"] or given["lm_eval"]):
        raise DataError(f"metric must be one of {', '.join(METRICS)} without a command; got {metric!r}.")
    chosen = given["facts"] or given["texts"]
    if given["lower"] and (metric in METRICS or (metric is None and chosen)):
        raise DataError(
            "--lower must be left out unless the metric is a number by name; of others it is known."
        )
    if given["write_best"] and (not chosen or metric not in (None, *METRICS)):
        raise DataError(
            "--write-best must have facts or texts to choose by, which have a dev set; got a number."
        )


def _names(tuned: Sequence[str]) -> dict[str, str]:
    """Return the folder of each tuned model by a name of its own: the last parts of its path that tell it apart.

    No name is that of something else in the output.
    """
    from pathlib import Path

    from assay.errors import DataError

    parts = [Path(one).resolve().parts[1:] for one in tuned]
    if len(set(parts)) < len(parts):
        raise DataError(f"tuned must be models of their own; got one twice: {', '.join(tuned)}.")
    for count in range(1, 1 + max(map(len, parts))):
        names = ["-".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names) and not TAKEN.intersection(names):
            return dict(zip(names, tuned, strict=True))
    raise DataError(f"tuned must have names of their own in the output; got {', '.join(tuned)}. Rename one.")


def _facts(given: Mapping[str, Any], talk: Any) -> dict[str, Any]:
    """Return what `sweep` asks: sets of facts, their bins, and how."""
    from assay import knowledge as room
    from assay.cli.knowledge.facts import aliases_of
    from assay.cli.knowledge.prompting import prompting_of
    from assay.study.restoration.sweep import sets_of

    if given["facts"] is None:
        return {}
    names = aliases_of(given["aliases"])
    found = room.read_facts(given["facts"], format=given["shape"])
    sets, notes = sets_of(
        room.with_aliases(found.questions, names), dev_fraction=given["dev_fraction"], limit=given["limit"],
        seed=given["seed"],
    )  # fmt: skip
    every = tuple(one for own in sets.values() for one in own)
    train = given["train"]
    known = () if train is None else room.with_aliases(room.read_facts(train).questions, names)
    asking = prompting_of(
        given["prompt"], found, every, known, given["shots"], given["templates"], given["seed"]
    )
    categories = None
    if given["grades"] is not None:
        ids = [one.id for one in every]
        categories = dict(
            zip(ids, map(int, room.read_grades(given["grades"]).of(ids).categories), strict=True)
        )
    for note in notes:
        talk.say(note)
    return {
        "sets": sets,
        "categories": categories,
        "asking": asking | {"rule": given["rule"], "max_tokens": given["max_tokens"]},
        "chat_template": room.CHAT_TEMPLATES["knowledge"] if given["prompt"] == "sft" else None,
    }


def _texts(given: Mapping[str, Any]) -> list[str]:
    from assay.errors import DataError
    from assay.study.restoration.texts import read_texts

    if given["texts"] is None:
        return []
    found = read_texts(given["texts"], limit=given["texts_limit"])
    if len(found) < 2 and (given["metric"] == "loss" or not (given["metric"] or given["facts"])):
        raise DataError("texts must be two at least, one to choose by and one to report; got one.")
    return found


def _programs(given: Mapping[str, Any]) -> list[Program]:
    """Return what scores a written checkpoint."""
    from functools import partial

    from assay.study.command import check_command, run_command
    from assay.study.restoration.lm_eval import check_lm_eval, run_lm_eval

    programs: list[Program] = []
    if given["command"] is not None:
        check_command(given["command"])
        programs.append(partial(run_command, given["command"]))
    if given["lm_eval"] is not None:
        check_lm_eval(given["lm_eval"], given["include_path"])
        programs.append(
            lambda folder: run_lm_eval(
                folder, given["lm_eval"], include_path=given["include_path"], limit=given["lm_eval_limit"],
                device=None if given["device"] == "auto" else given["device"],
                dtype=given["dtype"],
                batch_size=given["batch_size"],
                chat=given["lm_eval_chat"],
            )
        )  # fmt: skip
    return programs


def _entries(given: Mapping[str, Any]) -> Rows:
    """Return what was read beside the models, for the manifest."""
    from pathlib import Path

    from assay import knowledge as room
    from assay.cli import manifest
    from assay.study.restoration.texts import files_of_texts

    read = [(role, given[role]) for role in ("facts", "train", "templates", "aliases", "include_path")]
    found = [
        entry
        for role, path in read
        if path is not None and Path(path).exists()
        for entry in manifest.file_entries(role, path)
    ]
    if given["grades"] is not None:
        for name in room.grading.FILES:
            found += manifest.file_entries("grades", Path(given["grades"]) / name)
    if given["texts"] is not None:
        files: Sequence[Path | str] = files_of_texts(given["texts"]) or [given["texts"]]
        found += [entry for path in files for entry in manifest.file_entries("texts", path)]
    return found


def _settings(given: Mapping[str, Any], plan: Plan, inputs: Rows) -> dict[str, Any]:
    """Return what decides the numbers of a state of a model: a sweep that goes on must have the same."""
    of_states = (
        "scope", "layers", "pattern", "shape", "dev_fraction", "limit", "prompt", "shots", "rule", "max_tokens",
        "aliases", "texts_limit", "command", "lm_eval", "include_path", "lm_eval_limit", "lm_eval_chat", "device",
        "dtype", "seed",
    )  # fmt: skip
    files = [entry.get("sha256", entry["path"]) for entry in inputs if entry["role"] != "include_path"]
    return {name: given[name] for name in of_states} | {
        "reference": plan.rankings[0],
        "files": files,
    }


def _expected(plan: Plan, pairs: Mapping[str, Pair]) -> str:
    from assay.study.restoration.states import states

    count = len(states(plan, next(iter(pairs.values()))))
    return f"{count} states" + (f" of each of {len(pairs)} models" if len(pairs) > 1 else "")


def _progress(talk: Any, bar: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Return what shows a bar on a terminal, and elsewhere a line a state, with the time that is left."""
    import sys
    import time

    from assay.cli.console import human_seconds

    began: list[tuple[float, int]] = []

    def told(done: int, total: int) -> None:
        if began and began[-1][1] == done:
            return
        began.append((time.monotonic(), done))
        bar(done, total)
        (start, first), now = began[0], began[-1][0]
        if sys.stderr.isatty():
            return
        left = (
            f", {human_seconds((now - start) / (done - first) * (total - done))} left" if done > first else ""
        )
        talk.say(f"{done} of {total} states{left if done < total else ''}")

    return told


def _only_metric(given: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return what percents are chosen by where --metric does not say."""
    from assay.errors import DataError

    for name, metric in (("grades", "macro"), ("facts", "micro"), ("texts", "loss")):
        if given[name] is not None:
            return metric
    numbers = sorted(row["numbers"])
    if len(numbers) > 1:
        raise DataError(f"metric must be one of {', '.join(numbers)}; got none.")
    return str(numbers[0])


def _metric_check(given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], None]:
    """Return what raises at the first state where its row has no number of the name of --metric."""
    from assay import _check
    from assay.study.restoration.compare import METRICS

    def check(row: Mapping[str, Any]) -> None:
        if given["metric"] is None:
            _only_metric(given, row)
        elif given["metric"] not in METRICS:
            _check.choice("metric", given["metric"], sorted(row["numbers"]))

    return check


def _said_of_best(result: Result, best: Any, output: str) -> list[str]:
    """Return a line on the model that was written, or on why there is none."""
    [group] = result["groups"].values()
    if best is None:
        return ["Nothing was written to best: on dev no state beats the tuned model."]
    row = next(
        row
        for row in group["states"]
        if (row["kind"], row["by"], row["percent"], row["part"]) == (best.kind, best.by, best.percent, None)
    )
    values = ", ".join(
        f"{row[on]:.4g} on {on} (tuned model {state[on]:.4g})"
        for state in group["states"]
        if state["kind"] == "tuned"
        for on in result["sets"]
    )
    many = [
        what for what, count in (("tuned models", len(group["runs"])), ("draws", row["draws"])) if count > 1
    ]
    over = f" mean over {' and '.join(many)}:" if many else ""
    return [f"{output}/best is {best.name}, the state that dev chose:{over} {values}."]


def _printed(result: Result) -> Rows:
    """Return a row a baseline and ranking, as a person reads it: what dev chose, what it is elsewhere, and leads."""
    from assay.cli.console import spread

    [group] = result["groups"].values()
    digits, signed = (".1f", "+.1f") if result["unit"] == "points" else (".4g", "+.3g")
    sets = [*([result["chosen_on"]] if result["chosen_on"] else []), *result["sets"]]
    rows = []
    for state in group["states"]:
        if state["kind"] in ("original", "tuned", "scope"):
            percent = {"tuned": "0", "scope": "100"}.get(state["kind"])
            rows.append(_row(state["kind"], percent, state, sets, result, digits, signed))
    for chosen in group["choices"]:
        at = None if chosen["percent"] is None else f"{chosen['percent']:g}"
        by = f" ({chosen['by']})" if chosen["by"] and chosen["ranking"] != result["reference"] else ""
        row = _row(chosen["ranking"], None if at is None else at + by, chosen, sets, result, digits, signed)
        if chosen["ranking"] == result["reference"]:
            for one in group["differences"]:
                if one["chosen"] and one["how"] == "equal energy":
                    value = (
                        spread(one["effect"], one["low"], one["high"], signed)
                        if one["low"] is not None
                        else None
                    )
                    row[f"{one['on']} over {one['against']}"] = value
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def _row(
    name: str,
    percent: str | None,
    state: Mapping[str, Any],
    sets: Sequence[str],
    result: Result,
    digits: str,
    signed: str,
) -> dict[str, Any]:
    """Return a state's values on each set, its gains on those that are reported, and its loss."""
    from assay.cli.console import spread

    row: dict[str, Any] = {"ranking": name, "percent": percent}
    for on in sets:
        row[on] = f"{state[on]:{digits}}"
        if on in result["sets"]:
            low, high = state[f"{on} low"], state[f"{on} high"]
            gain = state[f"{on} gain"]
            row[f"{on} gain"] = (
                spread(gain, low, high, signed)
                if low is not None
                else None
                if gain is None
                else f"{gain:{signed}}"
            )
    if state.get("loss") is not None:
        row["loss"] = f"{state['loss']:.4f}"
    return row
