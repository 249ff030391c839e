"""`assay measure`: how varied are these sets, and how novel is each record."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.cli.console import Talk
    from assay.cli.inputs import Records


def measure(
    sources: Annotated[
        list[str], typer.Argument(help="Sets: files, folders, globs, hub ids, vectors.", show_default=False)
    ],
    measures: Annotated[
        str, flag("--measures", help="Comma-separated, or all. See: assay measures.", panel=METHOD)
    ] = "novelsum",
    reference: Annotated[
        str | None, flag("--reference", help="Source that density is measured against, or self.", panel=DATA)
    ] = None,
    reference_vectors: Annotated[
        str | None, flag("--reference-vectors", help="Ready vectors of the reference.", panel=DATA)
    ] = None,
    per_row: Annotated[
        bool,
        flag(
            "--per-row", help="One line a record: its novelty, against the reference if given.", panel=OUTPUT
        ),
    ] = False,
    variant: options.Variant = "official",
    neighbors: options.Neighbors = 10,
    density_power: Annotated[
        float | None,
        flag(
            "--density-power",
            help="Exponent of the density (beta): 0.5, or 0 without a reference.",
            panel=METHOD,
        ),
    ] = None,
    proximity_power: options.ProximityPower = 1.0,
    density_side: options.DensitySide = None,
    density_statistic: options.DensityStatistic = None,
    rank_by: options.RankBy = None,
    include_self: Annotated[
        bool | None,
        flag(
            "--include-self/--without-self",
            help="Whether a record's distance 0 to itself counts.",
            panel=METHOD,
        ),
    ] = None,
    reduction: Annotated[
        str | None, flag("--reduction", help="mean or sum; by the variant.", panel=METHOD)
    ] = None,
    shape: options.Shape = None,
    on_bad: options.OnBad = "error",
    limit: options.Limit = None,
    text: options.Text = "all",
    encoder: options.Encoder = "sentence",
    max_tokens: options.MaxTokens = None,
    pooling: options.Pooling = None,
    batch_size: options.BatchSize = 32,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    workers: options.Workers = None,
    base_url: options.BaseUrl = None,
    cache: options.Cache = None,
    vectors: Annotated[
        str | None,
        flag("--vectors", help="Ready vectors, one file a set, comma-separated.", panel="Embedding"),
    ] = None,
    vectors_column: options.VectorsColumn = None,
    output: Annotated[
        str | None, flag("--output", "-o", help="Folder for results, manifest and embeddings.", panel=OUTPUT)
    ] = None,
    format: Annotated[
        str | None, flag("--format", help="table, json, csv or md; per row csv, else table.", panel=OUTPUT)
    ] = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how diverse each set is. Compare sets of one size, embedded by one encoder, under one reference."""
    given = dict(locals())

    from assay import _check
    from assay._files import write_json
    from assay.cli import console, inputs, manifest
    from assay.cli.output import open_folder, staged
    from assay.diversity import MEASURES
    from assay.errors import AssayWarning, DataError

    names = list(MEASURES) if measures == "all" else [name.strip() for name in measures.split(",")]
    for name in names:
        _check.known("measure", name, MEASURES, "assay measures")
    if per_row and names != ["novelsum"]:
        raise DataError(f"measures must be left out with per_row, which gives the novelty; got {measures!r}.")
    form = format or ("csv" if per_row else "table")
    _check.choice("format", form, console.FORMATS)
    ready = [None] * len(sources) if vectors is None else vectors.split(",")
    if len(ready) != len(sources):
        raise DataError(f"vectors must name one file a set ({len(sources)}); got {len(ready)}.")
    _check.at_least("proximity_power", proximity_power, 0)
    _check.at_least("neighbors", neighbors, 1)
    settings: dict[str, Any] = {
        "variant": variant,
        "neighbors": neighbors,
        "density_power": density_power,
        "proximity_power": proximity_power,
        "density_side": density_side,
        "density_statistic": density_statistic,
        "include_self": include_self,
        "reduction": reduction,
        "rank_by": rank_by,
    }
    resolved = _resolved(settings, reference)
    data = [
        inputs.Given("set", source, file, shape, limit) for source, file in zip(sources, ready, strict=True)
    ]
    if reference not in (None, "self"):
        data.append(inputs.Given("reference", str(reference), reference_vectors))
    elif reference_vectors is not None:
        raise DataError("reference_vectors must come with a source as reference; got none.")
    reading = inputs.Reading(text, on_bad, vectors_column)
    embedding = inputs.Embedding(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache
    )
    talk = console.Talk(quiet)
    encode = inputs.check(data, reading, embedding)
    files = [entry for one in data for entry in (one.source, one.vectors) if entry is not None]
    folder = None if output is None else open_folder(output, files, overwrite=overwrite, resume=resume)

    with talk.stage("read", ", ".join(one.source for one in data)):
        found = [inputs.load(one, reading) for one in data]
    lexical = any(MEASURES[name].takes == "texts" for name in names)
    encoding = embedding.fill(found, encode, talk, folder, keep_texts=lexical)
    sets, other = found[: len(sources)], found[-1] if len(found) > len(sources) else None
    settings |= {"reference": reference if other is None else other.matrix, "device": embedding.search_device}
    if len({len(records) for records in sets}) > 1 and not (per_row and other is not None):
        sizes = ", ".join(f"{len(records):,}" for records in sets)
        warnings.warn(
            f"the sets have different sizes ({sizes}), and {', '.join(names)} depends on the size. "
            "Compare equal sizes, for instance with --limit.",
            AssayWarning,
            stacklevel=1,
        )
    if per_row:
        rows = [row for records in sets for row in _rows(records, other, settings, talk)]
        whole: Any = rows
    else:
        rows = []
        for records in sets:
            for name in names:
                value, reason = _measured(name, records, other, settings, talk, alone=len(names) == 1)
                rows.append(
                    {
                        "set": records.given.source,
                        "n": len(records),
                        "measure": name,
                        "value": value,
                        "direction": reason or MEASURES[name].direction,
                    }
                )
        whole = {
            "results": rows,
            "parameters": resolved,
            "encoder": encoding["encoder"],
            "warnings": talk.warned,
        }
    if folder is not None:
        with staged(folder) as stage:
            write_json(stage / "measure.json", whole)
            counts = {records.given.source: len(records) for records in sets}
            results = None if per_row else rows
            manifest.write(
                stage, measure, given, found, encoding=encoding, counts=counts, results=results, talk=talk
            )
    console.show(rows, form, whole=whole)


def _measured(
    name: str, records: Records, other: Records | None, settings: dict[str, Any], talk: Talk, *, alone: bool
) -> tuple[float | None, str]:
    """Return the value of a measure, or None and the reason; a measure asked for `alone` raises instead."""
    from assay.diversity import MEASURES
    from assay.errors import DataError

    row = MEASURES[name]
    options = settings if name == "novelsum" else {}
    if row.reference == "required":
        options = {"reference": None if other is None else other.matrix}
    with talk.stage(f"measure {name}", f"{records.given.source}, {len(records):,} records"):
        try:
            if row.reference == "required" and other is None:
                raise DataError(f"reference must be a source for {name}; got none.")
            if row.takes == "texts" and not records.texts:
                raise DataError(f"{name} needs texts; {records.given.source} holds vectors only.")
            return row.function(records.texts if row.takes == "texts" else records.matrix, **options), ""
        except DataError as error:
            if alone:
                raise
            return None, f"not computed: {error}"


def _resolved(settings: dict[str, Any], reference: str | None) -> dict[str, Any]:
    """Return what the options come to, for the result; raise by one that is wrong."""
    from assay.diversity.novelsum import resolve_density_power, resolve_variant

    form = resolve_variant(
        settings["variant"], settings["density_side"], settings["density_statistic"], settings["include_self"],
        settings["reduction"], settings["rank_by"],
    )  # fmt: skip
    return {
        "reference": reference,
        "variant": settings["variant"],
        "neighbors": settings["neighbors"],
        "proximity_power": settings["proximity_power"],
        "density_power": resolve_density_power(settings["density_power"], reference is not None),
        "density_side": form.density_side,
        "density_statistic": form.density_statistic,
        "include_self": form.include_self,
        "reduction": form.reduction,
        "rank_by": form.rank_by,
    }


def _rows(
    records: Records, other: Records | None, settings: dict[str, Any], talk: Talk
) -> list[dict[str, Any]]:
    """Return a line a record: novelty in its set, or against the reference alone, with the nearest row there."""
    from assay.diversity import novelty
    from assay.neighbors import knn

    facing = None if other is None else other.matrix
    source = records.given.source
    with talk.stage("novelty", f"{source}, {len(records):,} records"):
        values = novelty(records.matrix, against=facing, **settings)
        near = None
        if facing is not None or len(records) > 1:
            near = knn(records.matrix, 1, reference=facing, metric="cosine", device=settings["device"])
    names = records.ids if other is None else other.ids
    return [
        {
            "set": source,
            "row": row,
            "id": records.ids[row],
            "novelty": float(values[row]),
            "nearest_distance": None if near is None else float(near.distances[row, 0]),
            "nearest_row": None if near is None else int(near.indices[row, 0]),
            "nearest_id": None if near is None else names[int(near.indices[row, 0])],
        }
        for row in range(len(records))
    ]
