"""Facts as tasks of EleutherAI's lm-evaluation-harness: YAML and JSON Lines, no code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay._check import choice, whole
from assay._files import atomic, yaml_bytes
from assay.data.json_text import dumps
from assay.errors import DataError
from assay.knowledge.intervals import Ints
from assay.knowledge.mastery import CATEGORIES
from assay.knowledge.questions import Question
from assay.knowledge.relations import RELATIONS
from assay.knowledge.templates import Templates, statements

# how the harness writes a question; `question` and `statement` are columns
TEXTS = {
    "few-shot": "Question: {{question}}\nAnswer:",
    "sft": "<|question|> {{question}} <|answer|>",
    "chat": "{{question}}",
    "statement": "{{statement}}",
}
PIPELINE = "first_line"


def write_tasks(
    questions: Sequence[Question],
    output: str | Path,
    *,
    name: str,
    prompt: str = "few-shot",
    categories: Sequence[int] | Ints | None = None,
    shots: Sequence[Question] = (),
    templates: Templates | None = None,
    max_tokens: int = 16,
) -> list[str]:
    """Write questions as tasks of lm-evaluation-harness 0.4, one a relation or mastery category, and a group of them.

    Run them from the folder: ``lm_eval --model hf --model_args pretrained=MODEL --include_path . --tasks NAME``.

    Parameters
    ----------
    questions
        At least one.
    output
        A folder.
    name
        Of the group, and what the names of tasks and files begin with: lower-case letters, digits and ``_``.
    prompt
        ``few-shot``: ``Question: ...``, a new line, ``Answer:``, after `shots`; ``sft``: the markers of fine-tuning as
        plain text; ``chat``: the question alone, for ``--apply_chat_template``; ``statement``: the first statement.
    categories
        0 to 4, of each question: a task a category, whose unweighted mean is the group's score. None: a task a
        relation, and the group's score is that of all questions.
    shots
        Answered questions, in the order in which they stand before each question; for ``few-shot`` alone.
    templates
        For ``statement``.
    max_tokens
        Of an answer.

    Returns
    -------
    list of str
        Names of the files written.

    Raises
    ------
    DataError
        For no question, a name that is none, two relations of one file name, shots or templates that are not read.

    Notes
    -----
    An answer ends at a new line or the end token, never at ".": a stop there cuts "St. Petersburg" to "St". Answers
    and aliases are all targets. The score is ``exact_match`` of the first line without regard to case, punctuation
    and a first article: much as our rule ``exact``, and stricter than ``contains``, the paper's. The harness has no
    such metric in YAML. Where it averages over several targets instead of taking any (a state of its source after
    0.4 does), questions with aliases score too low: export without aliases then.

    Run with version 0.4.13.

    Examples
    --------
    >>> import tempfile
    >>> oslo = Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",))
    >>> write_tasks([oslo], tempfile.mkdtemp(), name="capitals")
    ['capitals_P36.jsonl', 'capitals_P36.yaml', 'capitals.yaml']
    """
    choice("prompt", prompt, TEXTS)
    whole("max_tokens", max_tokens, 1)
    if not questions:
        raise DataError("questions must have at least one question; got none.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DataError(f"name must be of lower-case letters, digits and _; got {name!r}.")
    for option, given, reads in (("shots", shots, "few-shot"), ("templates", templates, "statement")):
        if given and prompt != reads:
            raise DataError(f"{option} must be left out unless prompt is {reads}; it is {prompt}.")
    folder, written, tasks = Path(output), [], []
    for part, alias, rows in _parts(questions, categories):
        task = f"{name}_{part}"
        _lines(folder / f"{task}.jsonl", [_row(one, prompt, templates or {}) for one in rows])
        config = _config(task, alias, prompt, shots=f"{name}_shots.jsonl" if shots else "", count=len(shots))
        config["generation_kwargs"]["max_gen_toks"] = max_tokens
        _yaml(folder / f"{task}.yaml", config)
        written += [f"{task}.jsonl", f"{task}.yaml"]
        tasks.append(task)
    if shots:
        _lines(folder / f"{name}_shots.jsonl", [_row(one, prompt, {}) for one in shots])
        written.append(f"{name}_shots.jsonl")
    group = {
        "group": name,
        "task": tasks,
        "aggregate_metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "weight_by_size": categories is None,
                "filter_list": PIPELINE,
            }
        ],
        "metadata": {"version": 1.0},
    }
    _yaml(folder / f"{name}.yaml", group)
    return [*written, f"{name}.yaml"]


def _parts(
    questions: Sequence[Question], categories: Sequence[int] | Ints | None
) -> list[tuple[str, str, list[Question]]]:
    """Return file name, name for a person and questions of each task."""
    found: dict[str, tuple[str, list[Question]]] = {}
    if categories is not None:
        if len(categories) != len(questions):
            raise DataError(
                f"categories must be as many as the questions ({len(questions)}); got {len(categories)}."
            )
        for number, label in enumerate(CATEGORIES):
            mine = [one for one, at in zip(questions, categories, strict=True) if at == number]
            if mine:
                found[label] = (label, mine)
        return [(part, alias, rows) for part, (alias, rows) in found.items()]
    relations: dict[str, str] = {}
    for question in questions:
        relation = question.relation
        part = re.sub(r"\W+", "_", relation) or "all"
        if relations.setdefault(part, relation) != relation:
            raise DataError(
                f"relations must have file names of their own; {relations[part]!r} and {relation!r} are both {part}. "
                "Rename one."
            )
        says = f"{relation} {RELATIONS[relation].name}" if relation in RELATIONS else relation or "all"
        found.setdefault(part, (says, []))[1].append(question)
    return [(part, alias, rows) for part, (alias, rows) in found.items()]


def _row(question: Question, prompt: str, templates: Templates) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": question.id,
        "relation": question.relation,
        "subject": question.subject,
        "question": question.prompt,
        "targets": list(dict.fromkeys((*question.answers, *question.aliases))),
    }
    if prompt == "statement":
        row["statement"] = statements(question, templates)[0]
    return row


def _config(task: str, alias: str, prompt: str, *, shots: str, count: int) -> dict[str, Any]:
    """Return what the YAML of a task says."""
    files = {"test": f"{task}.jsonl"} | ({"train": shots} if shots else {})
    few = {"fewshot_split": "train", "fewshot_config": {"sampler": "first_n"}, "num_fewshot": count}
    return {
        "task": task,
        "task_alias": alias,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": files},
        "test_split": "test",
        **(few if shots else {"num_fewshot": 0}),
        "output_type": "generate_until",
        "doc_to_text": TEXTS[prompt],
        "doc_to_target": "targets",
        "target_delimiter": " ",
        "fewshot_delimiter": "\n",
        "generation_kwargs": {"until": ["\n"], "do_sample": False},
        "filter_list": [
            {"name": PIPELINE, "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}
        ],
        "metric_list": [
            {
                "metric": "exact_match",
                "aggregation": "mean",
                "higher_is_better": True,
                "ignore_case": True,
                "ignore_punctuation": True,
                "regexes_to_ignore": ["^(?:[Tt]he|[Aa]n?) "],
            }
        ],
        "metadata": {"version": 1.0},
    }


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with atomic(path) as f:
        f.write(b"".join(dumps(row) + b"\n" for row in rows))


def _yaml(path: Path, value: dict[str, Any]) -> None:
    with atomic(path) as f:
        f.write(yaml_bytes(value))
