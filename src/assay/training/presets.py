"""The settings of a training run, and the table of those that the papers used."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from assay import _check
from assay.errors import DataError

METHODS = ("full", "lora")
SCHEDULES = ("cosine", "linear", "constant")


@dataclass(frozen=True, slots=True)
class Preset:
    """One row of `PRESETS`: every setting that decides the tuned weights, beside model, samples and seed.

    ``batch_size`` counts the samples of one step, of which ``micro_batch_size`` (None: all) are in memory at a
    time. ``lora_targets`` are names of modules, or ``all-linear``. ``group_by_length`` makes batches of samples of
    like length; without it every batch is a random one. ``max_gradient_norm`` 0 does not clip. ``save_steps`` 0
    keeps no checkpoints.

    ``read`` names the fields that were read in the paper, its program or its data; ``unverified`` those that
    are said to be the paper's and were not checked. All the others are ours.
    """

    summary: str
    source: str
    read: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    method: str = "full"
    epochs: int = 1
    max_steps: int | None = None
    batch_size: int = 8
    micro_batch_size: int | None = None
    learning_rate: float = 1e-5
    schedule: str = "cosine"
    warmup_fraction: float = 0.0
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_gradient_norm: float = 1.0
    max_tokens: int = 2048
    group_by_length: bool = False
    gradient_checkpointing: bool = False
    lora_rank: int = 16
    lora_alpha: float = 32.0
    lora_dropout: float = 0.05
    lora_targets: tuple[str, ...] = ("all-linear",)
    save_steps: int = 0

    def provenance(self, setting: str) -> str:
        """Return where the value of a setting comes from: read, unverified or ours."""
        return "read" if setting in self.read else "unverified" if setting in self.unverified else "ours"


PRESETS = {
    "small": Preset(
        summary="models of up to some million parameters on a CPU, also from random weights",
        source="-",
        batch_size=16,
        micro_batch_size=4,
        learning_rate=1e-3,
        warmup_fraction=0.05,
        max_tokens=512,
    ),
    "novelsum": Preset(
        summary="NovelSum's instruction tuning: full, by a program derived from FastChat; its settings are not known",
        source="Yang et al., ACL 2025, arXiv 2502.17184",
        unverified=("method",),
        epochs=3,
        batch_size=128,
        micro_batch_size=4,
        learning_rate=1e-5,
        warmup_fraction=0.03,
        gradient_checkpointing=True,
        save_steps=200,
    ),
    "b2ner": Preset(
        summary="B2NER's adapters",
        source="Yang et al., COLING 2025, arXiv 2406.11192",
        read=(
            *("method", "epochs", "batch_size", "micro_batch_size", "learning_rate", "schedule"),
            *("warmup_fraction", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"),
            *("lora_rank", "lora_alpha", "lora_dropout", "lora_targets"),
        ),
        method="lora",
        epochs=5,
        batch_size=128,
        micro_batch_size=1,
        learning_rate=3e-4,
        warmup_fraction=0.02,
        weight_decay=1e-4,
        adam_beta2=0.98,
        max_tokens=4096 + 1024,  # there each for itself: of the question, of the answer
        gradient_checkpointing=True,
        lora_rank=32,
        lora_alpha=64.0,
        lora_dropout=0.05,
        lora_targets=("wqkv", "q_proj", "k_proj", "v_proj"),
        save_steps=200,
    ),
    "knowledge": Preset(
        summary="closed-book questions: what fine-tuning does to what a model knows",
        source="Ye et al., EMNLP 2025, arXiv 2509.16596",
        read=("method", "epochs", "batch_size", "learning_rate", "schedule"),
        max_tokens=512,
    ),
}


def settings(preset: str | Preset, given: dict[str, Any]) -> Preset:
    """Return a preset with every given value that is not None in its place, all of them checked."""
    if isinstance(preset, Preset):
        row = preset
    else:
        row = PRESETS[_check.choice("preset", preset, PRESETS)]
    chosen = replace(row, **{name: value for name, value in given.items() if value is not None})
    _check.choice("method", chosen.method, METHODS)
    _check.choice("schedule", chosen.schedule, SCHEDULES)
    for name in ("epochs", "batch_size", "lora_rank"):
        _check.whole(name, getattr(chosen, name), 1)
    _check.whole("max_tokens", chosen.max_tokens, 2)
    _check.whole("save_steps", chosen.save_steps, 0)
    if chosen.max_steps is not None:
        _check.whole("max_steps", chosen.max_steps, 1)
    for name in ("learning_rate", "lora_alpha", "adam_epsilon"):
        _check.at_least(name, getattr(chosen, name), 0, strict=True)
    for name in ("weight_decay", "max_gradient_norm"):
        _check.at_least(name, getattr(chosen, name), 0)
    for name in ("warmup_fraction", "lora_dropout", "adam_beta1", "adam_beta2"):
        if not 0 <= getattr(chosen, name) < 1:
            raise DataError(f"{name} must be from 0 to below 1; got {getattr(chosen, name)!r}.")
    micro = chosen.micro_batch_size
    if micro is not None:
        if given.get("micro_batch_size") is None:  # the preset's own need not suit another batch size
            while chosen.batch_size % micro:
                micro -= 1
            chosen = replace(chosen, micro_batch_size=micro)
        elif _check.whole("micro_batch_size", micro, 1) and chosen.batch_size % micro:
            raise DataError(f"micro_batch_size must divide batch_size ({chosen.batch_size}); got {micro}.")
    targets: Any = chosen.lora_targets
    if isinstance(targets, str) or not targets:
        raise DataError(
            f"lora_targets must be a list of names of modules, or of all-linear alone; got {targets!r}."
        )
    if chosen.method == "full":
        for name in ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets"):
            if given.get(name) is not None:
                raise DataError(f"{name} must be left out without method 'lora'; got {given[name]!r}.")
    return replace(chosen, lora_targets=tuple(targets))


def listed(chosen: Preset) -> dict[str, Any]:
    """Return the settings of a run by name; those of LoRA only where it is used."""
    return {
        field.name: getattr(chosen, field.name)
        for field in fields(chosen)
        if field.name not in ("summary", "source", "read", "unverified")
        and (chosen.method == "lora" or not field.name.startswith("lora_"))
    }
