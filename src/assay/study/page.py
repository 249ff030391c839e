"""A study's table as a page: what predicted the score, with intervals, and every measure against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.diversity.correlate import ALL, JOINED, Correlation
from assay.report import Section
from assay.report.scatter import scatter
from assay.study.conclusions import Conclusions

READING = (
    "A correlation near 1 means that the sets which the measure calls more diverse gave the better models. Intervals "
    "are of a bootstrap over the sets; sets of one strategy are not independent, so they are rather too narrow. Sets "
    "built of repeated rows are so poor that any measure finds them: read the second table."
)


def sections(
    rows: Sequence[Mapping[str, Any]],
    concluded: Sequence[Conclusions],
    metrics: Sequence[str],
    untuned: Mapping[str, float],
) -> list[Section]:
    """Return the sections of the page, for each size of set; the grid of NovelSum's settings has its own tables."""
    goal = metrics[0] if len(metrics) == 1 else JOINED
    out = []
    for one in concluded:
        own = [row for row in rows if row["size"] == one.size]
        for sets in dict.fromkeys(row.sets for row in one.correlations):
            chosen = [row for row in one.correlations if row.sets == sets and row.performance == goal]
            chosen.sort(key=lambda row: -row.mean)
            ceiling = (
                ""
                if one.ceiling is None or sets != ALL
                else f" Two training seeds agree to {one.ceiling:.3f}."
            )
            which = "all sets" if sets == ALL else sets
            plain = [row for row in chosen if not _of_grid(row)]
            out.append(
                Section(
                    heading=f"Sets of {one.size:,} rows, {which} ({chosen[0].n})",
                    text=f"{READING}{ceiling}" if sets == ALL else "",
                    table=[_line(row) for row in plain],
                )
            )
            out.append(
                Section(
                    heading=f"NovelSum's settings, sets of {one.size:,} rows, {which}",
                    table=[_line(row) for row in chosen if _of_grid(row)],
                )
            )
        if one.left_out:
            out.append(
                Section(
                    heading=f"Left out at {one.size:,} rows",
                    table=[{"measure": name, "why": why} for name, why in one.left_out.items()],
                )
            )
        names = dict.fromkeys(row.measure for row in one.correlations if not _of_grid(row))
        for measure in names:
            for metric in metrics:
                out.append(
                    Section(
                        heading=f"{measure}, sets of {one.size:,} rows",
                        text=f"Untuned, the model has {metric} {untuned[metric]:.4f}."
                        if measure == next(iter(names))
                        else "",
                        figure=scatter(
                            [row[measure] for row in own],
                            [row[metric] for row in own],
                            x_title=measure,
                            y_title=metric,
                            groups=[row["strategy"] for row in own],
                            names=[row["set"] for row in own],
                        ),
                    )
                )
    columns = ["set", "strategy", "distinct", *metrics, *(f"{metric} sd" for metric in metrics)]
    columns += [f"{space}/novelsum" for space in ("model", "encoder")]
    out.append(Section(heading="Every set", table=[{name: row[name] for name in columns} for row in rows]))
    return out


def _of_grid(row: Correlation) -> bool:
    return " proximity " in row.measure


def _line(row: Correlation) -> dict[str, Any]:
    line: dict[str, Any] = {
        "measure": row.measure, "Pearson": row.pearson, "Spearman": row.spearman, "mean": row.mean,
        "low": row.mean_low, "high": row.mean_high,
    }  # fmt: skip
    if row.difference is not None:
        line |= {
            "over NovelSum": row.difference,
            "its low": row.difference_low,
            "its high": row.difference_high,
        }
    else:
        line |= {"over NovelSum": None, "its low": None, "its high": None}
    return line
