"""Three ways to pick 20 of 150 points, and what the density in NovelSum changes.

Run with ``python examples/simulation.py [PAGE.html]``. The pool lies on a sphere: four clusters of 50, 40, 25 and 15
points and 20 scattered ones. A is drawn from the two large clusters; B is k-center, spread evenly over the sphere; C
is k-center inside each cluster, with about as many points as the cluster's share of the pool.

By distances alone B is the most diverse. With the density of the pool C is, since it covers the regions where the
pool has its points. On this fixed seed, that is: see CAVEAT for how often it holds on others.

After the simulation of Yang et al., ACL 2025, arXiv 2502.17184, which is in the plane (as far as is known, unverified).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.diversity import distsum_cosine, novelsum
from assay.neighbors import unit_rows
from assay.report import Section, write_page
from assay.select import kcenter

SIZES, SHARES = (50, 40, 25, 15, 20), (6, 5, 3, 2, 4)
CAVEAT = (
    "On this fixed seed C is above B with density, and B above C without. It shows no more: over the seeds 0 to 19 the "
    "first holds for 17 and the second for 20, and with density A is the lowest for 8 only."
)


def simulate(seed: int = 0) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Return the pool (150, 3) and the rows of A, B and C in it."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(6, 3)))
    clusters = [
        unit_rows(centre + 0.18 * rng.normal(size=(size, 3)))
        for centre, size in zip(centres, SIZES[:4], strict=False)
    ]
    pool = np.concatenate([*clusters, unit_rows(rng.normal(size=(SIZES[4], 3)))])
    starts = np.cumsum((0, *SIZES[:-1]))
    inside = [
        start + kcenter(pool[start : start + size], budget=share, start=0).indices
        for start, size, share in zip(starts, SIZES, SHARES, strict=True)
    ]
    chosen = {
        "A": rng.choice(SIZES[0] + SIZES[1], 20, replace=False),
        "B": kcenter(pool, budget=20, start=0).indices,
        "C": np.concatenate(inside),
    }
    return pool, chosen


def measure(pool: NDArray[Any], chosen: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """Return a row for each set: distances alone, then with the density of the pool."""
    return [
        {
            "set": name,
            "mean distance": distsum_cosine(pool[rows]),
            "NovelSum without density": novelsum(pool[rows], include_self=False),
            "NovelSum (paper)": novelsum(pool[rows], reference=pool, variant="paper"),
            "NovelSum (official)": novelsum(pool[rows], reference=pool),
        }
        for name, rows in chosen.items()
    ]


def figure(pool: NDArray[Any], chosen: dict[str, NDArray[Any]]) -> Any:
    """Return the pool and the three choices on the sphere, to be turned."""
    import plotly.graph_objects as go

    names = [f"cluster {number}" for number in range(1, 5) for _ in range(SIZES[number - 1])] + [
        "scattered"
    ] * 20
    drawing = go.Figure()
    for name, rows in {"pool": np.arange(len(pool)), **chosen}.items():
        drawing.add_scatter3d(
            x=pool[rows, 0],
            y=pool[rows, 1],
            z=pool[rows, 2],
            text=[names[row] for row in rows],
            name=name,
            mode="markers",
            marker={"size": 3, "opacity": 0.4} if name == "pool" else {"size": 6},
            visible=True if name in ("pool", "C") else "legendonly",
        )
    return drawing.update_layout(height=560)


def main(page: str) -> None:
    pool, chosen = simulate()
    rows = measure(pool, chosen)
    print(",".join(rows[0]))
    for row in rows:
        print(",".join(value if isinstance(value, str) else f"{value:.6f}" for value in row.values()))
    print(CAVEAT)
    write_page(
        page,
        title="20 of 150 points, picked in three ways",
        sections=[
            Section("How diverse", text=CAVEAT, table=rows),
            Section(
                "The points",
                text="Click A, B or C above the figure to show or hide them; drag to turn it.",
                figure=figure(pool, chosen),
            ),
        ],
    )
    print(f"wrote {page}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "simulation.html")
