"""Facts as they are put to a model, and what its answers come to."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from assay.knowledge.grading.folder import Row
from assay.knowledge.matching import MATCHERS, Test, matcher
from assay.knowledge.models.language_model import LanguageModel, Sampler, Scored
from assay.knowledge.questions import Question
from assay.knowledge.templates import Templates, statements

DIGITS = 8  # of a probability that is kept


@dataclass(frozen=True, slots=True)
class Fact:
    """A question as it is put to the model; `key` has all that its grades depend on beside the model."""

    question: Question
    statements: tuple[str, ...]
    key: str


def fact_of(question: Question, templates: Templates, most: int | None) -> Fact:
    said = statements(question, templates)[:most]
    content = orjson.dumps([said, question.answers, question.aliases])
    return Fact(question, said, hashlib.sha256(content).hexdigest()[:16])


def batches(facts: Sequence[Fact], most: int) -> Iterator[list[Fact]]:
    """Yield facts of like length together, so many that they have about `most` statements.

    What is left after some batches falls into the same ones.
    """
    order = sorted(range(len(facts)), key=lambda at: (-max(map(len, facts[at].statements)), at))
    batch: list[Fact] = []
    size = 0
    for at in order:
        if batch and size + len(facts[at].statements) > most:
            yield batch
            batch, size = [], 0
        batch.append(facts[at])
        size += len(facts[at].statements)
    if batch:
        yield batch


def exact_rows(
    model: LanguageModel, batch: Sequence[Fact], leads: Sequence[str], temperature: float
) -> list[Row]:
    """Return the exact score of each fact under each statement."""
    prompts = [said for fact in batch for said in fact.statements]
    candidates: list[list[str]] = []
    for fact in batch:
        names = dict.fromkeys((*fact.question.answers, *fact.question.aliases))
        said = [" " + " ".join(f"{lead} {name}".split()) for lead in leads for name in names]
        candidates += [said] * len(fact.statements)
    found = [0.0] * len(prompts)
    for at, scored in model.log_probabilities(prompts, candidates, temperature=temperature):
        found[at] = _together(scored)
    values = iter(found)
    return [_row(fact) | {"exact": [next(values) for _ in fact.statements]} for fact in batch]


def _together(scored: Sequence[Scored]) -> float:
    """Return the probability that one of some continuations comes; one that begins with another is that one."""
    by_tokens = {one.tokens: one for one in scored}
    whole_ones = [
        one
        for tokens, one in by_tokens.items()
        if not any(tokens[:length] in by_tokens for length in range(1, len(tokens)))
    ]
    total = min(math.fsum(math.exp(one.log_probability) for one in whole_ones), 1.0)
    return float(f"{total:.{DIGITS}g}")


def drawn_rows(
    model: Sampler,
    batch: Sequence[Fact],
    samples: int,
    greedy: bool,
    temperature: float,
    max_tokens: int,
    seed: int,
) -> list[Row]:
    """Return the hits of each fact under each statement by every rule, and whether its greedy answer is one."""
    prompts = [said for fact in batch for said in fact.statements]
    asks: dict[str, dict[str, Any]] = {"hits": {"draws": samples, "temperature": temperature, "seed": seed}}
    if greedy:
        asks["greedy"] = {"draws": 1, "temperature": 0}
    owner = [fact for fact in batch for _ in fact.statements]
    tests: dict[str, dict[str, Test]] = {
        fact.question.id: {
            rule: matcher(fact.question.answers, aliases=fact.question.aliases, rule=rule)
            for rule in MATCHERS
        }
        for fact in batch
    }
    found: dict[str, list[dict[str, int]]] = {name: [{}] * len(prompts) for name in asks}
    for name, options in asks.items():
        for at, draws in model.sample(prompts, max_tokens=max_tokens, **options):
            mine = tests[owner[at].question.id]
            found[name][at] = {rule: sum(test(one.text) for one in draws) for rule, test in mine.items()}
    rows: list[Row] = []
    at = 0
    for fact in batch:
        row = _row(fact)
        for name, counts in found.items():
            here = counts[at : at + len(fact.statements)]
            row[name] = {rule: [one[rule] for one in here] for rule in MATCHERS}
        rows.append(row)
        at += len(fact.statements)
    return rows


def _row(fact: Fact) -> Row:
    return {"id": fact.question.id, "relation": fact.question.relation, "key": fact.key}
