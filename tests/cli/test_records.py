"""`assay convert` and `assay check`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (
    Assay,
    files_in,
    in_process_of_its_own,
    read_lines,
    rows,
    write_json,
    write_lines,
)


def as_messages(records: list[dict[str, Any]]) -> list[list[dict[str, str]]]:
    return [
        [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
        for row in records
    ]


def test_convert_from_standard_input_to_standard_output(tmp_path: Path) -> None:
    records = rows(5)
    lines = "".join(json.dumps(row) + "\n" for row in records).encode()
    done = in_process_of_its_own(
        "convert", "-", "--to", "messages", "-o", "-", cwd=tmp_path, stdin=lines, PYTHONIOENCODING="ascii"
    )
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [row["messages"] for row in found] == as_messages(records)
    assert [row["meta"] for row in found] == [row["meta"] for row in records]
    assert done.err == "wrote 5 records in the shape messages to standard output\n"
    assert files_in(tmp_path) == set()


def test_convert_to_a_file_with_what_a_trainer_needs(assay: Assay, tmp_path: Path) -> None:
    records = rows(5)
    write_json(tmp_path / "a.json", records)
    done = assay(
        "convert", "a.json", "--to", "sharegpt", "-o", "new/b.jsonl", "--trainer", "llamafactory", "--quiet"
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    assert len(read_lines(tmp_path / "new" / "b.jsonl")) == 5
    info = json.loads((tmp_path / "new" / "dataset_info.json").read_bytes())
    assert info["b"]["file_name"] == "b.jsonl"
    # the snippet is not replaced unasked: a dataset_info.json may list a person's other data
    done = assay("convert", "a.json", "-o", "new/c.jsonl", "--trainer", "llamafactory")
    assert done.err == (
        "error: --output must be a new file; new/dataset_info.json exists. Use --overwrite to replace it.\n"
    )
    assert files_in(tmp_path / "new") == {"b.jsonl", "dataset_info.json"}


def test_convert_replaces_only_when_told(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", rows(5))
    (tmp_path / "b.jsonl").write_text("mine", encoding="utf-8")
    done = assay("convert", "a.json", "-o", "b.jsonl")
    assert (done.code, done.err) == (
        2,
        "error: --output must be a new file; b.jsonl exists. Use --overwrite to replace it.\n",
    )
    assert (tmp_path / "b.jsonl").read_text(encoding="utf-8") == "mine"
    assert assay("convert", "a.json", "-o", "b.jsonl", "--overwrite").code == 0
    assert read_lines(tmp_path / "b.jsonl") == rows(5)
    # a file may be converted in place
    assert assay("convert", "b.jsonl", "-o", "b.jsonl", "--to", "messages", "--overwrite").code == 0
    assert [row["messages"] for row in read_lines(tmp_path / "b.jsonl")] == as_messages(rows(5))


def test_convert_leaves_nothing_half_done(assay: Assay, tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in rows(5)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "{broken"]), encoding="utf-8")
    done = assay("convert", "a.jsonl", "-o", "b.jsonl")
    assert done.code == 2
    assert done.err.startswith("error: a.jsonl:6: row must be JSON")
    assert files_in(tmp_path) == {"a.jsonl"}
    done = assay("convert", "a.jsonl", "-o", "b.jsonl", "--on-bad", "skip")
    assert done.code == 0
    assert done.err.splitlines()[0].startswith("skipped a.jsonl:6: row must be JSON")
    # the snippet comes after the data: no data without it
    write_lines(tmp_path / "strings.jsonl", ["one", "two"])
    done = assay("convert", "strings.jsonl", "-o", "c.jsonl", "--trainer", "trl")
    assert done.err.startswith("error: rows must be objects for trl")
    assert files_in(tmp_path) == {"a.jsonl", "b.jsonl", "strings.jsonl"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "b.jsonl", "--to", "mesages"], "Did you mean 'messages'?"),
        (["-o", "b.jsonl", "--from", "alpca"], "--from must be one of "),
        (["-o", "b.jsonl", "--trainer", "tlr"], "Did you mean 'trl'?"),
        (
            ["-o", "-", "--trainer", "trl"],
            "--trainer must be left out when writing to standard output; got one.",
        ),
        (["-o", "b.txt"], "b.txt"),
        (["-o", "b.jsonl", "--limit", "0"], "--limit must be >= 1; got 0."),
        (["-o", "b.jsonl", "--on-bad", "skp"], "--on-bad must be one of error, skip; got 'skp'."),
    ],
)
def test_convert_refuses(assay: Assay, tmp_path: Path, options: list[str], message: str) -> None:
    write_json(tmp_path / "a.json", rows(2))
    done = assay("convert", "a.json", *options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert files_in(tmp_path) == {"a.json"}


# ------------------------------------------------------------------------------------------------------ check


def test_check_finds_nothing(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"instruction": "Name a bird.", "input": "", "output": "A wren."}])
    done = assay("check", "a.jsonl")
    assert (done.code, done.out) == (0, "")
    assert done.err.endswith("found nothing\n")
    assert assay("check", "a.jsonl", "--format", "csv").out == "kind,severity,where,what,related\n"
    assert json.loads(assay("check", "a.jsonl", "--format", "json").out) == {"findings": [], "summary": {}}


def test_check_finds_by_line(assay: Assay, tmp_path: Path) -> None:
    records = rows(4)
    lines = [json.dumps(row) for row in [*records, records[1], records[2] | {"output": ""}]]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n", encoding="utf-8")
    done = assay("check", "a.jsonl", "--format", "csv", "--quiet")
    assert (done.code, done.err) == (1, "")
    found = {(line["kind"], line["where"], line["related"]) for line in csv.DictReader(io.StringIO(done.out))}
    assert {
        ("exact_duplicate", "a.jsonl:5", "a.jsonl:2"),
        ("empty_turn", "a.jsonl:6", ""),
        ("duplicate_prompt", "a.jsonl:6", "a.jsonl:3"),
        ("malformed", "a.jsonl:7", ""),
    } <= found
    whole = json.loads(assay("check", "a.jsonl", "--format", "json").out)
    assert whole["summary"]["malformed"] == 1
    assert len(whole["findings"]) == sum(whole["summary"].values()) == len(found)
    for form in ("table", "md"):
        done = assay("check", "a.jsonl", "--format", form)
        assert done.code == 1
        assert "a.jsonl:7" in done.out
        assert "1 malformed" in done.err


def test_check_against_another_file(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", rows(6))
    write_lines(tmp_path / "test.jsonl", [*rows(2, first=40), rows(6)[3]])
    done = assay("check", "test.jsonl", "--against", "train.jsonl", "--near", 1, "--format", "json")
    assert done.code == 1
    [finding] = json.loads(done.out)["findings"]
    assert (finding["kind"], finding["where"], finding["related"]) == (
        "leak_exact",
        "test.jsonl:3",
        "train.jsonl:4",
    )
    assert assay("check", "test.jsonl", "--near", 1).code == 0


def test_check_of_standard_input(assay: Assay, tmp_path: Path) -> None:
    english = {"instruction": "Name a bird.", "input": "", "output": "A wren."}
    chinese = {"instruction": "说出一种鸟。", "input": "", "output": "鹪鹩。"}
    lines = "".join(json.dumps(row) + "\n" for row in (english, chinese, english)).encode()
    done = assay("check", "-", "--format", "json", stdin=lines)
    assert done.code == 1
    places = {finding["where"] for finding in json.loads(done.out)["findings"]}
    assert places == {"stdin:3", "-"}  # no name of a temporary file
    done = assay("check", "-", "--against", "-", stdin=lines)
    assert done.err == "error: standard input must be one source only; got - twice.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b.jsonl"], "source must be an existing file; there is no b.jsonl. Did you mean a.jsonl"),
        (["a.jsonl", "--against", "b.jsonl"], "source must be an existing file; there is no b.jsonl."),
        (
            ["broken.jsonl"],
            "broken.jsonl must hold at least one readable row; the first problem: broken.jsonl:1: ",
        ),
        (["a.jsonl", "--near", "0"], "--near must be > 0; got 0.0."),
        (["a.jsonl", "--from", "alpca"], "--from must be one of "),
        (["a.jsonl", "--format", "xml"], "--format must be one of table, json, csv, md; got 'xml'."),
    ],
)
def test_check_that_cannot_be_done(assay: Assay, tmp_path: Path, arguments: list[str], message: str) -> None:
    write_lines(tmp_path / "a.jsonl", rows(2))
    (tmp_path / "broken.jsonl").write_text("{\n", encoding="utf-8")
    done = assay("check", *arguments, "--quiet")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert done.err.count("\n") == 1
