"""Corpus arguments -> corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from assay._check import choice, known
from assay.cli.console import Talk
from assay.errors import DataError
from assay.ner import Corpus, read_corpus
from assay.ner.formats import NER_FORMATS, OnBad, refuse
from assay.ner.predictions import parted
from assay.ner.read import corpora as corpora_in


@dataclass(frozen=True, slots=True)
class Reading:
    """How every corpus of a run is read: what was said on the command line, None where it is inferred."""

    format: str | None = None
    language: str | None = None
    scheme: str | None = None
    tag_column: str | None = None
    repair: str = "begin"
    offsets: str | None = None

    def given(self) -> dict[str, Any]:
        """Return the options that are not at their defaults, enough to read a corpus again."""
        plain = asdict(Reading())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}


def corpora(
    arguments: Sequence[str], reading: Reading, talk: Talk, *, on_bad: OnBad = refuse
) -> list[Corpus]:
    """Return the corpora of arguments ``PATH`` or ``NAME=PATH``, and say what was inferred or mended.

    Two of one name are refused, since ``name/label`` must name one label.
    """
    if reading.format is not None:
        known("format", reading.format, NER_FORMATS, "assay ner convert --help")
    paths: dict[str, str] = {}
    found = []
    with talk.stage("read", ", ".join(arguments)):
        for name, path in [pair for argument in arguments for pair in _each(argument)]:
            corpus = read_corpus(path, name=name, on_bad=on_bad, **asdict(reading))
            if corpus.name in paths:
                raise DataError(
                    f"corpora must have different names; got {corpus.name!r} for {paths[corpus.name]} and {path}. "
                    "Name one: NAME=PATH."
                )
            paths[corpus.name] = path
            found.append(corpus)
    for corpus in found:
        for note in corpus.notes:
            talk.say(f"{corpus.name}: {note}")
    return found


def sets(
    arguments: Sequence[str], reading: Reading, split: str | None, talk: Talk, *, usual: str = "test"
) -> tuple[list[Corpus], list[Corpus]]:
    """Return the sets behind some arguments as they are to be used, and the same with all splits.

    A unified corpus is taken apart into those that it was made of. Without a `split` those that have the `usual` one
    are cut to it; ``all`` cuts none.
    """
    whole = [each for corpus in corpora(arguments, reading, talk) for each in parted(corpus)]
    cut = []
    for corpus in whole:
        wanted = split or (usual if usual in corpus.splits else "all")
        if wanted == "all":
            cut.append(corpus)
            continue
        choice("split", wanted, (*corpus.splits, "all"))
        kept = tuple(document for document in corpus.documents if document.split == wanted)
        if split is None and len(kept) < len(corpus.documents):
            other = "; --split all takes all" if usual == "test" else ""
            talk.say(f"{corpus.name}: the split {usual}{other}")
        cut.append(replace(corpus, documents=kept))
    return cut, whole


def _each(argument: str) -> list[tuple[str | None, str]]:
    """Return the name and path of every corpus of an argument: several where it is a folder of corpora."""
    name, path = named(argument)
    return [(name, path)] if name else [(None, each) for each in corpora_in(path)]


def named(argument: str) -> tuple[str | None, str]:
    """Return name and path of an argument; one that is a path as it stands has no name."""
    name, sign, path = argument.partition("=")
    if not sign or Path(argument).exists() or "/" in name:
        return None, argument
    if not name or not path:
        raise DataError(f"corpus must be PATH or NAME=PATH; got {argument!r}.")
    return name, path
