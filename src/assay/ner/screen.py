"""Where corpora disagree about the same words: every mention of one, as the others annotate it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from assay._check import between, whole
from assay.errors import DataError
from assay.ner.document import Corpus
from assay.ner.index import CAPITALISED, UPPER, Gold, indexable, key, occurrences, shape, trie

EXAMPLES = 4  # occurrences kept for each mention, corpus and verdict
GUARDED = 0.8  # share of capitalised gold from which a mention is looked for in capitals only
NONE = "none"
Place = tuple[int, int, int]  # document, start, end


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the evidence; see `screen`."""

    min_gold: int
    consistency: float
    case_guard: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """One mention type as one corpus annotates it.

    `counts` are its occurrences by (shape, verdict, labels), `places` the first of each in an order drawn by the seed.
    """

    counts: Mapping[tuple[int, str, tuple[str, ...]], int]
    places: Mapping[tuple[int, str, tuple[str, ...]], tuple[Place, ...]]


@dataclass(frozen=True, slots=True)
class Witness:
    """A mention that a label vouches for, in another corpus.

    `gold` is how often its own corpus has it under the label, `shapes` which patterns of capitals count. `verdicts` are
    its shares there, without ``inside``, empty where it stands only inside longer entities; `bounds` the shares of
    ``inside``, ``part`` and ``cross`` among all occurrences. `own` and `own_bounds` are the same in its own corpus.
    """

    mention: int
    gold: int
    shapes: tuple[int, ...]
    verdicts: Mapping[str, float]
    bounds: Mapping[str, float]
    own: Mapping[str, float]
    own_bounds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What `screen` found: all that relations, cards and tables are made of.

    `mentions` are the surfaces by number; `found[corpus][mention]` the counts; `gold[corpus][label]` how many entities
    each mention has; `witnesses[corpus, label, other corpus]` are in the order of mentions.
    """

    corpora: tuple[Corpus, ...]
    settings: Settings
    mentions: tuple[str, ...]
    found: Mapping[str, Mapping[int, Found]]
    gold: Mapping[str, Mapping[str, Mapping[int, int]]]
    witnesses: Mapping[tuple[str, str, str], tuple[Witness, ...]]


def screen(
    corpora: Sequence[Corpus],
    *,
    min_gold: int = 2,
    consistency: float = 0.7,
    case_guard: bool = True,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evidence:
    """Find every annotated mention of every corpus in all of them, and how each annotates it.

    One pass over each text: all mentions stand in one trie of tokens (`assay.ner.index`). An occurrence has one
    verdict: ``same`` (an entity with exactly its bounds; several labels share its weight), else ``inside`` (a longer
    entity holds it), else ``part`` (an entity lies in it), else ``cross`` (one cuts it), else ``none``. A label vouches
    for those of its mentions that occur often and consistently in its own corpus; each of these, found in another
    corpus, is one `Witness` with weight 1, however often it occurs, so that no frequent word decides.

    Parameters
    ----------
    corpora
        Two or more, of different names.
    min_gold
        Entities of a label from which a mention vouches for it (>= 1).
    consistency
        Share of its occurrences in its own corpus, outside longer entities, that must have the label (0 to 1).
    case_guard
        Look for mentions that are capitalised in at least 80 % of a label's entities only in capitals, and for those
        that are in upper case in 80 % only in upper case, so that ``US`` is not found in every "us".
    seed
        Of the order in which places are kept as examples, four for each mention, corpus and verdict, and of the
        bootstrap in `relations` (0 to 2**64 - 1).
    progress
        Called with (documents done, documents in all).

    Returns
    -------
    Evidence
        The same for any order of corpora and, places apart, of documents; the evidence between two corpora does not
        depend on what other corpora are there.

    Raises
    ------
    DataError
        Fewer than two corpora, equal names, no entity at all, or a setting out of range.

    Notes
    -----
    O(tokens + occurrences) time and O(mentions x corpora that have them) memory. Single characters of unspaced scripts
    are not looked for, nor mentions without a letter or digit. Mentions of discontinuous entities are not either, since
    no stretch of text has their bounds.

    The screen follows the rules that the B2NERD paper names (Yang et al., COLING 2025, arXiv 2406.11192), not the
    program released with it, which compares only labels of equal names, looks at one sentence a mention and samples.

    Examples
    --------
    >>> from assay.ner import Corpus, Document, Entity
    >>> place = Document("1", "Paris and Paris", (Entity(0, 5, "LOC"), Entity(10, 15, "LOC")))
    >>> other = Document("1", "to Paris", (Entity(3, 8, "city"),))
    >>> evidence = screen([Corpus("a", (place,)), Corpus("b", (other,))])
    >>> [dict(w.verdicts) for w in evidence.witnesses["a", "LOC", "b"]]
    [{'same:city': 1.0}]
    """
    whole("min_gold", min_gold, 1)
    between("consistency", consistency, 0, 1)
    whole("seed", seed, 0, 2**64 - 1)
    corpora = tuple(sorted(corpora, key=lambda corpus: corpus.name))
    names = [corpus.name for corpus in corpora]
    if len(names) < 2:
        raise DataError(
            f"corpora must be two or more; got {len(names)}. One corpus has nobody to disagree with."
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"corpora must have different names; got {twice!r} twice. Name one: NAME=PATH.")
    settings = Settings(min_gold, consistency, case_guard, seed)
    gold_keys = [_gold_keys(corpus) for corpus in corpora]
    keys = sorted({mention for per in gold_keys for mention in per})
    if not keys:
        raise DataError("corpora must hold entities; got none in any. Check with: assay ner stats")
    number = {mention: at for at, mention in enumerate(keys)}
    root = trie(keys)
    total, done = sum(len(corpus.documents) for corpus in corpora), 0
    found: dict[str, dict[int, Found]] = {}
    for corpus in corpora:
        found[corpus.name] = _scan(corpus, root, seed, _offset(progress, done, total))
        done += len(corpus.documents)
    gold: dict[str, dict[str, dict[int, int]]] = {}
    surfaces: dict[int, dict[str, int]] = {}
    shapes: dict[str, dict[str, dict[int, list[int]]]] = {}
    for corpus, per in zip(corpora, gold_keys, strict=True):
        counted: dict[str, dict[int, int]] = {}
        shaped: dict[str, dict[int, list[int]]] = {}
        for mention, uses in per.items():
            at = number[mention]
            for (label, surface), count in uses.items():
                counted.setdefault(label, {})
                counted[label][at] = counted[label].get(at, 0) + count
                shaped.setdefault(label, {}).setdefault(at, [0, 0, 0])[shape(surface)] += count
                written = surfaces.setdefault(at, {})
                written[surface] = written.get(surface, 0) + count
        gold[corpus.name], shapes[corpus.name] = counted, shaped
    mentions = tuple(
        min(surfaces[at], key=lambda surface: (-surfaces[at][surface], surface)) for at in range(len(keys))
    )
    witnesses = _witnesses(names, gold, shapes, found, settings)
    return Evidence(corpora, settings, mentions, found, gold, witnesses)


def _offset(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int], None]:
    """Return what tells `progress` how many documents of all are done, told how many of one corpus are."""
    return lambda done: None if progress is None else progress(before + done, total)


def _gold_keys(corpus: Corpus) -> dict[tuple[str, ...], dict[tuple[str, str], int]]:
    """Return, for each mention that is worth looking for, how often each (label, surface) stands in the corpus."""
    uses: dict[tuple[str, str], int] = {}
    for document in corpus.documents:
        for entity in document.entities:
            if entity.spans is None:
                use = (entity.label, document.text[entity.start : entity.end].strip())
                uses[use] = uses.get(use, 0) + 1
    per: dict[tuple[str, ...], dict[tuple[str, str], int]] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for use, count in uses.items():
        mention = keys.get(use[1])
        if mention is None:
            mention = keys[use[1]] = key(use[1])
        if indexable(mention):
            per.setdefault(mention, {})[use] = count
    return per


def _scan(
    corpus: Corpus, root: dict[str, object], seed: int, progress: Callable[[int], None]
) -> dict[int, Found]:
    """Return what became of each mention in a corpus: documents are read in an order drawn by the seed."""
    start_of = seed.to_bytes(8, "little")

    def rank(at: int) -> tuple[bytes, str, str]:
        document = corpus.documents[at]
        text = document.text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8, key=start_of).digest(), document.id, document.split

    counts: dict[int, dict[tuple[int, str, tuple[str, ...]], int]] = {}
    places: dict[int, dict[tuple[int, str, tuple[str, ...]], list[Place]]] = {}
    for done, at in enumerate(sorted(range(len(corpus.documents)), key=rank), 1):
        document = corpus.documents[at]
        here = occurrences(document.text, root)
        if here:
            verdict = Gold(document).verdict
            text = document.text
            for mention, start, end in here:
                case = (shape(text[start:end]), *verdict(start, end))
                of = counts.get(mention)
                if of is None:
                    of = counts[mention] = {}
                    places[mention] = {}
                seen = of.get(case, 0)
                of[case] = seen + 1
                if seen < EXAMPLES:
                    places[mention].setdefault(case, []).append((at, start, end))
        if done % 1000 == 0 or done == len(corpus.documents):
            progress(done)
    return {
        mention: Found(
            dict(sorted(of.items())), {case: tuple(kept) for case, kept in sorted(places[mention].items())}
        )
        for mention, of in sorted(counts.items())
    }


def _witnesses(
    names: Sequence[str],
    gold: Mapping[str, Mapping[str, Mapping[int, int]]],
    shapes: Mapping[str, Mapping[str, Mapping[int, Sequence[int]]]],
    found: Mapping[str, Mapping[int, Found]],
    settings: Settings,
) -> dict[tuple[str, str, str], tuple[Witness, ...]]:
    witnesses: dict[tuple[str, str, str], tuple[Witness, ...]] = {}
    for name in names:
        for label, per in sorted(gold[name].items()):
            gathered: dict[str, list[Witness]] = {other: [] for other in names if other != name}
            for mention, count in sorted(per.items()):
                if count < settings.min_gold or mention not in found[name]:
                    continue
                allowed = _allowed(shapes[name][label][mention]) if settings.case_guard else (0, 1, 2)
                own, own_bounds = shares(found[name][mention], allowed)
                if own.get(f"same:{label}", 0.0) < settings.consistency:
                    continue
                for other, witnessed in gathered.items():
                    there = found[other].get(mention)
                    if there is not None:
                        verdicts, bounds = shares(there, allowed)
                        if verdicts or bounds:
                            witnessed.append(
                                Witness(mention, count, allowed, verdicts, bounds, own, own_bounds)
                            )
            for other, witnessed in gathered.items():
                if witnessed:
                    witnesses[name, label, other] = tuple(witnessed)
    return witnesses


def _allowed(shaped: Sequence[int]) -> tuple[int, ...]:
    """Return the patterns of capitals in which a mention counts, by how its entities are written."""
    total = sum(shaped)
    if shaped[UPPER] >= GUARDED * total:
        return (UPPER,)
    if shaped[CAPITALISED] + shaped[UPPER] >= GUARDED * total:
        return (CAPITALISED, UPPER)
    return (0, CAPITALISED, UPPER)


def shares(found: Found, shapes: Sequence[int]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the shares of verdicts without ``inside``, and those of other bounds among all occurrences, by label."""
    verdicts: dict[str, list[float]] = {}
    bounds: dict[str, list[float]] = {}
    outside = total = 0
    for (pattern, verdict, labels), count in found.counts.items():
        if pattern not in shapes:
            continue
        total += count
        if verdict != "inside":
            outside += count
            for name in [f"{verdict}:{label}" for label in labels] or [NONE]:
                verdicts.setdefault(name, []).append(count / max(len(labels), 1))
        if verdict in ("inside", "part", "cross"):
            for label in labels:
                bounds.setdefault(f"{verdict}:{label}", []).append(count / len(labels))
    return (
        {name: fsum(counts) / outside for name, counts in sorted(verdicts.items())},
        {label: fsum(counts) / total for label, counts in sorted(bounds.items())},
    )
