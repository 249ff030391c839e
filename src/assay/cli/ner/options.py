"""The flags that several commands on annotated corpora share."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli.options import DATA, flag

Corpora = Annotated[
    list[str],
    typer.Argument(
        help="PATH or NAME=PATH: a file, or a folder whose files are the splits.", show_default=False
    ),
]
From = Annotated[
    str | None,
    flag("--from", help="Format of the files; by default told from them.", panel=DATA, metavar="FORMAT"),
]
Language = Annotated[
    str | None,
    flag("--language", help="Of the texts: en, zh, ...; by default told from their script.", panel=DATA),
]
Scheme = Annotated[
    str | None,
    flag(
        "--scheme", help="Of token tags: IOB1, IOB2, BIOES, BMES or BILOU; by default inferred.", panel=DATA
    ),
]
TagColumn = Annotated[
    str | None,
    flag(
        "--tag-column",
        help="Column of the tags from 1, from -1 backwards, or all; by default told from them.",
        panel=DATA,
    ),
]
Repair = Annotated[
    str,
    flag(
        "--repair",
        help="What becomes of a tag that breaks the scheme: begin (an entity), drop, or error.",
        panel=DATA,
    ),
]
Offsets = Annotated[
    str | None,
    flag(
        "--offsets",
        help="What offsets count: code points, inclusive, utf-16 or bytes; by default what fits the words.",
        panel=DATA,
    ),
]
