"""`assay knowledge split`: the facts of one cell of the grid, as records to train on."""

from __future__ import annotations

from typing import Annotated, Any

from assay.cli import options
from assay.cli.knowledge.options import FactsArgument, Shape
from assay.cli.options import DATA, METHOD, OUTPUT, flag


def split(
    facts: FactsArgument,
    grades: Annotated[
        str,
        flag("--grades", help="Folder of assay knowledge grade, of the model that is trained.", panel=DATA),
    ],
    output: Annotated[str, flag("--output", "-o", help="File for the records, .jsonl.", panel=OUTPUT)],
    bin: Annotated[
        str,
        flag(
            "--bin",
            help="D0 to D4: only facts of this category; mixed: categories in turns; all: whatever theirs.",
            panel=METHOD,
        ),
    ],
    size: Annotated[
        int | None,
        flag("--size", help="Facts; the paper's are 60, 240, 1920. By default all.", panel=METHOD),
    ] = None,
    seed: Annotated[
        int, flag("--seed", help="Another seed, other facts; smaller sizes are part of larger.", panel=METHOD)
    ] = 0,
    shape: Shape = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Choose facts to fine-tune on, as many of each relation, and write them as conversations.

    Train on the file with `assay train FILE --model MODEL --preset knowledge --chat-template ...`. Facts of the splits
    dev and test, of other domains, and those without a grade are never chosen.
    """
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import choice
    from assay.cli import console
    from assay.cli.output import check_apart
    from assay.data import write
    from assay.errors import DataError

    choice("format", format, console.FORMATS)
    choice("bin", bin, room.BINS)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    choice("output", Path(output).suffix, (".jsonl",))
    check_apart(Path(output), [facts, grades], file=True)
    if Path(output).resolve() == Path(facts).resolve():
        raise DataError(f"output must be apart from the data; {output} is what is read. Name another file.")
    if Path(output).exists() and not overwrite:
        raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    found = room.read_facts(facts, format=shape)
    known = room.read_grades(grades)
    there = set(known.ids)
    may = room.trainable(found.questions)
    questions = [question for question in may if question.id in there]
    talk.say(
        f"{found.name}: {len(questions):,} of {len(found.questions):,} facts to train on; "
        f"{len(found.questions) - len(may):,} are of other splits or domains, "
        f"{len(may) - len(questions):,} without a grade"
    )
    if not questions:
        raise DataError(
            f"facts must have one to train on that was graded; {facts} has none. Grade facts of the split train."
        )
    mine = known.of([question.id for question in questions])
    subset = room.bin_subset(questions, mine.categories.tolist(), bin=bin, size=size, seed=seed)
    rows = _cells(subset)
    if subset.short:
        talk.say(f"all they have, and fewer than others: {', '.join(subset.short)}")
    count = write(room.samples_of(questions[at] for at in subset.indices), output)
    talk.say(f"wrote {count:,} records to {output}")
    whole: dict[str, Any] = {"bin": bin, "seed": seed, "taken": count, "short": subset.short, "cells": rows}
    console.show(rows, format, whole=whole)


def _cells(subset: Any) -> list[dict[str, Any]]:
    """Return a row a relation and category: facts there are and facts taken."""
    from assay.knowledge import CATEGORIES, RELATIONS

    return [
        {
            "relation": cell.relation or None,
            "says": RELATIONS[cell.relation].name if cell.relation in RELATIONS else None,
            "category": CATEGORIES[cell.category],
            "available": cell.available,
            "taken": cell.taken,
        }
        for cell in subset.cells
    ]
