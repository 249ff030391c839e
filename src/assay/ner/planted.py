"""Invented corpora whose rule books are known, and how every pair of their labels must come out of a screen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from assay._check import at_least, between, choice, whole
from assay.errors import DataError
from assay.ner.document import Corpus, Document, Entity, Span

LANGUAGES = ("en", "zh", "mixed")
WHOLE, NAME = "whole", "name"  # what a rule book marks of a longer form: all of it, or the name inside
Mark = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """A way in which names stand in texts: bare, or inside a longer phrase in so many variants a name.

    `weight` is how often, as a multiple of a bare name.
    """

    pool: str
    variants: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Expected:
    """How two labels (``corpus/label``) of planted corpora relate.

    `relation` reads from `first` to `second`. `shares` are the shares of the mentions of each that the other's corpus
    marks as the other label, without noise. `flags` holds, for each direction, ``gap`` and ``boundary`` where they
    apply; they belong to a label and the other corpus, whatever the second label.
    """

    first: str
    second: str
    relation: str
    flags: tuple[tuple[str, ...], tuple[str, ...]]
    shares: tuple[float, float]


FORMS: Mapping[str, Form] = {
    name: Form(name)
    for name in (
        *(
            "person",
            "politician",
            "athlete",
            "country",
            "city",
            "river",
            "company",
            "club",
            "university",
            "book",
        ),
        *(
            "song",
            "disease",
            "drug",
            "device",
            "vehicle",
            "award",
            "festival",
            "animal",
            "plant",
            "dish",
            "factory",
        ),
    )
} | {"titled": Form("person", 2, 2), "government": Form("country", 1, 2)}

BOOKS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "amber": {
        "PER": ("person", "titled", "politician", "athlete"),
        "LOC": ("country", "city", "river"),
        "ORG": ("company", "club", "university", "government"),
        "WORK": ("book", "song"),
        "EVENT": ("festival", "award"),
        "DIS": ("disease",),
        "CHEM": ("drug",),
        "VEH": ("vehicle",),
        "FAC": ("factory",),
    },
    "birch": {
        "person": ("person", "titled:name"),
        "politician": ("politician",),
        "athlete": ("athlete",),
        "country": ("country", "government:name"),
        "city": ("city",),
        "river": ("river",),
        "company": ("company",),
        "team": ("club",),
        "school": ("university",),
        "book": ("book",),
        "song": ("song",),
        "event": ("festival",),
        "award": ("award",),
        "disease": ("disease",),
        "drug": ("drug",),
        "product": ("device", "vehicle"),
        "animal": ("animal",),
        "plant": ("plant",),
    },
    "cedar": {
        "person": ("person", "titled:name", "politician"),
        "star": ("athlete",),
        "location": ("country", "government:name"),
        "organization": ("company", "university"),
        "club": ("club",),
        "work": ("book",),
        "culture": ("song", "award"),
        "event": ("festival",),
        "disease": ("disease",),
        "chemical": ("drug",),
        "product": ("vehicle", "dish"),
        "plant": ("factory",),
    },
}


def planted(
    *,
    seed: int = 0,
    noise: float = 0.0,
    language: str = "en",
    names: int = 50,
    uses: int = 6,
) -> tuple[list[Corpus], tuple[Expected, ...]]:
    """Return three invented corpora with planted conflicts, and the truth about every pair of their labels.

    All three speak of the same 21 kinds of things, by names that are invented here, in sentences made of our own
    clauses; each marks them by a rule book of its own (`BOOKS`). So there are

    - other names of one meaning: ``DIS`` and ``disease``, ``CHEM``, ``drug`` and ``chemical``, ``team`` and ``club``;
    - one name of other meanings: ``plant`` (vegetation; a factory), ``product`` (overlapping), ``person``, ``work``;
    - labels of one that are several of another: ``PER``, ``LOC``, ``ORG``, ``WORK``, ``EVENT``;
    - other boundaries: "Doctor Brel Tovan" or the name alone; "Velmonia government" (an ``ORG``) or the country in it;
    - things that a corpus does not mark: cities, rivers, animals, dishes, devices;
    - labels that agree in name and meaning, and hundreds of pairs that have nothing to do with each other;
    - titles that are common words (``Us``, ``The``), names that are (高兴), Latin names in Chinese text, and one
      corpus with spaces before its punctuation (amber, in English).

    Parameters
    ----------
    seed : int, default 0
        Draws names, sentences and noise. Names and sentences do not depend on `noise`.
    noise : float from 0 to 1, default 0
        Share of the marked entities that are spoiled at random: a third dropped, a third given another label of the
        corpus, a third with a boundary moved by one word or character. What is spoiled at .05 is so at .1, too.
    language : {'en', 'zh', 'mixed'}, default 'en'
        ``mixed`` has documents and names of both in every corpus.
    names : int >= 12, default 50
        Names of each kind that a corpus knows, of 6/5 as many: two corpora share about 5/6 of theirs.
    uses : int >= 4, default 6
        How often a corpus uses each name; twice as often in longer phrases (titles, governments).

    Returns
    -------
    corpora : list of Corpus
        ``amber``, ``birch`` and ``cedar``, each with splits train, dev and test (8 : 1 : 1), documents of one sentence.
    truth : tuple of Expected
        One for each pair of labels of two corpora. It follows from the rule books by the definitions of
        `assay.ner.relations`; no share is near a threshold.

    Raises
    ------
    DataError
        If an argument is out of range, or more names are asked for than can be invented.

    Notes
    -----
    A corpus has 25 x names x uses mentions and about 7 tokens a mention; 4 million tokens (names=1500) take half a
    minute. Each name counts the same in `shares`, as in the screen.

    Examples
    --------
    >>> corpora, truth = planted(names=12)
    >>> [corpus.name for corpus in corpora]
    ['amber', 'birch', 'cedar']
    >>> next(t for t in truth if (t.first, t.second) == ("birch/plant", "cedar/plant")).relation
    'disjoint'
    """
    whole("seed", seed, 0)
    between("noise", noise, 0, 1)
    choice("language", language, LANGUAGES)
    at_least("names", whole("names", names), 12)
    at_least("uses", whole("uses", uses), 4)
    tongues = ("en", "zh") if language == "mixed" else (language,)
    pools = {tongue: _pools(tongue, -(-names // len(tongues)), seed) for tongue in tongues}
    corpora = []
    for place, corpus in enumerate(BOOKS):
        rng = np.random.default_rng([seed, 1, place])
        sentences = [s for tongue in tongues for s in _sentences(tongue, corpus, pools[tongue], uses, rng)]
        order = rng.permutation(len(sentences))
        documents = [_document(corpus, number, *sentences[row]) for number, row in enumerate(order.tolist())]
        if noise:
            documents = _spoiled(
                documents, list(BOOKS[corpus]), noise, np.random.default_rng([seed, 2, place])
            )
        corpora.append(Corpus(corpus, tuple(documents), labels=tuple(BOOKS[corpus]), language=language))
    return corpora, truth()


def truth() -> tuple[Expected, ...]:
    """Return how every pair of labels of two planted corpora relates, by their rule books."""
    corpora = list(BOOKS)
    return tuple(
        _expected(a, x, b, y)
        for place, a in enumerate(corpora)
        for b in corpora[place + 1 :]
        for x in BOOKS[a]
        for y in BOOKS[b]
    )


def _expected(a: str, x: str, b: str, y: str) -> Expected:
    there, back = _verdicts(a, x, b), _verdicts(b, y, a)
    r, s = there.get(f"same:{y}", 0.0), back.get(f"same:{x}", 0.0)
    if max(r, s) < 0.1:
        relation = "disjoint"
    elif max(r, s) < 0.75:
        relation = "overlap"
    elif abs(r - s) <= 0.15:
        relation = "equal"
    else:
        relation = "subset" if r > s else "superset"
    return Expected(f"{a}/{x}", f"{b}/{y}", relation, (_flags(a, x, b), _flags(b, y, a)), (r, s))


def _flags(a: str, x: str, b: str) -> tuple[str, ...]:
    moved = _boundary(_verdicts(a, x, b, inside=True)) - _boundary(_verdicts(a, x, a, inside=True))
    gap = _verdicts(a, x, b).get("none", 0.0) >= 0.3
    return ("gap",) * gap + ("boundary",) * (moved >= 0.15)


def _boundary(verdicts: Mapping[str, float]) -> float:
    return sum(share for verdict, share in verdicts.items() if verdict.startswith(("part", "inside")))


def _verdicts(a: str, x: str, b: str, *, inside: bool = False) -> dict[str, float]:
    """Return what corpus b makes of the mentions that a marks as x, each mention with weight 1."""
    total: dict[str, float] = {}
    weights = 0
    for pool, variants in sorted(
        {_mention(form, mark[1]) for form, mark in _marks(a).items() if mark[0] == x}
    ):
        found: list[str] = []
        for form, row in FORMS.items():
            if row.pool == pool and (row.variants > 0 or not variants):
                found += [_verdict(b, form, longer=variants > 0)] * row.weight
        kept = [verdict for verdict in found if inside or verdict != "inside"]
        for verdict in kept:
            total[verdict] = total.get(verdict, 0.0) + max(variants, 1) / len(kept)
        weights += max(variants, 1) if kept else 0
    return {verdict: share / weights for verdict, share in total.items()}


def _verdict(corpus: str, form: str, *, longer: bool) -> str:
    """Return how a corpus marks a bare name, or a longer phrase, in a form."""
    label, extent = _marks(corpus).get(form, ("", ""))
    if not label:
        return "none"
    if longer == bool(FORMS[form].variants and extent == WHOLE):
        return f"same:{label}"
    return f"part:{label}" if longer else "inside"


def _mention(form: str, extent: str) -> tuple[str, int]:
    """Return the pool of a marked mention, and its variants a name: 0 for the bare name."""
    return FORMS[form].pool, FORMS[form].variants if extent == WHOLE else 0


@cache
def _marks(corpus: str) -> dict[str, Mark]:
    """Return the label of each form, and whether the whole form is marked or the name in it."""
    marks = {}
    for label, forms in BOOKS[corpus].items():
        for entry in forms:
            form, _, extent = entry.partition(":")
            marks[form] = (label, extent or WHOLE)
    return marks


@cache
def _words(tongue: str) -> dict[str, Any]:
    import yaml

    text = (files("assay.ner") / "builtin" / "planted" / f"{tongue}.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(
        text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    )
    return found


def _pools(tongue: str, names: int, seed: int) -> dict[str, list[str]]:
    """Return invented names of every kind, 6/5 of `names` each; none stands inside another or in a clause."""
    words = _words(tongue)
    rng = np.random.default_rng([seed, 0, LANGUAGES.index(tongue)])
    texts = (*words["empty"], *(clause for clauses in words["clauses"].values() for clause in clauses))
    pieces = {piece for text in texts for piece in _pieces(text.casefold())}
    taken: set[tuple[str, ...]] = set()
    pools = {}
    for pool, patterns in words["names"].items():
        pools[pool] = list(words["traps"].get(pool, ()))
        in_vain = 0
        while len(pools[pool]) < -(-6 * names // 5):
            in_vain += 1
            if in_vain > 300:
                raise DataError(
                    f"names must be at most the number that can be invented, about {len(pools[pool])} {pool} names in "
                    f"{tongue!r}; got {names}. Use fewer names and more uses."
                )
            name = _invented(tongue, patterns[int(rng.integers(len(patterns)))], rng)
            parts, own = _pieces(name.casefold()), tuple(_TOKENS.findall(name.casefold()))
            if own not in pieces and taken.isdisjoint(parts):
                taken.add(own)
                pieces.update(parts)
                pools[pool].append(name)
                in_vain = 0
    return pools


def _pieces(text: str) -> set[tuple[str, ...]]:
    """Return all runs of up to eight tokens."""
    tokens = _TOKENS.findall(text)
    return {tuple(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 1, min(i + 8, len(tokens)) + 1)}


_TOKENS = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9]")


def _invented(tongue: str, pattern: str, rng: np.random.Generator) -> str:
    """Return a pattern with its signs replaced by invented words."""
    words = _words(tongue)

    def pick(kind: str) -> str:
        return str(words[kind][int(rng.integers(len(words[kind])))])

    def word(sign: re.Match[str]) -> str:
        if tongue == "en":
            made = "".join(pick(kind) for kind in ("onsets", "vowels", "codas", "onsets", "vowels", "codas"))
            return made.capitalize() if sign[0] == "*" else made.lower()
        if sign[0] == "&":
            return pick("surnames") + pick("given") + (pick("given") if rng.random() < 0.8 else "")
        return pick("letters") if sign[0] == "@" else pick("characters") + pick("characters")

    return re.sub(r"[*~@]|&(?! )", word, pattern)


Sentence = tuple[str, str, list[tuple[str, int, int]]]  # language, text, (label, start, end)


def _sentences(
    tongue: str, corpus: str, pools: Mapping[str, list[str]], uses: int, rng: np.random.Generator
) -> Iterator[Sentence]:
    """Yield sentences that use the names a corpus knows, each form of each as often."""
    words, marks = _words(tongue), _marks(corpus)
    spaced = tongue == "en" and corpus == "amber"
    joins = [_apart(join) if spaced else join for join in words["joins"]]
    stop = _apart(words["stop"]) if spaced else words["stop"]
    slots: list[tuple[str, str, Span]] = []  # form, phrase, where in it the name stands
    for form, row in FORMS.items():
        pool = pools[row.pool]
        known = np.sort(rng.permutation(len(pool))[: len(pool) * 5 // 6])
        longer = words["longer"].get(form, ["{}"])
        for place in known.tolist():
            for use in range(uses * row.weight):
                variant = longer[(place + use % max(row.variants, 1)) % len(longer)]
                start = variant.index("{}")
                slots.append((form, variant.format(pool[place]), (start, start + len(pool[place]))))
    order = rng.permutation(len(slots)).tolist()
    sizes = rng.choice([0, 1, 2, 3], p=[0.06, 0.42, 0.42, 0.1], size=len(slots)).tolist()
    draws = iter(rng.random(4 * len(slots)).tolist())
    at = 0
    for size in sizes:
        if size == 0:
            text = words["empty"][int(next(draws) * len(words["empty"]))]
            yield tongue, text[0].upper() + text[1:] + stop, []
            continue
        text, entities = "", []
        for form, phrase, name in (slots[row] for row in order[at : at + size]):
            if text:
                text += joins[int(next(draws) * len(joins))]
            clauses = words["clauses"][form]
            before, after = clauses[int(next(draws) * len(clauses))].split("{}")
            text += before
            if form in marks:
                label, extent = marks[form]
                start, end = (0, len(phrase)) if extent == WHOLE else name
                entities.append((label, len(text) + start, len(text) + end))
            text += phrase + after
        yield tongue, text[0].upper() + text[1:] + stop, entities
        at += size
        if at >= len(slots):
            return


def _apart(sign: str) -> str:
    return sign if sign.startswith(" ") else " " + sign


def _document(
    corpus: str, number: int, tongue: str, text: str, marked: list[tuple[str, int, int]]
) -> Document:
    entities = tuple(Entity(start, end, label) for label, start, end in marked)
    split = {8: "dev", 9: "test"}.get(number % 10, "train")
    return Document(f"{corpus}-{number}", text, entities, language=tongue, corpus=corpus, split=split)


def _spoiled(
    documents: list[Document], labels: list[str], noise: float, rng: np.random.Generator
) -> list[Document]:
    """Return documents with a share of their entities dropped, relabelled or moved."""
    draws = iter(rng.random((sum(len(document.entities) for document in documents), 3)).tolist())
    out = []
    for document in documents:
        entities: list[Entity] = []
        for entity in document.entities:
            chance, way, which = next(draws)
            if chance >= noise:
                entities.append(entity)
            elif way < 1 / 3:
                continue
            elif way < 2 / 3:
                others = [label for label in labels if label != entity.label]
                entities.append(Entity(entity.start, entity.end, others[int(which * len(others))]))
            else:
                ways = _moved(document.text, entity)
                entities.append(Entity(*ways[int(which * len(ways))], entity.label))
        out.append(
            Document(
                document.id,
                document.text,
                tuple(entities),
                language=document.language,
                corpus=document.corpus,
                split=document.split,
            )
        )
    return out


def _moved(text: str, entity: Entity) -> list[Span]:
    """Return the entity's place with one token more or less, before or behind."""
    tokens = [match.span() for match in _TOKENS.finditer(text)]
    first = next(place for place, (start, _) in enumerate(tokens) if start == entity.start)
    last = next(place for place, (_, end) in enumerate(tokens) if end == entity.end)
    ways = [(first - 1, last), (first, last + 1), (first + 1, last), (first, last - 1)]
    return [(tokens[i][0], tokens[j][1]) for i, j in ways if 0 <= i <= j < len(tokens)]
