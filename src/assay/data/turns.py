"""One turn of a conversation, in the two spellings people use: ``{from, value}`` and ``{role, content}``.

Reading keeps in `Message.extra` whatever is more than a role and a text:

- ``role``: the row's own role where the four roles do not tell it (developer, function, function_call);
- ``content``: the list of parts, where the content was one;
- every other key of the turn that is not null (``tool_calls``, ``name``, ``loss_weight`` ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.data.json_text import dumps, excerpt, loads
from assay.data.sample import Message
from assay.errors import DataError

ROLE_OF = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function": "tool",
}
KEPT_ROLES = ("developer", "function", "function_call")
SHAREGPT_ROLE = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


def is_turn(value: Any) -> bool:
    """Tell whether a value has the two keys of a turn, in either spelling."""
    return isinstance(value, dict) and (("from" in value and "value" in value) or "role" in value)


def is_turns(value: Any) -> bool:
    """Tell whether a value is a list that opens with a turn."""
    return isinstance(value, list) and bool(value) and is_turn(value[0])


def string(value: Any, origin: str, field: str) -> str:
    """Return `value` if it is a string, else raise by its origin and field."""
    if not isinstance(value, str):
        raise DataError(f"{origin}: {field} must be a string; got {excerpt(value)}.")
    return value


def parse_turns(turns: Any, origin: str, field: str) -> tuple[Message, ...]:
    """Return the messages of a non-empty list of turns."""
    if not isinstance(turns, list) or not turns:
        raise DataError(f"{origin}: {field} must be a non-empty list; got {excerpt(turns)}.")
    return tuple(parse_turn(turn, origin, f"{field}[{number}]") for number, turn in enumerate(turns))


def parse_turn(turn: Any, origin: str, field: str) -> Message:
    """Return the message of one turn in either spelling."""
    if not is_turn(turn):
        raise DataError(
            f"{origin}: {field} must be an object with 'role' and 'content', or 'from' and 'value'; "
            f"got {excerpt(turn)}."
        )
    role_key, text_key = ("from", "value") if "from" in turn and "value" in turn else ("role", "content")
    name = turn[role_key]
    role = ROLE_OF.get(name) if isinstance(name, str) else None
    if role is None:
        raise DataError(
            f"{origin}: {field}.{role_key} must be one of {', '.join(ROLE_OF)}; got {excerpt(name)}."
        )
    extra = {k: v for k, v in turn.items() if k not in (role_key, text_key) and v is not None}
    if role_key == "from" and ("role" in extra or "content" in extra):
        raise DataError(
            f"{origin}: {field} must have either 'from' and 'value' or 'role' and 'content', not both; "
            f"got {excerpt(turn)}."
        )
    if name in KEPT_ROLES:
        extra["role"] = name
    content = turn.get(text_key)
    if isinstance(content, list):
        extra["content"] = content
        text = "\n".join(_part_texts(content, origin, f"{field}.{text_key}"))
    elif content is None and (extra.get("tool_calls") or extra.get("function_call")):
        text = ""
    else:
        text = string(content, origin, f"{field}.{text_key}")
    return Message(role, text, extra)


def openai_turn(message: Message) -> dict[str, Any]:
    """Return a message as ``{role, content}``; a ShareGPT function call becomes ``tool_calls``."""
    extra = dict(message.extra)
    name = extra.pop("role", message.role)
    content = extra.pop("content", message.content)
    if name == "function_call":
        calls = _calls_in(message.content)
        return {"role": "assistant", "content": "", "tool_calls": calls} | extra
    if "tool_calls" in extra and content == "":
        content = None
    return {"role": name, "content": content} | extra


def sharegpt_turn(message: Message) -> dict[str, Any]:
    """Return a message as ``{from, value}``; ``tool_calls`` become a function_call turn."""
    extra = dict(message.extra)
    name = SHAREGPT_ROLE[message.role]
    if extra.pop("role", None) == "function_call":
        return {"from": "function_call", "value": message.content} | extra
    parts = extra.pop("content", None)
    if parts is not None and any(_part_text(part) is None for part in parts):
        raise DataError("a turn with parts that are not text has no place in a {from, value} turn")
    if "from" in extra or "value" in extra:
        raise DataError("a turn with a further 'from' or 'value' has no place in a {from, value} turn")
    if "function_call" in extra:
        raise DataError(
            "a turn with 'function_call' (the old OpenAI form) has no place in a {from, value} turn"
        )
    calls = extra.pop("tool_calls", None)
    if calls:
        if message.content:
            raise DataError("a turn with both text and tool calls has no place in a {from, value} turn")
        return {"from": "function_call", "value": _value_of(calls)} | extra
    return {"from": name, "value": message.content} | extra


def is_plain(message: Message) -> bool:
    """Tell whether a message is wholly its role and its text."""
    if not message.extra:
        return True
    if set(message.extra) == {"content"}:
        return all(_part_text(part) is not None for part in message.extra["content"])
    return set(message.extra) == {"role"} and message.extra["role"] == "developer"


def beyond_text(message: Message) -> dict[str, Any]:
    """Return what a message says outside its text: tool calls, and parts that are not text."""
    said = {k: message.extra[k] for k in ("tool_calls", "function_call") if message.extra.get(k)}
    parts = [part for part in message.extra.get("content", ()) if _part_text(part) is None]
    return said | ({"parts": parts} if parts else {})


def plain_pairs(messages: Sequence[Message], *, system: bool) -> tuple[str | None, list[tuple[str, str]]]:
    """Return the system text and the (question, answer) pairs of a plain, alternating conversation."""
    turns = list(messages)
    first = None
    if turns and turns[0].role == "system":
        if not system:
            raise DataError("it has no place for a system turn")
        first = turns.pop(0)
    for number, message in enumerate(messages):
        if not is_plain(message):
            more = ", ".join(message.extra) or "more than text"
            raise DataError(f"it has no place for what turn {number} holds besides text ({more})")
    roles = [message.role for message in turns]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise DataError(f"it holds questions and answers in turn; got {', '.join(roles[:6]) or 'nothing'}")
    texts = [message.content for message in turns]
    return (first.content if first else None), list(zip(texts[::2], texts[1::2], strict=True))


def one_pair(messages: Sequence[Message]) -> tuple[str, str]:
    """Return the question and the answer of a plain conversation of two turns."""
    _, pairs = plain_pairs(messages, system=False)
    if len(pairs) != 1:
        raise DataError(f"it holds one question and one answer; got {len(messages)} turns")
    return pairs[0]


def _part_text(part: Any) -> str | None:
    """Return the text of a part that is text and nothing else, in its OpenAI or LLaMA-Factory spelling."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type") == "text":
        texts = [v for k, v in part.items() if k in ("text", "value") and v is not None]
        others = [k for k, v in part.items() if k not in ("type", "text", "value") and v is not None]
        if len(texts) == 1 and isinstance(texts[0], str) and not others:
            return texts[0]
    return None


def _part_texts(parts: Sequence[Any], origin: str, field: str) -> list[str]:
    found = []
    for number, part in enumerate(parts):
        if not isinstance(part, str | dict):
            raise DataError(
                f"{origin}: {field}[{number}] must be a string or an object; got {excerpt(part)}."
            )
        if isinstance(part, dict) and part.get("type") == "text":
            text = part.get("text") if part.get("text") is not None else part.get("value")
            found.append(string(text, origin, f"{field}[{number}].text"))
        elif isinstance(part, str):
            found.append(part)
    return found


def _calls_in(value: str) -> list[dict[str, Any]]:
    """Return a ShareGPT function_call value as OpenAI tool calls."""
    try:
        found = loads(value.encode("utf-8", "surrogatepass"))
    except ValueError:
        found = None
    calls = found if isinstance(found, list) else [found]
    out = []
    for call in calls:
        if not isinstance(call, dict) or not {"name", "arguments"} <= set(call) <= {
            "id",
            "name",
            "arguments",
        }:
            raise DataError(
                f"a function_call turn must hold a JSON object with name and arguments; got {excerpt(value)}"
            )
        function = {"name": call["name"], "arguments": call["arguments"]}
        out.append(({"id": call["id"]} if "id" in call else {}) | {"type": "function", "function": function})
    return out


def _value_of(calls: Any) -> str:
    """Return OpenAI tool calls as the JSON text of a ShareGPT function_call turn."""
    out = []
    for call in calls if isinstance(calls, list) else [calls]:
        call = {k: v for k, v in call.items() if v is not None} if isinstance(call, dict) else call
        function = call.get("function") if isinstance(call, dict) else None
        whole = (
            isinstance(function, Mapping)
            and {"name", "arguments"} == set(function)
            and set(call) <= {"id", "type", "function"}
            and call.get("type", "function") == "function"
        )
        if not whole or not isinstance(function, Mapping):
            raise DataError(f"tool_calls must hold functions with name and arguments; got {excerpt(call)}")
        out.append(({"id": call["id"]} if "id" in call else {}) | dict(function))
    text = dumps(out[0] if len(out) == 1 else out)
    return text.decode("utf-8")
