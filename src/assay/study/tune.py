"""One fine-tuning of a study and what came of it: held-out loss, or a program of the user's."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay import _check
from assay._files import read_json
from assay.data import Sample, read
from assay.diversity.correlate import JOINED
from assay.embed.transformer import device_for
from assay.errors import AssayWarning, DataError
from assay.study.command import scores_in
from assay.study.loss import summed_losses
from assay.training import train
from assay.training.loading import load_tuned
from assay.training.tokens import tokens_of, with_template
from assay.training.train import RECORD

TAKEN = ("set", "strategy", "size", "draw", "distinct")  # columns of the table that are no scores, and
MEASURED = ("model/", "encoder/", "text/")  # how those of measures begin


@dataclass(frozen=True, slots=True)
class Tuning:
    """How every set of a study is fine-tuned on, and how the result is scored."""

    method: str = "full"
    preset: str = "small"
    settings: Mapping[str, Any] = field(default_factory=dict)  # keywords of `train`
    device: str = "auto"
    max_tokens: int = 128
    metric: str | None = None
    keep_models: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One set under one seed. `data` is None for the model as it is, before tuning."""

    model: str
    data: str | None
    heldout: Sequence[str]
    output: str
    seed: int


def tuner(tuning: Tuning, threads: int) -> Callable[[Job], dict[str, Any]]:
    """Return the function that works on jobs, in a process of its own with so many threads."""
    torch = _check.require("torch", "lm", "a study")
    torch.set_num_threads(threads)
    _check.require("transformers", "lm", "a study").logging.disable_progress_bar()
    warnings.simplefilter("ignore", AssayWarning)  # what was cut or left out is counted in the score's file
    kept: dict[str, list[Sample]] = {}

    def work(job: Job) -> dict[str, Any]:
        folder, found = Path(job.model), dict[str, Any]()
        if job.data is not None:
            folder = train(
                job.model, list(read(job.data)), output=job.output, method=tuning.method, preset=tuning.preset,
                seed=job.seed, device=tuning.device, max_tokens=tuning.max_tokens, threads=threads, overwrite=True,
                **tuning.settings,
            )  # fmt: skip
            record = read_json(folder / RECORD)
            found |= {
                "counts": record["counts"],
                "steps": record["steps"],
                "last_loss": record["losses"][-1]["loss"],
            }
        if tuning.metric is None:
            for path in job.heldout:
                if path not in kept:
                    kept[path] = list(read(path))
            domains = {Path(path).stem: kept[path] for path in job.heldout}
            losses = heldout_loss(folder, domains, max_tokens=tuning.max_tokens, device=tuning.device)
            found["metrics"] = {f"loss {name}": value for name, value in losses.items()}
            found["metrics"]["loss"] = sum(losses.values()) / len(losses)
        else:
            found["metrics"] = scores_of(tuning.metric, folder)
        if job.data is not None and not tuning.keep_models:
            shutil.rmtree(folder)
        return found

    return work


def heldout_loss(
    model: str | Path,
    domains: Mapping[str, Sequence[Sample]],
    *,
    max_tokens: int = 256,
    batch_size: int = 32,
    device: str = "auto",
) -> dict[str, float]:
    """Return the mean loss of a model on the answer tokens of samples that it was not tuned on, by domain.

    Lower is better. Averaged over balanced domains it says how well a model learned to answer in all of them.

    Parameters
    ----------
    model : path or hub id
        A model, or an adapter on one.
    domains : mapping from str to samples
        Each non-empty; a sample whose answer lies beyond `max_tokens` does not count.
    max_tokens : int
        Tokens of each sample that are read.
    batch_size : int
        Samples in one forward pass.
    device : str
        "auto", "cpu", "cuda", ...

    Returns
    -------
    dict from str to float
        Nats a token, at least 0: the mean over all answer tokens of a domain.

    Raises
    ------
    DataError
        A domain without an answer within `max_tokens`.

    Notes
    -----
    One forward pass of all tokens; batches are of samples of like length, padded on the right.
    """
    language_model, tokenizer = _load(model, device)
    out = {}
    for name, samples in domains.items():
        found = tokens_of(samples, tokenizer, max_tokens=max_tokens, answers="all")
        if not found.ids:
            raise DataError(
                f"domain {name!r} must have an answer within max_tokens={max_tokens}; it has none."
            )
        losses = summed_losses(language_model, found.ids, found.labels, batch_size=batch_size)
        out[name] = float(losses.sum()) / found.counts["answer_tokens"]
    return out


def _load(model: str | Path, device: str) -> tuple[Any, Any]:
    """Return a model, with its adapter where the folder holds one, and its tokenizer, ready to be asked."""
    torch = _check.require("torch", "lm", "held-out loss")
    found, tokenizer, _ = load_tuned(model, torch.float32)
    with_template(tokenizer, None)
    return found.to(device_for(device)).eval(), tokenizer


def command_of(metric: str) -> list[str]:
    """Return the parts of a command that scores a model, or raise unless it can be run."""
    try:
        parts = shlex.split(metric)
    except ValueError as error:
        raise DataError(f"metric must be a command; got {metric!r}: {str(error).lower()}.") from None
    if not any("{model}" in part for part in parts):
        raise DataError(f"metric must have {{model}} where the model's folder goes; got {metric!r}.")
    if shutil.which(parts[0]) is None:
        raise DataError(f"metric must be a command that runs; {parts[0]}: there is no such program.")
    return parts


def scores_of(metric: str, model: Path) -> dict[str, float]:
    """Run a command on a model and return what its last line says: a number, or an object of numbers."""
    command = [part.replace("{model}", str(model)) for part in command_of(metric)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise DataError(f"metric must be a command that runs; {command[0]}: {error.strerror}.") from None
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise DataError(
            f"metric must have a score as its last line; it exited with {done.returncode}: {last}"
        )
    scores = scores_in(done.stdout, name="metric")
    for name in scores:
        if (
            name in (*TAKEN, JOINED)
            or name.startswith(MEASURED)
            or name.removesuffix(" sd") in scores.keys() - {name}
        ):
            raise DataError(f"metric must have another name than a column of the table; got {name!r}.")
    return scores
