"""`assay ner train`: corpora -> B2NER's instructions -> a tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from pathlib import Path

    from assay.cli.console import Talk
    from assay.ner import Corpus

SETTINGS = "Settings (by default the preset's)"
PROMPTS = "Prompts"
GLINER_SETTINGS = ("max_labels", "seed", "batch_size", "learning_rate", "max_tokens", "threads")
GLINER = (  # options that mean something with --method gliner
    *GLINER_SETTINGS, "corpora", "model", "output", "method", "split", "max_steps", "dtype", "shape", "language",
    "scheme", "tag_column", "repair", "offsets", "format", "overwrite", "quiet",
)  # fmt: skip


def ner_train(
    corpora: Corpora,
    model: Annotated[str, flag("--model", help="Folder or hub id of the model to tune.", panel=METHOD)],
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    preset: Annotated[
        str, flag("--preset", help="b2ner: its adapters and settings; small, ...", panel=METHOD)
    ] = "b2ner",
    method: Annotated[
        str | None,
        flag(
            "--method", help="full, lora (by default the preset's); gliner: no language model.", panel=METHOD
        ),
    ] = None,
    split: Annotated[
        str, flag("--split", help="Split to train on; documents of no split are taken too.", panel=DATA)
    ] = "train",
    prompting: Annotated[
        str,
        flag("--prompting", help="plain, as B2NER trains; chat: by the model's own template.", panel=PROMPTS),
    ] = "plain",
    max_labels: Annotated[
        int, flag("--max-labels", help="Labels that a prompt asks for at most.", panel=PROMPTS)
    ] = 18,
    label_dropout: Annotated[
        float, flag("--label-dropout", help="Probability that a label is not asked for.", panel=PROMPTS)
    ] = 0.1,
    shuffle: Annotated[
        bool, flag("--shuffle/--no-shuffle", help="Labels in random order.", panel=PROMPTS)
    ] = True,
    descriptions: Annotated[
        bool, flag("--descriptions", help="Say what labels mean, by the universal taxonomy.", panel=PROMPTS)
    ] = False,
    max_chars: Annotated[
        int | None,
        flag("--max-chars", help="Leave out and list longer prompts with their answers.", panel=PROMPTS),
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of prompts, order, adapter and dropout.", panel=METHOD)] = 0,
    epochs: Annotated[int | None, flag("--epochs", help="Passes over the prompts.", panel=SETTINGS)] = None,
    max_steps: Annotated[
        int | None, flag("--max-steps", help="Steps; overrides the passes.", panel=SETTINGS)
    ] = None,
    batch_size: Annotated[int | None, flag("--batch-size", help="Prompts of a step.", panel=SETTINGS)] = None,
    micro_batch_size: Annotated[
        int | None, flag("--micro-batch-size", help="How many of them at a time.", panel=SETTINGS)
    ] = None,
    learning_rate: Annotated[
        float | None, flag("--learning-rate", help="Peak rate of AdamW.", panel=SETTINGS)
    ] = None,
    schedule: Annotated[
        str | None, flag("--schedule", help="cosine, linear or constant.", panel=SETTINGS)
    ] = None,
    max_tokens: Annotated[
        int | None, flag("--max-tokens", help="Longer ones are cut on the right and counted.", panel=SETTINGS)
    ] = None,
    lora_rank: Annotated[
        int | None, flag("--lora-rank", help="With lora: rank of the adapter.", panel=SETTINGS)
    ] = None,
    lora_alpha: Annotated[
        float | None, flag("--lora-alpha", help="With lora: its scale, times alpha / rank.", panel=SETTINGS)
    ] = None,
    lora_targets: Annotated[
        str | None,
        flag("--lora-targets", help="With lora: modules, comma-separated, or all-linear.", panel=SETTINGS),
    ] = None,
    save_steps: Annotated[
        int | None, flag("--save-steps", help="Steps between checkpoints; 0 for none.", panel=SETTINGS)
    ] = None,
    device: Annotated[str, flag("--device", help="auto, cpu or cuda.", panel=METHOD)] = "auto",
    dtype: Annotated[str, flag("--dtype", help="auto, float32 or bfloat16.", panel=METHOD)] = "auto",
    threads: Annotated[
        int | None, flag("--threads", help="Threads of torch; by default its own choice.", panel=METHOD)
    ] = None,
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Teach a model to name entities: the documents become B2NER's instructions, whose answers it learns.

    The same as assay ner export and assay train. OUT holds the model or adapter, its tokenizer and training.json. Go on
    with: assay ner predict CORPUS --model OUT -o PREDICTED

    --method gliner trains a GLiNER model instead, from one or from a plain encoder; it is asked for label names, and
    needs no prompts. Go on with: assay ner crossval --tagger gliner:OUT
    """
    given = dict(locals())
    import tempfile
    from pathlib import Path

    from assay._check import choice
    from assay._files import read_json
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import MANIFEST, open_folder
    from assay.data import read
    from assay.ner.export import export
    from assay.ner.prompts import CHAT_TEMPLATE
    from assay.training import train
    from assay.training.train import RECORD

    choice("format", format, console.FORMATS)
    choice("prompting", prompting, ("plain", "chat"))
    talk = console.Talk(quiet)
    paths = [inputs.named(argument)[1] for argument in corpora]
    folder = open_folder(output, paths, overwrite=overwrite, resume=resume)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    if method == "gliner":
        _check_gliner(given)
    found = _trained(inputs.corpora(corpora, reading, talk), split)
    if method == "gliner":
        _train_gliner(found, folder, paths, given, talk)
        return
    skipped: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as place:
        with talk.stage("prompts", f"{sum(len(corpus.documents) for corpus in found):,} documents"):
            counts = export(
                found, place, to=["prompt"], training=True, max_labels=max_labels, label_dropout=label_dropout,
                shuffle=shuffle, descriptions="universal" if descriptions else None, max_chars=max_chars,
                on_long="skip", skipped=skipped, seed=seed,
            )  # fmt: skip
        samples = read(str(Path(place) / "prompt" / "train.jsonl"))
        with talk.stage("train", f"{sum(counts['instructions'].values()):,} prompts, {model}") as progress:
            train(
                model, samples, output=folder, method=method, preset=preset, seed=seed, resume=resume,
                overwrite=overwrite, chat_template=CHAT_TEMPLATE if prompting == "plain" else None, epochs=epochs,
                max_steps=max_steps, batch_size=batch_size, micro_batch_size=micro_batch_size,
                learning_rate=learning_rate, schedule=schedule, max_tokens=max_tokens, lora_rank=lora_rank,
                lora_alpha=lora_alpha, lora_targets=None if lora_targets is None else tuple(lora_targets.split(",")),
                save_steps=save_steps, device=device, dtype=dtype, threads=threads, progress=progress,
            )  # fmt: skip
    for name, reason in skipped[:10]:
        talk.say(f"skipped {name}: {reason}")
    record = read_json(folder / RECORD)
    (folder / MANIFEST).unlink(missing_ok=True)
    losses = record["losses"]
    results = {"steps": record["steps"], "first_loss": losses[0]["loss"], "last_loss": losses[-1]["loss"]}
    written = manifest.write(
        folder, ner_train, given, [entry for path in paths for entry in manifest.file_entries("corpus", path)],
        counts={**counts, **record["counts"]}, results={**results, "skipped": skipped}, talk=talk,
        outputs=[*record["outputs"], RECORD],
    )  # fmt: skip
    trained, answered = record["counts"]["trained"], record["counts"]["answer_tokens"]
    table = [{"folder": str(folder), "trained": trained, "answer_tokens": answered, **results}]
    console.show(table, format, whole=written)


def _check_gliner(given: Mapping[str, Any]) -> None:
    """Raise where an option is given that GLiNER's training does not know."""
    import inspect

    from assay.cli.wording import words
    from assay.errors import DataError

    for name, option in inspect.signature(ner_train).parameters.items():
        if name not in GLINER and given[name] != option.default:
            flag = "--" + words(ner_train)[name].replace("_", "-")
            raise DataError(
                f"{flag} must not be given with --method gliner; got {given[name]!r}. Leave it out."
            )


def _train_gliner(
    corpora: Sequence[Corpus], folder: Path, paths: Sequence[str], given: Mapping[str, Any], talk: Talk
) -> None:
    """Train a GLiNER model on corpora, each asked for the labels that it declares; unified ones are taken apart."""
    from dataclasses import replace

    from assay._files import read_json
    from assay.cli import console, manifest
    from assay.cli.output import MANIFEST
    from assay.ner.gliner_training import RECORD, train_gliner
    from assay.ner.predictions import parted

    chosen = {name: given[name] for name in GLINER_SETTINGS if given[name] is not None}
    if given["max_steps"] is not None:
        chosen["steps"] = given["max_steps"]
    if given["dtype"] != "auto":
        chosen["dtype"] = given["dtype"]
    parts = [part for corpus in corpora for part in parted(corpus)]
    documents = [replace(document, corpus=part.name) for part in parts for document in part.documents]
    labels: dict[str, tuple[str, ...]] = {}
    for part in parts:
        labels[part.name] = (*labels.get(part.name, ()), *part.labels)
    with talk.stage("train", f"{len(documents):,} documents, {given['model']}") as progress:
        train_gliner(
            documents, folder, base=given["model"], labels=labels, overwrite=given["overwrite"], progress=progress,
            **chosen,
        )  # fmt: skip
    record = read_json(folder / RECORD)
    (folder / MANIFEST).unlink(missing_ok=True)
    losses = record["losses"]
    results = {"steps": len(losses), "first_loss": losses[0], "last_loss": losses[-1]}
    written = manifest.write(
        folder, ner_train, given, [entry for path in paths for entry in manifest.file_entries("corpus", path)],
        counts={"documents": record["rows"], "entities": record["entities"], **record["left_out"]},
        results=results, talk=talk, outputs=[*record["outputs"], RECORD],
    )  # fmt: skip
    table = [{"folder": str(folder), "trained": record["rows"], "entities": record["entities"], **results}]
    console.show(table, given["format"], whole=written)


def _trained(corpora: Sequence[Corpus], split: str) -> list[Corpus]:
    """Return corpora cut to the documents of a split and to those of none, which are named as if of ``train``."""
    from dataclasses import replace

    from assay.errors import DataError

    found = []
    for corpus in corpora:
        kept = tuple(
            replace(document, split="train") for document in corpus.documents if document.split in (split, "")
        )
        if (
            not kept
            and split == "train"
            and len(corpus.splits) == 1
            and corpus.splits[0] not in ("dev", "test")
        ):
            kept = tuple(replace(document, split="train") for document in corpus.documents)
        if not kept:
            raise DataError(
                f"split must be one that {corpus.name} has: {', '.join(corpus.splits)}; got {split!r}."
            )
        found.append(replace(corpus, documents=kept))
    return found
