"""`assay convert` and `assay check`: records as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import options
from assay.cli.options import DATA, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Iterator


def convert(
    source: Annotated[str, typer.Argument(help="File, folder, glob, hub id or - .", show_default=False)],
    output: Annotated[
        str,
        flag(
            "--output",
            "-o",
            help="File to write; its suffix names the container. - is JSON Lines.",
            panel=OUTPUT,
        ),
    ],
    to: Annotated[
        str | None, flag("--to", help="Shape to write; by default the shape it has.", panel=OUTPUT)
    ] = None,
    shape: options.Shape = None,
    trainer: Annotated[
        str | None,
        flag("--trainer", help="Write what llamafactory, trl or axolotl needs beside it.", panel=OUTPUT),
    ] = None,
    on_bad: options.OnBad = "error",
    limit: options.Limit = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write records in another shape or container, every other column carried over."""
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.cli.output import check_apart, staged
    from assay.data import FORMATS, TRAINERS, Sample, read, trainer_snippet, write
    from assay.errors import DataError

    if to is not None:
        choice("to", to, FORMATS)
    talk = console.Talk(quiet)
    skipped: list[tuple[str, str]] = []
    shapes: set[str] = set()

    def samples() -> Iterator[Sample]:
        for sample in read(source, shape=shape, limit=limit, on_bad=on_bad, skipped=skipped):
            shapes.add(sample.format)
            yield sample

    like = None if source == "-" else source
    if output == "-":
        if trainer is not None:
            raise DataError("trainer must be left out when writing to standard output; got one.")
        count, written = write(samples(), output, shape=to, like=like), ["standard output"]
    else:
        path = Path(output)
        beside = [] if trainer is None else [TRAINERS[choice("trainer", trainer, TRAINERS)].file_name]
        written = [str(path), *(str(path.parent / name) for name in beside)]
        for name in written:
            if Path(name).exists() and not overwrite:
                raise DataError(f"output must be a new file; {name} exists. Use --overwrite to replace it.")
        check_apart(path, [source], file=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged(path.parent) as stage:
            count = write(samples(), stage / path.name, shape=to, like=like)
            if trainer is not None:
                name, content = trainer_snippet(stage / path.name, to or min(shapes), trainer)
                (stage / name).write_text(content, encoding="utf-8")
    for origin, reason in skipped:
        talk.say(f"skipped {origin}: {reason}")
    talk.say(f"wrote {count:,} records in the shape {to or min(shapes)} to {', '.join(written)}")


def check(
    source: Annotated[str, typer.Argument(help="File, folder, glob, hub id or - .", show_default=False)],
    against: Annotated[
        str | None, flag("--against", help="Another source that this one must not overlap with.", panel=DATA)
    ] = None,
    near: Annotated[
        float,
        flag(
            "--near",
            help="Jaccard index of character 5-grams from which texts are near duplicates.",
            panel=DATA,
        ),
    ] = 0.8,
    shape: options.Shape = None,
    format: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Report malformed rows, empty or misplaced turns, duplicates, encoding trouble and leakage, with line numbers.

    Exit code 0: nothing found; 1: findings; 2: the data cannot be read.
    """
    from assay._check import choice
    from assay.cli import console
    from assay.data import FORMATS, exit_code, summary
    from assay.data import check as find
    from assay.errors import DataError

    choice("format", format, console.FORMATS)
    if shape is not None:
        choice("shape", shape, FORMATS)
    if source == against == "-":
        raise DataError("standard input must be one source only; got - twice.")
    talk = console.Talk(quiet)
    with talk.stage("check", source):
        findings = find(source, shape=shape, against=against, near=near)
    rows = [
        {
            "kind": f.kind,
            "severity": f.severity,
            "where": f.origin,
            "what": f.message,
            "related": f.related or None,
        }
        for f in findings
    ]
    counts = summary(findings)
    columns = ("kind", "severity", "where", "what", "related")
    console.show(rows, format, columns=columns, whole={"findings": rows, "summary": counts})
    talk.say("found " + (", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing"))
    raise typer.Exit(exit_code(findings))
