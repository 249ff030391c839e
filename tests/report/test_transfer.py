"""The page of a cross validation: a heat map of each measure for each group of labels, in a real browser too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay.ner.crossval import Cell, CrossValidation
from assay.ner.score import Counts
from assay.report import write_page
from assay.report.transfer import transfer_sections
from tests.conftest import Open

HOSTILE = "<b>news"


def _found(corpora: int) -> CrossValidation:
    """Return a result over so many corpora: one label that all have, and one pair of different names."""
    labels = [f"{HOSTILE}{n}/PER" for n in range(corpora)]
    full, half = Counts(4, 4, correct=4), Counts(4, 4, correct=2, boundary=1)
    pairs = [(a, b, full if a == b else half) for a in labels for b in labels]
    pairs += [(a, b, full) for a in ("x/place", "y/town") for b in ("x/place", "y/town")]
    cells = tuple(
        Cell(a, b, 9, 0, counts=counts, own=full, seen=full if a == b else Counts(), interval=(0.1, 0.9))
        for a, b, counts in pairs
    )
    return CrossValidation({"tagger": "crf"}, {}, {"x": {"train": 9, "test": 9}}, cells)


def test_every_group_has_a_map_of_each_measure() -> None:
    people, places, wrong, corpora = transfer_sections(_found(3))
    assert (people.heading, places.heading, wrong.heading) == ("PER", "place", "What goes wrong")
    for section, size in ((people, 3), (places, 2)):
        assert [trace.z.shape for trace in section.figure.data] == [(size, size)] * 3
        assert [title.text for title in section.figure.layout.annotations] == ["F1", "transfer", "seen F1"]
    assert list(people.figure.data[0].x) == [f"&lt;b&gt;news{n}" for n in range(3)]
    assert list(places.figure.data[0].y) == ["x/place", "y/town"]
    np.testing.assert_array_equal(people.figure.data[0].z, np.full((3, 3), 0.5) + np.eye(3) / 2)
    assert np.isnan(people.figure.data[2].z).sum() == 6
    assert wrong.table is not None
    assert len(wrong.table) == 3 * 2 + 2
    assert wrong.table[0]["boundary"] == 0.5
    assert corpora.table == [{"corpus": "x", "train": 9, "test": 9}]


@pytest.mark.parametrize("corpora", [3, 8])
def test_it_opens_in_a_browser(opened: Open, tmp_path: Path, corpora: int) -> None:
    path = tmp_path / "crossval.html"
    write_page(path, title="Cross validation", sections=transfer_sections(_found(corpora)))
    page = opened(path)
    assert page.said == []
    assert page.asked == [path.as_uri()]
    assert page.page.locator(".js-plotly-plot").count() == 2
    assert page.page.locator(".js-plotly-plot").first.locator(".heatmaplayer image, .hm image").count() == 3
    assert page.page.locator("b", has_text="news").count() == 0
    titles = page.page.locator(".js-plotly-plot").first.locator(".annotation-text").all_text_contents()
    assert titles == ["F1", "transfer", "seen F1"]
