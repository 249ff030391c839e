"""What is wrong with decisions before anything is changed by them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

from assay.ner.cards import Card, Cards
from assay.ner.decisions import REST, Decision, Rule
from assay.ner.names import Problem, name_fault
from assay.ner.relations import plain_name
from assay.ner.taxonomy import Taxonomy, faults

PROPOSAL = "proposal"


def validate(
    decisions: Sequence[Decision],
    cards: Cards | None = None,
    *,
    taxonomy: Taxonomy | None = None,
    folder: str | Path | None = None,
) -> list[Problem]:
    """Return what is wrong with decisions, errors first; each problem names the decisions and says what to do.

    Laws: no decision is a proposal that nobody confirmed; a label comes to one thing, however many decisions name it;
    labels that the cards do not call equal share a name only where a ``same`` or ``merge`` decision joins them; names
    are lawful and spelled in one way; a split has two names or more, one of them ``rest``, and its files lie in the
    folder. Warned of are test sets that change, labels whose likeness nothing shows, and cards left undecided whose
    labels would mix.

    Parameters
    ----------
    decisions
        All of a file.
    cards
        What the screen found: lets labels be known, and labels of one name that do not mean the same.
    taxonomy
        Where one is used, every name must be that of a living type, and the taxonomy keep its own laws.
    folder
        Of the decision file, for the files of splits; None does not look for them.
    """
    problems: list[Problem] = []
    for entry in decisions:
        problems += _alone(entry, folder)
    problems += _known(decisions, cards)
    outcome, once = outcomes(decisions)
    problems += once
    problems += _spellings(decisions)
    problems += _shared(decisions, outcome, cards)
    if taxonomy is not None:
        problems += _typed(decisions, taxonomy)
        problems += faults(taxonomy)
    if cards is not None:
        problems += _tests(decisions, cards)
        problems += _unsettled(decisions, outcome, cards)
    return sorted(problems, key=lambda problem: problem.severity != "error")


def _error(ids: str | Iterable[str], rule: str) -> Problem:
    named = (ids,) if isinstance(ids, str) else tuple(dict.fromkeys(ids))
    return Problem("error", named, f"{' and '.join(named)}: {rule}")


def _alone(entry: Decision, folder: str | Path | None) -> list[Problem]:
    """Return what is wrong with one decision whatever the others are."""
    problems = []
    if entry.author == PROPOSAL:
        problems.append(
            _error(
                entry.id,
                "author must be a person; got a proposal. Confirm it in the review, or with propose --confirm.",
            )
        )
    for name in entry.names:
        fault = name_fault(name)
        if fault is not None:
            problems.append(_error(entry.id, f"name {fault}"))
    if entry.action != "split" or entry.into is None:
        return problems
    rests = [name for name, rule in entry.into.items() if rule == REST]
    if len(rests) != 1:
        problems.append(
            _error(
                entry.id,
                f"into must have exactly one name for the rest; got {', '.join(rests) or 'none'}. "
                "Add one, such as location: rest.",
            )
        )
    if len(entry.into) < 2:
        problems.append(_error(entry.id, "into must have two names or more; got one. Use rename instead."))
    for name, rule in entry.into.items():
        if isinstance(rule, Rule) and folder is not None:
            problems += [
                _error(entry.id, f"into.{name} {fault}")
                for file in rule.files
                if (fault := file_fault(file, folder)) is not None
            ]
    return problems


def file_fault(file: str, folder: str | Path) -> str | None:
    """Return what is wrong with a file that a rule names, or None: it must lie in the folder or below."""
    home = Path(folder).resolve()
    try:
        place = (home / file).resolve()
        there = place.is_file()
    except (OSError, ValueError):  # a sign that no path can have, a link to itself
        return f"must be the path of a file in {folder}; got {file!r}."
    if not place.is_relative_to(home):
        return f"must be a file in {folder} or below; got {file!r}. Copy it there."
    if not there:
        return f"must be an existing file; there is no {file!r} in {folder}. Add it."
    return None


def _known(decisions: Sequence[Decision], cards: Cards | None) -> list[Problem]:
    if cards is None:
        return []
    labels = {f"{corpus.name}/{label}" for corpus in cards.corpora for label in corpus.labels}
    problems = []
    for entry in decisions:
        for label in entry.labels:
            if label not in labels:
                near = difflib.get_close_matches(label, sorted(labels), n=1)
                hint = f"Did you mean {near[0]!r}?" if near else "Screen again with its corpus."
                problems.append(
                    _error(entry.id, f"labels must be of the screened corpora; got {label!r}. {hint}")
                )
    return problems


def outcomes(decisions: Sequence[Decision]) -> tuple[dict[str, Decision], list[Problem]]:
    """Return for each label the first decision that is about it, and where two disagree on what it comes to."""
    outcome: dict[str, Decision] = {}
    problems = []
    for entry in decisions:
        if entry.action == "ignore":
            continue
        for label in entry.labels:
            first = outcome.setdefault(label, entry)
            if (first.name, first.into) != (entry.name, entry.into):
                problems.append(
                    _error(
                        (entry.id, first.id),
                        f"{label} must come to one thing; got {_said(entry)} here and {_said(first)} there. "
                        "Change or remove one of the two.",
                    )
                )
    return outcome, problems


def _said(entry: Decision) -> str:
    return " | ".join(entry.names)


def _spellings(decisions: Sequence[Decision]) -> list[Problem]:
    spelled: dict[str, tuple[str, str]] = {}
    problems = []
    for entry in decisions:
        for name in entry.names:
            first, id = spelled.setdefault(name.casefold(), (name, entry.id))
            if first != name:
                problems.append(
                    _error(
                        (entry.id, id),
                        f"name must be spelled in one way; got {name!r} and {first!r}. Choose one.",
                    )
                )
    return problems


def _shared(
    decisions: Sequence[Decision], outcome: Mapping[str, Decision], cards: Cards | None
) -> list[Problem]:
    """Return where labels share a name that nothing says mean the same, undecided labels keeping their own name."""
    labels = dict.fromkeys(outcome)
    if cards is not None:
        labels |= dict.fromkeys(f"{c.name}/{label}" for c in cards.corpora for label in c.labels)
    holders: dict[str, list[str]] = {}
    for label in labels:
        names = outcome[label].names if label in outcome else (_own(label),)
        for folded in dict.fromkeys(name.casefold() for name in names):
            holders.setdefault(folded, []).append(label)
    group = _Joined(decisions)
    by_pair = {frozenset(card.labels): card for card in (cards.cards if cards is not None else ())}
    ignored = {frozenset(entry.labels) for entry in decisions if entry.action == "ignore"}
    problems = []
    for name, sharing in holders.items():
        for one, two in combinations(sharing, 2):
            decided = [outcome[label] for label in (one, two) if label in outcome]
            if not decided or group(one) == group(two) or frozenset((one, two)) in ignored:
                continue
            written = next(n for entry in decided for n in entry.names if n.casefold() == name)
            fault = _sharing(written, one, two, outcome, by_pair.get(frozenset((one, two))))
            if fault is not None:
                severity, rule = fault
                ids = tuple(dict.fromkeys(entry.id for entry in decided))
                problems.append(Problem(severity, ids, f"{' and '.join(ids)}: {rule}"))
    return problems


def _sharing(
    name: str, one: str, two: str, outcome: Mapping[str, Decision], card: Card | None
) -> tuple[Literal["error", "warning"], str] | None:
    """Return what is wrong with two labels of one name that no decision joins."""
    alike = card is None and plain_name(_own(one)) == plain_name(_own(two))
    split = [label for label in (one, two) if label in outcome and outcome[label].action == "split"]
    if len(split) == 2:
        return None
    if split:
        part, whole = split[0], two if split[0] == one else one
        covers = card is not None and (
            card.relation == "equal" or card.relation == ("subset" if card.labels[0] == part else "superset")
        )
        if not (covers or alike):
            return None
        return "warning", (
            f"{whole} shares the name {name!r} with a part of {part}, and means all of it. "
            "Split both, or give it another name."
        )
    if alike or (card is not None and card.relation == "equal"):
        return None
    if one.split("/", 1)[0] == two.split("/", 1)[0]:
        return "error", (
            f"{one} and {two} must not share the name {name!r}; their corpus tells them apart. "
            "Merge both in one decision, or give one another name."
        )
    if card is None or card.relation == "open":
        return "warning", (
            f"{one} and {two} share the name {name!r}, and nothing says that they mean the same. "
            "Join both in one decision (same or merge), or give one another name."
        )
    one, two = card.labels
    return "error", (
        f"{one} and {two} must not share the name {name!r}; their relation is {card.relation}, card {card.id}. "
        "Join both in one decision (same or merge), or give one another name."
    )


def _own(label: str) -> str:
    return label.split("/", 1)[1]


class _Joined:
    """Union-find over the labels that same and merge decisions name together."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self.above: dict[str, str] = {}
        for entry in decisions:
            if entry.action in ("same", "merge", "split"):
                for label in entry.labels[1:]:
                    self.above[self(label)] = self(entry.labels[0])

    def __call__(self, label: str) -> str:
        while (above := self.above.get(label, label)) != label:
            label = above
        return label


def _typed(decisions: Sequence[Decision], taxonomy: Taxonomy) -> list[Problem]:
    problems = []
    for entry in decisions:
        for name in entry.names:
            kind = taxonomy.named(name)
            if kind is None:
                names = [k for t in taxonomy.living for k in (t.en, t.zh) if k]
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else "Add the type, or name another."
                problems.append(_error(entry.id, f"name must be that of a type; got {name!r}. {hint}"))
    return problems


def _tests(decisions: Sequence[Decision], cards: Cards) -> list[Problem]:
    problems = []
    for corpus in cards.corpora:
        tests = [split for split in corpus.splits if "test" in split.casefold()]
        ids = [
            entry.id
            for entry in decisions
            if entry.action != "ignore"
            and any(label.split("/", 1)[0] == corpus.name for label in entry.labels)
        ]
        if tests and ids:
            problems.append(
                Problem(
                    "warning",
                    tuple(ids),
                    f"{', '.join(ids)}: the test set of {corpus.name} ({', '.join(tests)}) is touched. "
                    "Report scores under raw names beside those under the new ones.",
                )
            )
    return problems


def _unsettled(decisions: Sequence[Decision], outcome: Mapping[str, Decision], cards: Cards) -> list[Problem]:
    """Return the cards of labels that would mix under one name because nobody decided them."""
    answered = {entry.card for entry in decisions}
    left = tuple(
        card.id
        for card in cards.cards
        if card.kind == "same name"
        and card.id not in answered
        and not any(label in outcome for label in card.labels)
        and not any(set(card.labels) <= set(entry.labels) for entry in decisions)
    )
    if not left:
        return []
    more = "" if len(left) <= 5 else f" and {len(left) - 5} more"
    return [
        Problem(
            "warning",
            left,
            f"{', '.join(left[:5])}{more}: labels of one name and another meaning would mix. "
            "Decide them, or ignore them.",
        )
    ]
