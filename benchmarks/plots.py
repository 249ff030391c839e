"""``python -m benchmarks.plots``: the growth plots of docs/scale.md from ``benchmarks/results/growth.json``."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
OUT = Path(__file__).parent.parent / "docs" / "images" / "scale-growth.png"


def main() -> None:
    growth = json.loads((RESULTS / "growth.json").read_text())["rows"]
    density = json.loads((RESULTS / "density_large.json").read_text())["rows"]
    panels = {
        "NovelSum of 10,000 rows, by reference": [r for r in growth if r["task"] == "novelsum"],
        "NovelSelect of 1,000 rows, by pool": [
            r for r in growth if r["task"] == "novelselect" and r["budget"] == 1000
        ],
        "density of a pool within itself": density,
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        measured = [row for row in rows if "note" not in row]
        n, seconds = (np.array([row[key] for row in measured], dtype=float) for key in ("n", "seconds"))
        axis.loglog(n, seconds, "o-", label="measured")
        axis.loglog(n, [row["floor seconds"] for row in measured], "s--", label="floor: products alone")
        slope, at = np.polyfit(np.log(n[-3:]), np.log(seconds[-3:]), 1)
        wide = np.array([n[-1], 10 * n[-1]])
        axis.loglog(wide, np.exp(at) * wide**slope, ":", label=f"fit of the last three: n^{slope:.2f}")
        axis.set(title=title, xlabel="rows", ylabel="seconds on 2 cores")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
