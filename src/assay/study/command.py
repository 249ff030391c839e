"""A program of the user's that scores a model: run on a folder, read by its last line."""

from __future__ import annotations

import math
import shlex
import subprocess
from pathlib import Path

import orjson

from assay.errors import DataError

SLOT = "{model}"


def check_command(command: str, *, name: str = "command") -> None:
    """Raise unless a command has `{model}` and quotes that end."""
    try:
        shlex.split(command)
    except ValueError as error:
        raise DataError(f"{name} must be a command; got {command!r}: {str(error).lower()}.") from None
    if SLOT not in command:
        raise DataError(f"{name} must have {SLOT} where the model's folder goes; got {command!r}.")


def run_command(command: str, folder: str | Path, *, name: str = "command") -> dict[str, float]:
    """Run a command of the shell on the folder of a model, and return what its last line says.

    Parameters
    ----------
    command : str
        With ``{model}`` where the folder goes; it is quoted here, so leave quotes around it out.
    folder : str or Path
    name : str
        Of the command in messages, and of its number where it prints a bare one.

    Returns
    -------
    dict from str to float
        The last line of standard output that is not empty: a number, or a JSON object of numbers.

    Raises
    ------
    DataError
        For a command without ``{model}``, one that fails, or whose last line is none of these.

    Examples
    --------
    >>> run_command("echo measuring {model}; echo 0.5", "my model")
    {'command': 0.5}
    """
    check_command(command, name=name)
    done = subprocess.run(
        command.replace(SLOT, shlex.quote(str(folder))),
        shell=True, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        raise DataError(
            f"{name} must have a score as its last line; it exited with {done.returncode}: {tail_of(done.stderr)}"
        )
    return scores_in(done.stdout, name=name)


def tail_of(text: str, chars: int = 300) -> str:
    """Return the end of what a program printed, as one line."""
    told = " ".join(text.split())
    return f"...{told[-chars:]}" if len(told) > chars else told or "nothing was printed"


def scores_in(printed: str, *, name: str) -> dict[str, float]:
    """Return what the last line says: a number by `name`, or a JSON object's numbers by theirs."""
    last = (printed.strip().splitlines() or [""])[-1]
    try:
        value = orjson.loads(last)
    except orjson.JSONDecodeError:
        value = None
    scores = value if isinstance(value, dict) and value else {name: value}
    for score in scores.values():
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
            raise DataError(
                f"{name} must have a number, or a JSON object of numbers, as its last line; got {last[:80]!r}."
            )
    return {key: float(score) for key, score in scores.items()}
