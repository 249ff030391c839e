"""`assay convert` and `assay check`: records as they are."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.options import DATA, OUTPUT, flag


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
    from assay._files import atomic
    from assay.cli import console
    from assay.data import FORMATS, TRAINERS, read, trainer_snippet, write
    from assay.errors import DataError

    if to is not None:
        choice("to", to, FORMATS)
    if trainer is not None:
        choice("trainer", trainer, TRAINERS)
        if output == "-":
            raise DataError("trainer must be left out when writing to standard output.")
    path = Path(output)
    if output != "-" and path.exists() and not overwrite:
        raise DataError(f"output must be a new file; {path} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    skipped: list[tuple[str, str]] = []
    last = ""

    def samples():  # type: ignore[no-untyped-def]
        nonlocal last
        for sample in read(source, shape=shape, limit=limit, on_bad=on_bad, skipped=skipped):
            last = sample.format
            yield sample

    count = write(samples(), output, shape=to, like=None if source == "-" else source)
    for origin, reason in skipped:
        talk.say(f"skipped {origin}: {reason}")
    talk.say(f"wrote {count:,} records in the shape {to or last} to {output}")
    if trainer is not None:
        name, content = trainer_snippet(path, to or last, trainer)
        with atomic(path.parent / name, "w") as f:
            f.write(content)
        talk.say(f"wrote {path.parent / name} for {trainer}")


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
    from assay.data import check as find
    from assay.data import exit_code, spool_stdin, summary

    choice("format", format, console.FORMATS)
    talk = console.Talk(quiet)
    path = spool_stdin() if source == "-" else source
    with talk.stage("check", source):
        findings = find(path, shape=shape, against=against, near=near)
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
    console.show(rows, format, whole={"findings": rows, "summary": counts})
    talk.say("found " + (", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing"))
    raise typer.Exit(exit_code(findings))
