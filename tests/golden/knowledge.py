"""Numbers of the description of "SFT and model knowledge" (Ye et al., EMNLP 2025, arXiv 2509.16596), section 11: worked
out by hand or in float64 from the paper's formulas. Never regenerated from this package."""

from __future__ import annotations

CATEGORIES = {
    210: ([0, 1, 52, 53, 105, 106, 157, 158, 210], [0, 1, 1, 2, 2, 3, 3, 4, 4]),
    8: ([0, 1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 1, 2, 2, 3, 3, 4, 4]),
}

TUNED = [4, 3, 2, 1, 0, -1]
ORIGINAL = [1, 2, 3, 0, 5, -1]
TOP_KL = {1: 0.0, 2: 0.4621171573, 3: 1.1504207652, 4: 1.1135398823, 6: 2.7585711075}
ORIGINAL_TUNED = 3.4062453129
JENSEN_SHANNON = 0.4914399941

NO_HIT_IN_210 = {0.001: 0.81, 0.003: 0.53, 0.005: 0.35, 0.01: 0.12, 0.02: 0.014}
HALF_SILENT = 0.0033  # R at which 210 draws have no hit half of the time
BOUND_OF_NO_HIT = 0.014  # of R, 95 %, flat prior
