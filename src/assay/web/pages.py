"""Templates of the review, and what the tree of the taxonomy shows."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from assay.ner.cards import Cards
from assay.ner.decisions import Decision, Decisions, Rule
from assay.ner.taxonomy import Taxonomy
from assay.report import conflicts
from assay.web import form, queue


@cache
def environment() -> Any:
    """Return the templates of the review, beside those of the cards."""
    from jinja2 import ChoiceLoader, PackageLoader

    shared = conflicts.environment()
    made = shared.overlay(loader=ChoiceLoader([PackageLoader("assay.web", "."), shared.loader]))
    made.globals = shared.globals | {
        "ACTIONS": form.ACTIONS, "WAYS": form.WAYS, "STATUSES": queue.STATUSES, "said": said,
        "divided": form.divided,
        "saved": None, "bare": False,
    }  # fmt: skip
    return made


def part(name: str) -> str:
    return files("assay.web").joinpath(name).read_text(encoding="utf-8")


def said(entry: Decision) -> str:
    """Return what a decision does, in a few words."""
    labels = ", ".join(entry.labels)
    if entry.action == "ignore":
        return f"{labels}: left as they are" if len(entry.labels) > 1 else f"{labels}: left as it is"
    if entry.action != "split":
        return f"{labels} → {entry.name}"
    into = [
        f"{name} ({rule if isinstance(rule, str) else _rule(rule)})"
        for name, rule in (entry.into or {}).items()
    ]
    return f"{labels} → {' | '.join(into)}"


def _rule(rule: Rule) -> str:
    return " or ".join(f"{way} {value}" for way, value in rule.model_dump(exclude_none=True).items())


def tree(taxonomy: Taxonomy | None, decisions: Decisions, cards: Cards, text: str) -> dict[str, Any]:
    """Return the types as a tree with the labels that come to each, names without a type, and labels without a name.

    Of a search, what holds the text in a name, an alias, a definition or a label is left, with all that it is part of.
    """
    come: dict[str, list[str]] = {}
    for entry in decisions.entries:
        for name in entry.names:
            held = come.setdefault(name.casefold(), [])
            held += [label for label in entry.labels if label not in held]
    spelled = {name.casefold(): name for entry in decisions.entries for name in entry.names}
    wanted = text.casefold()
    nodes: dict[str, dict[str, Any]] = {}
    for kind in taxonomy.living if taxonomy is not None else ():
        labels = list(dict.fromkeys([
            *kind.sources, *come.pop(kind.en.casefold(), ()), *come.pop(kind.zh.casefold(), ()),
        ]))  # fmt: skip
        words = (
            kind.id,
            kind.en,
            kind.zh,
            *kind.aliases.en,
            *kind.aliases.zh,
            kind.definition.en,
            kind.definition.zh,
        )
        nodes[kind.id] = {
            "type": kind, "labels": labels, "below": [],
            "hit": wanted in "\n".join((*words, *labels)).casefold(),
        }  # fmt: skip
    roots: list[dict[str, Any]] = []
    for id, node in nodes.items():
        parent = node["type"].parent
        (nodes[parent]["below"] if parent in nodes and parent != id else roots).append(node)
    free = [
        {"name": spelled[folded], "labels": labels}
        for folded, labels in sorted(come.items())
        if wanted in "\n".join((folded, *labels)).casefold()
    ]
    given = {label for entry in decisions.entries if entry.action != "ignore" for label in entry.labels}
    left = [
        (f"{corpus.name}/{label}", count.entities)
        for corpus in cards.corpora
        for label, count in corpus.labels.items()
        if f"{corpus.name}/{label}" not in given and wanted in f"{corpus.name}/{label}".casefold()
    ]
    kept = _kept(roots) if wanted else roots
    return {
        "roots": kept,
        "free": free,
        "left": left,
        "types": len(nodes),
        "hits": sum(n["hit"] for n in nodes.values()),
    }


def _kept(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes that a search hit or that have such a node below."""
    found = []
    for node in nodes:
        below = _kept(node["below"])
        if node["hit"] or below:
            found.append({**node, "below": below})
    return found
