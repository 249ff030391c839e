"""What the package promises to those who import it."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from importlib import resources

import pytest

import assay
from assay.diversity import MEASURES
from assay.errors import AssayError, AssayWarning, DataError, MissingExtraError
from assay.select import SELECTORS

NAMES = {
    "assay.diversity": [
        *MEASURES,
        "MEASURES",
        "Comparison",
        "Correlation",
        "Measure",
        "Measurement",
        "compare",
        "correlate",
        "novelsum_grid",
        "novelty",
        "together",
    ],
    "assay.neighbors": [
        "DENSITY_STATISTICS",
        "Known",
        "METRICS",
        "Neighbors",
        "equal_rows",
        "knn",
        "local_density",
        "norms",
        "same_rows",
        "unit_rows",
    ],
    "assay.select": [
        "SELECTORS",
        "Selection",
        "Selector",
        "duplicate",
        *SELECTORS,
        "in_parts",
        "nearest_earlier",
    ],
    "assay.training": ["PRESETS", "Preset", "train"],
    "assay.report": [
        "Choice",
        "Findings",
        "PLANES",
        "Pool",
        "Section",
        "card_html",
        "find",
        "plane",
        "result_sections",
        "sections",
        "weights_sections",
        "write_atlas",
        "write_cards_page",
        "write_page",
    ],
    "assay.embed": [
        "ENCODERS",
        "EmbedReport",
        "Embeddings",
        "Encoder",
        "EncoderRow",
        "Fingerprint",
        "embed",
        "encoders",
        "load_vectors",
        "resolve",
    ],
}


@pytest.mark.parametrize("room", NAMES)
def test_exported_names(room):
    module = importlib.import_module(room)
    assert sorted(module.__all__) == sorted(NAMES[room])
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_importing_the_package_is_light():
    heavy = ["numpy", "torch", "numba", "faiss", "pyarrow", "scipy", "sklearn", "typer", "pydantic"]
    code = f"import sys, assay; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_typed_and_versioned():
    assert resources.files("assay").joinpath("py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", assay.__version__)


def test_errors_are_a_tree():
    assert issubclass(DataError, AssayError)
    assert issubclass(DataError, ValueError)
    assert issubclass(MissingExtraError, AssayError)
    assert issubclass(MissingExtraError, ImportError)
    assert not issubclass(AssayWarning, AssayError)


@pytest.mark.parametrize("table", [MEASURES, SELECTORS], ids=["measures", "selectors"])
def test_every_row_is_documented(table):
    for name, row in table.items():
        text = inspect.getdoc(row.function)
        for heading in ("Parameters\n-----", "Returns\n-----", "Examples\n-----"):
            assert heading in text, f"{name} lacks {heading.splitlines()[0]}"
        for parameter in inspect.signature(row.function).parameters:
            assert re.search(rf"\b{parameter}\b", text), f"{name} does not document {parameter}"
        assert row.summary
        assert row.source
