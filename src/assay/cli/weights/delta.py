"""`assay weights apply` and `assay weights revert`: one model made of another by a delta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import OUTPUT, flag

Delta = Annotated[str, typer.Argument(help="A file of assay weights restore --delta.", show_default=False)]
Output = Annotated[str, flag("--output", "-o", help="Folder of the model and a manifest.", panel=OUTPUT)]


def weights_apply(
    delta: Delta,
    model: Annotated[str, typer.Argument(help="Folder of the tuned model.", show_default=False)],
    output: Output,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the restored model that a delta makes of the tuned one, bit for bit; any other model is refused."""
    _run(weights_apply, dict(locals()), revert=False)


def weights_revert(
    delta: Delta,
    model: Annotated[str, typer.Argument(help="Folder of the restored model.", show_default=False)],
    output: Output,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the tuned model that a delta makes of the restored one, bit for bit; any other model is refused."""
    _run(weights_revert, dict(locals()), revert=True)


def _run(command: Callable[..., None], given: Mapping[str, Any], *, revert: bool) -> None:
    from assay import _check
    from assay._files import read_json
    from assay.cli import console, manifest
    from assay.cli.output import files_of, open_folder, staged
    from assay.weights import apply_delta, open_checkpoint
    from assay.weights.writing import MANIFEST

    delta, model, form = given["delta"], given["model"], given["format"]
    _check.choice("format", form, console.FORMATS)
    talk = console.Talk(given["quiet"])
    files = open_checkpoint(model).files
    folder = open_folder(given["output"], [model, delta], overwrite=given["overwrite"], resume=None)
    with staged(folder) as stage:
        with talk.stage("write", f"a model to {folder}"):
            place = apply_delta(delta, model, stage / "model", revert=revert)
        told = read_json(place / MANIFEST)
        for name in files_of(place):
            (place / name).rename(stage / name)
        place.rmdir()
        row = {
            "direction": told["direction"],
            "percent": told["about"]["percent"],
            "before": told["before"],
            "after": told["after"],
        }
        inputs = manifest.file_entries("delta", delta)
        inputs += [entry for file in files for entry in manifest.file_entries("model", file)]
        written = manifest.write(
            stage, command, given, inputs, counts={"files": len(files)}, results=row, talk=talk
        )
    talk.say(f"wrote the {'tuned' if revert else 'restored'} model and manifest.json to {folder}")
    console.show([row], form, whole=written)
