"""`assay knowledge world`: invented facts, and a small model that has read nothing else."""

from __future__ import annotations

from typing import Annotated

from assay.cli import options
from assay.cli.options import METHOD, OUTPUT, flag


def world(
    output: Annotated[
        str,
        flag(
            "--output",
            "-o",
            help="Folder for facts.jsonl, templates.yaml, exposures.json and the model.",
            panel=OUTPUT,
        ),
    ],
    size: Annotated[
        str,
        flag(
            "--size",
            help="ci: 900 facts, half a minute; full: 3,600 facts, about five minutes.",
            panel=METHOD,
        ),
    ] = "ci",
    seed: Annotated[int, flag("--seed", help="Of facts, lines and first weights.", panel=METHOD)] = 0,
    aliases: Annotated[
        float,
        flag("--aliases", help="Share of lines that name the object by another name.", panel=METHOD),
    ] = 0.0,
    contradictions: Annotated[
        float,
        flag(
            "--contradictions",
            help="Share of facts of which 30 % of the lines name another object.",
            panel=METHOD,
        ),
    ] = 0.0,
    threads: Annotated[
        int, flag("--threads", help="Threads of torch; more than one is slower here.", panel=METHOD)
    ] = 1,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Invent facts that are told from never to 400 times, and pre-train a small Llama on them alone.

    OUT/facts.jsonl and OUT/templates.yaml are what assay knowledge grade reads, OUT/model is the model.
    """
    given = dict(locals())
    from dataclasses import replace

    from assay._check import choice
    from assay._files import atomic, read_json, write_json, yaml_bytes
    from assay.cli import console, manifest
    from assay.cli.output import MANIFEST, open_folder
    from assay.knowledge import write_facts
    from assay.knowledge.world import WORLDS, make_world, pretrain

    choice("format", format, console.FORMATS)
    choice("size", size, WORLDS)
    made = make_world(replace(WORLDS[size], aliases=aliases, contradictions=contradictions), seed=seed)
    talk = console.Talk(quiet)
    folder = open_folder(output, [], overwrite=overwrite, resume=resume)
    (folder / MANIFEST).unlink(missing_ok=True)
    with talk.stage(
        "pre-train", f"{len(made.texts):,} lines of {len(made.facts.questions):,} facts"
    ) as progress:
        model = pretrain(
            made,
            output=folder / "model",
            threads=threads,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
        )
    write_facts(made.facts.questions, folder / "facts.jsonl")
    with atomic(folder / "templates.yaml") as f:
        f.write(yaml_bytes({relation: list(said) for relation, said in made.facts.templates.items()}))
    write_json(folder / "exposures.json", dict(made.exposures))
    record = read_json(model / "pretraining.json")
    counts = {
        "facts": len(made.facts.questions),
        "train": sum(question.split == "train" for question in made.facts.questions),
        "OOD": sum(question.domain == "OOD" for question in made.facts.questions),
        "lines": len(made.texts),
        "words": len(made.words),
    }
    results = {
        "parameters": record["parameters"],
        "tokens": record["tokens"],
        "steps": record["steps"],
        "last_loss": record["losses"][-1]["loss"],
    }
    outputs = [f"model/{name}" for name in (*record["outputs"], "pretraining.json")]
    written = manifest.write(
        folder, world, given, [], counts=counts, results=results, talk=talk,
        outputs=["facts.jsonl", "templates.yaml", "exposures.json", *outputs],
    )  # fmt: skip
    console.show([{"folder": str(folder), **counts, **results}], format, whole=written)
