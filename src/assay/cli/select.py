"""`assay select`: a smaller, more varied set out of a pool, in the shape it came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from assay.cli.inputs import Records
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
    reference_vectors: Annotated[
        str | None, flag("--reference-vectors", help="Ready vectors of the reference.", panel=DATA)
    ] = None,
    quality: Annotated[
        str | None, flag("--quality", help="Column with a positive score that weighs each row.", panel=METHOD)
    ] = None,
    quality_power: Annotated[
        float, flag("--quality-power", help="Exponent of the score.", panel=METHOD)
    ] = 1.0,
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
    from assay._files import new_folder
    from assay.cli import console, inputs, manifest
    from assay.data import FORMATS, TRAINERS, selected_name, trainer_snippet
    from assay.diversity import novelsum
    from assay.errors import DataError
    from assay.select import SELECTORS, nearest_earlier

    row = SELECTORS[_check.known("method", method, SELECTORS, "assay selectors")]
    beside = [] if compare == "none" else compare.split(",")
    for name in beside:
        _check.known("method", name, SELECTORS, "assay selectors")
    _check.choice("format", format, console.FORMATS)
    for name, value, table in (("to", to, FORMATS), ("trainer", trainer, TRAINERS), ("from", shape, FORMATS)):
        if value is not None:
            _check.choice(name, value, table)
    for value, flags in ((quality, ("quality",)), (start, ("start",))):
        if value is not None and flags[0] not in row.options:
            raise DataError(
                f"{flags[0]} must be left out with method {method!r}, which cannot use it; got {value!r}."
            )
    if (group_by is None) != (max_per_group is None):
        raise DataError("group-by and max-per-group must be given together; got one of them.")
    wanted = _budget(budget)
    folder = new_folder(output, overwrite=overwrite, resume=resume)
    talk = console.Talk(quiet)
    columns = [name for name in (quality, group_by) if name is not None]
    with talk.stage("read", source):
        reading = {"rule": text, "on_bad": on_bad, "vectors_column": vectors_column}
        pool = inputs.load(source, shape=shape, limit=limit, columns=columns, vectors=vectors, **reading)
        kept = None if initial is None else inputs.load(initial, vectors=initial_vectors, **reading)
        other = (
            None
            if reference in ("pool", "none")
            else inputs.load(reference, vectors=reference_vectors, **reading)
        )
    sets = [("pool", pool), ("initial", kept), ("reference", other)]
    named = [(role, records) for role, records in sets if records is not None]
    k = int(wanted * len(pool)) if wanted < 1 else int(wanted)
    if not 1 <= k <= len(pool):
        raise DataError(f"budget must be from 1 to the rows of the pool ({len(pool)}); got {budget}.")
    weights = None if quality is None else inputs.numbers(pool, quality)
    groups = None if group_by is None else [str(value) for value in pool.columns[group_by]]
    embedder = inputs.Embedder(
        encoder, max_tokens, pooling, batch_size, device, dtype, workers, base_url, cache
    )
    encoding = embedder.fill([records for _, records in named], talk, folder)
    assert pool.vectors is not None
    matrix, inside = np.asarray(pool.vectors), []
    if kept is not None and kept.vectors is not None:
        _check.same_width("pool", matrix, "initial", kept.vectors)
        inside = list(range(len(matrix), len(matrix) + len(kept)))
        matrix = np.concatenate([matrix, kept.vectors])
    density = _density(
        matrix, pool, other, reference, neighbors, variant, density_statistic, embedder.search_device, talk
    )
    power = density_power if density_power is not None else (0.0 if density is None else 0.5)
    common = {"neighbors": neighbors, "density_power": power, "proximity_power": proximity_power}
    # rows kept already are no candidates: they are in the set from the start, and beyond the pool's end

    def chosen_by(name: str, plain: bool) -> Selection:
        table = SELECTORS[name]
        settings: dict[str, Any] = {"budget": k, "seed": table.seed if seed is None else seed}
        if inside:
            settings["initial_selected"] = inside
        if name == "novelselect":
            settings |= common | {"variant": variant, "density": density, "reference": None}
            settings |= {
                "density_side": density_side,
                "density_statistic": density_statistic,
                "rank_by": rank_by,
            }
        if not plain:
            if "quality" in table.options:
                settings |= {"quality": _beyond(weights, len(matrix)), "quality_power": quality_power}
            if groups is not None and max_per_group is not None:
                settings |= {
                    "groups": groups + ["\0kept"] * len(inside),
                    "max_per_group": max_per_group,
                }
            settings["skip_duplicates"] = skip_duplicates
            if start is not None:
                settings["start"] = int(start) if start.lstrip("-").isdigit() else start
        with talk.stage(
            name, _expected_selection(len(matrix), k + len(inside), matrix.shape[1], name)
        ) as progress:
            return table.function(matrix, progress=progress, **settings)

    selection = chosen_by(method, plain=False)
    results: dict[str, Any] = {}
    with talk.stage("measure"):
        for name in [method, *[n for n in beside if n != method]]:
            found = selection if name == method else chosen_by(name, plain=True)
            rows = np.concatenate([found.indices, np.array(inside, dtype=np.int64)])
            value = novelsum(matrix[rows], density=None if density is None else density[rows], variant=variant,
                             density_statistic=density_statistic, **common)  # fmt: skip
            results["selected" if name == method else name] = value
    near = nearest_earlier(matrix, selection.indices, inside)
    outputs = ["selection.csv"]
    _write_table(folder / "selection.csv", selection, pool.ids, density, near)
    if pool.shape is not None:
        name = selected_name(pool.path)
        _write_records(folder / name, pool, selection, shape, to, on_bad, limit)
        outputs.insert(0, name)
        if trainer is not None:
            snippet, content = trainer_snippet(folder / name, to or pool.shape, trainer)
            (folder / snippet).write_text(content, encoding="utf-8")
            outputs.append(snippet)
    elif to is not None or trainer is not None:
        raise DataError("to and trainer need records; the pool is vectors only.")
    counts = {"pool": len(pool), "selected": k, "initial": len(inside), "skipped": len(pool.skipped)}
    counts |= {"distinct_texts": encoding["distinct_texts"]} if "distinct_texts" in encoding else {}
    extra = [
        ("vectors", vectors),
        ("initial vectors", initial_vectors),
        ("reference vectors", reference_vectors),
    ]
    written = manifest.write(
        folder,
        "select",
        given,
        sources=manifest.inputs(named, extra),
        encoding=encoding,
        counts=counts,
        results={
            "novelsum": results,
            "selection": dict(selection.parameters),
            "facts": dict(selection.facts),
        },
        outputs=outputs,
        talk=talk,
    )
    if push is not None:
        _push(folder, [*outputs, manifest.NAME], push, written, overwrite, talk)
    talk.say(f"wrote {', '.join(outputs)} and {manifest.NAME} to {folder}")
    table = [
        {"set": f"{name} ({method})" if name == "selected" else name, "n": k + len(inside), "novelsum": value}
        for name, value in results.items()
    ]
    console.show(table, format, title=f"NovelSum ({variant}), higher is more diverse", whole=written)


def _budget(text: str) -> float:
    """Return a count >= 1, or a share below 1."""
    from assay.errors import DataError

    try:
        value = float(text.removesuffix("%").replace(",", "").replace("_", ""))
    except ValueError:
        value = 0.0
    if text.endswith("%"):
        if 0 < value < 100:
            return value / 100
    elif value >= 1 and value == int(value):
        return value
    raise DataError(f"budget must be a whole number >= 1 or a share between 0% and 100%; got {text!r}.")


def _density(
    matrix: NDArray[np.floating[Any]],
    pool: Records,
    other: Records | None,
    reference: str,
    neighbors: int,
    variant: str,
    statistic: str | None,
    device: str,
    talk: Any,
) -> NDArray[np.float64] | None:
    """Return the density of the reference at every row, or None without a reference."""
    from assay.cli.estimate import seconds_of_products
    from assay.diversity.novelsum import resolve_variant
    from assay.neighbors import local_density

    if reference == "none":
        return None
    against = pool.vectors if other is None else other.vectors
    assert against is not None
    expect = seconds_of_products(len(matrix), len(against), matrix.shape[1])
    with talk.stage("density", f"{len(matrix):,} rows against {len(against):,}, {expect}"):
        return local_density(
            matrix,
            reference=against,
            neighbors=neighbors,
            statistic=resolve_variant(variant, None, statistic).density_statistic,
            device=device,
        )


def _expected_selection(n: int, k: int, d: int, name: str) -> str:
    from assay.cli.console import human_bytes
    from assay.cli.estimate import seconds_of_products

    if name == "random":
        return f"{k:,} of {n:,} rows"
    memory = f", {human_bytes(4 * n * k)} of distances" if name == "novelselect" else ""
    return f"{k:,} of {n:,} rows, {seconds_of_products(n, k, d, factor=5)}{memory}"


def _beyond(weights: NDArray[np.float64] | None, n: int) -> NDArray[np.float64] | None:
    """Return the weights of the pool with ones for the kept rows after it."""
    import numpy as np

    return None if weights is None else np.concatenate([weights, np.ones(n - len(weights))])


def _write_table(
    path: Path,
    selection: Selection,
    ids: Sequence[str],
    density: NDArray[np.float64] | None,
    near: NDArray[np.float64],
) -> None:
    """Write selection.csv: a row a choice, in order; empty where there is no value."""
    import csv

    from assay._files import atomic

    with atomic(path, "w") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["order", "row", "id", "novelty", "density", "nearest_distance"])
        for order, index in enumerate(selection.indices.tolist()):
            novelty = selection.gains[order] if selection.method == "novelselect" else float("nan")
            values = [novelty, float("nan") if density is None else density[index], near[order]]
            numbers = ["" if value != value else f"{value:.9g}" for value in values]
            writer.writerow([order, index, ids[index], *numbers])


def _write_records(
    path: Path,
    pool: Records,
    selection: Selection,
    shape: str | None,
    to: str | None,
    on_bad: str,
    limit: int | None,
) -> None:
    """Read the pool again and write the chosen rows in order of choice."""
    from assay.data import Sample, read, write

    wanted = set(selection.indices.tolist())
    found: dict[int, Sample] = {}
    dropped: list[tuple[str, str]] = []
    for row, sample in enumerate(read(pool.path, shape=shape, limit=limit, on_bad=on_bad, skipped=dropped)):
        if row in wanted:
            found[row] = sample
    write((found[row] for row in selection.indices.tolist()), path, shape=to, like=pool.path)


def _push(
    folder: Path, files: list[str], repo: str, written: dict[str, Any], overwrite: bool, talk: Any
) -> None:
    from assay.data.hub import dataset_card, push

    sources = [entry for entry in written["inputs"] if entry["role"] == "pool"]
    card = dataset_card(written, title=repo.split("/")[-1], files=files, sources=sources)
    with talk.stage("push", repo):
        url = push(folder, files, repo, card=card, overwrite=overwrite)
    talk.say(f"pushed to {url}")
