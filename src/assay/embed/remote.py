"""Any server that speaks OpenAI's /v1/embeddings: OpenAI's own, vLLM, llama.cpp, Ollama."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from assay._server import answering, connect
from assay.embed.encoder import Encoder, Fingerprint, mend, unit_rows
from assay.errors import DataError

IN_FLIGHT = 4
TIMEOUT_SECONDS = 120.0


def build(
    argument: str, *, max_tokens: int | None, batch_size: int, workers: int | None, base_url: str | None
) -> Encoder:
    """Return the encoder ``openai:<argument>``, reached at `base_url`, else OPENAI_BASE_URL, else OpenAI.

    The key is OPENAI_API_KEY; servers of one's own need none. Cutting texts is the server's affair, since its
    tokenizer is unknown here; `max_tokens`, where set, is sent as ``truncate_prompt_tokens``, which vLLM
    understands and OpenAI refuses.
    """
    return _Remote(argument, max_tokens, batch_size, workers or IN_FLIGHT, base_url)


class _Remote:
    """Batches in flight together; the SDK waits and tries again on 408, 409, 429 and 5xx."""

    def __init__(
        self,
        model: str,
        max_tokens: int | None,
        batch_size: int,
        workers: int,
        base_url: str | None,
    ) -> None:
        self.name = f"openai:{model}"
        self._model = model
        self._max_tokens = max_tokens
        self._batch_size = batch_size
        self._workers = workers
        self._client = connect(base_url, "encoder 'openai:'", TIMEOUT_SECONDS)
        self._url = str(self._client.base_url)
        self._dimensions: int | None = None
        self.fingerprint: Fingerprint = {
            "encoder": "openai",
            "model": model,
            "base_url": self._url,
            "revision": None,  # the protocol does not tell it
            "pooling": "server",
            "max_tokens": max_tokens,
            "normalisation": "unit",
            "dtype": "server",
        }

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors (n, d). An empty text is sent as one blank: servers refuse empty input."""
        batches = [
            [mend(text) or " " for text in texts[start : start + self._batch_size]]
            for start in range(0, len(texts), self._batch_size)
        ]
        threads = ThreadPoolExecutor(self._workers)
        try:
            parts = list(threads.map(self._request, batches))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
        threads.shutdown()
        for part in parts:
            self._dimensions = self._dimensions or part.shape[1]
            if part.shape[1] != self._dimensions:
                raise DataError(
                    f"the server at {self._url} must return vectors of one length; got "
                    f"{self._dimensions} and {part.shape[1]}."
                )
        return unit_rows(np.concatenate(parts)) if parts else np.empty((0, self._dimensions or 0), np.float32)

    def _request(self, batch: list[str]) -> NDArray[np.float32]:
        options = {} if self._max_tokens is None else {"truncate_prompt_tokens": self._max_tokens}
        todo = {
            401: "Set OPENAI_API_KEY to a key that it accepts.",
            403: "Set OPENAI_API_KEY to a key that may use this model.",
            404: f"Check that it serves the model {self._model!r} and that the address ends in /v1.",
            429: "Wait, or use fewer --workers and a smaller --batch-size.",
        }
        ours = dict.fromkeys(
            range(400, 500), "Leave --max-tokens out if it is truncate_prompt_tokens that it refuses."
        )
        todo = todo if self._max_tokens is None else ours | todo
        with answering(self._url, todo=todo, what="answer with embeddings"):
            data = self._client.embeddings.create(model=self._model, input=batch, extra_body=options).data
        found = sorted(item.index for item in data)
        if found != list(range(len(batch))):
            raise DataError(
                f"the server at {self._url} must return one vector for each of {len(batch)} texts; got "
                f"{len(found)}, numbered {found[:3]}."
            )
        rows = [item.embedding for item in sorted(data, key=lambda item: item.index)]
        if len({len(row) for row in rows}) != 1:
            raise DataError(
                f"the server at {self._url} must return vectors of one length; got lengths "
                f"{sorted({len(row) for row in rows})[:3]}."
            )
        return np.asarray(rows, dtype=np.float32)
