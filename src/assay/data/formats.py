"""FORMATS: every shape of record that assay knows, in the order in which a row is tried against them.

A sample written in its own shape is its `row`, untouched. In another shape it is rendered from its messages,
with the row's other columns carried over; what that shape cannot hold is refused, never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.data.json_text import excerpt
from assay.data.sample import Message, Sample
from assay.data.turns import (
    is_plain,
    is_turn,
    is_turns,
    one_pair,
    openai_turn,
    parse_turn,
    parse_turns,
    plain_pairs,
    sharegpt_turn,
    string,
)
from assay.errors import DataError

QUESTION_KEYS = (("query", "response"), ("question", "answer"), ("question", "std_answer"))


@dataclass(frozen=True, slots=True)
class Format:
    """One shape: how a row of it is told, read and made.

    `detect(row)` looks at keys, not at values, so that a broken row is still reported as a row of its shape.
    `parse(row, origin)` returns the messages or raises `DataError`. `render(messages, columns)` returns a row
    of this shape with the given other columns beside, or raises `DataError` with the reason. `columns(row)`
    names the keys of a row that its messages came from.
    """

    name: str
    summary: str
    detect: Callable[[Any], bool]
    parse: Callable[[Any, str], tuple[Message, ...]]
    render: Callable[[Sequence[Message], Mapping[str, Any]], Any]
    columns: Callable[[Any], tuple[str, ...]]


def shape_of(row: Any) -> str | None:
    """Return the name of the first shape that a row fits, or None."""
    for name, shape in FORMATS.items():
        if shape.detect(row):
            return name
    return None


def sample_of(row: Any, origin: str, number: int, *, shape: str) -> Sample:
    """Return the sample of a row read as `shape`; a row that breaks the shape raises `DataError`."""
    own = row.get("id", row.get("_id")) if isinstance(row, dict) else None
    named = isinstance(own, str) or (isinstance(own, int) and not isinstance(own, bool))
    messages = FORMATS[shape].parse(row, origin)
    return Sample(str(own) if named else str(number), messages, row, shape, origin)


def rendered(sample: Sample, shape: str | None) -> Any:
    """Return the row of a sample in a shape; its own row, untouched, where that is the shape it has."""
    if shape is None or shape == sample.format:
        return sample.row
    target = FORMATS[shape]
    kept: dict[str, Any] = {}
    if isinstance(sample.row, dict):
        mine = FORMATS[sample.format].columns(sample.row)
        kept = {k: v for k, v in sample.row.items() if k not in mine}
    where = sample.origin or f"sample {sample.id}"
    try:
        row = target.render(sample.messages, kept)
        if isinstance(row, dict):
            for key in kept:
                if key in target.columns(row):
                    raise DataError(f"the column {key!r} is there already, with another meaning")
        elif kept:
            raise DataError(f"a bare list has no place for the columns {', '.join(kept)}")
        if shape_of(row) != shape:
            raise DataError(f"with the columns {', '.join(kept)} it would read as {shape_of(row)}")
    except DataError as error:
        raise DataError(
            f"{where}: row must fit the shape {shape}; {error}. "
            "Choose another shape with --to (messages and sharegpt hold the most)."
        ) from None
    return row


def _has(row: Any, *keys: str) -> bool:
    return isinstance(row, dict) and all(key in row for key in keys)


def _object(row: Any, origin: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{origin}: row must be an object; got {excerpt(row)}.")
    return row


def _optional(row: Mapping[str, Any], key: str, origin: str) -> str:
    value = row.get(key)
    return "" if value is None else string(value, origin, key)


def _system(row: Mapping[str, Any], origin: str) -> tuple[Message, ...]:
    text = _optional(row, "system", origin)
    return (Message("system", text),) if text else ()


def _question(row: Mapping[str, Any], origin: str) -> Message:
    """Return the user's turn of an Alpaca row: instruction and input, joined by one newline."""
    parts = [string(row.get("instruction"), origin, "instruction"), _optional(row, "input", origin)]
    return Message("user", "\n".join(part for part in parts if part))


def _alpaca_answer(row: Mapping[str, Any]) -> str:
    return "output" if "output" in row or "response" not in row else "response"


def _alpaca_columns(row: Any) -> tuple[str, ...]:
    return ("instruction", "input", _alpaca_answer(row), "system", "history")


def _before(row: Mapping[str, Any], origin: str) -> tuple[Message, ...]:
    """Return what stands before the question of a row: its system text, and the pairs of its history."""
    messages = list(_system(row, origin))
    history = row.get("history")
    if history is not None and not isinstance(history, list):
        raise DataError(f"{origin}: history must be a list of [question, answer]; got {excerpt(history)}.")
    for number, pair in enumerate(history or ()):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DataError(f"{origin}: history[{number}] must be [question, answer]; got {excerpt(pair)}.")
        messages.append(Message("user", string(pair[0], origin, f"history[{number}][0]")))
        messages.append(Message("assistant", string(pair[1], origin, f"history[{number}][1]")))
    return tuple(messages)


def _parse_alpaca(row: Any, origin: str) -> tuple[Message, ...]:
    row = _object(row, origin)
    key = _alpaca_answer(row)
    answer = Message("assistant", string(row.get(key), origin, key))
    return (*_before(row, origin), _question(row, origin), answer)


def _render_alpaca(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    system, pairs = plain_pairs(messages, system=True)
    row: dict[str, Any] = {"instruction": pairs[-1][0], "input": "", "output": pairs[-1][1]}
    if system is not None:
        row["system"] = system
    if len(pairs) > 1:
        row["history"] = [list(pair) for pair in pairs[:-1]]
    return row | {k: v for k, v in columns.items() if k not in row}


def _parse_sharegpt(row: Any, origin: str) -> tuple[Message, ...]:
    row = _object(row, origin)
    return _system(row, origin) + parse_turns(row.get("conversations"), origin, "conversations")


def _parse_messages(row: Any, origin: str) -> tuple[Message, ...]:
    return parse_turns(_object(row, origin).get("messages"), origin, "messages")


def _parse_bare_turns(row: Any, origin: str) -> tuple[Message, ...]:
    return parse_turns(row, origin, "row")


def _side(value: Any, role: str, origin: str, field: str) -> tuple[Message, ...]:
    """Return one side of a pair: a text, one turn, or a list of turns."""
    if isinstance(value, list):
        return parse_turns(value, origin, field)
    if is_turn(value):
        return (parse_turn(value, origin, field),)
    return (Message(role, string(value, origin, field)),)


def _parse_prompt_completion(row: Any, origin: str) -> tuple[Message, ...]:
    row = _object(row, origin)
    prompt = _side(row.get("prompt"), "user", origin, "prompt")
    return prompt + _side(row.get("completion"), "assistant", origin, "completion")


def _render_prompt_completion(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    question, answer = one_pair(messages)
    return {"prompt": question, "completion": answer} | _beside(columns, "prompt", "completion")


def _question_keys(row: Any) -> tuple[str, ...]:
    return next((keys for keys in QUESTION_KEYS if _has(row, *keys)), QUESTION_KEYS[0])


def _parse_query_response(row: Any, origin: str) -> tuple[Message, ...]:
    row = _object(row, origin)
    query, response = _question_keys(row)
    before = _before(row, origin) if query == "query" else ()
    question = Message("user", string(row.get(query), origin, query))
    return (*before, question, Message("assistant", string(row.get(response), origin, response)))


def _query_columns(row: Any) -> tuple[str, ...]:
    keys = _question_keys(row)
    return (*keys, "system", "history") if keys[0] == "query" else keys


def _render_query_response(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    question, answer = one_pair(messages)
    return {"query": question, "response": answer} | _beside(columns, "query", "response")


def _is_history(row: Any) -> bool:
    if not _has(row, "history") or _has(row, "instruction") or _has(row, "query", "response"):
        return False
    turns = row["history"]
    return not isinstance(turns, list) or not turns or _has(turns[0], "user") or _has(turns[0], "bot")


def _parse_history(row: Any, origin: str) -> tuple[Message, ...]:
    history = _object(row, origin).get("history")
    if not isinstance(history, list) or not history:
        raise DataError(f"{origin}: history must be a non-empty list; got {excerpt(history)}.")
    messages = []
    for number, turn in enumerate(history):
        field = f"history[{number}]"
        if not isinstance(turn, dict) or set(turn) != {"user", "bot"}:
            raise DataError(
                f"{origin}: {field} must be an object with 'user' and 'bot'; got {excerpt(turn)}."
            )
        messages.append(Message("user", string(turn["user"], origin, f"{field}.user")))
        messages.append(Message("assistant", string(turn["bot"], origin, f"{field}.bot")))
    return tuple(messages)


def _render_history(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    _, pairs = plain_pairs(messages, system=False)
    return {"history": [{"user": user, "bot": bot} for user, bot in pairs]} | _beside(columns, "history")


def _preference_columns(row: Any) -> tuple[str, ...]:
    if _has(row, "conversations"):
        return ("conversations", "system", "chosen")
    if _has(row, "instruction"):
        return ("instruction", "input", "system", "history", "chosen")
    return ("prompt", "chosen")


def _parse_preference(row: Any, origin: str) -> tuple[Message, ...]:
    """Return the conversation with the chosen answer; a chosen list may be the whole of it."""
    row = _object(row, origin)
    chosen = _side(row.get("chosen"), "assistant", origin, "chosen")
    _side(row.get("rejected"), "assistant", origin, "rejected")
    if "conversations" in row:
        return _parse_sharegpt(row, origin) + chosen
    if "instruction" in row:
        return _parse_alpaca(row | {"output": ""}, origin)[:-1] + chosen
    if row.get("prompt") is None:
        return chosen
    prompt = _side(row["prompt"], "user", origin, "prompt")
    if chosen[0].role == "assistant":
        return prompt + chosen
    if not any(prompt[-1].content == message.content for message in chosen):
        raise DataError(
            f"{origin}: chosen must be the answer to prompt, or the conversation that holds it; "
            f"got one that opens with {excerpt(chosen[0].content)}."
        )
    return chosen


def _render_preference(messages: Sequence[Message], columns: Mapping[str, Any]) -> Any:
    raise DataError("it needs a rejected answer beside the chosen one, which other shapes do not have")


def _is_questions(row: Any) -> bool:
    return _has(row, "turns") and not is_turns(row["turns"])


def _parse_question_turns(row: Any, origin: str) -> tuple[Message, ...]:
    turns = _object(row, origin).get("turns")
    if not isinstance(turns, list) or not turns:
        raise DataError(f"{origin}: turns must be a non-empty list; got {excerpt(turns)}.")
    return tuple(Message("user", string(turn, origin, f"turns[{n}]")) for n, turn in enumerate(turns))


def _render_question_turns(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    if not all(message.role == "user" and is_plain(message) for message in messages):
        raise DataError("it holds questions without answers")
    return {"turns": [message.content for message in messages]} | _beside(columns, "turns")


def _parse_text(row: Any, origin: str) -> tuple[Message, ...]:
    text = row if isinstance(row, str) else _object(row, origin).get("text")
    return (Message("user", string(text, origin, "text")),)


def _render_text(messages: Sequence[Message], columns: Mapping[str, Any]) -> dict[str, Any]:
    if len(messages) != 1 or not is_plain(messages[0]):
        raise DataError(f"it holds one text without roles; got {len(messages)} turns")
    return {"text": messages[0].content} | _beside(columns, "text")


def _beside(columns: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    """Return the carried columns without those the shape writes itself; `rendered` refuses the clash."""
    return {k: v for k, v in columns.items() if k not in taken}


FORMATS: dict[str, Format] = {
    "turns": Format(
        "turns",
        "a bare list of {from, value} or {role, content}",
        is_turns,
        _parse_bare_turns,
        lambda messages, columns: [sharegpt_turn(m) for m in messages],
        lambda row: (),
    ),
    "preference": Format(
        "preference",
        "chosen and rejected answers, beside prompt, instruction or conversations; the chosen side is read",
        lambda row: _has(row, "chosen", "rejected"),
        _parse_preference,
        _render_preference,
        _preference_columns,
    ),
    "messages": Format(
        "messages",
        "OpenAI: messages, a list of {role, content}, with tool calls and parts",
        lambda row: _has(row, "messages"),
        _parse_messages,
        lambda messages, columns: (
            {"messages": [openai_turn(m) for m in messages]} | _beside(columns, "messages")
        ),
        lambda row: ("messages",),
    ),
    "sharegpt": Format(
        "sharegpt",
        "ShareGPT: conversations, a list of {from, value}, with system, function_call, observation",
        lambda row: _has(row, "conversations"),
        _parse_sharegpt,
        lambda messages, columns: (
            {"conversations": [sharegpt_turn(m) for m in messages]} | _beside(columns, "conversations")
        ),
        lambda row: ("conversations", "system"),
    ),
    "alpaca": Format(
        "alpaca",
        "instruction, input, output (or response), optionally system and history",
        lambda row: _has(row, "instruction") and ("output" in row or "response" in row),
        _parse_alpaca,
        _render_alpaca,
        _alpaca_columns,
    ),
    "history": Format(
        "history",
        "history, a list of {user, bot}",
        _is_history,
        _parse_history,
        _render_history,
        lambda row: ("history",),
    ),
    "prompt_completion": Format(
        "prompt_completion",
        "prompt and completion: texts, or lists of turns",
        lambda row: _has(row, "prompt", "completion"),
        _parse_prompt_completion,
        _render_prompt_completion,
        lambda row: ("prompt", "completion"),
    ),
    "query_response": Format(
        "query_response",
        "query and response, optionally system and history (or question and answer)",
        lambda row: any(_has(row, *keys) for keys in QUESTION_KEYS),
        _parse_query_response,
        _render_query_response,
        _query_columns,
    ),
    "questions": Format(
        "questions",
        "MT-Bench: turns, a list of questions without answers",
        _is_questions,
        _parse_question_turns,
        _render_question_turns,
        lambda row: ("turns",),
    ),
    "text": Format(
        "text",
        "text alone: {text}, or a bare string",
        lambda row: isinstance(row, str) or _has(row, "text"),
        _parse_text,
        _render_text,
        lambda row: ("text",),
    ),
}
