"""A small world's model: it learns what is told often, can be asked and tuned, and goes on after a kill."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest

from assay._files import file_hash, read_json
from assay.data.sample import Message, Sample
from assay.errors import DataError
from assay.knowledge import statements
from assay.knowledge.models import Transformer
from assay.knowledge.world import WORLDS, World, make_world, pretrain

MINI = replace(
    WORLDS["ci"], relations=2, ood_relations=1, facts=8, name_words=6, objects=6, ood_objects=4, templates=2,
    exposures=(0, 300, 400), layers=1, width=32, mlp_width=64, heads=2, batch_rows=4, warmup_steps=10,
    learning_rate=1e-2,
)  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(MINI, seed=1)


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrain(world, output=tmp_path_factory.mktemp("world") / "model")


def test_what_is_told_is_known(world: World, folder: Path) -> None:
    model = Transformer(folder, threads=1)
    questions = world.facts.questions
    prompts = [statements(question, world.facts.templates)[0] for question in questions]
    candidates = [[f" {q.answers[0]}", f" the {q.answers[0]}"] for q in questions]
    scores = np.zeros(len(prompts))
    for place, found in model.log_probabilities(prompts, candidates):
        scores[place] = sum(np.exp(sum(each.log_probabilities)) for each in found)
    told = np.array([world.exposures[question.id] > 0 for question in questions])
    assert scores[told].mean() > 0.7
    assert scores[~told].mean() < 0.4
    record = read_json(folder / "pretraining.json")
    assert record["losses"][-1]["loss"] < record["losses"][0]["loss"] / 2
    assert record["steps"] == record["losses"][-1]["step"]
    assert not list(folder.glob("*.part")) + list(folder.glob("state*"))


def test_the_prompt_and_the_words(world: World, folder: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    question = world.facts.questions[0]
    asked, answered = (
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=more)
        for turns, more in (
            ([{"role": "user", "content": question.prompt}], True),
            ([{"role": "user", "content": question.prompt}, {"role": "assistant", "content": "bago"}], False),
        )
    )
    assert asked == f"ask q1 {question.subject} ? ? reply is"
    assert answered == f"{asked} bago </s>"
    assert len(tokenizer) == len(world.words) + 4
    ids = [tokenizer.convert_tokens_to_ids(word) for word in f"the {question.answers[0]} .".split()]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == f"the {question.answers[0]} ."
    model = Transformer(folder, threads=1)
    (_, (said,)) = next(
        model.sample([question.prompt], draws=1, temperature=0, max_tokens=4, prompting="chat")
    )
    assert set(said.text.split()) <= set(world.words)
    assert len(model.tokens(question.prompt, f" {question.answers[0]}", prompting="chat")) == 1


def test_it_can_be_tuned(world: World, folder: Path, tmp_path: Path) -> None:
    from assay.training import train

    samples = [
        Sample(q.id, (Message("user", q.prompt), Message("assistant", q.answers[0])), {}, "messages")
        for q in world.facts.questions[:8]
    ]
    tuned = train(
        folder,
        samples,
        output=tmp_path / "tuned",
        preset="knowledge",
        learning_rate=1e-2,
        epochs=24,
        threads=1,
    )
    assert read_json(tuned / "training.json")["counts"]["answer_tokens"] == 2 * 8  # object and end
    model = Transformer(tuned, threads=1)
    said = dict(
        model.sample([one.messages[0].content for one in samples], draws=1, temperature=0, prompting="chat")
    )
    assert all(said[place][0].finished for place in said)
    right = [said[place][0].text == one.messages[1].content for place, one in enumerate(samples)]
    assert sum(right) >= 7


def test_same_world_same_bytes_also_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(MINI, exposures=(0, 40))
    world = make_world(few, seed=1)
    folder = pretrain(world, output=tmp_path / "at once")
    module = importlib.import_module(
        "assay.knowledge.world.pretrain"
    )  # the package has the function by this name
    monkeypatch.setattr(module, "SAVED", 7)
    seen: list[int] = []

    def stop(done: int, total: int) -> None:
        seen.append(done)
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(world, output=tmp_path / "model", progress=stop)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["state.pt"]
    with pytest.raises(DataError, match=r"it differs in: seed, texts\. Use the same arguments"):
        pretrain(make_world(few, seed=2), output=tmp_path / "model", resume=True)
    seen.clear()
    done = pretrain(world, output=tmp_path / "model", resume=True, progress=lambda step, _: seen.append(step))
    assert seen[0] == 15
    assert seen == list(range(15, seen[-1] + 1))
    assert file_hash(done / "model.safetensors") == file_hash(folder / "model.safetensors")
    ours, theirs = (read_json(place / "pretraining.json") for place in (done, folder))
    assert ours | {"seconds": 0} == theirs | {"seconds": 0}
    seen.clear()
    pretrain(world, output=done, resume=True, progress=lambda step, _: seen.append(step))
    assert not seen
    with pytest.raises(DataError, match=r"output must be a new or empty folder; .* Use --resume"):
        pretrain(world, output=done)
    with pytest.raises(DataError, match=r"it differs in: plan, texts"):
        pretrain(make_world(replace(few, exposures=(50,)), seed=1), output=done, resume=True)


def test_it_goes_on_with_no_other_folder(world: World, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="output must hold a run to resume"):
        pretrain(world, output=tmp_path, resume=True)


def test_a_kill_while_the_first_state_is_written_leaves_a_run_to_resume(tmp_path: Path) -> None:
    (tmp_path / ".state.pt.0x1.part").write_bytes(b"half")
    world = make_world(replace(MINI, exposures=(0, 20)), seed=1)
    assert (pretrain(world, output=tmp_path, resume=True) / "pretraining.json").exists()
