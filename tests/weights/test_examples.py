"""Every example in a docstring of the room runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import assay.weights


def test_examples_run() -> None:
    names = [info.name for info in pkgutil.walk_packages(assay.weights.__path__, "assay.weights.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) > 5
