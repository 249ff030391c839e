"""Draws of a model behind an OpenAI-compatible address: OpenAI's own, vLLM, llama.cpp, Ollama."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay._check import whole
from assay._server import answering, connect, in_flight
from assay.embed.encoder import mend
from assay.errors import DataError
from assay.knowledge.models.language_model import Continuation, check_sampling, draw_key

IN_FLIGHT = 8
MOST_CHOICES = 128  # of one request, by OpenAI
TIMEOUT_SECONDS = 600.0


class Remote:
    """A `Sampler` over a server. The key is OPENAI_API_KEY; servers of one's own need none.

    Parameters
    ----------
    model
        Name by which the server knows it.
    base_url
        Address, ending in ``/v1``; by default OPENAI_BASE_URL, else OpenAI.
    workers
        Requests in flight, >= 1; each is tried again on 408, 409, 429 and 5xx.

    Notes
    -----
    All draws of a prompt are asked for in one request, so that the server reads the prompt once; one that gives fewer
    (some know only one) is asked for the rest. Each request has a seed made of seed, prompt and the draws there are:
    whether that decides the draws is the server's affair, as is how a prompt becomes tokens.
    """

    def __init__(self, model: str, *, base_url: str | None = None, workers: int = IN_FLIGHT) -> None:
        whole("workers", workers, 1)
        self._client = connect(base_url, "model 'openai:'", TIMEOUT_SECONDS)
        self._model, self._workers = model, workers
        self._url = str(self._client.base_url)
        self.fingerprint: Mapping[str, Any] = {"model": f"openai:{model}", "base_url": self._url}

    def sample(
        self,
        prompts: Sequence[str],
        *,
        draws: int = 10,
        temperature: float = 0.7,
        max_tokens: int = 32,
        seed: int = 0,
        prompting: str = "plain",
    ) -> Iterator[tuple[int, tuple[Continuation, ...]]]:
        """Return an iterator over the place of each prompt and its draws, as the server answers.

        ``plain`` prompts go to ``/completions``, which not every server has, ``chat`` to ``/chat/completions``. The
        other arguments are those of `Transformer.sample`.
        """
        check_sampling(draws, temperature, max_tokens, seed, prompting)
        common: dict[str, Any] = {
            "model": self._model, "temperature": temperature, "max_tokens": max_tokens
        }  # fmt: skip

        def ask(prompt: str) -> tuple[Continuation, ...]:
            found: list[Continuation] = []
            while len(found) < draws:
                most = min(draws - len(found), MOST_CHOICES)
                number = (draw_key(seed, prompt)[0] + len(found)) % 2**31
                mine = self._ask(prompt, prompting, common | {"n": most, "seed": number})
                found += mine[:most]
            return tuple(found)

        return in_flight(ask, prompts, self._workers)

    def _ask(self, prompt: str, prompting: str, options: dict[str, Any]) -> list[Continuation]:
        with answering(self._url, todo=_TODO):
            if prompting == "plain":
                answered = self._client.completions.create(prompt=mend(prompt), **options)
            else:
                turns = [{"role": "user", "content": mend(prompt)}]
                answered = self._client.chat.completions.create(messages=turns, **options)
        if not answered.choices:
            raise DataError(f"the server at {self._url} must answer with a choice; got none.")
        return [
            Continuation(
                (one.text if prompting == "plain" else one.message.content) or "",
                one.finish_reason != "length",
            )
            for one in answered.choices
        ]


_TODO = {
    401: "Set OPENAI_API_KEY to a key that it accepts.",
    403: "Set OPENAI_API_KEY to a key that may use this model.",
    404: "Check that it serves this model, this kind of prompting, and that the address ends in /v1.",
    429: "Wait, or use fewer --workers.",
}
