"""Samples + a model -> a tuned model, over TRL and PEFT."""

from __future__ import annotations

import copy
import logging
import math
import os
import platform
import random
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from assay import __version__
from assay._check import choice, require, whole
from assay._files import file_hash, new_folder, read_json, write_json
from assay.data.sample import Sample
from assay.embed.transformer import device_for
from assay.errors import DataError, warn
from assay.training.loading import ADAPTER, load_model, precision_for, weights_hash
from assay.training.presets import Preset, listed, settings
from assay.training.tokens import ANSWERS, Tokens, epoch_order, tokens_of, with_template

RECORD = "training.json"
CHECKPOINTS = "checkpoints"
DTYPES = ("auto", "float32", "bfloat16")
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "tokenizers")
LOGGED = 100  # losses in the record, at most


def train(
    model: str | Path | tuple[Any, Any],
    samples: Iterable[Sample],
    *,
    output: str | Path,
    method: str | None = None,
    preset: str | Preset = "small",
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    answers: str = "all",
    chat_template: str | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    batch_size: int | None = None,
    micro_batch_size: int | None = None,
    learning_rate: float | None = None,
    schedule: str | None = None,
    warmup_fraction: float | None = None,
    weight_decay: float | None = None,
    max_tokens: int | None = None,
    group_by_length: bool | None = None,
    gradient_checkpointing: bool | None = None,
    lora_rank: int | None = None,
    lora_alpha: float | None = None,
    lora_dropout: float | None = None,
    lora_targets: tuple[str, ...] | None = None,
    save_steps: int | None = None,
    device: str = "auto",
    dtype: str = "auto",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fine-tune a language model on samples and write it to a folder.

    The loss is that of the answers alone: every assistant turn, from what follows the generation prompt to its end
    token. Samples of the shape ``text``, which have no roles, are learnt whole. The conversation is written by the
    tokenizer's chat template; a tokenizer without one gets ``User: ...``, a new line, ``Assistant: ...``, which is
    saved with the tuned model, so that the model is asked as it was taught. Settings come from the preset, each
    replaced by the option of its name where that is given.

    Parameters
    ----------
    model
        A folder that holds a model (safetensors, or one ``.gguf``), a ``.gguf``, an id on the hub (`HF_HUB_OFFLINE` is
        respected), or a pair of a transformers model and its tokenizer, both left as they are.
    samples
        Samples, as `assay.data.read` gives them. Held in memory as tokens.
    output
        Folder to write to: the model and its tokenizer (``full``), or the adapter and the tokenizer (``lora``),
        and ``training.json`` with settings, counts, losses, versions and seconds. A folder that has
        ``training.json`` is complete.
    method
        ``full``: all weights; ``lora``: a low-rank adapter (PEFT) beside them. By default the preset's.
    preset
        A name in `PRESETS`, or a row of one's own.
    seed
        Decides the order of samples, the first adapter weights and dropout. No global seed is touched.
    resume
        Go on from the last checkpoint in `output`, with equal samples and settings; on a CPU the weights are to
        the byte those of an uninterrupted run. A complete folder is returned as it is.
    overwrite
        Replace an earlier run's files in `output`.
    answers
        ``all`` assistant turns have loss, or the ``last`` one of each sample only.
    chat_template
        A Jinja template in place of the tokenizer's own.
    epochs, max_steps
        Passes over the samples, >= 1; or the number of steps, which overrides it.
    batch_size, micro_batch_size
        Samples of one step; and how many of them are in memory at a time, which changes rounding only.
    learning_rate, schedule, warmup_fraction
        Peak rate of AdamW; ``cosine`` or ``linear`` (both down to 0) or ``constant``; share of the steps, from 0 to
        below 1, in which the rate rises from 0 to its peak (rounded up to whole steps, but never all of them).
    weight_decay
        Of AdamW, >= 0; biases and norms have none.
    max_tokens
        Longer samples are cut on the right, >= 2. A preset's value is lowered to what the model can read.
    group_by_length
        Whether batches hold samples of like length, which saves padding; otherwise each is a random one.
    gradient_checkpointing
        Whether to compute activations twice instead of keeping them.
    lora_rank, lora_alpha, lora_dropout, lora_targets
        The adapter: its rank, scale (times alpha / rank), dropout, and the names of the modules it sits on, or
        ``("all-linear",)``: every linear layer but the output.
    save_steps
        Steps between checkpoints, of which the last is kept until the end; 0 for none.
    device, dtype
        ``auto``, ``cpu`` or ``cuda``. ``float32``, or ``bfloat16``: mixed precision, where ``full`` keeps float32
        weights and ``lora`` holds the frozen ones in bfloat16. ``auto`` is bfloat16 on a GPU that has it.
    threads
        Threads of torch in this call; by default as many as torch has. One is faster for tiny models.
    progress
        Called with the steps done and their total after each step.

    Returns
    -------
    Path
        The folder `output`.

    Raises
    ------
    DataError
        A setting out of its range, a folder in use, a model that cannot be loaded, a conversation that the chat
        template refuses, or no sample with an answer.

    Warns
    -----
    AssayWarning
        Samples were dropped (no answer, or it begins beyond `max_tokens`) or cut; the counts stand in
        ``training.json``.

    Notes
    -----
    Cost: 6 x parameters x tokens floating-point operations (a third less for ``lora``). Memory for ``full``: 16
    bytes a parameter and the activations of a micro-batch. Each step's loss is the mean over all answer tokens of
    its batch, whatever the micro-batches. The last batch of an epoch may be smaller.

    Same model, samples, settings, seed and libraries give the same bytes on a CPU for one number of threads; torch
    may round otherwise with another. On a GPU they may differ.

    TRL's `SFTTrainer` computes the loss from ids and labels made here; its telemetry and model cards are left out.
    """
    given = {name: value for name, value in locals().items() if name in Preset.__dataclass_fields__}
    for module in ("torch", "transformers", "accelerate", "datasets", "trl", "peft"):
        require(module, "lm", "training")
    import torch

    chosen = settings(preset, given)
    choice("answers", answers, ANSWERS)
    whole("seed", seed, 0, 2**32 - 1)
    if threads is not None:
        whole("threads", threads, 1)
    place = device_for(choice("device", device, ("auto", "cpu", "cuda")))
    precision = precision_for(choice("dtype", dtype, DTYPES), place)
    folder = new_folder(output, overwrite=overwrite, resume=resume)
    start = time.perf_counter()
    with _undisturbed(threads):
        language_model, tokenizer, source = _loaded(model, chosen, precision)
        with_template(tokenizer, chat_template)
        limit = _limit(language_model, chosen, max_tokens)
        tokens = tokens_of(samples, tokenizer, max_tokens=limit, answers=answers)
        _checked(tokens, language_model, limit)
        identity = {
            "model": source,
            "settings": {**listed(chosen), "max_tokens": limit, "lora_targets": list(chosen.lora_targets)},
            "preset": preset if isinstance(preset, str) else preset.summary,
            "answers": answers,
            "chat_template": tokenizer.chat_template,
            "seed": seed,
            "dtype": precision,
            "device": place,
            "samples": tokens.digest(),
        }
        if chosen.method == "full":
            del identity["settings"]["lora_targets"]
        if resume and _complete(folder, identity):
            return folder
        if not resume:
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        trainer = _trainer(
            language_model, tokenizer, tokens, chosen, folder, seed, place, precision, progress
        )
        write_json(folder / CHECKPOINTS / RECORD, identity)
        trainer.train(resume_from_checkpoint=_last_checkpoint(folder))
        logged = [entry for entry in trainer.state.log_history if "loss" in entry]
        astray = [entry["step"] for entry in logged if not math.isfinite(entry["loss"])]
        if astray:
            warn(f"the loss is not finite from step {astray[0]} on: the tuned model is of no use.")
        record = {
            "assay": __version__,
            **identity,
            "counts": tokens.counts,
            "steps": trainer.state.global_step,
            "losses": [
                {"step": entry["step"], "loss": entry["loss"], "learning_rate": entry["learning_rate"]}
                for entry in logged
            ],
            "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
            "threads": torch.get_num_threads(),
            "seconds": round(time.perf_counter() - start, 3),
        }
        _write(folder, trainer.model, tokenizer, record, adapter=chosen.method == "lora")
    return folder


def _loaded(model: str | Path | tuple[Any, Any], chosen: Preset, precision: str) -> tuple[Any, Any, str]:
    """Return a model of our own to train, its tokenizer, and what identifies it."""
    import torch

    dtype = torch.bfloat16 if chosen.method == "lora" and precision == "bfloat16" else torch.float32
    if isinstance(model, tuple):
        language_model, tokenizer = (copy.deepcopy(part) for part in model)
        identity = weights_hash(language_model)
        return language_model.to(dtype), tokenizer, identity
    return load_model(model, dtype)


def _limit(model: Any, chosen: Preset, asked: int | None) -> int:
    """Return the most tokens of a sample: no more than the model has positions."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is None or chosen.max_tokens <= positions:
        return chosen.max_tokens
    if asked is not None:
        raise DataError(f"max_tokens must be <= {positions}, the positions of the model; got {asked}.")
    return int(positions)


def _checked(tokens: Tokens, model: Any, limit: int) -> None:
    """Raise where nothing can be trained on; warn of samples that are dropped or cut."""
    counts = tokens.counts
    if not tokens.ids:
        raise DataError(
            f"samples must hold an answer within {limit} tokens; of {counts['samples']} samples "
            f"{counts['no_answer']} have none and {counts['answer_cut']} have it further on."
        )
    vocabulary = model.get_input_embeddings().num_embeddings
    largest = max(max(ids) for ids in tokens.ids)
    if largest >= vocabulary:
        raise DataError(
            f"model must have an embedding for every token of its tokenizer; it has {vocabulary}, and the "
            f"samples hold token {largest}."
        )
    for key, what in (
        ("no_answer", "samples have no answer and are left out"),
        ("answer_cut", f"samples have their answer beyond {limit} tokens and are left out"),
        ("truncated", f"samples are cut to {limit} tokens"),
    ):
        if counts[key]:
            warn(f"{counts[key]} of {counts['samples']} {what}.")


def _complete(folder: Path, identity: dict[str, Any]) -> bool:
    """Tell whether a folder is complete or goes on; raise if what was begun in it is another run."""
    begun = folder / CHECKPOINTS / RECORD
    complete = not begun.exists() and (folder / RECORD).exists()
    if complete:
        begun = folder / RECORD
    elif not begun.exists():
        if any(folder.iterdir()):
            raise DataError(
                f"output must hold a run to resume; {folder} holds other files. Name another place."
            )
        return False
    earlier = read_json(begun)
    now = {**identity, **identity["settings"]}
    then = {**earlier, **earlier.get("settings", {})}
    other = [key for key in now if key != "settings" and then.get(key) != now[key]]
    if other:
        raise DataError(
            f"resume must go on with the run that {folder} holds; it differs in: {', '.join(other)}. "
            "Use the same arguments, or --overwrite to begin anew."
        )
    return complete


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest checkpoint that is whole: its state is written last."""
    whole_ones = [path.parent for path in folder.glob(f"{CHECKPOINTS}/checkpoint-*/trainer_state.json")]
    return str(max(whole_ones, key=lambda path: int(path.name.split("-")[1]))) if whole_ones else None


def _trainer(
    model: Any, tokenizer: Any, tokens: Tokens, chosen: Preset, folder: Path, seed: int, device: str,
    precision: str, progress: Callable[[int, int], None] | None,
) -> Any:  # fmt: skip
    """Return TRL's trainer over our ids, labels and order, which says and sends nothing."""
    import datasets
    import peft
    import torch
    import transformers
    import trl

    class Order(torch.utils.data.Sampler):  # type: ignore[misc]
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __len__(self) -> int:
            return len(lengths)

        def __iter__(self) -> Iterator[int]:
            size, grouped = chosen.batch_size, chosen.group_by_length
            return iter(
                epoch_order(lengths, batch_size=size, group_by_length=grouped, seed=seed, epoch=self.epoch)
            )

    class Trainer(trl.SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return Order()

        def compute_loss(self, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
            if device != "cpu":
                return super().compute_loss(model, inputs, *rest, **options)
            # TRL's fused head saves memory by computing the logits twice: on a CPU 1.6 times the whole step
            return transformers.Trainer.compute_loss(self, model, inputs, *rest, **options)

        def _send_telemetry(self) -> None: ...

        def create_model_card(self, *args: Any, **options: Any) -> None: ...

    class Report(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if progress is not None:
                progress(state.global_step, state.max_steps)

    lengths = tokens.lengths
    micro = chosen.micro_batch_size or chosen.batch_size
    steps = chosen.max_steps or chosen.epochs * math.ceil(len(lengths) / chosen.batch_size)
    warmup = min(math.ceil(chosen.warmup_fraction * steps), steps - 1)  # at 0 in the first of them
    args = trl.SFTConfig(
        output_dir=str(folder / CHECKPOINTS),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=chosen.batch_size // micro,
        num_train_epochs=chosen.epochs,
        max_steps=chosen.max_steps or -1,
        learning_rate=chosen.learning_rate,
        lr_scheduler_type="constant_with_warmup" if chosen.schedule == "constant" else chosen.schedule,
        warmup_steps=warmup,
        weight_decay=chosen.weight_decay,
        adam_beta1=chosen.adam_beta1,
        adam_beta2=chosen.adam_beta2,
        adam_epsilon=chosen.adam_epsilon,
        max_grad_norm=chosen.max_gradient_norm,
        optim="adamw_torch",
        gradient_checkpointing=chosen.gradient_checkpointing,
        bf16=precision == "bfloat16",
        use_cpu=device == "cpu",
        seed=seed,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        save_strategy="steps" if chosen.save_steps else "no",
        save_steps=chosen.save_steps or 1,
        save_total_limit=1,
        logging_steps=max(1, steps // LOGGED),
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )
    if args.n_gpu > 1:
        args._n_gpu = 1  # TRL refuses several without a launcher
    adapter = None
    if chosen.method == "lora":
        targets = list(chosen.lora_targets)
        adapter = peft.LoraConfig(
            r=chosen.lora_rank,
            lora_alpha=chosen.lora_alpha,
            lora_dropout=chosen.lora_dropout,
            target_modules="all-linear" if targets == ["all-linear"] else targets,
            task_type="CAUSAL_LM",
        )
    try:
        trainer = Trainer(
            model=model,
            args=args,
            train_dataset=datasets.Dataset.from_dict({"input_ids": tokens.ids, "labels": tokens.labels}),
            processing_class=tokenizer,
            peft_config=adapter,
            callbacks=[Report()],
        )
    except ValueError as error:
        if adapter is None or "arget" not in str(error):
            raise
        raise DataError(
            f"lora_targets must name modules of the model; got {', '.join(chosen.lora_targets)}: "
            f"{str(error).splitlines()[0][:200]}"
        ) from error
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    return trainer


def _write(folder: Path, model: Any, tokenizer: Any, record: dict[str, Any], *, adapter: bool) -> None:
    """Write model and tokenizer beside, then move them up, the record last; checkpoints and an earlier run go."""
    stage = folder / ".assay-training.part"
    shutil.rmtree(stage, ignore_errors=True)
    # PEFT would look the base model up on the hub to see whether its vocabulary grew, which it did not
    model.save_pretrained(stage, **({"save_embedding_layers": False} if adapter else {}))
    tokenizer.save_pretrained(stage)
    (stage / "README.md").unlink(missing_ok=True)  # an empty form
    if adapter:  # its modules are a set to PEFT, in another order each time
        config = read_json(stage / ADAPTER)
        write_json(stage / ADAPTER, config | {"target_modules": sorted(config["target_modules"])})
    names = sorted(path.name for path in stage.iterdir())
    earlier = read_json(folder / RECORD).get("outputs", {}) if (folder / RECORD).exists() else {}
    (folder / RECORD).unlink(missing_ok=True)
    for name, digest in earlier.items():
        path = folder / name
        if path.parent == folder and path.is_file() and file_hash(path) == digest:
            path.unlink()
    for name in names:
        (stage / name).replace(folder / name)
    stage.rmdir()
    write_json(folder / RECORD, {**record, "outputs": {name: file_hash(folder / name) for name in names}})
    shutil.rmtree(folder / CHECKPOINTS)


@contextmanager
def _undisturbed(threads: int | None) -> Iterator[None]:
    """Give back afterwards what the libraries below change: random states, threads, talk, bars, environment."""
    import datasets
    import torch
    import transformers

    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    had = torch.get_num_threads()
    talk, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    loggers = {name: logging.getLogger(name).level for name in ("accelerate", "trl", "peft")}
    kept = {name: value for name, value in os.environ.items() if name.startswith("ACCELERATE_")}
    data_bars = not datasets.utils.are_progress_bars_disabled()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            # TRL and PEFT still use names that transformers is to drop
            warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing.*deprecated", FutureWarning)
            warnings.filterwarnings(
                "ignore", "Could not find a config file in", UserWarning
            )  # beside a .gguf
            transformers.logging.set_verbosity_error()
            transformers.logging.disable_progress_bar()
            datasets.utils.disable_progress_bars()
            for name in loggers:
                logging.getLogger(name).setLevel(logging.ERROR)
            if threads is not None:
                torch.set_num_threads(threads)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_num_threads(had)
        transformers.logging.set_verbosity(talk)
        if bars:
            transformers.logging.enable_progress_bar()
        if data_bars:
            datasets.utils.enable_progress_bars()
        for name, level in loggers.items():
            logging.getLogger(name).setLevel(level)
        for name in [name for name in os.environ if name.startswith("ACCELERATE_")]:
            del os.environ[name]
        os.environ.update(kept)
