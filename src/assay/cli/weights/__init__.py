"""`assay weights`: one module a command."""

from __future__ import annotations

from collections.abc import Callable

from assay.cli.weights import diff, restore

COMMANDS: tuple[Callable[..., None], ...] = (diff.weights_diff, restore.weights_restore)
