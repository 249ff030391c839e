"""The laws of an invented world."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from assay.errors import DataError
from assay.knowledge import matches, read_facts, statements, template_fault, write_facts
from assay.knowledge.world import WORLDS, World, WorldPlan, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("ci", seed=3)


def small(**changes: object) -> WorldPlan:
    return replace(WORLDS["ci"], **{"facts": 20, "exposures": (0, 1, 7, 32, 40), "name_words": 6, **changes})


def told(world: World) -> dict[str, list[tuple[str, bool, str]]]:
    """Read every line by the grammar alone: (statement up to the object, has "the", object) by fact."""
    heads = {}
    for question in world.facts.questions:
        heads |= dict.fromkeys(statements(question, world.facts.templates), question.id)
        heads[f"ask {question.prompt} reply"] = question.id
    found: dict[str, list[tuple[str, bool, str]]] = {question.id: [] for question in world.facts.questions}
    for line in world.texts:
        head, the, name = re.fullmatch(r"(.*?)( the)? (\w+) \.", line).groups()  # type: ignore[union-attr]
        found[heads[head]].append((head, bool(the), name))
    return found


def test_each_fact_is_told_as_often_as_it_should(world: World) -> None:
    found = told(world)
    by_id = {question.id: question for question in world.facts.questions}
    for id, lines in found.items():
        count = world.exposures[id]
        assert len(lines) == count
        assert {name for *_, name in lines} <= set(by_id[id].answers)
        asked = sum(head.startswith("ask") for head, *_ in lines)
        assert asked == (round(0.15 * count) if count >= 32 else 0)
        each = Counter(head for head, *_ in lines if not head.startswith("ask"))
        assert not each or max(each.values()) - min([*each.values(), *[0] * (len(each) < 5)]) <= 1
    assert set(world.exposures.values()) == set(WORLDS["ci"].exposures)
    the = [has for lines in found.values() for _, has, _ in lines]
    assert sum(the) / len(the) == pytest.approx(0.4, abs=0.01)


def test_exposures_are_equally_likely_and_spread_over_the_passes(world: World) -> None:
    counts = Counter(world.exposures.values())
    assert all(50 < counts[count] / (2 if count == 200 else 1) < 120 for count in counts)
    often = next(q for q in world.facts.questions if world.exposures[q.id] == 400)
    places = [place / len(world.texts) for place, line in enumerate(world.texts) if often.subject in line]
    parts = Counter(int(12 * place) for place in places)
    assert len(parts) == 12
    assert min(parts.values()) > 25


def test_the_words_and_pools(world: World) -> None:
    plan = world.plan
    pools: dict[str, set[str]] = {}
    for question in world.facts.questions:
        pools.setdefault(question.relation, set()).update(question.answers)
    inside = {relation for relation in pools if int(relation[1:]) <= 4}
    together = set().union(*(pools[relation] for relation in inside))
    assert len(together) == 40
    assert all(len(pools[relation] & pools["r1"]) > 30 for relation in inside)
    assert {len(pools[r]) for r in ("r5", "r6")} == {24}
    assert not together & pools["r5"]
    assert not together & pools["r6"]
    assert not pools["r5"] & pools["r6"]
    assert len({q.subject.split()[0] for q in world.facts.questions}) == 40
    assert len({q.subject.split()[1] for q in world.facts.questions}) == 40
    assert len({(q.relation, q.subject) for q in world.facts.questions}) == len(world.facts.questions) == 900
    assert len(set(world.words)) == len(world.words) == 224
    assert set(" ".join(world.texts).split()) <= set(world.words)
    assert Counter((q.domain, q.split) for q in world.facts.questions) == {
        ("ID", "train"): 360, ("ID", "test"): 240, ("OOD", "test"): 300,
    }  # fmt: skip
    assert plan == WORLDS["ci"]


def test_templates_can_be_used_as_any_and_no_name_holds_another(world: World) -> None:
    for listed in world.facts.templates.values():
        assert len(listed) == 5
        assert not any(template_fault(one) for one in listed)
        assert [one.startswith("p") for one in listed] == [False, True, False, True, False]
    question = world.facts.questions[0]
    assert question.prompt == f"q1 {question.subject} ?"
    assert not any(matches(f"{q.subject} {q.prompt}", q) for q in world.facts.questions)


def test_a_seed_is_a_world() -> None:
    first, same, other = make_world(small(), seed=1), make_world(small(), seed=1), make_world(small(), seed=2)
    assert first.texts == same.texts
    assert first.facts == same.facts
    assert first.digest == same.digest
    assert set(first.words) != set(other.words)
    assert first.digest != other.digest


def test_options_leave_facts_and_exposures_as_they_are() -> None:
    plain = make_world(small(), seed=1)
    world = make_world(small(aliases=0.25, contradictions=0.5), seed=1)
    assert world.exposures == plain.exposures
    assert [q.answers for q in world.facts.questions] == [q.answers for q in plain.facts.questions]
    assert all(len(q.aliases) == 1 for q in world.facts.questions)
    names = {q.answers[0]: q.aliases[0] for q in world.facts.questions}
    assert not set(names) & set(names.values())
    found = told(world)
    tally = Counter[str]()
    for question in world.facts.questions:
        lines = [name for *_, name in found[question.id]]
        wrong = world.contradictions.get(question.id)
        assert wrong != question.answers[0]
        assert lines.count(str(wrong)) == (round(0.3 * len(lines)) if wrong else 0)
        tally.update("alias" if name in question.aliases else "name" for name in lines if name != wrong)
    told_facts = sum(count > 0 for count in world.exposures.values())
    assert 0.35 < len(world.contradictions) / told_facts < 0.65
    assert tally["alias"] / tally.total() == pytest.approx(0.25, abs=0.03)
    assert not plain.contradictions


def test_facts_are_read_back_as_they_are(tmp_path: Path) -> None:
    world = make_world(small(aliases=0.5))
    write_facts(world.facts.questions, tmp_path / "facts.jsonl")
    assert read_facts(tmp_path / "facts.jsonl").questions == world.facts.questions


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"facts": 37}, r"facts must be <= 36, the subjects of 2 x 6 name words; got 37\."),
        ({"exposures": (0,)}, r"exposures must hold a number above 0; got \(0,\)\."),
        ({"exposures": (-1, 2)}, r"exposures must be >= 0; got -1\."),
        ({"aliases": 1.5}, r"aliases must be from 0 to 1; got 1\.5\."),
        ({"width": 20}, r"width must be an even multiple of heads \(4\); got 20\."),
        ({"objects": 1}, r"objects must be >= 2; got 1\."),
    ],
)
def test_a_plan_that_cannot_be(changes: dict[str, object], says: str) -> None:
    with pytest.raises(DataError, match=says):
        make_world(small(**changes))


def test_an_unknown_plan() -> None:
    with pytest.raises(DataError, match=r"plan must be one of ci, full; got 'cii'. Did you mean 'ci'\?"):
        make_world("cii")
