"""Corpora -> a type for each of their labels, as proposals and as draft decisions."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay._check import between, whole
from assay.embed import Encoder, resolve
from assay.errors import DataError
from assay.ner.decisions import Decision
from assay.ner.document import Corpus
from assay.ner.mapping.settle import combined, in_company, settled
from assay.ner.mapping.signals import (
    Given,
    Known,
    Signal,
    Space,
    by_labels,
    by_meaning,
    by_mentions,
    by_name,
    given,
    known_mentions,
)
from assay.ner.taxonomy import Source, Taxonomy, Type, sources, universal
from assay.ner.taxonomy.look import nearest
from assay.ner.validate import PROPOSAL

# The share of first proposals that were right as a function of the first score and of its distance from the second,
# fitted like the weights in `settle`.
SCORE, MARGIN, START = 7.5, 3.8, -3.1
NOTABLE = 0.1  # below this a signal is not told


@dataclass(frozen=True, slots=True)
class Candidate:
    """A type that a label may come to: its id and names, its score (0 to 1), and what each signal says (0 to 1)."""

    type: str
    en: str
    zh: str
    score: float
    evidence: Mapping[str, float]
    why: str


@dataclass(frozen=True, slots=True)
class LabelProposal:
    """What a label should come to: the first of its candidates.

    `confidence` is how often a first proposal like this one was right, from 0 to 1. `note` says what settling the
    labels of the corpus together changed.
    """

    corpus: str
    label: str
    language: str
    entities: int
    confidence: float
    candidates: tuple[Candidate, ...]
    note: str = ""

    @property
    def type(self) -> str:
        """The id of the proposed type."""
        return self.candidates[0].type

    @property
    def name(self) -> str:
        """What the proposed type is called in the language of the corpus."""
        first = self.candidates[0]
        return first.zh if self.language.startswith("zh") else first.en


def propose_mapping(
    corpora: Sequence[Corpus],
    *,
    taxonomy: Taxonomy | None = None,
    catalogue: Mapping[str, Source] | None = None,
    references: Sequence[Corpus] = (),
    definitions: Mapping[str, str] | None = None,
    hidden: Collection[str] = (),
    encoder: Encoder | str | None = "sentence",
    top: int = 5,
) -> tuple[LabelProposal, ...]:
    """Return a proposal for every label of corpora that nobody has mapped, with what speaks for it.

    Four signals speak for a type: its names and aliases, spelled like the label, short for it or joined (`name`); what
    the corpora of the catalogue mean by the same label, those with more of the corpus' labels first (`labels`); the
    vector of the label with its most frequent mentions, or its definition, against names, definitions and examples
    (`meaning`); and the types that its mentions have in the references and among the examples (`mentions`). A score is
    what is left when each signal leaves its share of doubt. The labels of one corpus are settled together: types of a
    tree that others come to gain, a type is seldom given twice, and a label that another one is a part of is offered
    what is left, the *other* child, next.

    Parameters
    ----------
    corpora
        Their labels; documents may be missing.
    taxonomy, catalogue
        What labels may come to, and corpora whose labels are known to; by default the universal taxonomy and `sources`.
    references
        Corpora of the catalogue, by their names there, with texts: their mentions have known types.
    definitions
        What labels mean, by ``corpus/label`` or label: a sentence of the annotation guide. One of at most 60 characters
        is also read as a name.
    hidden
        Names of corpora of the catalogue that are to be unknown: their labels have no say, and an alias that only they
        have as a label is none. A corpus that is in the catalogue by its own name is hidden from itself.
    encoder
        Of names and meanings; None leaves `meaning` out.
    top
        How many candidates each proposal keeps.

    Returns
    -------
    tuple of LabelProposal
        In the order of the corpora and their labels; the same for the same input, whatever the order of references.

    Raises
    ------
    DataError
        The taxonomy has no types, or a reference or hidden name is none of the catalogue.

    Notes
    -----
    One pass over the entities of each corpus; the names of all types are compared with each label (some ms a label),
    and two vectors a type are made (some 10 s with the default encoder). Weights were chosen on all corpora
    but those that B2NERD tests on, each left out in turn. Not from the paper, whose mapping experts made by hand.

    Examples
    --------
    >>> from assay.ner.taxonomy import Phrases, Type
    >>> types = Type(id="language", en="programming language", zh="编程语言"), Type(id="person", en="person", zh="人名")
    >>> corpus = Corpus("code", (), ("programlang",))
    >>> found = propose_mapping([corpus], taxonomy=Taxonomy(types=types), catalogue={}, encoder=None)
    >>> found[0].type, found[0].candidates[0].why
    ('language', "name 'programming language' .71")
    """
    taxonomy = universal() if taxonomy is None else taxonomy
    catalogue = sources() if catalogue is None else catalogue
    whole("top", top, 1)
    if not taxonomy.living:
        raise DataError("taxonomy must have types; got none.")
    for corpus in references:
        if corpus.name not in catalogue:
            raise DataError(
                f"references must be corpora whose labels are mapped; got {corpus.name!r}. Name it as the catalogue "
                "does, NAME=PATH: see assay ner taxonomy --stats."
            )
    for name in hidden:
        if name not in catalogue:
            raise DataError(f"hidden must be names of the catalogue; got {name!r}.{nearest(name, catalogue)}")
    made = resolve(encoder) if isinstance(encoder, str) else encoder
    proposals: list[LabelProposal] = []
    spaces: dict[frozenset[str], Space] = {}
    for corpus in corpora:
        dark = frozenset({*hidden, corpus.name} & catalogue.keys())
        if dark not in spaces:
            spaces[dark] = Space(taxonomy, catalogue, dark, made)
        space = spaces[dark]
        one = given(corpus, definitions or {})
        if one.labels:
            known = known_mentions([each for each in references if each.name != corpus.name], space)
            proposals += _proposed(one, space, known, top)
    return tuple(proposals)


def _proposed(corpus: Given, space: Space, known: Known, top: int) -> list[LabelProposal]:
    signals = [by_name(corpus, space), by_labels(corpus, space)]
    if space.encoder is not None:
        signals.append(by_meaning(corpus, space))
    if any(corpus.mentions):
        signals.append(by_mentions(corpus, space, known))
    scores = in_company(combined(signals), space)
    chosen, rest = settled(scores, space)
    out = []
    for row, label in enumerate(corpus.labels):
        first, note = chosen[row], ""
        order = [int(column) for column in np.argsort(-scores[row], kind="stable") if column != first]
        second = scores[row, order[0]] if order else 0.0
        if row in rest:
            other, part = rest[row]
            order.remove(other)
            order.insert(0, other)
            names = [space.types[column].en for column in (part, first, other)]
            note = f"{names[0]} is a part of {names[1]}: perhaps {names[2]}"
        out.append(
            LabelProposal(
                corpus.name,
                label,
                corpus.language,
                corpus.entities[row],
                round(confidence(scores[row, first], scores[row, first] - second), 2),
                tuple(
                    _candidate(space.types[column], row, column, scores[row, column], signals)
                    for column in [first, *order][:top]
                ),
                note,
            )
        )
    return out


def confidence(score: float, margin: float) -> float:
    """Return how often first proposals of such a score, and such a distance from the next, were right."""
    return 1.0 / (1.0 + math.exp(-(START + SCORE * score + MARGIN * margin)))


def _candidate(kind: Type, row: int, column: int, score: float, signals: Sequence[Signal]) -> Candidate:
    evidence = {signal.name: round(float(signal.values[row, column]), 3) for signal in signals}
    told = [
        f"{signal.why.get((row, column), signal.name)} {_two(evidence[signal.name])}"
        for signal in signals
        if evidence[signal.name] >= NOTABLE
    ]
    return Candidate(
        kind.id, kind.en, kind.zh, round(float(score), 3), evidence, "; ".join(told) or "nothing"
    )


def _two(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def proposed_decisions(
    proposals: Sequence[LabelProposal], *, min_confidence: float = 0.0
) -> tuple[Decision, ...]:
    """Return proposals as draft decisions, one a name: rename for one label, same for several, with the figures.

    Proposals below `min_confidence` (0 to 1) are left out. The author is ``proposal``: `apply` refuses them until a
    person confirms.
    """
    between("min_confidence", min_confidence, 0.0, 1.0)
    by_name: dict[str, list[LabelProposal]] = {}
    for each in proposals:
        if each.confidence >= min_confidence:
            by_name.setdefault(each.name, []).append(each)
    return tuple(
        Decision(
            id=f"d{number}",
            labels=tuple(f"{each.corpus}/{each.label}" for each in group),
            action="rename" if len(group) == 1 else "same",
            name=name,
            author=PROPOSAL,
            reason=" | ".join(_reason(each, several=len(group) > 1) for each in group),
        )
        for number, (name, group) in enumerate(by_name.items(), 1)
    )


def _reason(proposal: LabelProposal, *, several: bool) -> str:
    first, *rest = proposal.candidates
    label = f"{proposal.corpus}/{proposal.label}: " if several else ""
    note = f" ({proposal.note})" if proposal.note else ""
    name = "zh" if proposal.language.startswith("zh") else "en"
    next_ones = ", ".join(f"{getattr(each, name)} {_two(each.score)}" for each in rest[:2])
    return f"{label}confidence {_two(proposal.confidence)}; {first.why}{note}" + (
        f"; next: {next_ones}" if next_ones else ""
    )
