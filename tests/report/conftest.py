"""Pages opened in a real browser, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# what the software renderer itself says of its own speed
RENDERER = "GPU stall due to ReadPixels"


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
