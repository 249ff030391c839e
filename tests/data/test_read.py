"""Reading: containers, and every trap of real files with its exact error or stated repair."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from assay.data import FORMATS, check, read, resolve, spool_stdin, text, write
from assay.data.read import _hub_records
from assay.errors import AssayWarning, DataError, MissingExtraError

HINT = "Use --on-bad skip to drop such rows and list them."
ROWS = [{"instruction": f"question {n}", "input": "", "output": f"answer {n}", "n": n} for n in range(5)]
SHAREGPT = {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}


def lines(rows: list[Any], end: str = "\n") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows).encode()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def rows_of(source: str | Path, **options: Any) -> list[Any]:
    return [sample.row for sample in read(source, **options)]


def error_of(source: str | Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(read(source, **options))
    return str(caught.value)


def containers(folder: Path) -> list[Path]:
    array = json.dumps(ROWS, indent=1).encode()
    paths = [
        put(folder, "a.json", array),
        put(folder, "a.json.gz", gzip.compress(array)),
        put(folder, "a.jsonl", lines(ROWS)),
        put(folder, "a.ndjson", lines(ROWS)),
        put(folder, "a.jsonl.gz", gzip.compress(lines(ROWS))),
        put(folder, "a.jsonl.zst", zstandard.compress(lines(ROWS))),
        folder / "a.parquet",
        folder / "a.arrow",
        folder / "stream.arrow",
    ]
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, folder / "a.parquet", row_group_size=2)
    with pa.ipc.new_file(str(folder / "a.arrow"), table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(str(folder / "stream.arrow"), table.schema) as stream:
        stream.write_table(table)
    return paths


def test_every_container_gives_the_same_rows(tmp_path: Path) -> None:
    for path in containers(tmp_path):
        samples = list(read(path))
        assert [sample.row for sample in samples] == ROWS, path
        assert [sample.id for sample in samples] == list("01234")
        assert samples[2].origin == f"{path}:3"
        assert samples[2].format == "alpaca"
        assert rows_of(path, limit=2) == ROWS[:2]
        assert resolve(path) == [path]


def test_csv_is_text_by_line(tmp_path: Path) -> None:
    text = 'instruction,input,output\r\n"two\r\nlines",,"a, b"\r\nq,,é\r\n'
    samples = list(read(put(tmp_path, "a.csv", b"\xef\xbb\xbf" + text.encode())))
    assert samples[0].row == {"instruction": "two\r\nlines", "input": "", "output": "a, b"}
    assert [sample.origin for sample in samples] == [f"{tmp_path}/a.csv:2", f"{tmp_path}/a.csv:4"]
    semicolons = put(tmp_path, "b.csv", b"query;response\na,b;c\n")
    assert rows_of(semicolons) == [{"query": "a,b", "response": "c"}]


def test_csv_with_a_ragged_row(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", b"query,response\na,b\nc\nd,e\n")
    assert error_of(path) == f"{path}:3: row must have 2 fields as the header; got 1. {HINT}"
    assert len(rows_of(path, on_bad="skip", skipped=[])) == 2


def test_folder_glob_and_what_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "b/2.jsonl", lines(ROWS[2:]))
    put(tmp_path, "a.jsonl", lines(ROWS[:2]))
    put(tmp_path, ".hidden.jsonl", b"broken")
    put(tmp_path, ".git/x.jsonl", b"broken")
    put(tmp_path, "README.md", b"# about")
    put(tmp_path, "dataset_info.json", b"{}")
    samples = list(read(tmp_path))
    assert [sample.row for sample in samples] == ROWS
    assert [sample.id for sample in samples] == list("01234")
    assert rows_of(f"{tmp_path}/*.jsonl") == ROWS[:2]
    assert rows_of(f"{tmp_path}/**/*.jsonl") == ROWS
    assert resolve(tmp_path) == [tmp_path / "a.jsonl", tmp_path / "b" / "2.jsonl"]


SUFFIXES = ".json, .jsonl, .ndjson, .csv, .parquet, .arrow (text also with .gz or .zst)"


def test_sources_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "train.jsonl", lines(ROWS))
    put(tmp_path, "notes.txt", b"x")
    put(tmp_path, "empty/README.md", b"x")
    assert error_of(tmp_path / "trian.jsonl") == (
        f"source must be an existing file; there is no {tmp_path}/trian.jsonl. "
        f"Did you mean {tmp_path}/train.jsonl?"
    )
    assert error_of(tmp_path / "no" / "train.jsonl") == (
        f"source must be an existing file; there is no {tmp_path}/no/train.jsonl. "
        f"There is no folder {tmp_path}/no either."
    )
    assert error_of(tmp_path / "notes.txt") == (
        f"source must be a file that ends in {SUFFIXES}; got {tmp_path}/notes.txt."
    )
    assert error_of(tmp_path / "empty") == (
        f"source must lead to files that end in {SUFFIXES}; {tmp_path}/empty has none."
    )
    assert error_of(f"{tmp_path}/*.parquet") == (
        f"source must lead to files that end in {SUFFIXES}; {tmp_path}/*.parquet has none."
    )
    monkeypatch.chdir(tmp_path)
    assert error_of("empty/data") == "source must be an existing file; there is no empty/data."


def test_options_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", lines(ROWS))
    with pytest.raises(DataError, match="on_bad must be one of error, skip; got 'warn'"):
        read(path, on_bad="warn")
    with pytest.raises(
        DataError, match=r"shape must be one of turns, .*; got 'alpacca'\. Did you mean 'alpaca'\?"
    ):
        read(path, shape="alpacca")
    with pytest.raises(DataError, match="limit must be >= 1; got 0"):
        read(path, limit=0)
    with pytest.raises(DataError, match="there is no"):
        read(tmp_path / "b.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, gzip.compress(b"") if name.endswith("gz") else b"")
    assert error_of(path).endswith(f"{path} must hold at least one row; it is empty.")


def test_empty_array(tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", b"[]")
    assert error_of(path) == f"{path} must hold at least one row; it is empty."


# --- traps ---


def test_json_lines_named_json(tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", lines(ROWS))
    with pytest.warns(AssayWarning) as caught:
        assert rows_of(path) == ROWS
    assert str(caught[0].message) == f"{path} is JSON Lines under a .json name; read as such."


def test_array_named_json_lines(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", json.dumps(ROWS, indent=2).encode())
    with pytest.warns(AssayWarning) as caught:
        assert rows_of(path) == ROWS
    assert str(caught[0].message) == f"{path} is a JSON array under a JSON Lines name; read as such."


def test_json_lines_of_bare_lists(tmp_path: Path) -> None:
    conversations = [SHAREGPT["conversations"]] * 2
    assert rows_of(put(tmp_path, "a.jsonl", lines(conversations))) == conversations
    assert rows_of(put(tmp_path, "one.jsonl", lines(conversations[:1]))) == conversations[:1]
    assert rows_of(put(tmp_path, "a.json", json.dumps(conversations).encode())) == conversations


def test_one_object_over_several_lines(tmp_path: Path) -> None:
    assert rows_of(put(tmp_path, "a.json", json.dumps(ROWS[0], indent=2).encode())) == ROWS[:1]


@pytest.mark.parametrize("cut", [-3, -10, -40, -45, -75, -79])
def test_truncated_array(tmp_path: Path, cut: int) -> None:
    text = json.dumps(ROWS, indent=1).encode()[:cut]
    path = put(tmp_path, "a.json", text)
    whole = text.count(b" }")
    line = text.rstrip().count(b"\n") + 1
    message = error_of(path)
    assert message.startswith(f"{path}:")
    assert abs(int(message.split(":")[1]) - line) <= 1
    assert message.split(": ", 1)[1] == (
        f"JSON array must end with ']'; the file is cut short after {whole} whole rows. "
        f"Fetch it again. {HINT}"
    )
    skipped: list[tuple[str, str]] = []
    assert rows_of(path, on_bad="skip", skipped=skipped) == ROWS[:whole]
    assert len(skipped) == 1


def test_broken_array(tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", b'[\n{"query": "a", "response": "b"}\n{"query": "c", "response": "d"}\n]')
    assert error_of(path) == (
        f"{path}:3: row 2 of the JSON array must be JSON, rows parted by commas; "
        f'got \'{{"query": "c", "response": "d"}}\\n]\'. {HINT}'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"text": "a"},]', "row 2 of the JSON array must be JSON, rows parted by commas; got ']'."),
        ('[{"text": "a"}] [1]', "JSON array must be the whole file; got '[1]' after its ']'."),
        ("[" * 9000, "row must be JSON; nested too deeply."),
    ],
)
def test_other_ways_to_break_an_array(tmp_path: Path, text: str, problem: str) -> None:
    path = put(tmp_path, "a.json", text.encode())
    assert error_of(path) == f"{path}:1: {problem} {HINT}"


def test_utf8_byte_order_mark(tmp_path: Path) -> None:
    for name, data in {"a.json": json.dumps(ROWS).encode(), "a.jsonl": lines(ROWS)}.items():
        assert rows_of(put(tmp_path, name, b"\xef\xbb\xbf" + data)) == ROWS


def test_utf16(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", lines(ROWS).decode().encode("utf-16"))
    assert error_of(path) == (
        f"{path}:1: must be UTF-8; got UTF-16 (it opens with the bytes ff fe). "
        "Convert it: iconv -f UTF-16 -t UTF-8 a.jsonl"
    )
    path = put(tmp_path, "b.jsonl", lines(ROWS).decode().encode("utf-16-le"))
    assert error_of(path) == (
        f"{path}:1: must be UTF-8; got zero bytes (7b 00 22 00), as UTF-16 has. "
        "Convert it: iconv -f UTF-16LE -t UTF-8 b.jsonl"
    )


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    data = lines(ROWS[:1]) + '{"query": "caf\xe9", "response": "b"}\n'.encode("latin-1")
    path = put(tmp_path, "a.jsonl", data)
    assert error_of(path) == (
        f"{path}:2: must be UTF-8; got the byte 0xe9 at 15 in the line. "
        f"Convert it, e.g.: iconv -f CP1252 -t UTF-8 {HINT}"
    )
    assert rows_of(path, on_bad="skip", skipped=[]) == ROWS[:1]
    path = put(tmp_path, "b.json", '[\n{"query": "caf\xe9", "response": "b"}]'.encode("latin-1"))
    assert error_of(path).startswith(f"{path}:2: must be UTF-8; got the byte 0xe9 at 15 in the line.")
    path = put(tmp_path, "c.csv", "query,response\na,b\ncaf\xe9,b\n".encode("latin-1"))
    assert "must be UTF-8; got the byte 0xe9 after line" in error_of(path)


def test_crlf_and_blank_lines(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b"\r\n" + lines(ROWS, "\r\n") + b"\r\n")
    samples = list(read(path))
    assert [sample.row for sample in samples] == ROWS
    assert samples[0].origin == f"{path}:2"


def test_line_separator_inside_a_string(tmp_path: Path) -> None:
    row = {"text": "a\u2028b\u0085c"}
    assert rows_of(put(tmp_path, "a.jsonl", lines([row, row]))) == [row, row]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_lone_surrogates_are_kept(tmp_path: Path, name: str) -> None:
    text = b'{"instruction": "broken \\ud83d emoji", "input": "", "output": "ok"}'
    [sample] = read(put(tmp_path, name, b"[" + text + b"]" if name == "a.json" else text))
    assert sample.messages[0].content == "broken \ud83d emoji"
    assert sample.row["instruction"] == "broken \ud83d emoji"


def test_long_integers_and_nan_are_kept(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b'{"text": "a", "n": 123456789012345678901, "x": NaN}\n')
    [row] = rows_of(path)
    assert row["n"] == 123456789012345678901
    assert row["x"] != row["x"]


def test_empty_outputs_are_read(tmp_path: Path) -> None:
    [sample] = read(put(tmp_path, "a.jsonl", lines([{"instruction": "a", "input": "", "output": ""}])))
    assert sample.messages[-1].content == ""


@pytest.mark.parametrize(
    "roles",
    [["gpt", "human"], ["human", "gpt", "human"], ["human", "gpt"] * 165, ["human", "function_call", "tool"]],
)
def test_any_order_of_turns_is_read(tmp_path: Path, roles: list[str]) -> None:
    row = {"conversations": [{"from": role, "value": f"turn {n}"} for n, role in enumerate(roles)]}
    [sample] = read(put(tmp_path, "a.jsonl", lines([row])))
    assert len(sample.messages) == len(roles)
    assert sample.messages[-1].content == f"turn {len(roles) - 1}"


def test_two_shapes_in_one_file(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", lines([*ROWS, SHAREGPT, ROWS[0], {"text": "x"}]))
    assert error_of(path) == (
        f"{path} must hold rows of one shape; got alpaca first at {path}:1, sharegpt first at {path}:6, "
        f"text first at {path}:8. Split it, or name the shape that all rows have with --from."
    )
    skipped: list[tuple[str, str]] = []
    assert len(rows_of(path, shape="alpaca", on_bad="skip", skipped=skipped)) == 6
    assert [origin for origin, _ in skipped] == [f"{path}:6", f"{path}:8"]


def test_a_schema_that_is_not_known(tmp_path: Path) -> None:
    row = {"id": "seed_0", "instruction": "a", "instances": [{"input": "", "output": "b"}]}
    path = put(tmp_path, "seeds.jsonl", lines([row]))
    message = error_of(path)
    assert message == (
        f"{path}:1: row must have a known shape ({', '.join(FORMATS)}); got an object with keys "
        "id, instruction, instances. Name the shape with --from to read every row as that one, "
        "or rename the columns. " + HINT
    )


def test_bad_rows_are_an_error_or_dropped_and_listed(tmp_path: Path) -> None:
    data = (
        lines(ROWS[:2]) + b'{"instruction": "cut off\n' + lines([{"instruction": "a", "output": 3}, ROWS[2]])
    )
    path = put(tmp_path, "a.jsonl", data)
    assert error_of(path) == (
        f"{path}:3: row must be JSON; unterminated string starting at column 17 "
        f'in \'{{"instruction": "cut off\'. {HINT}'
    )
    skipped: list[tuple[str, str]] = []
    samples = list(read(path, on_bad="skip", skipped=skipped))
    assert [sample.row for sample in samples] == ROWS[:3]
    assert [sample.id for sample in samples] == ["0", "1", "4"]
    assert skipped[1] == (f"{path}:4", "output must be a string; got 3.")
    with pytest.warns(AssayWarning) as caught:
        assert len(rows_of(path, on_bad="skip")) == 3
    assert str(caught[0].message).startswith(
        f"2 rows of {path} were dropped, the first: {path}:3: row must be JSON;"
    )


def test_nothing_left_after_skipping(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", b"broken\nbroken\n")
    assert error_of(path, on_bad="skip", skipped=[]).startswith(
        f"{path} must hold at least one readable row; all 2 were dropped, "
        f"the first: {path}:1: row must be JSON;"
    )


def test_archives_that_are_cut_short(tmp_path: Path) -> None:
    data = lines(ROWS * 2000)
    packed = put(tmp_path, "a.jsonl.gz", gzip.compress(data)[:-200])
    assert "must be a whole .gz file;" in error_of(packed)
    assert "must be a whole .gz file;" in error_of(put(tmp_path, "b.jsonl.gz", data))
    assert "must be a whole .zst file;" in error_of(put(tmp_path, "c.jsonl.zst", data))
    assert "must be a whole .zst file;" in error_of(
        put(tmp_path, "d.jsonl.zst", zstandard.compress(data)[:-200])
    )
    assert "must be a Parquet file;" in error_of(put(tmp_path, "e.parquet", data))
    assert "must be an Arrow file or stream;" in error_of(put(tmp_path, "f.arrow", data))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (lines(ROWS), json.dumps(ROWS, indent=1).encode()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        path = spool_stdin()
        for _ in range(2):
            samples = list(read(path))
            assert [sample.row for sample in samples] == ROWS
            assert samples[1].origin == "stdin:2"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"broken")))
    assert error_of("-").startswith("stdin:1: row must be JSON;")
    assert resolve("-") == []


def test_hub_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError) as caught:
        read("org/name:config@train")
    assert str(caught.value) == (
        "the hub id 'org/name:config@train' needs datasets; install it with: pip install 'assay[hub]'"
    )
    assert resolve("org/name") == []


def test_hub_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "org/name/train.jsonl", lines(ROWS))
    found = list(_hub_records("org/name", None, None))
    assert [record.row for record in found] == ROWS
    assert found[1].origin == "org/name@train:2"
    with pytest.raises(DataError, match=r"split must be one of train; got 'test'\. Write org/name@train\."):
        list(_hub_records("org/name", None, "test"))


def test_a_hub_that_cannot_be_reached_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(
        DataError, match=r"there is no file org/name, and the hub says: it cannot be reached \(.*refused\)"
    ):
        list(read("org/name"))


def test_limit_is_a_whole_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(DataError, match=r"limit must be a whole number; got 1\.5\."):
        read(path, limit=1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_columns_of_one_name_are_refused(tmp_path: Path, suffix: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["instruction", "output", "output"])
    path = tmp_path / f"twice{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_stream(str(path), table.schema) as out:
            out.write_table(table)
    with pytest.raises(
        DataError, match=r"column names must be distinct; got \['instruction', 'output', 'output'\]"
    ):
        list(read(path))


def test_a_conversation_of_330_messages(tmp_path: Path) -> None:
    turns = [{"from": ("human", "gpt")[turn % 2], "value": f"turn {turn}"} for turn in range(330)]
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"conversations": turns}) + "\n", encoding="utf-8")
    [sample] = read(path)
    assert [message.content for message in sample.messages] == [f"turn {turn}" for turn in range(330)]
    assert text(sample).count("\n") == 329
    assert check(path) == []
    for shape in ("messages", "history", "alpaca", "sharegpt"):
        there, back = tmp_path / f"{shape}.jsonl", tmp_path / f"{shape}-back.jsonl"
        write([sample], there, shape=shape)
        write(read(there), back, shape="sharegpt")
        assert json.loads(back.read_text(encoding="utf-8")) == {"conversations": turns}
