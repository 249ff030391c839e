"""The vectors that the benchmarks run on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

KEEP = Path("build/bench")


def pool(n: int) -> tuple[np.ndarray, str]:
    """Return n vectors of 512 dimensions and what they are: real instructions where the data is, else clusters."""
    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "instructions/alpaca/alpaca_data.json"
    if data.exists():
        return _alpaca(data)[:n], "Alpaca, sentence encoder"
    return clusters(n), "synthetic clusters"


def clusters(n: int) -> np.ndarray:
    """Return n unit rows of 512 dimensions around 200 centres."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, 512))
    rows = 0.7 * centres[rng.integers(200, size=n)] + rng.standard_normal((n, 512)) * rng.uniform(
        0.5, 1.2, (n, 1)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _alpaca(data: Path) -> np.ndarray:
    file = KEEP / "alpaca.npy"
    if not file.exists():
        from assay.data import read, text
        from assay.embed import embed, resolve

        texts = [text(sample) for sample in read(data)]
        embed(texts, resolve("sentence"), cache=KEEP / "cache", out=file)
    return np.load(file)
