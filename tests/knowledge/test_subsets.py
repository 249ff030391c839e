"""Balanced subsets against a loop, and what holds for every size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import DataError
from assay.knowledge import RELATIONS, balanced_subset, mixed_subset
from tests.oracles.knowledge import even_counts

facts = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 4)), min_size=1, max_size=40)


def parts(drawn: list[tuple[str, int]]) -> tuple[list[str], list[str], list[int]]:
    return [str(n) for n in range(len(drawn))], [r for r, _ in drawn], [c for _, c in drawn]


def paper(per_cell: int = 450) -> tuple[list[str], list[str], list[int]]:
    trained = [name for name, row in RELATIONS.items() if row.domain == "ID"]
    drawn = [(name, number % 5) for name in trained for number in range(5 * per_cell)]
    return parts(drawn)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(facts, st.integers(0, 3), st.data())
def test_even_as_a_loop_and_nested(drawn: list[tuple[str, int]], seed: int, data: st.DataObject) -> None:
    ids, relations, categories = parts(drawn)
    category = data.draw(st.sampled_from([None, *sorted(set(categories))]))
    options = {"categories": categories, "category": category, "seed": seed}
    whole = balanced_subset(ids, relations, **options)
    eligible = [at for at, (_, c) in enumerate(drawn) if category is None or c == category]
    assert sorted(whole.indices.tolist()) == eligible
    size = data.draw(st.integers(1, len(eligible)))
    some = balanced_subset(ids, relations, size=size, **options)
    assert some.indices.tolist() == whole.indices.tolist()[:size]
    available = Counter(relations[at] for at in eligible)
    available, taken = Counter(drawn[at] for at in eligible), Counter(drawn[at] for at in some.indices)
    for cell in some.cells:
        key = cell.relation, cell.category
        assert (cell.available, cell.taken) == (available[key], taken[key])
    assert len(some.cells) >= len(available)
    given = Counter(relations[at] for at in eligible)
    each = Counter(relations[at] for at in some.indices)
    assert sorted(each[name] for name in given) == even_counts(given, size)
    even = mixed_subset(ids, relations, categories, size=size, seed=seed)
    assert len(set(even.indices.tolist())) == size
    assert (
        even.indices.tolist() == mixed_subset(ids, relations, categories, seed=seed).indices.tolist()[:size]
    )
    by_relation = Counter[str]()
    for cell in even.cells:
        by_relation[cell.relation] += cell.taken
    assert sorted(by_relation.values()) == even_counts(Counter(relations), size)
    for relation in set(relations):
        cells = [cell for cell in even.cells if cell.relation == relation and cell.available]
        most = max(cell.taken for cell in cells)
        assert all(cell.taken in (most, most - 1) or cell.taken == cell.available for cell in cells)


@pytest.mark.parametrize(("size", "each"), [(60, 6), (240, 24), (1920, 192)])
def test_the_sizes_of_the_paper(size: int, each: int) -> None:
    ids, relations, categories = paper()
    found = balanced_subset(ids, relations, size=size, categories=categories, category=2)
    assert [cell.taken for cell in found.cells] == [each] * 10
    assert {categories[at] for at in found.indices} == {2}
    assert found.short == ()
    mixed = mixed_subset(ids, relations, categories, size=size)
    assert Counter(categories[at] for at in mixed.indices) == dict.fromkeys(range(5), size // 5)
    assert Counter(relations[at] for at in mixed.indices) == dict.fromkeys(
        RELATIONS.keys() & set(relations), each
    )


def test_seeds_and_places() -> None:
    ids, relations, categories = paper(30)
    first = balanced_subset(ids, relations, size=60, categories=categories, category=0)
    other = balanced_subset(ids, relations, size=60, categories=categories, category=0, seed=1)
    assert 0 < len(set(first.indices.tolist()) & set(other.indices.tolist())) < 30  # 12 by chance
    order = np.random.default_rng(0).permutation(len(ids))
    moved = balanced_subset(
        [ids[at] for at in order],
        [relations[at] for at in order],
        size=60,
        categories=[categories[at] for at in order],
        category=0,
    )
    assert [ids[order[at]] for at in moved.indices] == [ids[at] for at in first.indices]


def test_as_found_has_the_shares_of_the_facts() -> None:
    drawn = [("a", 0)] * 900 + [("a", 4)] * 100
    ids, relations, categories = parts(drawn)
    found = mixed_subset(ids, relations, categories, size=200, mix="as-found")
    assert found.cells[1].taken == pytest.approx(20, abs=12)
    assert found.indices.tolist() == balanced_subset(ids, relations, size=200).indices.tolist()
    assert [cell.taken for cell in mixed_subset(ids, relations, categories, size=200).cells] == [100, 100]
    assert [cell.taken for cell in mixed_subset(ids, relations, categories, size=300).cells] == [200, 100]


def test_short_relations_are_named() -> None:
    found = balanced_subset(list("abcdefg"), ["P17"] * 4 + ["P19"] * 2 + ["P20"], size=6)
    assert {cell.relation: cell.taken for cell in found.cells} == {"P17": 3, "P19": 2, "P20": 1}
    assert found.short == ("P19", "P20")


def test_refusals() -> None:
    def refuses(message: str, *args: object, **options: object) -> None:
        with pytest.raises(DataError, match=message):
            balanced_subset(*args, **options)  # type: ignore[arg-type]

    refuses(r"size must be <= the facts there are \(2\); got 3", ["a", "b"], ["P1", "P1"], size=3)
    refuses("size must be >= 1; got 0", ["a"], ["P1"], size=0)
    refuses("ids must be unique; got 'a' twice", ["a", "a"], ["P1", "P1"])
    refuses("ids must have at least one fact", [], [])
    refuses(r"relations must be as many as the ids \(1\); got 2", ["a"], ["P1", "P1"])
    refuses("categories must be given to take category 2", ["a"], ["P1"], category=2)
    refuses("category must be one that facts have, 0, 4; got 2", ["a", "b"], ["P1"] * 2,
            categories=[0, 4], category=2)  # fmt: skip
    with pytest.raises(DataError, match="mix must be one of even, as-found; got 'odd'"):
        mixed_subset(["a"], ["P1"], [0], mix="odd")
