"""The flags that several commands share, each worded once."""

from __future__ import annotations

from typing import Annotated

import typer

DATA, EMBEDDING, METHOD, OUTPUT = "Data", "Embedding", "Method", "Output"


def flag(*names: str, help: str, panel: str, metavar: str | None = None) -> typer.models.OptionInfo:
    """Return an option with the given help in the given panel; brackets in it are text, not markup."""
    option: typer.models.OptionInfo = typer.Option(
        *names, help=help.replace("[", r"\["), rich_help_panel=panel, metavar=metavar, show_default=True
    )
    return option


Shape = Annotated[
    str | None,
    flag("--from", help="Shape of the records; by default told from the rows.", panel=DATA, metavar="SHAPE"),
]
ReferenceVectors = Annotated[
    str | None, flag("--reference-vectors", help="Ready vectors of the reference.", panel=DATA)
]
OnBad = Annotated[
    str, flag("--on-bad", help="error: stop at an unreadable row; skip: drop and list them.", panel=DATA)
]
Limit = Annotated[
    int | None, flag("--limit", help="Read at most so many rows of the pool or of each set.", panel=DATA)
]
Text = Annotated[
    str,
    flag(
        "--text",
        help="What is embedded: all turns, or the instruction before the first answer.",
        panel=EMBEDDING,
    ),
]
Encoder = Annotated[
    str,
    flag(
        "--encoder",
        help="sentence, tfidf, hf:<path or id>, st:<path or id>, openai:<model>.",
        panel=EMBEDDING,
    ),
]
MaxTokens = Annotated[
    int | None, flag("--max-tokens", help="Tokens of each text that are read (256).", panel=EMBEDDING)
]
Pooling = Annotated[
    str | None, flag("--pooling", help="hf only: last (default), mean, weighted-mean.", panel=EMBEDDING)
]
BatchSize = Annotated[
    int, flag("--batch-size", help="Texts in one forward pass or request.", panel=EMBEDDING)
]
Device = Annotated[str, flag("--device", help="auto, cpu, cuda, cuda:1, ...", panel=EMBEDDING)]
Dtype = Annotated[str, flag("--dtype", help="Of the stored embeddings: float32 or float16.", panel=EMBEDDING)]
Workers = Annotated[
    int | None,
    flag("--workers", help="Processes that embed, requests in flight, or Ray workers.", panel=EMBEDDING),
]
Engine = Annotated[
    str, flag("--engine", help="local, or ray: workers on this machine or a cluster.", panel=EMBEDDING)
]
RayAddress = Annotated[
    str | None,
    flag(
        "--ray-address",
        help="Cluster of --engine ray: host:port of its head, or auto. By default Ray is started here.",
        panel=EMBEDDING,
    ),
]
BaseUrl = Annotated[
    str | None, flag("--base-url", help="Address of an OpenAI-compatible server.", panel=EMBEDDING)
]
Cache = Annotated[
    str | None,
    flag(
        "--cache",
        help="Folder of embeddings shared between runs; by default OUT/embeddings.",
        panel=EMBEDDING,
    ),
]
Vectors = Annotated[
    str | None,
    flag(
        "--vectors",
        help="Ready vectors, a row a record: .npy, .safetensors, .parquet, .json, .jsonl.",
        panel=EMBEDDING,
    ),
]
VectorsOfSets = Annotated[
    str | None, flag("--vectors", help="Ready vectors, one file a set, comma-separated.", panel=EMBEDDING)
]
VectorsColumn = Annotated[
    str | None, flag("--vectors-column", help="Column or tensor that holds the vectors.", panel=EMBEDDING)
]
Measures = Annotated[
    str, flag("--measures", help="Comma-separated, or all. See: assay measures.", panel=METHOD)
]
Variant = Annotated[
    str, flag("--variant", help="official: the released program; paper: the paper's figure.", panel=METHOD)
]
Neighbors = Annotated[
    int, flag("--neighbors", help="Nearest reference rows in the density (K).", panel=METHOD)
]
ProximityPower = Annotated[
    float, flag("--proximity-power", help="Exponent of the rank weight (alpha).", panel=METHOD)
]
DensitySide = Annotated[
    str | None, flag("--density-side", help="self, neighbor or both; by the variant.", panel=METHOD)
]
DensityStatistic = Annotated[
    str | None, flag("--density-statistic", help="mean_sq_l2 or sum_cosine; by the variant.", panel=METHOD)
]
RankBy = Annotated[str | None, flag("--rank-by", help="distance or weighted; by the variant.", panel=METHOD)]
ResultsFolder = Annotated[
    str | None, flag("--output", "-o", help="Folder for results, manifest and embeddings.", panel=OUTPUT)
]
Format = Annotated[str, flag("--format", help="How results print: table, json, csv or md.", panel=OUTPUT)]
Overwrite = Annotated[bool, flag("--overwrite", help="Replace an existing output.", panel=OUTPUT)]
Resume = Annotated[
    bool, flag("--resume", help="Go on with an interrupted run in the same output.", panel=OUTPUT)
]
Quiet = Annotated[bool, flag("--quiet", help="No talk on standard error.", panel=OUTPUT)]
