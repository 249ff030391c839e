"""How a model is asked: by the prompt of fine-tuning, its own chat template, examples before it, a statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay._check import choice, whole
from assay.errors import DataError
from assay.knowledge.questions import Question
from assay.knowledge.subsets import balanced_subset
from assay.knowledge.templates import Templates, statements

PROMPTS = ("chat", "plain", "few-shot", "statement")

# `{bos}<|question|> Who is it? <|answer|>`, then ` Him{eos}`: for training and for asking alike
CHAT_TEMPLATES = {
    "knowledge": (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'assistant' %} {{ message['content'] }}{{ eos_token }}"
        "{% else %}<|question|> {{ message['content'] }} <|answer|>{% endif %}{% endfor %}"
    )
}
EXAMPLE = ("Question: {question}\nAnswer:", " {answer}\n")


@dataclass(frozen=True, slots=True)
class Asked:
    """The prompt of each question, how it is sent, and what stands around an answer.

    `stop` ends an answer beside the end token, `lead` stands before it; None: the model's own.
    """

    prompts: tuple[str, ...]
    prompting: str
    stop: str | None = None
    lead: str | None = None


def choose_shots(train: Sequence[Question], *, count: int = 4, seed: int = 0) -> tuple[Question, ...]:
    """Choose answered questions to stand before others: of each relation in turn, in an order that the seed decides.

    Parameters
    ----------
    train
        Questions that are not asked, with ids of their own.
    count
        At least 1, at most as many as there are.
    seed
        Another seed, other questions. Fewer are the first of more.

    Examples
    --------
    >>> train = [Question(str(n), "", "P17 P36".split()[n % 2], f"Q{n}?", ("A",)) for n in range(6)]
    >>> [shot.relation for shot in choose_shots(train, count=3)]
    ['P36', 'P17', 'P36']
    """
    whole("shots", count, 1)
    if count > len(train):
        raise DataError(f"train must have as many questions as shots, {count}; it has {len(train)}.")
    found = balanced_subset(
        [question.id for question in train],
        [question.relation for question in train],
        size=count,
        seed=seed,
    )
    return tuple(train[at] for at in found.indices)


def asked(
    questions: Sequence[Question],
    *,
    prompting: str = "chat",
    shots: Sequence[Question] = (),
    example: tuple[str, str] = EXAMPLE,
    templates: Templates | None = None,
) -> Asked:
    """Return the prompts of questions.

    Parameters
    ----------
    questions
        At least one.
    prompting
        ``chat``: a user's turn in the model's chat template; ``plain``: the question alone; ``few-shot``: answered
        questions before it, as plain text; ``statement``: its first statement, which the answer goes on.
    shots
        For ``few-shot``: the answered questions. One that is the question itself is left out before it.
    example
        For ``few-shot``: how a question, and after it an answer, is written. What stands after ``{answer}`` ends an
        answer, what stands before it is what a right one begins with, such as a blank.
    templates
        For ``statement``: statements with ``[X]`` by relation.

    Raises
    ------
    DataError
        For no question, shots or templates that the prompting does not read or lacks, a form without its place.

    Examples
    --------
    >>> oslo = Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",))
    >>> bern = Question("2", "Switzerland", "P36", "What is the capital of Switzerland?", ("Bern",))
    >>> print(asked([bern], prompting="few-shot", shots=[oslo]).prompts[0])
    Question: What is the capital of Norway?
    Answer: Oslo
    Question: What is the capital of Switzerland?
    Answer:
    """
    choice("prompting", prompting, PROMPTS)
    if not questions:
        raise DataError("questions must have at least one question; got none.")
    for name, given, reads in (("shots", shots, "few-shot"), ("templates", templates, "statement")):
        if bool(given) and prompting != reads:
            raise DataError(f"{name} must be left out unless prompting is {reads}; it is {prompting}.")
    if prompting == "chat":
        return Asked(tuple(question.prompt for question in questions), "chat")
    if prompting == "plain":
        return Asked(tuple(question.prompt for question in questions), "plain")
    if prompting == "statement":
        said = templates or {}
        return Asked(tuple(statements(question, said)[0] for question in questions), "plain")
    if not shots:
        raise DataError("shots must be given for few-shot; got none. See choose_shots.")
    before, after = example
    if before.count("{question}") != 1 or after.count("{answer}") != 1 or after.endswith("{answer}"):
        raise DataError(
            f"example must be a text with {{question}}, and one with {{answer}} and what ends it; got {example!r}."
        )
    lead, _, stop = after.partition("{answer}")
    told = [
        before.replace("{question}", shot.prompt) + after.replace("{answer}", shot.answers[0])
        for shot in shots
    ]
    prompts = []
    for question in questions:
        others = [text for text, shot in zip(told, shots, strict=True) if shot.prompt != question.prompt]
        prompts.append("".join(others) + before.replace("{question}", question.prompt))
    return Asked(tuple(prompts), "plain", stop, lead)
