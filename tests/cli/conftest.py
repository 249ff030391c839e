"""The program as it is typed, and small data of this project's own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.cli import main

PROGRAM = [sys.executable, "-c", "from assay.cli import main; main()"]


@dataclass(frozen=True)
class Done:
    """How a run ended and what it printed."""

    code: int
    out: str
    err: str


Assay = Callable[..., Done]


@pytest.fixture
def assay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Assay:
    """Run the program in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, printed.out, printed.err)

    return run


def in_process_of_its_own(*arguments: object, cwd: Path, stdin: bytes = b"", **variables: str) -> Done:
    """Run the program as a shell would."""
    ended = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        env=os.environ | variables,
        timeout=120,
        check=False,
    )
    return Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


TASKS = ("Boil", "Paint", "Measure", "Translate", "Sort", "Explain", "Plant", "Repair")
THINGS = (
    "an egg",
    "the fence",
    "a river",
    "三个句子",
    "the drawer",
    "a rainbow",
    "tomatoes",
    "a bicycle",
    "your desk",
)


def rows(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Return Alpaca rows that all differ, with a score, a source and a nested column."""
    return [
        {
            "instruction": f"{TASKS[n % len(TASKS)]} {THINGS[n * 5 % len(THINGS)]}, step {n * n % 101}.",
            "input": "",
            "output": f"Take {n} {THINGS[n % len(THINGS)]} and {TASKS[n * 3 % len(TASKS)].lower()} them twice.",
            "score": 1 + n * 7 % 5,
            "source": ("web", "book", "talk")[n % 3],
            "meta": {"n": n, "tags": ["é", None, 0.1 * n]},
        }
        for n in range(first, first + count)
    ]


def write_json(path: Path, records: Iterable[Any]) -> Path:
    """Write a JSON array."""
    path.write_text(json.dumps(list(records), ensure_ascii=False), encoding="utf-8")
    return path


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """Write JSON Lines."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return path


def write_vectors(path: Path, count: int, *, width: int = 8, seed: int = 0) -> np.ndarray:
    """Write random vectors as .npy and return them."""
    vectors = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    np.save(path, vectors)
    return vectors


def read_lines(path: Path) -> list[Any]:
    """Return the rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tfidf(*sets: list[dict[str, Any]]) -> list[np.ndarray]:
    """Return the vectors of sets of Alpaca rows by the encoder without weights, fitted on all of them."""
    from assay.embed import resolve

    texts = [[f"{row['instruction']}\n{row['output']}" for row in rows] for rows in sets]
    encoder = resolve("tfidf").fit([text for part in texts for text in part])  # type: ignore[attr-defined]
    return [encoder.encode(part) for part in texts]


def files_in(folder: Path) -> set[str]:
    """Return the names of what lies in a folder, hidden files too, but for what a next run goes on from."""
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    return {name for name in names if name != "embeddings" and not name.startswith(".unfinished-")}
