"""`assay weights sweep`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.cli.weights.sweep_given import OF, facts_of, names_of
from assay.weights import open_checkpoint
from tests.cli.conftest import Assay, files_in, read_lines, write_lines
from tests.knowledge.made_models import save_random
from tests.weights.made import nudge

PLAN = ("--percent", "40", "--draws", "1", "--device", "cpu", "--threads", 1, "--prompt", "chat")
STATES = {
    "tuned", "scope", "original", "relative-weights-40", "random-weights-40-s0", "random-energy-40-s0",
    "shrink-weights-40", "shrink-energy-40",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original, two fine-tunings of it, facts and texts."""
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("models")
    save_random(root / "p", 0)
    for seed in (1, 2):
        save_random(root / f"tuned-s{seed}", 0)
        model = nudge(AutoModelForCausalLM.from_pretrained(root / f"tuned-s{seed}"), seed=seed)
        for _ in range(7):  # 8e-3 in the mean
            nudge(model, seed=seed)
        model.save_pretrained(root / f"tuned-s{seed}")
    rows = [
        {"id": f"f{n}", "subject": f"w{n}", "relation": f"P{n % 2}", "prompt": f"w{n} w{n + 1}",
         "answers": [f"w{n % 7}", f"w{n % 5 + 2}"], "domain": "OOD" if n > 15 else "ID"}
        for n in range(20)
    ]  # fmt: skip
    write_lines(root / "facts.jsonl", rows)
    (root / "texts.txt").write_text("w1 w2 w3 w4\nw5 w6 w7\nw8 w9 w1 w2 w3\nw2 w1\n")
    return root


@pytest.fixture
def given(made: Path, tmp_path: Path) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_bytes()))


def test_two_models_by_facts_texts_and_a_command(assay: Assay, given: Path) -> None:
    run = (
        "weights", "sweep", "p", "tuned-s1", "tuned-s2", "-o", "out", *PLAN, "--facts", "facts.jsonl", "--texts",
        "texts.txt", "--command", "wc -c < {model}/model.safetensors", "--write-best",
    )  # fmt: skip
    done = assay(*run)
    assert done.code == 0, done.err
    out = given / "out"
    assert {"manifest.json", "sweep.json", "report.html", "tables", "tuned-s1", "tuned-s2"} <= files_in(out)
    assert "16 of 16 states" in done.err
    for name in ("tuned-s1", "tuned-s2"):
        assert {path.stem for path in (out / name / "states").iterdir()} == STATES
        assert {path.stem for path in (out / name / "answers").iterdir()} == STATES
        assert not list((out / name).glob(".state*"))
    row = read(out / "tuned-s2" / "states" / "shrink-energy-40.json")
    assert row["numbers"] == {"command": (given / "p" / "model.safetensors").stat().st_size}
    assert set(row["accuracy"]) == {"dev", "test", "OOD"}
    assert row["loss"]["texts"] == 4
    assert len(read_lines(out / "tuned-s1" / "answers" / "tuned.jsonl")) == 20
    result = read(out / "sweep.json")
    assert (result["metric"], result["chosen_on"], result["sets"]) == ("micro", "dev", ["test", "OOD"])
    [group] = result["groups"].values()
    assert group["runs"] == ["tuned-s1", "tuned-s2"]
    assert group["facts"] == {"dev": 8, "test": 8, "OOD": 4}
    lines = done.out.splitlines()
    assert lines[0].split()[:2] == ["ranking", "percent"]
    assert [line.split()[0] for line in lines[1:]] == [
        "tuned", "scope", "original", "relative", "random", "shrink"
    ]  # fmt: skip
    assert result["said"][-1] in done.err
    best = next(
        (line for line in result["said"] if line.startswith("The model in best is tuned-s1 as ")), None
    )
    assert (best is not None) == (out / "best").exists()
    manifest = read(out / "manifest.json")
    assert manifest["counts"]["models"] == 2
    assert manifest["counts"]["states"] == 8
    again = assay("run", "out/manifest.json", "-o", "other", "--quiet")
    assert again.code == 0, again.err
    assert again.out == done.out
    for name in ("sweep.json", "tables/choices.csv"):
        mine, other = ((given / place / name).read_text() for place in ("out", "other"))
        assert mine == other


def test_an_interrupted_sweep_goes_on_and_another_is_refused(assay: Assay, given: Path) -> None:
    count = given / "count"
    fails = f"echo >> {count}; test $(wc -l < {count}) -ne 4 && wc -c < {{model}}/config.json"
    run = ("weights", "sweep", "p", "tuned-s1", "-o", "out", *PLAN[:4], "--command", fails)
    done = assay(*run)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(
        "error: --command must have a score as its last line; it exited with 1: "
    )
    assert files_in(given / "out") == {"tuned-s1"}
    assert len(list((given / "out" / "tuned-s1" / "states").iterdir())) == 3
    assert "Use --resume to go on" in assay(*run).err
    done = assay(*run, "--resume")
    assert done.code == 0, done.err
    assert count.read_text().count("\n") == 9  # the failed one twice
    assert read(given / "out" / "sweep.json")["metric"] == "command"
    done = assay(*run, "--resume", "--percent", "20")  # the states of 40 % stay, and are not of this plan
    assert done.code == 0, done.err
    [group] = read(given / "out" / "sweep.json")["groups"].values()
    assert {row["percent"] for row in group["states"]} == {None, 20.0}
    done = assay(*run, "--resume", "--seed", 3)
    assert (done.code, "seed was 0, and is now 3" in done.err) == (2, True)
    done = assay(*run, "--overwrite", "--percent", "20")
    assert done.code == 0, done.err
    names = {path.stem for path in (given / "out" / "tuned-s1" / "states").iterdir()}
    assert "relative-weights-20" in names
    assert "relative-weights-40" not in names


def test_the_state_that_dev_chose_is_written(assay: Assay, given: Path) -> None:
    # of texts that the original says itself, all of it is chosen
    done = assay(
        "weights", "sweep", "p", "tuned-s1", "-o", "out", *PLAN[:-2], "--texts", "texts.txt", "--keep-models",
        "--write-best", "--rankings", "relative", "--percent", "30,99", "--scope", "all", "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    result = json.loads(done.out)
    choice = result["groups"]["p"]["choices"][0]
    kept = given / "out" / "tuned-s1" / "models"
    assert {path.name for path in kept.iterdir()} == {
        "tuned", "scope", "relative-weights-30", "relative-weights-99"
    }  # fmt: skip
    if choice["percent"]:
        best = open_checkpoint(given / "out" / "best")
        same = open_checkpoint(kept / f"relative-weights-{choice['percent']:g}")
        assert all((best.read(name) == same.read(name)).all() for name in best.tensors)
        assert f"tuned-s1 as relative-weights-{choice['percent']:g}, the state that dev chose" in done.err
    else:
        assert "Nothing was written to best" in done.err


def test_a_model_is_not_named_as_another_file_of_the_output() -> None:
    """A tuned model in a folder `best` would be taken for the one that is written."""
    assert names_of(["/runs/best"]) == {"runs-best": "/runs/best"}


def test_no_example_tells_an_answer_that_is_asked(given: Path) -> None:
    """Examples of a few-shot prompt are drawn from a file that has the asked facts, too."""
    rows = read_lines(given / "facts.jsonl")
    other = {"id": "other", "subject": "w1", "relation": "P1", "prompt": "w1 w1 w1", "answers": ["w2"]}
    write_lines(given / "both.jsonl", [*rows, other])
    usual = {name: value for reads in OF.values() for name, value in reads.items()}
    asked = facts_of(
        usual
        | {"facts": str(given / "facts.jsonl"), "train": str(given / "both.jsonl"), "seed": 0, "shots": 1}
        | {"prompt": "few-shot"},
        SimpleNamespace(say=str),
    )
    assert [one.prompt for one in asked["asking"]["shots"]] == ["w1 w1 w1"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "--facts, --texts, --command or --lm-eval must say how states are evaluated; got none."),
        (("--command", "echo 1"), "--command must have {model} where the model's folder goes; got 'echo 1'."),
        (("--texts", "texts.txt", "--rankings", "relatve"), "--rankings must be one of relative, "),
        (("--texts", "texts.txt", "--percent", "5,3"), "percents must rise; got [5.0, 3.0]. Sort them."),
        (("--texts", "texts.txt", "--percent", "x"), "--percent must be numbers with commas between"),
        (
            ("--texts", "texts.txt", "--limit", 3),
            "--limit must be left out without facts, which it is part of",
        ),
        (
            ("--texts", "texts.txt", "--metric", "macro"),
            "--grades must be given for --metric macro; got none.",
        ),
        (
            ("--texts", "texts.txt", "--metric", "f1"),
            "--metric must be one of macro, micro, loss without a command",
        ),
        (("--texts", "texts.txt", "--texts-limit", 1), "texts must be two at least, one to choose by"),
        (
            ("--texts", "texts.txt", "--lower"),
            "--lower must be left out unless the metric is a number by name",
        ),
        (
            ("--command", "wc {model}", "--threads", 1),
            "--threads must be left out where a command alone evaluates",
        ),
        (("--facts", "taught.jsonl"), "facts must have some that are not of split train"),
        (("--facts", "facts.jsonl", "--limit", 0), "--limit must be"),
        (("--texts", "none.txt"), "--texts must be an existing file; there is no none.txt."),
        (("--facts", "few.jsonl"), "dev must leave facts to both, of 1; got 0. Give more facts."),
        (("--command", "echo {model}", "--write-best"), "--write-best must have facts or texts to choose by"),
        (
            ("--lm-eval", "tiny"),
            "--lm-eval needs lm-evaluation-harness; install it with: pip install 'lm_eval[hf]'",
        ),
    ],
)
def test_refused_before_anything_is_written(
    assay: Assay, given: Path, more: tuple[object, ...], said: str
) -> None:
    write_lines(given / "few.jsonl", [{"subject": "w1", "relation": "P1", "prompt": "w1", "answers": ["w2"]}])
    write_lines(
        given / "taught.jsonl",
        [
            {"subject": f"w{n}", "relation": "P1", "prompt": f"w{n}", "answers": ["w2"], "split": "train"}
            for n in range(9)
        ],
    )
    done = assay("weights", "sweep", "p", "tuned-s1", "-o", "out", *more)
    assert (done.code, done.out) == (2, "")
    assert said in done.err.splitlines()[-1]
    assert not (given / "out").exists()


def test_models_that_do_not_go_together(assay: Assay, given: Path) -> None:
    for tuned, said in (
        (("tuned-s1", "./tuned-s1"), "tuned must be models of their own; got one twice"),
        (("tuned-s1", "facts.jsonl"), "facts.jsonl"),
    ):
        done = assay("weights", "sweep", "p", *tuned, "-o", "out", "--texts", "texts.txt")
        assert done.code == 2
        assert said in done.err.splitlines()[-1]
        assert not (given / "out").exists()
