"""What a fine-tuning record is, whatever shape it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay._check import choice

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn.

    `role` is one of system, user, assistant, tool. `content` is the text of the turn; parts that are
    not text stay in `extra`, as do tool calls, names and whatever else the record's turn carried.
    """

    role: str
    content: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choice("role", self.role, ROLES)


@dataclass(frozen=True, slots=True)
class Sample:
    """One record: its messages, and the row it was read from, whole.

    `id` is the row's own ``id`` where it has one, else its number in the source, counted from 0.
    `row` is the original record, never changed; writing the sample in its own `format` writes `row`.
    `origin` is ``file:line`` (line or record number, counted from 1) for messages to a person.
    """

    id: str
    messages: tuple[Message, ...]
    row: Any
    format: str
    origin: str = ""


def text(sample: Sample, rule: str = "all") -> str:
    """Return the text of a sample that is embedded and compared.

    Parameters
    ----------
    sample
        Any sample.
    rule
        ``"all"``: the contents of all turns, joined by one newline, empty turns left out (for Alpaca:
        instruction, input, output). ``"instruction"``: the same of the turns before the first assistant turn.

    >>> text(Sample("0", (Message("user", "Add."), Message("assistant", "2")), {}, "alpaca"), "instruction")
    'Add.'
    """
    choice("rule", rule, ("all", "instruction"))
    found = []
    for message in sample.messages:
        if rule == "instruction" and message.role == "assistant":
            break
        if message.content:
            found.append(message.content)
    return "\n".join(found)
