"""`assay embed`: records -> one matrix of vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.options import OUTPUT, flag


def embed(
    source: Annotated[str, typer.Argument(help="File, folder, glob, hub id or - .", show_default=False)],
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
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
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Embed records: OUT/embeddings.npy, a row a record, and OUT/ids.json. Finished rows are never embedded twice."""
    given = dict(locals())

    import numpy as np

    from assay._check import choice
    from assay._files import atomic, write_json
    from assay.cli import console, inputs, manifest
    from assay.cli.output import open_folder, staged
    from assay.errors import DataError

    choice("format", format, console.FORMATS)
    data = inputs.Given("records", source, shape=shape, limit=limit)
    if data.only_vectors:
        raise DataError(f"source must hold records; {source} holds vectors already.")
    reading = inputs.Reading(text, on_bad)
    embedding = inputs.Embedding(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache, engine, ray_address
    )
    talk = console.Talk(quiet)
    encode = inputs.check([data], reading, embedding)
    folder = open_folder(output, [source], overwrite=overwrite, resume=resume)
    with talk.stage("read", source):
        records = inputs.load(data, reading)
    encoding = embedding.fill([records], encode, talk, folder)
    counts = {
        "records": len(records),
        "distinct_texts": encoding["distinct_texts"],
        "skipped": len(records.skipped),
    }
    with staged(folder) as stage:
        with atomic(stage / "embeddings.npy") as f:
            np.save(f, records.matrix, allow_pickle=False)
        write_json(stage / "ids.json", records.ids)
        written = manifest.write(
            stage,
            embed,
            given,
            manifest.entries([records]),
            encoding=encoding,
            counts=counts,
            results={},
            talk=talk,
        )
    rows, width = records.matrix.shape
    file = str(folder / "embeddings.npy")
    table = [{"file": file, "rows": rows, "dimensions": width, "dtype": str(records.matrix.dtype)}]
    console.show(table, format, whole=written)
