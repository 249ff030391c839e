"""A GLiNER model, and the encoder under it, of some hundred random numbers, made without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def encoder(folder: Path, words: Sequence[str]) -> Path:
    """Save a BERT of one layer that knows some words, and return its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    known = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(known),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def model(folder: Path, words: Sequence[str]) -> Path:
    """Save an untrained GLiNER model on such an encoder, and return its folder."""
    from gliner import GLiNER

    backbone = encoder(folder / "backbone", words)
    config = {"model_name": str(backbone), "hidden_size": 16, "max_width": 4, "max_len": 64}
    GLiNER.from_config(config, backbone_from_pretrained=False).save_pretrained(folder / "model")
    return folder / "model"
