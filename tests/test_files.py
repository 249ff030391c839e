"""Files are whole or absent."""

from __future__ import annotations

import os

import pytest

from assay._files import atomic, file_hash, new_folder, read_json, write_json
from assay.errors import DataError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.json"
    write_json(target, {"a": 1})
    with pytest.raises(RuntimeError), atomic(target) as f:  # noqa: PT012
        f.write(b"half")
        raise RuntimeError
    assert read_json(target) == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_interrupted_write_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "new" / "a.txt", "w") as f:  # noqa: PT012
        f.write("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path / "new") == []


def test_permissions_are_those_of_a_new_file(tmp_path):
    with atomic(tmp_path / "a") as f:
        f.write(b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b")


def test_json_that_is_none(tmp_path):
    with pytest.raises(DataError, match=r"gone\.json must be an existing file; there is none\."):
        read_json(tmp_path / "gone.json")
    (tmp_path / "bad.json").write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(DataError, match=r"bad\.json:2: must be JSON; "):
        read_json(tmp_path / "bad.json")


def test_new_folder_refuses_what_it_would_mix_with(tmp_path):
    folder = new_folder(tmp_path / "out" / "deep")
    assert folder.is_dir()
    assert new_folder(folder) == folder  # empty is as good as new
    (folder / "kept").write_text("x")
    with pytest.raises(
        DataError, match=r"holds files\. Use --resume to go on .* or --overwrite to replace it\."
    ):
        new_folder(folder, resume=False)
    with pytest.raises(DataError, match=r"holds files\. Use --overwrite to replace it\."):
        new_folder(folder)
    new_folder(folder, resume=True)
    new_folder(folder, overwrite=True)
    assert (folder / "kept").exists()
    with pytest.raises(DataError, match=r"output must be a folder; .*kept is a file\."):
        new_folder(folder / "kept")
