"""The page of a knowledge study: what its sections hold, on whole and on poor results, and in a real browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assay.report import Section, write_page
from assay.study.knowledge.claims import claims
from assay.study.knowledge.page import sections
from tests.conftest import Open
from tests.study.knowledge.made import cell, changed, study

POOR: Mapping[str, dict[str, Any]] = {
    "one seed, one size": study(sizes=(60,), seeds=1, mixed=False),
    "no OOD, no divergence, no original": {
        "counts": {"train": [1, 2, 3, 4, 5], "ID": [5, 4, 3, 2, 1], "OOD": [0] * 5},
        "original": {},
        "agreement": None,
        "cells": [cell(b, "all", 0, {"ID": [None, 2.0, 3.0, 4.0, 5.0]}, taken=40 + b) for b in (1, 4)],
    },
    "the control alone": study(sizes=(8, 16), seeds=2)
    | {"cells": [one for one in study(sizes=(8, 16), seeds=2)["cells"] if one["bin"] == "mixed"]},
}


def _by_heading(found: list[Section]) -> dict[str, Section]:
    assert len({one.heading for one in found}) == len(found)
    return {one.heading: one for one in found}


def test_the_sections_of_a_whole_study() -> None:
    result = study()
    found = _by_heading(sections(result, claims(result), changed=changed()))
    assert list(found) == [
        "Which claims of the paper hold here",
        "Effects with their intervals",
        "Accuracy over examples",
        "Training bin by test bin, whole bins",
        "Training bin by test bin, 240 examples",
        "Training bin by test bin, 60 examples",
        "Divergence from the original over examples",
        "Divergence against accuracy, ID",
        "Facts kept, lost and gained, 240 examples",
        "Facts lost",
        "Facts gained",
        "Every claim: what the paper says, and how it is tested",
        "Beside the paper's LLaMA-3-8B",
        "The original, before any training",
        "Accuracy on the facts trained on",
        "Facts in each bin",
        "Exact and sampled mastery",
        "Calibration of the exact score",
        "Mastery by how often a fact was told",
        "Left out",
        "Notes",
        "Settings",
    ]
    heat = found["Training bin by test bin, 240 examples"]
    ID, OOD = heat.figure.data
    assert ID.y == OOD.y == ("D0", "D1", "D2", "D3", "D4", "mixed")
    assert ID.x == ("D0", "D1", "D2", "D3", "D4", "mean")
    assert heat.table is not None
    facts, original, _, first = heat.table[:4]
    assert (facts["ID D4"], facts["OOD D0"], facts["ID micro"], facts["ID mean"]) == (92, 412, 954, None)
    assert ID.z[0][4] == pytest.approx(first["ID D4"] - original["ID D4"])
    assert ID.text[0][4].split("<br>")[0] == f"{first['ID D4']:.1f}"
    beside = found["Beside the paper's LLaMA-3-8B"]
    assert beside.table is not None
    assert beside.table[2]["LLaMA-3-8B"] == 57.53
    assert beside.table[2]["lead over D0, LLaMA-3-8B"] == pytest.approx(12.06)
    settings = found["Settings"].table
    assert settings is not None
    assert {"setting": "world.facts", "value": "150"} in settings
    assert {"setting": "sizes", "value": "60, 240, all"} in settings
    lost = found["Facts lost"].table
    assert lost is not None
    assert [row["bin"] for row in lost[::20]] == ["D4", "D3", "D2", "D1", "D0"]
    assert (lost[0]["fine-tunings"], lost[0]["on"]) == (12, "D0 D1 D2 D3")


def test_bins_of_few_facts_are_told() -> None:
    result = study() | {"counts": {"train": [9] * 5, "ID": [229, 146, 16, 8, 1], "OOD": [70, 25, 5, 0, 0]}}
    text = _by_heading(sections(result, claims(result)))["Accuracy over examples"].text
    assert (
        "ID has few facts in D3 8, D4 1: one fact moves its mean by up to 20.0 points. OOD has few facts in D2 5: one "
        "fact moves its mean by up to 6.7 points. The mean on OOD is that of D0, D1, D2, which alone have facts."
    ) in text
    assert "few facts" not in _by_heading(sections(study(), claims(study())))["Accuracy over examples"].text
    moved = _by_heading(sections(result, claims(result)))["Divergence from the original over examples"].text
    assert "format and knowledge together, here of 80 facts." in moved


def test_changes_are_means_over_seeds() -> None:
    two = [
        cell(0, 8, seed, {"ID": [10.0] * 5})
        | {
            "turned": {
                "ID": {
                    name: [0, 0, 0, 0, count]
                    for name, count in zip(("kept", "lost", "gained", "never"), counts, strict=True)
                }
            }
        }
        for seed, counts in enumerate([(4, 6, 0, 10), (2, 8, 4, 6)])
    ]
    result: dict[str, Any] = {"counts": {}, "original": {}, "cells": two}
    found = _by_heading(sections(result, claims(result)))
    (row,) = found["Facts kept, lost and gained, 8 examples"].table or ()
    assert [row[name] for name in ("test bin", "facts", "kept", "lost", "gained", "never")] == [
        "D4", 20, 15.0, 35.0, 10.0, 40.0,
    ]  # fmt: skip


@pytest.mark.parametrize("name", POOR)
def test_poor_results_have_a_page(name: str, tmp_path: Path) -> None:
    found = _by_heading(sections(POOR[name], claims(POOR[name])))
    assert all(one.figure is None or one.figure.data for one in found.values())
    write_page(tmp_path / "page.html", title="Poor", sections=list(found.values()))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(
        path,
        title="Knowledge",
        sections=sections(study(), claims(study()), changed=changed()),
    )
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_in_a_browser(opened: Open, file: Path, width: int, scheme: str) -> None:
    page = opened(file, width=width, color_scheme=scheme, has_touch=width < 500, is_mobile=width < 500)
    assert page.said == []
    assert page.asked == [file.as_uri()]
    assert page.page.locator(".js-plotly-plot").count() == 8
    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    assert page.page.locator("td b").count() == 0  # of questions
    assert not page.page.get_by_text("<b>Place 19</b>").first.is_visible()
    page.page.get_by_text("100 facts with what was said").first.click()
    assert page.page.get_by_text("<b>Place 19</b>").first.is_visible()
    assert page.said == []
