"""What the studies of knowledge ask of a language model: draws, probabilities, distributions."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from assay._check import at_least, choice, whole
from assay.embed.encoder import mend
from assay.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROMPTING = ("plain", "chat")


@dataclass(frozen=True, slots=True)
class Continuation:
    """One draw: the words after the prompt, whether they ended of themselves, and their tokens.

    `tokens` are without the end token; those of a server are unknown and empty.
    """

    text: str
    finished: bool
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate continuation of a prompt, token by token.

    `log_probabilities` (nats, <= 0) and `ranks` (1: no token is likelier) have one number for each of `tokens`, given
    the prompt and the tokens before. `end` is the log-probability that the model ends just after them.
    """

    tokens: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    ranks: tuple[int, ...]
    end: float | None = None

    @property
    def log_probability(self) -> float:
        """That of all tokens together, the end not counted."""
        return math.fsum(self.log_probabilities)


@dataclass(frozen=True, slots=True)
class Distributions:
    """What a model expects at each position of an answer that it is told, and after it.

    `log_probabilities` is float32 of shape (tokens + 1, vocabulary): row 0 is what comes after the prompt, row i what
    comes after i tokens of the answer. `end` are the ids of the end tokens.
    """

    tokens: tuple[int, ...]
    log_probabilities: NDArray[np.float32]
    ends: tuple[int, ...]


class Sampler(Protocol):
    """What continues prompts. `fingerprint` has everything that decides the draws beside the arguments."""

    @property
    def fingerprint(self) -> Mapping[str, Any]: ...

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
        """Yield the place of each prompt and its draws, as they come."""
        ...


class LanguageModel(Sampler, Protocol):
    """A sampler whose probabilities can be read.

    `vocabulary` identifies the tokens and their ids: only models that are equal in it may be compared token by token.
    """

    @property
    def vocabulary(self) -> str: ...

    @property
    def pieces(self) -> Mapping[str, int]:
        """The tokens and their ids, which `vocabulary` is a hash of."""
        ...

    def written(self, prompt: str, *, prompting: str = "plain") -> str:
        """Return a prompt as the model reads it."""
        ...

    def lead(self, *, prompting: str = "plain") -> str:
        """Return what stands between a prompt and its answer, such as a blank."""
        ...

    def tokens(self, prompt: str, continuation: str, *, prompting: str = "plain") -> tuple[int, ...]:
        """Return the tokens of a continuation, written together with its prompt."""
        ...

    def log_probabilities(
        self,
        prompts: Sequence[str],
        candidates: Sequence[Sequence[str]],
        *,
        temperature: float = 1.0,
        end: bool = False,
        prompting: str = "plain",
    ) -> Iterator[tuple[int, tuple[Scored, ...]]]:
        """Yield the place of each prompt and how likely each of its candidates is, as they come."""
        ...

    def distributions(
        self, prompts: Sequence[str], answers: Sequence[str], *, prompting: str = "plain"
    ) -> Iterator[tuple[int, Distributions]]:
        """Yield the place of each prompt and what the model expects along its answer, as they come."""
        ...


def check_sampling(draws: int, temperature: float, max_tokens: int, seed: int, prompting: str) -> None:
    """Raise unless the arguments of `Sampler.sample` are in their ranges."""
    whole("draws", draws, 1)
    at_least("temperature", temperature, 0)
    whole("max_tokens", max_tokens, 1)
    whole("seed", seed, 0)
    choice("prompting", prompting, PROMPTING)
    if temperature == 0 and draws > 1:
        raise DataError(f"draws must be 1 at temperature 0, where all are equal; got {draws}.")


def draw_key(seed: int, prompt: str) -> list[int]:
    """Return the entropy of a prompt's random numbers, which nothing but seed and prompt decides."""
    digest = hashlib.sha256(f"{seed}\0{mend(prompt)}".encode()).digest()
    return [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4)]
