"""Token ids -> logits, in batches, with a cache that several continuations of a prompt branch from."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assay.errors import DataError


@dataclass(slots=True)
class Read:
    """What a model has read: a row a sequence. `mask` is (rows, tokens), `places` (rows,) the next position of each."""

    cache: Any
    mask: Any
    places: Any


class Reader:
    """A causal language model in torch, whatever its architecture, as long as its cache can be branched."""

    def __init__(self, model: Any, device: str, threads: int | None) -> None:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._takes = set(inspect.signature(base.forward).parameters)
        self._model = model.to(device).eval()
        self._device, self._threads = device, threads
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self.positions: int | None = None if positions is None else int(positions)

    def read(self, batch: Sequence[Sequence[int]]) -> tuple[Any, Read]:
        """Return the logits after each sequence (rows, vocabulary), and what was read.

        Padding stands on the left and is masked, so that the logits are those of each sequence alone, but for rounding.
        """
        import torch

        longest = max(map(len, batch))
        tokens = torch.tensor([[0] * (longest - len(row)) + list(row) for row in batch], device=self._device)
        mask = torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in batch], device=self._device
        )
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        with self._at_work():
            output = self._call(tokens, mask, places, None, 1)
        cache = getattr(output, "past_key_values", None)
        if not hasattr(cache, "batch_select_indices"):
            raise DataError(
                "model must keep keys and values of what it has read, in a cache that can be branched; got "
                f"{type(cache).__name__} of {type(self._model).__name__}. Use another architecture."
            )
        return output.logits[:, -1].float(), Read(cache, mask, places[:, -1] + 1)

    def extend(self, read: Read, batch: Sequence[Sequence[int]]) -> Any:
        """Return the logits after each of some more tokens of each row (rows, most tokens, vocabulary).

        Shorter rows are padded on the right; where the rows differ in length, `read` must not be gone on with.
        """
        import torch

        longest = max(map(len, batch))
        tokens = torch.tensor([list(row) + [0] * (longest - len(row)) for row in batch], device=self._device)
        seen = torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in batch], device=self._device
        )
        with self._at_work():
            read.mask = torch.cat([read.mask, seen], dim=1)
            places = read.places[:, None] + torch.arange(longest, device=self._device)
            # what stands behind a row's end is looked at by nothing; its position only has to exist
            places = torch.minimum(places, read.places[:, None] + seen.sum(-1, keepdim=True) - 1)
            output = self._call(tokens, read.mask, places, read.cache, 0)
            read.cache, read.places = output.past_key_values, read.places + seen.sum(-1)
            return output.logits.float()

    def branch(self, read: Read, rows: Sequence[int], *, keep: bool = False) -> Read:
        """Return what was read by some rows, which may repeat; `read` is used up unless it is to `keep`."""
        import torch

        if list(rows) == list(range(len(read.places))) and not keep:
            return read
        with self._at_work():
            cache = copy.deepcopy(read.cache) if keep else read.cache
            chosen = torch.tensor(list(rows), device=self._device)
            cache.batch_select_indices(chosen)
            return Read(cache, read.mask[chosen], read.places[chosen])

    def _call(self, tokens: Any, mask: Any, places: Any, cache: Any, keep: int) -> Any:
        """Call the model; logits of the last `keep` positions are enough, 0 for all."""
        options = {"position_ids": places, "logits_to_keep": keep}
        known = {name: value for name, value in options.items() if name in self._takes}
        return self._model(
            input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **known
        )

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Without gradients, and with the threads that were asked for."""
        import torch

        had = torch.get_num_threads()
        torch.set_num_threads(self._threads or had)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(had)
