"""A small language model made here, so that a study needs no download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assay import _check
from assay.data import Message, Sample, text
from assay.training import train

VOCABULARY = 4096
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def tiny_model(
    samples: Sequence[Sample],
    *,
    output: str | Path,
    hidden: int = 128,
    layers: int = 4,
    epochs: int = 1,
    learning_rate: float = 2e-3,
    max_tokens: int = 128,
    seed: int = 0,
    threads: int | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a tokenizer and a Llama of about a million parameters on the texts of samples; return its folder.

    Parameters
    ----------
    samples : sequence of Sample
        What it learns language from. Every token of every turn counts; it is a base model, not an assistant.
    output : path
        Folder to write.
    hidden, layers : int
        Width (a multiple of 32) and depth.
    epochs, learning_rate, max_tokens, seed, threads, resume, progress
        As in `assay.training.train`.

    Raises
    ------
    DataError
        As in `assay.training.train`.

    Notes
    -----
    Byte-level BPE of at most 4,096 tokens, so that no text is unknown; heads of 32 dimensions; tied embeddings.
    About 7,000 tokens a second on one core at the default size.
    """
    _check.whole("hidden", hidden, 32)
    _check.whole("layers", layers, 1)
    texts = [text(sample) for sample in samples]
    tokenizer = _tokenizer(texts)
    plain = [
        Sample(sample.id, (Message("assistant", content),), content, "text")
        for sample, content in zip(samples, texts, strict=True)
    ]
    return train(
        (_untrained(len(tokenizer), hidden, layers, max_tokens, seed), tokenizer),
        plain,
        output=output,
        preset="small",
        epochs=epochs,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        seed=seed,
        threads=threads,
        resume=resume,
        save_steps=500,
        progress=progress,
    )


def _tokenizer(texts: Sequence[str]) -> Any:
    """Return a byte-level BPE tokenizer of these texts."""
    tokenizers = _check.require("tokenizers", "lm", "a model from scratch")
    transformers = _check.require("transformers", "lm", "a model from scratch")
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    learner = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, learner)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **SPECIAL)


def _untrained(vocabulary: int, hidden: int, layers: int, positions: int, seed: int) -> Any:
    """Return a Llama with seeded random weights."""
    torch = _check.require("torch", "lm", "a model from scratch")
    transformers = _check.require("transformers", "lm", "a model from scratch")
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 32),
        num_key_value_heads=max(1, hidden // 32),
        max_position_embeddings=max(256, positions),
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.LlamaForCausalLM(config)
