"""Messages in terms of what was typed: `--max-per-group`, not `max_per_group`."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from functools import cache
from typing import Any

import typer

# names that the rooms below give to what comes from these flags
ELSEWHERE = {"repo": "--push", "column": "--vectors-column", "groups": "--group-by"}


def flags(command: Callable[..., Any]) -> dict[str, str]:
    """Return the flag of every option of a command by its name in Python; arguments have none."""
    found = {}
    for name, hint in typing.get_type_hints(command, include_extras=True).items():
        for part in getattr(hint, "__metadata__", ()):
            if isinstance(part, typer.models.OptionInfo):
                texts = [part.default, *(part.param_decls or ())]  # typer keeps the first name as the default
                flag = next(text for text in texts if isinstance(text, str) and text.startswith("--"))
                found[name] = flag.split("/")[0]
    return found


def words(command: Callable[..., Any]) -> dict[str, str]:
    """Return how manifests and recipes call each parameter of a command: as its flag, with underscores."""
    by_flag = flags(command)
    return {
        name: by_flag.get(name, name).removeprefix("--").replace("-", "_")
        for name in inspect.signature(command).parameters
    }


@cache
def _all_flags() -> dict[str, str]:
    from assay.cli.app import app

    found = dict(ELSEWHERE)
    groups = [group.typer_instance for group in app.registered_groups if group.typer_instance is not None]
    for row in [row for each in (app, *groups) for row in each.registered_commands]:
        if row.callback is not None:
            found |= flags(row.callback)
    return found


def as_typed(message: str) -> str:
    """Return a message with the options that it names as they are typed.

    The first word of `<argument> must be <rule>` is one if a flag has that name; anywhere else only a name with an
    underscore is, since `limit` or `text` may be plain words there. After a colon or in a list it is the name of a
    field, in a recipe for instance.
    """
    known = _all_flags()
    first = re.match(r"(\w+)(?= must (?:be|have|name|hold)\b)", message)
    if first and first[1] in known:
        message = known[first[1]] + message[first.end() :]
    names = "|".join(name for name in known if "_" in name)
    pattern = rf"(?<![\w'\"/.:-])(?<![:,] )({names})(?:='(\w+)')?(?!\w|\.\w|['\"/=])"
    return re.sub(pattern, lambda m: known[m[1]] + (f" {m[2]}" if m[2] else ""), message)


def usage(error: Any) -> str:
    """Return a usage error of typer as one line."""
    text = " ".join(error.format_message().split())
    text = re.sub(r" \(Possible options?: (.*)\)", r". Did you mean \1?", text)
    text = f"{text[:1].lower()}{text[1:].removesuffix('.')}"
    context = getattr(error, "ctx", None)
    if not text or context is None:
        return text
    return f"{text}{'' if text.endswith('?') else '.'} See: {context.command_path} --help"
