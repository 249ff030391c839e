"""What tests of several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
# what the software renderer itself says of its own speed
RENDERER = "GPU stall due to ReadPixels"


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


@dataclass
class Opened:
    """A page in the browser, and what it said and asked for since it was opened."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def opened(browser: Any) -> Iterator[Open]:
    """Open a file offline and wait until all of it is drawn."""
    contexts = []

    def open_file(
        path: Path, *, width: int = 1200, height: int = 900, script: str = "", **options: Any
    ) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(True)
        context.set_default_timeout(60_000)
        if script:
            context.add_init_script(script)
        found = Opened(context.new_page())
        found.page.on("console", lambda m: RENDERER in m.text or found.said.append(f"{m.type}: {m.text}"))
        found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(path.as_uri())
        found.page.wait_for_selector("html[data-ready=yes]", state="attached")
        return found

    yield open_file
    for context in contexts:
        context.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests told by `record_property("told", line)`, such as what something took."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    for line in dict.fromkeys(
        value for each in reports for name, value in each.user_properties if name == "told"
    ):
        terminalreporter.write_line(line)
