"""Shapes: detection, parsing, and that what goes in comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import FORMATS, Message, text
from assay.data.formats import rendered, sample_of, shape_of
from assay.errors import DataError

CALL = {"name": "weather", "arguments": {"city": "Oslo"}}
TOOL_CALL = {"id": "c1", "type": "function", "function": CALL}

# row, shape, (role, content) of every message
ROWS: list[tuple[Any, str, list[tuple[str, str]]]] = [
    (
        {"instruction": "Add.", "input": "1 1", "output": "2"},
        "alpaca",
        [("user", "Add.\n1 1"), ("assistant", "2")],
    ),
    ({"instruction": "Hi", "input": "", "output": ""}, "alpaca", [("user", "Hi"), ("assistant", "")]),
    ({"instruction": "Hi", "input": None, "response": "Yo"}, "alpaca", [("user", "Hi"), ("assistant", "Yo")]),
    (
        {"instruction": "Hi", "output": "Yo", "response": "other"},
        "alpaca",
        [("user", "Hi"), ("assistant", "Yo")],
    ),
    (
        {"instruction": "Hi", "output": "Yo", "text": "### Hi Yo"},
        "alpaca",
        [("user", "Hi"), ("assistant", "Yo")],
    ),
    (
        {"instruction": "c", "input": "", "output": "d", "system": "s", "history": [["a", "b"]]},
        "alpaca",
        [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
    ),
    (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"},
        "sharegpt",
        [("system", "s"), ("user", "a"), ("assistant", "b")],
    ),
    (
        {"conversations": [{"from": "user", "value": "a"}, {"from": "assistant", "value": "b"}]},
        "sharegpt",
        [("user", "a"), ("assistant", "b")],
    ),
    (
        {
            "conversations": [
                {"from": "human", "value": "Rain?"},
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": "no"},
                {"from": "gpt", "value": "No."},
            ],
            "tools": "[]",
        },
        "sharegpt",
        [("user", "Rain?"), ("assistant", json.dumps(CALL)), ("tool", "no"), ("assistant", "No.")],
    ),
    (
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
        "turns",
        [("user", "a"), ("assistant", "b")],
    ),
    ([{"role": "user", "content": "a"}], "turns", [("user", "a")]),
    (
        {
            "messages": [
                {"role": "developer", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
                {"role": "tool", "content": "no", "tool_call_id": "c1"},
                {"role": "assistant", "content": "No.", "name": None},
            ]
        },
        "messages",
        [("system", "s"), ("user", "a\nb"), ("assistant", ""), ("tool", "no"), ("assistant", "No.")],
    ),
    ({"prompt": "a", "completion": "b"}, "prompt_completion", [("user", "a"), ("assistant", "b")]),
    (
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
        "prompt_completion",
        [("user", "a"), ("assistant", "b")],
    ),
    ({"query": "a", "response": "b"}, "query_response", [("user", "a"), ("assistant", "b")]),
    ({"question": "a", "std_answer": "b"}, "query_response", [("user", "a"), ("assistant", "b")]),
    ({"query": "a", "response": "b", "history": []}, "query_response", [("user", "a"), ("assistant", "b")]),
    (
        {"system": "s", "query": "c", "response": "d", "history": [["a", "b"]]},
        "query_response",
        [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
    ),
    (
        {"history": [{"user": "a", "bot": "b"}, {"user": "c", "bot": "d"}]},
        "history",
        [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")],
    ),
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference", [("user", "a"), ("assistant", "b")]),
    (
        {"instruction": "a", "input": "x", "chosen": "b", "rejected": "c"},
        "preference",
        [("user", "a\nx"), ("assistant", "b")],
    ),
    (
        {
            "conversations": [{"from": "human", "value": "a"}],
            "chosen": {"from": "gpt", "value": "b"},
            "rejected": {"from": "gpt", "value": "c"},
        },
        "preference",
        [("user", "a"), ("assistant", "b")],
    ),
    (
        {
            "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}],
        },
        "preference",
        [("user", "a"), ("assistant", "b")],
    ),
    (
        {
            "prompt": "a",
            "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
            "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}],
        },
        "preference",
        [("user", "a"), ("assistant", "b")],
    ),
    ({"turns": ["a", "b"], "category": "writing"}, "questions", [("user", "a"), ("user", "b")]),
    ({"text": "plain", "meta": 1}, "text", [("user", "plain")]),
    ("plain", "text", [("user", "plain")]),
]


@pytest.mark.parametrize(("row", "shape", "messages"), ROWS)
def test_shape_is_told_and_parsed(row: Any, shape: str, messages: list[tuple[str, str]]) -> None:
    assert shape_of(row) == shape
    sample = sample_of(row, "f:1", 0, shape=shape)
    assert [(message.role, message.content) for message in sample.messages] == messages
    assert rendered(sample, shape) is row


def test_every_shape_has_a_row_here() -> None:
    assert {shape for _, shape, _ in ROWS} == set(FORMATS)


@pytest.mark.parametrize(
    ("row", "shape", "problem"),
    [
        ({"instruction": "a", "output": None}, "alpaca", "f:3: output must be a string; got null."),
        ({"instruction": 3, "output": "b"}, "alpaca", "f:3: instruction must be a string; got 3."),
        ({"instruction": "a", "output": "b", "history": [["x"]]}, "alpaca",
         "f:3: history[0] must be [question, answer]; got ['x']."),
        ({"messages": None}, "messages", "f:3: messages must be a non-empty list; got null."),
        ({"messages": []}, "messages", "f:3: messages must be a non-empty list; got []."),
        ({"messages": [{"role": "user", "content": None}]}, "messages",
         "f:3: messages[0].content must be a string; got null."),
        ({"messages": ["hi"]}, "messages",
         "f:3: messages[0] must be an object with 'role' and 'content', or 'from' and 'value'; got 'hi'."),
        ({"conversations": [{"from": "alien", "value": "a"}]}, "sharegpt",
         "f:3: conversations[0].from must be one of system, developer, human, user, gpt, assistant, chatgpt, "
         "bing, bard, function_call, tool, observation, function; got 'alien'."),
        ({"conversations": [{"from": "human", "value": "a", "role": "x"}]}, "sharegpt",
         "f:3: conversations[0] must have either 'from' and 'value' or 'role' and 'content', not both; "
         "got an object with keys from, value, role."),
        ({"history": [{"user": "a"}]}, "history",
         "f:3: history[0] must be an object with 'user' and 'bot'; got an object with keys user."),
        ({"prompt": "a", "chosen": "b", "rejected": None}, "preference",
         "f:3: rejected must be a string; got null."),
        ("plain", "alpaca", "f:3: row must be an object; got 'plain'."),
        ({"turns": [1]}, "questions", "f:3: turns[0] must be a string; got 1."),
        ({"text": ["a"]}, "text", "f:3: text must be a string; got ['a']."),
    ],
)  # fmt: skip
def test_broken_rows_say_where_and_what(row: Any, shape: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        sample_of(row, "f:3", 0, shape=shape)
    assert str(caught.value) == problem


def test_own_id_or_number() -> None:
    row = {"text": "x"}
    assert sample_of(row | {"id": "a7"}, "", 4, shape="text").id == "a7"
    assert sample_of(row | {"_id": 12}, "", 4, shape="text").id == "12"
    assert sample_of(row | {"id": True}, "", 4, shape="text").id == "4"
    assert sample_of(row, "", 4, shape="text").id == "4"


def converted(row: Any, shape: str) -> Any:
    return rendered(sample_of(row, "f:1", 0, shape=str(shape_of(row))), shape)


def test_conversion_carries_the_other_columns() -> None:
    row = {
        "id": 7,
        "instruction": "a",
        "input": "",
        "output": "b",
        "category": "qa",
        "nested": {"x": [1, None]},
    }
    assert converted(row, "messages") == {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "id": 7,
        "category": "qa",
        "nested": {"x": [1, None]},
    }


def test_several_turns_become_alpaca_history() -> None:
    row = {"history": [{"user": "a", "bot": "b"}, {"user": "c", "bot": "d"}], "task": "GR"}
    assert converted(row, "alpaca") == {
        "instruction": "c", "input": "", "output": "d", "history": [["a", "b"]], "task": "GR",
    }  # fmt: skip


def test_tool_calls_cross_between_openai_and_sharegpt() -> None:
    turns = [
        {"from": "human", "value": "Rain?"},
        {"from": "function_call", "value": '{"name":"weather","arguments":{"city":"Oslo"}}'},
        {"from": "observation", "value": "no"},
        {"from": "gpt", "value": "No."},
    ]
    row = {"conversations": turns, "tools": "[]"}
    openai = converted(row, "messages")
    assert openai["messages"][1] == {
        "role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": CALL}],
    }  # fmt: skip
    assert openai["tools"] == "[]"
    assert converted(openai, "sharegpt") == row
    with_ids = {"messages": [{"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}]}
    back = converted(converted(with_ids, "sharegpt"), "messages")
    assert back["messages"][0]["tool_calls"] == [TOOL_CALL]


def test_preference_keeps_the_rejected_side_as_a_column() -> None:
    row = {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert converted(row, "query_response") == {"query": "a", "response": "b", "rejected": "c"}


@pytest.mark.parametrize(
    ("row", "shape", "reason"),
    [
        ({"history": [{"user": "a", "bot": "b"}] * 2}, "query_response",
         "it holds one question and one answer; got 4 turns"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                       {"role": "assistant", "content": "b"}]}, "history",
         "it has no place for a system turn"),
        ({"messages": [{"role": "user", "content": "a"},
                       {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}]}, "alpaca",
         "it has no place for what turn 1 holds besides text (tool_calls)"),
        ({"messages": [{"role": "assistant", "content": "a", "tool_calls": [TOOL_CALL]}]}, "sharegpt",
         "a turn with both text and tool calls has no place in a {from, value} turn"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "sharegpt",
         "a turn with parts that are not text has no place in a {from, value} turn"),
        ({"messages": [{"role": "user", "content": "a"}]}, "alpaca",
         "it holds questions and answers in turn; got user"),
        ({"conversations": [{"from": "function_call", "value": "not json"}]}, "messages",
         "a function_call turn must hold a JSON object with name and arguments; got 'not json'"),
        ({"query": "a", "response": "b", "id": 1}, "turns", "a bare list has no place for the columns id"),
        ({"query": "a", "response": "b", "input": "c"}, "alpaca",
         "the column 'input' is there already, with another meaning"),
        ({"query": "a", "response": "b"}, "preference",
         "it needs a rejected answer beside the chosen one, which other shapes do not have"),
        ({"query": "a", "response": "b"}, "text", "it holds one text without roles; got 2 turns"),
        ({"query": "a", "response": "b"}, "questions", "it holds questions without answers"),
        ({"query": "a", "response": "b", "messages": [1]}, "alpaca", None),
    ],
)  # fmt: skip
def test_what_a_shape_cannot_hold_is_refused(row: Any, shape: str, reason: str | None) -> None:
    origin = "f:9"
    name = "query_response" if reason is None else str(shape_of(row))
    sample = sample_of(row, origin, 0, shape=name)
    with pytest.raises(DataError) as caught:
        rendered(sample, shape)
    assert str(caught.value) == (
        f"f:9: row must fit the shape {shape}; "
        f"{reason or 'with the columns messages it would read as messages'}. "
        "Choose another shape with --to (messages and sharegpt hold the most)."
    )


TEXT = st.text(max_size=20)
PLAIN_PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4)
COLUMNS = st.dictionaries(st.sampled_from(["id", "category", "source"]), st.integers() | TEXT, max_size=3)


@settings(derandomize=True, max_examples=60)
@given(pairs=PLAIN_PAIRS, columns=COLUMNS, system=st.none() | st.text(min_size=1, max_size=9))
@pytest.mark.parametrize(
    "target", ["alpaca", "sharegpt", "messages", "history", "query_response", "prompt_completion"]
)
def test_what_is_rendered_reads_back(
    target: str, pairs: list[tuple[str, str]], columns: dict[str, Any], system: str | None
) -> None:
    first = [{"role": "system", "content": system}] if system is not None else []
    turns = [
        {"role": r, "content": c} for pair in pairs for r, c in zip(("user", "assistant"), pair, strict=True)
    ]
    sample = sample_of({"messages": first + turns} | columns, "f:1", 0, shape="messages")
    single = target in ("query_response", "prompt_completion")
    if (single and len(pairs) > 1) or (system is not None and (single or target == "history")):
        with pytest.raises(DataError, match=f"row must fit the shape {target}"):
            rendered(sample, target)
        return
    row = rendered(sample, target)
    assert shape_of(row) == target
    again = sample_of(row, "f:1", 0, shape=target)
    assert again.messages == sample.messages
    assert {key: row[key] for key in columns} == columns
    assert rendered(again, "messages") == sample.row


def test_text_rules() -> None:
    row = {"instruction": "Add.", "input": "1 1", "output": "2", "system": "s"}
    sample = sample_of(row, "f:1", 0, shape="alpaca")
    assert text(sample) == "s\nAdd.\n1 1\n2"
    assert text(sample, "instruction") == "s\nAdd.\n1 1"
    empty = sample_of({"instruction": "a", "output": ""}, "f:1", 0, shape="alpaca")
    assert text(empty) == "a"
    with pytest.raises(
        DataError, match=r"rule must be one of all, instruction; got 'al'\. Did you mean 'all'\?"
    ):
        text(empty, "al")


def test_message_extra_keeps_what_is_more_than_text() -> None:
    turn = {"role": "user", "content": "a", "loss_weight": 0.0, "name": None}
    [message] = sample_of([turn], "f:1", 0, shape="turns").messages
    assert message == Message("user", "a", {"loss_weight": 0.0})
