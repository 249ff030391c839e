"""Cards -> a first draft of decisions and taxonomy, for a person to confirm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from assay.ner.cards import Card, Cards
from assay.ner.decisions import Decision
from assay.ner.names import FORBIDDEN, SPELLINGS, name_fault
from assay.ner.relations import plain_name
from assay.ner.taxonomy import Phrases, Taxonomy, Type
from assay.ner.validate import PROPOSAL

# what corpora write short, and the Chinese of it
SHORT = {
    "per": "person",
    "loc": "location",
    "org": "organization",
    "misc": "miscellaneous",
    "gpe": "geopolitical entity",
    "fac": "facility",
    "nam": "name",
    "nom": "nominal",
}
CHINESE = {"person": "人名", "location": "地名", "organization": "组织机构名"}
Edge = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Decisions and taxonomy that the cards suggest, with ``proposal`` as author, and what was left out and why."""

    decisions: tuple[Decision, ...]
    taxonomy: Taxonomy
    notes: tuple[str, ...]


def propose(cards: Cards) -> Proposal:
    """Return the decisions and the taxonomy that follow from the relations alone; `validate` refuses them unconfirmed.

    Labels whose card says ``equal`` become one type, the most alike first, but never so that two labels of one corpus,
    or two that a card calls disjoint, come together. Labels that are spelled alike join where no card speaks against
    it. A ``subset`` becomes a child: of circles the weakest edge is cut, edges that follow from others are dropped
    (transitive reduction), and of several parents that stays which holds the largest share. Every parent gets an
    *other* child.

    Returns
    -------
    Proposal
        The same for the same cards. Names are lawful and unique; Chinese ones are missing where no corpus has them,
        so that the draft breaks that law until a person fills them in.

    Notes
    -----
    Edges by union-find, circles by `scipy.sparse.csgraph`. The rules are those of Yang et al. (COLING 2025,
    arXiv 2406.11192) only in their aim: there, experts chose every name.
    """
    counts = {
        f"{corpus.name}/{label}": count.entities
        for corpus in cards.corpora
        for label, count in corpus.labels.items()
        if count.entities
    }
    known = [card for card in cards.cards if set(card.labels) <= counts.keys()]
    groups, reasons = _groups(counts, known)
    groups.sort(key=lambda group: (-sum(counts[label] for label in group), group))
    names = _names(groups, counts)
    at = {label: number for number, group in enumerate(groups) for label in group}
    parents, notes = _parents(known, at, names)
    return Proposal(
        tuple(_decisions(groups, names, reasons, known)), _taxonomy(groups, names, parents), tuple(notes)
    )


def _groups(counts: Mapping[str, int], cards: Sequence[Card]) -> tuple[list[list[str]], dict[str, list[str]]]:
    """Return labels that become one type, and for the first label of each what joined them."""
    of = {label: label for label in counts}
    members = {label: [label] for label in counts}
    reasons: dict[str, list[str]] = {label: [] for label in counts}
    apart = {frozenset(card.labels) for card in cards if card.relation == "disjoint"}
    carded = {frozenset(card.labels) for card in cards}

    def join(one: str, two: str, reason: str) -> None:
        first, second = sorted((of[one], of[two]))
        if first == second:
            return
        for a in members[first]:
            for b in members[second]:
                if _corpus(a) == _corpus(b) or frozenset((a, b)) in apart:
                    return
        for label in members[second]:
            of[label] = first
        members[first] += members.pop(second)
        reasons[first] += [*reasons.pop(second), reason]

    equal = [card for card in cards if card.relation == "equal"]
    for card in sorted(equal, key=lambda card: (-_least(card), card.labels)):
        shares = " and ".join(f"{direction.share or 0:.2f}" for direction in card.directions)
        join(*card.labels, f"{card.labels[0]} = {card.labels[1]} ({shares}, {card.id})")
    for one, two in combinations(sorted(counts), 2):
        if plain_name(_own(one)) == plain_name(_own(two)) and frozenset((one, two)) not in carded:
            join(one, two, f"{one} and {two} are spelled alike, and no card speaks against it")
    for card in cards:
        if card.relation not in ("equal", "open") and of[card.labels[0]] == of[card.labels[1]]:
            reasons[of[card.labels[0]]].append(
                f"but {card.labels[0]} and {card.labels[1]}: {card.relation}, {card.id}"
            )
    groups = [sorted(group) for group in members.values()]
    return groups, {min(group): reasons[of[group[0]]] for group in groups}


def _least(card: Card) -> float:
    return min(direction.share or 0.0 for direction in card.directions)


def _names(groups: Sequence[Sequence[str]], counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Return the English and the Chinese name of each group, "" where it has none in that language."""
    used: set[str] = set()
    theirs = {plain_phrase(_own(label)) for label in counts}
    names = []
    for group in groups:
        votes: dict[str, tuple[int, int]] = {}
        for label in group:
            phrase = plain_phrase(_own(label))
            corpora, entities = votes.get(phrase, (0, 0))
            votes[phrase] = (corpora + 1, entities + counts[label])
        ranked = sorted(votes, key=lambda phrase: (-votes[phrase][0], -votes[phrase][1], phrase))
        largest = _corpus(max(group, key=lambda label: (counts[label], label)))
        english = [phrase for phrase in ranked if not _is_chinese(phrase)]
        chinese = [phrase for phrase in ranked if _is_chinese(phrase)]
        en = _unused(english[0], largest, used) if english else ""
        zh = _unused(chinese[0], largest, used) if chinese else CHINESE.get(en, "")
        if not chinese and zh in used | theirs:
            zh = ""
        used.update(name.casefold() for name in (en, zh) if name)
        names.append((en, zh))
    return names


def plain_phrase(label: str) -> str:
    """Return a label as a lawful phrase.

    >>> plain_phrase("Creative_Work"), plain_phrase("organisation"), plain_phrase("PER.NOM"), plain_phrase("type-1")
    ('creative work', 'organization', 'person nominal', 'type-1 entity')
    """
    parted = re.sub(r"(?<=[A-Za-z])[.-](?=[A-Za-z])", " ", label)
    parted = re.sub(rf"[\s_{re.escape(FORBIDDEN)}]+", " ", parted)
    words = " ".join(SHORT.get(word, word) for word in parted.lower().split())
    for word, instead in SPELLINGS.items():
        words = words.replace(word, instead)
    return words if name_fault(words) is None else f"{words} entity".strip()


def _is_chinese(phrase: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in phrase)


def _unused(phrase: str, corpus: str, used: set[str]) -> str:
    """Return a phrase, behind the name of its corpus where another type has it already."""
    if phrase.casefold() not in used:
        return phrase
    number = 1
    qualified = name = f"{plain_phrase(corpus)} {phrase}"
    while name.casefold() in used:
        number += 1
        name = f"{number}. {qualified}"
    return name


def _parents(
    cards: Sequence[Card], at: Mapping[str, int], names: Sequence[tuple[str, str]]
) -> tuple[dict[int, int], list[str]]:
    """Return the parent of each group that has one, and what became of the other edges."""
    edges: dict[Edge, float] = {}
    for card in cards:
        if card.relation in ("subset", "superset"):
            narrow, broad = (0, 1) if card.relation == "subset" else (1, 0)
            edge = at[card.labels[narrow]], at[card.labels[broad]]
            if edge[0] != edge[1]:
                edges[edge] = max(edges.get(edge, 0.0), card.directions[narrow].share or 0.0)
    notes = []

    def shown(edge: Edge) -> str:
        below, above = (names[end][0] or names[end][1] for end in edge)
        return f"{below} as part of {above} ({edges[edge]:.2f})"

    for weakest in iter(lambda: _weakest_of_a_circle(edges, len(names)), None):
        notes.append(f"{shown(weakest)} was cut: the edges went in a circle.")
        del edges[weakest]
    follows = {edge for edge in edges if _reaches(edges.keys() - {edge}, *edge)}
    notes += [f"{shown(edge)} was dropped: it follows from the others." for edge in sorted(follows)]
    parents: dict[int, int] = {}
    for edge in sorted(edges.keys() - follows, key=lambda edge: (-edges[edge], edge)):
        below, above = edge
        if parents.setdefault(below, above) != above:
            notes.append(f"{shown(edge)} was dropped: the type has a nearer parent.")
    return parents, notes


def _weakest_of_a_circle(edges: Mapping[Edge, float], size: int) -> Edge | None:
    """Return the weakest edge inside any strongly connected part, or None where there is no circle."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not edges:
        return None
    ends = list(zip(*edges, strict=True))
    graph = coo_array(([1] * len(edges), ends), shape=(size, size)).tocsr()
    _, part = connected_components(graph, directed=True, connection="strong")
    inside = [edge for edge in edges if part[edge[0]] == part[edge[1]]]
    return min(inside, key=lambda edge: (edges[edge], edge), default=None)


def _reaches(edges: Iterable[Edge], start: int, goal: int) -> bool:
    onward: dict[int, list[int]] = {}
    for below, above in edges:
        onward.setdefault(below, []).append(above)
    seen, stack = {start}, [start]
    while stack:
        for above in onward.get(stack.pop(), ()):
            if above == goal:
                return True
            if above not in seen:
                seen.add(above)
                stack.append(above)
    return False


def _decisions(
    groups: Sequence[Sequence[str]],
    names: Sequence[tuple[str, str]],
    reasons: Mapping[str, Sequence[str]],
    cards: Sequence[Card],
) -> Iterable[Decision]:
    by_pair = {frozenset(card.labels): card.id for card in cards}
    number = 0
    for group, (en, zh) in zip(groups, names, strict=True):
        name = en or zh
        if all(_own(label) == name for label in group) and len(group) == 1:
            continue
        number += 1
        action: Literal["same", "rename"] = "same" if len(group) > 1 else "rename"
        yield Decision(
            id=f"d{number}",
            labels=tuple(group),
            action=action,
            name=name,
            author=PROPOSAL,
            reason="; ".join(reasons[group[0]]) or "a plain name, of its own",
            card=by_pair.get(frozenset(group)),
        )


def _taxonomy(
    groups: Sequence[Sequence[str]], names: Sequence[tuple[str, str]], parents: Mapping[int, int]
) -> Taxonomy:
    taken = {name.casefold() for pair in names for name in pair if name}
    spelled = Counter(phrase for group in groups for phrase in {_own(label).casefold() for label in group})
    types = []
    for number, (group, (en, zh)) in enumerate(zip(groups, names, strict=True)):
        raw = sorted({_own(label) for label in group}, key=lambda label: (label.casefold(), label))
        once = {label.casefold(): label for label in reversed(raw)}
        aliases = [
            label for folded, label in sorted(once.items()) if folded not in taken and spelled[folded] == 1
        ]
        types.append(
            Type(
                id=f"t{number + 1}",
                en=en,
                zh=zh,
                parent=f"t{parents[number] + 1}" if number in parents else None,
                aliases=Phrases(
                    en=tuple(alias for alias in aliases if not _is_chinese(alias)),
                    zh=tuple(alias for alias in aliases if _is_chinese(alias)),
                ),
                sources=tuple(group),
                decided_by=PROPOSAL,
            )
        )
    for number, above in enumerate(sorted(set(parents.values())), len(types) + 1):
        en, zh = names[above]
        types.append(
            Type(
                id=f"t{number}",
                en=f"other {en}" if en else "",
                zh=f"其它{zh}" if zh else "",
                parent=f"t{above + 1}",
                other=True,
                decided_by=PROPOSAL,
            )
        )
    return Taxonomy(types=tuple(types))


def _corpus(label: str) -> str:
    return label.split("/", 1)[0]


def _own(label: str) -> str:
    return label.split("/", 1)[1]
