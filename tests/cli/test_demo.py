"""`assay demo`."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.conftest import Assay, files_in


def test_the_demo_finds_what_was_planted(assay: Assay, tmp_path: Path) -> None:
    done = assay("demo", "-o", "kept")
    assert (done.code, done.err) == (0, "")
    assert "300 instructions, 181 English and 119 Chinese, 12 domains" in done.out
    assert re.search(r"\b8 rows are exact duplicates", done.out)
    selected = float(re.search(r"selected \(novelselect\) +60 +([0-9.]+)", done.out)[1])  # type: ignore[index]
    random = float(re.search(r"random +60 +([0-9.]+)", done.out)[1])  # type: ignore[index]
    assert selected > random
    assert "0 were chosen with both rows" in done.out
    assert files_in(tmp_path / "kept") == {"instructions.jsonl", "out", "report.html"}
    assert files_in(tmp_path / "kept" / "out") == {"selected.jsonl", "selection.csv", "manifest.json"}

    done = assay("demo", "-o", "kept")
    assert done.code == 2
    assert "kept holds files" in done.err
    assert files_in(tmp_path) == {"kept"}


def test_a_budget_of_ones_own(assay: Assay) -> None:
    done = assay("demo", "--budget", 301)
    assert done.code == 2
    assert done.err == "error: --budget must be from 1 to the rows of the pool (300); got 301.\n"
