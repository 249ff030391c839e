"""The benchmark of a GPU, run small on the processor."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu import gpu, measure


@pytest.mark.filterwarnings("ignore::assay.errors.AssayWarning")
def test_gpu_at_toy_size():
    rows = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float16)
    found = measure("torch:cpu", rows, 40, small=(120, 12))
    assert [row["task"] for row in found] == [
        "density of the pool",
        "novelselect, both, density given",
        "novelselect, self, density given",
        "novelsum of the choice against the pool",
        "kcenter",
        "novelselect, both, density given",
        "the released loop, float16",
        "the released loop, float32",
    ]
    assert found[-1]["first rows equal"] == 12
    assert found[-2]["first rows equal"] >= 1


def test_gpu_that_is_not_there(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu() == [{"not measured": f"torch {torch.__version__} sees no CUDA device"}]
