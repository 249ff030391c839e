"""The compiled loops work where nothing can be written."""

from __future__ import annotations

import subprocess
import sys


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
