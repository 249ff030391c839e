"""The compiled loops work where nothing can be written."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from assay.select import kernels


def test_without_a_place_for_compiled_code():
    code = """
from numba.core import caching
caching.CacheImpl._locator_classes = []  # as when neither the package's nor the user's folder can be written
import numpy as np
from assay.select import kcenter
print(kcenter(np.eye(4), budget=2, start=0).indices.tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, 1]"


def test_pairs_are_listed_where_they_were_counted():
    rng = np.random.default_rng(0)
    products = rng.uniform(0.4, 0.6, size=(64, 512)).astype(np.float32)
    slack = 1e-6
    near = 1.0 - products[0].astype(np.float64) - slack  # row 0 is at the limit, to the last bit
    gain, count = np.empty(64), np.empty(64, dtype=np.int64)
    kernels.leads(products, near, slack, gain, count)
    index = np.full(int(count.sum()) + 1, -1, dtype=np.int32)
    gaps = np.empty(len(index), dtype=np.float32)
    kernels.keep_leads(products, near, slack, index, gaps)
    start = 0
    for row, number in enumerate(count):
        listed = index[start : start + number]
        lead = near - (1.0 - products[row].astype(np.float64))
        assert listed.tolist() == np.flatnonzero(lead > -slack).tolist()
        start += number
