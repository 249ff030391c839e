"""JSON in and out without losing a value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.json_text import dumps, excerpt, loads
from assay.errors import DataError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**80), max_value=2**80)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, max_examples=200)
@given(value=JSON, indent=st.booleans())
def test_values_come_back_equal(value: object, indent: bool) -> None:
    # A high surrogate beside a low one is one character in JSON text: the only pair that cannot stay two.
    joined = _paired(value)
    assert loads(dumps(value, indent=indent)) == joined


def _paired(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [_paired(one) for one in value]
    if isinstance(value, dict):
        return {_paired(key): _paired(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize(
    ("text", "value", "again"),
    [
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}, b'{"a":"\\ud83d"}'),
        (b"[123456789012345678901234567890]", [123456789012345678901234567890], None),
        (b"[-9223372036854775809, 18446744073709551616]", [-9223372036854775809, 18446744073709551616], None),
        (b"[Infinity, -Infinity, null]", [math.inf, -math.inf, None], b"[Infinity,-Infinity,null]"),
        ('["é你"]'.encode(), ["é你"], '["é你"]'.encode()),
    ],
)
def test_what_orjson_would_refuse_or_round(text: bytes, value: object, again: bytes | None) -> None:
    assert loads(text) == value
    assert dumps(value) == (again or text.replace(b" ", b""))


def test_nan_stays_nan() -> None:
    assert dumps(loads(b'{"a": [NaN, null]}')) == b'{"a":[NaN,null]}'


def test_what_json_cannot_hold() -> None:
    with pytest.raises(
        DataError, match=r"row must hold only what JSON can hold; .*bytes.* Write \.parquet instead"
    ):
        dumps({"a": b"x"})


def test_excerpt_is_one_short_printable_line() -> None:
    assert excerpt(None) == "null"
    assert excerpt("\ud83d\n") == "'\\ud83d\\n'"
    assert len(excerpt("x" * 500)) == 60
