"""`assay measure`: how varied are these sets, and how novel is each record."""

from __future__ import annotations

import types
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay import __version__
from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.cli.console import Talk
    from assay.cli.inputs import Embedding, Records

COLUMNS = ("set", "n", "measure", "value", "direction", "note")


def measure(
    sources: Annotated[
        list[str], typer.Argument(help="Sets: files, folders, globs, hub ids, vectors.", show_default=False)
    ],
    measures: options.Measures = "novelsum",
    reference: Annotated[
        str | None, flag("--reference", help="Source that density is measured against, or self.", panel=DATA)
    ] = None,
    reference_vectors: options.ReferenceVectors = None,
    set_options: Annotated[
        list[str] | None,
        flag(
            "--set",
            help="An option of another measure, such as knn_distance.neighbors=5; may be repeated. "
            "See: assay measures NAME.",
            panel=METHOD,
            metavar="MEASURE.OPTION=VALUE",
        ),
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
    engine: options.Engine = "local",
    ray_address: options.RayAddress = None,
    base_url: options.BaseUrl = None,
    cache: options.Cache = None,
    vectors: options.VectorsOfSets = None,
    vectors_column: options.VectorsColumn = None,
    output: options.ResultsFolder = None,
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
    from assay.diversity.together import check_engine
    from assay.diversity.together import settings as resolved
    from assay.errors import AssayWarning, DataError

    names = list(MEASURES) if measures == "all" else [name.strip() for name in measures.split(",")]
    for name in names:
        _check.known("measure", name, MEASURES, "assay measures")
    if per_row and names != ["novelsum"]:
        raise DataError(f"measures must be left out with per_row, which gives the novelty; got {measures!r}.")
    form = format or ("csv" if per_row else "table")
    _check.choice("format", form, console.FORMATS)
    _check.at_least("proximity_power", proximity_power, 0)
    _check.at_least("neighbors", neighbors, 1)
    of_novelsum: dict[str, Any] = {
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
    resolved("novelsum", of_novelsum | {"reference": reference})  # raises by an option that is wrong
    chosen, files_given = _set(set_options or [], names)
    chosen["novelsum"] = of_novelsum
    other = None if reference == "self" else reference
    data = inputs.sets_under(sources, vectors, other, reference_vectors, shape, limit)
    reading = inputs.Reading(text, on_bad, vectors_column)
    embedding = inputs.Embedding(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache, engine, ray_address
    )
    talk = console.Talk(quiet)
    check_engine(names, engine, embedding.spread["workers"])
    encode = inputs.check(data, reading, embedding)
    files = [entry for one in data for entry in (one.source, one.vectors) if entry is not None]
    files += [path for _, _, path in files_given]
    folder = None if output is None else open_folder(output, files, overwrite=overwrite, resume=resume)

    with talk.stage("read", ", ".join(one.source for one in data)):
        found = [inputs.load(one, reading) for one in data]
        beside = []
        for name, option, path in files_given:
            beside.append(inputs.load(inputs.Given(f"{name} {option}", path), inputs.Reading()))
            chosen[name][option] = beside[-1].matrix
    lexical = any(MEASURES[name].takes == "texts" for name in names)
    encoding = embedding.fill(found, encode, talk, folder, keep_texts=lexical)
    sets, against = found[: len(sources)], found[-1] if len(found) > len(sources) else None
    pool = reference if against is None else against.matrix
    sensitive = [name for name in names if MEASURES[name].moves_with_size]
    if sensitive and len({len(records) for records in sets}) > 1 and not (per_row and against is not None):
        sizes = ", ".join(f"{len(records):,}" for records in sets)
        warnings.warn(
            f"the sets have different sizes ({sizes}), and {', '.join(sensitive)} "
            f"depend{'s' if len(sensitive) == 1 else ''} on the size. "
            "Compare equal sizes: assay compare draws them.",
            AssayWarning,
            stacklevel=1,
        )
    settings = of_novelsum | {"reference": pool, "device": embedding.search_device, **embedding.spread}
    if per_row:
        rows = [row for records in sets for row in _rows(records, against, settings, talk)]
        whole: Any = rows
    else:
        results = [
            row for records in sets for row in _measured(names, records, pool, chosen, embedding, talk)
        ]
        rows = [{key: row[key] for key in COLUMNS} for row in results]
        whole = {
            "assay": __version__,
            "reference": reference,
            "results": results,
            "encoder": encoding["encoder"],
            "warnings": talk.warned,
        }
    if folder is not None:
        with staged(folder) as stage:
            write_json(stage / "measure.json", whole)
            counts = {records.given.source: len(records) for records in sets}
            manifest.write(
                stage,
                measure,
                given,
                manifest.entries([*found, *beside]),
                encoding=encoding,
                counts=counts,
                results=None if per_row else results,
                talk=talk,
            )
    console.show(rows, form, whole=whole)


def _measured(
    names: list[str],
    records: Records,
    pool: Any,
    chosen: dict[str, dict[str, Any]],
    embedding: Embedding,
    talk: Talk,
) -> list[dict[str, Any]]:
    """Return a row a measure, with its value or why there is none; a measure asked for alone raises instead."""
    from assay.diversity import MEASURES, together
    from assay.errors import DataError

    source = records.given.source
    with talk.stage("measure", f"{', '.join(names)} of {source}, {len(records):,} records") as progress:
        found = together(
            records.matrix,
            texts=records.texts or None,
            reference=pool,
            measures=names,
            options={name: chosen[name] for name in names if name in chosen},
            device=embedding.search_device,
            progress=progress,
            **embedding.spread,
        )
    rows = []
    for name, one in found.items():
        if one.value is None and len(names) == 1:
            raise DataError(
                one.reason if name in one.reason or name == "novelsum" else f"{name}: {one.reason}"
            )
        note = f"not computed: {one.reason}" if one.reason else " ".join(one.warnings)
        rows.append(
            {
                "set": source,
                "n": one.n if one.value is not None else len(records),
                "measure": name,
                "value": one.value,
                "direction": MEASURES[name].direction,
                "note": note,
                "parameters": one.parameters,
                "warnings": list(one.warnings),
            }
        )
    return rows


def _set(given: list[str], names: list[str]) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str, str]]]:
    """Return what ``--set`` gives to each measure, typed as its function says, and the files of vectors apart."""
    from assay import _check
    from assay.diversity import MEASURES
    from assay.diversity.together import check_options
    from assay.errors import DataError

    chosen: dict[str, dict[str, Any]] = {}
    files: list[tuple[str, str, str]] = []
    for entry in given:
        key, equals, value = entry.partition("=")
        name, dot, option = key.strip().partition(".")
        if not (equals and dot and option):
            raise DataError(f"set_options must be MEASURE.OPTION=VALUE; got {entry!r}.")
        _check.known("measure", name, MEASURES, "assay measures")
        check_options(name, [option])
        if name == "novelsum":
            raise DataError(
                f"set_options must be for other measures; got {entry!r}. Use --{option.replace('_', '-')}."
            )
        if option in ("reference", "device", "tokenizer"):
            raise DataError(
                f"set_options must not be {key}; "
                + ("a tokenizer is a function: use Python." if option == "tokenizer" else f"use --{option}.")
            )
        if name not in names:
            raise DataError(
                f"set_options must be for a measure that is computed; got {entry!r}. Add it to --measures."
            )
        if option in chosen.setdefault(name, {}):
            raise DataError(f"set_options must give {key} once; got it twice.")
        chosen[name][option] = _typed(key, value.strip(), MEASURES[name].function, option)
        if option == "centroids":
            if not Path(value).is_file():
                raise DataError(f"{key} must be an existing file; there is no {value}.")
            files.append((name, option, value.strip()))
    return chosen, files


def _typed(key: str, value: str, function: Callable[..., Any], option: str) -> Any:
    """Return a value as the type that the signature of the function gives to the option."""
    from assay import _check
    from assay.errors import DataError

    hint = typing.get_type_hints(function)[option]
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if types.NoneType in kinds and value == "none":
        return None
    if typing.get_origin(kinds[0]) is typing.Literal:
        allowed = {str(one): one for one in typing.get_args(kinds[0])}
        return allowed[_check.choice(key, value, allowed)]
    for kind, what in ((bool, "true or false"), (int, "a whole number"), (float, "a number")):
        if kind in kinds:
            try:
                return {"true": True, "false": False}[value] if kind is bool else kind(value)
            except (KeyError, ValueError):
                raise DataError(f"{key} must be {what}; got {value!r}.") from None
    return value


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
            run_on = {key: settings[key] for key in ("device", "engine", "workers")}
            near = knn(records.matrix, 1, reference=facing, metric="cosine", **run_on)
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
