"""Small facts of our own in every shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATES = {
    "P36": "What is the capital of [X]?",
    "P131": "Where is [X] located?",
    "P276": "Where is [X] located?",
}
# relation, split: (subject, answers)
ENTITIES: dict[tuple[str, str], list[tuple[str, list[str]]]] = {
    ("P276", "train"): [("Ulm", ["Germany"]), ("the Ulm fair", ["Ulm"]), ("the Ulm fair", ["Germany"])],
    ("P131", "train"): [("Ulm", ["Tübingen", "Swabia"]), ("Neu-Ulm", ["Swabia"])],
    ("P36", "train"): [("Bavaria", ["Munich"]), ("Ulm District", ["Ulm"])],
    ("P36", "test"): [("Saxony", ["Dresden"])],
    ("P31", "test"): [("Lake Constance", ["lake"])],
}


def write(path: Path, value: Any) -> Path:
    """Write JSON, or JSON Lines where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = value if path.suffix == ".jsonl" else [value]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), encoding="utf-8")
    return path


def entityquestions(folder: Path) -> Path:
    """A folder with a split each; P131 and P276 ask one question twice, P31 is none of the paper's."""
    write(folder / "relation_query_templates.json", TEMPLATES | {"P31": "What is [X]?"})
    for (relation, split), rows in ENTITIES.items():
        asked = (TEMPLATES | {"P31": "What is [X]?"})[relation]
        write(
            folder / split / f"{relation}.{split}.json",
            [{"question": asked.replace("[X]", subject), "answers": answers} for subject, answers in rows],
        )
    (folder / "LICENSE").write_text("free\n")
    return folder


def pararel(folder: Path) -> Path:
    """Two relations with patterns, of which one has none that ends with the object, and one without any."""
    patterns = {
        "P36": [
            "The chief town of [X] is [Y] .",
            "[Y] heads [X].",
            "[X] looks up to [Y].",
            "[X], a land of [Y],",
        ],
        "P1": ["[Y] has [X]."],
    }
    for relation, said in patterns.items():
        rows = [{"pattern": one, "lemma": "l", "extended_lemma": "e", "tense": "present"} for one in said]
        write(folder / "pattern_data" / "graphs_json" / f"{relation}.jsonl", rows)
    for relation in ("P36", "P1", "P2"):
        rows = [{"sub_label": "Saxony", "obj_label": "Dresden", "uuid": "u"}]
        write(folder / "trex_lms_vocab" / f"{relation}.jsonl", rows)
    return folder


def lre(folder: Path) -> Path:
    """One relation."""
    value = {
        "name": "river mouth",
        "prompt_templates": ["{} flows into the"],
        "prompt_templates_zs": ["{} flows into the", "Where does {} end? In the"],
        "properties": {},
        "samples": [
            {"subject": "The Elbe", "object": "North Sea"},
            {"subject": "The Inn", "object": "Danube"},
        ],
    }
    (folder / "factual").mkdir(parents=True)
    (folder / "factual" / "river_mouth.json").write_text(json.dumps(value, indent=1))
    return folder
