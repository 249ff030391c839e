"""JSON in and out without losing a value.

orjson does the work. What it would refuse or round goes through the standard library instead, so that a row
read here and written here has equal values: lone surrogates (written back as ``\\udxxx`` escapes), integers
beyond 64 bits (orjson makes them floats), and the literals NaN and Infinity (orjson makes them null).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from assay.errors import DataError

_LONG_NUMBER = re.compile(rb"\d{19}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def loads(text: bytes) -> Any:
    """Return the JSON value in `text`; raise ValueError if not JSON, UnicodeDecodeError if not UTF-8."""
    if _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any, *, indent: bool = False) -> bytes:
    """Return `value` as UTF-8 JSON, compact or indented by two; what JSON cannot hold raises DataError."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None)
        if b"null" not in text or not _has_nonfinite(value):
            return text
    except TypeError:
        pass
    try:
        plain = json.dumps(
            value, ensure_ascii=False, indent=2 if indent else None, separators=(",", ": " if indent else ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"row must hold only what JSON can hold; {error}. Write .parquet instead.") from None
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", plain).encode("utf-8")


def excerpt(value: Any, limit: int = 60) -> str:
    """Return a short, one-line, printable form of a value for an error message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and value:
        value = "an object with keys " + ", ".join(map(str, value))
        text = str(value)
    else:
        text = repr(value)
    text = _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _has_nonfinite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_nonfinite(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(_has_nonfinite(v) for v in value)
    return False
