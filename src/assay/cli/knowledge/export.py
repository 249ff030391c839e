"""`assay knowledge export`: facts as tasks of lm-evaluation-harness."""

from __future__ import annotations

from typing import Annotated

from assay.cli import options
from assay.cli.knowledge.models import SHOTS
from assay.cli.knowledge.options import (
    Aliases,
    AnswerTokens,
    Examples,
    FactsArgument,
    Shape,
    Shots,
    StatementTemplates,
)
from assay.cli.options import DATA, METHOD, OUTPUT, flag


def knowledge_export(
    facts: FactsArgument,
    output: Annotated[str, flag("--output", "-o", help="Folder for YAML and JSON Lines.", panel=OUTPUT)],
    name: Annotated[
        str, flag("--name", help="Of the group of tasks: a-z, 0-9 and _.", panel=OUTPUT)
    ] = "knowledge",
    prompt: Annotated[
        str,
        flag(
            "--prompt",
            help="few-shot; sft: the markers of fine-tuning; chat: for --apply_chat_template; statement.",
            panel=METHOD,
        ),
    ] = "few-shot",
    train: Examples = None,
    shots: Shots = None,
    seed: Annotated[int, flag("--seed", help="Of the examples.", panel=METHOD)] = 0,
    grades: Annotated[
        str | None,
        flag(
            "--grades",
            help="Folder of assay knowledge grade: a task a category D0 to D4, not a relation.",
            panel=DATA,
        ),
    ] = None,
    templates: StatementTemplates = None,
    aliases: Aliases = "none",
    max_tokens: AnswerTokens = 16,
    shape: Shape = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write facts as tasks of EleutherAI's lm-evaluation-harness, a task a relation or category and a group of them.

    Answers end at a new line or the end token, never at ".". Run them in OUT: lm_eval --include_path . --tasks NAME.
    """
    given = dict(locals())
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import choice
    from assay.cli import console, manifest
    from assay.cli.knowledge.facts import aliases_of
    from assay.cli.output import open_folder, staged
    from assay.errors import DataError
    from assay.knowledge.harness import TEXTS

    choice("format", format, console.FORMATS)
    choice("prompt", prompt, TEXTS)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    for option, value, reads in (
        ("train", train, "few-shot"),
        ("shots", shots, "few-shot"),
        ("templates", templates, "statement"),
    ):
        if value is not None and prompt != reads:
            raise DataError(f"{option} must be left out unless --prompt is {reads}; got {value!r}.")
    if shots is not None and train is None:
        raise DataError("train must be given for few-shot examples; got none.")
    talk = console.Talk(quiet)
    names = aliases_of(aliases)
    found = room.read_facts(facts, format=shape)
    questions = room.with_aliases(found.questions, names)
    known = () if train is None else room.read_facts(train).questions
    categories = None
    if grades is not None:
        categories = room.read_grades(grades).of([question.id for question in questions]).categories
    said = None
    if prompt == "statement":
        said = room.templates_of(found, None if templates is None else room.read_templates(templates))
    folder = open_folder(output, [facts], overwrite=overwrite, resume=None)
    with staged(folder) as stage:
        files = room.write_tasks(
            questions, stage, name=name, prompt=prompt, categories=categories,
            shots=room.choose_shots(known, count=SHOTS if shots is None else shots, seed=seed) if known else (),
            templates=said, max_tokens=max_tokens,
        )  # fmt: skip
        read = [("facts", facts), ("train", train), ("templates", templates), ("aliases", aliases)]
        inputs = [
            entry
            for role, path in read
            if path is not None and Path(path).exists()
            for entry in manifest.file_entries(role, path)
        ]
        if grades is not None:
            inputs += [
                entry
                for part in room.grading.FILES
                for entry in manifest.file_entries("grades", Path(grades) / part)
            ]
        written = manifest.write(
            stage, knowledge_export, given, inputs, counts={"facts": len(questions)}, results={"group": name},
            talk=talk,
        )  # fmt: skip
    tasks = [file.removesuffix(".yaml") for file in files if file.endswith(".yaml")][:-1]
    rows = [{"task": task, "facts": (folder / f"{task}.jsonl").read_bytes().count(b"\n")} for task in tasks]
    talk.say(
        f"run them there: cd {output} && lm_eval --model hf --model_args pretrained=MODEL "
        f"--include_path . --tasks {name}{' --apply_chat_template' if prompt == 'chat' else ''}"
    )
    console.show(rows, format, whole=written)
