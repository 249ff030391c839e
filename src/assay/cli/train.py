"""`assay train`: records + a model -> a tuned model."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

SETTINGS = "Settings (by default the preset's)"


def train(
    source: Annotated[str, typer.Argument(help="File, folder, glob, hub id or - .", show_default=False)],
    model: Annotated[str, flag("--model", help="Folder or hub id of the model to tune.", panel=METHOD)],
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    preset: Annotated[
        str, flag("--preset", help="small, novelsum, b2ner, knowledge.", panel=METHOD)
    ] = "small",
    method: Annotated[
        str | None, flag("--method", help="full or lora; by default the preset's.", panel=METHOD)
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of order, adapter and dropout.", panel=METHOD)] = 0,
    answers: Annotated[
        str,
        flag("--answers", help="Which answers are learnt: all, or the last of each record.", panel=METHOD),
    ] = "all",
    chat_template: Annotated[
        str | None,
        flag(
            "--chat-template",
            help="Jinja file in place of the tokenizer's own template, or knowledge: <|question|> ... <|answer|>.",
            panel=METHOD,
        ),
    ] = None,
    epochs: Annotated[int | None, flag("--epochs", help="Passes over the records.", panel=SETTINGS)] = None,
    max_steps: Annotated[
        int | None, flag("--max-steps", help="Steps; overrides the passes.", panel=SETTINGS)
    ] = None,
    batch_size: Annotated[int | None, flag("--batch-size", help="Records of a step.", panel=SETTINGS)] = None,
    micro_batch_size: Annotated[
        int | None, flag("--micro-batch-size", help="How many of them at a time.", panel=SETTINGS)
    ] = None,
    learning_rate: Annotated[
        float | None, flag("--learning-rate", help="Peak rate of AdamW.", panel=SETTINGS)
    ] = None,
    schedule: Annotated[
        str | None, flag("--schedule", help="cosine, linear or constant.", panel=SETTINGS)
    ] = None,
    warmup_fraction: Annotated[
        float | None, flag("--warmup-fraction", help="Share of the steps that rise.", panel=SETTINGS)
    ] = None,
    weight_decay: Annotated[
        float | None, flag("--weight-decay", help="Weight decay of AdamW.", panel=SETTINGS)
    ] = None,
    max_tokens: Annotated[
        int | None, flag("--max-tokens", help="Longer records are cut on the right.", panel=SETTINGS)
    ] = None,
    group_by_length: Annotated[
        bool | None,
        flag("--group-by-length/--random-batches", help="Batches of records of like length.", panel=SETTINGS),
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        flag(
            "--gradient-checkpointing/--keep-activations", help="Less memory, more computing.", panel=SETTINGS
        ),
    ] = None,
    lora_rank: Annotated[
        int | None, flag("--lora-rank", help="With lora: rank of the adapter.", panel=SETTINGS)
    ] = None,
    lora_alpha: Annotated[
        float | None, flag("--lora-alpha", help="With lora: its scale, times alpha / rank.", panel=SETTINGS)
    ] = None,
    lora_dropout: Annotated[
        float | None, flag("--lora-dropout", help="With lora: share of inputs dropped.", panel=SETTINGS)
    ] = None,
    lora_targets: Annotated[
        str | None,
        flag("--lora-targets", help="With lora: modules, comma-separated, or all-linear.", panel=SETTINGS),
    ] = None,
    save_steps: Annotated[
        int | None, flag("--save-steps", help="Steps between checkpoints; 0 for none.", panel=SETTINGS)
    ] = None,
    shape: options.Shape = None,
    on_bad: options.OnBad = "error",
    limit: Annotated[int | None, flag("--limit", help="Read at most so many records.", panel=DATA)] = None,
    device: Annotated[str, flag("--device", help="auto, cpu or cuda.", panel=METHOD)] = "auto",
    dtype: Annotated[str, flag("--dtype", help="auto, float32 or bfloat16.", panel=METHOD)] = "auto",
    threads: Annotated[
        int | None, flag("--threads", help="Threads of torch; by default its own choice.", panel=METHOD)
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Fine-tune a model on the answers of records: OUT holds the model or adapter, its tokenizer and training.json."""
    given = dict(locals())

    from pathlib import Path

    from assay import _check
    from assay._files import read_json
    from assay.cli import console, inputs, manifest
    from assay.cli.output import MANIFEST, open_folder
    from assay.data import read
    from assay.errors import DataError
    from assay.knowledge.prompts import CHAT_TEMPLATES
    from assay.training import train as tune
    from assay.training.train import RECORD

    _check.choice("format", format, console.FORMATS)
    data = inputs.Given("records", source, shape=shape, limit=limit)
    if data.only_vectors:
        raise DataError(f"source must hold records; {source} holds vectors.")
    template = None if chat_template is None else CHAT_TEMPLATES.get(chat_template)
    if chat_template is not None and template is None:
        if not Path(chat_template).is_file():
            names = ", ".join(CHAT_TEMPLATES)
            raise DataError(
                f"chat_template must be an existing file, or {names}; there is no {chat_template}."
            )
        template = Path(chat_template).read_text(encoding="utf-8")
    talk = console.Talk(quiet)
    folder = open_folder(output, [source], overwrite=overwrite, resume=resume)
    with talk.stage("read", source):
        records = inputs.load(data, inputs.Reading(on_bad=on_bad))
        records.texts.clear()
    stream = read(records.path, shape=shape, limit=limit, on_bad=on_bad, skipped=[])
    with talk.stage("train", f"{len(records):,} records, {model}") as progress:
        tune(
            model, stream, output=folder, method=method, preset=preset, seed=seed, resume=resume,
            overwrite=overwrite, answers=answers, chat_template=template, epochs=epochs, max_steps=max_steps,
            batch_size=batch_size, micro_batch_size=micro_batch_size, learning_rate=learning_rate,
            schedule=schedule, warmup_fraction=warmup_fraction, weight_decay=weight_decay, max_tokens=max_tokens,
            group_by_length=group_by_length, gradient_checkpointing=gradient_checkpointing, lora_rank=lora_rank,
            lora_alpha=lora_alpha, lora_dropout=lora_dropout,
            lora_targets=None if lora_targets is None else tuple(lora_targets.split(",")),
            save_steps=save_steps, device=device, dtype=dtype, threads=threads, progress=progress,
        )  # fmt: skip
    records.check_unchanged()
    record = read_json(folder / RECORD)
    (folder / MANIFEST).unlink(missing_ok=True)
    losses = record["losses"]
    results = {"steps": record["steps"], "first_loss": losses[0]["loss"], "last_loss": losses[-1]["loss"]}
    written = manifest.write(
        folder, train, given, manifest.entries([records]),
        counts={**record["counts"], "skipped": len(records.skipped)}, results=results, talk=talk,
        outputs=[*record["outputs"], RECORD],
    )  # fmt: skip
    counts = record["counts"]
    table = [
        {
            "folder": str(folder),
            "trained": counts["trained"],
            "answer_tokens": counts["answer_tokens"],
            **results,
        }
    ]
    console.show(table, format, whole=written)
