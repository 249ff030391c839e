"""Giving a model that is loaded other weights in place, with no copy on disk: restored ones, or smaller changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.weights import kernels
from assay.weights.pair import CHUNK, Pair
from assay.weights.ranking import Chunk, Floats32
from assay.weights.regions import canonical
from assay.weights.restore import layout_of, read_back, stored
from assay.weights.selection import Selection, levels
from assay.weights.shrink import shrink

Values = Callable[[Chunk], Floats32]  # the weights that a chunk is to have


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
    check_loaded(pair, model, elements=elements)
    for j, percent in enumerate(selection.percents):
        put(pair, model, restored(selection, j), elements=elements)
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


def check_loaded(pair: Pair, model: Any, *, elements: int = CHUNK) -> None:
    """Raise unless a loaded model has the weights of the tuned one."""
    import torch

    whole = pair.tuned is layout_of(pair)  # not an adapter, whose sums are rounded in an order of their own
    places = _places(pair, model)
    for name, start, _, s in pair.chunks(elements):
        loaded = places[name][start : start + len(s)].cpu()
        expected = torch.from_numpy(_as_put(pair, name, s, loaded.dtype)).to(loaded.dtype)
        same = torch.equal(loaded, expected) if whole else torch.allclose(loaded, expected, 1e-2, 1e-6)
        if not same:
            raise DataError(
                f"model must be the tuned one; {name} has other values than its file. Load it from {pair.tuned.path}."
            )


def put(pair: Pair, model: Any | None, values: Values, *, elements: int = CHUNK) -> float:
    """Give the model these weights in scope, rounded as its file would be; return the share of sum d^2 undone.

    Both models count in it as they are rounded there. None: only the share is told, of what a file would hold.
    """
    places = {} if model is None else _places(pair, model)
    whole, left = np.zeros(1), np.zeros(1)
    for chunk in pair.chunks(elements):
        name, start, p, s = chunk
        place = None if model is None else places[name][start : start + len(s)]
        dtype = None if place is None else place.dtype
        original = _as_put(pair, name, p, dtype)
        kernels.add_energy(original, _as_put(pair, name, s, dtype), whole)
        kept = _as_put(pair, name, values(chunk), dtype)
        kernels.add_energy(original, kept, left)
        if place is not None:
            _fill(place, kept)
    return float(1 - left[0] / whole[0]) if whole[0] else 0.0


def _places(pair: Pair, model: Any) -> dict[str, Any]:
    """Return flat views of a loaded model's own tensors, by the pair's names; they change when the model is moved."""
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
    return places


def _fill(place: Any, values: Floats32) -> None:
    import torch

    with torch.no_grad():
        place.copy_(torch.from_numpy(values))


def _as_put(pair: Pair, name: str, values: Floats32, dtype: Any | None) -> Floats32:
    """Return values rounded as their file holds them and, with a dtype of torch, as a model that was loaded in it."""
    stored_as = layout_of(pair).tensors[name].dtype
    kept = read_back(stored(values, stored_as), stored_as)
    if dtype is None:
        return kept
    import torch

    return np.asarray(torch.from_numpy(kept).to(dtype).float())
