"""A study of knowledge from end to end, in a world of some seventy facts: its laws, its resume, its refusals."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assay.errors import DataError
from assay.knowledge import Facts, Question, matches, read_facts, read_grades
from assay.knowledge.models import Transformer
from assay.knowledge.world import WorldPlan, make_world
from assay.study.knowledge import (
    Asking,
    answers_of_cell,
    changed,
    knowledge_study,
    right_answers,
    table,
    world_study,
)
from assay.study.knowledge.lists import cell_of
from assay.study.knowledge.scores import paper_kl

MINI = WorldPlan(
    relations=2, ood_relations=1, facts=36, name_words=8, objects=5, ood_objects=4, templates=2,
    exposures=(0, 6, 200), layers=1, width=32, mlp_width=48, heads=2, row_tokens=24, batch_rows=8, learning_rate=1e-2,
    warmup_steps=10, passes=4, train_share=0.6, tuned_bins=(0, 4), tuned_sizes=(4, 8), tuned_seeds=1,
)  # fmt: skip


def study(folder: Path, **given: Any) -> dict[str, Any]:
    return world_study(MINI, output=folder, **{"samples": 5, "workers": 2} | given)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, study(folder)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_grid_and_the_counts(finished) -> None:
    folder, result = finished
    assert [(cell["bin"], cell["size"], cell["seed"], cell["taken"]) for cell in result["cells"]] == [
        (one, size, 0, size) for one in (0, 4, "mixed") for size in (4, 8)
    ]
    questions = make_world(MINI).facts.questions
    counts = result["counts"]
    assert sum(counts["train"]) == sum(one.split == "train" for one in questions) == 44
    assert (sum(counts["ID"]), sum(counts["OOD"])) == (28, 36)
    for name in ("train", "ID", "OOD"):
        by_relation = [row[name] for row in counts["relations"].values() if name in row]
        assert [sum(column) for column in zip(*by_relation, strict=True)] == counts[name]
    assert read_facts(folder / "facts.jsonl").questions == tuple(
        sorted(questions, key=lambda one: (one.split != "train", one.domain, questions.index(one)))
    )
    assert set(result["world"]["mean_score_by_exposure"]) == {"0", "6", "200"}


def test_what_is_trained_on_is_of_the_bin_and_nests(finished) -> None:
    folder, result = finished
    grades = read_grades(folder / "grades")
    bins = dict(zip(grades.ids, grades.categories.tolist(), strict=True))
    chosen = {
        path.parent.name: json.loads(path.read_text())["ids"] for path in folder.glob("cells/*/subset.json")
    }
    for name, ids in chosen.items():
        assert all(id.startswith("train:") for id in ids)
        assert len(set(ids)) == len(ids)
        wanted = {"D0": {0}, "D4": {4}, "mixed": set(range(5))}[name.split("-")[0]]
        assert {bins[id] for id in ids} <= wanted
        assert {id.split(":")[1] for id in ids} == {"r1", "r2"}
    for kind in ("D0", "D4", "mixed"):
        assert chosen[f"{kind}-8-s0"][:4] == chosen[f"{kind}-4-s0"]
    assert not list(folder.glob("cells/*/model"))
    assert result["agreement"]["facts"] == len(grades.ids)


def test_every_number_of_a_cell_is_that_of_its_answers(finished) -> None:
    folder, result = finished
    before = {row["id"]: row["right"] for row in lines(folder / "original" / "statement.jsonl")}
    asked = {one.id: one for one in read_facts(folder / "facts.jsonl").questions}
    for cell in result["cells"]:
        answers = answers_of_cell(folder, cell)
        assert [row["set"] for row in answers] == ["train"] * cell["taken"] + ["ID"] * 28 + ["OOD"] * 36
        for name in ("ID", "OOD"):
            own = [row for row in answers if row["set"] == name]
            its = cell["accuracy"][name]
            assert its["micro"] == pytest.approx(100 * sum(row["right"] for row in own) / len(own))
            assert its["macro"] == pytest.approx(
                sum(value for value in its["bins"] if value is not None)
                / sum(value is not None for value in its["bins"])
            )
            assert its["low"] <= its["macro"] <= its["high"]
            turned = cell["turned"][name]
            assert [sum(part) for part in zip(*turned.values(), strict=True)] == result["counts"][name]
            assert sum(turned["kept"]) + sum(turned["lost"]) == sum(before[row["id"]] for row in own)
            # by `first`, as the original's statements; `right` is by `begins`
            after = sum(matches(row["output"], asked[row["id"]], rule="first") for row in own)
            assert sum(turned["kept"]) + sum(turned["gained"]) == after >= sum(row["right"] for row in own)
            assert all(row["kl"] > 0 for row in own)
        same = cell["kl"]["same"]
        assert 0 < same["jensen_shannon"] < min(same["tuned_original"], same["original_tuned"])
        assert cell["kl"]["paper"]["facts"] > 0
        assert 0 < cell["kl"]["paper"]["5"] <= cell["kl"]["paper"]["all"]
    for way in ("sft", "few_shot", "statement"):
        assert set(result["original"][way]) == {"ID", "OOD", "ended"}


def test_rows_and_lists(finished) -> None:
    folder, result = finished
    rows = table(result)
    assert [row["bin"] for row in rows] == ["D0", "D0", "D4", "D4", "mixed", "mixed"]
    assert len({tuple(row) for row in rows}) == 1
    lists = changed(folder, result)
    for kind, found in lists.items():
        assert sum(len(row["cells"]) for row in found) == sum(
            row[f"{kind}_ID"] + row[f"{kind}_OOD"] for row in rows
        )
        assert [len(row["cells"]) for row in found] == sorted(
            (len(row["cells"]) for row in found), reverse=True
        )
    lost = lists["lost"][0]
    assert lost["answers"][0] in lost["original"]
    assert lost["answers"][0] not in lost["tuned"].split()[:2]


def test_right_answers_are_what_accuracies_are_made_of(finished) -> None:
    folder, result = finished
    rights = right_answers(folder, result)
    for test, found in rights.items():
        for cell in result["cells"]:
            its = cell["accuracy"][test]
            assert found.parts(cell_of(cell).name, "macro").sum() == pytest.approx(its["macro"])
            for at, value in enumerate(its["bins"]):
                assert found.parts(cell_of(cell).name, at).sum() == pytest.approx(value or 0)
        for way in ("sft", "few_shot", "statement"):
            assert found.parts(way, "macro").sum() == pytest.approx(result["original"][way][test]["macro"])
    assert set(rights) == {"ID", "OOD"}


def test_the_papers_divergence_is_left_out_for_want_of_facts_alone(finished) -> None:
    folder, _ = finished
    model, world = Transformer(folder / "model", threads=1), make_world(MINI)
    grades = read_grades(folder / "grades")
    unknown = [
        one for one in world.facts.questions if grades.of([one.id]).categories[0] == 0 and one.split == "test"
    ]
    none = paper_kl(model, model, tuple(unknown), grades, world.facts.templates)
    assert none == {"5": None, "10": None, "20": None, "50": None, "all": None, "facts": 0}
    with pytest.raises(DataError, match="ids must be of facts that were graded"):
        paper_kl(model, model, tuple(unknown), grades.of(grades.ids[:1]), world.facts.templates)


def test_an_interrupted_study_goes_on_and_repeats_nothing(finished, tmp_path) -> None:
    """Stopped within grading and again within the grid, gone on with by one worker: what two did without a stop."""
    folder, result = finished
    copy = tmp_path / "again"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("cells", "original", "bins.json"))
    grades = copy / "grades" / "facts.jsonl"
    whole = grades.read_text()
    exact = [{name: row[name] for name in ("id", "relation", "key", "exact")} for row in lines(grades)]
    grades.write_text(
        "".join(json.dumps(row) + "\n" for row in exact) + '{"id":"tr'
    )  # killed before the draws
    seen: list[tuple[str, int, int]] = []
    until = 3

    @contextmanager
    def stage(name: str, expect: str):
        def progress(done: int, total: int) -> None:
            seen.append((name, done, total))
            if name == "cells" and done == until:
                raise KeyboardInterrupt

        yield progress

    with pytest.raises(KeyboardInterrupt):
        study(copy, workers=1, stage=stage)
    assert next(row for row in seen if row[0] == "grade") == ("grade", 108, 108)  # exact scores are all there
    assert grades.read_text() == whole
    done = {path: path.stat().st_mtime_ns for path in copy.rglob("*.json*")}
    first = sorted(path.parent.name for path in done if path.name == "cell.json")
    assert first == ["D0-4-s0", "D0-8-s0"]  # after the original
    (copy / "cells" / "D4-4-s0" / "model").mkdir(parents=True, exist_ok=True)  # of a worker that was killed
    (copy / "cells" / "D4-4-s0" / "model" / "config.json").write_text("{")
    until, seen[:] = 0, []
    assert study(copy, workers=1, stage=stage) == result
    assert [total for name, _, total in seen if name == "cells"] == [4] * 4
    for path, since in done.items():
        if path.parent.name in first or path.parent.name in ("original", "grades"):
            assert path.stat().st_mtime_ns == since, path
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file()) == files
    for path in files:
        if path.name == "cell.json":
            mine, theirs = (json.loads((place / path).read_text()) for place in (copy, folder))
            assert mine | {"seconds": None} == theirs | {"seconds": None}
        elif path.parts[0] != "model":
            assert (copy / path).read_bytes() == (folder / path).read_bytes(), path


def test_more_cells_may_be_asked_for_and_none_is_done_twice(finished) -> None:
    folder, result = finished
    since = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json") if path.name != "study.json"}
    fewer = study(folder, bins=[4], sizes=[8], mixed=False)
    assert fewer["cells"] == [cell for cell in result["cells"] if (cell["bin"], cell["size"]) == (4, 8)]
    assert study(folder) == result
    assert {path: path.stat().st_mtime_ns for path in since} == since


def test_another_study_is_refused(finished) -> None:
    folder, _ = finished
    with pytest.raises(
        DataError, match=r"same parameters; in .* samples was 5, and is now 6\. Use another output"
    ):
        study(folder, samples=6)
    with pytest.raises(DataError, match=r"resume must go on with the run that .* holds; it differs in: "):
        study(folder, seed=1)
    with pytest.raises(
        DataError, match=r"sizes must be such that a bin can fill one; got 999 for training facts of"
    ):
        study(folder, sizes=[999])


def test_exact_bins_draws_for_some_and_grades_taken_over(finished, tmp_path) -> None:
    folder, _ = finished
    found = knowledge_study(
        folder / "model", make_world(MINI).facts, output=tmp_path / "out", bins=[0], sizes=[4], seeds=1, mixed=False,
        train_facts=20, test_facts=12, ood_facts=0, samples=5, sampled_facts=10, draw_tokens=4,
        grades=folder / "grades", threads=1,
        asking=Asking(chat_template=None, rule="first", answer_tokens=4, shots=1, device="cpu", keep_models=True),
    )  # fmt: skip
    assert found["agreement"]["facts"] == 10
    assert [sum(found["counts"][name]) for name in ("train", "ID", "OOD")] == [20, 12, 0]
    [cell] = found["cells"]
    assert cell["accuracy"]["OOD"] is None
    assert set(cell["turned"]) == {"ID"}
    assert (tmp_path / "out" / "cells" / cell_name(cell) / "model" / "training.json").exists()
    ours, theirs = (read_grades(place / "grades", score="exact") for place in (tmp_path / "out", folder))
    assert set(ours.ids) == set(theirs.ids)


def test_grades_of_other_settings_are_not_taken_over(finished, tmp_path) -> None:
    folder, _ = finished
    options: dict[str, Any] = {
        "output": tmp_path / "out", "bins": [0], "sizes": [4], "seeds": 1, "mixed": False, "samples": 0, "threads": 1,
        "asking": Asking(chat_template=None, rule="first", answer_tokens=4, shots=1, device="cpu"),
    }  # fmt: skip
    with pytest.raises(DataError, match=r"grades must be of the model and the settings of the study; .* differs in "
                                        r"per_relation \(None there, 1 here\)\. Give the study"):  # fmt: skip
        knowledge_study(
            folder / "model", make_world(MINI).facts, grades=folder / "grades", per_relation=1, **options
        )
    assert not (tmp_path / "out" / "grades").exists()  # so that it can go on without them


def cell_name(cell: dict[str, Any]) -> str:
    return f"D{cell['bin']}-{cell['size']}-s{cell['seed']}"


def bare(names: str) -> Facts:
    return Facts("bare", "triples", tuple(Question(name, name, "r9", f"{name}?", ("z",)) for name in names))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bins": [7]}, r"bins must be <= 4; got 7\."),
        ({"samples": 0, "sampled_facts": 5}, r"sampled_facts must be 0 without samples; got 5\."),
        ({"workers": 0}, r"workers must be >= 1; got 0\."),
        ({"model": "./nowhere"}, r"model must name a model folder or a hub id; got './nowhere'"),
        ({"grades": "nowhere"}, r"grades must be a folder of assay knowledge grade; nowhere has no grades\.json\."),
        ({"asking": Asking(rule="frist")}, r"rule must be one of .*Did you mean 'first'"),
        ({"asking": Asking(training={"learning_rate": -1})}, r"learning_rate must be > 0; got -1\."),
        ({"facts": bare("a")}, r"facts must have some of the split test and not out of domain; got none of 1\."),
        ({"facts": bare("ab")}, r"templates must have one for every relation; got none for r9\."),
    ],
)  # fmt: skip
def test_refusals(finished, tmp_path, given: dict[str, Any], message: str) -> None:
    folder, _ = finished
    arguments = {
        "model": folder / "model",
        "facts": make_world(MINI).facts,
        "output": tmp_path / "out",
    } | given
    with pytest.raises(DataError, match=message):
        knowledge_study(arguments.pop("model"), arguments.pop("facts"), **arguments)
    assert not list(tmp_path.rglob("*.json*"))
