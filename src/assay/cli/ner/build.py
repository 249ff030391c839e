"""`assay ner build` and `recipes`: corpora -> one training set, as a recipe says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, OUTPUT, flag

if TYPE_CHECKING:
    from pathlib import Path

    from assay.ner import Recipe

SHOWN = 8


def build(
    recipe: Annotated[
        str,
        typer.Argument(help="YAML file, or the name of a recipe of: assay ner recipes.", show_default=False),
    ],
    output: Annotated[
        str, flag("--output", "-o", help="Folder for the training set and what became of it.", panel=OUTPUT)
    ],
    data: Annotated[
        str | None,
        flag("--data", help="Folder of the corpora; by default that which the recipe names.", panel=DATA),
    ] = None,
    layout: Annotated[
        str | None,
        flag("--layout", help="names or b2nerd, in place of what the recipe says.", panel=DATA),
    ] = None,
    mapping: Annotated[
        str | None,
        flag(
            "--mapping",
            help="universal, none or a decision file, in place of what the recipe says.",
            panel=DATA,
        ),
    ] = None,
    skip_missing: Annotated[
        bool, flag("--skip-missing", help="Go on without corpora that are not there.", panel=DATA)
    ] = False,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Build one training set of many corpora: read, check, map labels, apply, guard against leakage, prune, export.

    Prints what is left after each step; counts.tsv has it by corpus, labels.tsv what became of every raw label,
    dropped.tsv why each document is not trained on.
    """
    given = dict(locals())
    from collections import Counter

    from assay._check import choice
    from assay.cli import console, manifest
    from assay.cli.output import open_folder, staged
    from assay.ner.build import REASONS, ROLES, write_built
    from assay.ner.build import build as make
    from assay.ner.recipes import NONE, UNIVERSAL, places

    choice("format", format, console.FORMATS)
    said, folder, file = _recipe(recipe, layout=layout, mapping=mapping)
    talk = console.Talk(quiet)
    paths = [str(place.path) for place in places(said, folder=folder, data=data)]
    named = {said.mapping, *(entry.decisions for entry in said.corpora)} - {UNIVERSAL, NONE, None}
    decisions = [str(folder / name) for name in named if name]
    target = open_folder(output, [*paths, *decisions], overwrite=overwrite, resume=None)
    built = make(said, folder=folder, data=data, skip_missing=skip_missing, stage=talk.stage)
    for place in built.missing:
        talk.say(f"left out: {place.entry.name}, no {place.path}. {place.how}")
    unknown = [row for row in built.labels if row.how == "unknown"]
    if unknown:
        names = ", ".join(f"{row.corpus}/{row.label}" for row in unknown[:SHOWN])
        more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
        talk.say(
            f"{len(unknown)} labels keep their own names, since their types are not known: {names}{more}"
        )
    rows = built.totals()
    with talk.stage("write", str(target)) as progress, staged(target) as stage:
        exported = write_built(built, stage, progress=progress)
        reasons = Counter(one.reason for one in built.dropped)
        dropped = {reason: reasons[reason] for reason in REASONS if reasons[reason]}
        manifest.write(
            stage,
            build,
            given,
            [
                *([] if file is None else manifest.file_entries("recipe", file)),
                *(entry for path in built.paths for entry in manifest.file_entries("corpus", path)),
                *(entry for path in built.files for entry in manifest.file_entries("decisions", path)),
            ],
            counts={
                "corpora": len(built.paths),
                "missing": len(built.missing),
                **{role: len(built.of(role)) for role in ROLES},
                "dropped": dropped,
                "unknown labels": len(unknown),
                "exported": exported,
            },
            results=rows,
            talk=talk,
        )
    console.show(rows, format)
    told = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
    talk.say(f"not used: {told or 'nothing'}; see dropped.tsv")
    memory = console.peak_bytes()
    most = f", {console.human_bytes(memory)} of memory at the most" if memory else ""
    talk.say(f"wrote {target} in {sum(talk.seconds.values()) / 60:.1f} minutes{most}")


def _recipe(name: str, *, layout: str | None, mapping: str | None) -> tuple[Recipe, Path, str | None]:
    """Return a recipe with what the command line says in its place, its folder, and its file where it has one."""
    import os
    from pathlib import Path

    from assay._check import choice
    from assay.ner.recipes import LAYOUTS, NONE, UNIVERSAL, read_recipe

    said = read_recipe(name)
    file = name if Path(name).is_file() else None
    changed: dict[str, Any] = {}
    if layout is not None:
        choice("layout", layout, LAYOUTS)
        changed["layout"] = layout
    folder = Path(name).parent if file else Path()
    if mapping is not None:
        kept = mapping in (UNIVERSAL, NONE)
        changed["mapping"] = mapping if kept else os.path.relpath(mapping, folder)
    return said.model_copy(update=changed), folder, file


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Recipe to look at or write; without one all are listed.")
    ] = None,
    data: Annotated[
        str | None, flag("--data", help="Folder of corpora: tells which of them are there.", panel=DATA)
    ] = None,
    output: Annotated[
        str | None, flag("--output", "-o", help="File to write the recipe to, to be edited.", panel=OUTPUT)
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """List the recipes that assay ships; or the corpora of one, and how to get them; or write one to edit."""
    from pathlib import Path

    from assay._check import choice
    from assay._files import atomic
    from assay.cli import console
    from assay.errors import DataError
    from assay.ner.recipes import places, read_recipe, recipe_text
    from assay.ner.recipes import recipes as shipped

    choice("format", format, console.FORMATS)
    if name is None:
        if output is not None:
            raise DataError("recipe must be named to be written; got none. See: assay ner recipes")
        rows: list[dict[str, Any]] = [
            {
                "recipe": recipe.name,
                "train": sum(entry.trained for entry in recipe.corpora),
                "test": sum(entry.tested for entry in recipe.corpora),
                "for": recipe.summary,
            }
            for recipe in shipped().values()
        ]
        console.show(rows, format)
        return
    if output is None:
        recipe = read_recipe(name)
        folder = Path(name).parent if Path(name).is_file() else Path()
        rows = [
            {
                "corpus": place.entry.name,
                "role": " and ".join(
                    role
                    for role, has in (("train", place.entry.trained), ("test", place.entry.tested))
                    if has
                ),
                "path": str(place.path),
                "there": "yes" if place.there else "no",
                "how to get it": place.how,
            }
            for place in places(recipe, folder=folder, data=data)
        ]
        console.show(rows, format)
        return
    text = recipe_text(name)
    if Path(output).exists() and not overwrite:
        raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    with atomic(output, "w") as f:
        f.write(text)
    console.Talk(quiet).say(f"wrote {output}. Go on with: assay ner build {output} --data FOLDER -o OUT")
