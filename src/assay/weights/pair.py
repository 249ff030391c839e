"""Two models, tensor beside tensor: what is compared, and a stream of both sides' values by slices."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.weights.checkpoint import Checkpoint, Vector, open_checkpoint
from assay.weights.lora import MERGE, Adapter, is_adapter, open_adapter
from assay.weights.regions import (
    ARCHITECTURES,
    REGIONS,
    SCOPES,
    Place,
    architecture_of,
    canonical,
    place_of,
    unnamed_place,
)
from assay.weights.vocabulary import other_tokens

CHUNK = 2**20  # values
HASHED = 2**20  # bytes at once


@dataclass(frozen=True, slots=True)
class Match:
    """One tensor of both models. Its first `size` values are compared: all, or the rows that both have."""

    name: str  # in the tuned model, as on disk; with an adapter, in the original
    original: str  # in the original, as on disk
    shape: tuple[int, ...]  # of what is compared
    place: Place

    @property
    def size(self) -> int:
        """How many values are compared."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """An original and a tuned model, and the tensors in scope that are compared, by sorted name."""

    original: Checkpoint
    tuned: Checkpoint | Adapter
    architecture: str | None  # a row of `ARCHITECTURES`; None: not known, by names alone
    matches: tuple[Match, ...]
    outside: tuple[Match, ...]  # what both have and the scope leaves out
    resized: tuple[
        tuple[str, int, int], ...
    ]  # names out of all whose rows differ: rows of original, of tuned
    tied: tuple[str, ...]  # heads on disk that are the embedding once more: not compared
    copies: Mapping[str, str]  # those of them that are written with the tuned model, to the embedding's name

    @property
    def size(self) -> int:
        """How many values are compared."""
        return sum(match.size for match in self.matches)

    def chunks(self, elements: int = CHUNK) -> Iterator[tuple[str, int, Vector, Vector]]:
        """Yield (name, start, original, tuned): the values of both from `start` on, float32, at most `elements`.

        In order of sorted names, then of the flat index. The values do not depend on `elements`. Memory: 12 bytes
        an element, 8 more for what the caller still holds of the slices before (with an adapter 4 more, and the
        factors of one matrix), whatever the models' size.
        """
        _check.whole("elements", elements, 1)
        for match in self.matches:
            yield from self.slices(match, elements)

    def slices(self, match: Match, elements: int = CHUNK) -> Iterator[tuple[str, int, Vector, Vector]]:
        """Yield the chunks of one tensor."""
        for start in range(0, match.size, elements):
            stop = min(match.size, start + elements)
            yield (
                match.name,
                start,
                self.original.read(match.original, start, stop),
                self.tuned.read(match.name, start, stop),
            )


def open_pair(
    original: str | Path,
    tuned: str | Path,
    *,
    scope: str = "transformer",
    layers: tuple[int, int] | None = None,
    pattern: str | None = None,
) -> Pair:
    """Return two models matched by tensor names, checked to be two states of one model, with no value read.

    Parameters
    ----------
    original, tuned : str or Path
        As in `open_checkpoint`. The tuned one may be a folder with a LoRA adapter of PEFT.
    scope : str
        A key of `SCOPES`. "transformer", the paper's: attention and feed-forward matrices; or one region; or "all".
    layers : (int, int), optional
        First and last layer, from 0. Leaves out what is in no layer.
    pattern : str, optional
        A regular expression that is found in the tuned model's names. Only tensors that fit scope, layers and
        pattern are compared.

    Returns
    -------
    Pair

    Raises
    ------
    DataError
        For files as in `open_checkpoint` and `open_adapter`; for two architectures; tensors that one side lacks or
        whose shapes differ, with their list; other vocabularies; a scope in which nothing is.

    Notes
    -----
    - Names count without `PREFIXES`. Where both have an architecture that is not in the table, scope "all" compares
      by names alone.
    - A tied head counts once, as the embedding: one that is not on disk, or has the embedding's bytes there, unless
      `tie_word_embeddings` is false. One untied by tuning is compared with the original's embedding.
    - Embedding and head may have more rows in the tuned model: those that both have are compared. Where both
      folders have a tokenizer.json, the tokens of these rows must be the same; only then may there be fewer.
    """
    _check.choice("scope", scope, SCOPES)
    first = open_checkpoint(original)
    second = open_adapter(tuned, first) if is_adapter(tuned) else open_checkpoint(tuned)
    architecture = _architecture(first, second, scope)
    ours, theirs = _by_canonical(first), _by_canonical(second)
    head = f"{ARCHITECTURES[architecture].head}.weight" if architecture else None
    embedding = f"{ARCHITECTURES[architecture].embedding}.weight" if architecture else None
    tied, copies = set(), {}
    if head is not None and embedding in ours and embedding in theirs:
        for side, names in ((first, ours), (second, theirs)):
            if head in names and _is_tied(side, names[embedding], names[head]):
                tied.add(copy := names.pop(head))
                copies = {copy: names[embedding]} if side is second else {}
        if head in theirs and head not in ours and _is_tied(first, ours[embedding], None):
            ours[head] = ours[embedding]
        if isinstance(second, Adapter) and head not in theirs:
            _check_embedding(second, ours[embedding])
    _check_names(first, second, ours, theirs)
    vocabulary = {one for one in (head, embedding, head and f"{head[:-6]}bias") if one}
    matches, resized = [], []
    for name in sorted(theirs):
        match = _match(first, second, ours[name], theirs[name], name in vocabulary, architecture)
        matches.append(match)
        a, b = first.tensors[ours[name]], second.tensors[theirs[name]]
        if a.shape != b.shape:
            resized.append((match.name, a.shape[0], b.shape[0]))
    _check_vocabulary(first, second, resized)
    matches.sort(key=lambda match: match.name)
    taken = _in_scope(matches, architecture, scope, layers, pattern)
    return Pair(
        first, second, architecture, tuple(match for match in matches if match.name in taken),
        tuple(match for match in matches if match.name not in taken), tuple(resized), tuple(sorted(tied)),
        copies,
    )  # fmt: skip


def hashed(pair: Pair, *, stop: Event | None = None) -> list[dict[str, str]]:
    """Return role, path and sha256 of the files of both models that decide numbers; reads both once.

    Ends early, with what is of no use, once `stop` is set.
    """
    found = []
    for role, side in (("original", pair.original), ("tuned", pair.tuned)):
        folder = side.path if side.path.is_dir() else side.path.parent
        beside = [folder / name for name in ("config.json", "adapter_config.json", "tokenizer.json")]
        for file in sorted({*side.files, *(one for one in beside if one.is_file())}):
            digest = hashlib.sha256()
            with open(file, "rb", buffering=0) as f:
                while (block := f.read(HASHED)) and not (stop is not None and stop.is_set()):
                    digest.update(block)
            found.append({"role": role, "path": str(file), "sha256": digest.hexdigest()})
    return found


@contextmanager
def hashed_beside(pair: Pair) -> Iterator[Callable[[], list[dict[str, str]]]]:
    """Do what `hashed` does in a thread beside the block, and give what returns it; an error in the block ends it."""
    stop = Event()
    with ThreadPoolExecutor(1) as thread:
        found = thread.submit(hashed, pair, stop=stop)
        try:
            yield found.result
        finally:
            stop.set()


def _architecture(original: Checkpoint, tuned: Checkpoint | Adapter, scope: str) -> str | None:
    kinds = [side.config.get("model_type") for side in (original, tuned)]
    if all(kinds) and kinds[0] != kinds[1]:
        raise DataError(
            f"tuned must be of the original's architecture; got {kinds[1]} for {kinds[0]}. "
            "Give the model it was made of."
        )
    found: list[str | None] = []
    for side in (original, tuned):
        try:
            found.append(architecture_of(side.tensors, side.config))
        except DataError as error:
            if scope != "all":
                raise DataError(f"{side.path}: {error}") from None
            found.append(None)
    if None not in found and found[0] != found[1]:
        raise DataError(
            f"tuned must be of the original's architecture; got names of {found[1]} for {found[0]}. "
            "Give the model it was made of."
        )
    return None if None in found else found[0]


def _by_canonical(side: Checkpoint | Adapter) -> dict[str, str]:
    """Return the names on disk by their canonical form."""
    names: dict[str, str] = {}
    for name in side.tensors:
        plain = canonical(name)
        if plain in names:
            raise DataError(
                f"{side.path} must hold each tensor once; got {names[plain]} and {name}. Save the model alone."
            )
        names[plain] = name
    return names


def _is_tied(side: Checkpoint | Adapter, embedding: str, head: str | None) -> bool:
    """Return whether the head is the embedding: not on disk, or with the same bytes there, and no flag says no."""
    tied = side.config.get("tie_word_embeddings") in (None, True)
    if head is None or not tied:
        return tied
    if isinstance(side, Adapter) and side.tensors[head].file in side.files:
        return False  # the adapter holds it whole: a head of its own
    base = side.base if isinstance(side, Adapter) else side
    one, other = base.tensors[embedding], base.tensors[head]
    tied = (one.dtype, one.shape) == (other.dtype, other.shape) and all(
        np.array_equal(base.raw(head, at, stop), base.raw(embedding, at, stop))
        for at in range(0, one.size, CHUNK)
        if (stop := min(one.size, at + CHUNK))
    )
    if tied and isinstance(side, Adapter) and head in side.factors:
        raise DataError(f"{side.path} must not change {head}, which is the embedding too; it does. {MERGE}")
    return tied


def _check_embedding(tuned: Adapter, name: str) -> None:
    """Raise where an adapter changes the embedding of a tied base, so that the head is another matrix from then on."""
    saved = any(
        name.removesuffix(".weight").endswith(one) for one in tuned.settings.get("modules_to_save") or ()
    )
    if name in tuned.factors or (saved and tuned.tensors[name].file in tuned.files):
        raise DataError(
            f"{tuned.path} must not change {name}, which is the head too, alone; it does. {MERGE}"
        )


def _check_names(
    original: Checkpoint, tuned: Checkpoint | Adapter, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    """Raise unless both have the same tensors."""
    for lacking, of, names, other in (
        ("tuned", tuned, ours, theirs),
        ("original", original, theirs, ours),
    ):
        lost = sorted(name for plain, name in names.items() if plain not in other)
        if lost:
            what = "the tuned model" if lacking == "original" else "the original"
            raise DataError(
                f"{lacking} must have every tensor of {what}; {of.path} lacks {len(lost)} of {len(names)}: "
                f"{', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}. Give two states of one model, saved whole."
            )


def _match(
    original: Checkpoint,
    tuned: Checkpoint | Adapter,
    ours: str,
    theirs: str,
    vocabulary: bool,
    architecture: str | None,
) -> Match:
    """Return one tensor of both; raise where the shapes do not allow it."""
    a, b = original.tensors[ours].shape, tuned.tensors[theirs].shape
    place = place_of(theirs, architecture) if architecture else unnamed_place(theirs)
    if a != b and not (vocabulary and a[1:] == b[1:]):
        raise DataError(
            f"{theirs} must have the original's shape {list(a)}; got {list(b)}. Give two states of one model."
        )
    return Match(theirs, ours, a if a == b else (min(a[0], b[0]), *a[1:]), place)


def _check_vocabulary(
    original: Checkpoint, tuned: Checkpoint | Adapter, resized: Sequence[tuple[str, int, int]]
) -> None:
    """Raise where a row of the embedding is another token in the other model."""
    others = other_tokens(original.path, tuned.path)
    if others:
        number, before, after = others[0]
        raise DataError(
            f"tuned must have the original's vocabulary; {len(others)} tokens are others, first {number}: "
            f"{before!r} and {after!r}. Give two states of one model."
        )
    shrunk = next((one for one in resized if one[2] < one[1]), None)
    if shrunk is not None and others is None:
        raise DataError(
            f"{shrunk[0]} must have at least the original's {shrunk[1]} rows; got {shrunk[2]}. Its rows may be other "
            "tokens: put tokenizer.json into both folders to have them compared."
        )


def _in_scope(
    matches: Sequence[Match],
    architecture: str | None,
    scope: str,
    layers: tuple[int, int] | None,
    pattern: str | None,
) -> set[str]:
    """Return the names that fit scope, layers and pattern; raise where none does."""
    taken = [match for match in matches if match.place.region in (*SCOPES[scope], "")]
    if not taken:
        there = [region for region in REGIONS if any(match.place.region == region for match in matches)]
        raise DataError(
            f"scope must be one that {architecture} has, {', '.join(there)} or all; got {scope!r}."
        )
    if layers is not None:
        count = 1 + max((match.place.layer for match in matches if match.place.layer is not None), default=-1)
        first, last = (_check.whole("layers", one, 0) for one in layers)
        if not first <= last < count:
            raise DataError(
                f"layers must be a first and a last one from 0 to {count - 1}; got {first} and {last}."
            )
        taken = [m for m in taken if m.place.layer is not None and first <= m.place.layer <= last]
        if not taken:
            raise DataError(f"layers must have tensors in scope {scope!r}; {first} to {last} have none.")
    if pattern is not None:
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise DataError(f"pattern must be a regular expression; got {pattern!r}: {error}.") from None
        fitting = [match for match in taken if wanted.search(match.name)]
        if not fitting:
            raise DataError(
                f"pattern must be found in a name in scope; {pattern!r} is in none of {len(taken)}, such as "
                f"{taken[0].name}."
            )
        taken = fitting
    return {match.name for match in taken}
