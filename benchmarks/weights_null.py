"""The null model of relative changes beside the numbers of the description and of the paper's Table 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.weights import closed_form, null_shares
from tests.golden import weights as golden


def weights_null() -> list[dict]:
    """Shares in percent that the top percents of r hold where changes do not look at the weights: no training at all.

    Rows "here" are computed, by integration unless told otherwise; beside them how far they are at most from what the
    description of this project prints (golden numbers of tests, worked out elsewhere; two decimals). Rows of the paper,
    Ye et al., EMNLP 2025, Table 3, are what it prints for LLaMA-3-8B tuned on 240 and on 1,920 facts of a category,
    beside how far at most they are from the second row.
    """
    percents = golden.PERCENTS
    rows = []
    for (change, sigma), printed in golden.NULL.items():
        found = 100 * null_shares(percents, change=change, sigma=sigma)
        rows.append(_row(f"here: sum r, {change} d, sigma {sigma}", percents, found[:, 0], printed))
        if (change, sigma) == ("gaussian", 0.015):
            base = found[:, 0]
            rows.append(
                _row("here: sum of sizes of d, gaussian d", percents, found[:, 1], golden.NULL_ABSOLUTE)
            )
            rows.append(_row("here: sum d^2, gaussian d", percents, found[:, 2], golden.NULL_ENERGY))
    closed = [100 * closed_form(one) for one in percents[:4]]
    rows.append(_row("here: closed form, constant d, sigma 0.015", percents[:4], closed, golden.CLOSED_FORM))
    for epsilon, printed_share in golden.NULL_BY_EPSILON.items():
        one = 100 * null_shares([1], change="constant", epsilon=epsilon)[:, 0]
        rows.append(
            _row(f"here: sum r, constant d, sigma 0.015, epsilon {epsilon:g}", [1], one, [printed_share])
        )
    for at, printed in enumerate(golden.TABLE_3):
        name = f"paper: D{at % 5} at {(240, 1920)[at // 5]:,}"
        rows.append(_row(name, percents, printed, base))
    return rows


def _row(name: str, percents: Sequence[float], values: Sequence[float], other: Sequence[float]) -> dict:
    table = {f"top {percent} %": f"{value:.2f}" for percent, value in zip(percents, values, strict=True)}
    return {
        "share": name,
        **table,
        "apart by at most": round(float(np.abs(np.asarray(values) - other).max()), 3),
    }
