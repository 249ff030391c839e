"""Saved predictions, as corpora or as generated answers -> what each gold document got."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay._files import read_json
from assay.data.json_text import excerpt
from assay.errors import DataError
from assay.ner.answers import align, parse_answer
from assay.ner.document import Corpus, Document, Entity
from assay.ner.formats.rows import object_of, rows, string_of
from assay.ner.naming import named
from assay.ner.read import corpora, head, read_corpus

ANSWERS = "answers.jsonl"
UNLOCATED = (
    "unlocated"  # of a predicted document's meta: the labels and words of mentions that its text lacks
)
NOT_ASKED = "not_asked"  # of a predicted document's meta: why the model was not asked about it
_ASKED = re.compile(r"(?:Label Set|标签范围):(.+?)\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """One generated answer.

    `id` and `corpus` say what was asked about; `text` is None where the file does not repeat it. `gold` and `labels`
    are there where the file holds the right answer and what was asked for, as B2NER's own prediction files do.
    """

    id: str
    answer: str
    corpus: str = ""
    text: str | None = None
    gold: str | None = None
    labels: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What each of some gold documents got: its entities, the labels of mentions that it lacks, its answer if any."""

    entities: tuple[tuple[Entity, ...], ...]
    unlocated: tuple[tuple[str, ...], ...]
    answers: tuple[str, ...] | None = None
    left_over: int = 0


def read_answers(path: str | Path) -> list[Answer]:
    """Return the answers of a JSON Lines file.

    A line has ``answer`` and ``id`` or ``text``, and may have ``corpus``, ``gold``, ``labels`` and ``language``; or it
    is of a prediction file that B2NER's program writes: ``Dataset``, ``Language``, ``Prediction`` and ``Instance`` with
    ``id``, ``sentence``, ``ground_truth`` and ``instruction``.
    """
    found = []
    for origin, row in rows(Path(path)):
        try:
            found.append(_answer(object_of(row, "row")))
        except DataError as error:
            raise DataError(f"{origin}: {error}") from None
    if not found:
        raise DataError(f"{path} must hold at least one answer; it has none.")
    return found


def is_answers(row: Any) -> bool:
    """Tell whether a first record is of a file of answers."""
    return isinstance(row, dict) and ("answer" in row or {"Prediction", "Instance"} <= row.keys())


def _answer(row: dict[str, Any]) -> Answer:
    if "Prediction" in row:
        instance = object_of(row.get("Instance"), "Instance")
        asked = _ASKED.search(str(instance.get("instruction", "")))
        return Answer(
            id=str(instance.get("id", "")),
            answer=string_of(row, "Prediction"),
            corpus=string_of(row, "Dataset"),
            text=string_of(instance, "sentence"),
            gold=string_of(instance, "ground_truth"),
            labels=tuple(label.strip() for label in asked[1].split(",")) if asked else (),
            language=str(row.get("Language", "")),
        )
    if "id" not in row and "text" not in row:
        raise DataError(f"row must have an id or a text beside its answer; got {excerpt(row)}.")
    return Answer(
        id=str(row.get("id", "")),
        answer=string_of(row, "answer"),
        corpus=str(row.get("corpus", "")),
        text=string_of(row, "text") if "text" in row else None,
        gold=string_of(row, "gold") if "gold" in row else None,
        labels=tuple(row.get("labels") or ()),
        language=str(row.get("language", "")),
    )


def matched(
    gold: Sequence[Document], found: Sequence[Document | Answer], source: str
) -> tuple[list[int], int]:
    """Return for each gold document the place of its prediction, and how many predictions are left over.

    By id where every id is there and names the same text, else by text: copies of a text in the order in which they
    stand.
    """
    by_id: dict[str, int] = {}
    twice = set()
    for at, one in enumerate(found):
        if by_id.setdefault(one.id, at) != at:
            twice.add(one.id)
    ids = [document.id for document in gold]
    if len(set(ids)) == len(ids) and not twice.intersection(ids) and all(one in by_id for one in ids):
        texts = [(document.text, found[by_id[document.id]].text) for document in gold]
        if all(other is None or one == other for one, other in texts):
            return [by_id[one] for one in ids], len(found) - len(ids)
    waiting: dict[str | None, list[int]] = {}
    for at in range(len(found) - 1, -1, -1):
        waiting.setdefault(found[at].text, []).append(at)
    places = []
    lacking: list[str] = []
    for document in gold:
        there = waiting.get(document.text)
        if there:
            places.append(there.pop())
        else:
            lacking.append(document.id)
    if lacking:
        raise DataError(
            f"predictions must hold every document that is scored, by id or with the same text; {len(lacking)} of "
            f"{len(gold)} are not in {source}, first {lacking[0]!r}. Predict them, or score another split."
        )
    return places, len(found) - len(places)


def from_documents(
    gold: Sequence[Document], predicted: Sequence[Document], source: str, answers: Sequence[Answer] = ()
) -> Predictions:
    """Return predictions that are a corpus, with the answers that they come from where those are known."""
    places, left = matched(gold, predicted, source)
    chosen = [predicted[at] for at in places]
    unlocated = tuple(
        tuple(
            str(one.get("label", "")) for one in document.meta.get(UNLOCATED, ()) if isinstance(one, Mapping)
        )
        for document in chosen
    )
    said = None
    if answers:
        asked = [at for at, document in enumerate(chosen) if NOT_ASKED not in document.meta]
        told = matched([gold[at] for at in asked], answers, source)[0]
        by_place = {at: answers[place].answer for at, place in zip(asked, told, strict=True)}
        said = tuple(by_place.get(at, "") for at in range(len(gold)))
    return Predictions(tuple(document.entities for document in chosen), unlocated, said, left)


def from_answers(
    gold: Sequence[Document],
    answers: Sequence[Answer],
    source: str,
    *,
    labels: Sequence[str] | None = None,
    gpt: bool = False,
) -> Predictions:
    """Return predictions that are generated answers: each mention in its place, left to right."""
    places, left = matched(gold, answers, source)
    said = tuple(answers[at].answer for at in places)
    found = [
        align(document.text, parse_answer(answer, commas=gpt), labels=labels)
        for document, answer in zip(gold, said, strict=True)
    ]
    unlocated = tuple(
        tuple(label for label, _ in (*one.hallucinated, *one.unknown_label, *one.repeated)) for one in found
    )
    return Predictions(tuple(one.entities for one in found), unlocated, said, left)


def parted(corpus: Corpus) -> list[Corpus]:
    """Return the corpora that a unified one was made of, by what its documents say; one that is none as it is.

    The labels of each are those that occur in it, since a unified corpus declares those of all.
    """
    groups: dict[str, list[Document]] = {}
    for document in corpus.documents:
        groups.setdefault(document.corpus or corpus.name, []).append(document)
    if len(groups) == 1:
        return [replace(corpus, name=next(iter(groups)))]
    found = []
    for name, documents in groups.items():
        languages = {document.language for document in documents}
        language = languages.pop() if len(languages) == 1 else "mixed"
        found.append(replace(corpus, name=name, documents=tuple(documents), labels=(), language=language))
    return found


def labels_of(corpus: Corpus) -> tuple[str, ...]:
    """Return the labels that predictions for a corpus may have: those it declares, then those that occur."""
    occurring = (entity.label for document in corpus.documents for entity in document.entities)
    return tuple(dict.fromkeys((*corpus.labels, *occurring)))


@dataclass(frozen=True, slots=True)
class Saved:
    """The predictions for one corpus as they lie on the disk: documents, answers, or both."""

    name: str
    documents: tuple[Document, ...]
    answers: tuple[Answer, ...]
    source: str

    def of(self, gold: Corpus, *, gpt: bool = False) -> Predictions:
        """Return what each document of a gold corpus got."""
        if self.documents:
            return from_documents(gold.documents, self.documents, self.source, self.answers)
        either = (*labels_of(gold), *labels_of(named(gold, "raw")))
        return from_answers(
            gold.documents, self.answers, self.source, labels=tuple(dict.fromkeys(either)), gpt=gpt
        )


def read_predictions(path: str | Path, *, name: str | None = None) -> list[Saved]:
    """Return the predictions behind a path, a corpus each.

    A file of answers (see `read_answers`); a corpus in any format that assay reads; or a folder of such, as
    ``assay ner predict`` writes it: where a file ``answers.jsonl`` lies beside the documents, it has their answers.
    """
    place = Path(path)
    if place.is_file() and is_answers(head(place).row):
        return _grouped(read_answers(place), name, str(path))
    if not place.is_dir():
        corpus = read_corpus(path, name=name)
        return [Saved(each.name, each.documents, (), str(path)) for each in parted(corpus)]
    answered = {file.parent: file for file in sorted(place.rglob(ANSWERS))}
    found = []
    for folder in _folders(place):
        corpus = read_corpus(folder, name=name)
        answers = answered.pop(folder, None)
        said = () if answers is None else tuple(read_answers(answers))
        sets = parted(corpus)
        for each in sets:
            mine = tuple(one for one in said if len(sets) == 1 or one.corpus == each.name)
            found.append(Saved(each.name, each.documents, mine, str(folder)))
    for folder, file in answered.items():
        found += _grouped(read_answers(file), name or folder.name, str(file))
    if not found:
        raise DataError(f"predictions must be documents or answers; {path} holds neither.")
    return found


def _folders(place: Path) -> list[Path]:
    """Return the folders of documents: of what assay ner predict wrote, all, whatever sets are called."""
    manifest = place / "manifest.json"
    if manifest.is_file() and read_json(manifest).get("command") == "predict":
        return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = corpora(place)
    if found != [str(place)]:
        return [Path(path) for path in found]
    other = (file.name for file in place.iterdir() if file.is_file())
    return [place] if any(name not in (ANSWERS, manifest.name) for name in other) else []


def _grouped(answers: Sequence[Answer], name: str | None, source: str) -> list[Saved]:
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(name or answer.corpus, []).append(answer)
    return [Saved(each, (), tuple(mine), source) for each, mine in groups.items()]
