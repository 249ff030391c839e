"""The vectors that the benchmarks run on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

KEEP = Path("build/bench")
BLOCK = 10_000  # rows of one seed in `large`


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


def large(n: int, d: int = 512, dtype: str = "float32") -> np.ndarray:
    """Return n unit rows of d dimensions that lie like texts, memory-mapped: the first n of one endless series.

    Topics of power-law sizes, subtopics in them, and a spread with a falling spectrum, so that two rows are at a
    cosine distance of 0.7 to 1.0 and the nearest of some 100,000 at 0.2 to 0.5. One row in 100 is a near-copy of
    another and one in 500 its copy. Rows are made in blocks of their own seed, so that little memory is taken.
    """
    file = KEEP / f"large-{d}-{dtype}.npy"
    if not file.exists() or len(np.load(file, mmap_mode="r")) < n:
        KEEP.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(f".{os.getpid()}")
        rng = np.random.default_rng(0)
        topics, subtopics = rng.standard_normal((2, 4096, d), dtype=np.float32)
        middle = rng.standard_normal(d, dtype=np.float32)
        spectrum = (1 + np.arange(d, dtype=np.float32) / 8) ** -0.5
        spectrum *= (d / (spectrum**2).sum()) ** 0.5
        share = (1 + np.arange(4096.0)) ** -0.8
        with beside.open("wb") as out:
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (n, d)}
            np.lib.format.write_array_header_1_0(out, header)
            for start in range(0, n, BLOCK):
                rng = np.random.default_rng([1, start])
                topic = rng.choice(4096, size=BLOCK, p=share / share.sum())
                below = (topic * 31 + rng.integers(16, size=BLOCK)) % 4096
                rows = rng.standard_normal((BLOCK, d), dtype=np.float32) * spectrum
                rows *= rng.uniform(0.5, 1.1, (BLOCK, 1)).astype(np.float32)
                rows += 0.45 * middle + 0.8 * topics[topic] + 0.6 * subtopics[below]
                rows[-BLOCK // 100 :] = rows[: BLOCK // 100] + 0.1 * rows[-BLOCK // 100 :]
                rows[-BLOCK // 500 :] = rows[BLOCK // 100 :][: BLOCK // 500]
                rows = rng.permutation(rows)
                rows /= np.linalg.norm(rows, axis=1, keepdims=True)
                rows[: n - start].astype(dtype).tofile(out)
        beside.replace(file)
    return np.load(file, mmap_mode="r")[:n]


def _alpaca(data: Path) -> np.ndarray:
    file = KEEP / "alpaca.npy"
    if not file.exists():
        from assay.data import read, text
        from assay.embed import embed, resolve

        texts = [text(sample) for sample in read(data)]
        embed(texts, resolve("sentence"), cache=KEEP / "cache", out=file)
    return np.load(file)
