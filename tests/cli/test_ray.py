"""The same results from Ray workers, and what is said where there can be none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Assay, in_process_of_its_own, rows, write_lines, write_vectors


def test_the_same_results_as_without(ray_started: None, assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", rows(40))
    engines = {"here": [], "there": ["--engine", "ray", "--workers", 2]}
    said = {}
    for name, engine in engines.items():
        common = ["--encoder", "tfidf", *engine]
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


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "[Errno 111] Connection refused"),
        ("auto", "ConnectionError: Could not find any running Ray instance"),
    ],
)
def test_a_cluster_that_cannot_be_reached(tmp_path: Path, address: str, reason: str) -> None:
    np.save(tmp_path / "v.npy", np.eye(12))
    done = in_process_of_its_own(
        *("measure", "v.npy", "--engine", "ray", "--ray-address", address),
        cwd=tmp_path,
        RAY_TMPDIR=str(tmp_path),  # where Ray looks for one that runs
    )
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: --ray-address must be a Ray cluster that this machine is a node of; got {address!r}: {reason}. "
        "See: ray status\n"
    )


@pytest.mark.parametrize("address", ["ray://h:10001", "h", "h:x", ":1"])
def test_an_address_of_another_form(tmp_path: Path, address: str) -> None:
    np.save(tmp_path / "v.npy", np.eye(12))
    done = in_process_of_its_own(
        "measure", "v.npy", "--engine", "ray", "--ray-address", address, cwd=tmp_path
    )
    assert done.err.startswith(
        f"error: --ray-address must be host:port of the head node, or auto; got {address!r}."
    )
