"""The program as a whole, in processes of its own: streams, signals, exit codes, what it loads, its help."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from typer.main import get_command

from assay import __version__
from assay.cli.app import app
from assay.cli.wording import flags
from assay.diversity import novelty
from tests.cli.conftest import (
    PROGRAM,
    Assay,
    files_in,
    in_process_of_its_own,
    rows,
    write_lines,
    write_vectors,
)

COMMANDS = {
    row.callback.__name__: row.callback for row in app.registered_commands if row.callback is not None
}
HEAVY = (
    "numpy",
    "torch",
    "pandas",
    "pyarrow",
    "numba",
    "scipy",
    "sklearn",
    "faiss",
    "transformers",
    "datasets",
)


# ---------------------------------------------------------------------------------------------- help and version


def loaded_by(statement: str) -> set[str]:
    """Return the heavy packages that a statement loads in a fresh interpreter."""
    program = (
        f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\n"
        f"print('\\n', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import assay",
        "import assay.cli.app",
        "sys.argv = ['assay', '--help']; from assay.cli import main; main()",
        "sys.argv = ['assay', 'select', '--help']; from assay.cli import main; main()",
        "sys.argv = ['assay', '--version']; from assay.cli import main; main()",
        "sys.argv = ['assay', 'selct']; from assay.cli import main; main()",
    ],
)
def test_little_is_loaded(statement: str) -> None:
    assert loaded_by(statement) == set()


def test_the_check_above_can_fail() -> None:
    assert "numpy" in loaded_by("import assay.diversity")


def test_the_commands_are_these() -> None:
    assert list(COMMANDS) == [
        "select", "measure", "compare", "correlate", "embed", "train", "convert", "check", "measures", "selectors",
        "report", "run", "demo",
    ]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(
    assay: Assay, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    done = assay(name, "--help")
    assert (done.code, done.err) == (0, "")
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert command.help.strip()
    assert command.help.strip().splitlines()[0] in " ".join(done.out.split())
    for parameter in command.params:
        assert parameter.help, parameter.name
        assert len(parameter.help) > 10
    for flag in flags(COMMANDS[name]).values():
        assert flag in done.out


def test_brackets_in_help_are_printed() -> None:
    """`[template, ...]` is a tag to rich, which leaves it out, unless it is escaped."""
    from rich.text import Text

    todo: list[tuple[str, Any]] = [("assay", get_command(app))]
    seen = 0
    while todo:
        name, command = todo.pop()
        todo += [(f"{name} {word}", one) for word, one in getattr(command, "commands", {}).items()]
        for said in (command.help, *(getattr(one, "help", None) for one in command.params)):
            assert Text.from_markup(said or "").plain == (said or "").replace("\\[", "["), name
            seen += "\\[" in (said or "")
    assert seen > 10


def test_the_map_of_commands(assay: Assay) -> None:
    done = assay("--help")
    assert done.code == 0
    assert all(f" {name} " in done.out for name in COMMANDS)
    assert assay("-h").out == done.out


def test_version(assay: Assay) -> None:
    done = assay("--version")
    assert (done.code, done.out, done.err) == (0, f"assay {__version__}\n", "")


def test_shell_completion(tmp_path: Path) -> None:
    script = in_process_of_its_own(
        "--show-completion", "bash", cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert script.code == 0
    assert "_ASSAY_COMPLETE=complete_bash" in script.out
    for typed, expected in (
        ("assay sel", {"select", "selectors"}),
        ("assay select --max-", {"--max-per-group", "--max-tokens"}),
    ):
        found = in_process_of_its_own(
            cwd=tmp_path,
            _ASSAY_COMPLETE="complete_bash",
            COMP_WORDS=typed,
            COMP_CWORD=str(len(typed.split()) - 1),
        )
        assert set(found.out.split()) == expected


# ---------------------------------------------------------------------------------------------- usage and errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["selct"], "no such command 'selct'. Did you mean 'select', 'selectors'? See: assay --help"),
        (
            ["check", "a", "--formt", "csv"],
            "no such option: --formt. Did you mean --format, --from? See: assay check --help",
        ),
        (["select", "a", "--budget", "3"], "missing option '--output' / '-o'. See: assay select --help"),
        (["run"], "missing argument 'recipe'. See: assay run --help"),
        (["embed", "a", "-o"], "option '-o' requires an argument"),
    ],
)
def test_usage_errors_are_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = in_process_of_its_own(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: {message}\n"


def test_a_wrong_number_is_one_line(assay: Assay) -> None:
    done = assay("select", "a", "--budget", 3, "-o", "out", "--seed", "x")
    assert done.code == 2
    assert done.err.startswith("error: invalid value for '--seed': ")
    assert done.err.endswith(" See: assay select --help\n")
    assert done.err.count("\n") == 1


def test_results_and_talk_keep_apart(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 20)
    done = in_process_of_its_own(
        "select", "v.npy", "--budget", 4, "-o", "out", "--format", "csv", cwd=tmp_path
    )
    assert done.code == 0
    assert [line[0] for line in csv.reader(done.out.splitlines())] == [
        "set",
        "selected (novelselect)",
        "random",
    ]
    assert "density: 20 rows against 20" in done.err
    assert "\x1b" not in done.out + done.err
    quiet = in_process_of_its_own(
        "select",
        "v.npy",
        "--budget",
        4,
        "-o",
        "out",
        "--format",
        "csv",
        "--quiet",
        "--overwrite",
        cwd=tmp_path,
    )
    assert (quiet.code, quiet.out, quiet.err) == (0, done.out, "")


def test_warnings_are_talk_and_are_kept(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.json", [*rows(12), *rows(3)])  # JSON Lines under a .json name, with copies
    common = ("select", "a.json", "--budget", 14, "--neighbors", 2, "--encoder", "tfidf", "--cache", "shared")
    loud = in_process_of_its_own(*common, "-o", "loud", cwd=tmp_path)
    assert loud.code == 0
    warned = [
        line.removeprefix("warning: ") for line in loud.err.splitlines() if line.startswith("warning: ")
    ]
    assert any("JSON Lines under a .json name" in line for line in warned)
    assert any("copies of another in the set. Use --skip-duplicates" in line for line in warned)
    assert len(warned) == len(set(warned))
    quiet = in_process_of_its_own(*common, "-o", "quiet", "--quiet", cwd=tmp_path)
    assert (quiet.code, quiet.err) == (0, "")
    for folder in ("loud", "quiet"):
        assert json.loads((tmp_path / folder / "manifest.json").read_bytes())["warnings"] == warned


def test_a_reader_that_leaves_early(tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 3000, width=4)
    with subprocess.Popen(
        [*PROGRAM, "measure", "v.npy", "--per-row", "--quiet"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"set,row,id")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_a_bug_shows_its_traceback(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom assay.cli import app, main\n"
        "@app.app.command('broken')\ndef broken() -> None:\n    1 / 0\n"
        "sys.argv = ['assay', 'broken']\nmain()"
    )
    program = program.replace(
        "from assay.cli import app, main", "from assay.cli import main\nimport assay.cli.app as app"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr


def test_on_a_narrow_terminal_texts_are_folded_and_numbers_are_not(tmp_path: Path) -> None:
    name = "a rather long name of a record that says much of 很多很多 "
    write_lines(tmp_path / "a.jsonl", [row | {"id": f"{name}{n}"} for n, row in enumerate(rows(12))])
    vectors = write_vectors(tmp_path / "v.npy", 12)
    leader, follower = pty.openpty()
    command = [
        *PROGRAM,
        "measure",
        "a.jsonl",
        "--vectors",
        "v.npy",
        "--per-row",
        "--format",
        "table",
        "--quiet",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=follower, stderr=subprocess.PIPE, env=os.environ | {"COLUMNS": "80"}
    ) as process:
        os.close(follower)
        printed = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # how a terminal says that its last writer left
                break
            if not part:
                break
            printed += part
        assert process.wait(60) == 0
    os.close(leader)
    lines = printed.decode().splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) > 24  # every row takes several
    starts = [line.split() for line in lines if line.startswith("a.jsonl")]
    assert [int(words[1]) for words in starts] == list(range(12))
    expected = [f"{value:.4f}" for value in novelty(vectors)]
    assert [next(word for word in words[2:] if re.fullmatch(r"0\.\d+", word)) for words in starts] == expected
    assert printed.decode().count("很") == 12 * 2 * 2  # nothing of ids and nearest ids is cut off


# ---------------------------------------------------------------------------------------------------- interrupted


TEXTS = 2100


def many(path: Path, count: int) -> list[str]:
    """Write a file whose embedding takes some seconds, and return its texts."""
    records = [
        {
            "instruction": f"Count from {n} to {n * 3} in steps of {n % 7}.",
            "input": "",
            "output": f"{n} and so on.",
        }
        for n in range(count)
    ]
    write_lines(path, records)
    return [record["instruction"] for record in records]


def wait_for_a_shard(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the first of three shards is whole."""
    deadline = time.monotonic() + 60
    while not list(folder.glob("*/*.keys.npy")):
        assert process.poll() is None, "ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def shards(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for keys in folder.glob("*/*.keys.npy")
        for path in (keys, keys.with_name(keys.name.replace(".keys.npy", ".npy")))
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    many(folder / "data.jsonl", TEXTS)
    done = in_process_of_its_own("select", "data.jsonl", "--budget", 40, "-o", "out", cwd=folder)
    assert done.code == 0, done.err
    return folder


def test_a_killed_run_goes_on_where_it_was(assay: Assay, uninterrupted: Path, tmp_path: Path) -> None:
    many(tmp_path / "data.jsonl", TEXTS)
    command = ["select", "data.jsonl", "--budget", "40", "-o", "out"]
    with subprocess.Popen([*PROGRAM, *command], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        wait_for_a_shard(tmp_path / "out" / "embeddings", process)
        process.kill()
        assert process.wait(60) == -signal.SIGKILL
    before = shards(tmp_path / "out" / "embeddings")
    kept = sum(name.endswith(".keys.npy") for name in before) * 1024
    assert 1024 <= kept < TEXTS
    assert {name for name in files_in(tmp_path / "out") if not name.startswith(".")} == set()

    refused = assay(*command)
    assert refused.code == 2
    assert "Use --resume to go on with an interrupted run, or --overwrite to replace it." in refused.err
    done = assay(*command, "--resume")
    assert done.code == 0, done.err
    after = shards(tmp_path / "out" / "embeddings")
    assert before.items() <= after.items()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    run = manifest.pop("run")
    assert (run["embedded"], run["from_cache"]) == (TEXTS - kept, kept)
    assert run["embedded"] + run["from_cache"] == manifest["counts"]["distinct_texts"]
    whole = uninterrupted / "out"
    for name in ("selected.jsonl", "selection.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    expected = json.loads((whole / "manifest.json").read_bytes())
    assert expected.pop("run")["embedded"] == TEXTS
    assert manifest == expected


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    many(tmp_path / "data.jsonl", TEXTS)
    command = [*PROGRAM, "measure", "data.jsonl", "--cache", "shared", "--quiet", "-o", "out"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as process:
        wait_for_a_shard(tmp_path / "shared", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    message = "interrupted; what was finished is kept. Go on with --resume.\n"
    assert (process.returncode, out.decode(), err.decode()) == (130, "", message)
    assert files_in(tmp_path / "out") == set()
    assert len(shards(tmp_path / "shared")) >= 2


def test_ctrl_c_where_nothing_is_kept(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, "check", "-"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"check: -\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"interrupted\n"
        assert process.wait(60) == 130
