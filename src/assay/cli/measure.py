"""`assay measure`: how varied are these sets, and how novel is each record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
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
    from assay._files import new_folder, write_json
    from assay.cli import console, inputs, manifest
    from assay.diversity import MEASURES
    from assay.errors import DataError

    names = list(MEASURES) if measures == "all" else measures.split(",")
    for name in names:
        _check.known("measure", name, MEASURES, "assay measures")
    form = format or ("csv" if per_row else "table")
    _check.choice("format", form, console.FORMATS)
    ready = [None] * len(sources) if vectors is None else vectors.split(",")
    if len(ready) != len(sources):
        raise DataError(f"vectors must name one file a set ({len(sources)}); got {len(ready)}.")
    folder = None if output is None else new_folder(output, overwrite=overwrite, resume=resume)
    talk = console.Talk(quiet)
    reading = {"shape": shape, "rule": text, "on_bad": on_bad, "vectors_column": vectors_column}
    with talk.stage("read", ", ".join(sources)):
        sets = [
            inputs.load(source, limit=limit, vectors=file, **reading)
            for source, file in zip(sources, ready, strict=True)
        ]
        other = None
        if reference not in (None, "self"):
            other = inputs.load(str(reference), vectors=reference_vectors, **(reading | {"shape": None}))
    embedder = inputs.Embedder(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache
    )
    encoding = embedder.fill([*sets, *([] if other is None else [other])], talk, folder)
    settings: dict[str, Any] = {
        "reference": reference if other is None else other.vectors,
        "variant": variant,
        "neighbors": neighbors,
        "density_power": density_power,
        "proximity_power": proximity_power,
        "density_side": density_side,
        "density_statistic": density_statistic,
        "include_self": include_self,
        "reduction": reduction,
        "rank_by": rank_by,
        "device": embedder.search_device,
    }
    if per_row:
        rows = [row for records in sets for row in _rows(records, other, settings, talk)]
        whole: Any = rows
    else:
        rows = []
        for records in sets:
            for name in names:
                with talk.stage(f"measure {name}", f"{records.source}, {len(records):,} records"):
                    value = MEASURES[name].function(records.vectors, **settings)
                rows.append({"set": records.source, "n": len(records), "measure": name, "value": value,
                             "direction": MEASURES[name].direction})  # fmt: skip
        if len({len(records) for records in sets}) > 1:
            sizes = ", ".join(f"{len(records):,}" for records in sets)
            talk.say(
                f"warning: the sets have different sizes ({sizes}), and {', '.join(names)} depends on the size. "
                "Compare equal sizes, for instance with --limit."
            )
        resolved = _resolved(settings, other, reference)
        whole = {
            "results": rows,
            "parameters": resolved,
            "encoder": encoding["encoder"],
            "warnings": console.warned,
        }
    if folder is not None:
        write_json(folder / "measure.json", whole)
        named = [("set", records) for records in sets] + ([] if other is None else [("reference", other)])
        extra = [("vectors", file) for file in ready] + [("reference vectors", reference_vectors)]
        manifest.write(
            folder,
            "measure",
            given,
            sources=manifest.inputs(named, extra),
            encoding=encoding,
            counts={records.source: len(records) for records in sets},
            results=None if per_row else rows,
            outputs=["measure.json"],
            talk=talk,
        )
    console.show(rows, form, whole=whole)


def _resolved(settings: dict[str, Any], other: Records | None, reference: str | None) -> dict[str, Any]:
    """Return what the options came to, for the result."""
    from assay.diversity.novelsum import resolve_density_power, resolve_variant

    form = resolve_variant(
        settings["variant"], settings["density_side"], settings["density_statistic"], settings["include_self"],
        settings["reduction"], settings["rank_by"],
    )  # fmt: skip
    return {
        "reference": reference if other is None else other.source,
        "variant": settings["variant"],
        "neighbors": settings["neighbors"],
        "proximity_power": settings["proximity_power"],
        "density_power": resolve_density_power(settings["density_power"], settings["reference"] is not None),
        "density_side": form.density_side,
        "density_statistic": form.density_statistic,
        "include_self": form.include_self,
        "reduction": form.reduction,
        "rank_by": form.rank_by,
    }


def _rows(
    records: Records, other: Records | None, settings: dict[str, Any], talk: Any
) -> list[dict[str, Any]]:
    """Return a line a record: novelty in its set, or against the reference alone, with the nearest row there."""
    from assay.diversity import novelty
    from assay.neighbors import knn

    assert records.vectors is not None
    with talk.stage("novelty", f"{records.source}, {len(records):,} records"):
        if other is None:
            values = novelty(records.vectors, **settings)
            near = knn(records.vectors, 1, metric="cosine") if len(records) > 1 else None
            names = records.ids
        else:
            values = novelty(records.vectors, against=other.vectors, **settings)
            near = knn(
                records.vectors, 1, reference=other.vectors, metric="cosine", device=settings["device"]
            )
            names = other.ids
    return [
        {
            "set": records.source,
            "row": row,
            "id": records.ids[row],
            "novelty": float(values[row]),
            "nearest_distance": None if near is None else float(near.distances[row, 0]),
            "nearest_row": None if near is None else int(near.indices[row, 0]),
            "nearest_id": None if near is None else names[int(near.indices[row, 0])],
        }
        for row in range(len(records))
    ]
