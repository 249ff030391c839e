"""What is asked of a model: one fact, and a set of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from assay.errors import DataError

SLOT = "[X]"  # where a template has the subject


@dataclass(frozen=True, slots=True)
class Question:
    """One fact, as it is asked.

    Parameters
    ----------
    id
        Unique in its set. Readers make it of split, relation and row: ``test:P36:12``.
    subject
        What the fact is about; ``""`` in a list of questions, which does not say.
    relation
        Such as ``P36``, or the category of the question; ``""`` where there is none.
    prompt
        What the model is asked: a question or, where a source has none, a statement that the answer goes on.
    answers
        At least one. Several are all right, whether they are names of one thing (NQ-open) or several things
        (EntityQuestions: the children of a person).
    aliases
        Other names of the answers, which count as hits too.
    domain
        ``ID`` or ``OOD`` where a study parts its relations so, else ``""``.
    split
        ``train``, ``dev`` or ``test`` where the source says so, else ``""``.
    statements
        Statements of this fact alone, each ending where the answer begins, beside the templates of its relation.

    Raises
    ------
    DataError
        Without a prompt or an answer, or where one of them is no text or empty.

    Examples
    --------
    >>> Question("1", "Norway", "P36", "What is the capital of Norway?", ("Oslo",)).answers
    ('Oslo',)
    """

    id: str
    subject: str
    relation: str
    prompt: str
    answers: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    domain: str = ""
    split: str = ""
    statements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise DataError(f"prompt must be a text that is not empty; got {self.prompt!r}.")
        if not self.answers:
            raise DataError("answers must have at least one answer; got none.")
        for name in ("answers", "aliases", "statements"):
            for one in getattr(self, name):
                if not isinstance(one, str) or not one.strip():
                    raise DataError(f"{name} must be texts that are not empty; got {one!r}.")


@dataclass(frozen=True, slots=True)
class Facts:
    """A set of questions: where it is from, the source's own templates by relation, and what its reader did.

    A template has one ``[X]`` for the subject and ends where the answer begins. `notes` are for a person.
    """

    name: str
    format: str
    questions: tuple[Question, ...]
    templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for question in self.questions:
            if question.id in seen:
                raise DataError(f"id must be unique in a set; got {question.id!r} twice.")
            seen.add(question.id)
