"""Counts of the description on the real files (its sections 2 and 11), none of them from our own code."""

from __future__ import annotations

from collections import Counter

import pytest

from assay.knowledge import Facts, Question, keep, read_facts, templates_of, traps
from tests.conftest import real_data

# split, domain: raw, one answer, unique
COUNTS = {
    ("train", "ID"): (78_611, 76_669, 75_944),
    ("test", "ID"): (9_828, 9_575, 9_555),
    ("test", "OOD"): (12_247, 11_631, 11_613),
}
GUESSED = {"P495": 71.9, "P413": 48.9, "P106": 30.5, "P407": 25.2, "P17": 21.9}


@pytest.fixture(scope="module")
def entityquestions() -> Facts:
    return read_facts(real_data("facts/entityquestions"))


def part(facts: Facts, split: str, domain: str) -> list[Question]:
    return [question for question in facts.questions if (question.split, question.domain) == (split, domain)]


def test_the_filter_of_the_paper(entityquestions: Facts) -> None:
    whole = keep(entityquestions.questions, ("one-answer", "unique"))
    for (split, domain), counts in COUNTS.items():
        own = keep(part(entityquestions, split, domain), ("one-answer", "unique"))
        assert tuple(len(left) for _, left in own.steps) == counts
        together = [q for q in whole.questions if (q.split, q.domain) == (split, domain)]
        assert tuple(together) == own.questions  # domains share no question, so one pass over a split does
    swapped = keep(part(entityquestions, "train", "ID"), ("unique", "one-answer"))
    assert len(swapped.questions) == 75_942


def test_traps(entityquestions: Facts) -> None:
    kept = {key: keep(part(entityquestions, *key), ("one-answer", "unique")).questions for key in COUNTS}
    train = kept["train", "ID"]
    inside, outside = (traps(kept["test", domain], train=train) for domain in ("ID", "OOD"))
    shown = [
        (round(t.majority_percent, 1), round(t.subject_percent, 1), round(t.trained_answer_percent or 0, 1))
        for t in (inside, outside)
    ]
    assert shown == [(12.4, 9.7, 84.7), (9.7, 4.6, 3.2)]
    assert inside.trained_questions == 133
    by_relation: dict[str, list[Question]] = {}
    for question in (*kept["test", "ID"], *kept["test", "OOD"]):
        by_relation.setdefault(question.relation, []).append(question)
    assert {r: round(traps(by_relation[r]).majority_percent, 1) for r in GUESSED} == GUESSED


def test_of_361_questions_the_answers_differ(entityquestions: Facts) -> None:
    answers: dict[str, set[str]] = {}
    for question in keep(part(entityquestions, "train", "ID"), ("one-answer",)).questions:
        answers.setdefault(question.prompt, set()).update(question.answers)
    assert sum(len(found) > 1 for found in answers.values()) == 361


def test_pararel() -> None:
    facts = read_facts(real_data("facts/pararel"))
    assert len(facts.questions) == 29_411
    assert len(facts.templates) == 39
    assert "329 patterns of 39 relations, 214 of which end with the object" in facts.notes
    assert sum(map(len, facts.templates.values())) == 214
    assert facts.questions[0].prompt.startswith(facts.questions[0].subject)


def test_lre_relations() -> None:
    facts = read_facts(real_data("facts/lre_relations"))
    assert len(facts.questions) == 11_089
    assert len(facts.templates) == 47
    assert "60 templates for a few examples and 97 for none, of 47 relations" in facts.notes


@pytest.mark.parametrize(
    ("path", "format", "count", "answers"),
    [
        ("facts/nq_open", "questions", 3_610, 2),
        ("facts/chinese_simpleqa", "questions", 3_000, 1),
        ("facts/known_1000", "known", 1_209, 1),
    ],
)
def test_lists(path: str, format: str, count: int, answers: int) -> None:
    facts = read_facts(real_data(path))
    assert (facts.format, len(facts.questions), len(facts.questions[0].answers)) == (format, count, answers)
    if format == "questions" and answers == 1:
        assert len(Counter(question.relation for question in facts.questions)) == 6  # categories


def test_every_relation_has_templates(entityquestions: Facts) -> None:
    said = templates_of(entityquestions)
    assert len(said) == 24
    assert min(map(len, said.values())) >= 12
