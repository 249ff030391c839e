"""The folder of a run: never one that is read from, complete where it has a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assay.cli.output import MANIFEST, check_apart, staged
from assay.errors import DataError
from tests.cli.conftest import Assay, files_in, rows, write_json, write_lines, write_vectors

HOLDS_FILES = (
    "error: --output must be a new or empty folder; out holds files. "
    "Use --resume to go on with an interrupted run, or --overwrite to replace it.\n"
)


@pytest.mark.parametrize("command", ["select", "measure", "embed"])
def test_an_existing_output_is_refused(assay: Assay, tmp_path: Path, command: str) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    typed = [
        command,
        "a.jsonl",
        "-o",
        "out",
        "--encoder",
        "tfidf",
        *(["--budget", 3] * (command == "select")),
    ]
    assert assay(*typed).code == 0
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files_in(tmp_path / "out")}
    done = assay(*typed)
    assert (done.code, done.out, done.err) == (2, "", HOLDS_FILES)
    for more in ("--resume", "--overwrite"):
        done = assay(*typed, more)
        assert done.code == 0
        assert "embedded 0 texts now, 14 were in the cache" in done.err
        after = {name: (tmp_path / "out" / name).read_bytes() for name in files_in(tmp_path / "out")}
        assert after.keys() == before.keys()
        assert all(after[name] == before[name] for name in after if name != MANIFEST)
    (tmp_path / "file").write_text("", encoding="utf-8")
    typed[3] = "file"
    assert assay(*typed).err == "error: --output must be a folder; file is a file.\n"


def test_what_another_run_left_is_not_left_beside_the_new(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    write_json(tmp_path / "b.json", rows(14))
    write_vectors(tmp_path / "v.npy", 14)
    common = ("--vectors", "v.npy", "-o", "out", "--overwrite")
    assert assay("select", "a.jsonl", "--budget", 3, "--trainer", "trl", *common).code == 0
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "out" / "train_trl.py").write_text("edited", encoding="utf-8")
    assert assay("select", "b.json", "--budget", 3, *common).code == 0
    # what assay wrote is gone, what a person wrote or changed is not
    assert files_in(tmp_path / "out") == {
        "selected.json",
        "selection.csv",
        MANIFEST,
        "notes.txt",
        "train_trl.py",
    }


def test_a_failed_run_leaves_the_earlier_one_whole(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    write_vectors(tmp_path / "v.npy", 14)
    assert assay("select", "a.jsonl", "--budget", 3, "--vectors", "v.npy", "-o", "out").code == 0
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files_in(tmp_path / "out")}
    # conversations with tool calls have no place in Alpaca: found out when the last file is written
    turns = [
        {"role": "user", "content": "What is the time?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "clock", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "noon"},
        {"role": "assistant", "content": "Noon."},
    ]
    write_lines(tmp_path / "tools.jsonl", [{"messages": turns}] * 14)
    done = assay(
        "select", "tools.jsonl", "--budget", 3, "--vectors", "v.npy", "-o", "out", "--overwrite", "--to", "alpaca",
        "--quiet",
    )  # fmt: skip
    assert done.code == 2
    assert done.err.startswith("error: tools.jsonl:")
    assert before == {name: (tmp_path / "out" / name).read_bytes() for name in files_in(tmp_path / "out")}


def test_the_old_manifest_goes_before_the_first_file(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("old", encoding="utf-8")
    (tmp_path / MANIFEST).write_text('{"outputs": {"result": "another hash"}}', encoding="utf-8")
    (tmp_path / "zzz").mkdir()  # a file cannot be moved here, so that the move fails half way

    def fill() -> None:
        with staged(tmp_path) as stage:
            for name in ("result", "zzz", MANIFEST):
                (stage / name).write_text("new", encoding="utf-8")

    with pytest.raises(IsADirectoryError):
        fill()
    assert files_in(tmp_path) == {"result", "zzz"}
    (tmp_path / "zzz").rmdir()
    fill()
    assert files_in(tmp_path) == {"result", "zzz", MANIFEST}


def test_files_without_a_manifest_leave_another_run_alone(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    assert assay("embed", "a.jsonl", "--encoder", "tfidf", "-o", "out").code == 0
    before = files_in(tmp_path / "out")
    assert assay("convert", "a.jsonl", "--to", "messages", "-o", "out/messages.jsonl").code == 0
    assert files_in(tmp_path / "out") == before | {"messages.jsonl"}


@pytest.mark.parametrize(
    "damaged", ["{", "[]", '{"outputs": 3}', '{"outputs": {"../kept": "x", "embeddings": ""}}']
)
def test_a_damaged_manifest_is_replaced(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "out"
    (folder / "embeddings").mkdir(parents=True)
    (tmp_path / "kept").write_text("", encoding="utf-8")
    (folder / MANIFEST).write_text(damaged, encoding="utf-8")
    with staged(folder) as stage:
        (stage / MANIFEST).write_text("{}", encoding="utf-8")
    assert (folder / MANIFEST).read_text(encoding="utf-8") == "{}"
    assert (tmp_path / "kept").exists()
    assert (folder / "embeddings").is_dir()


@pytest.mark.parametrize(
    ("source", "output", "refused"),
    [
        ("data", "data", True),
        ("data", "data/out", True),
        ("data", "data/../data/x/y", True),
        (".", "out", True),
        ("data", "data-out", False),
        ("data", "out", False),
        ("data/a.jsonl", "data", True),
        ("data/a.jsonl", "data/out", False),
        ("data/*.jsonl", "data", True),
        ("data/*.jsonl", "data/out", False),
        ("data/**/*.jsonl", "data/out", True),
        ("**/*.jsonl", "out", True),
        ("*/a.jsonl", "other", True),
        ("org/name", "org", False),
    ],
)
def test_output_must_be_apart_from_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, output: str, refused: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_lines(tmp_path / "data" / "a.jsonl", rows(2))
    if refused:
        with pytest.raises(DataError, match=r"^output must be apart from the data; .* is read from"):
            check_apart(Path(output), [source])
    else:
        check_apart(Path(output), [source])


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("select", ["--budget", "3", "-o", "data/out"]),
        ("embed", ["-o", "data/out"]),
        ("measure", ["-o", "data/out"]),
        ("convert", ["-o", "data/b.jsonl"]),
    ],
)
def test_every_command_refuses_to_write_into_its_data(
    assay: Assay, tmp_path: Path, command: str, more: list[str]
) -> None:
    (tmp_path / "data").mkdir()
    write_lines(tmp_path / "data" / "a.jsonl", rows(3))
    done = assay(command, "data", *more)
    assert (done.code, done.err) == (
        2,
        f"error: --output must be apart from the data; {more[-1]} is where data is read from. Name another place.\n",
    )
    assert files_in(tmp_path / "data") == {"a.jsonl"}


def test_vectors_are_not_overwritten_by_the_run_that_reads_them(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(14))
    assert assay("embed", "a.jsonl", "--encoder", "tfidf", "-o", "out").code == 0
    done = assay(
        "select", "a.jsonl", "--vectors", "out/embeddings.npy", "--budget", 3, "-o", "out", "--overwrite"
    )
    assert done.code == 2
    assert "out is where out/embeddings.npy is read from" in done.err
    assert json.loads((tmp_path / "out" / MANIFEST).read_bytes())["command"] == "embed"


def test_a_folder_that_cannot_be_made(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 14)
    done = assay("select", "v.npy", "--budget", 3, "-o", "v.npy/out")
    assert (done.code, done.out, done.err) == (2, "", "error: v.npy/out: Not a directory\n")
