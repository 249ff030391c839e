"""The tree of commands."""

from __future__ import annotations

from typing import Annotated

import typer

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


app.command()(select.select)
app.command()(measure.measure)
app.command()(embed.embed)
app.command()(records.convert)
app.command()(records.check)
app.command()(tables.measures)
app.command()(tables.selectors)
app.command("run")(run.run)
app.command("demo")(demo.demo)
