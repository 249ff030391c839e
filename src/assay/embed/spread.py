"""Texts embedded by Ray Data: a pool of workers that each keep the model, fed shard by shard."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay import _parallel, _ray
from assay.embed.encoder import Encoder
from assay.errors import AssayError, DataError


class Encoding:
    """An encoder in a worker, its model loaded once. Ray Data's batches are one shard each, pickled: Arrow's strings
    hold no lone surrogates."""

    def __init__(self, place: Any) -> None:
        import ray

        _parallel.limit_cores(1)
        self._encoder: Encoder = pickle.loads(ray.get(place))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        [texts] = batch["texts"]
        answer: NDArray[Any] | AssayError
        try:
            answer = np.asarray(self._encoder.encode(pickle.loads(texts)))
        except AssayError as error:
            answer = error
        return {"shard": batch["shard"], "answer": [pickle.dumps(answer)]}


def encoded_shards(
    encoder: Encoder, shards: Sequence[Sequence[str]], workers: int | None
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the number of each shard and its vectors, as the workers are done with them.

    A shard whose worker is lost is encoded again by another. With an encoder on a GPU, each worker takes one.
    """
    ray = _ray.connect()
    try:
        packed = pickle.dumps(encoder)
    except Exception as error:
        raise DataError(
            f"encoder must be one that can be sent to a Ray worker; got {encoder.name!r}: {error}. Use engine='local'."
        ) from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"ray\.")  # Ray Data's, of its own settings
        import ray.data as data

        count = min(_ray.worker_count(workers), len(shards))
        rows = [{"shard": at, "texts": pickle.dumps(list(texts))} for at, texts in enumerate(shards)]
        answers = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            Encoding,
            fn_constructor_args=(ray.put(packed),),
            batch_size=None,
            compute=data.ActorPoolStrategy(size=count),
            num_cpus=_ray.cpus_each(count),
            num_gpus=int(str(getattr(encoder, "device", "cpu")).startswith("cuda")),
        )
        del rows
        try:
            for batch in answers.iter_batches(batch_size=None, prefetch_batches=0):
                for shard, answer in zip(batch["shard"], batch["answer"], strict=True):
                    vectors = pickle.loads(answer)
                    if isinstance(vectors, AssayError):
                        raise vectors
                    yield int(shard), vectors
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception):
                raise cause from None
            raise DataError(
                f"workers must keep running; got {' '.join(str(error).split())[:300]} What is embedded is kept: run "
                "again, with fewer workers if memory ran out."
            ) from error
