"""The same results from Ray workers, and what is said where there can be none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Assay, in_process_of_its_own, rows, write_lines, write_vectors


def test_the_same_results_as_without(ray_started: None, assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", rows(40))
    engines = {"here": [], "there": ["--engine", "ray", "--workers", 2]}
    said = {}
    for name, engine in engines.items():
        common = ["--encoder", "tfidf", "--cache", f"cache-{name}", *engine]
        assert assay("embed", "pool.jsonl", *common, "-o", f"embedded-{name}").code == 0
        assert assay("select", "pool.jsonl", *common, "--budget", 10, "-o", f"chosen-{name}").code == 0
        done = assay("measure", "pool.jsonl", "--reference", "pool.jsonl", *common, "--format", "csv")
        assert done.code == 0, done.err
        said[name] = done.out
    assert said["here"] == said["there"]
    for file in ("embedded-{}/embeddings.npy", "chosen-{}/selection.csv", "chosen-{}/selected.jsonl"):
        here, there = (tmp_path / file.format(name) for name in engines)
        assert here.read_bytes() == there.read_bytes()
    assert json.loads((tmp_path / "chosen-there/manifest.json").read_text())["parameters"]["engine"] == "ray"
    assert assay("report", "chosen-there", "-o", "there.html").code == 0


def test_ready_vectors_row_by_row(ray_started: None, assay: Assay, tmp_path: Path) -> None:
    write_vectors(tmp_path / "v.npy", 12)
    done = assay("measure", "v.npy", "--per-row", "--engine", "ray", "--workers", 2)
    assert (done.code, done.out) == (0, assay("measure", "v.npy", "--per-row").out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ray-address", "h:1"], "--ray-address must be left out with engine 'local'; got 'h:1'."),
        (["--engine", "spark"], "--engine must be one of local, ray; got 'spark'."),
        (["--engine", "ray", "--workers", "0"], "--workers must be >= 1; got 0."),
        (
            ["--engine", "ray", "--measures", "radius"],
            "--engine must be 'local' for radius; got 'ray'. With 'ray' there are: novelsum, distsum_l2, "
            "knn_distance, facility_location.",
        ),
    ],
)
def test_what_is_wrong_is_said(assay: Assay, tmp_path: Path, options: list[str], message: str) -> None:
    write_vectors(tmp_path / "v.npy", 12)
    done = assay("measure", "v.npy", *options)
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")


def test_a_cluster_that_cannot_be_reached_is_known_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("no record")
    done = in_process_of_its_own(
        *(
            "select",
            "bad.jsonl",
            "--budget",
            "3",
            "-o",
            "out",
            "--engine",
            "ray",
            "--ray-address",
            "127.0.0.1:1",
        ),
        cwd=tmp_path,
    )
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: --ray-address must be a Ray cluster that this machine is a node of; got '127.0.0.1:1': "
        "[Errno 111] Connection refused. See: ray status\n"
    )
    assert not (tmp_path / "out").exists()
