"""The measures of diversity against other packages, and all of them together against one by one.

Each side runs in a process of its own, so that its peak memory is its own: `SIDES` names them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from assay.diversity import MEASURES, together
from benchmarks.machine import multiply_rate, peak_gb
from benchmarks.vectors import pool

OVERLAP = {
    "distsum_cosine": {},
    "distsum_l2": {},
    "knn_distance": {"neighbors": 2},
    "radius": {"ddof": 1, "floor": 1e-12},
    "cluster_inertia": {},
    "log_determinant": {},
    "vendi_score": {},
}


def spectrum_5000() -> list[dict]:
    """Vendi Score and log determinant of 5,000 rows: the d x d dual against vendi-score and the n x n kernel."""
    sides = {name: side(name) for name in ("spectrum_assay", "spectrum_vendi_score", "spectrum_kernel")}
    base = sides["spectrum_assay"]
    return [
        {"data": one["data"], "n": 5000, "d": 512, "method": method, "measure": measure}
        | one[measure]
        | {"times slower": one[measure]["seconds"] / base[measure]["seconds"]}
        for name, method in (
            ("spectrum_assay", "assay"),
            ("spectrum_vendi_score", "vendi-score 0.0.3, score_X"),
            ("spectrum_kernel", "numpy, eigvalsh and slogdet of the kernel"),
        )
        for one in (sides[name],)
        for measure in ("vendi_score", "log_determinant")
        if measure in one
    ]


def measures_10000() -> list[dict]:
    """All measures of 10,000 rows under a reference of 52,002; the seven that emb-diversity has too, against it.

    Largest difference: of the values that both have, the K-means aside, relative to emb-diversity's.
    """
    sides = {
        name: side(name) for name in ("overlap_assay", "overlap_emb_diversity", "all_10000", "single_10000")
    }
    ours, theirs = sides["overlap_assay"]["values"], sides["overlap_emb_diversity"]["values"]
    apart = max(abs(ours[name] / theirs[name] - 1) for name in theirs if name != "cluster_inertia")
    rows = []
    for name, method, against in (
        ("overlap_assay", "assay, the seven together", "overlap_assay"),
        ("overlap_emb_diversity", "emb-diversity, the seven", "overlap_assay"),
        ("all_10000", "assay, all ten together", "all_10000"),
        ("single_10000", "assay, all ten one by one", "all_10000"),
    ):
        one = sides[name]
        row = {"data": one["data"], "n": 10_000, "d": 512, "method": method, "seconds": one["seconds"]}
        row |= {"times slower": one["seconds"] / sides[against]["seconds"]}
        row |= {"CPU seconds": one["CPU seconds"], "peak GB": one["peak GB"]}
        rows.append(row | ({"largest difference": apart} if name == "overlap_emb_diversity" else {}))
    return rows


def measures_52002() -> list[dict]:
    """All twelve measures of a pool of 52,002 with itself as reference, together and one by one.

    Floor: the products of the set with itself, of two K-means (200 and 1,000 clusters, 20 iterations) and of the
    dimensions, as float32 matrix products. Words are not in it.
    """
    sides = {name: side(name) for name in ("all_52002", "single_52002")}
    n, d = 52_002.0, 512.0
    operations = 2 * n * n * d + 20 * 2 * n * 1200 * d + 2 * n * d * d
    least = operations / multiply_rate()
    return [
        {"data": one["data"], "n": int(n), "d": int(d), "method": method, "measures": len(one["values"])}
        | {"seconds": one["seconds"], "times slower": one["seconds"] / sides["all_52002"]["seconds"]}
        | {
            "CPU seconds": one["CPU seconds"],
            "peak GB": one["peak GB"],
            "Gflop": operations / 1e9,
            "floor seconds": least,
        }
        | {"times the floor": one["seconds"] / least}
        for method, one in (("together", sides["all_52002"]), ("one by one", sides["single_52002"]))
    ]


def side(name: str) -> dict:
    """Run one side in a fresh process, in a folder of its own, and return what it found."""
    data = Path(os.environ.get("ASSAY_DATA", "../shared/data")).resolve()
    pool(1)  # the vectors are made before, in this process
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        code = (
            f"import json, pathlib, benchmarks.measures as m; "
            f"pathlib.Path({str(out)!r}).write_text(json.dumps(m.SIDES[{name!r}]()))"
        )
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            check=True,
            env=os.environ | {"ASSAY_DATA": str(data), "ASSAY_BENCH_CACHE": folder},
        )
        found: dict = json.loads(out.read_text())
    return found


def clock():
    """Start the clock; the call returned stops it and says what the work took."""
    start, spent = time.perf_counter(), time.process_time()
    return lambda: {
        "seconds": time.perf_counter() - start,
        "CPU seconds": time.process_time() - spent,
        "peak GB": peak_gb(),
    }


def _timed(**works) -> dict:
    found = {}
    for name, work in works.items():
        stop = clock()
        value = float(work())
        found[name] = stop() | {"value": value}
    return found


def _spectrum(kind: str) -> dict:
    rows, data = pool(5000)
    if kind == "assay":
        found = _timed(
            vendi_score=lambda: MEASURES["vendi_score"].function(rows),
            log_determinant=lambda: MEASURES["log_determinant"].function(rows),
        )
    elif kind == "vendi_score":
        import scipy.sparse

        scipy.sparse.csr = scipy.sparse  # it asks for a module that newer ones lack
        from vendi_score import vendi

        found = _timed(vendi_score=lambda: vendi.score_X(rows.astype(np.float64)))
    else:
        found = _timed(
            vendi_score=lambda: _vendi(_kernel(rows)), log_determinant=lambda: _logdet(_kernel(rows))
        )
    return found | {"data": data}


def _kernel(rows: np.ndarray) -> np.ndarray:
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit @ unit.T


def _vendi(kernel: np.ndarray) -> float:
    values = np.linalg.eigvalsh(kernel / len(kernel))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _logdet(kernel: np.ndarray) -> float:
    return float(np.linalg.slogdet(kernel + 1e-6 * np.eye(len(kernel)))[1])


def _sample() -> tuple[np.ndarray, np.ndarray, str]:
    rows, data = pool(52_002)
    return rows[np.random.default_rng(0).permutation(len(rows))[:10_000]], rows, data


def _overlap_assay() -> dict:
    rows, _, data = _sample()
    stop = clock()
    found = together(rows, measures=OVERLAP, options=OVERLAP)
    return stop() | {"values": {name: one.value for name, one in found.items()}, "data": data}


def _overlap_emb_diversity() -> dict:
    rows, _, data = _sample()
    os.chdir(os.environ["ASSAY_BENCH_CACHE"])  # it keeps its distances in a folder where it runs
    import emb_diversity as peer

    stop = clock()
    values = {
        "distsum_cosine": peer.mean_pw_dist(rows)["value"],
        "knn_distance": peer.knn(rows, k=2)["value"],
        "distsum_l2": peer.mean_pw_dist(rows, metric="euclidean")["value"],
        "radius": peer.geo_mean_std(rows)["value"],
        "cluster_inertia": peer.cluster_inertia(rows)["value"],
        "log_determinant": peer.log_determinant(rows)["value"],
        "vendi_score": peer.vendi_score(rows)["value"],
    }
    return stop() | {"values": values, "data": data}


def _all(n: int, *, one_by_one: bool) -> dict:
    rows, whole, data = _sample()
    texts = None
    if n == len(whole):
        from assay.data import read, text

        rows = whole
        file = Path(os.environ["ASSAY_DATA"]) / "instructions/alpaca/alpaca_data.json"
        texts = [text(sample) for sample in read(file)] if file.exists() else ["a b c d e " * 20] * n
    names = [name for name, row in MEASURES.items() if texts or row.takes == "vectors"]
    stop = clock()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {}
        for part in [[name] for name in names] if one_by_one else [names]:
            found |= together(rows, texts=texts, reference=whole, measures=part)
    return stop() | {"values": {name: one.value for name, one in found.items()}, "data": data}


SIDES = {
    "spectrum_assay": lambda: _spectrum("assay"),
    "spectrum_vendi_score": lambda: _spectrum("vendi_score"),
    "spectrum_kernel": lambda: _spectrum("kernel"),
    "overlap_assay": _overlap_assay,
    "overlap_emb_diversity": _overlap_emb_diversity,
    "all_10000": lambda: _all(10_000, one_by_one=False),
    "single_10000": lambda: _all(10_000, one_by_one=True),
    "all_52002": lambda: _all(52_002, one_by_one=False),
    "single_52002": lambda: _all(52_002, one_by_one=True),
}
