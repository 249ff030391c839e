"""The papers' experiments end to end, on any model and data.

`diversity_study` builds data sets by every strategy (`plan`), measures them, fine-tunes on each and scores the result
(`tune`), with a model from scratch where none is given (`tiny`); `conclude` says which measures went with the scores.
"""

from assay.study.conclusions import Conclusions, conclude
from assay.study.diversity import diversity_study
from assay.study.plan import STRATEGIES, Planned, plan
from assay.study.tiny import tiny_model
from assay.study.tune import Tuning, heldout_loss

__all__ = [
    "STRATEGIES",
    "Conclusions",
    "Planned",
    "Tuning",
    "conclude",
    "diversity_study",
    "heldout_loss",
    "plan",
    "tiny_model",
]
