"""Writing: rows come out as they went in, in every container, whole or not at all."""

from __future__ import annotations

import gzip
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data import read, selected_name, write
from assay.data.formats import sample_of, shape_of
from assay.data.sample import Sample
from assay.errors import AssayWarning, DataError


def samples_of(*rows: Any) -> list[Sample]:
    return [sample_of(row, f"in:{n}", n, shape=str(shape_of(row))) for n, row in enumerate(rows, 1)]


ROWS = [
    {
        "zeta": 1,
        "instruction": f"Frage {n} 你好",
        "input": "",
        "output": "é\n\u2028",
        "alpha": [n, None, {"x": 0.1}],
    }
    for n in range(3)
]
TEXT_SUFFIXES = [".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".jsonl.zst", ".json.zst"]


@pytest.mark.parametrize("suffix", [*TEXT_SUFFIXES, ".parquet", ".arrow"])
def test_rows_and_their_keys_come_back_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    # One Arrow column has one type: the mixed list is for JSON alone.
    wanted = ROWS if "json" in suffix else [row | {"alpha": [{"x": row["zeta"]}, None]} for row in ROWS]
    assert write(samples_of(*wanted), path) == 3
    rows = [sample.row for sample in read(path)]
    assert rows == wanted
    assert [list(row) for row in rows] == [list(row) for row in wanted]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [*TEXT_SUFFIXES, ".parquet", ".arrow", ".csv"])
def test_same_samples_same_bytes(tmp_path: Path, suffix: str) -> None:
    rows = [{"query": "a", "response": "b"}] * 3
    for name in ("one", "two"):
        write(samples_of(*rows), tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_gzip_holds_no_time_and_no_name(tmp_path: Path) -> None:
    write(samples_of({"text": "a"}), tmp_path / "a.jsonl.gz")
    head = (tmp_path / "a.jsonl.gz").read_bytes()[:10]
    assert head[3] == 0
    assert head[4:8] == b"\0\0\0\0"


def test_text_is_utf8_and_arrays_are_indented(tmp_path: Path) -> None:
    write(samples_of({"text": "é你"}, {"text": "b"}), tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text("utf-8") == (
        '[\n  {\n    "text": "é你"\n  },\n  {\n    "text": "b"\n  }\n]\n'
    )
    write(samples_of({"text": "é你"}), tmp_path / "a.jsonl")
    assert (tmp_path / "a.jsonl").read_text("utf-8") == '{"text":"é你"}\n'


@pytest.mark.parametrize("suffix", TEXT_SUFFIXES)
def test_surrogates_long_integers_and_nan_come_back(tmp_path: Path, suffix: str) -> None:
    row = {"text": "broken \ud83d", "n": 2**70, "x": math.nan, "y": None}
    path = tmp_path / f"a{suffix}"
    write(samples_of(row), path)
    [sample] = read(path)
    assert math.isnan(sample.row.pop("x"))
    assert sample.row == {"text": "broken \ud83d", "n": 2**70, "y": None}
    write([sample], tmp_path / "b.jsonl")
    assert b"\\ud83d" in (tmp_path / "b.jsonl").read_bytes()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, max_examples=60)
@given(text=st.text(), more=st.dictionaries(st.sampled_from(["id", "meta", "score"]), VALUES))
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".jsonl.gz"])
def test_any_row_comes_back(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, text: str, more: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / f"a{suffix}"
    row = {"text": text} | more
    write(samples_of(row, row), path)
    assert repr([sample.row for sample in read(path)]) == repr([row, row])


def test_json_lines_under_a_json_name_stays_so(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.warns(AssayWarning):
        samples = list(read(source))
    write(samples, tmp_path / "out.json", like=source)
    assert (tmp_path / "out.json").read_text() == '{"text":"a"}\n{"text":"b"}\n'
    write(samples, tmp_path / "array.json")
    assert json.loads((tmp_path / "array.json").read_text()) == [{"text": "a"}, {"text": "b"}]
    write(samples, tmp_path / "out.jsonl.gz", like=source)
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == b'{"text":"a"}\n{"text":"b"}\n'


def test_csv_keeps_columns_delimiter_and_line_ends(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    data = 'id;query;response\r\n1;"a\nb";"say ""hi"""\r\n2;;é\r\n'
    source.write_bytes(data.encode())
    samples = list(read(source))
    assert write(samples, tmp_path / "out.csv", like=source) == 2
    assert (tmp_path / "out.csv").read_bytes() == data.encode()
    write(samples, tmp_path / "plain.csv")
    assert [s.row for s in read(tmp_path / "plain.csv")] == [s.row for s in samples]
    write([], tmp_path / "none.csv", like=source)
    assert (tmp_path / "none.csv").read_bytes() == b"id;query;response\r\n"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"text": "a", "x": None}],
         "in:1: x must be a text or a number to fit a CSV; got null. Write .jsonl."),
        ([{"text": "a", "x": [1]}],
         "in:1: x must be a text or a number to fit a CSV; got [1]. Write .jsonl."),
        ([{"text": "a"}, {"text": "b", "x": 1}],
         "in:2: row must have the columns text to fit the CSV; got text, x. Write .jsonl."),
        (["a"], "in:1: row must be an object to fit a CSV; got 'a'. Write .jsonl."),
        ([{"text": "\ud83d"}], "in:1: row must be UTF-8 to fit a CSV; got a lone surrogate. Write .jsonl."),
    ],
)  # fmt: skip
def test_what_a_csv_cannot_hold(tmp_path: Path, rows: list[Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        write(samples_of(*rows), tmp_path / "a.csv")
    assert str(caught.value) == problem
    assert list(tmp_path.iterdir()) == []


def test_parquet_column_types_survive(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field(
                "conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.large_string())]))
            ),
            pa.field("score", pa.float32()),
            pa.field("n", pa.int16()),
            pa.field("label", pa.dictionary(pa.int8(), pa.string())),
            pa.field("when", pa.timestamp("ms")),
        ],
        metadata={b"about": b"kept"},
    )
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    row = {"conversations": turns, "score": 0.1, "n": None, "label": "x", "when": None}
    table = pa.Table.from_pylist([row] * 4, schema=schema)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=2)
    samples = list(read(tmp_path / "in.parquet"))
    assert samples[0].messages[1].content == "b"
    write(samples[1:3], tmp_path / "out.parquet", like=tmp_path / "in.parquet")
    again = pq.read_table(tmp_path / "out.parquet")
    assert again.schema.equals(pq.read_schema(tmp_path / "in.parquet"), check_metadata=True)
    assert again.to_pylist() == table.slice(1, 2).to_pylist()
    for new, suffix in ((pa.ipc.new_file, "file"), (pa.ipc.new_stream, "stream")):
        source, target = tmp_path / f"{suffix}.arrow", tmp_path / f"{suffix}-out.arrow"
        with new(str(source), schema) as out:
            out.write_table(table)
        write(read(source), target, like=source)
        assert target.read_bytes()[:6] == source.read_bytes()[:6]
        assert [sample.row for sample in read(target)] == [sample.row for sample in read(source)]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"text": "a"}, {"text": "b", "x": 1}], "in:2: row must keep its values in an Arrow table"),
        ([{"text": "a", "x": 1}, {"text": "b"}], "in:2: row must keep its values in an Arrow table"),
        ([{"text": "a", "x": {"y": 1}}, {"text": "b", "x": {"z": 1}}], "in:1: row must keep its values"),
        ([{"text": "a", "x": 1}, {"text": "b", "x": "one"}], "in:1: rows must fit one Arrow table;"),
        ([{"text": "a", "x": 2**70}], "in:1: rows must fit one Arrow table;"),
        ([{"text": "a\ud83d"}], "in:1: rows must fit one Arrow table;"),
        (["bare"], "in:1: row must be an object to fit an Arrow table; got 'bare'. Write .jsonl."),
    ],
)
def test_what_arrow_would_change(tmp_path: Path, rows: list[Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        write(samples_of(*rows), tmp_path / "a.parquet")
    assert str(caught.value).startswith(problem)
    assert str(caught.value).endswith("Write .jsonl.")
    assert list(tmp_path.iterdir()) == []


def test_conversion_on_the_way_out(tmp_path: Path) -> None:
    assert write(samples_of(*ROWS), tmp_path / "a.jsonl", shape="sharegpt") == 3
    [first, *_] = read(tmp_path / "a.jsonl")
    assert first.format == "sharegpt"
    assert first.row["alpha"] == ROWS[0]["alpha"]


def test_several_shapes_are_refused(tmp_path: Path) -> None:
    samples = samples_of({"text": "a"}, {"query": "a", "response": "b"})
    with pytest.raises(DataError) as caught:
        write(samples, tmp_path / "a.jsonl")
    assert str(caught.value) == (
        "samples must have one shape; got text and query_response (at in:2). "
        "Name the shape to write with --to."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("before")
    with pytest.raises(DataError, match="in:2: row must fit the shape alpaca"):
        write(samples_of({"query": "a", "response": "b"}, {"turns": ["a"]}), path, shape="alpaca")
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"path must end in \.json, .* or be '-'; got .*out\.txt"):
        write([], tmp_path / "out.txt")
    with pytest.raises(DataError, match="shape must be one of"):
        write([], tmp_path / "out.jsonl", shape="alpha")


def test_no_samples(tmp_path: Path) -> None:
    assert write([], tmp_path / "a.json") == 0
    assert (tmp_path / "a.json").read_text() == "[]\n"


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    assert write(samples_of({"text": "é"}), "-") == 1
    assert out.buffer.getvalue() == '{"text":"é"}\n'.encode()  # type: ignore[attr-defined]


def test_selected_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/data.json", "b/data.jsonl.gz", "b/more.jsonl.gz", "c/x.csv", "c/y.parquet"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert selected_name(tmp_path / "a" / "data.json") == "selected.json"
    assert selected_name(tmp_path / "b") == "selected.jsonl.gz"
    assert selected_name(f"{tmp_path}/b/*.gz") == "selected.jsonl.gz"
    assert selected_name(tmp_path / "c") == "selected.jsonl"
    assert selected_name("-") == "selected.jsonl"
    monkeypatch.chdir(tmp_path)
    assert selected_name("org/name") == "selected.jsonl"
