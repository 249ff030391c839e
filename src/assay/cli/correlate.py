"""`assay correlate`: does a measure go with what the trained models are worth?"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.data.containers import Record
    from assay.diversity import Correlation

NAMES = ("set", "name", "id")
STRATEGY, DUPLICATE = "strategy", "duplicate"


def correlate(
    source: Annotated[
        str,
        typer.Argument(help="Table, a row a set: .csv, .json, .jsonl, .parquet.", show_default=False),
    ],
    performance: Annotated[
        str,
        flag(
            "--performance",
            help="Columns of performance, comma-separated; several are also joined.",
            panel=DATA,
        ),
    ],
    measures: Annotated[
        str | None,
        flag(
            "--measures",
            help="Columns of measures; by default those named as a measure, or else all other numbers.",
            panel=DATA,
        ),
    ] = None,
    lower_is_better: Annotated[
        str | None,
        flag(
            "--lower-is-better",
            help="Columns whose sign is turned, comma-separated, such as a loss.",
            panel=DATA,
        ),
    ] = None,
    without: Annotated[
        str | None,
        flag(
            "--without",
            help="Also without these sets: column=value. By default strategy=duplicate, if the table has such.",
            panel=DATA,
            metavar="COLUMN=VALUE",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        flag("--baseline", help="Measure that the others are compared with, paired.", panel=METHOD),
    ] = None,
    resamples: Annotated[
        int, flag("--resamples", help="Times that sets are drawn anew, with replacement.", panel=METHOD)
    ] = 2000,
    confidence: Annotated[
        float, flag("--confidence", help="Share of the resamples inside an interval.", panel=METHOD)
    ] = 0.95,
    seed: Annotated[int, flag("--seed", help="Seed of the resamples.", panel=METHOD)] = 0,
    plot: Annotated[
        str | None, flag("--plot", help="HTML page to write, with a chart for each measure.", panel=OUTPUT)
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Correlate measures with performance over sets: Pearson, Spearman and their mean, with bootstrap intervals.

    Where the table tells which sets were built of duplicates, the correlation without them stands beside that with
    them: such sets alone can make any measure correlate.
    """
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.diversity import correlate as correlations
    from assay.errors import DataError

    choice("format", format, console.FORMATS)
    if plot is not None:
        if not plot.endswith(".html"):
            raise DataError(f"plot must be a file that ends in .html; got {plot}.")
        if Path(plot).exists() and not overwrite:
            raise DataError(f"plot must be a new file; {plot} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    rows = _read(source)
    columns = list(dict.fromkeys(key for row in rows for key in row.row))
    goals = _named("performance", performance, columns, source)
    turned = [] if lower_is_better is None else _named("lower_is_better", lower_is_better, columns, source)
    if measures is not None:
        chosen = _named("measures", measures, columns, source)
    else:
        chosen, dropped = _guessed(rows, [name for name in columns if name not in goals])
        if dropped:
            talk.say(f"left out, since they do not vary: {', '.join(dropped)}")
        if not chosen:
            raise DataError(
                f"measures must name columns of {source}; none but the performance holds numbers that vary."
            )
    numbers = {name: [_number(row, name) for row in rows] for name in [*chosen, *goals]}
    left_out, group = _left_out(rows, columns, without, source)
    with talk.stage("correlate", f"{len(rows):,} sets, {len(chosen):,} measures, {resamples:,} resamples"):
        found = correlations(
            {name: numbers[name] for name in chosen},
            {name: numbers[name] for name in goals},
            without=left_out,
            lower_is_better=turned,
            baseline=baseline,
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
    parameters = {
        "source": source,
        "measures": chosen,
        "performance": goals,
        "lower_is_better": turned,
        "without": list(left_out),
        "baseline": baseline,
        "resamples": resamples,
        "confidence": confidence,
        "seed": seed,
    }
    if plot is not None:
        _write_plot(plot, rows, columns, numbers, group, found, parameters)
        talk.say(f"wrote {plot}")
    flat = [asdict(row) for row in found]
    whole = {"results": flat, "parameters": parameters, "warnings": talk.warned}
    console.show(flat if format in ("json", "csv") else _folded(found), format, whole=whole)


def _read(source: str) -> list[Record]:
    """Return the rows of a table, each an object with its line."""
    from pathlib import Path

    from assay.data.containers import READERS, records, suffix_of
    from assay.errors import DataError

    path = Path(source)
    if not path.is_file():
        raise DataError(f"source must be an existing file; there is no {source}.")
    if not suffix_of(path):
        raise DataError(f"source must be a table of kind {', '.join(READERS)}; got {source}.")
    rows = list(records(path))
    for row in rows:
        if row.problem:
            raise DataError(f"{row.origin}: {row.problem}")
        if not isinstance(row.row, dict):
            raise DataError(f"{row.origin}: row must be an object with a column each; got {row.row!r:.60}.")
    if not rows:
        raise DataError(f"{source} must hold at least one set; got none.")
    return rows


def _named(option: str, given: str, columns: Sequence[str], source: str) -> list[str]:
    """Return the columns that an option names, or raise by the first that is not there."""
    import difflib

    from assay.errors import DataError

    names = list(dict.fromkeys(name.strip() for name in given.split(",")))
    for name in names:
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else f" Its columns are: {', '.join(columns)}."
            raise DataError(f"{option} must name columns of {source}; got {name!r}.{hint}")
    return names


def _number(row: Record, column: str) -> float:
    """Return a cell as a finite number, or raise with its line."""
    from assay.data.json_text import excerpt
    from assay.errors import DataError

    number = _as_number(row.row.get(column))
    if number is None:
        raise DataError(f"{row.origin}: {column} must be a number; got {excerpt(row.row.get(column))}.")
    return number


def _as_number(value: Any) -> float | None:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _guessed(rows: Sequence[Record], columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the columns that are called like a measure, or else all that hold numbers, and those that are flat."""
    from assay.diversity import MEASURES

    named = [name for name in columns if name in MEASURES]
    if named:
        return named, []
    cells = {name: [_as_number(row.row.get(name)) for row in rows] for name in columns}
    numeric = [name for name, values in cells.items() if None not in values]
    flat = [name for name in numeric if len(set(cells[name])) == 1]
    return [name for name in numeric if name not in flat], flat


def _left_out(
    rows: Sequence[Record], columns: Sequence[str], without: str | None, source: str
) -> tuple[dict[str, Any], str | None]:
    """Return which sets are also left out, by the condition's words, and the column that groups the sets."""
    import numpy as np

    from assay.diversity.correlate import FEWEST
    from assay.errors import DataError, warn

    group = STRATEGY if STRATEGY in columns else None
    condition = f"{STRATEGY}={DUPLICATE}" if without is None else without
    if without is None and group is None:
        return {}, None
    column, equals, value = condition.partition("=")
    if not equals:
        raise DataError(f"without must be column=value; got {without!r}.")
    [column] = _named("without", column, columns, source)
    mask = np.array([str(row.row.get(column)) == value for row in rows])
    if without is not None and not mask.any():
        have = ", ".join(sorted({str(row.row.get(column)) for row in rows})[:20])
        raise DataError(f"without must name sets of {source}; no {column} is {value!r}. There are: {have}.")
    if without is None and 0 < (~mask).sum() < FEWEST:
        warn(
            f"only {(~mask).sum()} sets were not built of duplicates, too few to correlate without the others."
        )
    if without is None and (not mask.any() or (~mask).sum() < FEWEST):
        return {}, group
    return {condition: mask}, column


def _folded(found: Sequence[Correlation]) -> list[dict[str, Any]]:
    """Return results for a person: each coefficient with its interval in one cell."""
    from assay.cli.console import spread

    rows = []
    for row in found:
        shown: dict[str, Any] = {
            "measure": row.measure,
            "performance": row.performance,
            "sets": row.sets,
            "n": row.n,
            "pearson": spread(row.pearson, row.pearson_low, row.pearson_high, ".3f"),
            "spearman": spread(row.spearman, row.spearman_low, row.spearman_high, ".3f"),
            "mean": spread(row.mean, row.mean_low, row.mean_high, ".3f"),
        }
        if any(other.difference is not None for other in found):
            shown["difference"] = spread(row.difference, row.difference_low, row.difference_high, ".3f")
        if any(other.flat for other in found):
            shown["flat"] = row.flat
        rows.append(shown)
    return rows


def _write_plot(
    path: str,
    rows: Sequence[Record],
    columns: Sequence[str],
    numbers: dict[str, list[float]],
    group: str | None,
    found: Sequence[Correlation],
    parameters: dict[str, Any],
) -> None:
    """Write a page with the results and a chart of each measure against each performance."""
    from assay import __version__
    from assay._files import file_hash
    from assay.report import Section, write_page
    from assay.report.scatter import scatter

    name = next((name for name in NAMES if name in columns), None)
    names = [row.origin if name is None else str(row.row.get(name)) for row in rows]
    groups = None if group is None else [str(row.row.get(group)) for row in rows]
    share = f"{parameters['confidence']:.0%}"
    intro = (
        f"Brackets hold {share} of {parameters['resamples']:,} resamples of the sets (percentiles). A correlation is "
        "no proof that a measure would predict sets built in another way."
    )
    sections = [Section("Correlations", text=intro, table=_folded(found))]
    for measure in parameters["measures"]:
        for goal in parameters["performance"]:
            lines = [
                f"{row.sets}, n = {row.n}: Pearson {row.pearson:.3f}, Spearman {row.spearman:.3f}"
                for row in found
                if (row.measure, row.performance) == (measure, goal)
            ]
            figure = scatter(
                numbers[measure], numbers[goal], x_title=measure, y_title=goal, groups=groups, names=names
            )
            sections.append(Section(f"{measure} and {goal}", text="\n\n".join(lines), figure=figure))
    shown = {
        key: ", ".join(value) or None if isinstance(value, list) else value
        for key, value in parameters.items()
    }
    provenance = {"assay": __version__, **shown, "sha256 of the table": file_hash(parameters["source"])}
    write_page(path, title="Measures of diversity and performance", sections=sections, provenance=provenance)
