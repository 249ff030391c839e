"""Documents in, entities out: models that learn one corpus' rule book. One backend a file."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast, runtime_checkable

from assay._check import known
from assay.errors import DataError
from assay.ner.document import Document, Entity

Fingerprint: TypeAlias = Mapping[str, str | int | float]


@runtime_checkable
class Tagger(Protocol):
    """A model that finds entities.

    `fingerprint` holds everything, besides what it is fitted on, that decides what it predicts.
    """

    @property
    def fingerprint(self) -> Fingerprint: ...

    def fit(self, documents: Sequence[Document]) -> None:
        """Learn from documents; what was learned before is forgotten."""
        ...

    def predict(self, documents: Sequence[Document]) -> list[tuple[Entity, ...]]:
        """Return the entities of each document, whose own entities are not looked at."""
        ...


@dataclass(frozen=True, slots=True)
class TaggerRow:
    """One line of the `TAGGERS` table.

    `spec` is what a user writes. `build` is ``"module:class"``, called as ``build(argument, seed=seed)`` with what
    follows the colon of the spec. `extra` is the optional dependency group it needs.
    """

    spec: str
    summary: str
    build: str
    extra: str | None
    source: str


TAGGERS: Mapping[str, TaggerRow] = {
    "crf": TaggerRow(
        spec="crf",
        summary="conditional random field over words, shapes and affixes: seconds a corpus, no weights (default)",
        build="assay.ner.taggers.crf:CRF",
        extra=None,
        source="Lafferty et al., ICML 2001; CRFsuite (Okazaki, 2007)",
    ),
    "spacy": TaggerRow(
        spec="spacy",
        summary="a blank spaCy pipeline trained from scratch: convolutions over hashed word features",
        build="assay.ner.taggers.spacy_blank:Spacy",
        extra="spacy",
        source="Honnibal et al., spaCy",
    ),
    "gliner": TaggerRow(
        spec="gliner:<path or id>",
        summary="a GLiNER model asked for a corpus' label names; it is not trained",
        build="assay.ner.taggers.gliner_model:Gliner",
        extra="gliner",
        source="Zaratiana et al., NAACL 2024, arXiv 2311.08526",
    ),
}


def resolve(spec: str, *, seed: int = 0) -> Tagger:
    """Return a new tagger of the kind that `spec` names.

    Parameters
    ----------
    spec
        ``crf``, ``spacy`` or ``gliner:<path or id>``; see `TAGGERS`.
    seed
        Of whatever is drawn in training.

    Raises
    ------
    DataError
        An unknown tagger, or one without the argument it needs.
    MissingExtraError
        The tagger needs an optional dependency.
    """
    name, _, argument = spec.partition(":")
    row = TAGGERS[known("tagger", name, TAGGERS, "assay ner crossval --help")]
    if ("<" in row.spec) != bool(argument):
        raise DataError(f"tagger must be of the form {row.spec}; got {spec!r}.")
    module, _, build = row.build.partition(":")
    return cast(Tagger, getattr(importlib.import_module(module), build)(argument, seed=seed))
