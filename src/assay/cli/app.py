"""The tree of commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from assay.cli import (
    compare,
    correlate,
    demo,
    embed,
    knowledge,
    measure,
    ner,
    records,
    report,
    run,
    select,
    study,
    study_knowledge,
    tables,
    train,
    weights,
)
from assay.cli.console import nobody_reads

app = typer.Typer(
    name="assay",
    help="Measure, select and unify fine-tuning data for language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from assay import __version__

        typer.echo(f"assay {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


class _Ending(TyperCommand):
    """A command that ends well when it is interrupted, or when nobody reads it any more; typer would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            kept = "resume" in ctx.params and (ctx.params["output"] or ctx.command.name == "run")
            hint = "; what was finished is kept. Go on with --resume." if kept else ""
            print(f"interrupted{hint}", file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            raise typer.Exit(nobody_reads()) from None
        return result


_COMMANDS: tuple[Callable[..., None], ...] = (
    select.select,
    measure.measure,
    compare.compare,
    correlate.correlate,
    embed.embed,
    train.train,
    records.convert,
    records.check,
    tables.measures,
    tables.selectors,
    report.report,
    run.run,
    demo.demo,
)
for _command in _COMMANDS:
    app.command(cls=_Ending)(_command)

_studies = typer.Typer(
    help="The papers' experiments end to end: data sets, fine-tuned models, scores, conclusions.",
    no_args_is_help=True,
)
_studies.command(cls=_Ending)(study.diversity)
_studies.command("knowledge", cls=_Ending)(study_knowledge.study_knowledge)
app.add_typer(_studies, name="study")

_ner = typer.Typer(
    help="Named entity corpora: read, check, find where their labels clash, settle it, make one corpus.",
    no_args_is_help=True,
)
for _command in ner.COMMANDS:
    # `ner_train` is `assay ner train`: manifests and recipes tell it from `assay train` by its name
    _ner.command(_command.__name__.removeprefix("ner_").replace("_", "-"), cls=_Ending)(_command)
app.add_typer(_ner, name="ner")

_knowledge = typer.Typer(
    help="What a model knows: facts, how they are asked, how well each is known.",
    no_args_is_help=True,
)
for _command in knowledge.COMMANDS:
    _knowledge.command(_command.__name__.removeprefix("knowledge_"), cls=_Ending)(_command)
app.add_typer(_knowledge, name="knowledge")

_weights = typer.Typer(
    help="Which weights fine-tuning moved: two models, streamed.",
    no_args_is_help=True,
)
for _command in weights.COMMANDS:
    _weights.command(_command.__name__.removeprefix("weights_"), cls=_Ending)(_command)
app.add_typer(_weights, name="weights")
