"""Results as they stand in a manifest or beside it -> sections with their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.report.page import Section

ROWS = 500


def result_sections(heading: str, results: Any) -> list[Section]:
    """Return a section for each table in `results`: a list of objects, or an object of values, at any depth."""
    if isinstance(results, Mapping):
        plain = {name: value for name, value in results.items() if not isinstance(value, Mapping | list)}
        found = (
            [Section(heading, table=[{"what": name, "value": value} for name, value in plain.items()])]
            if plain
            else []
        )
        for name, value in results.items():
            if name not in plain:
                found += result_sections(f"{heading}: {str(name).replace('_', ' ')}", value)
        return found
    if isinstance(results, Sequence) and not isinstance(results, str) and results:
        rows = [row if isinstance(row, Mapping) else {"value": row} for row in results]
        shown = [{str(key): _flat(value) for key, value in row.items()} for row in rows[:ROWS]]
        text = f"The first {ROWS} of {len(rows):,} rows." if len(rows) > ROWS else ""
        return [Section(heading, text=text, table=shown)]
    return []


def _flat(value: Any) -> Any:
    """Return a value that one cell holds."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_flat(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_flat(part)) for part in value)
    return value
