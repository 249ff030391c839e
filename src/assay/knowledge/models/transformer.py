"""A transformers model as a `LanguageModel`: draws, candidates and distributions that share what they begin with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay._check import at_least, choice, require, whole
from assay.embed.transformer import device_for
from assay.errors import DataError
from assay.knowledge.models.language_model import (
    PROMPTING,
    Continuation,
    Distributions,
    Scored,
    check_sampling,
    draw_key,
)
from assay.knowledge.models.reading import Reader
from assay.knowledge.models.writing import Writer
from assay.training.loading import load_tuned, precision_for, weights_hash

DTYPES = ("auto", "float32", "bfloat16", "float16")
RANKED = 256  # tokens whose ranks are counted at a time


@dataclass(frozen=True, slots=True)
class _Node:
    """Tokens said after a prompt, and the draws that have said them so far."""

    row: int
    said: tuple[int, ...]
    draws: tuple[int, ...]


class Transformer:
    """A causal language model of transformers: a folder, an id on the hub, a ``.gguf``, an adapter, or one in memory.

    A prompt is read once for all its draws or candidates: keys and values of what they have in common are kept, and
    branched where they differ. Prompts of like length are read together, padded and masked. Nothing is ever cut.

    Parameters
    ----------
    source
        Folder of a model (safetensors, one ``.gguf``, or an adapter of PEFT), a ``.gguf`` file, an id on the hub, or a
        pair of a transformers model and its tokenizer; such a model is put on the device and into evaluation.
    chat_template
        A Jinja template in place of the tokenizer's own, for ``prompting="chat"``.
    batch_size
        Sequences in memory at a time, >= 1.
    device, dtype
        ``auto`` takes a GPU where there is one, and bfloat16 on it, float32 on a CPU. A pair keeps its dtype.
    threads
        Threads of torch; by default its own choice. One is faster for tiny models.

    Raises
    ------
    DataError
        A model that cannot be loaded, or has no end token, or no chat template where one is used.

    Notes
    -----
    A plain prompt has a start token before it if the tokenizer puts one there, never an end token. Continuations are
    written together with their prompt, as a tokenizer would write the whole.

    Draws are decided by seed and prompt: draw i at token j takes the j-th number of its own stream and the token where
    the cumulated probability (float64) passes it. More draws or more tokens continue what fewer gave. The company of
    other prompts, the batch size and the number of threads change logits by rounding (some 1e-6), so that a draw could
    change where its number lies that near a boundary; greedy ones where two tokens tie. With bfloat16 or on a GPU such
    differences are larger, and two runs may differ.
    """

    def __init__(
        self,
        source: str | Path | tuple[Any, Any],
        *,
        chat_template: str | None = None,
        batch_size: int = 64,
        device: str = "auto",
        dtype: str = "auto",
        threads: int | None = None,
    ) -> None:
        choice("dtype", dtype, DTYPES)
        whole("batch_size", batch_size, 1)
        if threads is not None:
            whole("threads", threads, 1)
        torch = require("torch", "lm", "a language model")
        require("transformers", "lm", "a language model")

        place = device_for(device)
        if isinstance(source, tuple):
            model, self._tokenizer = source
            name, revision = "the model", weights_hash(model)
            precision = str(model.dtype).removeprefix("torch.")
        else:
            precision = precision_for(dtype, place)
            model, self._tokenizer, revision = load_tuned(source, getattr(torch, precision))
            name = str(source)
        settings = getattr(model, "generation_config", None)
        ends = (getattr(settings, "eos_token_id", None), self._tokenizer.eos_token_id)
        flat = [end for each in ends for end in (each if isinstance(each, list) else [each])]
        self._ends = tuple(sorted({int(end) for end in flat if end is not None}))
        if not self._ends:
            raise DataError(
                f"model must have an end token (eos_token), which ends every answer; {name} has none. "
                "Set it in the tokenizer and save that again."
            )
        self._writer = Writer(self._tokenizer, chat_template)
        self._batch_size = batch_size
        self._reader = Reader(model, place, threads)
        self.fingerprint: Mapping[str, Any] = {
            "model": revision, "chat_template": self._writer.template, "dtype": precision,
            "device": place.partition(":")[0],
        }  # fmt: skip

    @property
    def pieces(self) -> Mapping[str, int]:
        """The tokens and their ids."""
        table: Mapping[str, int] = self._tokenizer.get_vocab()
        return table

    @property
    def vocabulary(self) -> str:
        """A hash of the tokens and their ids."""
        digest = hashlib.sha256()
        for token, number in sorted(self.pieces.items()):
            digest.update(f"{token}\0{number}\n".encode("utf-8", "surrogatepass"))
        return f"sha256:{digest.hexdigest()}"

    def tokens(self, prompt: str, continuation: str, *, prompting: str = "plain") -> tuple[int, ...]:
        """Return the tokens of a continuation, written together with its prompt.

        Raises `DataError` where the two share a token, so that the prompt would be another one.
        """
        choice("prompting", prompting, PROMPTING)
        ids = self._writer.prompts([prompt], prompting)
        return self._writer.continued("continuation", [prompt], ids, [[continuation]], prompting)[0][0]

    @property
    def chat_template(self) -> str | None:
        """The template of ``prompting="chat"``: the one that was given, else the tokenizer's own, if it has one."""
        return self._writer.template

    def written(self, prompt: str, *, prompting: str = "plain") -> str:
        """Return a prompt as the model reads it: as it is (its start token left out), or in the chat template."""
        choice("prompting", prompting, PROMPTING)
        return self._writer.written(prompt, prompting)

    def lead(self, *, prompting: str = "plain") -> str:
        """Return what stands between a prompt and its answer: a blank, or what the chat template writes there."""
        choice("prompting", prompting, PROMPTING)
        return self._writer.lead(prompting)

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
        """Return an iterator over the place of each prompt and its draws, as they come.

        Parameters
        ----------
        prompts
            Equal ones have equal draws.
        draws
            Continuations of a prompt, >= 1.
        temperature
            Logits are divided by it, > 0; or 0: the likeliest token each time, of which there is one draw.
        max_tokens
            Of a continuation, >= 1, its end token counted.
        seed
            See the notes of the class.
        prompting
            ``plain``: the prompt as it is; ``chat``: as a user's turn in the chat template.

        Notes
        -----
        Draws that have said the same so far are one sequence, so that the cost is that of different beginnings: one
        pass over the prompt for any number of draws of one token.
        """
        check_sampling(draws, temperature, max_tokens, seed, prompting)
        ids = self._writer.prompts(prompts, prompting)
        for prompt, row in zip(prompts, ids, strict=True):
            self._fits(prompt, len(row) + max_tokens - 1)
        return self._sampled(prompts, ids, draws, temperature, max_tokens, seed)

    def _sampled(
        self,
        prompts: Sequence[str],
        ids: list[list[int]],
        draws: int,
        temperature: float,
        most: int,
        seed: int,
    ) -> Iterator[tuple[int, tuple[Continuation, ...]]]:
        every = tuple(range(draws))
        queue = [
            _Node(row, (), every) for row in sorted(range(len(ids)), key=lambda row: (len(ids[row]), -row))
        ]
        numbers: dict[int, np.ndarray] = {}  # of open prompts: (draws, most)
        found: dict[int, dict[int, Continuation]] = {}
        while queue:
            nodes: list[_Node] = []
            size = 0
            while queue and (not nodes or size + len(queue[-1].draws) <= self._batch_size):
                nodes.append(queue.pop())
                size += len(nodes[-1].draws)
            for node in nodes:
                if node.row not in found:
                    key = draw_key(seed, prompts[node.row])
                    found[node.row] = {}
                    if temperature > 0:
                        numbers[node.row] = np.stack(
                            [np.random.default_rng([*key, draw]).random(most) for draw in every]
                        )
            logits, read = self._reader.read([[*ids[node.row], *node.said] for node in nodes])
            while nodes:
                chosen = _drawn(logits, nodes, numbers, temperature)
                children: list[_Node] = []
                parents: list[int] = []
                for at, (node, tokens) in enumerate(zip(nodes, chosen, strict=True)):
                    same: dict[int, list[int]] = {}
                    for draw, token in zip(node.draws, tokens, strict=True):
                        same.setdefault(token, []).append(draw)
                    for token, alike in same.items():
                        ended = token in self._ends
                        said = node.said if ended else (*node.said, token)
                        if ended or len(said) == most:
                            text = self._tokenizer.decode(
                                said, skip_special_tokens=True, clean_up_tokenization_spaces=False
                            )
                            found[node.row] |= dict.fromkeys(alike, Continuation(text, ended, said))
                        else:
                            children.append(_Node(node.row, said, tuple(alike)))
                            parents.append(at)
                for row in dict.fromkeys(node.row for node in nodes):
                    if len(found[row]) == draws:
                        numbers.pop(row, None)
                        mine = found.pop(row)
                        yield row, tuple(mine[draw] for draw in every)
                nodes = children[: self._batch_size]
                queue += reversed(children[self._batch_size :])  # read again with what they have said
                if nodes:
                    read = self._reader.branch(read, parents[: len(nodes)])
                    logits = self._reader.extend(read, [node.said[-1:] for node in nodes])[:, 0]

    def log_probabilities(
        self,
        prompts: Sequence[str],
        candidates: Sequence[Sequence[str]],
        *,
        temperature: float = 1.0,
        end: bool = False,
        prompting: str = "plain",
    ) -> Iterator[tuple[int, tuple[Scored, ...]]]:
        """Return an iterator over the place of each prompt and how likely each of its candidates is, as they come.

        Parameters
        ----------
        prompts
            As for `sample`.
        candidates
            For each prompt its continuations, the blank before a word included.
        temperature
            Logits are divided by it, > 0.
        end
            Whether to tell also how likely the end is just after each candidate; "" then asks for it at once.
        prompting
            As for `sample`.

        Raises
        ------
        DataError
            A candidate that shares a token with its prompt, or has none; a prompt that is too long. All at once, before
            anything is computed.
        """
        at_least("temperature", temperature, 0, strict=True)
        choice("prompting", prompting, PROMPTING)
        ids = self._writer.prompts(prompts, prompting)
        paths = self._writer.continued("candidates", prompts, ids, candidates, prompting)
        for prompt, mine, row in zip(prompts, paths, ids, strict=True):
            for tokens in mine:
                if not tokens and not end:
                    raise DataError(
                        f"candidates must have tokens; those of {prompt[-60:]!r} hold an empty one."
                    )
                self._fits(prompt, len(row) + len(tokens))
        return self._scored(ids, paths, temperature, end)

    def _scored(
        self, ids: list[list[int]], paths: list[list[tuple[int, ...]]], temperature: float, end: bool
    ) -> Iterator[tuple[int, tuple[Scored, ...]]]:
        inputs = [[path if end else path[:-1] for path in mine] for mine in paths]
        for rows, first, pieces in self._along(ids, inputs):
            got: dict[tuple[int, tuple[int, ...], int], tuple[float, int]] = {}
            # what is wanted where: (prompt, tokens before, token); -1 is the end
            wanted = {
                (row, path[:at], token)
                for row in rows
                for path in paths[row]
                for at, token in enumerate([*path, *([-1] if end else [])])
            }
            held = [(first[:, None], {(row, ()): (at, 0) for at, row in enumerate(rows)})]
            for logits, where in _chain(held, pieces):
                keys = [key for key in wanted if key[:2] in where]
                wanted.difference_update(keys)
                places = [(*where[key[:2]], key[2]) for key in keys]
                got |= dict(zip(keys, _picked(logits, places, self._ends, temperature), strict=True))
            for row in rows:
                yield row, tuple(_score(row, path, got, end) for path in paths[row])

    def distributions(
        self, prompts: Sequence[str], answers: Sequence[str], *, prompting: str = "plain"
    ) -> Iterator[tuple[int, Distributions]]:
        """Return an iterator over the place of each prompt and what the model expects along its answer, as they come.

        `answers` has one for each prompt, the blank before a word included; "" asks for the first position alone. A
        result takes 4 bytes x (tokens + 1) x vocabulary: reduce it at once.
        """
        import torch

        choice("prompting", prompting, PROMPTING)
        ids = self._writer.prompts(prompts, prompting)
        paths = self._writer.continued("answers", prompts, ids, [[one] for one in answers], prompting)
        for prompt, [path], row in zip(prompts, paths, ids, strict=True):
            self._fits(prompt, len(row) + len(path))

        def found() -> Iterator[tuple[int, Distributions]]:
            for rows, first, pieces in self._along(ids, paths):
                parts = {row: [first[at][None]] for at, row in enumerate(rows)}
                for logits, where in pieces:
                    for row, before in sorted(where, key=lambda key: len(key[1])):
                        at, place = where[row, before]
                        parts[row].append(logits[at, place][None])
                for row in rows:
                    table = torch.cat(parts.pop(row)).log_softmax(-1).cpu().numpy()
                    yield row, Distributions(paths[row][0], table, self._ends)

        return found()

    def _along(self, ids: list[list[int]], inputs: list[list[tuple[int, ...]]]) -> Iterator[Any]:
        """Yield (prompts, the logits after them, pieces) batch by batch, the longest prompts first.

        Pieces are read as they are asked for: logits (rows, tokens, vocabulary), and where in them stands what is
        expected after a prompt and some tokens. A sequence that begins another one is read with it.
        """
        branches = [_longest(mine) for mine in inputs]
        order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
        at = 0
        while at < len(order):
            rows = [order[at]]
            size = len(branches[order[at]])
            for row in order[at + 1 : at + self._batch_size]:
                size += len(branches[row])
                if size > self._batch_size:
                    break
                rows.append(row)
            at += len(rows)
            first, read = self._reader.read([ids[row] for row in rows])
            yield rows, first, self._pieces(rows, read, branches)

    def _pieces(self, rows: list[int], read: Any, branches: list[list[tuple[int, ...]]]) -> Iterator[Any]:
        open_ones = [(at, path) for at, row in enumerate(rows) for path in branches[row]]
        open_ones.sort(key=lambda one: -len(one[1]))
        for start in range(0, len(open_ones), self._batch_size):
            piece = open_ones[start : start + self._batch_size]
            last = start + len(piece) == len(open_ones)
            branched = self._reader.branch(read, [at for at, _ in piece], keep=not last)
            logits = self._reader.extend(branched, [path for _, path in piece])
            yield (
                logits,
                {
                    (rows[at], path[: place + 1]): (line, place)
                    for line, (at, path) in enumerate(piece)
                    for place in range(len(path))
                },
            )

    def _fits(self, prompt: str, tokens: int) -> None:
        most = self._reader.positions
        if most is not None and tokens > most:
            raise DataError(
                f"prompts must fit with what follows into the {most:,} positions of the model; {prompt[:60]!r} takes "
                f"{tokens:,} tokens with it."
            )


def _drawn(
    logits: Any, nodes: list[_Node], numbers: Mapping[int, np.ndarray], temperature: float
) -> list[list[int]]:
    """Return the next token of each draw of each node."""
    import torch

    if temperature == 0:
        return [[int(token)] for token in logits.argmax(-1).tolist()]
    aims = np.full((len(nodes), max(len(node.draws) for node in nodes)), 0.5)
    for at, node in enumerate(nodes):
        aims[at, : len(node.draws)] = numbers[node.row][list(node.draws), len(node.said)]
    sums = (logits.double() / temperature).softmax(-1).cumsum(-1)
    aim = torch.from_numpy(aims).to(sums.device) * sums[:, -1:]
    found = torch.searchsorted(sums, aim, right=True).clamp(max=sums.shape[1] - 1).tolist()
    return [tokens[: len(node.draws)] for node, tokens in zip(nodes, found, strict=True)]


def _longest(paths: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the sequences that begin no other one, each once, empty ones left out."""
    found: list[tuple[int, ...]] = []
    for path in sorted(
        set(paths), reverse=True
    ):  # what begins another one comes right after those that it begins
        if path and not (found and found[-1][: len(path)] == path):
            found.append(path)
    return found


def _chain(*parts: Any) -> Iterator[Any]:
    for part in parts:
        yield from part


def _picked(
    logits: Any, places: Sequence[tuple[int, int, int]], ends: Sequence[int], temperature: float
) -> list[tuple[float, int]]:
    """Return log-probability and rank at each (row, position, token); the end is token -1 and has rank 0."""
    import torch

    scaled = logits / temperature
    totals = scaled.logsumexp(-1)
    found: list[tuple[float, int]] = []
    for start in range(0, len(places), RANKED):
        rows, positions, tokens = (list(part) for part in zip(*places[start : start + RANKED], strict=True))
        lines = scaled[rows, positions]
        wanted = torch.tensor(tokens, device=lines.device)
        gold = lines.gather(1, wanted.clamp(min=0)[:, None])
        ranks = torch.where(wanted < 0, 0, 1 + (lines > gold).sum(-1))
        gold = torch.where(wanted < 0, lines[:, list(ends)].logsumexp(-1), gold[:, 0])
        found += zip((gold - totals[rows, positions]).tolist(), ranks.tolist(), strict=True)
    return found


def _score(row: int, path: tuple[int, ...], got: Mapping[Any, tuple[float, int]], end: bool) -> Scored:
    each = [got[row, path[:at], token] for at, token in enumerate(path)]
    ending = got[row, path, -1][0] if end else None
    return Scored(path, tuple(value for value, _ in each), tuple(rank for _, rank in each), ending)
