"""ParaRel: triples of T-REx, and patterns by which a relation is said in many ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assay.knowledge.formats.format import Found, rows, text, without_object
from assay.knowledge.questions import SLOT, Question

_PATTERNS = Path("pattern_data") / "graphs_json"


def read(files: Sequence[Path]) -> Found:
    """Return a question a triple; the prompt is the relation's first statement that ends with the object."""
    patterns: dict[str, list[str]] = {}
    triples: dict[str, list[tuple[str, str]]] = {}
    pattern_files = set()
    for path in files:
        relation = path.name.split(".")[0]
        for origin, row in rows(path):
            if "pattern" in row:
                pattern_files.add(path)
                patterns.setdefault(relation, []).append(text(origin, row, "pattern"))
            else:
                pair = text(origin, row, "sub_label"), text(origin, row, "obj_label")
                triples.setdefault(relation, []).append(pair)
    for relation, path in {path.name.split(".")[0]: path for path in files}.items():
        beside = path.parent.parent / _PATTERNS / f"{relation}.jsonl"
        if relation not in patterns and beside.is_file():
            pattern_files.add(beside)
            patterns[relation] = [text(origin, row, "pattern") for origin, row in rows(beside)]
    templates = {
        relation: tuple(dict.fromkeys(cut for one in said if (cut := without_object(one)) is not None))
        for relation, said in patterns.items()
    }
    bare = [relation for relation in triples if not templates.get(relation)]
    questions = [
        Question(f"{relation}:{number}", subject, relation, _asked(templates, relation, subject), (answer,))
        for relation, pairs in triples.items()
        for number, (subject, answer) in enumerate(pairs, 1)
    ]
    said = [one for every in patterns.values() for one in every]
    ending = sum(without_object(one) is not None for one in said)
    notes = [f"{len(said)} patterns of {len(patterns)} relations, {ending} of which end with the object"]
    if bare:
        notes.append(
            f"no pattern that ends with the object: {', '.join(bare)}; the subject alone is the prompt"
        )
    return Found(questions, {key: value for key, value in templates.items() if value}, tuple(notes))


def _asked(templates: dict[str, tuple[str, ...]], relation: str, subject: str) -> str:
    said = templates.get(relation)
    return said[0].replace(SLOT, subject) if said else subject
