"""The page as a file: one, whole, the same for the same input, and closed to the network."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from assay.errors import DataError
from assay.report import Section, write_page


def _sections() -> list[Section]:
    figure = go.Figure(
        go.Scatter(x=np.arange(5, dtype=np.float32), y=[1.0, 2.0, np.nan, 4.0, 5.0], name="</script>")
    )
    return [
        Section("First <b>", text="One & two.\n\nThree.", figure=figure),
        Section("Second", table=[{"set": "</script><script>alert(1)</script>", "n": 52002, "value": None}]),
    ]


def _page(path: Path, **changes: object) -> str:
    arguments = {"title": "A <title>", "sections": _sections(), "provenance": {"rows": 3}} | changes
    write_page(path, **arguments)  # type: ignore[arg-type]
    return path.read_text(encoding="utf-8")


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    assert _page(tmp_path / "a.html") == _page(tmp_path / "b.html")


def test_text_of_records_cannot_become_markup(tmp_path: Path) -> None:
    html = _page(tmp_path / "a.html")
    assert "alert(1)" in html
    assert "<script>alert(1)" not in html
    assert "<b>" not in html.replace("First &lt;b&gt;", "").split("<main>")[1].split("<script")[0]
    assert len(re.findall(r"<script>", html)) == 2  # plotly once, and the page's own


def test_nothing_may_be_fetched(tmp_path: Path) -> None:
    html = _page(tmp_path / "a.html")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*\b(?:src|href)=["']?""", html)


def test_half_an_emoji_is_written_as_a_replacement(tmp_path: Path) -> None:
    html = _page(tmp_path / "a.html", title="half \ud83d")
    assert "half �" in html


def test_a_page_has_sections(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sections must hold at least one section; got none"):
        _page(tmp_path / "a.html", sections=[])
