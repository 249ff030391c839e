"""`assay select`: a smaller, more varied set out of a pool, in the shape it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from assay.cli.console import Talk
    from assay.cli.inputs import Given, Records
    from assay.select import Selection


def select(
    source: Annotated[
        str, typer.Argument(help="Pool: file, folder, glob, hub id, vectors, or - .", show_default=False)
    ],
    budget: Annotated[
        str, flag("--budget", help="Rows to choose: a number, or a share such as 10%.", panel=METHOD)
    ],
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    method: Annotated[str, flag("--method", help="See: assay selectors.", panel=METHOD)] = "novelselect",
    seed: Annotated[
        int | None, flag("--seed", help="By default the method's own, see: assay selectors.", panel=METHOD)
    ] = None,
    start: Annotated[
        str | None, flag("--start", help="First row: a number, random or densest.", panel=METHOD)
    ] = None,
    initial: Annotated[
        str | None,
        flag("--initial", help="Records that are kept already; the choice is made beside them.", panel=DATA),
    ] = None,
    initial_vectors: Annotated[
        str | None, flag("--initial-vectors", help="Ready vectors of the kept records.", panel=DATA)
    ] = None,
    reference: Annotated[
        str,
        flag("--reference", help="What density is measured against: pool, none, or a source.", panel=DATA),
    ] = "pool",
    reference_vectors: options.ReferenceVectors = None,
    quality: Annotated[
        str | None,
        flag(
            "--quality", help="Column with a score: weighs each row, or ranks it (score_first).", panel=METHOD
        ),
    ] = None,
    quality_power: Annotated[
        float, flag("--quality-power", help="Exponent of the score.", panel=METHOD)
    ] = 1.0,
    quality_weight: Annotated[
        float | None,
        flag(
            "--quality-weight", help="Share of a score from 0 to 1 in facility_location (0.05).", panel=METHOD
        ),
    ] = None,
    threshold: Annotated[
        str | None,
        flag(
            "--threshold",
            help="Largest cosine with a chosen row that passes a filter (0.9), or none.",
            panel=METHOD,
        ),
    ] = None,
    n_clusters: Annotated[
        int | None, flag("--n-clusters", help="Clusters of kmeans (100).", panel=METHOD)
    ] = None,
    group_by: Annotated[
        str | None, flag("--group-by", help="Column that names each row's group.", panel=METHOD)
    ] = None,
    max_per_group: Annotated[
        int | None, flag("--max-per-group", help="Most rows to choose from one group.", panel=METHOD)
    ] = None,
    skip_duplicates: Annotated[
        bool,
        flag(
            "--skip-duplicates",
            help="Choose no row whose embedding equals that of a chosen one.",
            panel=METHOD,
        ),
    ] = False,
    compare: Annotated[
        str,
        flag(
            "--compare", help="Methods to measure beside the choice, comma-separated, or none.", panel=OUTPUT
        ),
    ] = "random",
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
    memory_gb: Annotated[
        float | None,
        flag("--memory-gb", help="Most memory for choosing, beside the vectors (8).", panel=METHOD),
    ] = None,
    parts: Annotated[
        int | None,
        flag(
            "--parts",
            help="Choose from so many parts of the pool first, then from what they gave.",
            panel=METHOD,
        ),
    ] = None,
    shape: options.Shape = None,
    to: Annotated[
        str | None, flag("--to", help="Shape to write; by default the pool's.", panel=OUTPUT)
    ] = None,
    trainer: Annotated[
        str | None,
        flag("--trainer", help="Write what llamafactory, trl or axolotl needs beside it.", panel=OUTPUT),
    ] = None,
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
    vectors: options.Vectors = None,
    vectors_column: options.VectorsColumn = None,
    push: Annotated[
        str | None, flag("--push", help="Upload the result to the hub data set org/name.", panel=OUTPUT)
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Choose a smaller, more varied set: OUT/selected in the pool's own shape, beside a random set's measure."""
    given = dict(locals())

    import numpy as np

    from assay import _check
    from assay.cli import choosing, console, inputs, manifest
    from assay.cli.output import MANIFEST, open_folder, staged
    from assay.data import FORMATS, TRAINERS, hub, selected_name, trainer_snippet
    from assay.diversity import novelsum
    from assay.errors import DataError
    from assay.select import SELECTORS, nearest_earlier

    # what can be known to be wrong is said before anything is read
    methods = choosing.methods(method, compare)
    settings = choosing.settings(
        methods, initial=initial is not None, start=start, quality=quality, quality_power=quality_power,
        quality_weight=quality_weight, threshold=threshold, n_clusters=n_clusters, group_by=group_by,
        max_per_group=max_per_group, skip_duplicates=skip_duplicates, seed=seed, variant=variant,
        neighbors=neighbors, density_power=density_power, proximity_power=proximity_power, density_side=density_side,
        density_statistic=density_statistic, rank_by=rank_by, memory_gb=memory_gb, parts=parts,
        with_reference=reference != "none",
    )  # fmt: skip
    wanted = choosing.Budget(budget)
    _check.choice("format", format, console.FORMATS)
    for name, value, known in (("to", to, list(FORMATS)), ("trainer", trainer, list(TRAINERS))):
        if value is not None:
            _check.choice(name, value, known)
    columns = tuple(name for name in (quality, group_by) if name is not None)
    pool_given = inputs.Given("pool", source, vectors, shape, limit, columns)
    data = [pool_given, *beside(initial, initial_vectors, reference, reference_vectors)]
    for name, value in (("to", to), ("trainer", trainer), ("push", push)):
        if value is not None and pool_given.only_vectors:
            raise DataError(
                f"{name} must be left out for a pool of vectors, which has no records; got {value!r}."
            )
    if push is not None:
        hub.token_for(push)
    reading = inputs.Reading(text, on_bad, vectors_column)
    embedding = inputs.Embedding(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache, engine, ray_address
    )
    talk = console.Talk(quiet)
    encode = inputs.check(data, reading, embedding)
    files = [entry for one in data for entry in (one.source, one.vectors) if entry is not None]
    folder = open_folder(output, files, overwrite=overwrite, resume=resume)
    keep = choosing.Keep(folder, resume)

    with talk.stage("read", source):
        sets = [inputs.load(one, reading) for one in data]
    by_role = {records.given.role: records for records in sets}
    pool, kept, other = by_role["pool"], by_role.get("initial"), by_role.get("reference")
    k = wanted.rows(len(pool))
    if quality is not None:
        weighs = "quality_power" in SELECTORS[method].options  # the others take scores of 0 and below, too
        settings["quality"] = inputs.numbers(pool, quality, positive=weighs)
    if group_by is not None:
        settings["groups"] = [str(value) for value in pool.columns[group_by]]
    encoding = embedding.fill(sets, encode, talk, folder)
    matrix, inside = pool.matrix, np.empty(0, dtype=np.int64)
    if kept is not None:
        # rows that are kept already stand beyond the pool's end: in the set from the start, and no candidates
        _check.same_width("pool", matrix, "initial", kept.matrix)
        inside = np.arange(len(matrix), len(matrix) + len(kept))
        matrix = np.concatenate([matrix, kept.matrix])
    most = k + len(inside)
    choosing.check_memory(methods, matrix, most, settings, embedding.search_device, **embedding.spread)
    if reference != "none":
        against = pool.matrix if other is None else other.matrix
        settings["density"] = choosing.density(
            matrix, against, settings, embedding.search_device, talk, keep=keep, **embedding.spread
        )
    settings |= embedding.spread | {"device": embedding.search_device}
    selection = choosing.choose(method, matrix, k, inside, settings, talk, keep=keep)
    chosen = {method: selection}
    for name in methods[1:]:  # as many rows as the method found, which a filter may leave short of the budget
        size = len(selection.indices)
        chosen[name] = choosing.choose(name, matrix, size, inside, settings, talk, keep=keep, plain=True)
    results: dict[str, Any] = {}
    with talk.stage("measure"):
        for name, found in chosen.items():
            rows = np.concatenate([found.indices, inside])
            results["selected" if name == method else name] = novelsum(
                matrix[rows], **choosing.measuring(settings, rows)
            )
        near = nearest_earlier(matrix, selection.indices, inside.tolist())

    if pool.shape is None:  # records are read again below, and looked at then
        pool.check_unchanged()
    with staged(folder) as stage:
        outputs = ["selection.csv"]
        _write_table(stage / "selection.csv", selection, pool.ids, settings.get("density"), near)
        if pool.shape is not None:
            outputs.insert(0, selected_name(pool.path))
            _write_records(stage / outputs[0], pool, selection, to, on_bad)
            if trainer is not None:
                snippet, content = trainer_snippet(stage / outputs[0], to or pool.shape, trainer)
                (stage / snippet).write_text(content, encoding="utf-8")
                outputs.append(snippet)
        counts = {
            "pool": len(pool),
            "selected": len(selection.indices),
            "initial": len(inside),
            "skipped": len(pool.skipped),
        }
        if "distinct_texts" in encoding:
            counts["distinct_texts"] = encoding["distinct_texts"]
        found_out = {
            "novelsum": results,
            "selection": dict(selection.parameters),
            "facts": dict(selection.facts),
        }
        written = manifest.write(
            stage,
            select,
            given,
            manifest.entries(sets),
            encoding=encoding,
            counts=counts,
            results=found_out,
            talk=talk,
        )
    keep.clear()
    outputs.append(MANIFEST)
    talk.say(f"wrote {', '.join(outputs)} to {folder}")
    table = [
        {
            "set": f"{name} ({method})" if name == "selected" else name,
            "n": len(found.indices) + len(inside),
            "novelsum": value,
        }
        for (name, value), found in zip(results.items(), chosen.values(), strict=True)
    ]
    console.show(table, format, title=f"NovelSum ({variant}), higher is more diverse", whole=written)
    if push is not None:
        _push(folder, outputs, push, written, overwrite, talk)


def beside(
    initial: str | None, initial_vectors: str | None, reference: str, reference_vectors: str | None
) -> list[Given]:
    """Return the data arguments beside the pool."""
    from assay.cli.inputs import Given
    from assay.errors import DataError

    found = []
    if initial is not None:
        found.append(Given("initial", initial, initial_vectors))
    elif initial_vectors is not None:
        raise DataError(f"initial_vectors must come with initial; got {initial_vectors!r} alone.")
    if reference not in ("pool", "none"):
        found.append(Given("reference", reference, reference_vectors))
    elif reference_vectors is not None:
        raise DataError(
            f"reference_vectors must come with a source as reference; got reference {reference!r}."
        )
    return found


def _write_table(
    path: Path,
    selection: Selection,
    ids: list[str],
    density: NDArray[np.float64] | None,
    near: NDArray[np.float64],
) -> None:
    """Write selection.csv: a row a choice, in order; empty where there is no value."""
    import csv

    from assay._files import atomic

    with atomic(path, "w") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["order", "row", "id", "gain", "density", "nearest_distance"])
        for order, index in enumerate(selection.indices.tolist()):
            values = [
                selection.gains[order],
                float("nan") if density is None else density[index],
                near[order],
            ]
            numbers = ["" if value != value else f"{value:.9g}" for value in values]
            writer.writerow([order, index, ids[index], *numbers])


def _write_records(path: Path, pool: Records, selection: Selection, to: str | None, on_bad: str) -> None:
    """Read the pool again and write the chosen rows in order of choice."""
    from assay.data import read, write

    order = selection.indices.tolist()
    wanted = set(order)
    given, dropped = pool.given, list[tuple[str, str]]()
    stream = read(pool.path, shape=given.shape, limit=given.limit, on_bad=on_bad, skipped=dropped)
    found = {row: sample for row, sample in enumerate(stream) if row in wanted}
    pool.check_unchanged()
    write((found[row] for row in order), path, shape=to, like=pool.path)


def _push(
    folder: Path, files: list[str], repo: str, written: dict[str, Any], overwrite: bool, talk: Talk
) -> None:
    from assay.data.card import dataset_card
    from assay.data.hub import push

    sources = [entry for entry in written["inputs"] if entry["role"] == "pool"]
    card = dataset_card(written, title=repo.split("/")[-1], files=files, sources=sources)
    with talk.stage("push", repo):
        url = push(folder, files, repo, card=card, overwrite=overwrite)
    talk.say(f"pushed to {url}")
