"""A study from end to end on a model of some ten thousand weights: its table, its resume, its refusals."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from assay.diversity import MEASURES
from assay.errors import DataError
from assay.study import Tuning, conclude, diversity_study, heldout_loss, tiny_model
from assay.study.tune import scores_of
from tests.study.conftest import conversations

SMALL = Tuning(settings={"max_steps": 2}, max_tokens=48)


def study(folder: Path, sources, **changed):
    settings = {
        "encoder": "tfidf", "sets": 9, "sizes": [20], "seeds": 2, "heldout": 8, "tuning": SMALL, "workers": 1,
    } | changed  # fmt: skip
    return diversity_study(sources, output=folder, **settings)


@pytest.fixture(scope="module")
def finished(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return folder, study(folder, sources)


def test_a_row_a_set_with_every_measure(finished) -> None:
    folder, rows = finished
    assert len(rows) == 9
    untuned = json.loads((folder / "untuned.json").read_text())["metrics"]
    assert set(untuned) == {"loss", "loss sums", "loss turns"}
    for row in rows:
        assert row["size"] == 20
        assert np.isfinite([row["loss"], row["loss sd"]]).all()
        assert row["loss"] == pytest.approx((row["loss sums"] + row["loss turns"]) / 2)
        for name, measure in MEASURES.items():
            for space in ("text",) if measure.takes == "texts" else ("model", "encoder"):
                assert f"{space}/{name}" in row
        assert len([name for name in row if name.startswith("model/novelsum proximity")]) == 15
    copies = [row for row in rows if row["strategy"] == "duplicate"]
    assert copies[0]["distinct"] == 1
    assert copies[0]["model/novelsum"] == 0


def test_sets_are_data_that_can_be_used(finished) -> None:
    folder, rows = finished
    for row in rows:
        place = folder / "sets" / row["set"]
        lines = (place / "data.jsonl").read_text().splitlines()
        assert len(lines) == 20
        assert len(set(lines)) == row["distinct"]
        assert not list(place.glob("model-*"))
    held = {line for path in (folder / "heldout").iterdir() for line in path.read_text().splitlines()}
    assert len(held) == 16
    drawn = {line for path in folder.glob("sets/*/data.jsonl") for line in path.read_text().splitlines()}
    assert not held & drawn


def test_what_was_interrupted_goes_on_to_the_same_table(finished, sources, tmp_path) -> None:
    folder, rows = finished
    copy = tmp_path / "again"
    shutil.copytree(folder, copy)
    for name in (rows[3]["set"], rows[7]["set"]):
        (copy / "sets" / name / "score-1.json").unlink()
        (copy / "sets" / name / "measures.json").unlink()
    shutil.rmtree(copy / "sets" / rows[5]["set"])
    (copy / "untuned.json").unlink()
    (copy / "sets" / rows[3]["set"] / "model-1").mkdir()  # of a worker that was killed
    (copy / "sets" / rows[3]["set"] / "model-1" / "config.json").write_text("{")
    assert study(copy, sources, workers=2) == rows
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert {path.relative_to(copy) for path in copy.rglob("*") if path.is_file()} == files
    for path in files:
        if path.name.startswith("score-") or path.parent.name == "heldout" or path.name == "untuned.json":
            assert (copy / path).read_bytes() == (folder / path).read_bytes()


def test_scores_that_are_not_there_stop_it_before_anything_is_tuned(finished, sources, tmp_path) -> None:
    folder, rows = finished
    copy = tmp_path / "again"
    shutil.copytree(folder, copy)
    score = copy / "sets" / rows[0]["set"] / "score-0.json"
    score.unlink()
    message = r"lower_is_better must be one of loss sums, loss turns, loss; got 'los'\. Did you mean 'loss'"
    with pytest.raises(DataError, match=message):
        study(copy, sources, lower_is_better=["los"])
    untuned = json.loads((copy / "untuned.json").read_text())
    (copy / "untuned.json").write_text(json.dumps(untuned | {"metrics": {"exact": 1.0}}))
    with pytest.raises(
        DataError, match=r"metric must give the scores that it gave untuned \(exact\); got loss sums"
    ):
        study(copy, sources)
    assert not score.exists()


def test_another_study_is_refused(finished, sources) -> None:
    folder, _ = finished
    with pytest.raises(
        DataError, match=r"same parameters; in .* seeds was 2, and is now 3\. Use another output\."
    ):
        study(folder, sources, seeds=3)
    with pytest.raises(DataError, match=r"in .* samples was .*, and is now .*Use another output"):
        study(folder, {"sums": sources["sums"], "turns": conversations(150, domain="turns", seed=5)})


def test_refusals(sources, tmp_path) -> None:
    with pytest.raises(
        DataError, match=r"source 'sums' must have at least 2 x heldout \(160\) different samples"
    ):
        study(tmp_path, sources, heldout=80)
    with pytest.raises(DataError, match=r"base_fraction must be from 0 to below 1; got 1\."):
        study(tmp_path, sources, base_fraction=1)
    with pytest.raises(DataError, match=r"sets must be >= 9"):
        study(tmp_path, sources, sets=3)
    for changed, message in (
        ({"workers": 0}, r"workers must be >= 1; got 0\."),
        ({"seed": -1}, r"seed must be >= 0; got -1\."),
        ({"base_epochs": 0}, r"base_epochs must be >= 1; got 0\."),
        ({"base_fraction": 0}, r"base_fraction must leave samples for a model from scratch; got 0\."),
        ({"sizes": []}, r"sizes must hold at least one size; got none\."),
        ({"model": "./nowhere"}, r"model must name a model folder or a hub id; got './nowhere'"),
        ({"tuning": Tuning(settings={"learning_rate": -1})}, r"learning_rate must be > 0; got -1\."),
        ({"tuning": Tuning(preset="smal")}, r"preset must be one of .*Did you mean 'small'"),
        ({"tuning": Tuning(metric="python judge.py")}, r"metric must have \{model\}"),
    ):
        with pytest.raises(DataError, match=message):
            study(tmp_path, sources, **changed)
    with pytest.raises(DataError, match=r"sources must have other names than 'sd'"):
        study(tmp_path, {"sd": sources["sums"]})
    with pytest.raises(
        DataError, match=r"sources must have names that make different file names; got a b, a/b\."
    ):
        study(tmp_path, {"a b": sources["sums"], "a/b": sources["turns"]})
    assert not list(tmp_path.iterdir())


def test_heldout_loss_is_the_mean_over_answer_tokens(sources, tmp_path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_model(
        sources["sums"][:40], output=tmp_path / "m", hidden=32, layers=1, max_tokens=48, threads=1
    )
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total, count = 0.0, 0
    for sample in sources["turns"][:7]:
        ask, answer = (turn.content for turn in sample.messages)
        ids = tokenizer(f"User: {ask}\nAssistant: {answer}</s>", add_special_tokens=False)["input_ids"]
        start = len(tokenizer(f"User: {ask}\nAssistant:", add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            scores = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), dim=-1)
        for at in range(start, len(ids)):
            total -= float(scores[at - 1, ids[at]])
            count += 1
    for size in (1, 3, 32):
        found = heldout_loss(folder, {"turns": sources["turns"][:7]}, max_tokens=48, batch_size=size)
        assert found == {"turns": pytest.approx(total / count, rel=1e-5)}
    with pytest.raises(
        DataError, match=r"domain 'turns' must have an answer within max_tokens=3; it has none\."
    ):
        heldout_loss(folder, {"turns": sources["turns"]}, max_tokens=3)


def test_an_adapter_is_scored_with_its_base(sources, tmp_path) -> None:
    from peft import AutoPeftModelForCausalLM

    from assay.training import train

    small = {"hidden": 32, "layers": 1, "max_tokens": 48, "threads": 1}
    base = tiny_model(sources["sums"][:40], output=tmp_path / "base", **small)
    tuned = train(
        base,
        sources["sums"][:40],
        output=tmp_path / "tuned",
        method="lora",
        learning_rate=0.05,
        epochs=3,
        threads=1,
    )
    heldout = {"sums": sources["sums"][40:60]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        merged = AutoPeftModelForCausalLM.from_pretrained(tuned).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    for file in tuned.glob("*token*"):
        (tmp_path / "merged" / file.name).write_bytes(file.read_bytes())
    found = heldout_loss(tuned, heldout)["sums"]
    assert found == pytest.approx(heldout_loss(tmp_path / "merged", heldout)["sums"], rel=1e-4)
    assert found != pytest.approx(heldout_loss(base, heldout)["sums"], rel=2e-3)


@pytest.mark.parametrize(
    ("program", "scores"),
    [("print('talk'); print(1.5)", {"metric": 1.5}), ('print(\'{"a": 1, "b": 2.5}\')', {"a": 1.0, "b": 2.5})],
)
def test_a_program_scores_the_model(tmp_path, program: str, scores: dict[str, float]) -> None:
    (tmp_path / "score.py").write_text(f"import sys; assert sys.argv[1].endswith('model')\n{program}\n")
    assert scores_of(f"{sys.executable} {tmp_path / 'score.py'} {{model}}", tmp_path / "model") == scores


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "print('done')",
            r"metric must have a number, or a JSON object of numbers, as its last line; got 'done'\.",
        ),
        ("print('[1]')", r"must have a number"),
        ("pass", r"metric must have a score as its last line; it exited with 0: nothing was printed"),
        ("sys.exit('no GPU')", r"metric must have a score as its last line; it exited with 1: no GPU"),
        ("print('NaN')", r"must have a number"),
        ("print('{}')", r"must have a number"),
        ('print(\'{"a": 1, "a sd": 2}\')', r"metric must have another name than a column .*got 'a sd'"),
        ("print('{\"mean z-score\": 2}')", r"metric must have another name than a column"),
        ("print('{\"size\": 3}')", r"metric must have another name than a column of the table; got 'size'\."),
        ("print('{\"text/ttr\": 3}')", r"another name than a column of the table; got 'text/ttr'\."),
    ],
)
def test_a_program_without_a_score(tmp_path, program: str, message: str) -> None:
    (tmp_path / "score.py").write_text(f"import sys\n{program}\n")
    with pytest.raises(DataError, match=message):
        scores_of(f"{sys.executable} {tmp_path / 'score.py'} {{model}}", tmp_path)
    with pytest.raises(DataError, match=r"metric must have \{model\} where the model's folder goes"):
        scores_of("echo 1", tmp_path)
    with pytest.raises(
        DataError, match=r"metric must be a command; got 'echo \"\{model\}': no closing quotation"
    ):
        scores_of('echo "{model}', tmp_path)
    with pytest.raises(DataError, match=r"metric must be a command that runs; no-such-program: "):
        scores_of("no-such-program {model}", tmp_path)


def test_conclusions_with_and_without_copies() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {
            "size": 20, "strategy": "duplicate" if at < 4 else "random", "loss": 3 - at / 10 + 0.01 * rng.normal(),
            "model/novelsum": at / 10, "encoder/novelsum": -at / 10, "text/ttr": None if at == 2 else 0.5,
            "model/radius": 1.0,
        }
        for at in range(12)
    ]  # fmt: skip
    by_seed = [(row["loss"], row["loss"] + 0.001 * at) for at, row in enumerate(rows)]
    found = conclude(rows, metrics=["loss"], lower_is_better=["loss"], by_seed=by_seed, resamples=50)
    assert found.left_out == {"text/ttr": "not to be had in 1 of 12 sets", "model/radius": "does not vary"}
    by_name = {(one.measure, one.sets): one for one in found.correlations}
    assert set(by_name) == {
        (name, sets)
        for name in ("model/novelsum", "encoder/novelsum")
        for sets in ("all", "without duplicate sets")
    }
    assert by_name["model/novelsum", "all"].mean > 0.99
    assert by_name["encoder/novelsum", "all"].mean < -0.99
    assert by_name["model/novelsum", "without duplicate sets"].n == 8
    assert found.agreement is not None
    assert found.agreement > 0.99


def test_the_ceiling_is_that_of_the_mean_over_the_seeds() -> None:
    """Against a simulation: scores of unit truth and noise, whose mean over 3 seeds correlates with the truth at it."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    by_seed = truth[:, None] + 0.8 * rng.normal(size=(20_000, 3))
    rows = [
        {"size": 9, "strategy": "random", "loss": mean, "model/novelsum": true}
        for mean, true in zip(by_seed.mean(axis=1), truth, strict=True)
    ]
    found = conclude(rows, metrics=["loss"], lower_is_better=[], by_seed=by_seed, resamples=1)
    assert found.agreement == pytest.approx(1 / 1.64, abs=0.02)
    assert found.ceiling == pytest.approx(found.correlations[0].pearson, abs=0.01)
    assert found.ceiling > found.agreement + 0.2
    flat = conclude(rows, metrics=["loss"], lower_is_better=[], by_seed=[(1.0, 1.0)] * len(rows), resamples=1)
    assert (flat.agreement, flat.ceiling) == (None, None)
