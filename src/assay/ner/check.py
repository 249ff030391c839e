"""What is wrong with an annotated corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay._check import between
from assay.data.check import Kind
from assay.data.json_text import excerpt
from assay.ner.document import Corpus, Document, Entity
from assay.ner.nesting import crossing
from assay.ner.relations import plain_name

SIGNS = ",;:"
TIMES = 20  # how much more often a label must occur for a rare one to be the same misspelt


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its kind (a row of `KINDS`), where, what, and the other place where there is one."""

    kind: str
    where: str
    message: str
    related: str = ""

    @property
    def severity(self) -> str:
        """``error`` or ``warning``."""
        return KINDS[self.kind].severity


KINDS: dict[str, Kind] = {
    "malformed": Kind("a record that cannot be read", "error"),
    "tag": Kind("a tag that has no name, or that breaks the scheme", "error"),
    "out_of_range": Kind("an entity outside its text, or that cuts a character", "error"),
    "empty": Kind("an entity of no characters", "error"),
    "surface": Kind("an entity whose words are not where its offsets are, nor at one other place", "error"),
    "unlocated": Kind("an entity without offsets whose words the text does not have", "error"),
    "duplicate": Kind("the same entity twice", "error"),
    "undeclared": Kind("a label that the corpus does not declare", "error"),
    "crossing": Kind("two entities that overlap, neither inside the other", "warning"),
    "edge_space": Kind("an entity that begins or ends with white space", "warning"),
    "similar_labels": Kind("labels that differ only in case, _, - or Unicode form", "warning"),
    "rare_label": Kind("a label that hardly ever occurs: a slip of the pen?", "warning"),
    "label_signs": Kind("a label with , ; or : which part entities in prompts", "warning"),
    "annotated_differently": Kind("a text that an earlier document has with other entities", "warning"),
    "split_overlap": Kind("a text that another split has too", "warning"),
    "replacement": Kind("U+FFFD, which stands where a character was lost", "warning"),
}


def check(corpus: Corpus, *, rare: float = 0.001) -> list[Finding]:
    """Return what is wrong with a corpus, by kind in the order of `KINDS`, then by document.

    What cannot be a `Document` at all (offsets outside the text, words that are elsewhere) stops `read_corpus`, or goes
    to its `on_bad`; the kinds above ``duplicate`` are for those.

    Parameters
    ----------
    corpus
        As `read_corpus` returns it.
    rare
        Share of all entities up to which a label is rare (0 to 1). A label is also rare where another one, a slip of
        the pen away, occurs 20 times as often.

    Notes
    -----
    O(characters + entities log entities). Texts are compared exactly. A finding a document and kind, with the first
    case and the count; labels have one each.

    Examples
    --------
    >>> from assay.ner import Corpus, Document, Entity
    >>> bad = Document("7", "in Paris ", (Entity(3, 9, "LOC"),))
    >>> [(f.kind, f.where) for f in check(Corpus("mini", (bad,)))]
    [('edge_space', 'mini: document 7')]
    """
    between("rare", rare, 0, 1)
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = [finding for document in corpus.documents for finding in _document(corpus, document)]
    found += _labels(corpus, rare)
    found += _repeated(corpus)
    return sorted(found, key=lambda finding: order[finding.kind])


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each kind that occurs, in the order of `KINDS`."""
    counts = Counter(finding.kind for finding in findings)
    return {kind: counts[kind] for kind in KINDS if counts[kind]}


def place_of(corpus: Corpus, document: Document) -> str:
    """Return how a document is named to a person."""
    told = not document.split or document.id.startswith(f"{document.split}:")
    return f"{corpus.name}{'' if told else f' ({document.split})'}: document {document.id}"


def _document(corpus: Corpus, document: Document) -> Iterator[Finding]:
    def finding(kind: str, cases: Sequence[str]) -> Iterator[Finding]:
        if cases:
            more = f", and {len(cases) - 1} more" if len(cases) > 1 else ""
            yield Finding(kind, place_of(corpus, document), f"{cases[0]}{more}")

    def shown(entity: Entity) -> str:
        return f"{entity.label} {excerpt(document.surface(entity))} [{entity.start}, {entity.end}]"

    entities = document.entities
    counts = Counter((entity.parts, entity.label) for entity in entities)
    first = {(entity.parts, entity.label): entity for entity in entities}
    yield from finding(
        "duplicate", [shown(first[key]) for key, count in counts.items() for _ in range(count - 1)]
    )
    yield from finding("crossing", [f"{shown(a)} and {shown(b)}" for a, b in crossing(entities)])
    pieces = [(entity, document.text[start:end]) for entity in entities for start, end in entity.parts]
    yield from finding("edge_space", [shown(entity) for entity, words in pieces if words != words.strip()])
    lost = document.text.count("\ufffd")
    if lost:
        at = document.text.index("\ufffd")
        around = excerpt(document.text[max(0, at - 15) : at + 15])
        yield from finding("replacement", [f"in {around}"] * lost)


def _labels(corpus: Corpus, rare: float) -> Iterator[Finding]:
    counts = Counter(entity.label for document in corpus.documents for entity in document.entities)
    total = counts.total()
    labels = list(dict.fromkeys([*corpus.labels, *counts]))
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(plain_name(label), []).append(label)
        if label not in corpus.labels:
            names = ", ".join(corpus.labels)
            yield Finding(
                "undeclared", corpus.name, f"{label} ({counts[label]} entities) is not among {names}"
            )
        if any(sign in label for sign in SIGNS):
            yield Finding("label_signs", corpus.name, f"{label} holds one of , ; :")
    for group in alike.values():
        if len(group) > 1:
            shown = ", ".join(f"{label} ({counts[label]} entities)" for label in group)
            yield Finding("similar_labels", corpus.name, shown)
    for label in labels:
        if counts[label] > 0 and len(counts) > 1:
            near = [
                other
                for other in counts
                if counts[other] >= TIMES * counts[label] and _one_slip(label, other)
            ]
            if near or counts[label] <= rare * total:
                hint = f"; meant is perhaps {near[0]} ({counts[near[0]]})" if near else ""
                yield Finding(
                    "rare_label", corpus.name, f"{label} is on {counts[label]} of {total} entities{hint}"
                )


def _one_slip(first: str, second: str) -> bool:
    """Tell whether two labels of four letters or more differ by one letter, or by two that changed places."""
    short, long = sorted((first, second), key=len)
    if len(short) < 4 or len(long) > len(short) + 1:
        return False
    if len(short) < len(long):
        return any(short == long[:at] + long[at + 1 :] for at in range(len(long)))
    apart = [at for at, (a, b) in enumerate(zip(short, long, strict=True)) if a != b]
    if len(apart) == 2 and apart[1] == apart[0] + 1:
        return short[apart[0] : apart[1] + 1] == long[apart[0] : apart[1] + 1][::-1]
    return len(apart) == 1


def _repeated(corpus: Corpus) -> Iterator[Finding]:
    """Yield texts that came before: with other entities, or in another split."""
    earlier: dict[str, Document] = {}
    for document in corpus.documents:
        first = earlier.setdefault(document.text, document)
        if first is document:
            continue
        where, related = place_of(corpus, document), place_of(corpus, first)
        if _annotation(first) != _annotation(document):
            mine, other = _annotation(document), _annotation(first)
            [(parts, label), *_] = sorted(mine ^ other)
            words = excerpt(" ".join(document.text[start:end] for start, end in parts))
            side = "only here" if (parts, label) in mine else "only there"
            message = f"{label} {words} is {side}; the text is that of {related}"
            yield Finding("annotated_differently", where, message, related)
        if first.split != document.split:
            yield Finding("split_overlap", where, f"same text as {related}", related)


def _annotation(document: Document) -> frozenset[tuple[tuple[tuple[int, int], ...], str]]:
    return frozenset((entity.parts, entity.label) for entity in document.entities)
