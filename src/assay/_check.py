"""Argument checks: the one home of their wording.

Every message reads ``<argument> must be <rule>; got <what came>. <What to do.>`` and is a `DataError`.
"""

from __future__ import annotations

import difflib
import importlib
import operator
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from assay.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def choice(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`; otherwise raise and name the nearest ones."""
    options = list(allowed)
    if value in options:
        return value
    near = difflib.get_close_matches(str(value), options, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    raise DataError(f"{name} must be one of {', '.join(options)}; got {value!r}.{hint}")


def known(kind: str, name: str, table: Iterable[str], command: str) -> str:
    """Return `name` if the table has it; otherwise raise with the nearest names and the command to see all."""
    options = list(table)
    if name in options:
        return name
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(options)}."
    raise DataError(f"unknown {kind} {name!r}.{hint} See: {command}")


def at_least(name: str, value: float, minimum: float, *, strict: bool = False) -> None:
    """Raise unless `value` is a finite number >= `minimum` (> when `strict`)."""
    ok = value > minimum if strict else value >= minimum
    if not ok or value != value or value in (float("inf"), float("-inf")):
        raise DataError(f"{name} must be {'>' if strict else '>='} {minimum:g}; got {value!r}.")


def between(name: str, value: float, low: float, high: float) -> None:
    """Raise unless `value` is a number from `low` to `high`."""
    if not low <= value <= high:
        raise DataError(f"{name} must be from {low:g} to {high:g}; got {value!r}.")


def whole(name: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return `value` as an int, or raise unless it is a whole number from `minimum` to `maximum`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise DataError(f"{name} must be a whole number; got {value!r}.") from None
    if minimum is not None and number < minimum:
        raise DataError(f"{name} must be >= {minimum}; got {value!r}.")
    if maximum is not None and number > maximum:
        raise DataError(f"{name} must be <= {maximum}; got {value!r}.")
    return number


def require(module: str, extra: str, feature: str) -> ModuleType:
    """Import an optional dependency, or say how to install the extra that holds it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name and error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{feature} needs {module.split('.')[0]}; install it with: pip install 'assay[{extra}]'"
        ) from error


def embeddings(
    name: str, array: Any, *, directions: bool = False, narrow: bool = False
) -> NDArray[np.floating[Any]]:
    """Return `array` as a finite C-contiguous float32 or float64 matrix (n, d), or raise by its name.

    float16 is widened to float32, or left as it is where `narrow`; integers become float64. Other matrices are not
    copied and are read by blocks, also from a file. With `directions`, rows of norm zero are refused
    too, since they have no cosine. float64 rows whose squares would overflow or vanish are refused.
    """
    import numpy as np

    try:
        matrix = np.asarray(array)
    except ValueError:
        raise DataError(f"{name} must be a matrix of shape (n, d); got rows of different lengths.") from None
    if matrix.ndim != 2:
        raise DataError(f"{name} must be a matrix of shape (n, d); got shape {matrix.shape}.")
    if matrix.shape[0] == 0 or matrix.shape[1] == 0:
        raise DataError(f"{name} must have at least one row and one column; got shape {matrix.shape}.")
    if matrix.dtype == np.float16:
        matrix = matrix if narrow else matrix.astype(np.float32)
    elif matrix.dtype not in (np.float32, np.float64):
        if not (np.issubdtype(matrix.dtype, np.integer) or np.issubdtype(matrix.dtype, np.floating)):
            raise DataError(f"{name} must hold real numbers; got dtype {matrix.dtype}.")
        matrix = matrix.astype(np.float64)
    matrix = np.ascontiguousarray(matrix)
    finite = np.ones(matrix.shape[0], dtype=bool)
    zero = np.zeros(matrix.shape[0], dtype=bool)
    wild = np.zeros(matrix.shape[0], dtype=bool)
    for start in range(0, matrix.shape[0], 8192):
        block = matrix[start : start + 8192]
        finite[start : start + 8192] = np.isfinite(block).all(axis=1)
        if directions:
            zero[start : start + 8192] = ~block.any(axis=1)
        if matrix.dtype == np.float64:
            largest = np.maximum(block.max(axis=1), -block.min(axis=1))
            wild[start : start + 8192] = (largest > 1e151) | ((largest > 0) & (largest < 1e-151))
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise DataError(
            f"{name} must be finite; {len(bad)} of {len(matrix)} rows hold NaN or inf, first at row {bad[0]}."
        )
    if zero.any():
        bad = np.flatnonzero(zero)
        raise DataError(
            f"{name} must have no zero rows, which have no direction; {len(bad)} of {len(matrix)} rows are zero, "
            f"first at row {bad[0]}."
        )
    if wild.any():
        bad = np.flatnonzero(wild)
        raise DataError(
            f"{name} must have a largest entry from 1e-151 to 1e151 in each row; {len(bad)} of {len(matrix)} rows "
            f"have not, first at row {bad[0]}. Scale them."
        )
    return matrix


def same_width(first: str, a: NDArray[np.floating[Any]], second: str, b: NDArray[np.floating[Any]]) -> None:
    """Raise unless two embedding matrices have the same number of dimensions."""
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"{second} must have as many dimensions as {first} ({a.shape[1]}); got {b.shape[1]}. "
            "Embed both with the same encoder."
        )
