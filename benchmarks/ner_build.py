"""Benchmark of building one training set of real corpora: counts at every step, minutes, memory, twice the same."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = "from assay.cli import main; main()"
RUNS = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"})


def ner_build() -> list[dict]:
    """The recipe `public` on all corpora that need no agreement: what is left after each step, and what a run costs.

    Built twice, with another order of hashes and another number of threads the second time; `same bytes` compares every
    file but the manifest. Seconds are of the first run's step, the last row's of all of it; on a busy machine the CPU
    seconds say more.
    """
    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "ner"
    if not data.is_dir():
        return []
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / f"run{number}" for number in range(len(RUNS))]
        cpu = []
        for out, environment in zip(outs, RUNS, strict=True):
            before = _cpu_seconds()
            command = ["ner", "build", "public", "--data", str(data), "-o", str(out), "--format", "json"]
            subprocess.run(
                [sys.executable, "-c", PROGRAM, *command],
                check=True,
                capture_output=True,
                env={**os.environ, **environment},
            )
            cpu.append(_cpu_seconds() - before)
        contents = [
            {
                path.relative_to(out): path.read_bytes()
                for path in out.rglob("*")
                if path.is_file() and path.name != "manifest.json"
            }
            for out in outs
        ]
        manifests = [json.loads((out / "manifest.json").read_text()) for out in outs]
    first = manifests[0]
    seconds = first["run"]["seconds"]
    step_of = {"read": "read", "roles": "check", "apply": "map", "prune": "prune"}
    rows = []
    for row in first["results"]:
        spent = seconds.get(step_of.get(row["step"], "")) if row["role"] in ("all", "train") else None
        rows.append(row | {} if spent is None else row | {"seconds": spent})
    rows.append(
        {
            "step": "all",
            "role": "run 1, run 2",
            "seconds": " and ".join(f"{sum(m['run']['seconds'].values()):.1f}" for m in manifests),
            "CPU seconds": " and ".join(f"{each:.1f}" for each in cpu),
            "peak GB": " and ".join(f"{m['run']['peak_memory_bytes'] / 1e9:.2f}" for m in manifests),
            "same bytes": contents[0] == contents[1],
            "files": len(contents[0]),
        }
    )
    return rows


def _cpu_seconds() -> float:
    """Return the seconds that finished children of this process have computed."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
