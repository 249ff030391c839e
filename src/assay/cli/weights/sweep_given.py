"""What the options of `assay weights sweep` ask for: which go together, models by name, facts, texts, programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.cli.knowledge.prompting import PROMPTS

if TYPE_CHECKING:
    from assay.study.restoration import Plan
    from assay.study.restoration.numbers import Program

Rows = list[dict[str, Any]]
REPORT, RESULT = "report.html", "sweep.json"
TAKEN = {"best", "tables", REPORT, RESULT, "manifest.json"}  # in the output
EVALUATORS = ("facts", "texts", "command", "lm_eval")
# what only facts read, with the defaults; the same for the harness and texts
OF: dict[str, dict[str, Any]] = {
    "facts": {
        "shape": None, "grades": None, "dev_fraction": 0.5, "limit": None, "prompt": "sft", "train": None,
        "shots": None, "templates": None, "aliases": "none", "rule": "contains", "max_tokens": 16,
    },
    "texts": {"texts_limit": None},
    "lm_eval": {"include_path": None, "lm_eval_limit": None, "lm_eval_chat": False},
}  # fmt: skip


def check_given(given: Mapping[str, Any], formats: Sequence[str]) -> None:
    """Raise for options that do not go together, before anything is read."""
    from assay import _check
    from assay import knowledge as room
    from assay.errors import DataError
    from assay.study.restoration.metrics import METRICS

    _check.choice("format", given["format"], formats)
    _check.choice("prompt", given["prompt"], PROMPTS)
    _check.choice("rule", given["rule"], room.MATCHERS)
    if given["shape"] is not None:
        _check.choice("shape", given["shape"], room.FACT_FORMATS)
    if not any(given[name] for name in EVALUATORS):
        raise DataError(
            "--facts, --texts, --command or --lm-eval must say how states are evaluated; got none."
        )
    for needed, reads in OF.items():
        for name, usual in reads.items():
            if given[needed] is None and given[name] != usual:
                raise DataError(
                    f"{name} must be left out without {needed}, which it is part of; got {given[name]!r}."
                )
    if given["train"] is not None and given["prompt"] != "few-shot":
        raise DataError(f"train must be left out unless --prompt is few-shot; got {given['train']!r}.")
    shared = {"device": "auto", "dtype": "auto", "batch_size": 64, "threads": None}
    for name, usual in (
        shared.items() if not any(given[one] for one in EVALUATORS if one != "command") else ()
    ):
        if given[name] != usual:
            raise DataError(f"{name} must be left out where a command alone evaluates; got {given[name]!r}.")
    wants = {"macro": "grades", "micro": "facts", "loss": "texts"}
    metric = given["metric"]
    if metric in METRICS and given[wants[metric]] is None:
        raise DataError(f"{wants[metric]} must be given for --metric {metric}; got none.")
    if metric not in (None, *METRICS) and not (given["command"] or given["lm_eval"]):
        raise DataError(f"metric must be one of {', '.join(METRICS)} without a command; got {metric!r}.")
    chosen = given["facts"] or given["texts"]
    if given["lower"] and (metric in METRICS or (metric is None and chosen)):
        raise DataError(
            "--lower must be left out unless the metric is a number by name; of others it is known."
        )
    if given["write_best"] and (not chosen or metric not in (None, *METRICS)):
        raise DataError(
            "--write-best must have facts or texts to choose by, which have a dev set; got a number."
        )


def names_of(tuned: Sequence[str]) -> dict[str, str]:
    """Return the folder of each tuned model by a name of its own: the last parts of its path that tell it apart.

    No name is that of something else in the output.
    """
    from pathlib import Path

    from assay.errors import DataError

    parts = [Path(one).resolve().parts[1:] for one in tuned]
    if len(set(parts)) < len(parts):
        raise DataError(f"tuned must be models of their own; got one twice: {', '.join(tuned)}.")
    for count in range(1, 1 + max(map(len, parts))):
        names = ["-".join(one[-count:]) for one in parts]
        if len(set(names)) == len(names) and not TAKEN.intersection(names):
            return dict(zip(names, tuned, strict=True))
    raise DataError(f"tuned must have names of their own in the output; got {', '.join(tuned)}. Rename one.")


def facts_of(given: Mapping[str, Any], talk: Any) -> dict[str, Any]:
    """Return what `sweep` asks: sets of facts, their bins, and how."""
    from assay import knowledge as room
    from assay.cli.knowledge.facts import aliases_of
    from assay.cli.knowledge.prompting import prompting_of
    from assay.study.restoration.sweep import sets_of

    if given["facts"] is None:
        return {}
    names = aliases_of(given["aliases"])
    found = room.read_facts(given["facts"], format=given["shape"])
    sets, notes = sets_of(
        room.with_aliases(found.questions, names), dev_fraction=given["dev_fraction"], limit=given["limit"],
        seed=given["seed"],
    )  # fmt: skip
    every = tuple(one for own in sets.values() for one in own)
    train = given["train"]
    told = {one.prompt for one in every}  # no example tells the answer of what is asked
    known = () if train is None else room.with_aliases(room.read_facts(train).questions, names)
    known = tuple(one for one in known if one.prompt not in told)
    asking = prompting_of(
        given["prompt"], found, every, known, given["shots"], given["templates"], given["seed"]
    )
    categories = None
    if given["grades"] is not None:
        ids = [one.id for one in every]
        categories = dict(
            zip(ids, map(int, room.read_grades(given["grades"]).of(ids).categories), strict=True)
        )
    for note in notes:
        talk.say(note)
    return {
        "sets": sets,
        "categories": categories,
        "asking": asking | {"rule": given["rule"], "max_tokens": given["max_tokens"]},
        "chat_template": room.CHAT_TEMPLATES["knowledge"] if given["prompt"] == "sft" else None,
    }


def texts_of(given: Mapping[str, Any]) -> list[str]:
    from assay.errors import DataError
    from assay.study.restoration.texts import read_texts

    if given["texts"] is None:
        return []
    found = read_texts(given["texts"], limit=given["texts_limit"])
    if len(found) < 2 and (given["metric"] == "loss" or not (given["metric"] or given["facts"])):
        raise DataError("texts must be two at least, one to choose by and one to report; got one.")
    return found


def programs_of(given: Mapping[str, Any]) -> list[Program]:
    """Return what scores a written checkpoint."""
    from functools import partial

    from assay.study.command import check_command, run_command
    from assay.study.restoration.lm_eval import check_lm_eval, run_lm_eval

    programs: list[Program] = []
    if given["command"] is not None:
        check_command(given["command"])
        programs.append(partial(run_command, given["command"]))
    if given["lm_eval"] is not None:
        check_lm_eval(given["lm_eval"], given["include_path"])
        programs.append(
            lambda folder: run_lm_eval(
                folder, given["lm_eval"], include_path=given["include_path"], limit=given["lm_eval_limit"],
                device=None if given["device"] == "auto" else given["device"],
                dtype=given["dtype"],
                batch_size=given["batch_size"],
                chat=given["lm_eval_chat"],
            )
        )  # fmt: skip
    return programs


def entries_of(given: Mapping[str, Any]) -> Rows:
    """Return what was read beside the models, for the manifest."""
    from pathlib import Path

    from assay import knowledge as room
    from assay.cli import manifest
    from assay.study.restoration.texts import files_of_texts

    read = [(role, given[role]) for role in ("facts", "train", "templates", "aliases", "include_path")]
    found = [
        entry
        for role, path in read
        if path is not None and Path(path).exists()
        for entry in manifest.file_entries(role, path)
    ]
    if given["grades"] is not None:
        for name in room.grading.FILES:
            found += manifest.file_entries("grades", Path(given["grades"]) / name)
    if given["texts"] is not None:
        files: Sequence[Path | str] = files_of_texts(given["texts"]) or [given["texts"]]
        found += [entry for path in files for entry in manifest.file_entries("texts", path)]
    return found


def settings_of(given: Mapping[str, Any], plan: Plan, inputs: Rows) -> dict[str, Any]:
    """Return what decides the numbers of a state of a model: a sweep that goes on must have the same."""
    of_states = (
        "scope", "layers", "pattern", "shape", "dev_fraction", "limit", "prompt", "shots", "rule", "max_tokens",
        "aliases", "texts_limit", "command", "lm_eval", "include_path", "lm_eval_limit", "lm_eval_chat", "device",
        "dtype", "seed",
    )  # fmt: skip
    files = [entry.get("sha256", entry["path"]) for entry in inputs if entry["role"] != "include_path"]
    return {name: given[name] for name in of_states} | {
        "reference": plan.rankings[0],
        "files": files,
    }


def only_metric(given: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return what percents are chosen by where --metric does not say."""
    from assay.errors import DataError

    for name, metric in (("grades", "macro"), ("facts", "micro"), ("texts", "loss")):
        if given[name] is not None:
            return metric
    numbers = sorted(row["numbers"])
    if len(numbers) > 1:
        raise DataError(f"metric must be one of {', '.join(numbers)}; got none.")
    return str(numbers[0])


def metric_check(given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], None]:
    """Return what raises at the first state where its row has no number of the name of --metric."""
    from assay import _check
    from assay.study.restoration.metrics import METRICS

    def check(row: Mapping[str, Any]) -> None:
        if given["metric"] is None:
            only_metric(given, row)
        elif given["metric"] not in METRICS:
            _check.choice("metric", given["metric"], sorted(row["numbers"]))

    return check
