"""`assay ner taxonomy`: what types there are, which labels come to them, and whether the laws are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from assay.ner import Taxonomy
    from assay.ner.names import Problem
    from assay.ner.taxonomy import Source, Type

Rows = list[dict[str, Any]]


def taxonomy(
    path: Annotated[
        str | None,
        typer.Argument(
            help="Taxonomy file, or a folder that holds taxonomy.yaml; by default the universal one.",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        str | None,
        flag(
            "--search",
            help="Types that have these words: name, alias, raw label, definition, example; en or zh.",
            panel=METHOD,
        ),
    ] = None,
    subtree: Annotated[
        str | None, flag("--subtree", help="One type, by id or name, and all below it.", panel=METHOD)
    ] = None,
    corpus: Annotated[
        str | None,
        flag("--corpus", help="Labels of one corpus, and the types that they come to.", panel=METHOD),
    ] = None,
    stats: Annotated[
        bool, flag("--stats", help="How many types and labels: by branch, language, corpus.", panel=METHOD)
    ] = False,
    strict: Annotated[
        bool,
        flag(
            "--strict",
            help="Check also that nothing is left out, as in the universal one: definitions, examples, ...",
            panel=DATA,
        ),
    ] = False,
    output: Annotated[
        str | None,
        flag(
            "--output",
            "-o",
            help="File to export to: .json, .yaml, .md, or .jsonld (SKOS).",
            panel=OUTPUT,
        ),
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Print a taxonomy as a tree, look something up in it, export it, and check its laws.

    Exit code 0: it keeps them; 1: it breaks one; 2: it cannot be read, or has nothing of what is looked for.
    """
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.errors import DataError
    from assay.ner import read_taxonomy
    from assay.ner import taxonomy as room

    choice("format", format, console.FORMATS)
    asked = [
        name for name, given in zip(ASKED, (search, subtree, corpus, stats or None), strict=True) if given
    ]
    if len(asked) > 1:
        raise DataError(f"{asked[1]} must be left out with {asked[0]}; ask one thing at a time.")
    if output is not None:
        choice("output", Path(output).suffix, room.EXPORTS)
        if asked and asked != ["subtree"]:
            raise DataError(f"output must be left out with {asked[0]}, which prints. Use --format json.")
        if Path(output).exists() and not overwrite:
            raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    branches: Mapping[str, tuple[Type, ...]] | None = None
    catalogue: Mapping[str, Source] | None = None
    if path is None:
        found, branches, catalogue = room.universal(), room.branches(), room.sources()
    else:
        place = Path(path)
        found = read_taxonomy(place / room.FILE if place.is_dir() else place)
    whole: Any = None
    if search is not None:
        rows = _hits(found, search)
    elif corpus is not None:
        rows = _labels(found, corpus, catalogue)
    elif stats:
        rows, whole = _stats(found, branches, catalogue)
    else:
        part = found if subtree is None else room.subtree(found, subtree)
        rows, whole = _tree(part, format), part.model_dump(mode="json")
        if output is not None:
            from assay._files import atomic

            with atomic(output) as f:
                f.write(room.EXPORTS[Path(output).suffix](part))
            talk.say(f"wrote {len(part.types)} types to {output}")
    if output is None:
        console.show(rows, format, columns=COLUMNS, whole=whole)
    if asked and asked != ["stats"]:
        return
    problems = room.faults(found)
    if strict or path is None:
        problems += room.complaints(found, catalogue)
    _report(found, problems, talk)
    raise typer.Exit(int(bool(problems)))


ASKED = ("search", "subtree", "corpus", "stats")
COLUMNS = ("id", "en", "zh", "sources", "decided_by", "definition")


def _report(found: Taxonomy, problems: list[Problem], talk: Any) -> None:
    for problem in problems:
        talk.say(f"{problem.severity}: {problem.message}")
    talk.say(
        f"{len(found.living)} types, {len(found.types) - len(found.living)} replaced, {len(problems)} problems"
    )


def _tree(found: Taxonomy, format: str) -> Rows:
    from assay.ner.taxonomy import taxonomy_rows

    rows = taxonomy_rows(found)
    if format not in ("table", "md"):
        return rows
    return [
        {key: value for key, value in row.items() if key not in ("depth", "parent")}
        | {"en": "  " * row["depth"] + row["en"]}
        for row in rows
    ]


def _hits(found: Taxonomy, words: str) -> Rows:
    from assay.ner.taxonomy import search

    return [
        {
            "id": hit.type.id,
            "en": hit.type.en,
            "zh": hit.type.zh,
            "score": hit.score,
            "found": f"{hit.where}: {hit.text}",
            "definition": hit.type.definition.en or hit.type.definition.zh,
        }
        for hit in search(found, words)
    ]


def _labels(found: Taxonomy, corpus: str, catalogue: Mapping[str, Source] | None) -> Rows:
    from assay._check import known
    from assay.ner.taxonomy import RawLabel

    by_id = {kind.id: kind for kind in found.living}
    labels: dict[str, RawLabel | None]
    if catalogue is not None:
        source = catalogue[known("corpus", corpus, catalogue, "assay ner taxonomy --stats")]
        labels = dict(source.labels)
        to = {label: raw.type or "" for label, raw in source.labels.items()}
    else:
        pairs = [(*label.split("/", 1), kind.id) for kind in found.living for label in kind.sources]
        known("corpus", corpus, dict.fromkeys(pair[0] for pair in pairs), "assay ner taxonomy FILE --stats")
        to = {own: id for name, own, id in pairs if name == corpus}
        labels = dict.fromkeys(to)
    rows: Rows = []
    for label, raw in labels.items():
        kind = by_id.get(to[label])
        rows.append(
            {
                "label": label,
                "type": kind.id if kind else None,
                "en": kind.en if kind else None,
                "zh": kind.zh if kind else None,
                "provenance": raw.provenance if raw else None,
                "meaning": raw.meaning or None if raw else None,
            }
        )
    return rows


def _stats(
    found: Taxonomy, branches: Mapping[str, tuple[Type, ...]] | None, catalogue: Mapping[str, Source] | None
) -> tuple[Rows, dict[str, Any]]:
    from dataclasses import asdict

    from assay.ner.taxonomy import summary

    rows = [asdict(row) for row in summary(found, branches=branches, catalogue=catalogue)]
    plain = [{key: value for key, value in row.items() if key != "kind"} for row in rows]
    whole = {key: value for key, value in plain[0].items() if key != "name"}
    whole["replaced"] = len(found.types) - len(found.living)
    for kind, title in (("branch", "branches"), ("language", "languages"), ("corpus", "corpora")):
        whole[title] = [row for row, full in zip(plain, rows, strict=True) if full["kind"] == kind]
    return rows, whole
