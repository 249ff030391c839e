"""The built-in sample: its shape, the pairs planted in it, and whether its answers are right."""

from __future__ import annotations

import ast
import json
import operator
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import pytest

SAMPLE = files("assay.data") / "builtin" / "instructions.jsonl"
PLANTED = files("assay.data") / "builtin" / "planted.json"
KEYS = ["id", "instruction", "input", "output", "domain", "language"]
TEXT = ("instruction", "input", "output")
NEAR = 0.8  # character-3-gram Jaccard: every planted near pair is above
FAR = 0.35  # and every other pair of different texts below

HAN = re.compile("[\u4e00-\u9fff]")
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
CLAIM = re.compile(r"`([^`\n]+)` (?:returns|返回) `([^`\n]+)`")
EQUATION = re.compile(r"([\d(][\d.()+\-*/ ]*[\d)]) ?= ?(\d+(?:\.\d+)?)")
OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@cache
def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


@cache
def planted() -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = json.loads(PLANTED.read_text(encoding="utf-8"))
    return found


def by_id() -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows()}


def domain(name: str) -> list[dict[str, str]]:
    return [row for row in rows() if row["domain"] == name]


def texts(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[field] for field in TEXT)


def trigrams(row: dict[str, str]) -> set[str]:
    joined = "\n".join(texts(row))
    return {joined[at : at + 3] for at in range(len(joined) - 2)}


def jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


def value_of(expression: str) -> float:
    """Evaluate sums and products of plain numbers, and nothing else."""

    def walk(node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return node.value
        if isinstance(node, ast.BinOp):
            result: float = OPERATIONS[type(node.op)](walk(node.left), walk(node.right))
            return result
        raise ValueError(f"not plain arithmetic: {expression}")

    return walk(ast.parse(expression.strip(), mode="eval").body)


def equations(text: str) -> list[tuple[str, str]]:
    return EQUATION.findall(text.replace("×", "*").replace("÷", "/"))


def test_the_files_are_small_and_plain() -> None:
    raw = SAMPLE.read_bytes()
    assert len(raw) < 250_000
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    assert raw.endswith(b"}\n")


def test_every_row_has_the_same_keys_in_the_same_order_and_says_something() -> None:
    assert len(rows()) == 300
    for row in rows():
        assert list(row) == KEYS
        assert all(isinstance(value, str) and value == value.strip() for value in row.values())
        assert all(row[key] for key in KEYS if key != "input"), row["id"]
    assert sum(bool(row["input"]) for row in rows()) >= 20


def test_ids_are_unique_and_do_not_tell_which_rows_are_planted() -> None:
    assert [row["id"] for row in rows()] == [f"assay-{number:03d}" for number in range(1, 301)]


def test_two_languages_each_in_its_own_script() -> None:
    counts = Counter(row["language"] for row in rows())
    assert set(counts) == {"en", "zh"}
    assert 0.35 <= counts["zh"] / len(rows()) <= 0.45
    for row in rows():
        assert bool(HAN.search(row["instruction"] + row["output"])) == (row["language"] == "zh"), row["id"]


def test_domains_are_of_very_unequal_sizes_and_hold_both_languages() -> None:
    counts = Counter(row["domain"] for row in rows())
    assert len(counts) == 12
    assert counts.most_common(1) == [("arithmetic", 60)]
    assert min(counts.values()) < 10
    assert len({(row["domain"], row["language"]) for row in rows()}) == 2 * len(counts)


def test_planted_pairs_name_rows_that_exist_and_no_row_is_in_two_pairs_of_duplicates() -> None:
    assert list(planted()) == ["near", "exact", "translation"]
    assert {kind: len(pairs) for kind, pairs in planted().items()} == {
        "near": 35,
        "exact": 8,
        "translation": 10,
    }
    for pairs in planted().values():
        assert all(first in by_id() and second in by_id() for first, second in pairs)
    duplicates = [name for kind in ("near", "exact") for pair in planted()[kind] for name in pair]
    assert len(duplicates) == len(set(duplicates))


def test_exact_duplicates_are_the_planted_ones_and_no_others() -> None:
    seen: dict[tuple[str, ...], list[str]] = {}
    for row in rows():
        seen.setdefault(texts(row), []).append(row["id"])
    assert [names for names in seen.values() if len(names) > 1] == planted()["exact"]


def test_near_duplicates_are_the_planted_ones_with_a_wide_gap_to_all_other_pairs() -> None:
    grams = {row["id"]: trigrams(row) for row in rows()}
    exact = {tuple(pair) for pair in planted()["exact"]}
    near = {tuple(pair) for pair in planted()["near"]}
    for pair in combinations(grams, 2):
        similarity = jaccard(grams[pair[0]], grams[pair[1]])
        if pair in near:
            assert NEAR < similarity < 1, pair
        elif pair not in exact:
            assert similarity < FAR, pair


@pytest.mark.parametrize("kind", ["near", "exact"])
def test_duplicates_share_domain_and_language(kind: str) -> None:
    for first, second in planted()[kind]:
        a, b = by_id()[first], by_id()[second]
        assert (a["domain"], a["language"]) == (b["domain"], b["language"])


def test_translations_go_from_english_to_chinese_within_a_domain() -> None:
    for first, second in planted()["translation"]:
        a, b = by_id()[first], by_id()[second]
        assert (a["language"], b["language"]) == ("en", "zh")
        assert a["domain"] == b["domain"]


def test_every_equation_in_the_arithmetic_rows_holds_and_each_row_has_one() -> None:
    for row in domain("arithmetic"):
        found = equations(row["output"])
        assert found, row["id"]
        for left, right in found:
            assert value_of(left) == pytest.approx(float(right), abs=1e-9), (row["id"], left, right)


def test_translated_sums_come_to_the_same_numbers() -> None:
    pairs = [(by_id()[a], by_id()[b]) for a, b in planted()["translation"]]
    sums = [(a, b) for a, b in pairs if a["domain"] == "arithmetic"]
    assert len(sums) == 3
    for a, b in sums:
        assert [right for _, right in equations(a["output"])] == [
            right for _, right in equations(b["output"])
        ]


def test_code_in_the_outputs_runs_and_returns_what_the_text_says() -> None:
    checked = 0
    for row in domain("code"):
        names: dict[str, Any] = {}
        for language, block in FENCE.findall(row["output"]):
            assert language in ("python", "sql")
            if language == "python":
                exec(compile(block, row["id"], "exec"), names)
        prose = FENCE.sub("", row["output"])
        claims = CLAIM.findall(prose)
        assert claims or "```python" not in row["output"], row["id"]
        for expression, expected in claims:
            assert eval(expression, names) == ast.literal_eval(expected), (row["id"], expression)
            checked += 1
    assert checked >= 20


def test_the_query_in_the_outputs_runs() -> None:
    queries = [
        block
        for row in domain("code")
        for language, block in FENCE.findall(row["output"])
        if language == "sql"
    ]
    assert len(queries) == 1
    database = sqlite3.connect(":memory:")
    try:
        database.execute("CREATE TABLE books (title TEXT, author TEXT)")
        database.executemany("INSERT INTO books VALUES (?, ?)", [("p", "x"), ("q", "y"), ("r", "y")])
        assert database.execute(queries[0]).fetchall() == [("y", 2), ("x", 1)]
    finally:
        database.close()


def test_outputs_are_one_to_six_sentences() -> None:
    for row in rows():
        prose = FENCE.sub("", row["output"])
        ends = len(re.findall(r"[.!?](?=[\s\"”]|$)|[。！？]", prose))
        assert ends <= 6, row["id"]
