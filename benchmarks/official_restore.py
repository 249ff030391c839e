"""``python -m benchmarks.official_restore ORIGINAL TUNED OUT PERCENT ...``: the steps of the paper's program.

In our own words, as the description has them (section 6.1): for each percent both models are loaded whole in bfloat16;
every weight whose name has ``layers`` and lacks ``norm`` gets |s - p| / (|p| + 1e-8) in that dtype, all of them in one
flat tensor, of which ``topk`` takes int(n * percent / 100); those are set back, and the model is saved.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

EPSILON = 1e-8


def main() -> None:
    original, tuned, out, *percents = sys.argv[1:]
    seconds = dict.fromkeys(("load", "select", "write"), 0.0)
    for percent in percents:
        times = [time.perf_counter()]
        first, second = load(original), load(tuned)
        times.append(time.perf_counter())
        taken, names = top(first, second, float(percent))
        times.append(time.perf_counter())
        set_back(first, second, taken, names)
        second.save_pretrained(f"{out}/percent-{percent}")
        times.append(time.perf_counter())
        for (name, before), (start, stop) in zip(seconds.items(), pairwise(times), strict=True):
            seconds[name] = before + stop - start
    Path(out, "seconds.json").write_text(json.dumps(seconds))


def load(path: str) -> Any:
    """Return a model whole, in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)


def top(first: Any, second: Any, percent: float) -> tuple[Any, list[str]]:
    """Return whether each weight is taken, all in one, and the names of the tensors in that order."""
    import torch

    flat, names = scores(first, second)
    found = torch.topk(flat, int(len(flat) * percent / 100)).indices
    taken = torch.zeros(len(flat), dtype=torch.bool)
    taken[found] = True
    return taken, names


def scores(first: Any, second: Any) -> tuple[Any, list[str]]:
    """Return the scores of all weights in scope in one flat tensor, and the names of their tensors."""
    import torch

    ours = dict(first.named_parameters())
    names, parts = [], []
    with torch.no_grad():
        for name, s in second.named_parameters():
            if "layers" in name and "norm" not in name:
                names.append(name)
                parts.append(((s - ours[name]).abs() / (ours[name].abs() + EPSILON)).flatten())
    return torch.cat(parts), names


def set_back(first: Any, second: Any, taken: Any, names: list[str]) -> None:
    """Give the weights taken their original values."""
    import torch

    ours, at = dict(first.named_parameters()), 0
    with torch.no_grad():
        for name, s in second.named_parameters():
            if name in set(names):
                mask = taken[at : at + s.numel()].view(s.shape)
                s.copy_(torch.where(mask, ours[name], s))
                at += s.numel()


if __name__ == "__main__":
    main()
