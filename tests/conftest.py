"""What tests of several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(os.environ.get("ASSAY_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
]


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The first Chromium on the path; without one the tests are skipped, but in CI they fail.

    It ends with the module: while it lives, nothing else in this process can run an event loop.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        reason = f"none of {', '.join(BROWSERS)} is on the path; install one, for instance: apt-get install chromium"
        if os.environ.get("CI") or os.environ.get("ASSAY_CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
