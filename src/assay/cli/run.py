"""`assay run`: a manifest replayed, or a recipe written by hand."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import console, options, wording


def run(
    recipe: Annotated[
        Path, typer.Argument(help="manifest.json of an earlier run, or a YAML recipe.", show_default=False)
    ],
    output: Annotated[
        str | None,
        options.flag("--output", "-o", help="Where to write; a recipe may say it itself.", panel="Output"),
    ] = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Repeat a run from its manifest, or run a recipe: the same options in a YAML file.

    A recipe has a line `command: select` (or another command) and the command's options, with underscores for
    hyphens, such as `source: data.json`, `budget: 5000`, `group_by: domain`, `output: out`.
    """
    from assay._check import choice
    from assay.cli import manifest
    from assay.errors import DataError

    talk = console.Talk(quiet)
    if recipe.suffix in (".yaml", ".yml"):
        name, given = _recipe(recipe)
    elif recipe.suffix == ".json":
        name, given, then = manifest.replayed(recipe)
        now = manifest.versions()
        other = [f"{key} {then.get(key, 'none')} then, {now.get(key, 'none')} now"
                 for key in sorted({*then, *now}) if then.get(key) != now.get(key)]  # fmt: skip
        if other:
            talk.say(f"other versions may give other numbers: {'; '.join(other)}")
    else:
        raise DataError(f"recipe must end in .json, .yaml or .yml; got {recipe}.")
    command = _commands()[choice(f"{recipe}: command", name, _commands())]
    known = inspect.signature(command).parameters
    if output is not None:
        given["output"] = output
    for key, value in (("overwrite", overwrite), ("resume", resume), ("quiet", quiet)):
        if value and key in known:
            given[key] = value
    command(**validated(recipe, command, given))


def _commands() -> dict[str, Callable[..., None]]:
    from assay.cli import compare, correlate, embed, measure, records, select, study, train
    from assay.cli.knowledge.divergence import divergence
    from assay.cli.knowledge.evaluate import evaluate
    from assay.cli.knowledge.export import knowledge_export
    from assay.cli.knowledge.grade import grade
    from assay.cli.knowledge.world import world
    from assay.cli.ner.build import build
    from assay.cli.ner.crossval import crossval
    from assay.cli.ner.decide import apply
    from assay.cli.ner.export import export
    from assay.cli.ner.predict import predict
    from assay.cli.ner.prune import prune
    from assay.cli.ner.screen import screen
    from assay.cli.ner.train import ner_train
    from assay.cli.study_knowledge import study_knowledge
    from assay.cli.weights.delta import weights_apply, weights_revert
    from assay.cli.weights.diff import weights_diff
    from assay.cli.weights.restore import weights_restore
    from assay.cli.weights.sweep import weights_sweep

    return {
        "select": select.select,
        "measure": measure.measure,
        "compare": compare.compare,
        "correlate": correlate.correlate,
        "embed": embed.embed,
        "train": train.train,
        "convert": records.convert,
        "check": records.check,
        "diversity": study.diversity,
        "screen": screen,
        "crossval": crossval,
        "apply": apply,
        "build": build,
        "prune": prune,
        "export": export,
        "predict": predict,
        "ner_train": ner_train,
        "study_knowledge": study_knowledge,
        "grade": grade,
        "divergence": divergence,
        "world": world,
        "evaluate": evaluate,
        "knowledge_export": knowledge_export,
        "weights_diff": weights_diff,
        "weights_restore": weights_restore,
        "weights_apply": weights_apply,
        "weights_revert": weights_revert,
        "weights_sweep": weights_sweep,
    }


def _recipe(path: Path) -> tuple[str, dict[str, Any]]:
    import yaml

    from assay.errors import DataError

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} must be an existing file; there is none.") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path} must be YAML; {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict) or "command" not in content:
        raise DataError(f"{path} must be a mapping with a key 'command'.")
    return str(content.pop("command")), content


def validated(path: Path, command: Callable[..., None], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the types of the command's own signature, or raise by the first that is wrong."""
    from pydantic import ConfigDict, ValidationError, create_model

    from assay.errors import DataError

    hints = typing.get_type_hints(command)
    words = wording.words(command)
    fields: dict[str, Any] = {
        words[name]: (hints[name], ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in inspect.signature(command).parameters.items()
    }
    config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    model = create_model("Recipe", __config__=config, **fields)
    try:
        values = dict(model(**given))
    except ValidationError as error:
        first = min(
            error.errors(), key=lambda e: e["type"] != "extra_forbidden"
        )  # a typo explains what is missing
        place = ".".join(str(part) for part in first["loc"])
        rest = f" {error.error_count() - 1} more are wrong too." if error.error_count() > 1 else ""
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(place, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(fields)}."
            raise DataError(f"{path}: {place} is no option of {command.__name__}.{hint}{rest}") from None
        if first["type"] == "missing":
            hint = " Add -o FOLDER." if place == "output" else ""
            raise DataError(f"{path}: {place} must be given.{hint}{rest}") from None
        rule = first["msg"].replace("Input should be", "must be")
        raise DataError(f"{path}: {place} {rule}; got {first['input']!r}.{rest}") from None
    return {name: values[word] for name, word in words.items()}
