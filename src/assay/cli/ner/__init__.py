"""`assay ner`: one module a group of commands."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.ner import records, screen

COMMANDS: tuple[Callable[..., None], ...] = (
    records.check,
    records.convert,
    records.stats,
    screen.screen,
)
