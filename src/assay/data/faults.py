"""What can be wrong with one sample by itself: empty turns, turns out of order, broken encoding."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.data.json_text import excerpt
from assay.data.sample import Message, Sample
from assay.data.turns import beyond_text

NEXT_ROLES = {
    "": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}
UNANSWERED_SHAPES = ("text", "questions")
SCRIPTS = {
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
    "Han": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "Kana": re.compile(r"[\u3040-\u30ff]"),
    "Hangul": re.compile(r"[\uac00-\ud7af]"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff]"),
    "Devanagari": re.compile(r"[\u0900-\u097f]"),
    "Greek": re.compile(r"[\u0370-\u03ff]"),
    "Hebrew": re.compile(r"[\u0590-\u05ff]"),
    "Thai": re.compile(r"[\u0e00-\u0e7f]"),
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SCRIPT_CHARS = 2000


def faults(sample: Sample) -> Iterator[tuple[str, str]]:
    """Yield (kind, message) for everything wrong with a sample by itself."""
    yield from _empty_turns(sample)
    if sample.format not in UNANSWERED_SHAPES:
        yield from _turn_order(sample)
    for number, message in enumerate(sample.messages, 1):
        for trouble in _encoding(message.content):
            yield "encoding", f"{_turn(number, message)} {trouble}"


def main_script(text: str) -> str:
    """Return the script that most letters of a text (its first 2,000 characters) are in, ``""`` for none."""
    if text.isascii():
        return "Latin" if SCRIPTS["Latin"].search(text) else ""
    head = text[:_SCRIPT_CHARS]
    counts = {name: len(letters.findall(head)) for name, letters in SCRIPTS.items()}
    name = max(counts, key=lambda key: counts[key])
    return name if counts[name] else ""


def _turn(number: int, message: Message) -> str:
    return f"turn {number} ({message.role})"


def _empty_turns(sample: Sample) -> Iterator[tuple[str, str]]:
    for number, message in enumerate(sample.messages, 1):
        if not message.content.strip() and not beyond_text(message):
            yield "empty_turn", f"{_turn(number, message)} is empty"


def _turn_order(sample: Sample) -> Iterator[tuple[str, str]]:
    """Yield the first turn that is out of place, and a missing answer at the end."""
    last = ""
    for number, message in enumerate(sample.messages, 1):
        if message.role == "system" and number == 1:
            continue
        if message.role not in NEXT_ROLES[last]:
            wanted = " or ".join(NEXT_ROLES[last])
            after = f"after {last}" if last else "at the start"
            yield "turn_order", f"turn {number} must be {wanted} {after}; got {message.role}"
            break
        last = message.role
    final = sample.messages[-1].role
    if final != "assistant":
        yield "turn_order", f"the last turn must be the assistant's answer; got {final}"


def _encoding(content: str) -> Iterator[str]:
    found = _CONTROL.search(content)
    if found:
        yield f"holds the control character U+{ord(found.group()):04X}: {_around(content, found.start())}"
    if content.isascii():
        return
    at = content.find("\ufffd")
    if at >= 0:
        yield f"holds the replacement character U+FFFD: {_around(content, at)}"
    found = _SURROGATE.search(content)
    if found:
        yield f"holds the lone surrogate U+{ord(found.group()):04X}: {_around(content, found.start())}"
        return
    broken = _mojibake(content)
    if broken:
        yield f"looks like text decoded with the wrong encoding: {broken[0]} for {broken[1]}"


def _mojibake(content: str) -> tuple[str, str] | None:
    """Return (as it stands, as ftfy reads it) around the first broken place of a text, if there is one."""
    import ftfy
    import ftfy.badness

    for line in content.splitlines():
        if line.isascii() or not ftfy.badness.is_bad(line):
            continue
        fixed = ftfy.fix_encoding(line)
        if fixed != line:
            at = next((n for n, (a, b) in enumerate(zip(line, fixed, strict=False)) if a != b), len(fixed))
            return _around(line, at), _around(fixed, at)
    return None


def _around(content: str, at: int) -> str:
    return excerpt(content[max(0, at - 12) : at + 18])
