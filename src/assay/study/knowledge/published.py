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

# Table 4 (LLaMA-3-8B): accuracy once so many percent of weights are set back, by test set, examples and training bin
RESTORED: Final[dict[str, dict[int, dict[int, tuple[float, float, float, float, float]]]]] = {
    "ID": {
        240: {
            0: (55.33, 57.96, 59.32, 59.12, 53.97),
            1: (55.76, 58.17, 59.62, 59.24, 54.30),
            3: (56.64, 58.52, 59.77, 59.40, 54.31),
            5: (57.22, 58.68, 59.89, 59.63, 54.44),
            10: (58.32, 59.45, 60.40, 59.83, 54.69),
            20: (59.07, 59.81, 59.88, 59.91, 46.45),
            40: (59.77, 33.40, 42.44, 11.20, 23.83),
            60: (1.68, 2.20, 3.65, 2.56, 1.65),
        },
        1920: {
            0: (44.96, 52.43, 58.80, 57.70, 55.22),
            1: (46.73, 53.72, 59.85, 58.68, 55.88),
            3: (48.53, 55.01, 60.56, 59.23, 56.76),
            5: (49.85, 55.96, 61.10, 59.65, 57.34),
            10: (52.10, 57.14, 61.67, 60.02, 58.24),
            20: (54.81, 58.33, 62.21, 58.93, 58.66),
            40: (55.44, 22.06, 59.97, 6.92, 56.50),
            60: (1.48, 1.12, 1.62, 0.51, 0.60),
        },
    },
    "OOD": {
        240: {
            0: (52.37, 51.70, 55.35, 55.23, 50.69),
            1: (52.62, 52.39, 56.45, 56.17, 50.82),
            3: (53.03, 52.82, 56.47, 56.41, 50.74),
            5: (53.27, 53.09, 56.80, 56.56, 50.59),
            10: (53.44, 53.87, 56.46, 56.72, 49.71),
            20: (54.18, 54.36, 55.95, 55.52, 43.13),
            40: (53.79, 20.77, 45.49, 17.56, 31.19),
            60: (0.20, 0.22, 0.32, 0.20, 0.23),
        },
        1920: {
            0: (49.40, 52.38, 54.04, 53.79, 51.70),
            1: (50.78, 54.20, 55.17, 54.75, 52.62),
            3: (52.03, 55.12, 56.00, 55.52, 53.35),
            5: (52.54, 55.12, 56.34, 55.84, 53.77),
            10: (53.42, 55.08, 56.68, 55.54, 54.32),
            20: (54.50, 53.91, 57.10, 52.23, 53.82),
            40: (53.64, 20.51, 53.84, 9.67, 50.17),
            60: (0.30, 0.10, 0.27, 0.07, 0.18),
        },
    },
}

# Table 11 (LLaMA-3-8B, ID; the models are not named, by level those of 240 examples): accuracy once layers 0-3, 4-7
# ... 28-31 are set back, by training bin
BLOCKS: Final[dict[int, tuple[float, ...]]] = {
    0: (9.83, 57.05, 55.59, 55.56, 55.22, 55.50, 55.14, 57.60),
    1: (21.59, 58.22, 57.83, 58.02, 58.03, 57.99, 57.96, 57.99),
    2: (53.75, 56.50, 59.54, 59.38, 59.26, 59.36, 58.95, 34.68),
    3: (2.80, 59.43, 59.12, 59.17, 59.15, 59.18, 59.15, 50.76),
    4: (4.00, 53.72, 54.04, 53.94, 53.74, 53.91, 53.14, 47.32),
}
