"""`assay correlate`: the published points, every option, and what is wrong with a table, by its line."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.diversity import correlate
from tests.cli.conftest import Assay, write_json, write_lines
from tests.golden.points import POINTS

FIGURE = Path(__file__).parents[2] / "examples" / "novelsum_figure.csv"


def table(n: int = 12) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    worth = rng.normal(size=n)
    return [
        {
            "set": f"set {row}",
            "strategy": ("kmeans", "random", "duplicate")[row % 3],
            "novelsum": round(float(worth[row] + rng.normal() / 2), 2),
            "radius": round(float(rng.normal()), 2),
            "mt_bench": round(float(worth[row]), 2),
            "loss": round(float(1 - worth[row] + rng.normal() / 4), 2),
        }
        for row in range(n)
    ]


def column(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows]


@pytest.fixture
def results(tmp_path: Path) -> list[dict[str, Any]]:
    rows = table()
    with open(tmp_path / "results.csv", "w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_the_example_holds_the_published_points() -> None:
    with open(FIGURE, encoding="utf-8", newline="") as f:
        found = [
            (row["strategy"], float(row["novelsum"]), float(row["performance"])) for row in csv.DictReader(f)
        ]
    assert found == POINTS


def test_the_published_points(assay: Assay, tmp_path: Path) -> None:
    shutil.copy(FIGURE, tmp_path / "results.csv")
    done = assay("correlate", "results.csv", "--performance", "performance")
    assert done.code == 0, done.err
    lines = [re.split(r"\s{2,}", line) for line in done.out.splitlines()]
    assert [line[:4] for line in lines[1:]] == [
        ["novelsum", "performance", "all", "40"],
        ["novelsum", "performance", "without strategy=duplicate", "18"],
    ]
    assert [cell[:5] for cell in lines[1][4:]] == ["0.976", "0.976", "0.976"]


def test_every_option_means_what_it_means_in_python(assay: Assay, results: list[dict[str, Any]]) -> None:
    done = assay(
        "correlate", "results.csv", "--performance", "mt_bench,loss", "--lower-is-better", "loss",
        "--without", "strategy=random", "--baseline", "novelsum", "--resamples", 300, "--confidence", 0.8, "--seed", 3,
        "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    expected = correlate(
        {"novelsum": column(results, "novelsum"), "radius": column(results, "radius")},
        {"mt_bench": column(results, "mt_bench"), "loss": column(results, "loss")},
        lower_is_better=["loss"],
        without={"strategy=random": np.array([row["strategy"] == "random" for row in results])},
        baseline="novelsum",
        resamples=300,
        confidence=0.8,
        seed=3,
    )
    whole = json.loads(done.out)
    assert whole["results"] == [asdict(row) for row in expected]
    assert whole["parameters"] == {
        "source": "results.csv", "measures": ["novelsum", "radius"], "performance": ["mt_bench", "loss"],
        "lower_is_better": ["loss"], "without": ["strategy=random"], "baseline": "novelsum", "resamples": 300,
        "confidence": 0.8, "seed": 3,
    }  # fmt: skip
    assert whole["warnings"] == []


def test_tables_of_every_kind(assay: Assay, tmp_path: Path, results: list[dict[str, Any]]) -> None:
    write_json(tmp_path / "a.json", results)
    write_lines(tmp_path / "a.jsonl", results)
    printed = [
        assay("correlate", name, "--performance", "mt_bench", "--format", "csv").out
        for name in ("results.csv", "a.json", "a.jsonl")
    ]
    assert printed[0] == printed[1] == printed[2]
    found = list(csv.DictReader(io.StringIO(printed[0])))
    assert [(row["measure"], row["sets"], row["n"]) for row in found] == [
        ("novelsum", "all", "12"),
        ("novelsum", "without strategy=duplicate", "8"),
        ("radius", "all", "12"),
        ("radius", "without strategy=duplicate", "8"),
    ]


def test_other_columns_are_measures_where_none_is_called_so(assay: Assay, tmp_path: Path) -> None:
    rows = [
        {"name": f"s{n}", "spread": n * n % 7, "size": 100, "mt": n + n % 2, "strategy": "x"}
        for n in range(6)
    ]
    write_json(tmp_path / "a.json", rows)
    done = assay("correlate", "a.json", "--performance", "mt", "--format", "csv")
    assert [row["measure"] for row in csv.DictReader(io.StringIO(done.out))] == ["spread"]
    assert "left out, since they do not vary: size\n" in done.err


def test_too_few_sets_without_duplicates_are_told(assay: Assay, tmp_path: Path) -> None:
    rows = [row | {"strategy": "duplicate" if n > 1 else "random"} for n, row in enumerate(table(6))]
    write_json(tmp_path / "a.json", rows)
    done = assay("correlate", "a.json", "--performance", "mt_bench", "--format", "csv")
    assert {row["sets"] for row in csv.DictReader(io.StringIO(done.out))} == {"all"}
    assert "warning: only 2 sets were not built of duplicates, too few to correlate" in done.err


def test_resamples_without_variance_are_counted(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", table(4))
    done = assay("correlate", "a.json", "--performance", "mt_bench", "--format", "md")
    header, _, first, *_ = done.out.splitlines()
    assert header.endswith("| flat |")
    assert int(first.split("|")[-2]) > 0


def test_a_page_with_a_chart_for_each(assay: Assay, tmp_path: Path, results: list[dict[str, Any]]) -> None:
    done = assay(
        "correlate", "results.csv", "--performance", "mt_bench,loss", "--plot", "out.html", "--quiet"
    )
    assert done.code == 0, done.err
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    for measure in ("novelsum", "radius"):
        for goal in ("mt_bench", "loss"):
            assert f"{measure} and {goal}" in html
    assert all(row["set"] in html for row in results)
    assert html.count('"name":"duplicate"') == 4
    done = assay("correlate", "results.csv", "--performance", "mt_bench", "--plot", "out.html")
    assert done.err == ("error: --plot must be a new file; out.html exists. Use --overwrite to replace it.\n")
    done = assay("correlate", "results.csv", "--performance", "mt_bench", "--plot", "out.html", "--overwrite")
    assert done.code == 0
    assert "radius and loss" not in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_a_recipe(assay: Assay, tmp_path: Path, results: list[dict[str, Any]]) -> None:
    (tmp_path / "r.yaml").write_text("command: correlate\nsource: results.csv\nperformance: mt_bench\n")
    done = assay("run", "r.yaml")
    assert done.out == assay("correlate", "results.csv", "--performance", "mt_bench").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--performance", "mt_bnch"],
            "--performance must name columns of results.csv; got 'mt_bnch'. Did you mean 'mt_bench'?",
        ),
        (
            ["--performance", "mt_bench", "--measures", "zzz"],
            "--measures must name columns of results.csv; got 'zzz'. Its columns are: "
            "set, strategy, novelsum, radius, mt_bench, loss.",
        ),
        (
            ["--performance", "mt_bench", "--lower-is-better", "los"],
            "--lower-is-better must name columns of results.csv; got 'los'. Did you mean 'loss'?",
        ),
        (
            ["--performance", "mt_bench", "--lower-is-better", "loss"],
            "--lower-is-better must be one of novelsum, radius, mt_bench; got 'loss'.",
        ),
        (
            ["--performance", "novelsum", "--measures", "novelsum"],
            "performance must not be a measure too; got 'novelsum' as both.",
        ),
        (
            ["--performance", "strategy"],
            "results.csv:2: strategy must be a number; got 'kmeans'.",
        ),
        (
            ["--performance", "mt_bench", "--without", "strategy"],
            "--without must be column=value; got 'strategy'.",
        ),
        (
            ["--performance", "mt_bench", "--without", "strategy=rndom"],
            "--without must name sets of results.csv; no strategy is 'rndom'. There are: duplicate, kmeans, random.",
        ),
        (
            ["--performance", "mt_bench", "--baseline", "vendi_score"],
            "--baseline must be one of novelsum, radius; got 'vendi_score'.",
        ),
        (["--performance", "mt_bench", "--confidence", "95"], "--confidence must be between 0 and 1; got 95.0."),
        (["--performance", "mt_bench", "--plot", "out.pdf"], "--plot must be a file that ends in .html; got out.pdf."),
        (["--performance", "mt_bench", "--format", "xml"], "--format must be one of table, json, csv, md; got 'xml'."),
        ([], "missing option '--performance'. See: assay correlate --help"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    assay: Assay, results: list[dict[str, Any]], options: list[str], message: str
) -> None:
    done = assay("correlate", "results.csv", *options, "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv must hold at least one set; got none."),
        ("radius,mt\n1,2\n2,1\n", "a correlation needs at least 3 sets; there are 2."),
        ("radius,mt\n1,2\n2,1\n3,x\n", 'a.csv:4: mt must be a number; got \'x\'.'),
        ("radius,mt\n1,2\n2,1\nnan,4\n", 'a.csv:4: radius must be a number; got \'nan\'.'),
        ("radius,mt\n1,2\n2,1\n,4\n", 'a.csv:4: radius must be a number; got \'\'.'),
        ("radius,mt\n1,2\n2\n3,4\n", "a.csv:3: row must have 2 fields as the header; got 1."),
        ("radius,mt\n5,2\n5,1\n5,4\n", "radius must vary to correlate; it is 5 in all 3 sets. Leave it out."),
        ("size,mt\n5,2\n5,1\n5,4\n", "--measures must name columns of a.csv; none but the performance holds numbers "
                                     "that vary."),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(assay: Assay, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    done = assay("correlate", "a.csv", "--performance", "mt", "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_what_is_no_table_is_said(assay: Assay, tmp_path: Path) -> None:
    done = assay("correlate", "none.csv", "--performance", "mt")
    assert done.err == "error: source must be an existing file; there is no none.csv.\n"
    (tmp_path / "a.txt").write_text("x")
    assert assay("correlate", "a.txt", "--performance", "mt").err.startswith(
        "error: source must be a table of kind .json, .jsonl, "
    )
    (tmp_path / "a.json").write_text("[[1, 2]]")
    assert assay("correlate", "a.json", "--performance", "mt").err == (
        "error: a.json:1: row must be an object with a column each; got [1, 2].\n"
    )
