"""A language model of two layers and a hundred words, and exchanges of a few words, made here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from assay.data import Message, Sample

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|start|>", "<|end|>"]
WORDS = ["System", "User", "Assistant", "Tool", "system", "user", "assistant", "tool", ":", "\n"]
VOCABULARY = SPECIAL + WORDS + [f"w{number}" for number in range(80)]
CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start|>' + message['role'] + '\n' + message['content'] + '<|end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)


def make_tokenizer(*, start: bool = False, template: str | None = None) -> Any:
    """Words, colons and line ends are tokens; `<s>` stands before a text where `start`."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(VOCABULARY)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[:\n]"), "isolated"),
            pre_tokenizers.Split(Regex(" +"), "removed"),
        ]
    )
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        additional_special_tokens=["<|start|>", "<|end|>"],
    )  # fmt: skip
    made.chat_template = template
    return made


def sample(*turns: tuple[str, str], shape: str = "messages", row: Any = None) -> Sample:
    """Return a sample of (role, words) turns."""
    return Sample("0", tuple(Message(role, words) for role, words in turns), row or {}, shape, "here:1")


def exchanges(count: int) -> list[Sample]:
    """Questions of one to nine words; the answer is the last word, and the one after it."""
    found = []
    for row in range(count):
        words = [(7 * row + 3 * place) % 79 for place in range(1 + row % 9)]
        asked, answered = (" ".join(f"w{w}" for w in part) for part in (words, [words[-1], words[-1] + 1]))
        found.append(Sample(str(row), (Message("user", asked), Message("assistant", answered)), {}, "alpaca"))
    return found


@pytest.fixture(scope="session")
def torch() -> Any:
    """torch with one thread: two are slower on models of this size."""
    import torch

    torch.set_num_threads(1)
    return torch


def make_llama() -> Any:
    """A random two-layer Llama."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64, pad_token_id=3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return LlamaForCausalLM(config)


def save_llama(place: Path) -> Path:
    """Write it and its tokenizer to a folder."""
    make_llama().save_pretrained(place)
    make_tokenizer().save_pretrained(place)
    return place


@pytest.fixture(scope="session")
def llama(torch: Any) -> Any:
    """A random two-layer Llama."""
    return make_llama()


@pytest.fixture(scope="session")
def pair(llama: Any) -> tuple[Any, Any]:
    """The model and its tokenizer, in memory."""
    return llama, make_tokenizer()


@pytest.fixture(scope="session")
def folder(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on disk."""
    return save_llama(tmp_path_factory.mktemp("llama"))
