"""What a process holds at most that restores models, against the bound that is stated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assay.errors import DataError
from assay.weights import memory_bound, slice_size
from tests.weights import made

COMMAND = """
import sys
from assay.cli import main
try:
    main()
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


def pair(path: Path, shape: tuple[int, int], layers: int) -> None:
    """Write two models of so many matrices, bf16, the same random rows again and again."""
    halves = np.random.default_rng(0).normal(0, 0.015, 2**20).astype("<f4").view("<u2")[1::2]
    for role, step in (("original", 0), ("tuned", 1)):
        content = np.resize(halves + np.uint16(step) * (np.arange(len(halves)) % 3 == 0), shape).tobytes()
        names = [f"model.layers.{i}.mlp.{name}_proj.weight" for i in range(layers) for name in ("gate", "up")]
        names += [f"model.layers.{i}.self_attn.q_proj.weight" for i in range(layers)]
        made.write_safetensors(
            path / role / "model.safetensors", {name: ("BF16", list(shape), content) for name in names}
        )
        (path / role / "config.json").write_text(json.dumps({"model_type": "llama"}))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no peak of memory is told here")
def test_a_process_stays_below_its_memory_whatever_the_models_size(tmp_path: Path) -> None:
    # 12 and 96 MB; of the second, float32 would be 192 MB a side. The first run compiles the loops
    peaks = []
    for name, layers, more in (("small", 1, ()), ("large", 8, ()), ("large", 8, ("--delta", "--overwrite"))):
        if not (tmp_path / name).exists():
            pair(tmp_path / name, (1024, 2048), layers)
        arguments = [tmp_path / name / "original", tmp_path / name / "tuned", "-o", tmp_path / f"{name}-out"]
        done = subprocess.run(
            [sys.executable, "-c", COMMAND, "weights", "restore", *map(str, arguments), "--percent", "1,20,60",
             "--memory-gb", ".26", *more],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stderr.split("VmHWM:")[1].split()[0]) * 1024)
    assert max(peaks[1:]) < 260_000_000


def test_a_slice_for_a_memory() -> None:
    for memory, percents in ((240 * 10**6, 1), (10**9, 7), (300 * 10**6, 20)):
        size = slice_size(memory, percents=percents)
        assert memory_bound(size, percents=percents) <= memory
    with pytest.raises(
        DataError, match=r"memory must be at least 0\.247 GB for 7 percents; got 0\.100 GB\. Give"
    ):
        slice_size(10**8, percents=7)
