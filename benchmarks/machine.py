"""What the machine is, and how fast it can multiply and read: the floors of the other figures."""

from __future__ import annotations

import platform
import resource
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from assay._parallel import cores, over_blocks


def describe() -> str:
    """Return processor, cores and versions in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "faiss-cpu", "numba", "assay"))
    processor = f"{names[0] if names else platform.machine()}, {cores()} cores"
    return f"{processor}; Python {platform.python_version()}, {libraries}"


@cache
def multiply_rate() -> float:
    """Return float32 operations a second of matrix products on all cores: the best of five."""
    a = np.random.default_rng(0).standard_normal((4096, 512), dtype=np.float32)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        over_blocks(4096, 1024, lambda i, j: a[i:j] @ a.T)
        best = max(best, 2 * 4096 * 4096 * 512 / (time.perf_counter() - start))
    return best


@cache
def read_rate() -> float:
    """Return bytes a second read from memory on all cores: the best of five."""
    a = np.ones(2**26, dtype=np.float64)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        over_blocks(len(a), len(a) // 16, lambda i, j: a[i:j].sum())
        best = max(best, a.nbytes / (time.perf_counter() - start))
    return best


def peak_gb() -> float:
    """Return the peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
