"""`assay select --push`, against the hub of `tests/data/test_hub.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Assay, files_in, rows, write_lines, write_vectors
from tests.data.test_hub import Hub, server

__all__ = ["server"]  # a fixture


def test_a_selection_is_pushed(server: Hub, assay: Assay, tmp_path: Path) -> None:
    write_lines(tmp_path / "pool.jsonl", rows(20))
    write_vectors(tmp_path / "v.npy", 20)
    typed = (
        "select", "pool.jsonl", "--budget", 4, "--vectors", "v.npy", "-o", "out", "--push", "org/varied", "--trainer",
        "trl", "--format", "json",
    )  # fmt: skip
    done = assay(*typed)
    assert done.code == 0, done.err
    out = tmp_path / "out"
    made = server.repositories["org/varied"]
    card = made.files.pop("README.md").decode()
    del made.files[".gitattributes"]
    assert made.files == {name: (out / name).read_bytes() for name in files_in(out)}
    assert set(made.files) == {"selected.jsonl", "selection.csv", "train_trl.py", "manifest.json"}
    assert "\n  - split: train\n    path: selected.jsonl\n" in card  # what the hub loads
    assert "4 of 20 rows (20.0%), chosen by `novelselect`" in card
    results = json.loads(done.out)["results"]["novelsum"]
    assert f"{results['selected']:.6g}" in card
    assert f"pushed to {server.url}/datasets/org/varied/commit/{made.commits[-1]}\n" in done.err
    made.files["README.md"] = b"a card of a person's own"
    again = assay(*typed, "--resume", "--quiet")
    assert again.code == 2
    assert again.err.startswith(
        "error: --push must be new or hold a card that assay wrote; org/varied has a README.md of its own."
    )
    assert json.loads(again.out)["results"]["novelsum"] == results  # the selection is there all the same


def test_a_push_that_cannot_be_is_refused_before_the_work(
    server: Hub, assay: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pool.jsonl").write_bytes(b"this would be an error of its own\n")
    typed = ("select", "pool.jsonl", "--budget", 4, "-o", "out", "--push")
    assert assay(*typed, "org/two/three").err.startswith("error: --push must be org/name, ")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert assay(*typed, "org/varied").err.startswith(
        "error: HF_HUB_OFFLINE must be unset for a push; got 1."
    )
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_TOKEN")
    assert assay(*typed, "org/varied").err.startswith(
        "error: HF_TOKEN must be a token that may write to org/varied"
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # as where it is not installed
    done = assay(*typed, "org/varied")
    assert (done.code, done.err) == (
        2,
        "error: --push needs huggingface_hub; install it with: pip install 'assay[hub]'\n",
    )
    assert not server.requests
    assert not (tmp_path / "out").exists()
