"""Prompts and what follows them -> token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.embed.encoder import mend
from assay.errors import DataError


class Writer:
    """A tokenizer, and how it begins texts: with a start token or not, by itself or in a chat template."""

    def __init__(self, tokenizer: Any, template: str | None) -> None:
        self._tokenizer, self._template = tokenizer, template
        start = tokenizer.bos_token_id
        self._starts = start is not None and tokenizer("a")["input_ids"][:1] == [start]

    def prompts(self, prompts: Sequence[str], prompting: str) -> list[list[int]]:
        """Return the tokens of prompts, their start token included."""
        ids = self._encoded([self.written(prompt, prompting) for prompt in prompts], prompting)
        for prompt, row in zip(prompts, ids, strict=True):
            if not row:
                raise DataError(
                    f"prompts must have tokens; got {prompt!r}, and the model has no start token."
                )
        return ids

    @property
    def template(self) -> str | None:
        """The chat template in use, None where there is none, or several."""
        found = self._template or self._tokenizer.chat_template
        return found if isinstance(found, str) else None

    def written(self, prompt: str, prompting: str) -> str:
        """Return the text of a prompt as the model reads it; of a plain one without the start token."""
        if prompting == "plain":
            return mend(prompt)
        return self._rendered([{"role": "user", "content": mend(prompt)}], asked=True)

    def lead(self, prompting: str) -> str:
        """Return what stands between a prompt and its answer: a blank, or what the chat template writes there.

        A template that does not write an answer after what it asks by gets a blank, unless it ends with one.
        """
        if prompting == "plain":
            return " "
        turns = [{"role": role, "content": role} for role in ("user", "assistant")]
        before, whole = self._rendered(turns[:1], asked=True), self._rendered(turns, asked=False)
        lead, answer, _ = whole.removeprefix(before).partition("assistant")
        if whole.startswith(before) and answer:
            return lead
        return "" if before[-1:].isspace() else " "

    def _rendered(self, turns: list[dict[str, str]], *, asked: bool) -> str:
        if not (self._template or self._tokenizer.chat_template):
            raise DataError("prompting must be plain for a model without a chat template; got 'chat'.")
        text: str = self._tokenizer.apply_chat_template(
            turns, chat_template=self._template, tokenize=False, add_generation_prompt=asked
        )
        return text

    def _encoded(self, texts: list[str], prompting: str) -> list[list[int]]:
        found = (
            [list(row) for row in self._tokenizer(texts, add_special_tokens=False)["input_ids"]]
            if texts
            else []
        )
        if prompting == "plain" and self._starts:
            start = self._tokenizer.bos_token_id
            found = [row if row[:1] == [start] else [start, *row] for row in found]
        return found

    def continued(
        self,
        name: str,
        prompts: Sequence[str],
        ids: list[list[int]],
        continuations: Sequence[Sequence[str]],
        prompting: str,
    ) -> list[list[tuple[int, ...]]]:
        """Return the tokens that continuations add to their prompts; `name` is what they are called."""
        if len(continuations) != len(prompts):
            raise DataError(
                f"{name} must be given for each of {len(prompts)} prompts; got {len(continuations)}."
            )
        texts = [
            self.written(prompt, prompting) + mend(one)
            for prompt, mine in zip(prompts, continuations, strict=True)
            for one in mine
        ]
        encoded = iter(self._encoded(texts, prompting))
        found: list[list[tuple[int, ...]]] = []
        for prompt, row, mine in zip(prompts, ids, continuations, strict=True):
            found.append([])
            for one in mine:
                whole_row = next(encoded)
                if whole_row[: len(row)] != row:
                    raise DataError(
                        f"{name} must leave the tokens of their prompt as they are; {one[:40]!r} changes those of "
                        f"{prompt[-60:]!r}. Let the prompt end before a blank, and what follows begin with it."
                    )
                found[-1].append(tuple(whole_row[len(row) :]))
        return found
