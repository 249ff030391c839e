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

    from assay._files import atomic, new_folder, write_json
    from assay.cli import console, inputs, manifest
    from assay.errors import DataError

    if source.endswith(inputs.VECTOR_FILES):
        raise DataError(f"source must hold records; {source} holds vectors already.")
    folder = new_folder(output, overwrite=overwrite, resume=resume)
    talk = console.Talk(quiet)
    with talk.stage("read", source):
        records = inputs.load(source, shape=shape, rule=text, limit=limit, on_bad=on_bad)
    embedder = inputs.Embedder(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache
    )
    encoding = embedder.fill([records], talk, folder)
    assert records.vectors is not None
    with atomic(folder / "embeddings.npy") as f:
        np.save(f, records.vectors, allow_pickle=False)
    write_json(folder / "ids.json", records.ids)
    written = manifest.write(
        folder,
        "embed",
        given,
        sources=manifest.inputs([("records", records)]),
        encoding=encoding,
        counts={
            "records": len(records),
            "distinct_texts": encoding["distinct_texts"],
            "skipped": len(records.skipped),
        },
        results={},
        outputs=["embeddings.npy", "ids.json"],
        talk=talk,
    )
    rows, width = records.vectors.shape
    table = [
        {
            "file": str(folder / "embeddings.npy"),
            "rows": rows,
            "dimensions": width,
            "dtype": str(records.vectors.dtype),
        }
    ]
    console.show(table, format, whole=written)
