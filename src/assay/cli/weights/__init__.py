"""`assay weights`: one module a command."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.weights import delta, diff, restore, sweep

COMMANDS: tuple[Callable[..., None], ...] = (
    diff.weights_diff,
    restore.weights_restore,
    delta.weights_apply,
    delta.weights_revert,
    sweep.weights_sweep,
)
