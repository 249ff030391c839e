"""Scores of the paper's own program, which ranks in the dtype of the loaded models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.weights import kernels

Floats32 = NDArray[np.float32]
DTYPES = ("bf16", "fp16")
BLOCK = 2**16  # weights that are rounded at once


def to_bf16(values: Floats32) -> Floats32:
    """Return finite float32 values rounded to bfloat16, to nearest, ties to even.

    Examples
    --------
    >>> to_bf16(np.array([1e-8], np.float32)).tolist()
    [1.0011717677116394e-08]
    """
    bits = values.view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)).view(np.float32)


def to_fp16(values: Floats32) -> Floats32:
    """Return float32 values rounded to float16 and back."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def official_scores(p: Floats32, s: Floats32, *, dtype: str) -> Floats32:
    """Return |s - p| / (|p| + 1e-8), with both models, the constant and every step rounded to `dtype`.

    Parameters
    ----------
    p, s : array of float32
        Original and tuned weights, finite.
    dtype : str
        bf16, as the paper's launcher loads models, or fp16, where 1e-8 becomes 0.

    Returns
    -------
    array of float32
        Not negative. In fp16 an unchanged zero is nan, which torch's `topk` puts first.

    Raises
    ------
    DataError
        For another dtype.

    Notes
    -----
    Bit for bit what torch 2.13 computes on a CPU. Source: UmeanNever/ParamRestore, of Ye et al., EMNLP 2025, arXiv
    2509.16596. It then takes the top of all scores, with ties as the device likes; ours go by (tensor, index).

    Examples
    --------
    >>> p, s = np.array([3, 0], np.float32), np.array([3.015625, 0], np.float32)
    >>> official_scores(p, s, dtype="bf16").tolist()
    [0.005218505859375, 0.0]
    >>> official_scores(p, s, dtype="fp16").tolist()
    [0.005207061767578125, nan]
    """
    if _check.choice("dtype", dtype, DTYPES) == "bf16":
        out = np.empty(len(p), np.float32)
        kernels.relative_bf16(p, s, out)
        return out
    out = np.empty(len(p), np.float32)
    for at in range(0, len(p), BLOCK):
        out[at : at + BLOCK] = _relative_fp16(p[at : at + BLOCK], s[at : at + BLOCK])
    return out


def _relative_fp16(p: Floats32, s: Floats32) -> Floats32:
    p, s = to_fp16(p), to_fp16(s)
    epsilon = to_fp16(np.array([1e-8], dtype=np.float32))
    below = to_fp16(np.abs(p) + epsilon)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.abs(to_fp16(np.asarray(np.abs(to_fp16(s - p)) / below, dtype=np.float32)))
