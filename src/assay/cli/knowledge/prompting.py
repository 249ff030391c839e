"""How facts are asked: the prompts of commands, and what each stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay.cli.knowledge.models import SHOTS

if TYPE_CHECKING:
    from assay.knowledge import Question

PROMPTS = ("sft", "chat", "few-shot", "statement")


def prompting_of(
    prompt: str,
    found: Any,
    asked: tuple[Question, ...],
    known: tuple[Question, ...],
    shots: int | None,
    templates: str | None,
    seed: int,
) -> dict[str, Any]:
    """Return the options of `ask` that a prompt stands for; raise for those that it does not read."""
    from assay import knowledge as room
    from assay.errors import DataError

    if prompt == "few-shot" and not known:
        raise DataError("train must be given for few-shot examples; got none.")
    for option, value, reads in (("shots", shots, "few-shot"), ("templates", templates, "statement")):
        if value is not None and prompt != reads:
            raise DataError(f"{option} must be left out unless --prompt is {reads}; got {value!r}.")
    if prompt == "few-shot":
        return {
            "prompting": "few-shot",
            "shots": room.choose_shots(known, count=SHOTS if shots is None else shots, seed=seed),
        }
    if prompt == "statement":
        own = None if templates is None else room.read_templates(templates)
        said = room.templates_of(found, own)
        for question in asked:
            room.statements(question, said)
        return {"prompting": "statement", "templates": said}
    return {"prompting": "chat"}
