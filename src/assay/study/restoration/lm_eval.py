"""EleutherAI's lm-evaluation-harness on the checkpoint of a state, in a process of its own."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assay._files import read_json
from assay.errors import DataError, MissingExtraError
from assay.study.command import tail_of

PACKAGE = "lm_eval"


def check_lm_eval(tasks: str, include_path: str | Path | None = None) -> None:
    """Raise unless the harness is installed, tasks are named, and their folder is there."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingExtraError(
            "--lm-eval needs lm-evaluation-harness; install it with: pip install 'lm_eval[hf]'"
        )
    if not all(task.strip() for task in tasks.split(",")):
        raise DataError(f"lm_eval must be names of tasks with commas between; got {tasks!r}.")
    if include_path is not None and not Path(include_path).is_dir():
        raise DataError(f"include_path must be a folder of tasks; there is no folder {include_path}.")


def run_lm_eval(
    folder: str | Path,
    tasks: str,
    *,
    include_path: str | Path | None = None,
    device: str | None = None,
    dtype: str = "auto",
    batch_size: int = 8,
    limit: int | None = None,
    chat: bool = False,
) -> dict[str, float]:
    """Return the scores of a model by lm-evaluation-harness.

    Parameters
    ----------
    folder : str or Path
        Of the model and its tokenizer.
    tasks : str
        Comma-separated names of tasks or groups.
    include_path : str or Path, optional
        A folder with tasks of one's own, such as `assay knowledge export` writes; the harness runs in it, since their
        data files are named from there.
    device, dtype, batch_size
        As the harness has them; by default a GPU where there is one.
    limit : int, optional
        Examples of each task, at most.
    chat : bool
        Put examples into the chat template.

    Returns
    -------
    dict from str to float
        ``TASK METRIC``, such as ``arc_easy acc``; of groups, too. Where a metric is computed through several filters,
        ``TASK METRIC,FILTER``. In the harness's own units: 0 to 1 for most.

    Raises
    ------
    DataError
        Where it fails, with the end of what it said, or writes no result.

    Notes
    -----
    Run with version 0.4.13: ``python -m lm_eval --model hf --model_args pretrained=... --tasks ... --output_path ...``.
    """
    check_lm_eval(tasks, include_path)
    with TemporaryDirectory(prefix="assay-lm-eval-") as made:
        model = Path(made) / "model"  # a name that its list of key=value, with commas between, can hold
        model.symlink_to(Path(folder).resolve(), target_is_directory=True)
        command = [
            sys.executable, "-m", PACKAGE, "--model", "hf", "--model_args", f"pretrained={model},dtype={dtype}",
            "--tasks", tasks, "--batch_size", str(batch_size), "--output_path", str(Path(made) / "out"),
        ]  # fmt: skip
        command += ["--include_path", str(Path(include_path).resolve())] if include_path is not None else []
        command += ["--device", device] if device is not None else []
        command += ["--limit", str(limit)] if limit is not None else []
        command += ["--apply_chat_template"] if chat else []
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
            cwd=include_path,
        )  # fmt: skip
        found = sorted((Path(made) / "out").rglob("results*.json"))
        if done.returncode or not found:
            said = tail_of(done.stderr.strip() or done.stdout)
            raise DataError(f"lm_eval must have a result; it exited with {done.returncode}: {said}")
        return scores_of(read_json(found[-1]).get("results", {}))


def scores_of(results: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the scores of a harness's ``results``: what is named ``metric,filter`` and is no standard error."""
    scores: dict[str, float] = {}
    for task, row in results.items():
        named = [name.rpartition(",") for name in row if "," in name]
        metrics = [metric for metric, _, _ in named if not metric.endswith("_stderr")]
        for metric, _, of in named:
            value = row[f"{metric},{of}"]
            if metric.endswith("_stderr") or not _is_number(value):
                continue
            name = f"{task} {metric}" if metrics.count(metric) == 1 else f"{task} {metric},{of}"
            scores[name] = float(value)
    if not scores:
        raise DataError("lm_eval must score its tasks; its result has no number.")
    return scores


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
