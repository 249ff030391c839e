"""The checker finds what is planted, names where, and nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import KINDS, check, exit_code, summary
from assay.data.duplicates import DIGESTS, NearTexts, bands_for, jaccard, shingles
from assay.errors import DataError


def put(folder: Path, *rows: Any, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def alpaca(question: str, answer: str) -> dict[str, str]:
    return {"instruction": question, "input": "", "output": answer}


def sharegpt(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": value} for role, value in turns]}


def found(path: Path, **options: Any) -> list[tuple[str, str, str]]:
    short = [(f.kind, f.origin.removeprefix(f"{path.parent}/"), f.message) for f in check(path, **options)]
    return [(kind, origin, message.replace(f"{path.parent}/", "")) for kind, origin, message in short]


CLEAN = [
    alpaca("Name three primary colors.", "Red, yellow and blue are the primary colors."),
    alpaca("What is the capital of Norway?", "The capital of Norway is Oslo."),
    alpaca(
        "Write a haiku about autumn.",
        "Leaves fall on the lake / a heron lifts from the reeds / the water closes",
    ),
]


def test_a_clean_file_has_no_findings(tmp_path: Path) -> None:
    findings = check(put(tmp_path, *CLEAN))
    assert findings == []
    assert exit_code(findings) == 0
    assert summary(findings) == {}


def test_malformed_rows_do_not_stop_it(tmp_path: Path) -> None:
    path = put(tmp_path, CLEAN[0], "{broken", CLEAN[1], {"instruction": "a", "output": None}, alpaca("b", ""))
    assert found(path) == [
        (
            "malformed",
            "data.jsonl:2",
            "row must be JSON; expecting property name enclosed in double quotes at column 2 in '{broken'.",
        ),
        ("malformed", "data.jsonl:4", "output must be a string; got null."),
        ("empty_turn", "data.jsonl:5", "turn 2 (assistant) is empty"),
    ]
    assert exit_code(check(path)) == 1
    assert summary(check(path)) == {"malformed": 2, "empty_turn": 1}


def test_a_file_without_a_readable_row_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, "{broken", {"a": 1})
    with pytest.raises(DataError) as caught:
        check(path)
    assert str(caught.value).startswith(
        f"{path} must hold at least one readable row; the first problem: {path}:1: row must be JSON;"
    )


def test_mixed_shapes_are_reported(tmp_path: Path) -> None:
    path = put(tmp_path, CLEAN[0], sharegpt(("human", "Where is Oslo?"), ("gpt", "In Norway.")))
    [finding] = check(path)
    assert (finding.kind, finding.message) == (
        "mixed_shapes",
        "row has the shape sharegpt; the first row has alpaca",
    )
    assert finding.related == f"{path}:1"
    assert finding.severity == "error"


@pytest.mark.parametrize(
    ("roles", "messages"),
    [
        (["human", "gpt"], []),
        (["system", "human", "gpt", "human", "gpt"], []),
        (["human", "function_call", "observation", "gpt"], []),
        (["human", "function_call", "observation", "observation", "function_call", "tool", "gpt"], []),
        (["gpt", "human", "gpt"], ["turn 1 must be user at the start; got assistant"]),
        (["human", "gpt", "human"], ["the last turn must be the assistant's answer; got user"]),
        (["human", "human", "gpt"], ["turn 2 must be assistant after user; got user"]),
        (["human", "gpt", "gpt"], ["turn 3 must be user or tool after assistant; got assistant"]),
        (["human", "gpt", "system", "gpt"], ["turn 3 must be user or tool after assistant; got system"]),
        (["human", "observation"], [
            "turn 2 must be assistant after user; got tool",
            "the last turn must be the assistant's answer; got tool",
        ]),
    ],
)  # fmt: skip
def test_turn_order(tmp_path: Path, roles: list[str], messages: list[str]) -> None:
    path = put(tmp_path, sharegpt(*((role, f"text {n}") for n, role in enumerate(roles))))
    assert found(path) == [("turn_order", "data.jsonl:1", message) for message in messages]


def test_shapes_without_answers_have_no_turn_order(tmp_path: Path) -> None:
    assert check(put(tmp_path, {"text": "A plain document."})) == []
    assert check(put(tmp_path, {"turns": ["A first question.", "A second one."]})) == []


def test_a_tool_call_without_text_is_not_an_empty_turn(tmp_path: Path) -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": " "},
        {"role": "assistant", "content": "No."},
    ]
    assert found(put(tmp_path, {"messages": turns})) == [
        ("empty_turn", "data.jsonl:1", "turn 3 (tool) is empty")
    ]


def test_exact_duplicates_and_repeated_prompts(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        *CLEAN,
        alpaca("What is  the capital of Norway?\n", "The capital of Norway is Oslo. "),
        alpaca(
            "What is the capital of Norway?", "It is a city on a fjord, founded about a thousand years ago."
        ),
        alpaca("what is the capital of norway?", "Bergen was it until about the year thirteen hundred."),
    )
    assert found(path) == [
        ("exact_duplicate", "data.jsonl:4", "same conversation as data.jsonl:2"),
        ("duplicate_prompt", "data.jsonl:5", "same prompt as data.jsonl:2, with another answer"),
    ]


def test_tool_calls_tell_conversations_apart(tmp_path: Path) -> None:
    def row(name: str) -> dict[str, Any]:
        call = {"function": {"name": name, "arguments": "{}"}}
        turns = [
            {"role": "user", "content": "Do it."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
        return {"messages": turns}

    kinds = [kind for kind, _, _ in found(put(tmp_path, row("f"), row("g"), row("f")), near=None)]
    assert kinds == ["duplicate_prompt", "exact_duplicate"]


LONG = (
    "The river rises in the hills, runs past three mills and a weir, and meets the sea below the old town. "
    * 2
)
LANG = (
    "这条河发源于山区，流经三座磨坊和一道堤坝，最后在老城下方汇入大海。"
    "沿岸的居民世代以捕鱼和种茶为生，春天常常涨水。"
)


def test_near_duplicates_in_any_script(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        alpaca("Describe the river.", LONG),
        alpaca("请描述这条河。", LANG),
        alpaca("describe the river!", LONG.replace("three", "four")),
        alpaca("请描述这条河流。", LANG.replace("常常", "时常")),
        alpaca(
            "Describe the hill.", "It is green, with sheep and a wall of grey stone running over the top."
        ),
    )
    near = [row for row in found(path, near=0.7) if row[0] == "near_duplicate"]
    assert [(origin, message.split(" with ")[1]) for _, origin, message in near] == [
        ("data.jsonl:3", "data.jsonl:1"),
        ("data.jsonl:4", "data.jsonl:2"),
    ]
    first = jaccard(
        shingles(f"Describe the river.\n{LONG}"),
        shingles(f"describe the river!\n{LONG.replace('three', 'four')}"),
    )
    assert near[0][2].startswith(f"Jaccard {first:.3f} ")
    assert not [row for row in found(path, near=0.99) if row[0] == "near_duplicate"]
    assert not [row for row in found(path, near=None) if row[0] == "near_duplicate"]


def test_a_shared_system_prompt_is_no_near_duplicate(tmp_path: Path) -> None:
    rows = [alpaca(row["instruction"], row["output"]) | {"system": LONG * 5} for row in CLEAN]
    assert check(put(tmp_path, *rows)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("The cafÃ© is open", "turn 2 (assistant) looks like text decoded with the wrong encoding: "
         "'The cafÃ© is open' for 'The café is open'"),
        ("lost \ufffd here", "turn 2 (assistant) holds the replacement character U+FFFD: 'lost \ufffd here'"),
        ("cut \ud83d off", "turn 2 (assistant) holds the lone surrogate U+D83D: 'cut \\ud83d off'"),
        ("bell \x07 rings", "turn 2 (assistant) holds the control character U+0007: 'bell \\x07 rings'"),
    ],
)  # fmt: skip
def test_encoding_trouble(tmp_path: Path, text: str, message: str) -> None:
    assert found(put(tmp_path, alpaca("Say it.", text))) == [("encoding", "data.jsonl:1", message)]


@pytest.mark.parametrize(
    "text", ["Déjà vu, naïve café — “quoted”…", "你好，世界！", "Привет\tмир\r\n", "ñandú ½ × 3 ≤ 4 😀"]
)
def test_sound_text_of_any_language_is_no_trouble(tmp_path: Path, text: str) -> None:
    path = put(tmp_path, alpaca("Say it.", text))
    assert [finding for finding in check(path) if finding.kind == "encoding"] == []


def test_several_scripts_are_information(tmp_path: Path) -> None:
    findings = check(put(tmp_path, *CLEAN, alpaca("请描述这条河。", LANG)))
    assert [(f.kind, f.severity, f.message) for f in findings] == [
        ("scripts", "info", "rows by their main script: Latin 3, Han 1")
    ]
    assert exit_code(findings) == 0


def test_overlap_with_another_source(tmp_path: Path) -> None:
    test_set = put(
        tmp_path,
        CLEAN[1],
        alpaca("Describe the river that runs through the town and the hills around it.", LONG),
        alpaca("Why is the sky blue on a clear day, and red in the evening?", "Scattering."),
        name="test.jsonl",
    )
    path = put(
        tmp_path,
        CLEAN[0],
        sharegpt(("system", "Be kind."), ("human", CLEAN[1]["instruction"]), ("gpt", CLEAN[1]["output"])),
        alpaca("Describe the river that runs through the town and the hills around it.", "Long."),
        alpaca("Describe the river which runs through the town and the hills around it.", LONG),
        alpaca(
            "Why is the sky blue on a clear day and red in the evening?", "Because of the air in between."
        ),
    )
    leaks = [row for row in found(path, against=test_set, near=0.7) if row[0].startswith("leak")]
    assert [(kind, origin, message.split()[-1]) for kind, origin, message in leaks] == [
        ("leak_exact", "data.jsonl:2", "test.jsonl:1"),
        ("leak_prompt", "data.jsonl:3", "test.jsonl:2"),
        ("leak_near", "data.jsonl:4", "test.jsonl:2"),
        ("leak_near_prompt", "data.jsonl:5", "test.jsonl:3"),
    ]
    assert {KINDS[kind].severity for kind, _, _ in leaks} == {"error"}


def test_broken_rows_of_the_other_source_are_reported_too(tmp_path: Path) -> None:
    other = put(tmp_path, CLEAN[2], "{broken", name="other.jsonl")
    [finding] = check(put(tmp_path, CLEAN[0]), against=other)
    assert (finding.kind, finding.origin) == ("malformed", f"{other}:2")


def test_near_is_checked(tmp_path: Path) -> None:
    path = put(tmp_path, *CLEAN)
    with pytest.raises(DataError, match=r"near must be > 0; got 0"):
        check(path, near=0)
    with pytest.raises(DataError, match=r"near must be <= 1; got 80"):
        check(path, near=80)


WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heath",
    "inlet",
    "jetty",
    "knoll",
    "ledge",
    "marsh",
    "north",
    "ocean",
    "plain",
]


@settings(derandomize=True, max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), near=st.sampled_from([0.5, 0.7, 0.8, 0.9]))
def test_near_texts_equal_comparing_all_pairs(seed: int, near: float) -> None:
    source = random.Random(seed)
    texts: list[str] = []
    for _ in range(25):
        words = source.choices(WORDS, k=30)
        if texts and source.random() < 0.6:
            words = source.choice(texts).split()
            for _ in range(source.randint(0, 6)):
                words[source.randrange(30)] = source.choice(WORDS)
        texts.append(" ".join(words))
    sets = [shingles(text) for text in texts]
    index = NearTexts(near=near)
    for number, text in enumerate(texts):
        match = index.nearest_before(text, keep_as=number)
        shares = {other: jaccard(sets[number], sets[other]) for other in range(number)}
        wanted = next((other for other in shares if shares[other] >= near), None)
        # A pair is only ever missed where it is barely near; what is found is always exact.
        if match is None:
            assert wanted is None or max(shares.values()) < near + 0.05
        else:
            assert match[1] == shares[match[0]] >= near
            assert match[0] == wanted or shares[wanted or 0] < near + 0.05


@pytest.mark.parametrize("near", [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_find_pairs_at_the_limit(near: float) -> None:
    bands = bands_for(near)
    assert DIGESTS % bands == 0
    assert (1 - near ** (DIGESTS // bands)) ** bands <= 5e-3


def test_same_findings_twice(tmp_path: Path) -> None:
    rows = [alpaca(f"Question {n % 7} about rivers and hills", LONG[: 60 + n % 5]) for n in range(60)]
    path = put(tmp_path, *rows)
    assert check(path) == check(path)
