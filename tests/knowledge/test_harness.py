"""Tasks for lm-evaluation-harness: their structure, and what its Jinja makes of them against our own prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import BaseLoader, Environment, StrictUndefined

from assay.errors import DataError
from assay.knowledge import CHAT_TEMPLATES, MATCHERS, Question, asked, write_tasks

QUESTIONS = [
    Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",), aliases=("Christiania",)),
    Question("2", "Brace {{ x }}", "P36", 'What is the capital of "Brace {{ x }}"?', ("[Bern]", "Berne")),
    Question("3", "Peer Gynt", "P50", "Who wrote Peer Gynt?\nSay it.", ("Ibsen",)),
]
SHOTS = [
    Question("s1", "Chad", "P36", "What is the capital of Chad?", ("N'Djamena",)),
    Question("s2", "Emma", "P50", "Who wrote Emma?", ("Jane Austen", "Austen")),
]
STATED = {"P36": ("The capital of [X] is", "[X]'s capital:"), "P50": ("[X] was written by",)}


def rendered(template: str, row: dict[str, Any]) -> str:
    """As the harness does: what is undefined is an error, a last new line stays."""
    environment = Environment(loader=BaseLoader(), undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(**row)


def contexts(folder: Path, task: str) -> list[str]:
    """Return what a model would read for each question of a task: examples, then the question."""
    config = yaml.safe_load((folder / f"{task}.yaml").read_text(encoding="utf-8"))
    files = config["dataset_kwargs"]["data_files"]
    rows = {
        split: [json.loads(line) for line in (folder / file).read_text(encoding="utf-8").splitlines()]
        for split, file in files.items()
    }
    told = ""
    for row in rows.get("train", [])[: config["num_fewshot"]]:
        target = row[config["doc_to_target"]][0]
        told += rendered(config["doc_to_text"], row) + config["target_delimiter"] + target
        told += config["fewshot_delimiter"]
    return [told + rendered(config["doc_to_text"], row) for row in rows["test"]]


def test_a_task_a_relation_and_their_group(tmp_path: Path) -> None:
    files = write_tasks(QUESTIONS, tmp_path, name="ours", shots=SHOTS, max_tokens=12)
    assert sorted(files) == sorted(path.name for path in tmp_path.iterdir())
    group = yaml.safe_load((tmp_path / "ours.yaml").read_text())
    assert (group["group"], group["task"]) == ("ours", ["ours_P36", "ours_P50"])
    [aggregate] = group["aggregate_metric_list"]
    config = yaml.safe_load((tmp_path / "ours_P36.yaml").read_text())
    assert (config["task"], config["task_alias"], config["dataset_path"]) == (
        "ours_P36",
        "P36 capital",
        "json",
    )
    assert config["dataset_kwargs"]["data_files"] == {"test": "ours_P36.jsonl", "train": "ours_shots.jsonl"}
    assert (config["fewshot_split"], config["fewshot_config"]) == ("train", {"sampler": "first_n"})
    assert config["output_type"] == "generate_until"
    assert config["generation_kwargs"] == {"until": ["\n"], "do_sample": False, "max_gen_toks": 12}
    [metric] = config["metric_list"]
    [pipeline] = config["filter_list"]
    assert (aggregate["metric"], aggregate["filter_list"]) == (metric["metric"], pipeline["name"])
    assert aggregate["weight_by_size"] is True
    rows = [json.loads(line) for line in (tmp_path / "ours_P36.jsonl").read_text().splitlines()]
    assert [row[config["doc_to_target"]] for row in rows] == [["Oslo", "Christiania"], ["[Bern]", "Berne"]]


def test_prompts_are_our_own(tmp_path: Path) -> None:
    for prompt, options in (
        ("few-shot", {"shots": SHOTS}),
        ("statement", {"templates": STATED}),
        ("chat", {}),
        ("sft", {}),
    ):
        folder = tmp_path / prompt
        write_tasks(QUESTIONS, folder, name="a", prompt=prompt, **options)  # type: ignore[arg-type]
        found = contexts(folder, "a_P36") + contexts(folder, "a_P50")
        if prompt == "sft":
            template = Environment(loader=BaseLoader()).from_string(CHAT_TEMPLATES["knowledge"])
            expected = [
                template.render(messages=[{"role": "user", "content": one.prompt}], bos_token="")
                for one in QUESTIONS
            ]
        else:
            expected = list(asked(QUESTIONS, prompting=prompt, **options).prompts)  # type: ignore[arg-type]
        assert found == expected


def test_a_task_a_category_counts_each_alike(tmp_path: Path) -> None:
    write_tasks(QUESTIONS, tmp_path, name="bins", categories=[4, 0, 4])
    group = yaml.safe_load((tmp_path / "bins.yaml").read_text())
    assert group["task"] == ["bins_D0", "bins_D4"]
    assert group["aggregate_metric_list"][0]["weight_by_size"] is False
    assert len(contexts(tmp_path, "bins_D4")) == 2


def test_the_metric_is_much_as_our_rule(tmp_path: Path) -> None:
    """What the harness's exact_match does to a prediction and a target, by the options in the YAML."""
    import re
    import string

    write_tasks(QUESTIONS[:1], tmp_path, name="a")
    [metric] = yaml.safe_load((tmp_path / "a_P36.yaml").read_text())["metric_list"]
    drop = str.maketrans("", "", string.punctuation)

    def plain(text: str) -> str:
        for pattern in metric["regexes_to_ignore"]:
            text = re.sub(pattern, "", text)
        return text.lower().translate(drop)

    test = MATCHERS["exact"].prepare(["Saint Petersburg", "St. Petersburg"])
    for said in ("St. Petersburg", "the St. Petersburg.", "st petersburg", "St", "St. Petersburg, Russia"):
        here = plain(said) in {plain("Saint Petersburg"), plain("St. Petersburg")}
        assert here == test(" " + said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"questions": []}, "questions must have at least one question; got none"),
        ({"name": "My set"}, "name must be of lower-case letters, digits and _; got 'My set'"),
        ({"prompt": "plain"}, "prompt must be one of few-shot, sft, chat, statement; got 'plain'"),
        ({"prompt": "sft", "shots": SHOTS}, "shots must be left out unless prompt is few-shot; it is sft"),
        ({"templates": STATED}, "templates must be left out unless prompt is statement; it is few-shot"),
        ({"categories": [1]}, r"categories must be as many as the questions \(3\); got 1"),
        (
            {"questions": [Question("1", "", "a b", "?", ("x",)), Question("2", "", "a-b", "?", ("x",))]},
            "relations must have file names of their own; 'a b' and 'a-b' are both a_b",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    given = {"questions": QUESTIONS, "name": "a"} | options
    with pytest.raises(DataError, match=says):
        write_tasks(given.pop("questions"), tmp_path, **given)
