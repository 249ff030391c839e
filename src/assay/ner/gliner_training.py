"""Train a GLiNER model on documents, from a model or from a plain encoder."""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from assay._check import at_least, between, choice, require, whole
from assay._files import new_folder, write_json
from assay.errors import DataError
from assay.ner.document import Document
from assay.ner.taggers.tokens import token_spans

RECORD = "training.json"
WARM_UP = 0.1
LEFT_OUT = ("documents", "labels", "output", "overwrite", "progress")  # of the options in the record
POOL = 32  # batches whose rows are sorted by length before they are cut
Row = dict[str, Any]


def train_gliner(
    documents: Sequence[Document],
    output: str | Path,
    *,
    base: str | Path,
    labels: Mapping[str, Sequence[str]] | None = None,
    steps: int = 1000,
    batch_size: int = 16,
    learning_rate: float = 5e-5,
    head_learning_rate: float = 5e-4,
    max_labels: int = 12,
    max_width: int = 10,
    max_tokens: int = 128,
    hidden_size: int = 256,
    dropout: float = 0.1,
    positive_weight: float = 0.5,
    frozen_layers: int | None = None,
    dtype: str = "float32",
    seed: int = 0,
    threads: int | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a GLiNER model that finds the entities of any label that it is given by name.

    Every row is asked for the labels that occur in it and for others of its corpus, drawn anew each time, in random
    order. A label of another corpus is never asked: there, nobody looked for it, so its absence says nothing.

    Parameters
    ----------
    documents
        With entities or without. Discontinuous entities, and those that are longer than `max_width` tokens, are left
        out and counted; an entity takes the tokens that it touches.
    output
        Folder to write to: the model as GLiNER saves it, which ``gliner:<folder>`` predicts with, and
        ``training.json`` with settings, counts, losses, versions and seconds.
    base
        A GLiNER model to go on from, or a plain encoder (a folder or an id on the hub; `HF_HUB_OFFLINE` is
        respected) to which untrained GLiNER layers are put. With a plain encoder a label is where its own first word
        is in the prompt: the mark that GLiNER puts before it means nothing to an encoder that has never seen one.
    labels
        For each corpus the labels that its annotators looked for; by default those that occur in `documents`.
    steps, batch_size
        Number of steps (>= 1) and rows in each (>= 1).
    learning_rate, head_learning_rate
        Peak rates of AdamW (> 0): of the encoder, and of GLiNER's own layers. Both rise over the first tenth of the
        steps and fall to 0 linearly.
    max_labels
        Labels that a row is asked for, at most (>= 1); those that occur in it come first.
    max_width
        Tokens of the longest entity that can be found (>= 1). A base that is a GLiNER model keeps its own.
    max_tokens
        Longer documents are cut (>= 1); the entities beyond are left out and counted.
    hidden_size
        Width of GLiNER's layers (>= 2), dropout between them (0 to below 1): for a plain encoder only.
    positive_weight
        Weight of a span that has a label against one that has none, as the alpha of a focal loss: 0 to 1, where 0.5
        weighs them alike and 1 leaves out the others.
    frozen_layers
        Layers of the encoder, from below, that stay as they are, and its embeddings with them (>= 0: the embeddings
        alone); by default everything is trained. Fewer trained layers are faster.
    dtype
        ``float32``, or ``bfloat16`` inside the encoder, faster where the processor has it; weights stay float32.
    seed
        Of untrained layers, order, drawn labels and dropout. No global seed is touched.
    threads
        Threads of torch in this call; by default as many as torch has.
    overwrite
        Replace an earlier run's files in `output`.
    progress
        Called with the steps done and their total after each step.

    Returns
    -------
    Path
        The folder `output`.

    Raises
    ------
    DataError
        No document with tokens, no label, a base that is neither, a folder in use, or an option out of range.
    MissingExtraError
        GLiNER is not installed.

    Notes
    -----
    Same documents, base, options and libraries give the same bytes on a CPU for one number of threads; torch may
    round otherwise with another number, and another processor may, too. Runs on a GPU where torch has one, and there
    runs may differ.

    Source: Zaratiana et al., NAACL 2024, arXiv 2311.08526; the model, its batches and its loss are the library's. The
    loop is our own: the library's trainer goes on after a batch that failed, without a word, takes its negative
    labels from whatever corpora meet in a batch, and sets global seeds.

    Cost: 6 x parameters x tokens operations, and as many spans as tokens x `max_width`. An encoder of 22 million
    parameters takes a second of one core for 16 short sentences, half of that with three of its six layers frozen and
    in bfloat16. From a plain encoder, bounds are learnt in hundreds of steps; types take longer.
    """
    whole("steps", steps, 1)
    whole("batch_size", batch_size, 1)
    whole("max_labels", max_labels, 1)
    whole("max_width", max_width, 1)
    whole("max_tokens", max_tokens, 1)
    whole("hidden_size", hidden_size, 2)
    whole("seed", seed, 0, 2**32 - 1)
    at_least("learning_rate", learning_rate, 0, strict=True)
    at_least("head_learning_rate", head_learning_rate, 0, strict=True)
    between("positive_weight", positive_weight, 0, 1)
    if not 0 <= dropout < 1:
        raise DataError(f"dropout must be from 0 to below 1; got {dropout!r}.")
    choice("dtype", dtype, ("float32", "bfloat16"))
    if frozen_layers is not None:
        whole("frozen_layers", frozen_layers, 0)
    if threads is not None:
        whole("threads", threads, 1)
    options = {name: value for name, value in locals().items() if name not in LEFT_OUT} | {"base": str(base)}
    asked = _inventories(documents, labels)
    require("gliner", "gliner", "training of GLiNER")
    import torch

    folder = new_folder(output, overwrite=overwrite)
    start = time.perf_counter()
    with _undisturbed(threads, seed):
        model = _model(str(base), {"max_width": max_width, "hidden_size": hidden_size, "dropout": dropout})
        rows, left_out = _rows(documents, width=model.config.max_width, length=max_tokens)
        if not any(asked.get(row["corpus"]) for row in rows):
            raise DataError("documents must hold words to learn from; got none.")
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model.to(device)
        _freeze(model, frozen_layers)
        if dtype == "bfloat16":
            _halve(model, device.type)
        optimizer, schedule = _optimizer(model, learning_rate, head_learning_rate, steps)
        collator = model._create_data_collator()
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        losses = []
        model.train()
        batches = _batches(rows, asked, steps, batch_size, max_labels, seed)
        for done, batch in enumerate(batches, 1):
            inputs = {
                name: value.to(device) if isinstance(value, torch.Tensor) else value
                for name, value in collator(batch, entity_types=[row["labels"] for row in batch]).items()
            }
            loss = model(**inputs, alpha=positive_weight, reduction="sum").loss / len(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
            if progress is not None:
                progress(done, steps)
        model.to("cpu").eval()
        vars(model.model.token_rep_layer).pop("forward", None)
        names = _saved(model, folder)
    record = {
        "outputs": names,
        "options": options,
        "labels": asked,
        "rows": len(rows),
        "entities": sum(len(row["ner"]) for row in rows),
        "left_out": left_out,
        "losses": [round(loss, 4) for loss in losses],
        "versions": {name: version(name) for name in ("gliner", "torch", "transformers")},
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(folder / RECORD, record)
    return folder


def _inventories(
    documents: Sequence[Document], labels: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """Return for each corpus the labels that it is asked for; those that occur, unless they are given."""
    found: dict[str, set[str]] = {}
    for document in documents:
        found.setdefault(document.corpus, set()).update(entity.label for entity in document.entities)
    if labels is not None:
        for corpus, occurring in found.items():
            if missing := sorted(occurring - set(labels.get(corpus, ()))):
                raise DataError(
                    f"labels must hold every label that occurs; got no {missing[0]!r} for corpus {corpus!r}."
                )
        found = {corpus: set(labels[corpus]) for corpus in found if labels.get(corpus)}
    if not any(found.values()):
        raise DataError("documents must hold entities to learn from; got none. Give labelled documents.")
    return {corpus: sorted(names) for corpus, names in sorted(found.items())}


def _rows(documents: Sequence[Document], *, width: int, length: int) -> tuple[list[Row], dict[str, int]]:
    """Return GLiNER's rows of the documents, and what was left out of them."""
    rows: list[Row] = []
    out = {"documents_without_words": 0, "documents_cut": 0}
    out |= {"entities_discontinuous": 0, "entities_too_long": 0, "entities_beyond": 0}
    for document in documents:
        spans = token_spans(document)
        if not spans:
            out["documents_without_words"] += 1
            continue
        out["documents_cut"] += len(spans) > length
        entities: dict[tuple[int, int, str], None] = {}
        for entity in document.entities:
            inside = [at for at, (a, b) in enumerate(spans) if a < entity.end and b > entity.start]
            if entity.spans is not None or not inside:
                out["entities_discontinuous"] += 1
            elif inside[-1] >= length:
                out["entities_beyond"] += 1
            elif len(inside) > width:
                out["entities_too_long"] += 1
            else:
                entities[inside[0], inside[-1], entity.label] = None
        words = [document.text[a:b] for a, b in spans[:length]]
        rows.append({"tokenized_text": words, "ner": list(entities), "corpus": document.corpus})
    return rows, out


def _batches(
    rows: Sequence[Row],
    asked: Mapping[str, Sequence[str]],
    steps: int,
    size: int,
    most: int,
    seed: int,
) -> Iterator[list[Row]]:
    """Yield so many batches of rows, of like length, each row with the labels that it is asked for."""
    rng = np.random.default_rng(seed)
    usable = np.array([at for at, row in enumerate(rows) if asked.get(row["corpus"])])
    size = min(size, len(usable))
    waiting: list[int] = []
    done = 0
    while done < steps:
        while len(waiting) < size * POOL:
            waiting += rng.permutation(usable).tolist()
        pool, waiting = waiting[: size * POOL], waiting[size * POOL :]
        pool.sort(key=lambda at: len(rows[at]["tokenized_text"]))
        for start in rng.permutation(POOL) * size:
            if done == steps:
                return
            done += 1
            yield [
                _asked(rows[at], asked[rows[at]["corpus"]], most, rng) for at in pool[start : start + size]
            ]


def _asked(row: Row, labels: Sequence[str], most: int, rng: np.random.Generator) -> Row:
    """Return a row with the labels that it is asked for, its own first to be taken, in random order."""
    own = sorted({label for _, _, label in row["ner"]})
    others = [label for label in labels if label not in set(own)]
    taken = [own[at] for at in rng.permutation(len(own))[:most]]
    taken += [others[at] for at in rng.permutation(len(others))[: most - len(taken)]]
    return row | {"labels": [taken[at] for at in rng.permutation(len(taken))]}


def _model(base: str, options: Mapping[str, int | float]) -> Any:
    """Return the GLiNER model of a folder, or a new one on a plain encoder."""
    import gliner
    from huggingface_hub.errors import HFValidationError

    try:
        if (Path(base) / "gliner_config.json").exists():
            return gliner.GLiNER.from_pretrained(base)
        from transformers import AutoConfig

        encoder = AutoConfig.from_pretrained(base)
        config = {
            "model_name": base,
            "encoder_config": encoder.to_dict(),
            "max_len": encoder.max_position_embeddings,
            "span_mode": "markerV0",
            "embed_ent_token": False,
            **options,
        }
        return gliner.GLiNER.from_config(config, backbone_from_pretrained=True)
    except (OSError, HFValidationError, ValueError) as error:
        raise DataError(
            f"base must name a GLiNER model or an encoder; {base} is none: {str(error).splitlines()[0]}"
        ) from None


def _saved(model: Any, folder: Path) -> list[str]:
    """Save a model, its files all at once, and return their names."""
    (folder / RECORD).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".assay-", dir=folder) as stage:
        model.save_pretrained(stage)
        files = sorted(Path(stage).iterdir())
        for file in files:
            file.replace(folder / file.name)
    return [file.name for file in files]


def _freeze(model: Any, layers: int | None) -> None:
    """Stop training of the embeddings and of so many layers of the encoder."""
    if layers is None:
        return
    encoder = model.model.token_rep_layer.bert_layer.model
    encoder.embeddings.requires_grad_(False)
    stack = next(module for module in encoder.modules() if type(module).__name__ == "ModuleList")
    if layers > len(stack):
        raise DataError(f"frozen_layers must be <= {len(stack)}, what the encoder has; got {layers}.")
    for layer in stack[:layers]:
        layer.requires_grad_(False)


def _halve(model: Any, device: str) -> None:
    """Have the encoder compute in bfloat16; what it returns is float32 again, so that the loss is exact."""
    import torch

    encoder = model.model.token_rep_layer
    plain = encoder.forward

    def forward(*given: Any, **named: Any) -> Any:
        with torch.autocast(device, torch.bfloat16):
            found = plain(*given, **named)
        return tuple(part.float() for part in found) if isinstance(found, tuple) else found.float()

    encoder.forward = forward


def _optimizer(model: Any, encoder_rate: float, head_rate: float, steps: int) -> tuple[Any, Any]:
    """Return AdamW with two rates, without decay for biases and norms, and the schedule of both."""
    import torch

    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        groups.setdefault(("token_rep_layer.bert_layer" in name, weight.ndim > 1), []).append(weight)
    optimizer = torch.optim.AdamW(
        [
            {
                "params": weights,
                "lr": encoder_rate if encoder else head_rate,
                "weight_decay": 0.01 if wide else 0.0,
            }
            for (encoder, wide), weights in groups.items()
        ]
    )
    rise = max(1, round(WARM_UP * steps))
    return optimizer, torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / rise, (steps - step) / max(1, steps - rise))
    )


@contextmanager
def _undisturbed(threads: int | None, seed: int) -> Iterator[None]:
    """Set torch's seed and threads for the block, and give everything back."""
    import torch

    state, state_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    had = torch.get_num_threads()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*resume_download", UserWarning)
            torch.manual_seed(seed)
            if threads is not None:
                torch.set_num_threads(threads)
            yield
    finally:
        torch.set_num_threads(had)
        random.setstate(state)
        np.random.set_state(state_numpy)  # noqa: NPY002
