"""What a person sees: talk and bars on standard error, results on standard output in four formats."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, TextIO

from assay._check import choice

FORMATS = ("table", "json", "csv", "md")
NARROWEST = 12
Progress = Callable[[int, int], None]


class Talk:
    """Talk to the person at the terminal, unless quiet, and keep the seconds of each stage and the warnings.

    Python's warnings come here from its making on: ours are kept for the manifest, each once.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.seconds: dict[str, float] = {}
        self.warned: list[str] = []
        warnings.showwarning = self._warn

    def say(self, text: str) -> None:
        """Print one line on standard error."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        from assay.cli.wording import as_typed
        from assay.errors import AssayWarning

        if not issubclass(category, AssayWarning):
            self.say(f"{category.__name__}: {message} ({filename}:{lineno})")
            return
        text = as_typed(str(message))
        if text not in self.warned:
            self.warned.append(text)
            self.say(f"warning: {text}")

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


def nobody_reads() -> int:
    """Drop what is left to print, which must not fail once more when Python ends, and return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def peak_bytes() -> int | None:
    """Return the peak memory of this process and its largest finished child, in bytes, where the system tells."""
    try:
        import resource
    except ImportError:
        return None
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


def spread(value: float | None, low: float | None, high: float | None, digits: str) -> str | None:
    """Return a value with its interval for a person, None where there is no value."""
    return None if value is None else f"{value:{digits}} [{low:{digits}}, {high:{digits}}]"


def show(
    rows: Sequence[Mapping[str, Any]],
    form: str,
    *,
    columns: Sequence[str] = (),
    title: str = "",
    whole: Any = None,
) -> None:
    """Print rows of equal keys on standard output; as JSON print `whole` where it is given.

    `columns` names the keys where there may be no row to tell them.
    """
    choice("format", form, FORMATS)
    columns = list(rows[0]) if rows else columns
    if form == "json":
        import orjson

        value = rows if whole is None else whole
        print(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())
    elif form == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([["" if row[c] is None else row[c] for c in columns] for row in rows])
    elif form == "md":
        print("| " + " | ".join(columns) + " |")
        print("|" + "|".join("---" for _ in columns) + "|")
        for row in rows:
            print("| " + " | ".join(_cell(row[c]).replace("|", "\\|") for c in columns) + " |")
    elif rows:
        if title:
            print(title)
        _print_table(rows, columns)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", str(value))


def _print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print aligned columns, whole. Only on a terminal that is too narrow are texts folded, numbers never."""
    from rich.cells import cell_len

    number = [all(isinstance(row[c], int | float | None) for row in rows) for c in columns]
    lines = [list(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(columns))]
    texts = [at for at in range(len(columns)) if not number[at]]
    if sys.stdout.isatty() and texts:
        import shutil

        excess = sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns
        while excess > 0 and max(widths[at] for at in texts) > NARROWEST:
            widths[max(texts, key=lambda at: widths[at])] -= 1
            excess -= 1
    for line in lines:
        for parts in zip_longest(*map(_folded, line, widths), fillvalue=""):
            padded = []
            for part, width, right in zip(parts, widths, number, strict=True):
                space = " " * (width - cell_len(part))
                padded.append(space + part if right else part + space)
            print("  ".join(padded).rstrip())


def _folded(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many cells, broken between words where it can be."""
    from rich.cells import cell_len

    if cell_len(text) <= width:
        return [text]
    from rich.console import Console
    from rich.text import Text

    return [line.plain.rstrip() for line in Text(text).wrap(Console(), width, overflow="fold")]
