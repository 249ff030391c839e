"""The wording and the reach of argument checks."""

from __future__ import annotations

import numpy as np
import pytest

from assay import _check
from assay.errors import DataError


@pytest.mark.parametrize(
    ("array", "text"),
    [
        ([[1.0], [1.0, 2.0]], r"^x must be a matrix of shape \(n, d\); got rows of different lengths\.$"),
        ([1.0], r"^x must be a matrix of shape \(n, d\); got shape \(1,\)\.$"),
        (np.empty((0, 3)), r"^x must have at least one row and one column; got shape \(0, 3\)\.$"),
        ([["a"]], r"^x must hold real numbers; got dtype <U1\.$"),
        ([[1.0], [np.nan]], r"^x must be finite; 1 of 2 rows hold NaN or inf, first at row 1\.$"),
        (
            [[1.0], [1e200], [1e-200]],
            r"^x must have a largest entry from 1e-151 to 1e151 in each row; 2 of 3 rows have not, first at row 1\. ",
        ),
    ],
    ids=str,
)
def test_embeddings_are_refused_by_name(array, text):
    with pytest.raises(DataError, match=text):
        _check.embeddings("x", array)


def test_embeddings_are_widened_and_made_contiguous_without_a_needless_copy():
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert _check.embeddings("x", rows) is rows
    assert _check.embeddings("x", rows.astype(np.float16)).dtype == np.float32
    assert _check.embeddings("x", [[1, 2], [3, 4]]).dtype == np.float64
    assert _check.embeddings("x", np.asfortranarray(rows)).flags.c_contiguous


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, r"^x must be a whole number; got 1\.0\.$"),
        (None, r"^x must be a whole number; got None\.$"),
        (0, r"^x must be >= 1; got 0\.$"),
        (9, r"^x must be <= 8; got 9\.$"),
    ],
)
def test_whole_numbers(value, text):
    with pytest.raises(DataError, match=text):
        _check.whole("x", value, 1, 8)
    assert _check.whole("x", np.int64(8), 1, 8) == 8
