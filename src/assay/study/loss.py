"""Token ids and labels -> how surprised a language model is, in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _check
from assay.training.tokens import IGNORED

LOGITS = 2**25  # of one forward pass at most, a longer row alone: 128 MiB in float32
AT_ONCE = 64  # positions whose probabilities are computed at a time


def summed_losses(
    model: Any, ids: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], *, batch_size: int = 32
) -> NDArray[np.float64]:
    """Return the negative log-likelihood in nats of the labelled tokens of each row, summed over the row.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model, on any device and in any dtype. It is put into evaluation.
    ids, labels : sequence of sequence of int
        As `tokens_of` gives them: a label is the token at its place, or -100 where it has no loss. The first label of
        a row is not read, since nothing predicts it.
    batch_size : int
        Rows in one forward pass, at most; fewer where they would have more than 33 million logits.

    Returns
    -------
    array of float64 (rows,)

    Notes
    -----
    Rows of like length go together, padded on the right, where no earlier token sees it. Probabilities are computed
    in float32 and added in float64. Memory: the logits of one pass, 128 MiB in float32 or those of the longest row.
    """
    torch = _check.require("torch", "lm", "a loss")
    _check.whole("batch_size", batch_size, 1)
    model.eval()
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    found = np.zeros(len(ids))
    order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
    start = 0
    with torch.inference_mode():
        while start < len(order):
            width = len(ids[order[start]])
            size = max(1, min(batch_size, LOGITS // max(1, width * vocabulary)))
            rows = order[start : start + size]
            start += size
            batch = torch.zeros((len(rows), width), dtype=torch.long)
            target = torch.full_like(batch, IGNORED)
            mask = torch.zeros_like(batch)
            for at, row in enumerate(rows):
                length = len(ids[row])
                batch[at, :length] = torch.tensor(ids[row])
                target[at, :length] = torch.tensor(labels[row])
                mask[at, :length] = 1
            logits = model(
                input_ids=batch.to(model.device), attention_mask=mask.to(model.device), use_cache=False
            ).logits
            where, place = (target[:, 1:] != IGNORED).nonzero(as_tuple=True)
            sums = torch.zeros(len(rows), dtype=torch.float64)
            for first in range(0, len(where), AT_ONCE):
                row, at = where[first : first + AT_ONCE], place[first : first + AT_ONCE]
                lines = logits[row.to(logits.device), at.to(logits.device)].float()
                losses = torch.nn.functional.cross_entropy(
                    lines, target[row, at + 1].to(lines.device), reduction="none"
                )
                sums.index_add_(0, row, losses.double().cpu())
            found[rows] = sums.numpy()
    return found
