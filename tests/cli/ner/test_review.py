"""`assay ner review` as it is typed; what its pages do is tested in tests/web."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Assay


def test_what_cannot_be_reviewed_is_said(assay: Assay, tmp_path: Path) -> None:
    done = assay("ner", "review", tmp_path, "--port", 0)
    assert done.code == 2
    assert "cards.json must be an existing file; there is none" in done.err
    assert done.out == ""
    done = assay("ner", "review", tmp_path, "--port", 70000)
    assert done.code == 2
    assert "--port must be <= 65535; got 70000" in done.err


@pytest.mark.parametrize("module", ["fastapi", "uvicorn"])
def test_the_extra_is_named(
    assay: Assay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = assay("ner", "review", tmp_path)
    assert done.code == 2
    assert done.err == f"error: assay ner review needs {module}; install it with: pip install 'assay[web]'\n"
