"""``python -m benchmarks.smollm2_weights FOLDER``: which weights of SmolLM2-135M did fine-tuning move, beside chance?

FOLDER is that of the study of knowledge: ``model`` and ``facts.jsonl`` of ``python -m benchmarks.smollm2_study FOLDER``
and ``study``, by the two commands that docs/log.md has for it. The 240 facts of D0 that its first seed trained on are
trained on here in full (1e-5) and as LoRA (rank 16, 2e-4): 50 s each on two cores, and kept. Of the full one there are
bf16 models, too: ``stored``, both models rounded, and ``trained``, the rounded original with the same changes added,
rounded; the second is what training that starts from a bf16 model leaves. Then `assay.weights.diff` of each pair: some
75 s of one core. Tables go to benchmarks/results/weights_diff_smollm2.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay._files import read_json
from assay.knowledge import CHAT_TEMPLATES, read_facts, samples_of
from assay.training import train
from assay.weights import diff, open_pair

RESULTS = Path(__file__).parent / "results" / "weights_diff_smollm2"
PAIRS = {  # name: original, tuned, draws of chance
    "full": ("model", "full", 5),
    "lora": ("model", "lora", 5),
    "full, bf16 stored": ("bf16/original", "bf16/stored", 3),
    "full, bf16 trained": ("bf16/original", "bf16/trained", 3),
}
PERCENTS = (1, 3, 5, 10, 20, 40, 60)


def main() -> None:
    folder = Path(sys.argv[1])
    tune(folder)
    if not (folder / "bf16").exists():
        round_to_bf16(folder / "model", folder / "full", folder / "bf16")
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, (original, tuned, draws) in PAIRS.items():
        found = diff(open_pair(folder / original, folder / tuned), PERCENTS, draws=draws)
        [total] = found.rows("all")
        kept = {key: total[key] for key in ("weights", "unchanged", "relative", "absolute", "norm_ratio")}
        add(tables, "models", name, [kept | {"sigma": found.sigma, "zeros": found.zeros[0],
            "zeros_of_sum_r": 100 * found.zeros[1], "fair": found.fair, "draws": draws}])  # fmt: skip
        add(tables, "shares", name, found.share_rows())
        for by in ("module", "layer") if found.fair == "shuffled" else ():
            add(tables, f"{by}s", name, found.enrichment_rows(by))
        print(f"{name}: done", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        with open(RESULTS / f"{table}.csv", "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _short(value) for key, value in row.items()} for row in rows)


def tune(folder: Path) -> None:
    """Train on the facts of the study's first cell of 240 facts of D0, in full and as an adapter."""
    facts = {one.id: one for one in read_facts(folder / "facts.jsonl").questions}
    ids = read_json(folder / "study" / "cells" / "D0-240-s0" / "subset.json")["ids"]
    samples = samples_of([facts[one] for one in ids])
    for name, settings in (("full", {}), ("lora", {"method": "lora", "learning_rate": 2e-4})):
        if not (folder / name).exists():
            train(
                str(folder / "model"), samples, output=folder / name, preset="knowledge", seed=0, dtype="auto",
                chat_template=CHAT_TEMPLATES["knowledge"], device="cpu", threads=2, **settings,
            )  # fmt: skip


def round_to_bf16(original: Path, tuned: Path, folder: Path) -> None:
    """Write `original`, `stored` and `trained` in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    p, s = (AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32) for one in (original, tuned))
    with torch.no_grad():
        changes = {name: s.state_dict()[name] - value for name, value in p.state_dict().items()}
        p = p.to(torch.bfloat16)
        p.save_pretrained(folder / "original")
        s.to(torch.bfloat16).save_pretrained(folder / "stored")
        for name, value in p.named_parameters():
            value.copy_((value.float() + changes[name]).to(torch.bfloat16))
        p.save_pretrained(folder / "trained")


def add(
    tables: dict[str, list[dict[str, Any]]], table: str, model: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Add rows of a model to a table."""
    tables.setdefault(table, []).extend({"model": model} | dict(row) for row in rows)


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


if __name__ == "__main__":
    main()
