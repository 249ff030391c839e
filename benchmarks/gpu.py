"""The paper's size on one GPU: ``python -m benchmarks gpu --save``."""

from __future__ import annotations

import math

import numpy as np

from assay.diversity import novelsum
from assay.neighbors import local_density
from assay.select import kcenter, novelselect
from benchmarks.timing import timed
from benchmarks.vectors import large

POOL, WIDTH, BUDGET = 396_000, 4096, 10_000


def gpu() -> list[dict]:
    """Density, NovelSelect, NovelSum and k-center on one GPU at the size of the paper, float16 rows.

    Published, on one H800: NovelSum "about one minute", NovelSelect "about one hour". The released program's loop,
    written anew: all distances of all rows to the chosen ones at every step, sorted; measured where it ends soon, and
    scaled by its cost, n k^2 (d + log k).
    """
    try:
        import torch
    except ImportError as error:
        return [{"not measured": f"torch is not there ({error})"}]
    if not torch.cuda.is_available():
        return [{"not measured": f"torch {torch.__version__} sees no CUDA device"}]
    return measure("cuda", large(POOL, WIDTH, "float16"), BUDGET, small=(20_000, 500))


def measure(device: str, rows: np.ndarray, budget: int, *, small: tuple[int, int]) -> list[dict]:
    """Return a row a task; `small` holds the rows and the budget of the released program's loop."""
    n, d = rows.shape
    base = {"device": _name(device), "n": n, "d": d, "budget": budget}
    density, seconds = _timed(device, lambda: local_density(rows, device=device))
    out = [base | {"task": "density of the pool"} | seconds]
    for side in ("both", "self"):
        found, seconds = _timed(
            device,
            lambda side=side: novelselect(
                rows, budget=budget, density=density, density_side=side, device=device
            ),
        )
        row = base | {"task": f"novelselect, {side}, density given"} | seconds
        row |= {"scores computed a step": found.facts["evaluations"] / budget}
        out.append(row | {"close calls": found.facts["close_calls"]})
    chosen = rows[np.sort(found.indices)]
    value, seconds = _timed(device, lambda: novelsum(chosen, reference=rows, device=device))
    out.append(base | {"task": "novelsum of the choice against the pool"} | seconds | {"NovelSum": value})
    found, seconds = _timed(device, lambda: kcenter(rows, budget=budget, device=device))
    out.append(base | {"task": "kcenter"} | seconds | {"close calls": found.facts["close_calls"]})

    few, k = small
    rows, density = np.array(rows[:few]), density[:few]
    ours, seconds = _timed(device, lambda: novelselect(rows, budget=k, density=density, device=device))
    out.append(base | {"n": few, "budget": k, "task": "novelselect, both, density given"} | seconds)
    scaled = n * budget**2 * (d + math.log2(budget)) / (few * k**2 * (d + math.log2(k)))
    for kind in ("float16", "float32"):
        theirs, seconds = _timed(
            device, lambda kind=kind: released_loop(rows, density**0.5, int(ours.indices[0]), k, device, kind)
        )
        row = base | {"n": few, "budget": k, "task": f"the released loop, {kind}"} | seconds
        row |= {"first rows equal": int(np.cumprod(theirs == ours.indices).sum())}
        out.append(row | {"scaled to the pool and budget, hours": seconds["seconds"] * scaled / 3600})
    return out


def released_loop(
    rows: np.ndarray, scale: np.ndarray, start: int, budget: int, device: str, kind: str
) -> np.ndarray:
    """Return what the released program's loop chooses: nothing is kept from step to step."""
    import torch

    where, kind = torch.device(device.removeprefix("torch:")), getattr(torch, kind)
    unit = torch.from_numpy(rows).to(where).float()
    unit = (unit / unit.norm(dim=1, keepdim=True)).to(kind)
    dense = torch.from_numpy(scale).to(where).to(kind)
    chosen = [start]
    while len(chosen) < budget:
        gaps = (1.0 - unit @ unit[chosen].T) * (dense[:, None] + dense[chosen])
        weights = 1.0 / torch.arange(1, len(chosen) + 1, device=where)
        scores = gaps.sort(dim=1).values @ weights.to(kind) / len(chosen)
        scores[chosen] = -torch.inf
        chosen.append(int(scores.argmax()))
    return np.array(chosen)


def _timed(device: str, work) -> tuple:
    """Return the result, and seconds and peak memory on the device."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    result, seconds = timed(work)
    row = {"seconds": seconds}
    if device.startswith("cuda"):
        row |= {"peak GB on the device": torch.cuda.max_memory_allocated() / 1e9}
    return result, row


def _name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
