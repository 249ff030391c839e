"""Documents -> instructions: a prompt that names labels, and the answer that a model should give."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay import _check
from assay.errors import DataError
from assay.ner.answers import target
from assay.ner.document import Document, Entity
from assay.ner.names import sign_fault
from assay.ner.prompts import PROMPTS, Wording, filled
from assay.ner.taxonomy import universal

if TYPE_CHECKING:
    from numpy.random import Generator

ON_LONG = ("error", "skip")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One question and its answer.

    prompt
        All that the model reads, from the first word to `marker`, which it ends with. No start token.
    marker
        ``Answer:`` or ``答案:``.
    target
        The answer, with the space before it; no end token.
    labels
        Those that are asked for, in the order of the prompt.
    document
        The document, as it was given.
    dropped
        Its entities that stand in no answer, since their label is not asked for.
    exemplars
        How many answered examples the prompt holds.
    """

    id: str
    prompt: str
    marker: str
    target: str
    labels: tuple[str, ...]
    document: Document
    dropped: tuple[Entity, ...] = ()
    exemplars: int = 0

    @property
    def text(self) -> str:
        """What is trained on between the start and the end token: prompt and answer."""
        return self.prompt + self.target


def instruct(
    documents: Iterable[Document],
    labels: Sequence[str],
    *,
    language: str,
    training: bool = True,
    max_labels: int = 18,
    label_dropout: float = 0.1,
    shuffle: bool = True,
    own_labels: bool = False,
    descriptions: Mapping[str, str] | None = None,
    examples: int = 0,
    example_pool: Sequence[Document] = (),
    max_chars: int | None = None,
    on_long: str = "error",
    skipped: list[tuple[str, str]] | None = None,
    seed: int = 0,
) -> Iterator[Instruction]:
    """Yield an instruction for each document, in the wire format of B2NER.

    For training, a prompt asks for few labels, in an order of its own and not always for all that there are, so that
    the model learns to answer what it is asked and not what it remembers of a corpus. For inference a prompt asks for
    all labels, in the order given.

    Parameters
    ----------
    documents : iterable of Document
        With entities of `labels` only.
    labels : sequence of str
        All labels of the corpus, in its order. None of ``, ; : { }`` in them.
    language : str
        Of the sentences around the text: ``"en"`` or ``"zh"``.
    training : bool
        False: `max_labels`, `label_dropout` and `shuffle` do nothing.
    max_labels : int
        Of more labels than these, a prompt asks for those that the document has, drawn where they are too many
        themselves, and for others drawn up to this number. 18 is the released program's.
    label_dropout : float
        With what probability, 0 to 1, a label leaves the prompt after that; one always stays. Its entities leave the
        answer. 0.1 is the released program's.
    shuffle : bool
        Ask for labels in a random order.
    own_labels : bool
        Ask a document whose `meta` has a list ``labels`` for these instead, as the released program does: so records of
        corpora without a common label set say what they were annotated for.
    descriptions : mapping of str to str, optional
        What labels mean, without line breaks or ``"``; see `descriptions_of`. Labels without one, and those that end in
        a digit, get none. Not together with `examples`: there is no such prompt.
    examples : int
        How many answered examples a prompt holds at most. They are other documents of `example_pool`, drawn anew for
        each prompt, none of the same text; they answer what is asked, and no more.
    example_pool : sequence of Document
        Documents to be examples: of a split ``train``, or of none, so that no answer of an evaluated split is told.
    max_chars : int, optional
        Most characters of prompt and answer in training, of the prompt in inference. Examples are added while they fit;
        a document that is too long without any is refused. Nothing is ever cut.
    on_long : str
        ``"error"``, or ``"skip"``: leave out documents that are too long and list them.
    skipped : list, optional
        Gets (id, reason) of each document that is left out.
    seed : int
        What a document is asked depends on this, on its id and corpus, and on `labels`: not on its neighbours.

    Yields
    ------
    Instruction
        In the order of the documents. Its id is that of the document, behind the name of its corpus where it has one.

    Raises
    ------
    DataError
        Labels that cannot be asked for, entities of labels that are not there, examples of an evaluated split; a
        document that is too long, when its turn comes.

    Notes
    -----
    Prompts and their sentences: `assay.ner.prompts`. Some 20 microseconds a document, 130 in training with a
    large label set, 300 with three examples. The
    released program differs in six points, see ``docs/decisions.md``: it leaves entities of labels that a
    large set lost in the answer where dropout is 0, fills fewer than `max_labels` where draws coincide, changes its
    records, cuts prompts, draws one set of examples from the split that it evaluates, and does not take
    dropped labels out of them.

    Examples
    --------
    >>> ada = Document("1", "Ada in Paris", (Entity(0, 3, "person"), Entity(7, 12, "city")))
    >>> [one] = instruct([ada], ["city", "person"], language="en", training=False)
    >>> print(one.text.splitlines()[1], one.text.splitlines()[-1], sep="|")
    Label Set: city, person |Answer: person: Ada; city: Paris
    """
    known = check_labels("labels", labels)
    _check.choice("language", language, PROMPTS)
    _check.whole("max_labels", max_labels, 1)
    _check.between("label_dropout", label_dropout, 0, 1)
    _check.whole("examples", examples, 0)
    _check.whole("seed", seed, 0)
    _check.choice("on_long", on_long, ON_LONG)
    if max_chars is not None:
        _check.whole("max_chars", max_chars, 1)
    if descriptions and examples:
        raise DataError(
            f"descriptions must be left out with examples; got both, {examples} examples. No prompt of B2NER has both."
        )
    for label, said in (descriptions or {}).items():
        if '"' in said or not said.isprintable() or not said.strip():
            raise DataError(
                f'descriptions must be texts of one line without "; got {said!r} for {label}. Rewrite it.'
            )
    pool = _Pool(example_pool, examples)
    wording = PROMPTS[language]

    def made() -> Iterator[Instruction]:
        for document in documents:
            name = f"{document.corpus}/{document.id}" if document.corpus else document.id
            asked = (_own(document) if own_labels else None) or known
            _check_entities(document, asked, name)
            if training:
                rng = _rng(seed, "labels", name)
                asked = _drawn(document, asked, max_labels, label_dropout, rng)
                asked = tuple(asked[at] for at in rng.permutation(len(asked))) if shuffle else asked
            answer = target(document.text, _of(document, asked))
            shots = [
                f"{wording.exemplar}{other.text} \n{wording.marker}{target(other.text, _of(other, asked))} \n\n"
                for other in pool.drawn(document, _rng(seed, "examples", name) if examples else None)
            ]
            taken = (
                len(answer) if training else 0
            )  # what a model is asked must not depend on the right answer
            room = float("inf") if max_chars is None else max_chars - taken
            prompt, fitting = _prompt(wording, document.text, asked, descriptions or {}, shots, room)
            if len(prompt) > room:
                what = "prompt and answer" if training else "prompt"
                reason = f"{what} must have at most {max_chars:,} characters; got {len(prompt) + taken:,}."
                if on_long == "error":
                    raise DataError(f"{name}: {reason} Raise max_chars, or leave out such documents.")
                if skipped is not None:
                    skipped.append((name, reason))
                continue
            wanted = set(asked)
            out = tuple(entity for entity in document.entities if entity.label not in wanted)
            yield Instruction(name, prompt, wording.marker, answer, asked, document, out, fitting)

    return made()


def descriptions_of(labels: Iterable[str], language: str) -> dict[str, str]:
    """Return what labels mean by the universal taxonomy, as prompts take it; labels that it does not have are left out.

    Labels are looked up by their names in either language. Definitions lose their full stop, and double quotes become
    single ones.
    """
    _check.choice("language", language, PROMPTS)
    types = {
        name.casefold(): kind for kind in reversed(universal().living) for name in (kind.zh, kind.en) if name
    }
    found = {}
    for label in labels:
        kind = types.get(label.casefold())
        said = "" if kind is None else (kind.definition.zh if language == "zh" else kind.definition.en)
        said = " ".join(said.split()).rstrip(".。").replace('"', "'")
        if said and not label[-1].isdigit():
            found[label] = said
    return found


def _prompt(
    wording: Wording,
    text: str,
    asked: Sequence[str],
    descriptions: Mapping[str, str],
    shots: Sequence[str],
    room: float,
) -> tuple[str, int]:
    """Return the prompt and how many of the examples fitted; without any it is the plain one."""
    names = ", ".join(asked)
    said = [
        f'{label} {wording.means} "{descriptions[label]}"'
        for label in asked
        if label in descriptions and not label[-1].isdigit()
    ]
    if said:
        parts = {"labels_str": names, "label_descriptions_str": "; ".join(said), "text": text}
        return filled(wording.described, **parts) + wording.marker, 0
    if shots:
        bare = filled(wording.few_shot, labels_str=names, text=text, examples="") + wording.marker
        room -= len(bare)
        fitting = 0
        for shot in shots:
            room -= len(shot)
            if room < 0:
                break
            fitting += 1
        if fitting:
            examples = "".join(shots[:fitting])
            return (
                filled(wording.few_shot, labels_str=names, text=text, examples=examples) + wording.marker,
                fitting,
            )
    return filled(wording.plain, labels_str=names, text=text) + wording.marker, 0


def check_labels(argument: str, labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels that a prompt can hold, or raise and name those that it cannot."""
    if isinstance(labels, str) or not labels:
        raise DataError(f"{argument} must be a list of at least one label; got {labels!r}.")
    bad = [label for label in labels if sign_fault(label) is not None]
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(
            f"{argument} must be phrases without , ; : {{ }} or line breaks; "
            f"got {', '.join(map(repr, bad[:5]))}{more}. "
            "Rename them with: assay ner apply"
        )
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        raise DataError(f"{argument} must be different; got {twice[0]!r} twice.")
    return tuple(labels)


def _own(document: Document) -> tuple[str, ...] | None:
    """Return the labels that a record lists for itself."""
    own = document.meta.get("labels")
    if not isinstance(own, list) or not own or not all(isinstance(label, str) for label in own):
        return None
    return check_labels(f"{document.id}: labels", own)


def _check_entities(document: Document, labels: Sequence[str], name: str) -> None:
    strange = {entity.label for entity in document.entities}.difference(labels)
    if strange:
        raise DataError(
            f"{name}: labels must have every label of the entities; got none of {', '.join(sorted(strange)[:5])}. "
            "Add what is missing, or remove such entities."
        )


def _of(document: Document, labels: Sequence[str]) -> list[Entity]:
    wanted = set(labels)
    return [entity for entity in document.entities if entity.label in wanted]


def _drawn(
    document: Document, labels: Sequence[str], most: int, dropout: float, rng: Generator
) -> tuple[str, ...]:
    """Return the labels that are asked for in training, in the order given."""
    chosen = list(labels)
    if len(chosen) > most:
        has = {entity.label for entity in document.entities}
        own = [label for label in chosen if label in has]
        rest = [label for label in chosen if label not in has]
        own = [own[at] for at in rng.permutation(len(own))[:most]]
        kept = {*own, *(rest[at] for at in rng.permutation(len(rest))[: most - len(own)])}
        chosen = [label for label in chosen if label in kept]
    if dropout > 0:
        stays = rng.random(len(chosen)) >= dropout
        last = int(rng.integers(len(chosen)))
        chosen = [label for at, label in enumerate(chosen) if stays[at] or (at == last and not stays.any())]
    return tuple(chosen)


class _Pool:
    """Documents to be examples, and how many there are of each text."""

    def __init__(self, documents: Sequence[Document], examples: int) -> None:
        self._documents, self._examples = documents, examples
        evaluated = [document for document in documents if document.split not in ("", "train")]
        if examples and evaluated:
            raise DataError(
                f"example_pool must hold documents of the split train; {len(evaluated)} of {len(documents)} are not, "
                f"first {evaluated[0].id!r} of {evaluated[0].split}. An example would tell an answer that is scored."
            )
        self._copies = Counter(_same(document.text) for document in documents) if examples else Counter()

    def drawn(self, document: Document, rng: Generator | None) -> list[Document]:
        """Return different documents of other texts than this one's, each text once."""
        if rng is None or not self._documents:
            return []
        found: dict[str, Document] = {}
        own = _same(document.text)
        size = min(len(self._documents), self._examples + self._copies[own] + 8)
        while len(found) < self._examples:
            for at in rng.choice(len(self._documents), size=size, replace=False):
                other = self._documents[at]
                key = _same(other.text)
                if key != own:
                    found.setdefault(key, other)
                if len(found) == self._examples:
                    break
            if size == len(self._documents):
                break
            size = min(len(self._documents), 4 * size)
        return list(found.values())


def _same(text: str) -> str:
    """Return a text as it is compared: by its letters and signs, not by case or white space."""
    return "".join(text.split()).casefold()


def _rng(seed: int, purpose: str, name: str) -> Generator:
    digest = hashlib.sha256(f"{purpose}\n{name}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng((seed, int.from_bytes(digest[:8], "little")))
