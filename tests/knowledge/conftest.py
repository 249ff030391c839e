"""A small model with random weights, asked on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.knowledge.models.made import make_model


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    import torch

    had = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(had)


@pytest.fixture(scope="module")
def plain() -> Any:
    return make_model()
