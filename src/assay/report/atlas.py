"""The rows of a report as a Parquet file for embedding-atlas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assay._files import atomic
from assay.report.findings import Choice, Findings, Pool

NEIGHBORS = 15


def write_atlas(path: str | Path, pool: Pool, choices: Sequence[Choice], findings: Findings) -> None:
    """Write a row a row of the pool: text, place in the plane, nearest rows, and what was chosen when.

    Columns: `id`, `text` (the excerpt), `x`, `y`, `neighbors` (``{"ids": [...], "distances": [...]}``, ids counting
    the rows of this file from 0, distances 1 - cosine), `density`, for each choice `order` (from 1,
    empty where not chosen) and `novelty`, and the label columns. Open it with ``embedding-atlas FILE --text text --x x
    --y y --neighbors neighbors``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, k = findings.neighbors.indices.shape
    offsets = pa.array(np.arange(0, n * k + 1, k, dtype=np.int32))
    near = {
        "ids": pa.ListArray.from_arrays(offsets, pa.array(findings.neighbors.indices.ravel())),
        "distances": pa.ListArray.from_arrays(
            offsets, pa.array(findings.neighbors.distances.ravel().astype(np.float32))
        ),
    }
    columns = {
        "id": pa.array(list(pool.ids)),
        "text": pa.array(list(pool.texts)),
        "x": pa.array(findings.points[:, 0]),
        "y": pa.array(findings.points[:, 1]),
        "neighbors": pa.StructArray.from_arrays(list(near.values()), names=list(near)),
    }
    if pool.density is not None:
        columns["density"] = pa.array(pool.density)
    for number, (choice, values) in enumerate(zip(choices, findings.novelty, strict=True), 1):
        order = np.zeros(n, dtype=np.int64)
        order[choice.rows] = np.arange(1, len(choice.rows) + 1)
        suffix = f"_{number}" if len(choices) > 1 else ""
        columns[f"order{suffix}"] = pa.array(order, mask=order == 0)
        columns[f"novelty{suffix}"] = pa.array(values)
    for name, labels in pool.columns.items():
        columns[name if name not in columns else f"{name}_column"] = pa.array(list(labels))
    with atomic(path) as f:
        pq.write_table(pa.table(columns), f)
