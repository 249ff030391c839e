"""`assay knowledge`: one module a group of commands."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.knowledge import facts, grade, match

COMMANDS: tuple[Callable[..., None], ...] = (
    facts.facts,
    facts.templates,
    match.match,
    grade.grade,
)
