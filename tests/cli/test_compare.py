"""`assay compare`: what the Python function says, written and replayed, and what does not compare."""

from __future__ import annotations

import csv
import io
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assay.diversity import compare
from assay.errors import AssayWarning
from tests.cli.conftest import Assay, files_in, rows, tfidf, write_json, write_lines, write_vectors
from tests.cli.test_run import same_but_for_the_run


def quietly(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssayWarning)
        return [asdict(row) for row in compare(*arguments, **options)]


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    found = {"a.json": rows(24), "b.jsonl": rows(30, first=40), "pool.jsonl": rows(80)}
    write_json(tmp_path / "a.json", found["a.json"])
    for name in ("b.jsonl", "pool.jsonl"):
        write_lines(tmp_path / name, found[name])
    return found


def test_every_option_means_what_it_means_in_python(
    assay: Assay, sets: dict[str, list[dict[str, Any]]]
) -> None:
    done = assay(
        "compare", "a.json", "b.jsonl", "--reference", "pool.jsonl", "--encoder", "tfidf",
        "--measures", "novelsum,ttr,radius", "--baseline", "b.jsonl", "--size", 20, "--repeats", 5, "--confidence", 0.5,
        "--seed", 4, "--variant", "paper", "--neighbors", 4, "--density-power", 0.7, "--proximity-power", 1.5,
        "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    va, vb, vp = tfidf(*sets.values())
    texts = {
        name: [f"{row['instruction']}\n{row['output']}" for row in sets[name]] for name in ("a.json", "b.jsonl")
    }  # fmt: skip
    whole = json.loads(done.out)
    assert whole["results"] == quietly(
        {"a.json": va, "b.jsonl": vb}, measures=["novelsum", "ttr", "radius"], reference=vp, texts=texts,
        options={"novelsum": {"variant": "paper", "neighbors": 4, "density_power": 0.7, "proximity_power": 1.5}},
        baseline="b.jsonl", size=20, repeats=5, confidence=0.5, seed=4,
    )  # fmt: skip
    assert whole["parameters"] == {
        "reference": "pool.jsonl", "baseline": "b.jsonl", "size": 20,
        "fraction_of_each": {"a.json": 20 / 24, "b.jsonl": 20 / 30}, "repeats": 5, "confidence": 0.5, "seed": 4,
        "variant": "paper", "neighbors": 4, "proximity_power": 1.5, "density_power": 0.7,
    }  # fmt: skip
    assert whole["encoder"]["encoder"] == "tfidf"
    assert whole["warnings"][0].startswith("novelsum depends on the size: these values are those of 20 rows.")


def test_the_size_is_said(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.npy", 20)
    write_vectors(tmp_path / "b.npy", 24, seed=1)
    done = assay("compare", "a.npy", "b.npy", "--measures", "radius", "--fraction", 0.75)
    header, first, second = done.out.splitlines()
    assert header.split() == ["set", "measure", "n", "drawn", "value", "difference"]
    assert first.split()[:4] == ["a.npy", "radius", "20", "15"]
    assert second.split()[:4] == ["b.npy", "radius", "24", "15"]
    assert first.split()[-1] == "-"
    assert second.endswith("]")
    assert "each value is the mean of 50 draws of 15 rows; brackets hold 95% of them\n" in done.err


def test_what_cannot_be_had_says_why(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.npy", 20)
    done = assay("compare", "a.npy", "--measures", "radius,ttr", "--format", "md")
    assert "| a.npy | ttr | 20 | 10 | not computed: ttr needs texts; there are none. | - |" in done.out
    done = assay("compare", "a.npy", "--measures", "ttr")
    assert (done.code, done.err.splitlines()[-1]) == (2, "error: ttr needs texts; there are none.")


def test_a_comparison_is_written_and_replayed(
    assay: Assay, tmp_path: Path, sets: dict[str, list[dict[str, Any]]]
) -> None:
    done = assay(
        "compare", "a.json", "b.jsonl", "--reference", "pool.jsonl", "--encoder", "tfidf", "--repeats", 4, "-o", "out",
        "--format", "csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert files_in(tmp_path / "out") == {"compare.json", "manifest.json"}
    found = list(csv.DictReader(io.StringIO(done.out)))
    written = json.loads((tmp_path / "out" / "compare.json").read_bytes())["results"]
    assert [float(row["value"]) for row in found] == [row["value"] for row in written]
    again = assay("run", "out/manifest.json", "-o", "other")
    assert (again.code, again.out) == (0, done.out)
    assert same_but_for_the_run(tmp_path / "out", tmp_path / "other")
    # nothing is embedded twice
    done = assay(
        "compare", "a.json", "b.jsonl", "--reference", "pool.jsonl", "--encoder", "tfidf", "-o", "out", "--resume"
    )  # fmt: skip
    assert "embedded 0 texts now" in done.err


def test_vectors_of_two_encoders_do_not_compare(assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", rows(20))
    write_lines(tmp_path / "b.jsonl", rows(20, first=20))
    assert assay("embed", "a.jsonl", "--encoder", "tfidf", "-o", "a").code == 0
    assert assay("embed", "b.jsonl", "--encoder", "tfidf", "-o", "b").code == 0  # fitted on other texts
    done = assay("compare", "a/embeddings.npy", "b/embeddings.npy", "--quiet")
    assert done.code == 2
    assert done.err.startswith("error: every set must be embedded by one encoder; a/embeddings.npy has ")
    assert done.err.endswith("Vectors of different encoders do not compare.\n")
    assert "None" not in done.err
    assert assay("embed", "a.jsonl", "--encoder", "tfidf", "-o", "again").code == 0
    done = assay("compare", "a/embeddings.npy", "again/embeddings.npy", "--repeats", 3, "--quiet")
    assert done.code == 0, done.err


def test_vectors_of_two_widths_do_not_compare(assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.npy", 20)
    write_vectors(tmp_path / "b.npy", 20, width=9)
    done = assay("compare", "a.npy", "b.npy", "--quiet")
    assert done.err == (
        "error: set b.npy must have as many dimensions as set a.npy (8); got 9. Embed both with the same encoder.\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--measures", "novelsumm"], "unknown measure 'novelsumm'. Did you mean 'novelsum'? See: assay measures"),
        (["v.npy"], "sources must be different sets; got v.npy, v.npy."),
        (["--baseline", "w.npy"], "--baseline must be one of v.npy; got 'w.npy'. Did you mean 'v.npy'?"),
        (["--size", "13"], "--size must be <= the rows of the smallest set, v.npy (12); got 13."),
        (["--repeats", "1"], "--repeats must be >= 2; got 1."),
        (["--fraction", "1"], "--fraction must be between 0 and 1; got 1.0."),
        (["--confidence", "0"], "--confidence must be between 0 and 1; got 0.0."),
        (["--reference", "self"], "--reference must be one source for all sets; got self."),
        (["--reference-vectors", "v.npy"], "--reference-vectors must come with a source as reference; got none."),
        (["--density-power", "1"],
         "--density-power must be 0 where there is no reference; got 1. Give a reference (the pool, or 'self')."),
        (["--vectors", "a.npy,b.npy"], "--vectors must name one file a set (1); got 2."),
        (["--variant", "papers"], "--variant must be one of official, paper; got 'papers'. Did you mean 'paper'?"),
        (["--format", "xml"], "--format must be one of table, json, csv, md; got 'xml'."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(assay: Assay, tmp_path: Path, options: list[str], message: str) -> None:
    write_vectors(tmp_path / "v.npy", 12)
    done = assay("compare", "v.npy", *options, "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
