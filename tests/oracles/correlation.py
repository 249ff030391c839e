"""Correlations of resampled sets as slow loops over scipy's own coefficients."""

from __future__ import annotations

import numpy as np
from scipy.stats import pearsonr, spearmanr


def coefficients(x, y):
    """Pearson's and Spearman's coefficient and their mean."""
    pearson, spearman = pearsonr(x, y).statistic, spearmanr(x, y).statistic
    return pearson, spearman, (pearson + spearman) / 2


def bootstrap(x, y, *, resamples, seed):
    """The coefficients of every resample in which both vary, and how many do not count."""
    draws, flat = [], 0
    for order in np.random.default_rng(seed).integers(0, len(x), size=(resamples, len(x))):
        if len(set(x[order])) == 1 or len(set(y[order])) == 1:
            flat += 1
        else:
            draws.append(coefficients(x[order], y[order]))
    return np.array(draws), flat
