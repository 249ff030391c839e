"""Benchmarks of weights: memory and time of restoring, beside the disk's own and the steps of the paper's program.

Every side is a process of its own, started alike, which says at its end how long it took, on how much of the cores, and
the highest memory that it held (VmHWM). Files go to ``ASSAY_SCRATCH`` (default ``build/bench``), and away at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from assay.weights import levels, open_pair, select
from assay.weights.restore import read_back, stored

PERCENTS = (1, 3, 5, 10, 20, 40, 60)
MEMORY_GB = 0.3
BLOCK = 2**20  # values at once
SPREAD, MOVED = 0.015, 3e-5  # of weights, of their changes, as where the paper's program was measured
# runs `assay`, or a module, with the arguments that follow, and tells what it took
WATCHED = """
import time
start = time.perf_counter()
import json, os, runpy, sys
out, *sys.argv = sys.argv[1:]
try:
    if sys.argv[0] == "assay":
        from assay.cli import main
        main()
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    told = dict(line.split(":", 1) for line in open("/proc/self/status"))
    times = os.times()
    with open(out, "w") as f:
        json.dump({"seconds": time.perf_counter() - start, "CPU seconds": times.user + times.system,
                   "of them in the system": times.system, "peak MB": int(told["VmHWM"].split()[0]) * 1024 / 1e6}, f)
"""


def weights_restore() -> list[dict]:
    """`assay weights restore` of two models of 1 GB (bfloat16, three shards) to seven percents, beside the disk's own.

    Disk: one plain loop that reads both models twice and writes the seven outputs; fsync is in both. Both start with
    the models not in memory, as far as the system forgets them when asked. A process is measured from its start to its
    end: imports, hashes of all that is read and written, and manifests with it.
    """
    return _beside_disk("1 GB", shards=3, groups=[PERCENTS] * 2)


def weights_restore_large() -> list[dict]:
    """The same for two models of 8 GB in eight shards, in two runs, so that there are 32 GB of outputs at most, not 56.

    The second run reads and selects anew: both together take longer than one run of seven percents would.
    """
    return _beside_disk("8 GB", shards=8, groups=[PERCENTS[:4], PERCENTS[4:]])


def weights_official() -> list[dict]:
    """Seven percents of SmolLM2-135M and a fine-tuned one, beside the steps of the paper's program (section 6.1).

    Stored in bfloat16, as that program loads models, so that both write as many bytes; ours brings them to the disk
    (fsync) and hashes all, theirs does not. Ours ranks as it does (`--official bf16`). Differ: weights that only one of
    the two takes, added over the percents; how many of them had changed (a quota beyond the changed ones is filled with
    unchanged weights, in any order), and whether all of them have the score at the border. The pair is that of
    ``ASSAY_PAIR`` (two folders, a colon between), or made here: one epoch over some facts. Both start with the models
    in memory.
    """
    with scratch() as folder:
        models = trained_pair(folder)
        out = folder / "out"
        theirs = watched(folder, "benchmarks.official_restore", *models, out, *PERCENTS)
        parts = json.loads((out / "seconds.json").read_text())
        theirs |= {"load and select": parts["load"] + parts["select"], "write": parts["write"]}
        shutil.rmtree(out)
        percents = ",".join(map(str, PERCENTS))
        ours = watched(
            folder, "assay", "weights", "restore", *models, "-o", out, "--percent", percents, "--official", "bf16",
            "--quiet",
        )  # fmt: skip
        parts = json.loads((out / "manifest.json").read_text())["run"]["seconds"]
        ours |= {"load and select": parts["select"] + parts["hash"], "write": parts["write"]}
        shutil.rmtree(out)
        ratios = {
            f"times {word} ({name})": theirs[name] / ours[name]
            for word, name in (
                ("faster", "seconds"), ("faster", "CPU seconds"), ("faster", "load and select"), ("less", "peak MB")
            )
        }  # fmt: skip
        same = compared(*models)
    base = {"models": "SmolLM2-135M", "percents": percents}
    return [
        base | {"method": "the paper's steps"} | theirs,
        base | {"method": "assay weights restore"} | ours | ratios | same,
    ]


def compared(original: Path, tuned: Path) -> dict[str, Any]:
    """Return how many weights only one side takes, over all percents, and whether all have the score at the border."""
    import torch

    from benchmarks.official_restore import load, scores

    first, second = load(str(original)), load(str(tuned))
    flat, names = scores(first, second)
    sizes = {name: value.numel() for name, value in second.named_parameters()}
    starts = dict(zip(names, np.cumsum([0, *(sizes[name] for name in names)]).tolist(), strict=False))
    pair = open_pair(original, tuned)
    selection = select(pair.chunks, PERCENTS, ranking="official_bf16")
    level = np.empty(len(flat), np.uint8)
    for chunk in pair.chunks():
        at = starts[chunk[0]] + chunk[1]
        level[at : at + len(chunk[2])] = levels(selection, chunk)
    differ, changed, at_border = 0, 0, True
    for j, percent in enumerate(PERCENTS):
        found = torch.topk(flat, int(len(flat) * percent / 100))
        taken = torch.zeros(len(flat), dtype=torch.bool)
        taken[found.indices] = True
        other = taken != torch.from_numpy(level <= j)
        differ += int(other.sum())
        changed += int((flat[other] > 0).sum())
        at_border &= bool((flat[other] == found.values.min()).all())
    return {
        "unchanged %": 100 * float((flat == 0).double().mean()), "differ": differ, "of them changed": changed,
        "all at the border": at_border,
    }  # fmt: skip


def trained_pair(folder: Path) -> list[Path]:
    """Return an original and a tuned model, stored in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    if "ASSAY_PAIR" in os.environ:
        original, tuned = map(Path, os.environ["ASSAY_PAIR"].split(":"))
    else:
        from assay.knowledge import samples_of
        from assay.training import train
        from benchmarks.knowledge import facts_of, smol

        original = folder / "trained" / "original"
        model, tokenizer = smol()
        model.save_pretrained(original)
        tokenizer.save_pretrained(original)
        tuned = train(
            original, samples_of(facts_of(48)), output=folder / "trained" / "tuned", preset="knowledge", epochs=1,
            device="cpu",
        )  # fmt: skip
    models = [folder / "original", folder / "tuned"]
    for path, model in zip((original, tuned), models, strict=True):
        AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).save_pretrained(model)
    return models


def _beside_disk(size: str, *, shards: int, groups: Sequence[Sequence[int]]) -> list[dict]:
    rows = []
    with scratch() as folder:
        models = make_pair(folder / "pair", SHAPES[size], shards=shards)
        out = folder / "out"
        stored = sum(file.stat().st_size for file in models[1].glob("*.safetensors")) / 1e9
        for percents in groups:
            base = {"models": size, "GB each": stored, "percents": ",".join(map(str, percents))}
            base |= {
                "bound MB": 1e3 * MEMORY_GB,
                "GB read twice": 4 * stored,
                "GB written": len(percents) * stored,
            }
            dropped(folder)
            disk = watched(folder, "benchmarks.disk", out, len(percents), *models)
            shutil.rmtree(out)
            dropped(folder)
            ours = watched(
                folder, "assay", "weights", "restore", *models, "-o", out, "--percent", base["percents"], "--quiet",
                "--memory-gb", MEMORY_GB,
            )  # fmt: skip
            shutil.rmtree(out)
            rows.append(base | {"method": "disk"} | disk)
            ratio = {"times the disk": ours["seconds"] / disk["seconds"]}
            rows.append(base | {"method": "assay weights restore"} | ours | ratio)
    return rows


def llama_shapes(
    *, width: int, inner: int, keys: int, layers: int, vocabulary: int
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a Llama whose head is its embedding."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, width),
        "model.norm.weight": (width,),
    }
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name, rows in (("q_proj", width), ("k_proj", keys), ("v_proj", keys), ("o_proj", width)):
            shapes[f"{at}.self_attn.{name}.weight"] = (rows, width)
        shapes[f"{at}.mlp.gate_proj.weight"] = shapes[f"{at}.mlp.up_proj.weight"] = (inner, width)
        shapes[f"{at}.mlp.down_proj.weight"] = (width, inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{at}.{name}.weight"] = (width,)
    return shapes


SHAPES = {  # TinyLlama's with ten layers, and half of LLaMA-3-8B's
    "1 GB": llama_shapes(width=2048, inner=5632, keys=256, layers=10, vocabulary=32_000),
    "8 GB": llama_shapes(width=4096, inner=14_336, keys=1024, layers=16, vocabulary=128_256),
}


def make_pair(
    folder: Path, shapes: dict[str, tuple[int, ...]], *, shards: int, seed: int = 0
) -> tuple[Path, Path]:
    """Write an original and a tuned model in bfloat16: Gaussian weights and changes, the same for the same seed."""
    names = sorted(shapes)
    sizes = [int(np.prod(shapes[name])) for name in names]
    cuts = np.searchsorted(np.cumsum(sizes), np.arange(1, shards) * sum(sizes) / shards)
    models = folder / "original", folder / "tuned"
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": True}
    for model in models:
        model.mkdir(parents=True)
        (model / "config.json").write_text(json.dumps(config))
    parts = [part.tolist() for part in np.split(np.arange(len(names)), cuts)]
    files = [f"model-{number:05}-of-{shards:05}.safetensors" for number in range(1, shards + 1)]

    def write(part: list[int], file: str) -> None:
        entries, at = {}, 0
        for i in part:
            place = [at, at + 2 * sizes[i]]
            entries[names[i]] = {"dtype": "BF16", "shape": shapes[names[i]], "data_offsets": place}
            at = place[1]
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % 8)
        with open(models[0] / file, "wb") as first, open(models[1] / file, "wb") as second:
            for f in (first, second):
                f.write(len(header).to_bytes(8, "little") + header)
            for i in part:
                rng = np.random.default_rng([seed, i])
                for start in range(0, sizes[i], BLOCK):
                    draw = partial(rng.standard_normal, min(BLOCK, sizes[i] - start), dtype=np.float32)
                    p = stored(np.float32(SPREAD) * draw(), "BF16")
                    s = stored(read_back(p, "BF16") + np.float32(MOVED) * draw(), "BF16")
                    first.write(p.tobytes())
                    second.write(s.tobytes())

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, parts, files))
    where = {names[i]: file for part, file in zip(parts, files, strict=True) for i in part}
    for model in models:
        index = {"metadata": {"total_size": 2 * sum(sizes)}, "weight_map": where}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
    return models


@contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder, deleted at the end."""
    folder = Path(os.environ.get("ASSAY_SCRATCH", "build/bench")) / "weights"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watched(folder: Path, *arguments: Any) -> dict[str, Any]:
    """Run a module, or `assay`, in a process of its own, and return what it took."""
    out = folder / "told.json"
    before = os.getloadavg()[0]
    command = [sys.executable, "-c", WATCHED, str(out), *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {**json.loads(out.read_text()), "load before": before}


def dropped(folder: Path) -> None:
    """Bring the files of a folder to the disk, and ask the system to forget them."""
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
