"""Servers that speak OpenAI's protocol: one client, many requests in flight, one wording of what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from assay._check import require
from assay.errors import DataError

RETRIES = 5  # by the SDK, with growing waits, on 408, 409, 429 and 5xx

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def connect(base_url: str | None, feature: str, timeout_seconds: float) -> Any:
    """Return the SDK's client at `base_url`, else OPENAI_BASE_URL, else OpenAI; the key is OPENAI_API_KEY."""
    return require("openai", "api", feature).OpenAI(
        base_url=base_url or os.environ.get("OPENAI_BASE_URL") or None,
        api_key=os.environ.get("OPENAI_API_KEY") or "none",
        max_retries=RETRIES,
        timeout=timeout_seconds,
    )


def in_flight(
    ask: Callable[[Item], Answer], items: Sequence[Item], workers: int
) -> Iterator[tuple[int, Answer]]:
    """Yield the place of each item and what came of it, as they come; nothing more is asked after an error."""
    threads = ThreadPoolExecutor(workers)
    try:
        waiting = {threads.submit(ask, item): row for row, item in enumerate(items)}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    threads.shutdown()


@contextmanager
def answering(
    url: str,
    *,
    todo: Mapping[int, str],
    what: str = "answer",
    other: str = "Look at its log.",
    again: str = "",
) -> Iterator[None]:
    """Turn what the SDK raises into `DataError`: `todo` says what to do about a status, `other` about any other one.

    `again` is added where the server cannot be reached.
    """
    import openai

    try:
        yield
    except openai.APIConnectionError as error:
        raise DataError(
            f"base_url must be a server that answers; got {url}: {error.__cause__ or error}. "
            f"Start the server, or set --base-url or OPENAI_BASE_URL{again}."
        ) from error
    except openai.APIStatusError as error:
        reason = str(error.message).strip().split("\n")[0][:200]
        raise DataError(
            f"the server at {url} must {what}; got status {error.status_code}: {reason} "
            f"{todo.get(error.status_code, other)}"
        ) from error
