"""`assay report`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Assay, rows, write_json, write_lines, write_vectors

pytestmark = pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")


def _select(assay: Assay, *arguments: object, output: str = "out") -> None:
    options = ("--encoder", "tfidf", "--neighbors", 3, "--quiet", "-o", output)
    done = assay("select", *arguments, *options)
    assert done.code == 0, done.err


def _headings(path: Path) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", path.read_text(encoding="utf-8"))


def _map(path: Path) -> dict[str, Any]:
    found = re.search(
        r'<div class="map"></div>\n<script type="application/json">(.*?)</script>', path.read_text("utf-8")
    )
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_a_selection(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "pool.json", rows(60))
    _select(assay, "pool.json", "--budget", 20)
    done = assay("report", "out", "--format", "json")
    assert done.code == 0, done.err
    assert "embedded 0 texts now" in done.err
    page = tmp_path / "report.html"
    assert json.loads(done.out) == [
        {"page": "report.html", "rows": 60, "sections": 10, "bytes": page.stat().st_size}
    ]
    assert _headings(page) == [
        "Measures",
        "NovelSum at every budget",
        "What each choice added",
        "Map",
        "Density",
        "Most novel rows chosen",
        "Least novel rows chosen",
        "Most novel rows left out",
        "Near duplicates",
        "What was left out",
        "Parameters and provenance",
    ]
    content = _map(page)
    assert content["texts"][0] == "Boil an egg, step 0. Take 0 an egg and boil them twice."
    assert len(content["texts"]) == 60
    assert content["ids"] is None
    assert [field["name"] for field in content["fields"]] == ["chosen", "novelty", "density (log)", "source"]
    assert "<h1>out, 20 of 60 rows</h1>" in page.read_text(encoding="utf-8")

    assert assay("report", "out", "-o", "again.html").code == 0
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()
    done = assay("report", "out")
    assert done.code == 2
    assert (
        done.err == "error: --output must be a new file; report.html exists. Use --overwrite to replace it.\n"
    )


def test_what_was_measured_by_the_run_is_there(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "pool.json", rows(40))
    _select(assay, "pool.json", "--budget", 10, "--compare", "random,kcenter")
    assert assay("report", "out").code == 0
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    measured = json.loads((tmp_path / "out" / "manifest.json").read_text())["results"]["novelsum"]
    for name in ("selected", "random", "kcenter"):
        assert (
            f'<td>{name}</td><td class="number">10</td><td class="number">{measured[name]:.4f}</td>' in html
        )


def test_two_selections_side_by_side_with_kept_rows(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", [{"id": f"r{n}", **row} for n, row in enumerate(rows(40))])
    write_lines(tmp_path / "kept.jsonl", rows(6, first=50))
    shared = ("pool.jsonl", "--initial", "kept.jsonl", "--group-by", "source", "--max-per-group", 9)
    _select(assay, *shared, "--budget", 12, output="a")
    _select(assay, *shared, "--budget", 9, "--method", "kcenter", output="b")
    done = assay("report", "a", "b", "--columns", "score, source")
    assert done.code == 0, done.err
    content = _map(tmp_path / "report.html")
    assert [field["name"] for field in content["fields"]] == [
        "chosen: a (novelselect)", "chosen: b (kcenter)", "novelty: a (novelselect)", "novelty: b (kcenter)",
        "density (log)", "score", "source",
    ]  # fmt: skip
    assert len(content["texts"]) == 46
    assert content["ids"][:2] == ["r0", "r1"]
    assert "What was left out: b (kcenter)" in _headings(tmp_path / "report.html")

    write_lines(tmp_path / "other.jsonl", rows(30))
    _select(assay, "other.jsonl", "--budget", 9, output="c")
    done = assay("report", "a", "c", "-o", "ac.html")
    assert done.code == 2
    assert "selections on one page must share their pool and measure; c has source 'other.jsonl'" in done.err


def test_vectors_alone(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "pool.npy", 40)
    assert assay("select", "pool.npy", "--budget", 8, "-o", "out", "--quiet").code == 0
    done = assay("report", "out")
    assert done.code == 0, done.err
    assert _map(tmp_path / "report.html")["texts"][7] == "row 7"


def test_rows_that_were_skipped_and_files_are_told(assay: Assay, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_lines(tmp_path / "data" / "a.jsonl", [*rows(20), {"instruction": 5, "input": "", "output": ""}])
    write_lines(tmp_path / "data" / "b.jsonl", rows(20, first=20))
    _select(assay, "data", "--budget", 8, "--on-bad", "skip")
    assert assay("report", "out").code == 0
    assert "Rows that could not be read" in _headings(tmp_path / "report.html")
    assert "a.jsonl:21" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [field["name"] for field in _map(tmp_path / "report.html")["fields"]][-1] == "file"


def test_atlas(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "pool.json", rows(40))
    _select(assay, "pool.json", "--budget", 10)
    assert assay("report", "out", "--atlas", "atlas.parquet").code == 0
    table = pq.read_table(tmp_path / "atlas.parquet")
    assert table.column_names == [
        "id",
        "text",
        "x",
        "y",
        "neighbors",
        "density",
        "order",
        "novelty",
        "source",
    ]
    assert len(table.column("neighbors")[0].as_py()["ids"]) == 15
    assert sum(value is not None for value in table.column("order").to_pylist()) == 10


def test_results_of_measure_and_compare(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.npy", 30)
    write_vectors(tmp_path / "b.npy", 30, seed=1)
    assert assay("measure", "a.npy", "-o", "measured", "--quiet").code == 0
    assert assay("measure", "a.npy", "--per-row", "-o", "rows", "--quiet").code == 0
    assert assay("compare", "a.npy", "b.npy", "--repeats", 3, "-o", "compared", "--quiet").code == 0
    done = assay("report", "measured", "rows", "compared", "-o", "page.html")
    assert done.code == 0, done.err
    assert _headings(tmp_path / "page.html") == [
        "Measure: measured", "Measure: rows", "Compare: compared", "Parameters and provenance",
    ]  # fmt: skip
    done = assay("report", "measured", "--atlas", "a.parquet", "-o", "again.html")
    assert done.code == 2
    assert (
        done.err
        == "error: --atlas must be left out without an output folder of assay select; got 'a.parquet'.\n"
    )


def test_what_cannot_be_shown(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "pool.json", rows(30))
    _select(assay, "pool.json", "--budget", 5)
    for arguments, message in (
        (("nowhere",), "nowhere/manifest.json must be an existing file; there is none."),
        (("out", "-o", "page.pdf"), "--output must be a file name that ends in .html; got page.pdf."),
        (("out", "--map", "tsne"), "--map must be one of pca, umap; got 'tsne'."),
        (("out", "--columns", "nothing"), "--columns must name columns of the rows; no row has 'nothing'."),
    ):
        done = assay("report", *arguments, "--quiet")
        assert (done.code, done.err) == (2, f"error: {message}\n")
    write_json(tmp_path / "pool.json", rows(31))
    done = assay("report", "out", "--quiet")
    assert done.code == 2
    assert "input pool.json has changed since" in done.err
    assert not (tmp_path / "report.html").exists()
