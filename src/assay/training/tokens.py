"""Samples -> token ids and labels: which tokens a model reads, and which it is taught to say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data.sample import Sample
from assay.data.turns import openai_turn
from assay.embed.encoder import mend
from assay.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

IGNORED = -100  # the label of a token without loss, as everywhere around torch
ANSWERS = ("all", "last")

# Where a tokenizer has no chat template: `User: 1 + 1?`, a new line, `Assistant: 2</s>`.
PLAIN = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['tool_calls'] %}{{ message['tool_calls'] | tojson }}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(slots=True)
class Tokens:
    """What is trained on: one row of ids and of labels a sample, and what became of the samples.

    ``counts`` has samples, trained, no_answer (dropped: nothing to learn), answer_cut (dropped: the answer begins
    beyond the maximum), truncated (trained on, but cut), tokens and answer_tokens (tokens with loss).
    """

    ids: list[list[int]] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each row."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def digest(self) -> str:
        """Return the sha256 of all ids and labels."""
        digest = hashlib.sha256()
        for row in (*self.ids, *self.labels):
            digest.update(np.array([len(row), *row], dtype="<i8").tobytes())
        return digest.hexdigest()


def with_template(tokenizer: Any, chat_template: str | None) -> None:
    """Give a tokenizer the template that is asked for, or the plain one where it has none of its own."""
    if tokenizer.eos_token_id is None:
        raise DataError("model must have a tokenizer with an end token (eos_token), which ends every answer.")
    named = tokenizer.chat_template
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    elif isinstance(named, dict) and named:
        if "default" not in named:
            raise DataError(
                f"model must have one chat template, or one named 'default'; got {', '.join(named)}. "
                "Give a chat_template."
            )
        tokenizer.chat_template = named["default"]
    elif not named:
        starts = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
        tokenizer.chat_template = ("{{ bos_token }}" if starts else "") + PLAIN


def tokens_of(samples: Iterable[Sample], tokenizer: Any, *, max_tokens: int, answers: str) -> Tokens:
    """Return the ids and labels of samples, each cut on the right to `max_tokens`.

    Of a conversation the answers have loss: each assistant turn (`answers="all"`), or the last one, from what
    follows the generation prompt to its end token. Of a sample of the shape ``text`` every token has.
    """
    if not tokenizer.is_fast:
        raise DataError("model must have a fast tokenizer, which tells where in the text a token lies.")
    found = Tokens()
    counts = dict.fromkeys(("samples", "trained", "no_answer", "answer_cut", "truncated"), 0)
    template = _Template(tokenizer, answers)
    for sample in samples:
        counts["samples"] += 1
        ids, loss = template.text(sample) if sample.format == "text" else template.chat(sample)
        loss[:1] = False  # nothing predicts the first token
        if not loss.any():
            counts["no_answer"] += 1
        elif not loss[:max_tokens].any():
            counts["answer_cut"] += 1
        else:
            counts["trained"] += 1
            counts["truncated"] += len(ids) > max_tokens
            ids, loss = ids[:max_tokens], loss[:max_tokens]
            found.ids.append(ids.tolist())
            found.labels.append(np.where(loss, ids, IGNORED).tolist())
    counts["tokens"] = sum(map(len, found.ids))
    counts["answer_tokens"] = sum(len(row) - row.count(IGNORED) for row in found.labels)
    found.counts = counts
    return found


class _Template:
    """A tokenizer's chat template, and where in what it renders the answers lie."""

    def __init__(self, tokenizer: Any, answers: str) -> None:
        self._tokenizer = tokenizer
        self._answers = answers
        added = tokenizer.added_tokens_decoder
        self._special = {*tokenizer.all_special_ids, *(number for number in added if added[number].special)}
        self._marked = "{% generation %}" in tokenizer.chat_template
        self._prepared: str | None = None

    def text(self, sample: Sample) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        ids = self._tokenizer(mend(sample.messages[0].content))["input_ids"]
        if ids[-1:] != [self._tokenizer.eos_token_id]:
            ids = [*ids, self._tokenizer.eos_token_id]
        return np.array(ids, dtype=np.int64), np.full(len(ids), bool(sample.messages[0].content))

    def chat(self, sample: Sample) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        turns = []
        for message in sample.messages:
            turn = openai_turn(message) | {"role": message.role}
            content = message.content if isinstance(turn["content"], list) else turn["content"] or ""
            turns.append(turn | {"content": mend(content)})
        places = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
        if not places:
            return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=bool)
        tools = _tools(sample)
        if self._marked:
            return self._from_markers(sample, turns, tools, self._tokenizer.chat_template)
        spans = self._spans(sample, turns, places if self._answers == "all" else places[-1:], tools)
        if spans is not None:
            return self._from_spans(*spans)
        return self._from_markers(sample, turns, tools, self._prepared or self._prepare(sample))

    def _render(self, sample: Sample, turns: list[Any], tools: Any, **options: Any) -> Any:
        from jinja2 import TemplateError

        try:
            return self._tokenizer.apply_chat_template(turns, tools=tools, **options)
        except (TemplateError, TypeError) as error:
            raise DataError(
                f"{sample.origin or sample.id}: messages must suit the chat template of the model; "
                f"it says: {str(error).strip()[:200]}"
            ) from error

    def _spans(
        self, sample: Sample, turns: list[Any], places: Sequence[int], tools: Any
    ) -> tuple[str, list[tuple[int, int]]] | None:
        """Return what is rendered and where in it the answers lie; None if a beginning renders differently alone."""
        whole: str = self._render(sample, turns, tools, tokenize=False)
        spans = []
        for place in places:
            before: str = (
                self._render(sample, turns[:place], tools, tokenize=False, add_generation_prompt=True)
                if place
                else ""
            )
            until: str = self._render(sample, turns[: place + 1], tools, tokenize=False)
            if not (whole.startswith(until) and until.startswith(before)):
                return None
            spans.append((len(before), len(until)))
        return whole, spans

    def _from_spans(
        self, whole: str, spans: list[tuple[int, int]]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        encoded = self._tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        ids = np.array(encoded["input_ids"], dtype=np.int64)
        starts, ends = np.array(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2).T
        loss = np.zeros(len(ids), dtype=bool)
        for start, end in spans:
            loss |= (starts < end) & (ends > start) & (ends > starts)
        return self._ended(ids, loss)

    def _from_markers(
        self, sample: Sample, turns: list[Any], tools: Any, template: str
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        encoded = self._render(
            sample, turns, tools, chat_template=template, tokenize=True, return_dict=True,
            return_assistant_tokens_mask=True,
        )  # fmt: skip
        ids = np.array(encoded["input_ids"], dtype=np.int64)
        loss = np.array(encoded["assistant_masks"], dtype=bool)
        if self._answers == "last" and loss.any():
            last = int(np.flatnonzero(loss)[-1])
            gaps = np.flatnonzero(~loss[:last])
            loss[: int(gaps[-1]) if len(gaps) else 0] = False
        return self._ended(ids, loss)

    def _ended(
        self, ids: NDArray[np.int64], loss: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Take the blanks after an end token out of the loss; add the end token where the last answer has none."""
        for end in np.flatnonzero(loss & ~np.append(loss[1:], False)):
            last = end
            while last > 0 and loss[last] and not self._tokenizer.decode([ids[last]]).strip():
                last -= 1
            if loss[last] and int(ids[last]) in self._special:
                loss[last + 1 : end + 1] = False
        if len(ids) and loss[-1] and int(ids[-1]) not in self._special:
            return np.append(ids, self._tokenizer.eos_token_id), np.append(loss, True)
        return ids, loss

    def _prepare(self, sample: Sample) -> str:
        """Return TRL's marked form of a template that renders a turn differently when others follow it."""
        from trl.chat_template_utils import get_training_chat_template

        try:
            prepared = get_training_chat_template(self._tokenizer)
        except ValueError:
            prepared = None
        if prepared is None:
            raise DataError(
                f"{sample.origin or sample.id}: the chat template of the model must render the beginning of a "
                "conversation as it does in the whole; it does not, so that its answers cannot be told from the "
                "rest. Use answers='last', or give a chat_template with {% generation %} around the answers."
            )
        self._prepared = str(prepared)
        return self._prepared


def _tools(sample: Sample) -> Any:
    """Return the tools that a row offers: a list, or one in a JSON text."""
    tools = sample.row.get("tools") if isinstance(sample.row, dict) else None
    if isinstance(tools, str):
        try:
            tools = json.loads(tools)
        except ValueError:
            tools = None
    return tools if isinstance(tools, list) and tools else None


def epoch_order(
    lengths: NDArray[np.int64], *, batch_size: int, group_by_length: bool, seed: int, epoch: int
) -> list[int]:
    """Return the rows of one epoch in order of training: a shuffle, with each batch sorted by length.

    Sorting within a batch changes no step, and keeps short rows out of micro-batches padded for long ones. With
    `group_by_length`, batches are cut from runs of 16 batches sorted by length and then shuffled.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    if group_by_length:
        run = 16 * batch_size
        order = np.concatenate(
            [_by_length(order[start : start + run], lengths) for start in range(0, len(order), run)]
        )
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if group_by_length:
        whole = len(order) // batch_size
        batches = [*(batches[place] for place in rng.permutation(whole)), *batches[whole:]]
    return [int(row) for batch in batches for row in _by_length(batch, lengths)]


def _by_length(rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.argsort(-lengths[rows], kind="stable")]
