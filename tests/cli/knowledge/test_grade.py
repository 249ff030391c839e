"""`assay knowledge grade`."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from assay.knowledge import agreement, crossed, read_grades, slick, unsettled
from assay.knowledge.models import Transformer
from tests.cli.conftest import PROGRAM, Assay, write_json, write_lines
from tests.endpoint import serving
from tests.knowledge.models.made import make_model, make_tokenizer, save

TEMPLATES = {"P1": ["[X] w20", "w21 [X] w23", "w24 [X] w25 w26"], "P2": ["w27 [X] w28"]}
FACTS = [
    {
        "id": f"f{n}",
        "subject": f"w{n}",
        "relation": f"P{1 + n % 2}",
        "answers": [f"w{n * 7 % 20}", f"w{n + 9}"],
    }
    for n in range(12)
]
QUICK = ["--samples", 4, "--max-tokens", 4, "--threads", 1, "--quiet"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "model")
    write_json(tmp_path / "t.json", []).write_text(json.dumps(TEMPLATES))
    write_lines(tmp_path / "facts.jsonl", FACTS)
    return tmp_path


def rows_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_what_is_printed_is_what_was_graded(assay: Assay, folder: Path) -> None:
    ask = ["knowledge", "grade", "model", "--facts", "facts.jsonl", "--templates", "t.json", "-o", "out"]
    done = assay(*ask, *QUICK[:-1], "--rule", "word")
    assert done.code == 0, done.err
    grades = read_grades("out")
    assert grades.tally is not None
    assert grades.probabilities is not None
    assert grades.identity["rule"] == "word"
    printed = rows_of(done.out)
    assert printed[0] == ["category", "facts", "percent", "unsettled", *(f"exact_D{n}" for n in range(5)),
                          "HighlyKnown", "MaybeKnown", "WeaklyKnown", "Unknown"]  # fmt: skip
    table = crossed(grades.categories, grades.exact_categories, shape=(5, 5))
    kinds = crossed(grades.categories, slick(grades.tally), shape=(5, 4))
    loose = unsettled(*grades.tally.totals)
    for number, row in enumerate(printed[1:]):
        assert row[4:] == [*map(str, table[number]), *map(str, kinds[number])]
        assert row[3] == str(loose[grades.categories == number].sum())
    found = agreement(grades.probabilities, grades.tally)
    assert f"rank correlation {found.spearman:.3f}, {found.same_percent:.1f} % of one category" in done.err
    assert f"{loose.sum()} of 12 facts could have another category" in done.err
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["command"] == "grade"
    assert set(manifest["outputs"]) == {"grades.json", "facts.jsonl"}
    assert [entry["role"] for entry in manifest["inputs"]] == ["facts", "templates"]
    assert manifest["results"]["agreement"]["facts"] == 12
    # the same again from the manifest, and nothing new to ask when gone on with
    again = assay("run", "out/manifest.json", "-o", "other", "--quiet")
    assert (again.code, again.out) == (0, done.out)
    for name in ("grades.json", "facts.jsonl"):
        assert (folder / "out" / name).read_bytes() == (folder / "other" / name).read_bytes()
    for by, first in (("relation", "P1"), ("template", "P1"), ("rule", "contains")):
        more = assay(*ask, *QUICK, "--rule", "word", "--resume", "--by", by)
        assert rows_of(more.out)[1][0] == first
    everything = json.loads(assay(*ask, *QUICK, "--resume", "--format", "json").out)
    assert [row["template"] for row in everything["by_template"]] == [*TEMPLATES["P1"], *TEMPLATES["P2"]]
    assert sum(row["facts"] for row in everything["by_relation"]) == 12
    assert [row["rule"] for row in everything["by_rule"]] == ["contains", "word", "first", "begins", "exact"]


def test_a_part_first_then_the_rest(assay: Assay, folder: Path) -> None:
    ask = ["knowledge", "grade", "model", "--facts", "facts.jsonl", "--templates", "t.json", "-o", "out"]
    assert assay(*ask, *QUICK, "--samples", 0, "--limit", 5).code == 0
    few = read_grades("out").relations
    assert sorted(map(few.count, ("P1", "P2"))) == [2, 3]
    done = assay(*ask, *QUICK)
    assert done.err.startswith("error: --output must be a new or empty folder; out holds files. Use --resume")
    done = assay(*ask, *QUICK, "--resume", "--temperature", 1)
    assert (done.code, done.err) == (
        2,
        "error: --output must be a folder of this model and these settings; out differs in exact temperature "
        "(0.7 there, 1.0 here). Use another folder.\n",
    )
    assert assay(*ask, *QUICK, "--resume").code == 0
    assert len(read_grades("out").ids) == 12
    before = Path("out/facts.jsonl").read_bytes()
    assert assay(*ask, "--overwrite", "--samples", 0, "--no-exact").code == 2
    assert Path("out/facts.jsonl").read_bytes() == before
    assert assay(*ask, *QUICK, "--overwrite", "--temperature", 1, "--no-exact", "--limit", 2).code == 0
    assert read_grades("out").probabilities is None
    assert len(read_grades("out").ids) == 2


def killed_when(file: Path, part: bytes, ask: list[Any], cwd: Path) -> None:
    """Run a command in a process of its own and kill it as soon as a file has some words."""
    process = subprocess.Popen([*PROGRAM, *map(str, ask)], cwd=cwd, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not (file.exists() and part in file.read_bytes()):
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        assert time.monotonic() < until
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_a_process_killed_twice_goes_on(assay: Assay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it reads probabilities, and while it draws: the same bytes, and nothing is asked again."""
    count, words = 300, len(TEMPLATES["P1"]) + len(TEMPLATES["P2"])
    write_lines(
        folder / "facts.jsonl",
        [FACTS[n % 12] | {"id": f"f{n}", "subject": f"w{n % 34} w{n // 34}"} for n in range(count)],
    )
    ask = ["knowledge", "grade", "model", "--facts", "facts.jsonl", "--templates", "t.json",
           "--samples", 4, "--max-tokens", 8, "--threads", 1, "--quiet"]  # fmt: skip
    asked: dict[str, list[str]] = {"log_probabilities": [], "sample": []}
    for name, made in {one: getattr(Transformer, one) for one in asked}.items():

        def kept(self: Any, prompts: Any, *rest: Any, name: str = name, made: Any = made, **more: Any) -> Any:
            asked[name] += prompts
            return made(self, prompts, *rest, **more)

        monkeypatch.setattr(Transformer, name, kept)
    assert assay(*ask, "-o", "once").code == 0
    assert {name: len(prompts) for name, prompts in asked.items()} == {
        "log_probabilities": count * words // 2, "sample": count * words,
    }  # fmt: skip
    file = folder / "out" / "facts.jsonl"
    killed_when(file, b'"exact"', [*ask, "-o", "out"], folder)
    first = file.read_bytes()
    assert 0 < len(first.splitlines()) < count
    killed_when(file, b'"hits"', [*ask, "-o", "out", "--resume"], folder)
    assert file.read_bytes().startswith(first)
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    drawn = {row["id"] for row in rows if "hits" in row}
    assert 0 < len(drawn) < count
    assert len(rows) == count + len(drawn)  # a line a fact and score
    asked |= {"log_probabilities": [], "sample": []}
    assert assay(*ask, "-o", "out", "--resume").code == 0
    assert asked["log_probabilities"] == []
    relations = {f"f{n}": FACTS[n % 12]["relation"] for n in range(count)}
    left = sum(len(TEMPLATES[str(relations[id])]) for id in relations.keys() - drawn)
    assert len(asked["sample"]) == 2 * left  # draws and greedy answers
    for name in ("grades.json", "facts.jsonl"):
        assert (folder / "out" / name).read_bytes() == (folder / "once" / name).read_bytes()


def test_a_server_is_graded_by_draws(assay: Assay, folder: Path) -> None:
    def answer(path: str, request: dict[str, Any]) -> Any:
        words = {"w0": "w0 is", "w2": "far, w14"}.get(request["prompt"].split()[0], "no")
        choices = [{"text": f" {words}", "index": at, "finish_reason": "stop"} for at in range(request["n"])]
        return 200, {"id": "x", "created": 0, "model": "small", "choices": choices}, {}

    write_lines(folder / "facts.jsonl", FACTS[:4])
    ask = [
        "knowledge",
        "grade",
        "openai:small",
        "--facts",
        "facts.jsonl",
        "--templates",
        "t.json",
        "-o",
        "out",
    ]
    with serving(answer) as url:
        more = ["--base-url", url, "--per-relation", 1, "--samples", 4, "--quiet"]
        done = assay(*ask, *more)
        assert done.err == (
            "error: --exact must be left out for a model without probabilities; Remote gives draws alone. "
            "Grade it with exact=False (--no-exact).\n"
        )
        done = assay(*ask, *more, "--no-exact", "--resume", "--format", "json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["categories"] == {"sampled": [2, 0, 0, 0, 2]}
        assert read_grades("out").starts.tolist() == [[True], [False], [False], [False]]
        done = assay(*ask, *more, "--no-exact", "--resume", "--device", "cpu")
        assert done.err == (
            "error: --device must be left out of openai:small, which does not read it; got 'cpu'.\n"
        )


def test_refusals(assay: Assay, folder: Path) -> None:
    ask = ["knowledge", "grade", "model", "--facts", "facts.jsonl", "-o", "out", "--quiet"]
    assert assay(*ask).err == (
        "error: --templates must have one for the relation 'P1'; got none. Give a file of templates.\n"
    )
    assert not (folder / "out").exists()
    done = assay(*ask, "--templates", "t.json", "--by", "fact")
    assert done.err == "error: --by must be one of category, relation, template, rule; got 'fact'.\n"
    write_lines(folder / "facts.jsonl", [{"subject": "w1", "relation": "P1", "answers": []}])
    done = assay(*ask, "--templates", "t.json")
    assert done.err == (
        "error: facts.jsonl:1: answers must be a text or a list of texts, at least 1, none of them empty; got [].\n"
    )


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (
            ["divergence", "model", "stranger", "--facts", "facts.jsonl", "--prompt", "chat"],
            "original must have the tokenizer of tuned (41 tokens, of which 40 is 'v0'); got 40 tokens, of which 40 is "
            "none. Only models of one tokenizer can be compared.",
        ),
        (
            ["evaluate", "stranger", "--against", "model", "--facts", "facts.jsonl", "--prompt", "chat"],
            "original must have the tokenizer of tuned (41 tokens, of which 40 is 'v0'); got 40 tokens, of which 40 is "
            "none. Only models of one tokenizer can be compared.",
        ),
        (
            ["grade", "model", "--facts", "silent.jsonl", "--templates", "t.json"],
            "silent.jsonl:2: answers must be a text or a list of texts, at least 1, none of them empty; got [].",
        ),
        (
            ["grade", "model", "--facts", "facts.jsonl", "--templates", "part.json"],
            "--templates must have one for the relation 'P2'; got none. Give a file of templates.",
        ),
        *(
            ([*ask, "--facts", "facts.jsonl"],
             "--model must have an end token (eos_token), which ends every answer; endless has none. Set it in the "
             "tokenizer and save that again.")
            for ask in (["grade", "endless", "--templates", "t.json"], ["evaluate", "endless", "--prompt", "chat"])
        ),
    ],
)  # fmt: skip
def test_what_a_run_cannot_have_is_one_line(assay: Assay, folder: Path, ask: list[str], says: str) -> None:
    write_lines(folder / "silent.jsonl", [FACTS[0], FACTS[1] | {"answers": []}])
    (folder / "part.json").write_text(json.dumps({"P1": TEMPLATES["P1"]}))
    if "stranger" in ask:
        tokenizer = make_tokenizer()
        tokenizer.add_tokens(["v0"])
        make_model().save_pretrained(folder / "stranger")
        tokenizer.save_pretrained(folder / "stranger")
    if "endless" in ask:
        make_model(end=False).save_pretrained(folder / "endless")
        make_tokenizer(end=False).save_pretrained(folder / "endless")
    done = assay("knowledge", *ask, "--threads", 1, "-o", "out", "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {says}\n")
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
