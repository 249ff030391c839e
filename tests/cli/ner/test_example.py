"""`assay ner example`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Assay, files_in

MINI = {
    "dispatch": {"train.txt", "test.txt"},
    "civics": {"train.bio", "test.bio"},
    "chatter": {"train.json", "test.json"},
    "ribao": {"train.json", "test.json"},
    "wenku": {"train.json", "test.json", "labels.json"},
}


def test_writes_five_corpora(assay: Assay, tmp_path: Path) -> None:
    done = assay("ner", "example", "-o", "mini")
    assert (done.code, done.out) == (0, "")
    assert "wrote chatter, civics, dispatch, ribao, wenku to mini" in done.err
    assert {name: files_in(tmp_path / "mini" / name) for name in files_in(tmp_path / "mini")} == MINI

    (tmp_path / "mini" / "wenku" / "labels.json").write_text("[]")
    done = assay("ner", "example", "-o", "mini")
    assert done.code == 2
    assert "mini holds files" in done.err
    assert assay("ner", "example", "-o", "mini", "--overwrite", "--quiet").code == 0
    assert "人名" in (tmp_path / "mini" / "wenku" / "labels.json").read_text(encoding="utf-8")
