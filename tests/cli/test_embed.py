"""`assay embed`: one row a record, each text embedded once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Assay, files_in, rows, tfidf, write_json, write_lines, write_vectors


def test_vectors_and_ids(assay: Assay, tmp_path: Path) -> None:
    records = rows(12)
    records[1] |= {"id": "twice"}
    records[5] |= {"id": "twice"}  # ids need not differ
    records[7] |= {"id": "half \ud83d"}  # half an emoji
    (tmp_path / "a.json").write_text(json.dumps([*records, records[0]]), encoding="utf-8")
    done = assay("embed", "a.json", "-o", "out", "--encoder", "tfidf", "--format", "json")
    assert done.code == 0, done.err
    vectors = np.load(tmp_path / "out" / "embeddings.npy")
    [expected] = tfidf([*records, records[0]])
    np.testing.assert_array_equal(vectors, expected)
    ids = json.loads((tmp_path / "out" / "ids.json").read_bytes())
    assert ids == ["0", "twice", "2", "3", "4", "twice", "6", "half \ufffd", "8", "9", "10", "11", "12"]
    written = json.loads(done.out)
    assert written["counts"] == {"records": 13, "distinct_texts": 12, "skipped": 0}
    assert (written["run"]["embedded"], written["run"]["from_cache"]) == (12, 0)
    assert files_in(tmp_path / "out") == {"embeddings.npy", "ids.json", "manifest.json"}


def test_a_shared_cache_serves_every_command(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", rows(12))
    common = ("--encoder", "tfidf", "--cache", "shared")
    assert "embedded 12 texts now" in assay("embed", "a.json", "-o", "out", *common).err
    assert not (tmp_path / "out" / "embeddings").exists()
    assert "embedded 0 texts now, 12 were in the cache" in assay("measure", "a.json", *common).err
    done = assay("select", "a.json", "--budget", 2, "--neighbors", 3, "-o", "chosen", *common)
    assert "embedded 0 texts now, 12 were in the cache" in done.err


def test_options_of_the_encoder(assay: Assay, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", rows(4))
    done = assay(
        "embed", "a.json", "-o", "out", "--max-tokens", 8, "--workers", 1, "--dtype", "float16", "--text",
        "instruction", "--format", "csv",
    )  # fmt: skip
    assert done.out == "file,rows,dimensions,dtype\nout/embeddings.npy,4,512,float16\n"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["encoder"]["max_tokens"] == 8
    for option, value in (("--pooling", "mean"), ("--batch-size", 8), ("--base-url", "http://x")):
        done = assay("embed", "a.json", "-o", "other", option, value)
        assert done.code == 2
        assert done.err.startswith(
            f"error: {option} must be left out with encoder 'sentence', which cannot use it"
        )
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("v.npy", "source must hold records; v.npy holds vectors already."),
        ("b.json", "source must be an existing file; there is no b.json. Did you mean a.json or none.jsonl?"),
        ("none.jsonl", "none.jsonl must hold at least one row; it is empty."),
    ],
)
def test_what_cannot_be_embedded(assay: Assay, tmp_path: Path, source: str, message: str) -> None:
    write_json(tmp_path / "a.json", rows(2))
    write_lines(tmp_path / "none.jsonl", [])
    write_vectors(tmp_path / "v.npy", 3)
    done = assay("embed", source, "-o", "out", "--quiet")
    assert (done.code, done.out, done.err) == (2, "", f"error: {message}\n")
    assert files_in(tmp_path / "out") == set()
