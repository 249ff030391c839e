"""A model whose logits are set by hand: what it expects depends on the last token alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.knowledge.models import Transformer
from tests.knowledge.models.made import SPECIAL, WORDS, make_tokenizer

# what `tests.knowledge.models.made.CHAT` lacks: an answer comes after what it is asked by
CHAT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}<user> {{ message['content'] }} "
    "<model>{% else %} {{ message['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
)
NEVER = -1e4  # a logit that leaves no probability


def after(expected: Mapping[str, Sequence[float]], *, template: str | None = CHAT) -> Transformer:
    """Return a model that, after a token, has the given logits for w0, w1, ... and `NEVER` for all others.

    A token's embedding is a direction of its own, layers add nothing, and the head has a column of logits for each.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    words = SPECIAL + WORDS
    size = len(words)
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=4, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=32, pad_token_id=3, bos_token_id=1, eos_token_id=2, rms_norm_eps=1e-12,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        head = torch.zeros(size, size)
        for token, logits in expected.items():
            column = torch.full((size,), NEVER)
            column[len(SPECIAL) : len(SPECIAL) + len(logits)] = torch.tensor(logits)
            head[:, words.index(token)] = column / size**0.5
        model.lm_head.weight.copy_(head)
    return Transformer((model, make_tokenizer(template=template)), threads=1)


def random_model(seed: int, *, template: str | None = CHAT, batch_size: int = 4) -> tuple[Any, Transformer]:
    """Return a random Llama as it is, and to be asked."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(SPECIAL + WORDS), hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=32, pad_token_id=3, bos_token_id=1, eos_token_id=2,
        initializer_range=0.3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        plain = LlamaForCausalLM(config).eval()
    return plain, Transformer((plain, make_tokenizer(template=template)), batch_size=batch_size, threads=1)


def save_random(place: Path, seed: int, *, template: str | None = CHAT, more: int = 0) -> Path:
    """Write a random Llama and its tokenizer, which has some more words."""
    plain, _ = random_model(seed)
    tokenizer = make_tokenizer(template=template)
    tokenizer.add_tokens([f"v{number}" for number in range(more)])
    plain.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place
