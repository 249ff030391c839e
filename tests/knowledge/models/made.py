"""A Llama of two layers and some forty words, and the plainest way to ask it: each text alone, nothing kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<user>", "<model>"]
WORDS = [f"w{number}" for number in range(34)]
CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ '<user> ' + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' <model>' }}{% endif %}"
)
PROMPTS = ["w1", "w2 w3 w4 w5 w6", "w7 w8", "w9 w8 w7", "w1 w2 w3 w4 w5 w6 w7 w8 w9", "w2", "w3 w3"]
CANDIDATES = [
    [" w1", " w2 w3", " w2 w3 w4 w5"],
    [" w5"],
    [" w1 w2 w3", " w1 w2 w4", " w1 w2", " w1 w2 w3"],
    [],
    [" w11 w12", " w30"],
    [" w5 w5 w5 w5 w5 w5"],
    [" w0", " w33"],
]


def make_tokenizer(*, template: str | None = CHAT, end: bool = True) -> Any:
    """A token a word, and `<s>` before a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    table = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>" if end else None,
        pad_token="<pad>", additional_special_tokens=["<user>", "<model>"],
    )  # fmt: skip
    made.chat_template = template
    return made


def make_model(*, end: bool = True) -> Any:
    """A random model whose preferences are strong enough to matter."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(SPECIAL + WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=24, pad_token_id=3,
        bos_token_id=1, eos_token_id=2 if end else None, initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return LlamaForCausalLM(config).eval()


def save(place: Path) -> Path:
    """Write model and tokenizer to a folder."""
    make_model().save_pretrained(place)
    make_tokenizer().save_pretrained(place)
    return place


def ids_of(text: str) -> list[int]:
    """Return the tokens of a text, its start token first."""
    table = {word: number for number, word in enumerate(SPECIAL + WORDS)}
    return [1, *(table[word] for word in text.split())]


def log_softmax_after(model: Any, ids: Sequence[int], *, temperature: float = 1.0) -> Any:
    """Return log-probabilities of what follows: the whole text through the model, in float64 from the logits on."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([list(ids)])).logits[0, -1]
    return (logits.double() / temperature).log_softmax(-1)
