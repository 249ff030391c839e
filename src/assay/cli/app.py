"""The tree of commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from assay.cli import demo, embed, measure, records, run, select, tables

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


class _Interruptible(TyperCommand):
    """A command that says how to go on after Ctrl-C, which typer would end without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            kept = "resume" in ctx.params and (ctx.params["output"] or ctx.command.name == "run")
            hint = "; what was finished is kept. Go on with --resume." if kept else ""
            print(f"interrupted{hint}", file=sys.stderr)
            raise typer.Exit(130) from None


_COMMANDS: tuple[Callable[..., None], ...] = (
    select.select,
    measure.measure,
    embed.embed,
    records.convert,
    records.check,
    tables.measures,
    tables.selectors,
    run.run,
    demo.demo,
)
for _command in _COMMANDS:
    app.command(cls=_Interruptible)(_command)
