"""`assay report`: output folders -> one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.options import DATA, EMBEDDING, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from pathlib import Path

    from assay.cli.console import Talk
    from assay.report import Choice, Pool, Section

EXCERPT = 150
# columns of the rows that colour the map unasked, where all rows have them
COLORS = ("source",)


def report(
    folders: Annotated[
        list[str],
        typer.Argument(
            help="Output folders of select, measure or compare.", show_default=False, metavar="OUT..."
        ),
    ],
    output: Annotated[str, flag("--output", "-o", help="HTML page to write.", panel=OUTPUT)] = "report.html",
    map_method: Annotated[
        str, flag("--map", help="How rows are placed: pca, or umap (slow; needs umap-learn).", panel=METHOD)
    ] = "pca",
    columns: Annotated[
        str | None,
        flag(
            "--columns",
            help="Columns that colour the map, comma-separated; by default the group and source.",
            panel=DATA,
        ),
    ] = None,
    atlas: Annotated[
        str | None, flag("--atlas", help="Also write the rows as Parquet for embedding-atlas.", panel=OUTPUT)
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of the random sets and draws, and of UMAP.", panel=METHOD)] = 0,
    cache: Annotated[
        str | None,
        flag(
            "--cache",
            help="Folder of embeddings that the run used; by default OUT/embeddings.",
            panel=EMBEDDING,
        ),
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Show results as one HTML page that needs no network: measures, curves, a map of the rows, examples, provenance.

    Several selections from one pool stand side by side. The inputs of a selection must be what they were.
    """
    from importlib.util import find_spec
    from pathlib import Path

    from assay import _check
    from assay._files import read_json
    from assay.cli import console
    from assay.cli.output import MANIFEST
    from assay.errors import DataError
    from assay.report import PLANES, find, result_sections, sections, write_atlas, write_page
    from assay.report.atlas import NEIGHBORS

    _check.choice("format", format, console.FORMATS)
    _check.choice("map_method", map_method, PLANES)
    if map_method == "umap" and find_spec("umap") is None:
        _check.require("umap", "map", "map 'umap'")
    _check.whole("seed", seed, 0)
    for name, path, suffix in (("output", output, ".html"), ("atlas", atlas, ".parquet")):
        if path is not None and not path.endswith(suffix):
            raise DataError(f"{name} must be a file name that ends in {suffix}; got {path}.")
        if path is not None and Path(path).exists() and not overwrite:
            raise DataError(f"{name} must be a new file; {path} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    manifests = {folder: read_json(Path(folder) / MANIFEST) for folder in dict.fromkeys(folders)}
    for folder, content in manifests.items():
        if not isinstance(content, dict) or "command" not in content:
            raise DataError(f"{folder}/{MANIFEST} must be a manifest that assay wrote; it is not.")
    selections = [folder for folder, content in manifests.items() if content["command"] == "select"]
    if atlas is not None and not selections:
        raise DataError(f"atlas must be left out without an output folder of assay select; got {atlas!r}.")
    names = _names(folders)
    found: list[Section] = []
    rows = 0
    if selections:
        pool, choices, settings, device = _selections(selections, names, cache, columns, talk)
        findings = find(
            pool, choices, measuring=settings, map_method=map_method, neighbors=NEIGHBORS if atlas is not None else 1,
            seed=seed, device=device, stage=talk.stage,
        )  # fmt: skip
        found += sections(pool, choices, findings)
        rows = len(pool.vectors)
        if atlas is not None:
            write_atlas(atlas, pool, choices, findings)
            talk.say(f"wrote {atlas}")
    for folder, content in manifests.items():
        if folder not in selections:
            results = content.get("results")
            if results is None and (Path(folder) / f"{content['command']}.json").is_file():
                results = read_json(Path(folder) / f"{content['command']}.json")
            found += result_sections(f"{content['command'].capitalize()}: {names[folder]}", results)
    if not found:
        raise DataError(f"{folders[0]} must hold results that a page can show; its manifest has none.")
    provenance: dict[str, Any] = {}
    for folder, content in manifests.items():
        prefix = f"{names[folder]}: " if len(manifests) > 1 else ""
        provenance |= {prefix + key: value for key, value in _provenance(content).items()}
    with talk.stage("write", output):
        write_page(
            output,
            title=_title(manifests, names),
            subtitle=_subtitle(manifests, selections),
            sections=found,
            provenance=provenance,
        )
    size = Path(output).stat().st_size
    console.show([{"page": output, "rows": rows, "sections": len(found), "bytes": size}], format)


def _names(folders: list[str]) -> dict[str, str]:
    """Return a short name for each folder: its last part, or the whole path where two share that."""
    from pathlib import Path

    short = {folder: Path(folder).resolve().name for folder in folders}
    return {
        folder: name if list(short.values()).count(name) == 1 else folder for folder, name in short.items()
    }


def _selections(
    folders: list[str], names: dict[str, str], cache: str | None, columns: str | None, talk: Talk
) -> tuple[Pool, list[Choice], dict[str, Any], str]:
    """Read the pool of the selections again, as they read it, and return it with what each chose."""
    from pathlib import Path

    import numpy as np

    from assay import _check
    from assay.cli import choosing, inputs, manifest
    from assay.cli.output import MANIFEST
    from assay.cli.run import validated
    from assay.cli.select import beside, select
    from assay.diversity.novelsum import resolve_density_power
    from assay.errors import DataError
    from assay.report import Pool

    runs = []
    for folder in folders:
        path = Path(folder) / MANIFEST
        _, parameters, _ = manifest.replayed(path)
        runs.append(validated(path, select, parameters | {"output": folder}))
    first = runs[0]
    shared = (
        "source", "vectors", "shape", "limit", "text", "on_bad", "vectors_column", "initial", "initial_vectors",
        "reference", "reference_vectors", "encoder", "max_tokens", "pooling", "dtype", "base_url", *choosing.MEASURED,
    )  # fmt: skip
    for folder, run in zip(folders, runs, strict=True):
        for key in shared:
            if run[key] != first[key]:
                raise DataError(
                    f"selections on one page must share their pool and measure; {folder} has {key} {run[key]!r}, "
                    f"{folders[0]} has {first[key]!r}. Write a page for each."
                )
    pool_given = inputs.Given("pool", first["source"], first["vectors"], first["shape"], first["limit"])
    data = [
        pool_given,
        *beside(first["initial"], first["initial_vectors"], first["reference"], first["reference_vectors"]),
    ]
    reading = inputs.Reading(first["text"], first["on_bad"], first["vectors_column"])
    embedding = inputs.Embedding(
        first["encoder"], first["max_tokens"], first["pooling"], first["batch_size"], first["device"], first["dtype"],
        None if first.get("engine") == "ray" else first["workers"], first["base_url"], cache,
    )  # fmt: skip
    encode = inputs.check(data, reading, embedding)
    with talk.stage("read", pool_given.source):
        sets = [inputs.load(one, reading) for one in data]
        by_role = {records.given.role: records for records in sets}
        kept = [by_role["initial"]] if "initial" in by_role else []
        groups = list(dict.fromkeys(run["group_by"] for run in runs if run["group_by"] is not None))
        wanted = groups if columns is None else [name.strip() for name in columns.split(",")]
        texts, labels = _read_rows([by_role["pool"], *kept], wanted, columns is None, reading.on_bad)
    embedding.fill(sets, encode, talk, Path(folders[0]))
    pool, matrix = by_role["pool"], by_role["pool"].matrix
    if kept:
        _check.same_width("pool", matrix, "initial", kept[0].matrix)
        matrix = np.concatenate([matrix, kept[0].matrix])
    settings = {key: first[key] for key in choosing.MEASURED}
    settings["density_power"] = resolve_density_power(first["density_power"], first["reference"] != "none")
    density = against = None
    if first["reference"] != "none":
        against = by_role["reference"].matrix if "reference" in by_role else pool.matrix
        density = choosing.density(matrix, against, settings, embedding.search_device, talk)
    choices = [
        _choice(Path(folder), f"{names[folder]} ({run['method']})", run, len(pool), len(matrix) - len(pool))
        for folder, run in zip(folders, runs, strict=True)
    ]
    return (
        Pool(
            vectors=matrix,
            texts=texts,
            ids=[name for records in [pool, *kept] for name in records.ids],
            reference=against,
            density=density,
            columns=labels,
            kept=len(kept[0]) if kept else 0,
            skipped=pool.skipped,
        ),
        choices,
        settings,
        embedding.search_device,
    )


def _choice(folder: Path, name: str, run: dict[str, Any], n: int, kept: int) -> Choice:
    """Read selection.csv and what the run measured."""
    import csv

    import numpy as np

    from assay._files import read_json
    from assay.cli.output import MANIFEST
    from assay.errors import DataError
    from assay.report import Choice
    from assay.select import SELECTORS

    path = folder / "selection.csv"
    if not path.is_file():
        raise DataError(f"{folder} must hold selection.csv, as assay select wrote it; there is none.")
    with path.open(encoding="utf-8", newline="") as f:
        lines = list(csv.DictReader(f))
    rows = np.array([int(line["row"]) for line in lines], dtype=np.int64)
    if not len(rows) or rows.max() >= n:
        raise DataError(
            f"{path} must hold rows of the pool (0 to {n - 1}); it does not. Run the selection again."
        )
    gains = np.array([float(line["gain"] or "nan") for line in lines])
    said = f"the gain of {run['method']}, see: assay selectors {run['method']}"
    if run["method"] == "novelselect":
        # a sum over the set so far rises with its size; the mean does not
        weights = np.cumsum(np.arange(1, kept + len(rows) + 1, dtype=np.float64) ** -run["proximity_power"])
        gains = gains / np.concatenate([[1.0], weights])[kept : kept + len(rows)]
        said = "NovelSelect's score over the sum of its rank weights, the mean of the distances to the set so far"
    measured = read_json(folder / MANIFEST)["results"]["novelsum"]
    return Choice(name, rows, gains, said, SELECTORS[run["method"]].greedy, measured)


def _read_rows(
    sets: list[Any], wanted: list[str], guess: bool, on_bad: str
) -> tuple[list[str], dict[str, list[str]]]:
    """Read the rows again for what a person sees: the beginnings of their texts, and labels."""
    from assay.data import read, text
    from assay.embed.encoder import mend
    from assay.errors import DataError

    texts: list[str] = []
    rows: list[Any] = []
    origins: list[str] = []
    for records in sets:
        given = records.given
        if given.only_vectors:
            texts += [f"row {name}" for name in records.ids]
            rows += [None] * len(records)
            origins += [given.source] * len(records)
            continue
        for sample in read(records.path, shape=given.shape, limit=given.limit, on_bad=on_bad):
            whole = " ".join(mend(text(sample)[: 4 * EXCERPT]).split())
            texts.append(whole if len(whole) <= EXCERPT else f"{whole[: EXCERPT - 1]}…")
            rows.append(sample.row if isinstance(sample.row, dict) else None)
            origins.append(sample.origin.rpartition(":")[0])
    if guess:
        wanted = [
            *wanted,
            *(name for name in COLORS if name not in wanted and all(row and name in row for row in rows)),
        ]
    labels = {}
    for name in wanted:
        if not any(row and name in row for row in rows):
            raise DataError(f"columns must name columns of the rows; no row has {name!r}.")
        labels[name] = [mend(str(row.get(name, "–")))[:40] if row else "–" for row in rows]
    if guess and len(set(origins)) > 1:
        labels["file"] = [mend(name) for name in origins]
    return texts, labels


def _title(manifests: dict[str, Any], names: dict[str, str]) -> str:
    found = []
    for folder, content in manifests.items():
        counts = content.get("counts", {})
        many = (
            f", {counts['selected']:,} of {counts['pool']:,} rows" if content["command"] == "select" else ""
        )
        found.append(f"{names[folder]}{many}")
    return "; ".join(found)


def _subtitle(manifests: dict[str, Any], selections: list[str]) -> str:
    if not selections:
        return ""
    content = manifests[selections[0]]
    encoder = content.get("encoder", {}).get("encoder", "ready vectors")
    return f"chosen from {content['parameters'].get('source')}, embedded by {encoder}"


def _provenance(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a reader must know to repeat a run, in words: what is not a default, inputs, versions."""
    inputs = [
        f"{entry['role']}: {entry['path']}"
        + (f" (sha256 {entry['sha256'][:12]}…)" if "sha256" in entry else "")
        for entry in content.get("inputs", [])
    ]
    parameters = {
        key: value for key, value in content.get("parameters", {}).items() if value not in (None, False)
    }
    return {
        "assay": content.get("assay"),
        "command": content["command"],
        "parameters": ", ".join(f"{key} {_words(value)}" for key, value in parameters.items()),
        "inputs": "; ".join(inputs),
        "encoder": ", ".join(f"{key} {_words(value)}" for key, value in content.get("encoder", {}).items()),
        "facts": _words((content.get("results") or {}).get("facts", {}))
        if isinstance(content.get("results"), dict)
        else "",
        "versions": ", ".join(f"{key} {value}" for key, value in content.get("versions", {}).items()),
        "warnings": "; ".join(content.get("warnings", [])) or "none",
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(_words(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
