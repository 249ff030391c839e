"""A loaded model is, percent after percent, the one that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import DataError
from assay.weights import open_pair, restore, select, steps
from tests.weights import made


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_step_is_the_model_that_is_written(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    made.make_model().to(getattr(torch, dtype)).save_pretrained(tmp_path / "p")
    made.nudge(made.make_model()).to(getattr(torch, dtype)).save_pretrained(tmp_path / "s")
    pair = open_pair(tmp_path / "p", tmp_path / "s")
    selection = select(pair.chunks, [0, 5, 40, 100])
    written = restore(pair, selection, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "s", dtype=torch.float32)
    seen = []
    for path, percent in zip(written, steps(pair, selection, model, elements=97), strict=True):
        expected = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
        seen.append(percent)
    assert tuple(seen) == selection.percents
    with pytest.raises(DataError, match="has other values than its file"):
        next(steps(pair, selection, model))
    with pytest.raises(DataError, match=r"it has no model\.layers\.0\.mlp\.down_proj\.weight of shape"):
        next(steps(pair, selection, torch.nn.Linear(2, 2)))
