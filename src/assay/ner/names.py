"""The laws of names that labels come to, so that prompts, scores and taxonomy can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FORBIDDEN = ",;:{}，；："
SPELLINGS = {"organisation": "organization", "located": "location"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What breaks a law: an error stops `apply`, a warning does not.

    `ids` name the decisions or types at fault, or the cards where no decision is; `message` says which, and what to do.
    """

    severity: Literal["error", "warning"]
    ids: tuple[str, ...]
    message: str


def name_fault(name: str) -> str | None:
    """Return what is wrong with a name and what to do, or None.

    Answers of a model are read by ``,`` ``;`` and ``:``, prompts are filled between braces, a final digit marks a label
    that has no description, and scores compared with B2NERD's read ``organisation`` and ``located`` as other words.

    >>> name_fault("date or period")
    >>> name_fault("type: person")
    "must have none of , ; : { } and no line break; got 'type: person'. Use a plain phrase."
    """
    fault = sign_fault(name)
    if fault is not None:
        return fault
    if name[-1].isdigit():
        return f"must not end in a digit; got {name!r}. Put a word at the end."
    for word, instead in SPELLINGS.items():
        if word in name.casefold():
            return f"must not contain {word}, which is read as {instead}; got {name!r}. Write {instead}."
    return None


def sign_fault(name: str) -> str | None:
    """Return what stops a name from being asked for in a prompt and read from an answer, or None.

    These are the laws of names that raw labels must keep too.
    """
    if not name.strip() or name != name.strip():
        return f"must be a phrase without space around it; got {name!r}. Strip it."
    if any(sign in FORBIDDEN or not sign.isprintable() for sign in name):
        return f"must have none of , ; : {{ }} and no line break; got {name!r}. Use a plain phrase."
    return None
