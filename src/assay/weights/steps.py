"""Giving a model that is loaded other weights in place, with no copy on disk: restored ones, or smaller changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.weights.pair import CHUNK, Pair
from assay.weights.ranking import Chunk, Floats32
from assay.weights.regions import canonical
from assay.weights.restore import layout_of, read_back, stored
from assay.weights.selection import Selection, levels
from assay.weights.shrink import shrink

Values = Callable[[Chunk], Floats32]  # the weights that a chunk is to have
Places = Mapping[str, Any]  # flat views of the model's own tensors, by the pair's names


def steps(pair: Pair, selection: Selection, model: Any, *, elements: int = CHUNK) -> Iterator[float]:
    """Set back in a loaded model what each percent takes, one after the other, and yield the percent.

    Parameters
    ----------
    pair : Pair
    selection : Selection
        Of the chunks of this pair.
    model : torch.nn.Module
        The tuned model, on any device, in any dtype that it was loaded in; an adapter merged. It is changed in place.
    elements : int
        Weights worked on at once; changes no result.

    Yields
    ------
    float
        The percents of the selection, rising. The model is then the one that `restore` writes for it, as loaded.

    Raises
    ------
    DataError
        At the first step, before anything is changed: for a model that lacks a tensor in scope, or has other values
        than the tuned model's files.

    Notes
    -----
    Reads both models once a percent, and once more to check the model. Memory: some 30 bytes for each of `elements`.

    Examples
    --------
    >>> for percent in steps(pair, selection, model):  # doctest: +SKIP
    ...     print(percent, accuracy(model))
    """
    places = places_of(pair, model, elements=elements)
    for j, percent in enumerate(selection.percents):
        put(pair, places, restored(selection, j), elements=elements)
        yield percent


def restored(selection: Selection, j: int) -> Values:
    """Return the weights of a chunk with what percent number j takes set back."""

    def values(chunk: Chunk) -> Floats32:
        _, _, p, s = chunk
        return np.where(levels(selection, chunk) <= j, p, s)

    return values


def shrunk(energy: float) -> Values:
    """Return the weights of a chunk with every change made smaller alike, see `shrink`."""
    return lambda chunk: shrink(chunk[2], chunk[3], energy=energy)


def places_of(pair: Pair, model: Any, *, elements: int = CHUNK) -> Places:
    """Return where a loaded model has the weights of a pair; raise unless it is the tuned one."""
    import torch

    whole = pair.tuned is layout_of(pair)  # not an adapter, whose sums are rounded in an order of their own
    state = {canonical(name): value for name, value in model.state_dict().items()}
    places = {}
    for match in pair.matches:
        found = state.get(canonical(match.name))
        if found is None or found.numel() < match.size or tuple(found.shape[1:]) != match.shape[1:]:
            raise DataError(
                f"model must be the tuned one; it has no {match.name} of shape {list(match.shape)}. Load it from "
                f"{pair.tuned.path}."
            )
        places[match.name] = found.detach().reshape(-1)
        if places[match.name].data_ptr() != found.data_ptr():
            raise DataError(f"model must hold its weights in order; {match.name} is a view. Load it anew.")
    for name, start, _, s in pair.chunks(elements):
        loaded = places[name][start : start + len(s)]
        expected = _as_loaded(pair, name, s, loaded)
        same = torch.equal(loaded, expected) if whole else torch.allclose(loaded, expected, 1e-2, 1e-6)
        if not same:
            raise DataError(
                f"model must be the tuned one; {name} has other values than its file. Load it from {pair.tuned.path}."
            )
    return places


def put(pair: Pair, places: Places, values: Values, *, elements: int = CHUNK) -> float:
    """Give the model these weights in scope, rounded as its file would be; return the share of sum d^2 undone."""
    import torch

    whole, left = 0.0, 0.0
    with torch.no_grad():
        for chunk in pair.chunks(elements):
            name, start, p, s = chunk
            kept = _rounded(pair, name, values(chunk))
            loaded = places[name][start : start + len(s)]
            loaded.copy_(torch.from_numpy(kept))
            whole += _energy(s, p)
            left += _energy(kept, p)
    return 1 - left / whole if whole else 0.0


def _energy(values: Floats32, p: Floats32) -> float:
    """Return the sum of the squares of the change from p."""
    change = values.astype(np.float64) - p
    return float(change @ change)


def _rounded(pair: Pair, name: str, values: Floats32) -> Floats32:
    dtype = layout_of(pair).tensors[name].dtype
    return read_back(stored(values, dtype), dtype)


def _as_loaded(pair: Pair, name: str, values: Floats32, like: Any) -> Any:
    import torch

    return torch.from_numpy(_rounded(pair, name, values)).to(like.device, like.dtype)
