"""Restoring a model that is loaded, percent after percent, with no copy on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from assay.errors import DataError
from assay.weights.pair import CHUNK, Pair
from assay.weights.regions import canonical
from assay.weights.restore import layout_of, read_back, stored
from assay.weights.selection import Selection, levels


def steps(pair: Pair, selection: Selection, model: Any, *, elements: int = CHUNK) -> Iterator[float]:
    """Set back in a loaded model what each percent takes beyond the one before, and yield the percent.

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
    import torch

    layout = layout_of(pair)
    whole = pair.tuned is layout  # not an adapter, whose sums are rounded in an order of their own
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

    def as_loaded(name: str, values: Any) -> Any:
        dtype = layout.tensors[name].dtype
        kept = torch.from_numpy(read_back(stored(values, dtype), dtype))
        return kept.to(places[name].device, places[name].dtype)

    for name, start, _, s in pair.chunks(elements):
        loaded, expected = places[name][start : start + len(s)], as_loaded(name, s)
        same = torch.equal(loaded, expected) if whole else torch.allclose(loaded, expected, 1e-2, 1e-6)
        if not same:
            raise DataError(
                f"model must be the tuned one; {name} has other values than its file. Load it from {pair.tuned.path}."
            )
    for j, percent in enumerate(selection.percents):
        for chunk in pair.chunks(elements):
            name, start, p, _ = chunk
            at = np.flatnonzero(levels(selection, chunk) == j)
            if len(at):
                with torch.no_grad():
                    index = torch.from_numpy(start + at).to(places[name].device)
                    places[name][index] = as_loaded(name, p[at])
        yield percent
