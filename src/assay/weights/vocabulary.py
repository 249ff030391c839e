"""The tokens of a model's rows, from its tokenizer.json, without the rest of that file in memory as objects."""

from __future__ import annotations

import filecmp
import re
from pathlib import Path

import orjson

STRING = rb'"(?:[^"\\]|\\.)*+"'
TABLE = re.compile(rb'"vocab"\s*:\s*([{\[])')  # token to number, or pairs of token and score in order
NUMBERED = re.compile(rb"\s*,?\s*(" + STRING + rb")\s*:\s*(\d+)")
SCORED = re.compile(rb"\s*,?\s*\[\s*(" + STRING + rb")\s*,[^\]]*\]")


def other_tokens(before: Path, after: Path) -> list[tuple[int, str, str]] | None:
    """Return rows that are another token in the second folder than in the first: number, token there, token here.

    None where one of the folders has no tokenizer.json with a table of tokens. Added tokens are left aside: chat tuning
    renames reserved ones. Memory: the file's bytes and 100 bytes a token.
    """
    here, there = ((path if path.is_dir() else path.parent) / "tokenizer.json" for path in (before, after))
    if not (here.is_file() and there.is_file()):
        return None
    if filecmp.cmp(here, there, shallow=False):
        return []
    first, second = tokens_of(here), tokens_of(there)
    if not first or not second:
        return None
    return [
        (number, first[number], second[number])
        for number in sorted(first.keys() & second.keys())
        if first[number] != second[number]
    ]


def tokens_of(file: Path) -> dict[int, str]:
    """Return the tokens of one tokenizer.json by number; empty where its model has no such table."""
    content = file.read_bytes()
    table = TABLE.search(content)
    if table is None:
        return {}
    tokens: dict[int, str] = {}
    entry, at = (NUMBERED if table[1] == b"{" else SCORED), table.end()
    while found := entry.match(content, at):
        number = int(found[2]) if table[1] == b"{" else len(tokens)
        tokens[number] = orjson.loads(found[1])
        at = found.end()
    return tokens
