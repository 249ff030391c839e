"""`assay weights diff`: which weights fine-tuning moved, and what of that chance would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.options import METHOD, OUTPUT, flag
from assay.cli.weights.options import Layers, Original, Pattern, Percent, Ranking, Scope, Tuned

if TYPE_CHECKING:
    from assay.weights import Diff, Pair

Rows = list[dict[str, Any]]
SHOWN = ("percent", "tensor", "layer", "module", "region")
BESIDE = ("enrichment", "shuffled", "shuffled_sd", "drawn", "drawn_sd")


def weights_diff(
    original: Original,
    tuned: Tuned,
    scope: Scope = "transformer",
    layers: Layers = None,
    pattern: Pattern = None,
    ranking: Ranking = "relative",
    percent: Percent = "1,3,5,10,20,40,60",
    draws: Annotated[
        int,
        flag(
            "--draws",
            help="Of each kind of chance, for its mean and sd; 0: formulas alone, many times as fast.",
            panel=METHOD,
        ),
    ] = 3,
    by: Annotated[
        str,
        flag(
            "--by",
            help="A row a percent with its shares, or a tensor, layer, module or region; json has all.",
            panel=OUTPUT,
        ),
    ] = "percent",
    seed: Annotated[int, flag("--seed", help="Of chance, and of the ranking random.", panel=METHOD)] = 0,
    output: Annotated[
        str | None,
        flag(
            "--output", "-o", help="Folder for diff.json, tables, report.html and a manifest.", panel=OUTPUT
        ),
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare two models weight by weight: which moved, how far, what the top percents hold, and what chance would.

    Percents are of parameters, of sum r, sum |d| and sum d^2; d is tuned less original, r is |d| / (|p| + 1e-8). A
    large share of sum r is no finding: chance has it too. shuffled puts the changes of each matrix in another order:
    compare with it in fp32. drawn makes Gaussian ones, stored as the tuned model is: compare with it in bf16 and fp16.
    gaussian and constant are formulas. Models are streamed: memory does not grow with them.
    """
    given = dict(locals())
    from assay import _check
    from assay import weights as room
    from assay._files import write_json
    from assay.cli import console, manifest
    from assay.cli.output import open_folder, staged, write_csv
    from assay.cli.weights.options import compared, layers_of, percents_of
    from assay.report import weights_sections, write_page

    _check.choice("format", format, console.FORMATS)
    _check.choice("by", by, SHOWN)
    _check.choice("ranking", ranking, room.RANKINGS)
    _check.whole("draws", draws, 0)
    _check.whole("seed", seed, 0)
    percents = percents_of(percent)
    talk = console.Talk(quiet)
    pair = room.open_pair(original, tuned, scope=scope, layers=layers_of(layers), pattern=pattern)
    for line in compared(pair, scope):
        talk.say(line)
    folder = (
        None if output is None else open_folder(output, [original, tuned], overwrite=overwrite, resume=None)
    )
    with talk.stage("compare", f"{pair.size:,} weights, ranking {ranking}") as progress:
        found = room.diff(pair, percents, ranking=ranking, draws=draws, seed=seed, progress=progress)
    result = _result(found, pair, draws, percents)
    if folder is not None:
        with staged(folder) as stage:
            write_json(stage / "diff.json", result)
            _write_tables(stage / "tables", result, write_csv)
            write_page(
                stage / "report.html",
                title="Which weights did fine-tuning move?",
                subtitle=f"{tuned} against {original}",
                sections=weights_sections(result),
                provenance={name: value for name, value in given.items() if name in ("original", "tuned")}
                | {"scope": scope, "ranking": ranking, "weights": pair.size, "draws": draws, "seed": seed},
            )
            manifest.write(
                stage, weights_diff, given, room.hashed(pair), counts=result["counts"],
                results={name: result[name] for name in ("total", "sigma", "shares")}, talk=talk,
            )  # fmt: skip
        talk.say(f"wrote diff.json, tables, report.html and manifest.json to {folder}")
    for line in result["said"]:
        talk.say(line)
    console.show(_printed(result, by, format), format, whole=result)


def _result(found: Diff, pair: Pair, draws: int, percents: Sequence[float]) -> dict[str, Any]:
    """Return what diff.json has."""
    from assay.weights.diff import BY

    shares = found.share_rows()
    [total] = found.rows("all")
    del total["all"]
    return {
        "architecture": pair.architecture,
        "ranking": found.ranking,
        "draws": draws,
        "counts": {
            "weights": total["weights"],
            "tensors": len(pair.matches),
            "tensors_outside": len(pair.outside),
            "resized": len(pair.resized),
        },
        "total": total,
        "sigma": found.sigma,
        "zeros": {"weights": found.zeros[0], "share_relative": 100 * found.zeros[1]},
        "fair": found.fair,
        "said": _said(found, shares, total),
        "shares": shares,
        "middle_percent": percents[len(percents) // 2],
        "by": {by: found.rows(by) for by in BY},
        "enrichment": {by: found.enrichment_rows(by) for by in (*BY, "cell")},
        "magnitudes": found.magnitude_rows(),
    }


def _said(found: Diff, shares: Rows, total: Mapping[str, Any]) -> list[str]:
    """Return the result in sentences: nothing of sum r without chance beside it."""
    said = [
        f"{total['unchanged']:.2f} % of {total['weights']:,} weights are unchanged; the norm of the change is "
        f"{_short(total['norm_ratio'])} of the weights'"
    ]
    of = {(row["of"], row["percent"]): row for row in shares}
    percents = [row["percent"] for row in shares if row["of"] == "sum r"]
    for percent in dict.fromkeys((percents[0], percents[len(percents) // 2])):
        r, energy = of["sum r", percent], of["sum d^2", percent]
        if r["share"] is None or energy["share"] is None:
            return ["no weight in scope differs"]
        chance = found.fair if r[found.fair] is not None else "gaussian"
        said.append(
            f"{percent:g} % of parameters: {r['share']:.2f} % of sum r, {energy['share']:.2f} % of sum d^2; by chance "
            f"({chance}) {_chance(r, chance)} and {_chance(energy, chance)}"
        )
    zeros, held = found.zeros
    if zeros:
        said.append(
            f"{zeros:,} original weights are 0 and hold {100 * held:.2f} % of sum r, |d| / 1e-8 each; quantised or "
            "pruned models have such"
        )
    return said


def _chance(row: Mapping[str, Any], name: str) -> str:
    sd = row.get(f"{name}_sd")
    return f"{row[name]:.2f} %" + (
        "" if sd is None else f" (sd {sd:.2f})" if sd >= 0.01 else f" (sd {sd:.1g})"
    )


def _printed(result: Mapping[str, Any], by: str, form: str) -> Rows:
    """Return the rows that are printed: csv as numbers, a table as a person reads it."""
    if by == "percent":
        rows = [dict(row) for row in result["shares"]]
        empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
        return rows if form == "csv" else [{k: v for k, v in row.items() if k not in empty} for row in rows]
    middle = result["middle_percent"]
    found = {row[by]: row for row in result["enrichment"][by] if row["percent"] == middle}
    rows = [
        dict(row) | {f"{name}_{middle:g}": found[row[by]][name] for name in BESIDE}
        for row in result["by"][by]
    ]
    if form == "csv":
        return rows
    short = ("absolute", "scaled", "signed", "norm_ratio")
    other = "drawn" if result["fair"] == "shuffled" else "shuffled"
    left_out = {"region", "layer", "module", "largest", "share_absolute", f"{other}_{middle:g}"} - {by}
    left_out |= {f"{other}_sd_{middle:g}"}
    return [{k: _short(v) if k in short else v for k, v in row.items() if k not in left_out} for row in rows]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _write_tables(folder: Path, result: Mapping[str, Any], write: Any) -> None:
    """Write every table as CSV."""
    folder.mkdir()
    write(folder / "shares.csv", result["shares"])
    write(folder / "magnitudes.csv", result["magnitudes"])
    for by, rows in result["by"].items():
        write(folder / f"{by}s.csv", rows)
    for by, rows in result["enrichment"].items():
        write(folder / f"enrichment_{by}s.csv", rows)
