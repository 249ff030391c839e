"""`assay knowledge facts` and `assay knowledge templates`: what is asked of a model, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.knowledge.options import Aliases, Shape, Templates
from assay.cli.options import METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.knowledge import Kept, Question

Rows = list[dict[str, Any]]
BY = ("split", "relation", "trap")


def facts(
    path: Annotated[
        str,
        typer.Argument(
            help="File or folder: EntityQuestions, ParaRel, LRE, rows of subject, relation, object or answers, or of "
            "question, answer or answers.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        flag("--output", "-o", help="File for the questions that are left, .jsonl.", panel=OUTPUT),
    ] = None,
    by: Annotated[
        str,
        flag(
            "--by",
            help="Counts by split or relation, or trap: what can be answered without knowing; json has all.",
            panel=OUTPUT,
        ),
    ] = "split",
    filter: Annotated[
        str | None,
        flag(
            "--filter",
            help="one-answer, unique or both, in the order in which they are applied, or none; by default the paper's "
            "for EntityQuestions (one-answer,unique), else none.",
            panel=METHOD,
        ),
    ] = None,
    split: Annotated[
        str | None, flag("--split", help="Only this split: train, dev or test.", panel=METHOD)
    ] = None,
    domain: Annotated[
        str | None,
        flag(
            "--domain",
            help="Only the relations that are trained on (ID), or the others (OOD).",
            panel=METHOD,
        ),
    ] = None,
    relation: Annotated[
        str | None, flag("--relation", help="Only these relations, comma-separated.", panel=METHOD)
    ] = None,
    hold_out: Annotated[
        float | None,
        flag(
            "--hold-out",
            help="Percent of each relation's train questions that become dev, after the filters.",
            panel=METHOD,
        ),
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of what is held out.", panel=METHOD)] = 0,
    aliases: Aliases = "none",
    templates: Templates = None,
    shape: Shape = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Count facts at every step of their filtering, and write those that are left.

    Read a score beside --by trap: the most frequent answer of each relation alone, answers in the subject's name,
    answers and questions seen in training.
    """
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import between, choice
    from assay.cli import console
    from assay.cli.output import check_apart
    from assay.errors import DataError

    choice("format", format, console.FORMATS)
    choice("by", by, BY)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    if output is not None:
        choice("output", Path(output).suffix, (".jsonl",))
        check_apart(Path(output), [path], file=True)
        if Path(output).resolve() == Path(path).resolve():
            raise DataError(
                f"output must be apart from the data; {output} is what is read. Name another file."
            )
        if Path(output).exists() and not overwrite:
            raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    if hold_out is not None:
        between("hold_out", hold_out, 0, 100)
    talk = console.Talk(quiet)
    own = None if templates is None else room.read_templates(templates)
    names = aliases_of(aliases)
    found = room.read_facts(path, format=shape)
    talk.say("; ".join((f"{found.name}: {len(found.questions):,} questions", *found.notes)))
    wanted = {"split": split, "domain": domain, "relation": relation}
    chosen = tuple(_only(found.questions, wanted))
    filters = room.FACT_FORMATS[found.format].filters if filter is None else listed(filter)
    kept = room.keep(chosen, filters)
    left = kept.questions
    if not left:
        raise DataError(f"filter must be one that leaves a question; {','.join(filters)} leaves none.")
    if hold_out is not None:
        left = room.hold_out(left, percent=hold_out, seed=seed)
        talk.say(f"held out: {sum(q.split == 'dev' for q in left):,} of train are dev")
    left = room.with_aliases(left, names)
    said = room.templates_of(found, own)
    bare = [relation for relation in dict.fromkeys(q.relation for q in left) if not said[relation]]
    if bare and found.format not in ("questions", "known"):
        talk.say(f"no templates for {', '.join(bare)}")
    rows = {
        "split": _counts(kept, ("split", "domain")),
        "relation": _relations(kept, said),
        "trap": _traps(left),
    }
    if output is not None:
        count = room.write_facts(left, output)
        talk.say(f"wrote {count:,} questions to {output}")
    whole = {
        "name": found.name,
        "format": found.format,
        "notes": found.notes,
        "filters": filters,
        **{f"{name}s": part for name, part in rows.items()},
    }
    console.show(rows[by], format, whole=whole)


def templates(
    path: Annotated[
        str | None,
        typer.Argument(
            help=r"YAML file or folder of relation: \[template, ...]; by default those that come with assay.",
            show_default=False,
        ),
    ] = None,
    relation: Annotated[str | None, flag("--relation", help="Only this relation.", panel=METHOD)] = None,
    subject: Annotated[
        str | None,
        flag("--subject", help="Put this subject in, to read the statements as a model does.", panel=METHOD),
    ] = None,
    format: options.Format = "table",
) -> None:
    """Print the statements by which facts are asked, and check those of a file.

    Each has one [X] for the subject and ends where the object begins, without its article.
    """
    from assay import knowledge as room
    from assay._check import choice, known
    from assay.cli import console

    choice("format", format, console.FORMATS)
    found = room.builtin_templates() if path is None else room.read_templates(path)
    if relation is not None:
        known("relation", relation, found, "assay knowledge templates")
    rows = [
        {
            "relation": name,
            "says": room.RELATIONS[name].name if name in room.RELATIONS else None,
            "number": number,
            "template": one if subject is None else one.replace("[X]", subject),
        }
        for name, listed in found.items()
        if relation in (None, name)
        for number, one in enumerate(listed, 1)
    ]
    console.show(rows, format)


def aliases_of(source: str) -> dict[str, tuple[str, ...]]:
    """Return the aliases that an option names: none, the paper's, or a file's."""
    from assay.knowledge import builtin_aliases, read_aliases

    if source == "none":
        return {}
    return builtin_aliases() if source == "paper" else read_aliases(source)


def listed(filters: str) -> tuple[str, ...]:
    """Return the names of filters of an option."""
    return () if filters == "none" else tuple(one.strip() for one in filters.split(","))


def _only(questions: tuple[Question, ...], wanted: dict[str, str | None]) -> list[Question]:
    """Return the questions of the split, domain and relations asked for, each of which must be there."""
    from assay.errors import DataError

    left = list(questions)
    for name, value in wanted.items():
        if value is None:
            continue
        there = list(dict.fromkeys(getattr(question, name) for question in left))
        values = [one.strip() for one in value.split(",")]
        missing = [one for one in values if one not in there]
        if missing:
            shown = ", ".join(there[:30]) if any(there) else "none"
            raise DataError(f"{name} must be one that the questions have ({shown}); got {missing[0]!r}.")
        left = [question for question in left if getattr(question, name) in values]
    return left


def _counts(kept: Kept, by: tuple[str, ...]) -> Rows:
    """Return a row a group of questions, with how many each step leaves."""
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for name, questions in kept.steps:
        for question in questions:
            key = tuple(getattr(question, field) for field in by)
            row = groups.setdefault(key, dict.fromkeys([step for step, _ in kept.steps], 0))
            row[name] += 1
    return [
        {field: part or None for field, part in zip(by, key, strict=True)} | row
        for key, row in groups.items()
    ]


def _relations(kept: Kept, said: dict[str, tuple[str, ...]]) -> Rows:
    from assay.knowledge import RELATIONS

    rows = []
    for row in _counts(kept, ("split", "domain", "relation")):
        name = row["relation"] or ""
        counts = {key: value for key, value in row.items() if key not in ("split", "domain", "relation")}
        says = RELATIONS[name].name if name in RELATIONS else None
        heads = {"split": row["split"], "domain": row["domain"], "relation": row["relation"], "says": says}
        rows.append(heads | counts | {"templates": len(said.get(name, ()))})
    return rows


def _traps(questions: tuple[Question, ...]) -> Rows:
    """Return what can be answered without knowing it, by split and domain, and by relation in each."""
    from dataclasses import asdict

    from assay.knowledge import traps

    train = [question for question in questions if question.split == "train" and question.domain != "OOD"]
    groups: dict[tuple[str, str, str], list[Question]] = {}
    for question in questions:
        for relation in dict.fromkeys(("", question.relation)):
            groups.setdefault((question.split, question.domain, relation), []).append(question)
    rows = []
    for (split, domain, relation), group in sorted(groups.items(), key=lambda item: bool(item[0][2])):
        found = traps(group, train=() if split == "train" else train)
        heads = {"split": split or None, "domain": domain or None, "relation": relation or None}
        row = heads | asdict(found)
        rows.append(row if relation else row | {"majority_answer": None})
    return rows
