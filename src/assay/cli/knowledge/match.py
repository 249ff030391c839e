"""`assay knowledge match`: whether outputs have the answers, by every rule side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.knowledge.options import Aliases, Shape
from assay.cli.options import OUTPUT, flag

if TYPE_CHECKING:
    from assay.knowledge import Question

Rows = list[dict[str, Any]]
BY = ("rule", "relation", "unlike")


def match(
    path: Annotated[
        str,
        typer.Argument(help="Facts, as assay knowledge facts reads or writes them.", show_default=False),
    ],
    outputs: Annotated[
        str,
        typer.Argument(
            help="Rows of id and output, or outputs: what a model wrote, without the prompt.",
            show_default=False,
        ),
    ],
    by: Annotated[
        str,
        flag(
            "--by",
            help="A row a rule or a relation, or unlike: the outputs on which rules differ; json has all.",
            panel=OUTPUT,
        ),
    ] = "rule",
    aliases: Aliases = "none",
    shape: Shape = None,
    format: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Count the outputs that have an answer, by five rules, with and without aliases.

    No rule is right: look at --by unlike before a number is believed.
    """
    from dataclasses import asdict

    from assay import knowledge as room
    from assay._check import choice
    from assay.cli import console
    from assay.cli.knowledge.facts import aliases_of

    choice("format", format, console.FORMATS)
    choice("by", by, BY)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    talk = console.Talk(quiet)
    names = aliases_of(aliases)
    found = room.read_facts(path, format=shape)
    pairs = room.read_outputs(outputs, room.with_aliases(found.questions, names))
    answered = {question.id for question, _ in pairs}
    talk.say(
        f"{found.name}: {len(pairs):,} outputs to {len(answered):,} of {len(found.questions):,} questions"
    )
    rows: dict[str, Rows] = {
        "rule": [asdict(row) for row in room.side_by_side(pairs)],
        "relation": _relations(pairs),
        "unlike": _unlike(pairs),
    }
    columns = {"unlike": ("id", "answer", "output", *room.MATCHERS)}.get(by, ())
    whole = {"rules": rows["rule"], "relations": rows["relation"], "unlike": rows["unlike"]}
    console.show(rows[by], format, columns=columns, whole=whole)


def _relations(pairs: list[tuple[Question, str]]) -> Rows:
    """Return a row a relation, with the hits of every rule in percent of its outputs."""
    from assay.knowledge import RELATIONS, side_by_side

    groups: dict[str, list[tuple[Question, str]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].relation, []).append(pair)
    rows = []
    for relation, group in groups.items():
        says = RELATIONS[relation].name if relation in RELATIONS else None
        heads = {"relation": relation or None, "says": says, "outputs": len(group)}
        rows.append(heads | {row.rule: row.percent for row in side_by_side(group)})
    return rows


def _unlike(pairs: list[tuple[Question, str]]) -> Rows:
    """Return the outputs that some rules take and others do not."""
    from assay.knowledge import MATCHERS, matches

    rows = []
    for question, output in pairs:
        hits = {rule: matches(output, question, rule=rule) for rule in MATCHERS}
        if len(set(hits.values())) > 1:
            shown = {rule: "yes" if hit else "no" for rule, hit in hits.items()}
            rows.append({"id": question.id, "answer": question.answers[0], "output": output} | shown)
    return rows
