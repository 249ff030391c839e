"""lm-evaluation-harness, where it is not installed as a program that writes what version 0.4.13 wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError, MissingExtraError
from assay.study.restoration import lm_eval
from assay.study.restoration.lm_eval import run_lm_eval, scores_of

# what lm_eval 0.4.13 wrote of two tasks that `assay knowledge export` wrote, and their group, but for the values
RECORDED: dict[str, dict[str, Any]] = {
    "tiny_P17": {
        "name": "tiny_P17", "alias": "P17 country", "sample_len": 5, "exact_match,first_line": 0.4,
        "exact_match_stderr,first_line": 0.24,
    },
    "tiny_P36": {
        "name": "tiny_P36", "alias": "P36 capital", "sample_len": 5, "exact_match,first_line": 0.2,
        "exact_match_stderr,first_line": 0.2,
    },
    "tiny": {
        "alias": "tiny", "name": "tiny", "sample_len": 10, "exact_match,first_line": 0.3,
        "exact_match_stderr,first_line": 0.15, "sample_count": {"exact_match,first_line": 10},
    },
}  # fmt: skip
PROGRAM = """
import json, sys
from pathlib import Path
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if given["--tasks"] == "other":
    sys.exit("ValueError: Tasks not found: other")
model = dict(part.split("=") for part in given["--model_args"].split(","))
if not (Path(model["pretrained"]) / "config.json").is_file():
    sys.exit("OSError: no model there")
if given["--tasks"] == "silent":
    sys.exit()
out = Path(given["--output_path"]) / model["pretrained"].replace("/", "__")
out.mkdir(parents=True)
Path("ran_here").touch()
(out / "results_2026-11-29T19-00-00.000000.json").write_text(json.dumps({"results": RESULTS}))
"""


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program of that name on the path, and return a model's folder."""
    package = tmp_path / "site" / "lm_eval"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(f"RESULTS = {RECORDED!r}\n{PROGRAM}")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.delitem(sys.modules, "lm_eval", raising=False)
    folder = tmp_path / "a model, of=mine"  # what its list of arguments cannot hold
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_scores_are_read_by_task_and_metric(harness: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    assert run_lm_eval(harness, "tiny", include_path=tasks) == {
        "tiny_P17 exact_match": 0.4, "tiny_P36 exact_match": 0.2, "tiny exact_match": 0.3
    }  # fmt: skip
    assert (tasks / "ran_here").exists()  # from where the tasks name their data


def test_filters_part_metrics_and_what_is_no_number_is_left_out() -> None:
    row = {
        "alias": "gsm8k", "exact_match,strict-match": 0.5, "exact_match_stderr,strict-match": 0.1,
        "exact_match,flexible-extract": 0.75, "acc,none": 1, "acc_stderr,none": "N/A", "ppl,none": float("nan"),
    }  # fmt: skip
    assert scores_of({"gsm8k": row}) == {
        "gsm8k exact_match,strict-match": 0.5, "gsm8k exact_match,flexible-extract": 0.75, "gsm8k acc": 1.0
    }  # fmt: skip
    with pytest.raises(DataError, match="lm_eval must score its tasks; its result has no number"):
        scores_of({"gsm8k": {"alias": "gsm8k"}})


def test_what_goes_wrong_is_told(harness: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tasks, said in (
        ("other", "lm_eval must have a result; it exited with 1: ValueError: Tasks not found: other"),
        ("silent", "lm_eval must have a result; it exited with 0: nothing was printed"),
        ("a,,b", "lm_eval must be names of tasks with commas between; got 'a,,b'."),
    ):
        with pytest.raises(DataError) as error:
            run_lm_eval(harness, tasks)
        assert str(error.value) == said
    with pytest.raises(DataError, match="include_path must be a folder of tasks; there is no folder "):
        run_lm_eval(harness, "tiny", include_path=tmp_path / "none")
    with pytest.raises(DataError, match="no model there"):
        run_lm_eval(tmp_path / "none", "tiny")
    monkeypatch.setattr(lm_eval, "PACKAGE", "lm_eval_of_nobody")
    with pytest.raises(MissingExtraError, match=r"pip install 'lm_eval\[hf\]'"):
        run_lm_eval(harness, "tiny")
