"""What runs through torch on any device: the search for near rows, and what a device has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.errors import DataError
from assay.neighbors.search import Lists, Side

_turn, _users, _before = (
    threading.Lock(),
    0,
    False,
)  # who needs full products, and the setting before the first did
ON_PROCESSOR = 2**28  # bytes that blocks take where torch runs on the processor


def device_of(name: str) -> Any:
    """Return the torch device of that name, or raise when this machine has none.

    "torch:cpu" is the processor through torch, so that what a GPU runs can be run without one.
    """
    torch = _check.require("torch", "lm", f"device {name!r}")
    try:
        device = torch.device(name.removeprefix("torch:"))
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):  # others have no float64
        raise DataError(f"device must be cpu, cuda or cuda:N; got {name!r}.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DataError(
            f"device must be one that this machine has; got {name!r} and {torch.cuda.device_count()} CUDA devices. "
            "Use --device cpu."
        )
    return device


def room(device: Any) -> int:
    """Return how many bytes blocks may take on a device: a quarter of what is free."""
    if device.type != "cuda":
        return ON_PROCESSOR
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) // 4


@contextmanager
def full_products() -> Iterator[None]:
    """Have float32 products made of float32 numbers, not of rounded ones (TF32)."""
    import torch

    global _users, _before
    with _turn:
        if not _users:
            _before = torch.backends.cuda.matmul.allow_tf32
            torch.backends.cuda.matmul.allow_tf32 = False
        _users += 1
    try:
        yield
    finally:
        with _turn:
            _users -= 1
            if not _users:
                torch.backends.cuda.matmul.allow_tf32 = _before


def products_on(
    name: str, mine: NDArray[np.floating[Any]], theirs: NDArray[np.floating[Any]]
) -> Callable[[int, int], NDArray[np.floating[Any]]]:
    """Return a function that multiplies rows of one matrix with all of another on a device, where the other stays."""
    device = device_of(name)
    import torch

    held = torch.from_numpy(theirs).to(device)

    def product(start: int, stop: int) -> NDArray[np.floating[Any]]:
        with full_products():
            return np.asarray((torch.from_numpy(mine[start:stop]).to(device) @ held.T).cpu().numpy())

    return product


def propose_torch(
    asking: Side,
    queries: NDArray[np.intp],
    answering: Side,
    width: int,
    dtype: type[np.floating[Any]],
    name: str,
) -> Lists:
    """As `assay.neighbors.search.propose`, in torch on the device `name`.

    Blocks take at most a quarter of the memory that is free there; float16 rows travel as such.
    """
    device = device_of(name)
    import torch

    n, d = answering.rows.shape
    size = np.dtype(dtype).itemsize
    numbers = room(device) // size
    panel = min(n, max(width, numbers // (4 * d)))
    step = min(len(queries), 4096, max(1, numbers // (4 * d)))
    wide = max(width, numbers // (4 * step))
    theirs = torch.from_numpy(answering.answers(dtype)).to(device)
    keys = torch.full((len(queries), width), torch.inf, dtype=theirs.dtype, device=device)
    rows = torch.full((len(queries), width), -1, dtype=torch.int64, device=device)
    with full_products():
        for first in range(0, n, panel):
            block = _block(answering, slice(first, min(first + panel, n)), dtype, device)
            for start in range(0, len(queries), step):
                here = slice(start, min(start + step, len(queries)))
                mine = _block(asking, queries[here], dtype, device)
                for at in range(0, len(block), wide):
                    part = block[at : at + wide]
                    half = theirs[first + at : first + at + len(part)]
                    key, row = torch.topk(
                        torch.addmm(half[None, :], mine, part.T, alpha=-1.0),
                        min(width, len(part)),
                        dim=1,
                        largest=False,
                    )
                    key, row = torch.cat([keys[here], key], 1), torch.cat([rows[here], row + (first + at)], 1)
                    keys[here], order = torch.topk(key, width, dim=1, largest=False)
                    rows[here] = torch.gather(row, 1, order)
    found = keys.cpu().numpy() + asking.half(dtype)[queries, None]
    where = rows.cpu().numpy().astype(np.int32)
    where[~np.isfinite(found)] = -1
    last = found.argmax(axis=1)  # the highest comes first
    for table in (found, where):
        swap = table[np.arange(len(table)), last]
        table[np.arange(len(table)), last] = table[:, 0]
        table[:, 0] = swap
    return found, where


def _block(side: Side, part: slice | NDArray[np.intp], dtype: type[np.floating[Any]], device: Any) -> Any:
    """Return `side.block` on the device."""
    import torch

    if side.rows.dtype != np.float16:
        block = side.block(part, dtype)
        return torch.from_numpy(block if block.flags.writeable else block.copy()).to(device)
    kind = torch.from_numpy(np.empty(0, dtype=dtype)).dtype
    block = torch.from_numpy(np.array(side.rows[part])).to(device).to(kind)
    if side.cosine:
        return block / torch.from_numpy(side.length[part]).to(device).to(kind)[:, None]
    return block * side.scale
