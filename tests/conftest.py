"""What tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


def real_data(path: str) -> Path:
    """Return a file of the development data, or skip the test where it is missing."""
    file = DATA / path
    if not file.exists():
        pytest.skip(f"no development data at {file}; set ASSAY_DATA")
    return file


@cache
def alpaca_vectors(rows: int) -> np.ndarray:
    """Return embeddings of the first rows of Alpaca by the encoder without weights."""
    from assay.data import read, text
    from assay.embed import resolve

    texts = [text(sample) for sample in read(real_data("instructions/alpaca/alpaca_data.json"), limit=rows)]
    encoder = resolve("tfidf")
    encoder.fit(texts)
    return encoder.encode(texts)


@pytest.fixture(scope="session")
def ray_started() -> Iterator[None]:
    """Ray, started once for all tests: it takes some seconds."""
    from assay import _ray

    ray = _ray.connect()
    yield
    ray.shutdown()
