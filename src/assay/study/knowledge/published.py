"""What the paper reports of its own models, to stand beside a knowledge study.

Ye, Yang, Nan, Li, Zhang, Gui, Huang, Wang, Shi, Fan, *Analyzing the Effects of Supervised Fine-Tuning on Model
Knowledge from Token and Parameter Levels*, EMNLP 2025, pp. 471-513, arXiv 2509.16596. Accuracy in percent; bins in the
order D0 to D4. Other models, other facts and other templates than a study of ours: for the shape, never for a test of
equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MODEL: Final = "LLaMA-3-8B"
LARGEST: Final = 1920


@dataclass(frozen=True, slots=True)
class Row:
    """Accuracy of the models trained on one bin: on each test bin, their unweighted mean, and its spread over runs."""

    bins: tuple[float, float, float, float, float]
    mean: float
    spread: float


# Tables 1 and 8: facts in each bin, by model and set
COUNTS: Final[dict[str, dict[str, tuple[int, int, int, int, int]]]] = {
    "LLaMA-3-8B": {
        "train": (18456, 29571, 11558, 8923, 7436),
        "ID": (2383, 3664, 1484, 1109, 915),
        "OOD": (4127, 4539, 1271, 1120, 556),
    },
    "LLaMA-3-70B": {
        "train": (12530, 26805, 14961, 11542, 10106),
        "ID": (1595, 3374, 1876, 1491, 1219),
        "OOD": (2795, 4517, 1704, 1542, 1055),
    },
    "LLaMA-2-7B": {
        "train": (22725, 30566, 9336, 7508, 5809),
        "ID": (2941, 3805, 1162, 958, 689),
        "OOD": (5201, 4181, 1030, 786, 415),
    },
    "LLaMA-2-13B": {
        "train": (20899, 30562, 9798, 7996, 6689),
        "ID": (2675, 3791, 1275, 1006, 808),
        "OOD": (4671, 4242, 1233, 981, 486),
    },
    "LLaMA-2-70B": {
        "train": (15378, 29468, 13385, 9344, 8369),
        "ID": (1956, 3669, 1719, 1199, 1012),
        "OOD": (3339, 4537, 1511, 1338, 888),
    },
}

# Table 2: 1,920 examples, by model, test set and training bin
BINS: Final[dict[str, dict[str, tuple[Row, Row, Row, Row, Row]]]] = {
    "LLaMA-3-8B": {
        "ID": (
            Row((1.75, 16.07, 55.03, 71.06, 83.46), 45.47, 0.40),
            Row((0.98, 40.12, 63.93, 74.19, 84.22), 52.69, 0.88),
            Row((0.78, 36.56, 75.61, 83.98, 90.71), 57.53, 0.86),
            Row((0.64, 27.20, 70.33, 85.90, 91.66), 55.15, 1.64),
            Row((0.64, 24.26, 68.28, 83.29, 93.19), 53.93, 1.56),
        ),
        "OOD": (
            Row((1.91, 15.89, 59.01, 74.08, 80.33), 46.24, 0.29),
            Row((1.66, 23.88, 65.03, 79.63, 83.84), 50.80, 0.45),
            Row((1.45, 25.02, 70.52, 83.66, 87.89), 53.71, 0.49),
            Row((1.39, 21.66, 63.91, 81.34, 86.87), 51.04, 1.73),
            Row((0.93, 17.72, 63.64, 80.55, 88.43), 50.25, 1.83),
        ),
    },
    "LLaMA-3-70B": {
        "ID": (
            Row((3.72, 22.68, 47.28, 57.97, 72.08), 40.75, 1.51),
            Row((1.94, 43.85, 63.45, 66.22, 79.54), 51.00, 0.53),
            Row((1.23, 38.17, 71.68, 77.58, 85.89), 54.91, 0.89),
            Row((1.00, 31.52, 68.32, 81.11, 88.49), 54.09, 0.45),
            Row((0.90, 26.16, 64.27, 78.00, 89.83), 51.83, 0.05),
        ),
        "OOD": (
            Row((3.08, 25.90, 67.04, 82.61, 85.74), 52.87, 0.79),
            Row((2.61, 31.01, 72.63, 84.69, 86.22), 55.43, 0.26),
            Row((2.06, 31.26, 74.51, 88.63, 92.01), 57.69, 1.16),
            Row((1.91, 26.70, 69.60, 89.61, 91.22), 55.81, 1.47),
            Row((0.81, 21.80, 66.52, 84.85, 92.29), 53.25, 2.97),
        ),
    },
}

# Section 4 (ID, LLaMA-3-8B): the means at 240 examples that the text gives, by training bin
MEANS_AT_240: Final[dict[int, float]] = {0: 54.33, 2: 59.16}

# Table 6, nothing restored (LLaMA-3-8B): accuracy on the training set, by examples
TRAIN_ACCURACY: Final[dict[int, tuple[float, float, float, float, float]]] = {
    240: (12.08, 61.25, 84.58, 90.00, 92.92),
    1920: (16.56, 62.81, 83.44, 89.48, 93.39),
}
