"""`assay study`: the papers' experiments end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, EMBEDDING, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.cli.inputs import Records
    from assay.data import Sample

TRAINING = "Training"


def diversity(
    sources: Annotated[
        list[str], typer.Argument(help="The pool: files, folders, globs, hub ids.", show_default=False)
    ],
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    model: Annotated[
        str, flag("--model", help="Local model or hub id to tune; tiny: one from scratch.", panel=TRAINING)
    ] = "tiny",
    sets: Annotated[int, flag("--sets", help="Data sets of each size.", panel=METHOD)] = 53,
    sizes: Annotated[str, flag("--sizes", help="Rows of a set, comma-separated.", panel=METHOD)] = "1000",
    seeds: Annotated[int, flag("--seeds", help="Fine-tunings of each set.", panel=METHOD)] = 3,
    heldout: Annotated[
        int, flag("--heldout", help="Rows of each domain to score on, in no set.", panel=METHOD)
    ] = 100,
    group_by: Annotated[
        str | None,
        flag("--group-by", help="Column that names each row's domain; by default its source.", panel=DATA),
    ] = None,
    metric: Annotated[
        str | None,
        flag(
            "--metric",
            help="Command that scores {model}: its last line is a number or a JSON object. By default held-out loss.",
            panel=METHOD,
        ),
    ] = None,
    lower_is_better: Annotated[
        str | None, flag("--lower-is-better", help="Scores of the command that are losses.", panel=METHOD)
    ] = None,
    method: Annotated[str, flag("--method", help="full or lora.", panel=TRAINING)] = "full",
    preset: Annotated[
        str, flag("--preset", help="Training settings, see: assay train --help.", panel=TRAINING)
    ] = "small",
    epochs: Annotated[int | None, flag("--epochs", help="Instead of the preset's.", panel=TRAINING)] = None,
    learning_rate: Annotated[
        float | None, flag("--learning-rate", help="Instead of the preset's.", panel=TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, flag("--batch-size", help="Instead of the preset's.", panel=TRAINING)
    ] = None,
    max_tokens: Annotated[
        int, flag("--max-tokens", help="Tokens of a row that are read.", panel=TRAINING)
    ] = 128,
    base_fraction: Annotated[
        float,
        flag("--base-fraction", help="Share of the rows that a tiny model learns from.", panel=TRAINING),
    ] = 0.25,
    base_epochs: Annotated[
        int, flag("--base-epochs", help="How often a tiny model sees them.", panel=TRAINING)
    ] = 1,
    keep_models: Annotated[
        bool,
        flag("--keep-models", help="Keep every tuned model; they are deleted once scored.", panel=OUTPUT),
    ] = False,
    encoder: Annotated[
        str, flag("--encoder", help="Measured beside the model's own embeddings.", panel=EMBEDDING)
    ] = "sentence",
    device: Annotated[str, flag("--device", help="auto, cpu, cuda, cuda:1, ...", panel=TRAINING)] = "auto",
    workers: Annotated[
        int | None,
        flag("--workers", help="Fine-tunings at a time; by default a core each if tiny.", panel=TRAINING),
    ] = None,
    seed: Annotated[
        int, flag("--seed", help="Of the split, the draws and the first training.", panel=METHOD)
    ] = 0,
    limit: options.Limit = None,
    on_bad: options.OnBad = "error",
    format: options.Format = "table",
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Build sets from one pool, tune a model on each, and see which measure of diversity predicts the result.

    OUT/results.csv has a row a set, OUT/correlations.csv every measure with intervals, OUT/report.html shows both.
    """
    given = dict(locals())

    from dataclasses import asdict

    from assay import _check
    from assay._files import read_json
    from assay.cli import console, inputs, manifest
    from assay.cli.output import open_folder, staged, write_csv
    from assay.errors import DataError
    from assay.report import write_page
    from assay.study import Tuning, conclude, diversity_study
    from assay.study.diversity import scores_by_seed
    from assay.study.page import sections
    from assay.training import PRESETS

    _check.choice("format", format, console.FORMATS)
    _check.choice("method", method, ("full", "lora"))
    _check.known("preset", preset, PRESETS, "assay train --help")
    try:
        numbers = [int(part) for part in sizes.split(",")]
    except ValueError:
        raise DataError(f"sizes must be whole numbers, comma-separated; got {sizes!r}.") from None
    if lower_is_better is not None and metric is None:
        raise DataError(f"lower_is_better must come with metric; got {lower_is_better!r} alone.")
    if group_by is not None and len(sources) > 1:
        raise DataError(f"group_by must come with one source; got {len(sources)}.")
    named = [name.strip() for name in (lower_is_better or "").split(",")]
    losses = ["loss"] if metric is None else [name for name in named if name]
    settings = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    tuning = Tuning(
        method=method, preset=preset, device=device, max_tokens=max_tokens, metric=metric, keep_models=keep_models,
        settings={name: value for name, value in settings.items() if value is not None},
    )  # fmt: skip
    talk = console.Talk(quiet)
    data = [inputs.Given("pool", source, None, None, limit) for source in sources]
    for one in data:
        if one.only_vectors:
            raise DataError(f"source must hold records; {one.source} holds vectors.")
    inputs.check(data, inputs.Reading("all", on_bad), inputs.Embedding(encoder=encoder))
    folder = open_folder(output, sources, overwrite=False, resume=resume)
    with talk.stage("read", ", ".join(sources)):
        found, pool = _read(data, on_bad, group_by)
    rows = diversity_study(
        pool, output=folder, model=model, encoder=encoder, sets=sets, sizes=numbers, seeds=seeds, heldout=heldout,
        base_fraction=base_fraction, base_epochs=base_epochs, tuning=tuning, lower_is_better=losses, workers=workers,
        seed=seed, stage=talk.stage,
    )  # fmt: skip
    write_csv(folder / "results.csv", rows)  # hours of work, whatever comes of the correlations
    untuned = read_json(folder / "untuned.json")["metrics"]
    metrics = ["loss"] if metric is None else list(untuned)
    with talk.stage("correlate", f"{len(rows)} sets"):
        concluded = []
        for size in sorted(set(numbers)):
            own = [row for row in rows if row["size"] == size]
            scores = [
                [score[metrics[0]] for score in scores_by_seed(folder, row["set"], seed, seeds)]
                for row in own
            ]
            concluded.append(
                conclude(own, metrics=metrics, lower_is_better=losses, by_seed=scores, seed=seed)
            )
    lines = [{"size": one.size, **asdict(row)} for one in concluded for row in one.correlations]
    with staged(folder) as stage:
        write_csv(stage / "results.csv", rows)
        write_csv(stage / "correlations.csv", lines)
        summary = [
            {"size": one.size, "agreement": one.agreement, "ceiling": one.ceiling, "left_out": one.left_out}
            for one in concluded
        ]
        write_page(
            stage / "report.html",
            title="Which measure of diversity predicts the tuned model?",
            sections=sections(rows, concluded, metrics, untuned),
        )
        counts = {"sets": len(rows), "fine-tunings": len(rows) * seeds, "pool": sum(map(len, pool.values()))}
        encoding = {"encoder": {"model": model, "encoder": encoder}}
        written = manifest.write(
            stage, diversity, given, manifest.entries(found), encoding=encoding, counts=counts,
            results={"untuned": untuned, "sizes": summary}, talk=talk,
        )  # fmt: skip
    talk.say(f"wrote results.csv, correlations.csv, report.html and manifest.json to {folder}")
    console.show(_best(lines, metrics), format, title="Correlation with the score, best first", whole=written)


def _read(
    data: list[Any], on_bad: str, group_by: str | None
) -> tuple[list[Records], dict[str, list[Sample]]]:
    """Return what the manifest needs of each source, and the samples by domain."""
    from assay.cli import inputs
    from assay.data import read
    from assay.errors import DataError

    found: list[Records] = []
    pool: dict[str, list[Sample]] = {}
    for one in data:
        records = inputs.opened(one)
        stem = one.source.rstrip("/").split("/")[-1].split(".")[0]
        name = stem if stem not in pool else f"{stem}-{len(found)}"
        for sample in read(records.path, limit=one.limit, on_bad=on_bad, skipped=records.skipped):
            if group_by is not None:
                if not isinstance(sample.row, dict) or group_by not in sample.row:
                    raise DataError(f"{sample.origin}: row must have a column {group_by!r}.")
                name = str(sample.row[group_by])
            pool.setdefault(name, []).append(sample)
            records.ids.append(sample.id)
        found.append(records)
    return found, pool


def _best(lines: list[dict[str, Any]], metrics: list[str]) -> list[dict[str, Any]]:
    """Return the lines that a person reads first: the joined score, all sets, sorted; the NovelSum grid aside."""
    from assay.diversity.correlate import JOINED
    from assay.study.conclusions import of_grid

    goal = metrics[0] if len(metrics) == 1 else JOINED
    chosen = [line for line in lines if line["performance"] == goal and not of_grid(line["measure"])]
    chosen.sort(key=lambda line: (line["size"], line["sets"], -line["mean"]))
    return [
        {
            "size": line["size"],
            "sets": line["sets"],
            "n": line["n"],
            "measure": line["measure"],
            "pearson": line["pearson"],
            "spearman": line["spearman"],
            "mean": line["mean"],
            "low": line["mean_low"],
            "high": line["mean_high"],
        }
        for line in chosen
    ]
