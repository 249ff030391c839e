"""What speaks for a type: names, labels of known corpora, meaning, mentions; a matrix of labels by types each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.embed import Encoder
from assay.ner.document import Corpus
from assay.ner.index import indexable, key
from assay.ner.mapping.names import Alike, phrase, readings, same
from assay.ner.relations import plain_name
from assay.ner.taxonomy import Source, Taxonomy, Type

Matrix = NDArray[np.float64]
SHOWN = 5  # mentions of a label that are encoded with it
SMALL = 5.0  # mentions that count as no evidence beside those that are shared
BROADER, FINER = 0.8, 0.4  # what mentions of a type say for the one above it, and for those right below it
Known = Mapping[tuple[str, ...], Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Signal:
    """How much speaks for each type (labels, types), from 0 to 1, and in words why, for those that anything does."""

    name: str
    values: Matrix
    why: Mapping[tuple[int, int], str]


@dataclass(frozen=True, slots=True)
class Given:
    """One corpus to be mapped: its labels, most frequent mentions of each, and what else is known of them."""

    name: str
    language: str
    labels: tuple[str, ...]
    entities: tuple[int, ...]
    mentions: tuple[Counter[tuple[str, ...]], ...]
    shown: tuple[tuple[str, ...], ...]
    definitions: tuple[str, ...]


def given(corpus: Corpus, definitions: Mapping[str, str]) -> Given:
    """Return what is known of the labels of a corpus, in one pass over its entities."""
    surfaces: dict[str, Counter[str]] = {label: Counter() for label in corpus.labels}
    for document in corpus.documents:
        for entity in document.entities:
            surfaces.setdefault(entity.label, Counter())[document.surface(entity)] += 1
    labels = tuple(surfaces)
    ranked = [sorted(found.items(), key=lambda pair: (-pair[1], pair[0])) for found in surfaces.values()]
    language = corpus.language or next((d.language for d in corpus.documents if d.language), "")
    return Given(
        corpus.name,
        language or ("zh" if any("\u4e00" <= c <= "\u9fff" for label in labels for c in label) else "en"),
        labels,
        tuple(found.total() for found in surfaces.values()),
        tuple(_keys(found) for found in surfaces.values()),
        tuple(tuple(surface for surface, _ in found[:SHOWN]) for found in ranked),
        tuple(definitions.get(f"{corpus.name}/{label}", definitions.get(label, "")) for label in labels),
    )


def _keys(surfaces: Mapping[str, int]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for surface, count in surfaces.items():
        folded = key(surface)
        if indexable(folded):
            found[folded] += count
    return found


class Space:
    """The types that labels may come to, with all that they are called; hidden corpora have no say in it."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        catalogue: Mapping[str, Source],
        hidden: Collection[str],
        encoder: Encoder | None,
    ) -> None:
        self.types = taxonomy.living
        self.at = {kind.id: number for number, kind in enumerate(self.types)}
        self.catalogue = {name: source for name, source in catalogue.items() if name not in hidden}
        self.encoder = encoder
        shown = {plain_name(label) for source in self.catalogue.values() for label in source.labels}
        dark = {
            plain_name(label) for name in hidden if name in catalogue for label in catalogue[name].labels
        } - shown
        self.names = [_called(kind, dark) for kind in self.types]
        self.lineage = [self._lineage(number) for number in range(len(self.types))]
        self.roots = [self.types[line[-1]].id for line in self.lineage]
        self.other = {
            kind.parent: number
            for number, kind in enumerate(self.types)
            if kind.other and kind.parent is not None
        }
        self.alike = Alike(name for names in self.names for name, _ in names)
        self._vectors: dict[str, Matrix] = {}

    def _lineage(self, number: int) -> list[int]:
        """Return a type and all above it, the nearest first."""
        line = [number]
        while (above := self.at.get(self.types[line[-1]].parent or "")) is not None and above not in line:
            line.append(above)
        return line

    def vectors(self, what: str) -> Matrix:
        """Return the vectors of names or of meanings in one language, a row a type."""
        if what not in self._vectors:
            assert self.encoder is not None
            kind, language = what.split()
            texts = [
                _meaning(each, language) if kind == "meaning" else _name(each, language)
                for each in self.types
            ]
            self._vectors[what] = np.asarray(self.encoder.encode(texts), dtype=np.float64)
        return self._vectors[what]


def _called(kind: Type, dark: Collection[str]) -> list[tuple[str, str]]:
    """Return all names of a type with what each is, but for aliases that only hidden corpora write."""
    parts = kind.zh.split("->")
    names = [(kind.en, "name"), (kind.zh, "name")]
    if len(parts) > 1 and not kind.other:
        names.append((parts[-1], "name"))
    names += [
        (alias, "alias") for alias in (*kind.aliases.en, *kind.aliases.zh) if plain_name(alias) not in dark
    ]
    return [(name, what) for name, what in names if name]


def _name(kind: Type, language: str) -> str:
    return kind.zh.replace("->", " ") if language == "zh" else kind.en


def _meaning(kind: Type, language: str) -> str:
    if language == "zh":
        return f"{kind.zh.split('->')[-1]}：{kind.definition.zh}例如{'、'.join(kind.examples.zh)}"
    return f"{kind.en}: {kind.definition.en} Such as {', '.join(kind.examples.en)}"


def by_name(corpus: Given, space: Space) -> Signal:
    """Compare labels with the names and aliases of types; a short definition counts as a name, too."""
    values = np.zeros((len(corpus.labels), len(space.types)))
    why = {}
    read = readings(corpus.labels)
    names = [[(phrase(name), name, what) for name, what in called] for called in space.names]
    for row, label in enumerate(corpus.labels):
        said = list(read[label])
        if 0 < len(corpus.definitions[row]) <= 60:
            said.append((phrase(corpus.definitions[row]), 0.95))
        for column, called in enumerate(names):
            for text, name, what in called:
                found = max((weight * space.alike(one, text) for one, weight in said), default=0.0)
                if found > values[row, column]:
                    values[row, column] = found
                    why[row, column] = f"{what} {name!r}"
    return Signal("name", values, why)


def by_labels(corpus: Given, space: Space) -> Signal:
    """Ask the known corpora what they mean by the label; those with more of the corpus' labels have more to say."""
    values = np.zeros((len(corpus.labels), len(space.types)))
    votes: list[defaultdict[int, list[tuple[float, str]]]] = [defaultdict(list) for _ in corpus.labels]
    read = readings(corpus.labels)
    own = {plain_name(text) for said in read.values() for text, _ in said}
    total = [0.0] * len(corpus.labels)
    for source in space.catalogue.values():
        if not source.labels:
            continue
        theirs = {label: _said(source, label) for label in source.labels}
        shared = sum(any(plain_name(text) in own for text in said) for said in theirs.values())
        trust = 0.15 + shared / max(len(theirs), len(own)) + 0.15 * (source.language == corpus.language)
        for label, said in theirs.items():
            column = space.at.get(source.labels[label].type or "")
            if column is None:
                continue
            for row, mine in enumerate(corpus.labels):
                likeness = max(
                    (weight * same(one, text) for one, weight in read[mine] for text in said), default=0.0
                )
                if likeness:
                    strength = trust * likeness**4
                    votes[row][column].append((strength, f"{source.name}/{label}"))
                    total[row] += strength
    why = {}
    for row, found in enumerate(votes):
        for column, said_by in found.items():
            values[row, column] = sum(strength for strength, _ in said_by) / (total[row] + 0.1)
            named = [label for _, label in sorted(said_by, key=lambda pair: (-pair[0], pair[1]))]
            more = f" and {len(named) - 3} more" if len(named) > 3 else ""
            why[row, column] = f"labels {', '.join(named[:3])}{more}"
    return Signal("labels", values, why)


def _said(source: Source, label: str) -> list[str]:
    return [text for text, _ in readings(tuple(source.labels))[label]]


def by_meaning(corpus: Given, space: Space) -> Signal:
    """Compare vectors: of the label with its mentions or definition, of the types with theirs."""
    language = "zh" if corpus.language.startswith("zh") else "en"
    encoder = space.encoder
    assert encoder is not None
    read = readings(corpus.labels)
    texts, whole = [], []
    colon, comma = ("：", "、") if language == "zh" else (": ", ", ")
    for row, label in enumerate(corpus.labels):
        name = read[label][0][0] if read[label] else label
        texts.append(name)
        rest = corpus.definitions[row] or comma.join(corpus.shown[row])
        whole.append(f"{name}{colon}{rest}" if rest else name)
    short = np.asarray(encoder.encode(texts), dtype=np.float64)
    long = np.asarray(encoder.encode(whole), dtype=np.float64)
    names = np.maximum(short @ space.vectors("name en").T, short @ space.vectors("name zh").T)
    meanings = long @ space.vectors(f"meaning {language}").T
    values = np.clip(0.5 * names + 0.5 * meanings, 0.0, 1.0)
    return Signal("meaning", values, {})


def known_mentions(references: Sequence[Corpus], space: Space) -> Known:
    """Return for each mention of mapped corpora, and each example, the share that each type has in it.

    Each corpus counts once for a mention, however often it has it.
    """
    found: dict[tuple[str, ...], defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for number, kind in enumerate(space.types):
        for example in (*kind.examples.en, *kind.examples.zh):
            found[key(example)][number] += 1.0
    for corpus in sorted(references, key=lambda corpus: corpus.name):
        source = space.catalogue.get(corpus.name)
        if source is None:
            continue
        own: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        one = given(corpus, {})
        for label, mentions in zip(one.labels, one.mentions, strict=True):
            raw = source.labels.get(label)
            column = None if raw is None else space.at.get(raw.type or "")
            if column is not None:
                for mention, count in mentions.items():
                    own[mention][column] += count
        for mention, counts in own.items():
            total = counts.total()
            for column, count in counts.items():
                found[mention][column] += count / total
    return {
        mention: {column: share / sum(shares.values()) for column, share in shares.items()}
        for mention, shares in found.items()
    }


def by_mentions(corpus: Given, space: Space, known: Known) -> Signal:
    """Ask what types the mentions of a label have elsewhere; each mention counts once.

    A type also has most of what the types below it have, since others may be finer, and what lies below has some of
    what it has, since the label may be finer.
    """
    values = np.zeros((len(corpus.labels), len(space.types)))
    why = {}
    for row, mentions in enumerate(corpus.mentions):
        shared = [known[mention] for mention in mentions if mention in known]
        shares = np.zeros(len(space.types))
        for each in shared:
            for column, share in each.items():
                for distance, above in enumerate(space.lineage[column]):
                    shares[above] += share * BROADER**distance
        values[row] = shares / (len(shared) + SMALL)
        for number, line in enumerate(space.lineage):
            if shares[number]:
                why[row, number] = f"{shares[number]:.0f} of {len(shared)} shared mentions"
            if len(line) > 1:
                values[row, number] = max(
                    values[row, number], FINER * shares[line[1]] / (len(shared) + SMALL)
                )
    return Signal("mentions", values, why)
