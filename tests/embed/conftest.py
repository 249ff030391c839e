"""A language model of two layers and a hundred words, made here, and no network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

WORDS = [f"w{number}" for number in range(96)]
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>"]


@pytest.fixture(scope="session")
def torch() -> Any:
    """torch with one thread: two are slower on models of this size."""
    import torch

    torch.set_num_threads(1)
    return torch


def word_tokenizer(*, start: bool) -> Any:
    """Words split at blanks; `<s>` before a text where `start`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def save_llama(torch: Any, folder: Path, *, start: bool, special: bool = True) -> Path:
    """Save a random two-layer Llama with its tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"} if special else {}
    config = LlamaConfig(
        vocab_size=100,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        LlamaForCausalLM(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=word_tokenizer(start=start), unk_token="<unk>", **names
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llama(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer adds a start token."""
    return save_llama(torch, tmp_path_factory.mktemp("llama"), start=True)


@pytest.fixture(scope="session")
def bare_llama(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer adds nothing and knows neither a start nor an end token."""
    return save_llama(torch, tmp_path_factory.mktemp("bare"), start=False, special=False)


@pytest.fixture(scope="session")
def quiet_llama(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokenizer knows start and end tokens but adds none."""
    return save_llama(torch, tmp_path_factory.mktemp("quiet"), start=False)


@pytest.fixture(scope="session")
def static_model(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static sentence-transformers model: the mean of its words' vectors."""
    import sentence_transformers
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    folder = tmp_path_factory.mktemp("static")
    with torch.random.fork_rng():
        torch.manual_seed(7)
        module = StaticEmbedding(word_tokenizer(start=False), embedding_dim=8)
    sentence_transformers.SentenceTransformer(modules=[module], device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder
