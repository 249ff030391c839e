"""Closed-book accuracy of each state of a sweep: on facts that choose a percent, and on others that report it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import DataError
from assay.knowledge import Question, ask
from assay.knowledge.models.transformer import Transformer
from assay.knowledge.samples import balanced
from assay.study.answers import accuracy_of, rows_of
from assay.study.restoration.run import Measure, Row
from assay.study.restoration.states import State

Questions = tuple[Question, ...]
DEV, TEST = "dev", "test"


def halves(questions: Questions, *, dev: int | None = None, seed: int = 0) -> dict[str, Questions]:
    """Return some facts to choose by (dev, by default half) and the rest to report (test), as many of each relation.

    Which they are is decided by ids and seed.
    """
    size = len(questions) // 2 if dev is None else dev
    if not 0 < size < len(questions):
        raise DataError(f"dev must leave facts to both, of {len(questions)}; got {size}. Give more facts.")
    chosen = {one.id for one in balanced(questions, size, seed=seed)}
    return {
        DEV: tuple(one for one in questions if one.id in chosen),
        TEST: tuple(one for one in questions if one.id not in chosen),
    }


def facts_measure(
    sets: Mapping[str, Questions],
    tokenizer: Any,
    *,
    categories: Mapping[str, int] | None = None,
    chat_template: str | None = None,
    batch_size: int = 64,
    device: str = "auto",
    threads: int | None = None,
    **asking: Any,
) -> Measure:
    """Return what asks a loaded model the facts of each set, greedily.

    Parameters
    ----------
    sets : mapping of str to questions
        `DEV`, `TEST`, and others that are reported too, such as OOD.
    tokenizer
        Of transformers; the original has the same.
    categories : mapping of id to bin, optional
        How well the original knew each fact.
    chat_template, batch_size, device, threads
        As in `Transformer`.
    **asking
        Keywords of `assay.knowledge.ask`, such as `rule`, `max_tokens` and `prompting`.

    Returns
    -------
    callable
        A measure that tells ``accuracy`` by set and ``answers``, a row a fact.
    """
    wrapped: list[
        tuple[Any, Transformer]
    ] = []  # one that was wrapped keeps its fingerprint: no cache is used

    def measure(state: State, model: Any, folder: Path | None) -> Row:
        if not (wrapped and wrapped[0][0] is model):
            wrapped[:] = [
                (
                    model,
                    Transformer(
                        (model, tokenizer), chat_template=chat_template, batch_size=batch_size, device=device,
                        threads=threads,
                    ),
                )
            ]  # fmt: skip
        every = tuple(one for questions in sets.values() for one in questions)
        answered = iter(ask(wrapped[0][1], every, gold=False, **asking))
        rows = {
            name: rows_of(name, questions, [next(answered) for _ in questions], categories)
            for name, questions in sets.items()
        }
        slim = ("id", "set", "bin", "relation", "output", "right", "finished")
        return {
            "accuracy": {name: accuracy_of(mine) for name, mine in rows.items() if mine},
            "answers": [{key: row[key] for key in slim} for mine in rows.values() for row in mine],
        }

    return measure
