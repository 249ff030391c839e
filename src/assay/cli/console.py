"""What a person sees: talk and bars on standard error, results on standard output in four formats."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from assay._check import choice

FORMATS = ("table", "json", "csv", "md")
Progress = Callable[[int, int], None]

warned: list[str] = []


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line, and keep the text of ours for the manifest."""
    from assay.errors import AssayWarning

    if issubclass(category, AssayWarning):
        warned.append(str(message))
        print(f"warning: {message}", file=sys.stderr)
    else:
        print(f"{category.__name__}: {message} ({filename}:{lineno})", file=sys.stderr)


class Talk:
    """Talk to the person at the terminal, unless quiet, and keep the seconds of each stage."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print one line on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def stage(self, name: str, expect: str = "") -> Iterator[Progress]:
        """Announce a stage, show a bar on a terminal, and record how long the stage took."""
        self.say(f"{name}: {expect}" if expect else f"{name} ...")
        start = time.perf_counter()
        with _bar(name, self.quiet) as progress:
            yield progress
        spent = time.perf_counter() - start
        self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
        self.say(f"{name}: {spent:.1f} s")


@contextlib.contextmanager
def _bar(name: str, quiet: bool) -> Iterator[Progress]:
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def peak_bytes() -> int:
    """Return the peak memory of this process and its largest finished child, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * sum(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def human_bytes(size: float) -> str:
    """Return a size in GB or MB for a person."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def human_seconds(seconds: float) -> str:
    """Return a duration for a person, without false precision."""
    if seconds < 1:
        return "under a second"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def show(rows: Sequence[Mapping[str, Any]], form: str, *, title: str = "", whole: Any = None) -> None:
    """Print rows of equal keys on standard output; as JSON print `whole` where it is given."""
    choice("format", form, FORMATS)
    if form == "json":
        import orjson

        value = rows if whole is None else whole
        sys.stdout.write(
            orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode() + "\n"
        )
        return
    if not rows:
        return
    columns = list(rows[0])
    if form == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if row[c] is None else row[c] for c in columns] for row in rows])
    elif form == "md":
        print("| " + " | ".join(columns) + " |")
        print("|" + "|".join("---" for _ in columns) + "|")
        for row in rows:
            print("| " + " | ".join(_cell(row[c]).replace("|", "\\|") for c in columns) + " |")
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
        for column in columns:
            number = all(isinstance(row[column], int | float | None) for row in rows)
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(row[c])) for c in columns))
        Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
