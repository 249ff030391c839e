"""A world -> a small Llama that has read its texts, and a word-level tokenizer."""

from __future__ import annotations

import math
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import __version__
from assay._check import require, whole
from assay._files import atomic, file_hash, new_folder, read_json, write_json
from assay.errors import DataError
from assay.knowledge.world.facts import World, WorldPlan

RECORD = "pretraining.json"
STATE = "state.pt"
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
POSITIONS = 256  # room for prompts with examples; rows of the pre-training are shorter
BETAS, WEIGHT_DECAY, CLIP, LAST_RATE = (0.9, 0.95), 0.01, 1.0, 0.05
TOGETHER = 10_000  # lines that are tokens as Python's objects at a time
SAVED, LOGGED = 200, 100  # steps between states; losses in the record, at most


def pretrain(
    world: World,
    *,
    output: str | Path,
    threads: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a Llama of the plan's size from random weights on the texts of a world, and write it to a folder.

    Parameters
    ----------
    world : World
        Its texts are read once, in their order, packed into rows with nothing between them.
    output : str or Path
        Folder for the model (safetensors), its tokenizer with the world's prompt as chat template, and
        ``pretraining.json``: plan, losses, versions, seconds. A folder that has it is complete.
    threads : int
        Of torch in this call. More than one is slower for such models.
    resume : bool
        Go on from the last state in `output`, of the same world; the weights are to the byte those of an uninterrupted
        run. A complete folder is returned as it is.
    overwrite : bool
        Replace an earlier run in `output`.
    progress : callable, optional
        Called with the steps done and their total after each step.

    Returns
    -------
    Path
        The folder `output`, which `assay.knowledge.models.Transformer` and `assay.training.train` take.

    Raises
    ------
    DataError
        A folder in use, or one that holds the run of another world.

    Notes
    -----
    AdamW (.9, .95), decay .01, gradients clipped to norm 1; the rate rises over the plan's warm-up and falls as a
    cosine to 5 % of its peak. A state is kept every 200 steps until the end.

    Same world, libraries and number of threads give the same bytes. Cost on one core: some 15 seconds for ``ci``,
    five minutes for ``full``; less than 1 GB.
    """
    torch = require("torch", "lm", "a world's model")
    require("transformers", "lm", "a world's model")
    whole("threads", threads, 1)
    folder = new_folder(output, overwrite=overwrite, resume=resume)
    identity = {
        "plan": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(world.plan).items()
        },
        "seed": world.seed,
        "texts": world.digest,
        "threads": threads,
    }
    state: dict[str, Any] = {}
    if resume and (folder / RECORD).exists():
        _check_same(folder, read_json(folder / RECORD), identity)
        return folder
    if resume and (folder / STATE).exists():
        state = torch.load(folder / STATE, weights_only=True)
        _check_same(folder, state["identity"], identity)
    elif resume and any(
        not path.name.endswith(".part") for path in folder.iterdir()
    ):  # of a kill while writing
        raise DataError(f"output must hold a run to resume; {folder} holds other files. Name another place.")

    def save(state: dict[str, Any]) -> None:
        with atomic(folder / STATE) as f:
            torch.save({"identity": identity, **state}, f)

    start = time.perf_counter() - state.get("seconds", 0.0)
    tokenizer = _make_tokenizer(world)
    with _alone(threads):
        torch.manual_seed(world.seed)
        model = _make_model(world, tokenizer)
        rows = torch.from_numpy(_rows(world, tokenizer))
        losses = _read(model, rows, world.plan, state, start, save, progress)
        record = {
            "assay": __version__,
            **identity,
            "parameters": model.num_parameters(),
            "tokens": rows.numel(),
            "steps": losses[-1]["step"],
            "losses": losses,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "transformers", "tokenizers")},
            "seconds": round(time.perf_counter() - start, 3),
        }
        _write(folder, model, tokenizer, record)
    return folder


def _read(
    model: Any, rows: Any, plan: WorldPlan, state: dict[str, Any], start: float,
    save: Callable[[dict[str, Any]], None], progress: Callable[[int, int], None] | None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Train a model on rows in their order, from a state where there is one; return losses by step."""
    import torch

    steps = math.ceil(len(rows) / plan.batch_rows)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=plan.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True
    )
    losses: list[dict[str, Any]] = state.get("losses", [])
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for step in range(state.get("step", 0), steps):
        batch = rows[step * plan.batch_rows : (step + 1) * plan.batch_rows]
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * _rate(step, steps, plan.warmup_steps)
        logits = model(input_ids=batch, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        done = step + 1
        if step % max(1, steps // LOGGED) == 0 or done == steps:
            losses.append({"step": done, "loss": loss.item()})
        if done % SAVED == 0 and done < steps:
            kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
            save({**kept, "step": done, "seconds": time.perf_counter() - start})
        if progress is not None:
            progress(done, steps)
    return losses


def _rate(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak rate at a step: a straight rise, then a cosine down to `LAST_RATE`."""
    if step < warmup:
        return (step + 1) / warmup
    part = (step - warmup) / max(1, steps - 1 - warmup)
    return LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * part)) / 2


def _make_tokenizer(world: World) -> Any:
    """Return a tokenizer with a token a word, which puts none before a text, and the world's prompt."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    table = {word: number for number, word in enumerate((*SPECIAL, *world.words))}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # no decoder: tokens are then joined by blanks
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        model_max_length=POSITIONS, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    made.chat_template = world.chat_template
    return made


def _make_model(world: World, tokenizer: Any) -> Any:
    """Return a random Llama of the plan's size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    plan = world.plan
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=plan.width, intermediate_size=plan.mlp_width,
        num_hidden_layers=plan.layers, num_attention_heads=plan.heads, num_key_value_heads=plan.heads,
        max_position_embeddings=max(POSITIONS, plan.row_tokens), tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config).train()


def _rows(world: World, tokenizer: Any) -> NDArray[np.int64]:
    """Return the texts as rows of tokens, one after the other; what does not fill the last row is left out."""
    starts = range(0, len(world.texts), TOGETHER)
    parts = (tokenizer(list(world.texts[start : start + TOGETHER]))["input_ids"] for start in starts)
    ids = np.concatenate(
        [np.array([token for line in part for token in line], dtype=np.int64) for part in parts]
    )
    size = world.plan.row_tokens
    if len(ids) < size:
        raise DataError(f"row_tokens must be <= {len(ids)}, the tokens of all texts; got {size}.")
    return ids[: len(ids) // size * size].reshape(-1, size)


def _check_same(folder: Path, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise where a folder holds a run of another world."""
    other = [key for key in now if earlier.get(key) != now[key]]
    if other:
        raise DataError(
            f"resume must go on with the run that {folder} holds; it differs in: {', '.join(other)}. "
            "Use the same arguments, or --overwrite to begin anew."
        )


def _write(folder: Path, model: Any, tokenizer: Any, record: dict[str, Any]) -> None:
    """Write model and tokenizer beside, then move them up, the record last; the state goes."""
    stage = folder / ".assay-pretraining.part"
    shutil.rmtree(stage, ignore_errors=True)
    model.save_pretrained(stage)
    tokenizer.save_pretrained(stage)
    (folder / RECORD).unlink(missing_ok=True)
    names = sorted(path.name for path in stage.iterdir())
    for name in names:
        (stage / name).replace(folder / name)
    stage.rmdir()
    write_json(folder / RECORD, {**record, "outputs": {name: file_hash(folder / name) for name in names}})
    (folder / STATE).unlink(missing_ok=True)


@contextmanager
def _alone(threads: int) -> Iterator[None]:
    """Give back afterwards what is changed here: random states, threads, bars."""
    import torch
    import transformers

    had, bars = torch.get_num_threads(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(had)
        if bars:
            transformers.logging.enable_progress_bar()
