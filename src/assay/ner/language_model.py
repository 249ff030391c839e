"""Prompts in, answers out: a transformers model, or any server that speaks OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from assay._check import choice, require, whole
from assay._server import answering, connect, in_flight
from assay.embed.encoder import mend
from assay.embed.transformer import device_for
from assay.errors import DataError
from assay.ner.prompts import CHAT_TEMPLATE
from assay.training.loading import load_tuned, precision_for

PROMPTING = ("auto", "plain", "chat")
DTYPES = ("auto", "float32", "bfloat16", "float16")
MOST_NEW = 1024  # tokens of an answer, as B2NER has it
IN_FLIGHT = 8
TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Generated:
    """One answer: its words, how many tokens it took, and whether it ended of itself."""

    answer: str
    tokens: int
    finished: bool


class Generator(Protocol):
    """What answers prompts. `fingerprint` has everything that decides the answers beside the prompts."""

    @property
    def fingerprint(self) -> Mapping[str, Any]: ...

    def too_long(self, prompt: str) -> str | None:
        """Return why a prompt cannot be answered whole, or None."""
        ...

    def generate(self, prompts: Sequence[str]) -> Iterator[tuple[int, Generated]]:
        """Yield the place of each prompt and its answer, as they come."""
        ...


class Transformer:
    """A causal language model, asked greedily, several prompts of like length at a time.

    Padding stands on the left and is masked, so that an answer is that of its prompt alone, but for rounding; a prompt
    is never cut. An answer ends at an end token of the model and, where the prompt is B2NER's plain one, at the end of
    its first line, since that is all an answer is.

    Parameters
    ----------
    source
        Folder of a model (safetensors, an adapter, or one ``.gguf``), or an id on the hub.
    prompting
        ``plain``: start token and prompt, as B2NER's models are trained. ``chat``: the prompt as a user's turn in the
        tokenizer's template. ``auto``: chat where there is a template.
    max_new_tokens
        Of an answer; by default 1,024, or a quarter of the positions of the model where that is less.
    batch_size
        Prompts at a time.
    device, dtype
        ``auto`` takes a GPU where there is one, and bfloat16 on it, float32 on a CPU.
    threads
        Threads of torch; by default its own choice. One is faster for tiny models.
    """

    def __init__(
        self,
        source: str,
        *,
        prompting: str = "auto",
        max_new_tokens: int | None = None,
        batch_size: int = 8,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> None:
        choice("prompting", prompting, PROMPTING)
        choice("dtype", dtype, DTYPES)
        whole("batch_size", batch_size, 1)
        for name, value in (("max_new_tokens", max_new_tokens), ("threads", threads)):
            if value is not None:
                whole(name, value, 1)
        torch = require("torch", "lm", "a language model")
        require("transformers", "lm", "a language model")

        self._device = device_for(device)
        precision = precision_for(dtype, self._device)
        model, self._tokenizer, revision = load_tuned(source, getattr(torch, precision))
        self._model = model.to(self._device).eval()
        self._batch_size, self._threads = batch_size, threads
        template = self._tokenizer.chat_template
        if prompting == "chat" and not template:
            raise DataError("prompting must be plain for a model without a chat template; got 'chat'.")
        self._chat = prompting == "chat" or (prompting == "auto" and bool(template))
        self._one_line = not self._chat or template == CHAT_TEMPLATE
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        quarter = MOST_NEW if positions is None else max(1, int(positions) // 4)
        self._new = min(MOST_NEW, quarter) if max_new_tokens is None else max_new_tokens
        self._room = None if positions is None else int(positions) - self._new
        ends = (model.generation_config.eos_token_id, self._tokenizer.eos_token_id)
        flat = [end for each in ends for end in (each if isinstance(each, list) else [each])]
        self._ends = sorted({end for end in flat if end is not None})
        self._breaks: dict[int, bool] = {}
        self.fingerprint: Mapping[str, Any] = {
            "model": revision, "prompting": "chat" if self._chat else "plain", "max_new_tokens": self._new,
            "dtype": precision,
        }  # fmt: skip

    def _ids(self, prompt: str) -> list[int]:
        if self._chat:
            turns = [{"role": "user", "content": mend(prompt)}]
            text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        start = self._tokenizer.bos_token_id
        ids = self._tokenizer(mend(prompt), add_special_tokens=False)["input_ids"]
        return [*([] if start is None else [start]), *ids]

    def too_long(self, prompt: str) -> str | None:
        """Return why a prompt cannot be read whole with room for its answer, or None."""
        size = len(self._ids(prompt))
        if self._room is None or size <= self._room:
            return None
        return f"prompt must have at most {self._room:,} tokens, to leave {self._new:,} for the answer; got {size:,}."

    def generate(self, prompts: Sequence[str]) -> Iterator[tuple[int, Generated]]:
        """Yield the place of each prompt and its answer, the longest prompts first."""
        import torch

        ids = [self._ids(prompt) for prompt in prompts]
        order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
        threads = torch.get_num_threads()
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            torch.set_num_threads(self._threads or threads)
            try:
                answers = self._batch([ids[row] for row in rows])
            finally:
                torch.set_num_threads(threads)
            yield from zip(rows, answers, strict=True)

    def _batch(self, batch: list[list[int]]) -> list[Generated]:
        """Return the greedy continuations of some prompts; rows that have ended leave the batch."""
        import torch

        longest = max(map(len, batch))
        tokens = torch.tensor([[0] * (longest - len(row)) + row for row in batch], device=self._device)
        mask = torch.tensor(
            [[0] * (longest - len(row)) + [1] * len(row) for row in batch], device=self._device
        )
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        said: list[list[int]] = [[] for _ in batch]
        done = [False] * len(batch)
        alive = list(range(len(batch)))  # the row of each sequence that is still written
        cache = None
        with torch.inference_mode():
            for _ in range(self._new):
                output = self._model(
                    input_ids=tokens,
                    attention_mask=mask,
                    position_ids=places,
                    past_key_values=cache,
                    use_cache=True,
                )
                cache = output.past_key_values
                chosen = output.logits[:, -1].argmax(-1)
                for row, token in zip(alive, chosen.tolist(), strict=True):
                    if not done[row]:
                        done[row] = token in self._ends or (self._one_line and self._break(token, said[row]))
                        said[row] += [] if done[row] else [token]
                if all(done):
                    break
                mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
                tokens, places = chosen[:, None], places[:, -1:] + 1
                kept = [at for at, row in enumerate(alive) if not done[row]]
                if 2 * len(kept) <= len(alive) and hasattr(cache, "batch_select_indices"):
                    chosen_rows = torch.tensor(kept, device=self._device)
                    cache.batch_select_indices(chosen_rows)
                    tokens, places, mask = tokens[chosen_rows], places[chosen_rows], mask[chosen_rows]
                    alive = [alive[at] for at in kept]
        texts = [self._tokenizer.decode(row, skip_special_tokens=True) for row in said]
        return [
            Generated(text.strip(), len(row), ended)
            for text, row, ended in zip(texts, said, done, strict=True)
        ]

    def _break(self, token: int, before: Sequence[int]) -> bool:
        """Tell whether a token ends the first line that has words."""
        if token not in self._breaks:
            self._breaks[token] = "\n" in self._tokenizer.decode([token])
        return self._breaks[token] and bool(self._tokenizer.decode(list(before)).strip())


class Remote:
    """A model behind an OpenAI-compatible address: OpenAI's own, vLLM, llama.cpp, Ollama.

    Temperature is 0. Whether a prompt is too long is the server's affair: one that refuses it stops the run. The key is
    OPENAI_API_KEY; servers of one's own need none.

    Parameters
    ----------
    model
        Name by which the server knows it.
    base_url
        Address, ending in ``/v1``; by default OPENAI_BASE_URL, else OpenAI.
    prompting
        ``plain``: the prompt as it is, at ``/completions``, up to the end of its line; for B2NER's models. ``chat``: a
        user's turn at ``/chat/completions``. ``auto`` is chat.
    max_new_tokens
        Of an answer, 1,024 by default.
    workers
        Requests in flight; each is tried again on 408, 409, 429 and 5xx.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        prompting: str = "auto",
        max_new_tokens: int | None = None,
        workers: int | None = None,
    ) -> None:
        choice("prompting", prompting, PROMPTING)
        for name, value in (("max_new_tokens", max_new_tokens), ("workers", workers)):
            if value is not None:
                whole(name, value, 1)
        self._model, self._workers = model, workers or IN_FLIGHT
        self._plain = prompting == "plain"
        self._new = max_new_tokens or MOST_NEW
        self._client = connect(base_url, "model 'openai:'", TIMEOUT_SECONDS)
        self._url = str(self._client.base_url)
        self.fingerprint: Mapping[str, Any] = {
            "model": f"openai:{model}", "base_url": self._url, "prompting": "plain" if self._plain else "chat",
            "max_new_tokens": self._new,
        }  # fmt: skip

    def too_long(self, prompt: str) -> str | None:
        """Return None: the tokenizer is the server's."""
        return None

    def generate(self, prompts: Sequence[str]) -> Iterator[tuple[int, Generated]]:
        """Return an iterator over the place of each prompt and its answer, as the server answers."""
        return in_flight(self._ask, prompts, self._workers)

    def _ask(self, prompt: str) -> Generated:
        common: dict[str, Any] = {"model": self._model, "temperature": 0, "max_tokens": self._new}
        with answering(self._url, todo=_TODO, again="; --resume keeps what was answered"):
            if self._plain:
                answered = self._client.completions.create(prompt=mend(prompt), stop=["\n"], **common)
            else:
                turns = [{"role": "user", "content": mend(prompt)}]
                answered = self._client.chat.completions.create(messages=turns, **common)
        if not answered.choices:
            raise DataError(f"the server at {self._url} must answer with a choice; got none.")
        first = answered.choices[0]
        words = first.text if self._plain else first.message.content
        used = 0 if answered.usage is None else answered.usage.completion_tokens
        return Generated((words or "").strip(), int(used or 0), first.finish_reason != "length")


_TODO = {
    400: "If the text is too long for the model, leave it out.",
    401: "Set OPENAI_API_KEY to a key that it accepts.",
    403: "Set OPENAI_API_KEY to a key that may use this model.",
    404: "Check that it serves this model, this kind of prompting, and that the address ends in /v1.",
    429: "Wait, or use fewer --workers; --resume keeps what was answered.",
}
