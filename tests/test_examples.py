"""The examples run and print what the specification computed elsewhere."""

from __future__ import annotations

import csv
import io
import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
SIMULATION = str(EXAMPLES / "simulation.py")

# mean distance, NovelSum without density, the paper variant, the official one: from an independent program
EXPECTED = {
    "A": ["0.212325", "0.092815", "23.204507", "0.617622"],
    "B": ["1.024883", "0.571571", "53.367506", "1.411825"],
    "C": ["0.902102", "0.471888", "71.284435", "1.782318"],
}


def test_the_simulation_prints_the_published_recipe(tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.html"
    monkeypatch.setattr("sys.argv", ["simulation.py", str(page)])
    runpy.run_path(SIMULATION, run_name="__main__")
    printed = capsys.readouterr().out
    rows = [row for row in csv.reader(io.StringIO(printed)) if row[0] in EXPECTED]
    assert {row[0]: row[1:] for row in rows} == EXPECTED
    assert "It shows no more" in printed
    html = page.read_text(encoding="utf-8")
    assert "It shows no more" in html
    assert "scatter3d" in html


def test_density_turns_the_order_of_b_and_c():
    example = runpy.run_path(SIMULATION)
    a, b, c = example["measure"](*example["simulate"]())
    assert c["NovelSum (official)"] > b["NovelSum (official)"]
    assert c["NovelSum (paper)"] > b["NovelSum (paper)"]
    assert b["NovelSum without density"] > c["NovelSum without density"] > a["NovelSum without density"]


def test_what_the_caveat_counts():
    example = runpy.run_path(SIMULATION)
    names = ("NovelSum (official)", "NovelSum (paper)", "NovelSum without density", "mean distance")
    results = [example["measure"](*example["simulate"](seed)) for seed in range(20)]
    above = [sum(c[name] > b[name] for _, b, c in results) for name in names]
    lowest = [sum(a[name] < min(b[name], c[name]) for a, b, c in results) for name in names]
    assert above == [17, 17, 0, 0]
    assert lowest == [8, 8, 20, 20]
