"""`assay knowledge`: one module a group of commands."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.knowledge import divergence, evaluate, export, facts, grade, match, split, world

COMMANDS: tuple[Callable[..., None], ...] = (
    facts.facts,
    facts.templates,
    match.match,
    grade.grade,
    split.split,
    divergence.divergence,
    world.world,
    evaluate.evaluate,
    export.knowledge_export,
)
