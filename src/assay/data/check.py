"""What is wrong with a data set: broken rows, broken conversations, duplicates, encoding, leakage."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assay._check import at_least
from assay.data.duplicates import NearTexts, normal
from assay.data.faults import faults, main_script
from assay.data.json_text import dumps
from assay.data.read import Reading, readings
from assay.data.sample import Message, Sample, text
from assay.data.turns import beyond_text
from assay.errors import DataError


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: what it means, and whether it is an ``error``, a ``warning`` or ``info``."""

    summary: str
    severity: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its kind (a row of `KINDS`), where, what, and the other row where there is one."""

    kind: str
    origin: str
    message: str
    related: str = ""

    @property
    def severity(self) -> str:
        """``error``, ``warning`` or ``info``."""
        return KINDS[self.kind].severity


KINDS: dict[str, Kind] = {
    "malformed": Kind("a row that cannot be read", "error"),
    "mixed_shapes": Kind("a row of another shape than the first", "error"),
    "empty_turn": Kind("a turn without text", "warning"),
    "turn_order": Kind("turns out of order: each question needs its answer", "warning"),
    "encoding": Kind("mojibake, replacement or control characters, lone surrogates", "warning"),
    "exact_duplicate": Kind("the same conversation as an earlier row, white space aside", "warning"),
    "duplicate_prompt": Kind("the same prompt as an earlier row with another answer", "warning"),
    "near_duplicate": Kind("nearly the same conversation as an earlier row", "warning"),
    "leak_exact": Kind("the same conversation as a row of the other source", "error"),
    "leak_prompt": Kind("the same prompt as a row of the other source", "error"),
    "leak_near": Kind("nearly the same conversation as a row of the other source", "error"),
    "leak_near_prompt": Kind("nearly the same prompt as a row of the other source", "error"),
    "scripts": Kind("rows in several scripts", "info"),
}


def check(
    source: str | Path,
    *,
    shape: str | None = None,
    against: str | Path | None = None,
    near: float | None = 0.8,
) -> list[Finding]:
    """Return what is wrong with a source, by row, then by kind in the order of `KINDS`.

    Parameters
    ----------
    source
        As for `read`. Bad rows are findings, and the rest is still checked.
    shape
        Name of a row of `FORMATS`; by default told from each row.
    against
        Another source, which this one must not overlap with (a test set, or what was trained on before). A
        row is reported once, for the strongest overlap it has: whole conversation, prompt, nearly either.
        Prompts are compared there without system turns.
    near
        Jaccard index of character 5-grams, case aside, from which two texts are near duplicates (0..1; 1 is
        equal but for case, order and repetition). None leaves near duplicates out.

    Raises
    ------
    DataError
        Where the source, or `against`, cannot be read at all or has no readable row.

    Notes
    -----
    Exact duplicates are equal after Unicode NFC with runs of white space as one space, tool calls included.
    Near duplicates are candidates from MinHash-LSH (256 digests; a pair right at `near` is missed at most
    once in 200, a closer one less) confirmed by the exact index, so none is false; each row is reported with
    the earliest row it is near to. System turns are left out there, since rows often share long ones.
    Cost: about half a millisecond and 5 kB of memory a row; the texts are on disk.
    """
    if near is not None:
        at_least("near", near, 0, strict=True)
    order = {kind: place for place, kind in enumerate(KINDS)}
    found: list[tuple[int, int, int, Finding]] = []

    def add(part: int, number: int, kind: str, origin: str, message: str, related: str = "") -> None:
        found.append((part, number, order[kind], Finding(kind, origin, message, related)))

    other = None
    if against is not None:
        other = _Overlap(near)
        for number, reading in enumerate(_all(against, shape)):
            if reading.sample is None:
                add(1, number, "malformed", reading.origin, reading.problem)
            else:
                other.add(number, reading.sample)
    earlier = _Earlier(near)
    scripts: Counter[str] = Counter()
    first: Sample | None = None
    for number, reading in enumerate(_all(source, shape)):
        sample = reading.sample
        if sample is None:
            add(0, number, "malformed", reading.origin, reading.problem)
            continue
        first = first or sample
        if sample.format != first.format:
            message = f"row has the shape {sample.format}; the first row has {first.format}"
            add(0, number, "mixed_shapes", sample.origin, message, first.origin)
        for kind, message in faults(sample):
            add(0, number, kind, sample.origin, message)
        for kind, message, related in earlier.compared(number, sample):
            add(0, number, kind, sample.origin, message, related)
        leak = other.found(sample) if other is not None else None
        if leak is not None:
            add(0, number, leak[0], sample.origin, leak[1], leak[2])
        scripts[main_script(text(sample))] += 1
    findings = [finding for *_, finding in sorted(found, key=lambda entry: entry[:3])]
    del scripts[""]
    if len(scripts) > 1:
        shares = ", ".join(f"{name} {n}" for name, n in sorted(scripts.items(), key=lambda p: (-p[1], p[0])))
        findings.append(Finding("scripts", str(source), f"rows by their main script: {shares}"))
    return findings


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind that occurs, in the order of `KINDS`."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 1 if any finding is more than information, else 0."""
    return int(any(finding.severity != "info" for finding in findings))


class _Earlier:
    """What the rows before a row said."""

    def __init__(self, near: float | None) -> None:
        self._wholes: dict[bytes, str] = {}
        self._prompts: dict[bytes, str] = {}
        self._origins: dict[int, str] = {}
        self._near = NearTexts(near=near) if near is not None else None

    def compared(self, number: int, sample: Sample) -> Iterator[tuple[str, str, str]]:
        """Yield (kind, message, other origin) for what a row repeats, and remember the row."""
        whole = _key(sample.messages)
        same = self._wholes.setdefault(whole, sample.origin)
        if same != sample.origin:
            yield "exact_duplicate", f"same conversation as {same}", same
            return
        opening = _opening(sample)
        if _said(opening) and len(opening) < len(sample.messages):
            same = self._prompts.setdefault(_key(opening), sample.origin)
            if same != sample.origin:
                yield "duplicate_prompt", f"same prompt as {same}, with another answer", same
        if self._near is not None:
            self._origins[number] = sample.origin
            spoken = _joined(_without_system(sample.messages))
            match = self._near.nearest_before(spoken, keep_as=number)
            if match is not None:
                same = self._origins[match[0]]
                yield "near_duplicate", f"Jaccard {match[1]:.3f} with {same}", same


class _Overlap:
    """The rows of the other source, to be asked for what a row shares with them."""

    def __init__(self, near: float | None) -> None:
        self._wholes: dict[bytes, str] = {}
        self._prompts: dict[bytes, str] = {}
        self._origins: dict[int, str] = {}
        self._near_wholes = NearTexts(near=near) if near is not None else None
        self._near_prompts = NearTexts(near=near) if near is not None else None

    def add(self, number: int, sample: Sample) -> None:
        self._origins[number] = sample.origin
        self._wholes.setdefault(_key(_without_system(sample.messages)), sample.origin)
        asked = _without_system(_opening(sample))
        if _said(asked):
            self._prompts.setdefault(_key(asked), sample.origin)
        if self._near_wholes is not None and self._near_prompts is not None:
            self._near_wholes.add(number, _joined(_without_system(sample.messages)))
            self._near_prompts.add(number, _joined(asked))

    def found(self, sample: Sample) -> tuple[str, str, str] | None:
        """Return (kind, message, other origin) for the strongest overlap, or None."""
        messages = _without_system(sample.messages)
        asked = _without_system(_opening(sample))
        same = self._wholes.get(_key(messages))
        if same is not None:
            return "leak_exact", f"same conversation as {same}", same
        same = self._prompts.get(_key(asked))
        if same is not None and _said(asked):
            return "leak_prompt", f"same prompt as {same}", same
        for kind, index, turns in (
            ("leak_near", self._near_wholes, messages),
            ("leak_near_prompt", self._near_prompts, asked),
        ):
            match = index.nearest_before(_joined(turns)) if index is not None else None
            if match is not None:
                same = self._origins[match[0]]
                part = "conversation" if kind == "leak_near" else "prompt"
                return kind, f"Jaccard {match[1]:.3f} with the {part} of {same}", same
        return None


def _all(source: str | Path, shape: str | None) -> Iterator[Reading]:
    """Yield every reading of a source, which must hold at least one good row."""
    good = False
    bad: Reading | None = None
    for reading in readings(source, shape=shape):
        good = good or reading.sample is not None
        bad = bad or (reading if reading.sample is None else None)
        yield reading
    if not good and bad is not None:
        raise DataError(
            f"{source} must hold at least one readable row; the first problem: {bad.origin}: {bad.problem}"
        )


def _opening(sample: Sample) -> tuple[Message, ...]:
    """Return the turns before the first assistant turn."""
    answers = [number for number, message in enumerate(sample.messages) if message.role == "assistant"]
    return sample.messages[: answers[0]] if answers else sample.messages


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role != "system")


def _said(messages: tuple[Message, ...]) -> bool:
    return any(message.content.strip() for message in messages)


def _joined(messages: tuple[Message, ...]) -> str:
    return "\n".join(message.content for message in messages if message.content)


def _key(messages: tuple[Message, ...]) -> bytes:
    """Return the hash of a conversation's roles, normalised texts and tool calls."""
    digest = hashlib.blake2b(digest_size=16)
    for message in messages:
        more = beyond_text(message)
        for part in (message.role, normal(message.content), dumps(more).decode("utf-8") if more else ""):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()
