"""Vectors -> who is near, how dense.

`exact.py` finds the true nearest rows, `same.py` says which rows are one and the same, `density.py` turns
distances to neighbours into a density.
"""

from assay.neighbors.density import DENSITY_STATISTICS, local_density
from assay.neighbors.exact import METRICS, Known, Neighbors, knn
from assay.neighbors.same import equal_rows, norms, same_rows, unit_rows

__all__ = [
    "DENSITY_STATISTICS",
    "METRICS",
    "Known",
    "Neighbors",
    "equal_rows",
    "knn",
    "local_density",
    "norms",
    "same_rows",
    "unit_rows",
]
