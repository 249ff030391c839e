"""How far fine-tuning moved a model's next tokens, on the model itself, at every position of the answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.knowledge.intervals import Floats, Ints, Spread, spread
from assay.knowledge.prompts import EXAMPLE, asked
from assay.knowledge.questions import Question
from assay.knowledge.tokens import BLOCK, Divergence, divergence

if TYPE_CHECKING:
    from assay.knowledge.models import Distributions, LanguageModel

PROMPTS = ("sft", "few-shot", "statement")
CHUNK = 64  # facts whose distributions may wait for those of the other model

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Two models' next tokens, compared: a row for each position of each fact's answer, facts in the order asked.

    `facts` is the place in `questions` of each row, `positions` counts from 0, the answer's first token, to the
    position after its last, `tokens` are the answer's own (-1: its end). `prompts` names what the tuned and the
    original model were asked by, `asked` has the original's prompt of each question. `divergence` has the numbers.
    """

    questions: tuple[Question, ...]
    asked: tuple[str, ...]
    facts: Ints
    positions: Ints
    tokens: Ints
    prompts: tuple[str, str]
    divergence: Divergence

    @property
    def parts(self) -> list[str]:
        """What each row is of its answer: its ``first`` token, a ``later`` one, or what comes after it, the ``end``."""
        return [
            "first" if not position else "end" if token < 0 else "later"
            for token, position in zip(self.tokens.tolist(), self.positions.tolist(), strict=True)
        ]

    @property
    def numbers(self) -> dict[str, Floats]:
        """Every array by a name of its own, such as ``tuned_original`` or ``top10``."""
        of = self.divergence
        found = {
            "tuned_original": of.tuned_original,
            "original_tuned": of.original_tuned,
            "jensen_shannon": of.jensen_shannon,
        }
        for name, part in (
            ("top", of.top_kl),
            ("tuned_outside", of.tuned_outside),
            ("original_outside", of.original_outside),
            ("agreement", of.agreement),
        ):
            found |= {f"{name}{size}": values for size, values in part.items()}
        return found

    def spreads(
        self,
        of: str = "tuned_original",
        *,
        groups: Sequence[Hashable] | None = None,
        confidence: float = 0.95,
        resamples: int = 1000,
        seed: int = 0,
    ) -> list[Spread]:
        """Return mean a token, its interval over facts, and quantiles of one of `numbers`, for each group of questions.

        `groups` has one for each question, such as its mastery category or its relation; None: all in one.
        """
        values = self.numbers[_check.choice("of", of, self.numbers)]
        if groups is not None and len(groups) != len(self.questions):
            raise DataError(
                f"groups must be as many as the questions ({len(self.questions)}); got {len(groups)}."
            )
        return spread(
            values,
            facts=self.facts.tolist(),
            groups=None if groups is None else [groups[at] for at in self.facts],
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )

    def means(self) -> dict[str, float]:
        """Return the mean a token of each of `numbers`."""
        return {name: float(values.mean()) for name, values in self.numbers.items()}


def shift(
    tuned: LanguageModel,
    original: LanguageModel,
    questions: Sequence[Question],
    *,
    prompt: str = "sft",
    statements: Sequence[str] | None = None,
    shots: Sequence[Question] = (),
    example: tuple[str, str] = EXAMPLE,
    top: Sequence[int] | None = None,
    agreement: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Shift:
    """Return how far apart two models' next tokens are at every position of the answers, both asked alike.

    Both models read the same prompt and then the first answer, token by token, whatever they would have said
    themselves; compared is what they expect at each token of it, and after the last, where the end should come.

    Parameters
    ----------
    tuned, original : LanguageModel
        Of one tokenizer. With prompt ``sft`` both need one chat template: `Transformer(chat_template=...)`.
    questions : sequence of Question
        At least one.
    prompt : {"sft", "few-shot", "statement"}
        "sft": the question as a user's turn in the chat template, which the tuned model was trained on and the
        original was not. "few-shot": the question after answered ones, as plain text: what is asked for is as clear
        to either. "statement": a statement that the answer goes on.
    statements : sequence of str, optional
        For "statement": one for each question.
    shots, example
        For "few-shot": the answered questions and how they are written; see `choose_shots` and `asked`.
    top, agreement : sequence of int, optional
        As in `divergence`.
    progress : callable, optional
        Called with the facts done and all.

    Returns
    -------
    Shift
        A row a position.

    Raises
    ------
    DataError
        Other vocabularies, other chat templates, no question, or an answer that changes the tokens of its prompt.

    Notes
    -----
    log-softmax in float32 by the models, all else in float64 (`divergence`). Distributions are reduced as they come:
    at most 64 facts' are held, 4 bytes x positions x vocabulary each. One position of 49,152 tokens takes about 2 ms
    of one core, a fourteenth of what a model of 135 M parameters takes to read it on that core.

    Under one prompt the numbers are about the models. Which of format and knowledge moved they do not tell: the first
    position has most of the format, later ones of an answer nearly none.

    Ours; the paper's is `paper_shift`.
    """
    _check.choice("prompt", prompt, PROMPTS)
    check_vocabulary(tuned, original)
    for name, given, reads in (("statements", statements, "statement"), ("shots", shots, "few-shot")):
        if given and prompt != reads:
            raise DataError(f"{name} must be left out unless prompt is {reads}; it is {prompt}.")
    if prompt == "statement":
        if statements is None or len(statements) != len(questions):
            got = "none" if statements is None else len(statements)
            raise DataError(
                f"statements must be one for each of {len(questions)} questions with prompt 'statement'; got {got}."
            )
        prompts, prompting, lead = list(statements), "plain", None
    else:
        asking = "chat" if prompt == "sft" else prompt
        todo = asked(questions, prompting=asking, shots=shots, example=example)
        prompts, prompting, lead = list(todo.prompts), todo.prompting, todo.lead
    if prompt == "sft":
        _one_template(tuned, original, questions)
    lead = tuned.lead(prompting=prompting) if lead is None else lead
    answers = [lead + question.answers[0] for question in questions]
    return along(
        tuned, original, questions, (prompts, prompting), (prompts, prompting), answers, (prompt, prompt),
        top=top, agreement=agreement, progress=progress,
    )  # fmt: skip


def along(
    tuned: LanguageModel,
    original: LanguageModel,
    questions: Sequence[Question],
    tuned_asked: tuple[list[str], str],
    original_asked: tuple[list[str], str],
    answers: list[str],
    names: tuple[str, str],
    *,
    top: Sequence[int] | None,
    agreement: Sequence[int] | None,
    progress: Progress | None,
) -> Shift:
    """Compare two models along answers, each asked by prompts of its own; `names` are those of the prompts."""
    if not questions:
        raise DataError("questions must have at least one question; got none.")
    sides = ((tuned, *tuned_asked), (original, *original_asked))
    waiting: list[tuple[int, Distributions, Distributions]] = []
    reduced: dict[int, tuple[tuple[int, ...], Divergence, slice]] = {}

    def reduce() -> None:
        """Compare what waits, at once: for small vocabularies a call costs more than its rows."""
        if not waiting:
            return
        a = np.concatenate([one.log_probabilities for _, one, _ in waiting])
        b = np.concatenate([one.log_probabilities for _, _, one in waiting])
        found = divergence(a, b, top=top, agreement=agreement, inputs="log_probabilities")
        end = 0
        for at, one, _ in waiting:
            start, end = end, end + len(one.log_probabilities)
            reduced[at] = one.tokens, found, slice(start, end)
        waiting.clear()

    # like lengths together, as the models would have them
    order = sorted(range(len(questions)), key=lambda at: (-len(tuned_asked[0][at]), at))
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        streams = [
            model.distributions(
                [prompts[at] for at in chunk], [answers[at] for at in chunk], prompting=prompting
            )
            for model, prompts, prompting in sides
        ]
        for place, a, b in _paired(*streams):
            if a.tokens != b.tokens:
                named = repr(questions[chunk[place]].id)
                raise DataError(
                    f"original must write answers in the tokens of tuned; that of question {named} has "
                    f"{len(a.tokens)} and {len(b.tokens)}. Only models of one tokenizer can be compared."
                )
            waiting.append((chunk[place], a, b))
            if sum(one.log_probabilities.size for _, one, _ in waiting) >= BLOCK:
                reduce()
        reduce()
        if progress is not None:
            progress(start + len(chunk), len(order))
    parts = [reduced[at] for at in range(len(questions))]
    lengths = [len(tokens) + 1 for tokens, _, _ in parts]
    return Shift(
        tuple(questions),
        tuple(original_asked[0]),
        np.repeat(np.arange(len(parts)), lengths),
        np.concatenate([np.arange(length) for length in lengths]),
        np.concatenate([[*tokens, -1] for tokens, _, _ in parts]),
        names,
        _joined([(found, at) for _, found, at in parts]),
    )


def _paired(
    first: Iterable[tuple[int, Distributions]], second: Iterable[tuple[int, Distributions]]
) -> Iterator[tuple[int, Distributions, Distributions]]:
    """Yield what two models say of each place, in whatever order each of them comes to it."""
    held: tuple[dict[int, Distributions], dict[int, Distributions]] = ({}, {})
    for pair in zip(first, second, strict=True):
        for side, (place, found) in enumerate(pair):
            held[side][place] = found
        for place in {pair[0][0], pair[1][0]}:
            if place in held[0] and place in held[1]:
                yield place, held[0].pop(place), held[1].pop(place)


def _joined(parts: Sequence[tuple[Divergence, slice]]) -> Divergence:
    def joined(field: Callable[[Divergence], Any]) -> Any:
        first = field(parts[0][0])
        if isinstance(first, Mapping):
            return {size: np.concatenate([field(one)[size][at] for one, at in parts]) for size in first}
        return np.concatenate([field(one)[at] for one, at in parts])

    return Divergence(
        joined(lambda one: one.top_kl),
        joined(lambda one: one.tuned_original),
        joined(lambda one: one.original_tuned),
        joined(lambda one: one.jensen_shannon),
        joined(lambda one: one.tuned_outside),
        joined(lambda one: one.original_outside),
        joined(lambda one: one.agreement),
    )


def check_vocabulary(tuned: LanguageModel, original: LanguageModel) -> None:
    """Raise unless two models have the same tokens, and name the first that differs."""
    if tuned.vocabulary == original.vocabulary:
        return
    a, b = ({number: piece for piece, number in model.pieces.items()} for model in (tuned, original))
    first = next(number for number in sorted({*a, *b}) if a.get(number) != b.get(number))
    shown = [repr(table[first]) if first in table else "none" for table in (a, b)]
    raise DataError(
        f"original must have the tokenizer of tuned ({len(a):,} tokens, of which {first} is {shown[0]}); got "
        f"{len(b):,} tokens, of which {first} is {shown[1]}. Only models of one tokenizer can be compared."
    )


def _one_template(tuned: LanguageModel, original: LanguageModel, questions: Sequence[Question]) -> None:
    """Raise unless both models write the same prompt of a question."""
    for question in questions[:1]:
        a, b = (model.written(question.prompt, prompting="chat") for model in (tuned, original))
        if a != b:
            raise DataError(
                f"original must have the chat template of tuned, which writes {a[:80]!r}; got {b[:80]!r}. "
                "Give one chat_template to both, the one that tuned was trained with."
            )
