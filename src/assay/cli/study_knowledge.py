"""`assay study knowledge`: what fine-tuning does to what a model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag
from assay.cli.weights.options import Blocks, Draws, Equal, Modules, Rankings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.knowledge import Facts

TRAINING = "Training"
BINS, SIZES, SEEDS = "0,1,2,3,4", "60,240,1920,all", 5  # the paper's; a world has its own
RANKINGS, EQUAL = "relative,random,shrink", "weights,energy"
OF_RESTORATION = {
    "rankings": RANKINGS,
    "equal": EQUAL,
    "draws": 1,
    "blocks": 0,
    "modules": False,
    "texts": None,
}
# what a study of a model reads beside its facts, and a world decides itself, with the defaults
OF_MODELS = {
    "facts": None, "filter": None, "aliases": "none", "templates": None, "train_facts": None, "test_facts": None,
    "ood_facts": None, "per_relation": None, "sampled_facts": 0, "grades": None, "rule": "contains", "draw_tokens": 32,
    "answer_tokens": 16, "ask_batch_size": 64, "shots": 4, "chat_template": "knowledge", "preset": "knowledge",
    "method": None, "epochs": None, "learning_rate": None, "batch_size": None, "micro_batch_size": None,
    "device": "auto", "dtype": "auto", "threads": None, "texts": None,
}  # fmt: skip


def study_knowledge(
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    world: Annotated[
        str | None,
        flag("--world", help="Make facts and a model that learnt them: ci (a minute) or full.", panel=DATA),
    ] = None,
    model: Annotated[
        str | None, flag("--model", help="Folder, .gguf file or hub id of the model to study.", panel=DATA)
    ] = None,
    facts: Annotated[
        str | None, flag("--facts", help="File or folder of facts, see: assay knowledge facts.", panel=DATA)
    ] = None,
    filter: Annotated[
        str | None,
        flag(
            "--filter",
            help="one-answer, unique, both or none; by default the paper's for EntityQuestions, else none.",
            panel=DATA,
        ),
    ] = None,
    aliases: Annotated[
        str,
        flag("--aliases", help="Other names of answers: none, paper, or a YAML file.", panel=DATA),
    ] = "none",
    templates: Annotated[
        str | None,
        flag(
            "--templates",
            help="YAML file or folder: the templates of each relation; by default the source's own, else ours.",
            panel=DATA,
        ),
    ] = None,
    train_facts: Annotated[
        int | None,
        flag("--train-facts", help="Choose from so many, as many of each relation.", panel=DATA),
    ] = None,
    test_facts: Annotated[
        int | None, flag("--test-facts", help="Test on so many of the same relations.", panel=DATA)
    ] = None,
    ood_facts: Annotated[
        int | None, flag("--ood-facts", help="And on so many of other relations; 0 for none.", panel=DATA)
    ] = None,
    bins: Annotated[
        str | None,
        flag("--bins", help="Categories to train on, comma-separated: 0 to 4 (all).", panel=METHOD),
    ] = None,
    sizes: Annotated[
        str | None,
        flag("--sizes", help=f"Facts to train on, comma-separated, or all ({SIZES}).", panel=METHOD),
    ] = None,
    seeds: Annotated[
        int | None, flag("--seeds", help=f"Fine-tunings of each bin and size ({SEEDS}).", panel=METHOD)
    ] = None,
    mixed: Annotated[
        bool, flag("--mixed/--no-mixed", help="A control on all bins in turns, at each size.", panel=METHOD)
    ] = True,
    per_relation: Annotated[
        int | None, flag("--per-relation", help="Templates of a relation, at most.", panel=METHOD)
    ] = None,
    samples: Annotated[
        int, flag("--samples", help="Draws of each template; 0: probabilities alone.", panel=METHOD)
    ] = 10,
    sampled_facts: Annotated[
        int,
        flag(
            "--sampled-facts",
            help="0: draws decide the bins. N: probabilities do, and N facts are drawn for too.",
            panel=METHOD,
        ),
    ] = 0,
    grades: Annotated[
        str | None,
        flag("--grades", help="Take over a folder of assay knowledge grade.", panel=METHOD),
    ] = None,
    rule: Annotated[
        str,
        flag("--rule", help="When an answer is right: contains, word, first, begins or exact.", panel=METHOD),
    ] = "contains",
    draw_tokens: Annotated[int, flag("--draw-tokens", help="Of a draw, at most.", panel=METHOD)] = 32,
    answer_tokens: Annotated[int, flag("--answer-tokens", help="Of an answer, at most.", panel=METHOD)] = 16,
    shots: Annotated[
        int,
        flag("--shots", help="Examples before a question that the original is asked few-shot.", panel=METHOD),
    ] = 4,
    ask_batch_size: Annotated[
        int, flag("--ask-batch-size", help="Sequences asked for at a time.", panel=METHOD)
    ] = 64,
    chat_template: Annotated[
        str,
        flag(
            "--chat-template",
            help="Prompt of training and asking: knowledge (the paper's), own (the model's), or a Jinja file.",
            panel=TRAINING,
        ),
    ] = "knowledge",
    preset: Annotated[
        str, flag("--preset", help="Training settings, see: assay train --help.", panel=TRAINING)
    ] = "knowledge",
    method: Annotated[
        str | None, flag("--method", help="full or lora; by default the preset's.", panel=TRAINING)
    ] = None,
    epochs: Annotated[int | None, flag("--epochs", help="Instead of the preset's.", panel=TRAINING)] = None,
    learning_rate: Annotated[
        float | None, flag("--learning-rate", help="Instead of the preset's.", panel=TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, flag("--batch-size", help="Instead of the preset's.", panel=TRAINING)
    ] = None,
    micro_batch_size: Annotated[
        int | None, flag("--micro-batch-size", help="Facts in memory at a time.", panel=TRAINING)
    ] = None,
    keep_models: Annotated[
        bool,
        flag("--keep-models", help="Keep every tuned model; they are deleted once asked.", panel=OUTPUT),
    ] = False,
    restore: Annotated[
        str | None,
        flag(
            "--restore",
            help="Percents of weights, such as 1,5,20: ask each tuned model with so many set back, too.",
            panel=METHOD,
        ),
    ] = None,
    rankings: Rankings = RANKINGS,
    equal: Equal = EQUAL,
    draws: Draws = 1,
    blocks: Blocks = 0,
    modules: Modules = False,
    texts: Annotated[
        str | None,
        flag("--texts", help="Other text: its loss in each of these states, as a check.", panel=DATA),
    ] = None,
    device: Annotated[str, flag("--device", help="auto, cpu, cuda, cuda:1, ...", panel=TRAINING)] = "auto",
    dtype: Annotated[str, flag("--dtype", help="auto, float32 or bfloat16.", panel=TRAINING)] = "auto",
    workers: Annotated[
        int | None,
        flag("--workers", help="Fine-tunings at a time; by default a core each in a world.", panel=TRAINING),
    ] = None,
    threads: Annotated[
        int | None,
        flag("--threads", help="Of torch in each; by default the cores shared out.", panel=TRAINING),
    ] = None,
    seed: Annotated[
        int, flag("--seed", help="Of world, choices and draws, and the first training seed.", panel=METHOD)
    ] = 0,
    format: options.Format = "table",
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Grade a model's facts, tune it on one bin at a time, and see what it knows then, and what it lost.

    OUT/results.csv has a row a fine-tuning, OUT/tables the paper's tables, OUT/report.html shows curves and claims,
    OUT/lost.jsonl and gained.jsonl list facts.
    """
    given = dict(locals())

    from dataclasses import asdict

    from assay import _check
    from assay._files import write_json, write_lines
    from assay.cli import console, manifest
    from assay.cli.output import open_folder, staged, write_csv
    from assay.cli.weights.options import plan_of
    from assay.errors import DataError
    from assay.report import write_page
    from assay.study.knowledge import changed, knowledge_study, right_answers, runs_of, table, world_study
    from assay.study.knowledge.claims import claims
    from assay.study.knowledge.claims import listed as effects_of
    from assay.study.knowledge.page import sections
    from assay.study.knowledge.tables import tables
    from assay.study.restoration import page
    from assay.study.restoration import tables as of_restoration
    from assay.study.restoration.compare import compare
    from assay.study.restoration.texts import read_texts
    from assay.study.restoration.verdicts import sentences
    from assay.training import PRESETS

    _check.choice("format", format, console.FORMATS)
    if (world is None) == (model is None):
        raise DataError(
            "world must be given, or model and facts in its place; got " + ("both." if world else "none.")
        )
    unread = OF_MODELS if world is not None else {}
    for name, default in unread.items():
        if given[name] != default:
            raise DataError(f"{name} must be left out with world, which decides it; got {given[name]!r}.")
    if model is not None and facts is None:
        raise DataError("facts must be given with model; got none.")
    for name, usual in OF_RESTORATION.items() if restore is None else ():
        if given[name] != usual:
            raise DataError(
                f"{name} must be left out without restore, which it is part of; got {given[name]!r}."
            )
    restoration = (
        None
        if restore is None
        else plan_of(restore, rankings, equal, draws=draws, blocks=blocks, modules=modules, seed=seed)
    )
    grid = _grid(bins, sizes, seeds, whole=world is None)
    talk = console.Talk(quiet)
    if world is not None:
        _check.known("world", world, ("ci", "full"), "assay study knowledge --help")
        read: list[tuple[str, str | None]] = []
        folder = open_folder(output, [], overwrite=False, resume=resume)
        result = world_study(
            world, output=folder, **grid, mixed=mixed, samples=samples, keep_models=keep_models,
            restoration=restoration, workers=workers, seed=seed, stage=talk.stage,
        )  # fmt: skip
    else:
        assert model is not None
        assert facts is not None
        _check.known("preset", preset, PRESETS, "assay train --help")
        read = [
            ("facts", facts),
            ("templates", templates),
            ("aliases", aliases),
            ("chat_template", chat_template),
            ("texts", texts),
        ]
        with talk.stage("read", facts):
            found, said = _facts(facts, filter, aliases, templates)
        folder = open_folder(output, [facts], overwrite=False, resume=resume)
        result = knowledge_study(
            model, found, output=folder, templates=said, **grid, mixed=mixed,
            train_facts=train_facts, test_facts=test_facts, ood_facts=ood_facts, per_relation=per_relation,
            samples=samples, sampled_facts=sampled_facts, draw_tokens=draw_tokens, grades=grades,
            asking=_asking(given), restoration=restoration,
            texts=read_texts(texts) if texts else (), workers=workers, threads=threads, seed=seed, stage=talk.stage,
        )  # fmt: skip
    rows, made = table(result), tables(result)
    judged = claims(result, rights=right_answers(folder, result))
    lists = changed(folder, result)
    pages = sections(result, judged, changed=lists)
    if restoration is not None:
        restored = result["restoration"] = compare(runs_of(folder, result), reference=restoration.rankings[0])
        made |= {f"restoration-{name}": part for name, part in of_restoration.tables(restored).items()}
        pages += page.sections(restored)
        result["notes"] += sentences(restored)
    with staged(folder) as stage:
        write_csv(stage / "results.csv", rows)
        for name, part in (*made.items(), ("claims", effects_of(judged))):
            write_csv(stage / "tables" / f"{name}.csv", part)
        for kind, changes in lists.items():
            write_lines(stage / f"{kind}.jsonl", changes)
        result["claims"] = [asdict(one) for one in judged]
        write_json(stage / "result.json", result)
        write_page(
            stage / "report.html",
            title="What did fine-tuning do to what the model knows?",
            subtitle=f"World {world}, seed {seed}" if model is None else f"{model}, facts of {facts}",
            sections=pages,
        )
        counts = {"fine-tunings": len(rows)} | {
            name: sum(result["counts"][name]) for name in ("train", "ID", "OOD")
        }
        inputs = [entry for role, path in read for entry in _entries(role, path)]
        written = manifest.write(
            stage, study_knowledge, given, inputs, counts=counts,
            results={"original": result["original"], "left_out": result["left_out"], "claims": result["claims"]},
            talk=talk,
        )  # fmt: skip
    for note in result["notes"]:
        talk.say(note)
    for row in result["left_out"]:
        talk.say(f"left out: bin {row['bin']}, size {row['size']}: {row['reason']}")
    talk.say("seconds: " + ", ".join(f"{name} {took:.1f}" for name, took in talk.seconds.items()))
    talk.say(
        f"wrote results.csv, tables, report.html, lost.jsonl, gained.jsonl and manifest.json to {folder}"
    )
    _show(made, rows, format, written)


def _grid(bins: str | None, sizes: str | None, seeds: int | None, *, whole: bool) -> dict[str, Any]:
    """Return bins, sizes and seeds that were given; with `whole` the paper's for those that were not."""
    from assay.errors import DataError

    if whole:
        bins, sizes, seeds = bins or BINS, sizes or SIZES, SEEDS if seeds is None else seeds
    found: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    for name, text, words in (("bins", bins, ()), ("sizes", sizes, ("all",))):
        if text is not None:
            parts = [part.strip() for part in text.split(",")]
            try:
                found[name] = [part if part in words else int(part.removeprefix("D")) for part in parts]
            except ValueError:
                also = " or all" if words else ""
                raise DataError(
                    f"{name} must be whole numbers{also}, comma-separated; got {text!r}."
                ) from None
    return found


def _facts(
    path: str, filter: str | None, aliases: str, templates: str | None
) -> tuple[Facts, Mapping[str, tuple[str, ...]] | None]:
    """Return facts, filtered and with their aliases, and the templates of a file."""
    from dataclasses import replace

    from assay import knowledge as room
    from assay.cli.knowledge.facts import aliases_of, listed
    from assay.errors import DataError

    own = None if templates is None else room.read_templates(templates)
    names = aliases_of(aliases)
    found = room.read_facts(path)
    filters = room.FACT_FORMATS[found.format].filters if filter is None else listed(filter)
    left = room.with_aliases(room.keep(found.questions, filters).questions, names)
    if not left:
        raise DataError(f"filter must be one that leaves a question; {','.join(filters)} leaves none.")
    return replace(found, questions=tuple(left)), own


def _asking(given: Mapping[str, Any]) -> Any:
    """Return how a model is tuned and asked."""
    from pathlib import Path

    from assay.errors import DataError
    from assay.knowledge.prompts import CHAT_TEMPLATES
    from assay.study.knowledge import Asking

    template: str | None = given["chat_template"]
    if template == "own":
        template = None
    elif template not in CHAT_TEMPLATES:
        file = Path(str(template))
        if not file.is_file():
            raise DataError(f"chat_template must be knowledge, own, or a file; there is no {file}.")
        template = file.read_text(encoding="utf-8")
    of_training = ("method", "epochs", "learning_rate", "batch_size", "micro_batch_size")
    return Asking(
        chat_template=template,
        training={name: given[name] for name in of_training if given[name] is not None},
        **{
            name: given[name]
            for name in (
                *("rule", "answer_tokens", "ask_batch_size", "shots"),
                *("preset", "device", "dtype", "keep_models"),
            )
        },
    )


def _entries(role: str, path: str | None) -> list[dict[str, Any]]:
    """Return what the manifest says of a file or folder that was read; nothing of a name that is none."""
    from pathlib import Path

    from assay.cli import manifest

    return [] if path is None or not Path(path).exists() else manifest.file_entries(role, path)


def _show(
    made: Mapping[str, list[dict[str, Any]]], rows: list[dict[str, Any]], format: str, written: dict[str, Any]
) -> None:
    """Print the tables of training bin by test bin, one a size; as csv a row a fine-tuning."""
    from assay.cli import console

    if format in ("json", "csv"):
        console.show(rows, format, whole=written)
        return
    for name, part in made.items():
        if name.startswith("bins-"):
            shown = [{key: value for key, value in row.items() if not _spread(key)} for row in part]
            title = f"Percent right, tuned on {name.removeprefix('bins-')} facts of a bin (means over seeds)"
            console.show(shown, format, title=title)


def _spread(column: str) -> bool:
    """Tell whether a column is a spread that stands beside another than the mean."""
    return column.endswith(" sd") and not column.endswith("mean sd")
