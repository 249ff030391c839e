"""`assay compare`: sets side by side at one size, with intervals."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.cli.inputs import Given
    from assay.diversity import Comparison


def compare(
    sources: Annotated[
        list[str], typer.Argument(help="Sets: files, folders, globs, hub ids, vectors.", show_default=False)
    ],
    measures: options.Measures = "novelsum",
    reference: Annotated[
        str | None,
        flag("--reference", help="Source that density is measured against, for all sets.", panel=DATA),
    ] = None,
    reference_vectors: options.ReferenceVectors = None,
    baseline: Annotated[
        str | None,
        flag("--baseline", help="Set that the others are compared with; by default the first.", panel=METHOD),
    ] = None,
    size: Annotated[
        int | None,
        flag("--size", help="Rows drawn from every set; by default those of the smallest.", panel=METHOD),
    ] = None,
    fraction: Annotated[
        float,
        flag("--fraction", help="Share that is drawn where a set has exactly so many rows.", panel=METHOD),
    ] = 0.5,
    repeats: Annotated[
        int, flag("--repeats", help="Draws from every set, without replacement.", panel=METHOD)
    ] = 50,
    confidence: Annotated[
        float, flag("--confidence", help="Share of the draws inside an interval.", panel=METHOD)
    ] = 0.95,
    seed: Annotated[int, flag("--seed", help="Seed of the draws.", panel=METHOD)] = 0,
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
    vectors: options.VectorsOfSets = None,
    vectors_column: options.VectorsColumn = None,
    output: options.ResultsFolder = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare sets at one size: each measure over repeated draws, with intervals, and how far each is from a baseline.

    The same number of rows is drawn from every set, without replacement. Where the interval of a difference leaves out
    0, draws of that size tell the two sets apart.
    """
    given = dict(locals())

    from assay import _check
    from assay._files import write_json
    from assay.cli import console, inputs, manifest
    from assay.cli.output import open_folder, staged
    from assay.diversity import MEASURES
    from assay.diversity import compare as comparisons
    from assay.diversity.compare import check_draws
    from assay.diversity.novelsum import resolve_density_power, resolve_variant
    from assay.errors import DataError

    names = list(MEASURES) if measures == "all" else [name.strip() for name in measures.split(",")]
    for name in names:
        _check.known("measure", name, MEASURES, "assay measures")
    _check.choice("format", format, console.FORMATS)
    if len(set(sources)) != len(sources):
        raise DataError(f"sources must be different sets; got {', '.join(sources)}.")
    if baseline is not None:
        _check.choice("baseline", baseline, sources)
    check_draws(size, fraction, repeats, confidence)
    _check.at_least("proximity_power", proximity_power, 0)
    _check.at_least("neighbors", neighbors, 1)
    resolve_variant(variant)
    power = resolve_density_power(density_power, reference is not None)
    if reference == "self":
        raise DataError("reference must be one source for all sets; got self.")
    data = inputs.sets_under(sources, vectors, reference, reference_vectors, shape, limit)
    reading = inputs.Reading(text, on_bad, vectors_column)
    embedding = inputs.Embedding(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache
    )
    talk = console.Talk(quiet)
    encode = inputs.check(data, reading, embedding)
    _one_encoder(data)
    files = [entry for one in data for entry in (one.source, one.vectors) if entry is not None]
    folder = None if output is None else open_folder(output, files, overwrite=overwrite, resume=resume)

    with talk.stage("read", ", ".join(one.source for one in data)):
        found = [inputs.load(one, reading) for one in data]
    lexical = any(MEASURES[name].takes == "texts" for name in names)
    encoding = embedding.fill(found, encode, talk, folder, keep_texts=lexical)
    sets, other = found[: len(sources)], found[-1] if len(found) > len(sources) else None
    with talk.stage("compare", f"{len(sets)} sets, {len(names)} measures, {repeats} draws each") as progress:
        results = comparisons(
            {records.given.source: records.matrix for records in sets},
            measures=names,
            reference=None if other is None else other.matrix,
            texts={records.given.source: records.texts for records in sets if records.texts},
            options={
                "novelsum": {
                    "variant": variant,
                    "neighbors": neighbors,
                    "density_power": density_power,
                    "proximity_power": proximity_power,
                    "device": embedding.search_device,
                }
            }
            if "novelsum" in names
            else None,
            baseline=baseline,
            size=size,
            fraction=fraction,
            repeats=repeats,
            confidence=confidence,
            seed=seed,
            progress=progress,
        )
    drawn = results[0].size
    talk.say(
        f"each value is the mean of {repeats} draws of {drawn:,} rows; brackets hold {confidence:.0%} of them"
    )
    rows = [asdict(row) for row in results]
    whole = {
        "results": rows,
        "parameters": {
            "reference": reference,
            "baseline": baseline or sources[0],
            "size": drawn,
            "fraction_of_each": {records.given.source: drawn / len(records) for records in sets},
            "repeats": repeats,
            "confidence": confidence,
            "seed": seed,
            "variant": variant,
            "neighbors": neighbors,
            "proximity_power": proximity_power,
            "density_power": power,
        },
        "encoder": encoding["encoder"],
        "warnings": talk.warned,
    }
    if folder is not None:
        with staged(folder) as stage:
            write_json(stage / "compare.json", whole)
            counts = {records.given.source: len(records) for records in sets}
            manifest.write(
                stage,
                compare,
                given,
                manifest.entries(found),
                encoding=encoding,
                counts=counts,
                results=rows,
                talk=talk,
            )
    console.show(rows if format in ("json", "csv") else _folded(results), format, whole=whole)


def _one_encoder(data: Sequence[Given]) -> None:
    """Raise if ready vectors lie beside manifests that name different encoders."""
    from pathlib import Path

    from assay.cli.output import MANIFEST
    from assay.errors import DataError

    known: dict[str, Any] = {}
    for one in data:
        file = Path(one.vectors or one.source)
        if one.ready and (encoder := _declared(file.parent / MANIFEST, file.name)) is not None:
            known[str(file)] = encoder
    for file_name, encoder in known.items():
        first = next(iter(known))
        keys = [key for key in {**known[first], **encoder} if known[first].get(key) != encoder.get(key)]
        if keys:
            there, here = (
                ", ".join(f"{key} {of.get(key)}" for key in keys) for of in (known[first], encoder)
            )
            raise DataError(
                f"every set must be embedded by one encoder; {first} has {there}, and {file_name} has {here}. "
                "Vectors of different encoders do not compare."
            )


def _declared(manifest: Any, name: str) -> dict[str, Any] | None:
    """Return the encoder that a manifest gives for a file it wrote, if it does."""
    from assay._files import read_json
    from assay.errors import DataError

    try:
        content = read_json(manifest)
    except DataError:  # none there, or something else
        return None
    if not isinstance(content, dict) or name not in (content.get("outputs") or {}):
        return None
    encoder = content.get("encoder")
    return encoder if isinstance(encoder, dict) else None


def _folded(results: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return results for a person: each value with its interval in one cell."""
    from assay.cli.console import spread

    rows = []
    for row in results:
        shown: dict[str, Any] = {
            "set": row.set,
            "measure": row.measure,
            "n": row.n,
            "drawn": row.size,
            "value": f"not computed: {row.reason}"
            if row.reason
            else spread(row.value, row.low, row.high, ".4g"),
            "difference": spread(row.difference, row.difference_low, row.difference_high, ".4g"),
        }
        rows.append(shown)
    return rows
