"""Corpora and a model -> what the model says of their documents, as documents and as it said it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assay._check import choice
from assay._files import read_json, write_json
from assay.data.json_text import dumps, loads
from assay.errors import DataError
from assay.ner.answers import Aligned, Pair, align, parse_answer
from assay.ner.document import Corpus, Document, Entity
from assay.ner.instruct import ON_LONG, Instruction, descriptions_of, instruct
from assay.ner.language_model import Generated, Generator
from assay.ner.predictions import NOT_ASKED, UNLOCATED, labels_of
from assay.ner.prompts import wording_of
from assay.ner.taggers import Tagger

IDENTITY = "run.json"
DONE = "answers.jsonl"


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions for one corpus.

    `corpus` has its documents with the predicted entities; mentions without a place stand in ``meta["unlocated"]``.
    `rows` has an answer a document, as they are written to ``answers.jsonl``; none for taggers. `skipped` are the
    documents that were not asked about, with the reason. `counts` has documents, asked, items, entities, hallucinated,
    unknown_label, repeated and cut (answers that did not end of themselves).
    """

    corpus: Corpus
    rows: tuple[dict[str, Any], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    counts: dict[str, int] = field(default_factory=dict)


def predict(
    corpora: Sequence[Corpus],
    generator: Generator,
    *,
    descriptions: bool = False,
    examples: int = 0,
    example_pools: Mapping[str, Sequence[Document]] | None = None,
    commas: bool = False,
    on_long: str = "error",
    cache: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Predicted]:
    """Return what a language model says of documents, asked in B2NER's words for the labels of their corpus.

    The entities of the documents are not looked at, but for examples. Each mention of an answer gets its place in the
    text, left to right; what has none is kept apart and counted.

    Parameters
    ----------
    corpora
        Of different names. Asked for are the labels that a corpus declares, in its order, then others that occur.
    generator
        See `assay.ner.language_model`.
    descriptions
        Say in the prompt what labels mean, by the universal taxonomy.
    examples, example_pools
        Answered examples in a prompt at most, and the documents that they are taken from by the name of the corpus: of
        its split ``train``, never of one that is evaluated.
    commas
        Read ``person: Ada, Bob`` as two mentions, as models answer that were not trained on this format.
    on_long
        ``"error"``: stop before anything is asked where a prompt cannot be read whole; ``"skip"``: leave such documents
        out and list them. Nothing is ever cut from a prompt.
    cache
        Folder in which every answer is kept as soon as it is there, to go on from after an interruption. Answers of
        another model or other prompts are refused.
    seed
        Of the examples.
    progress
        Called with the answers there are and their total.

    Returns
    -------
    list of Predicted
        In the order of the corpora.

    Raises
    ------
    DataError
        Labels that no prompt can hold, prompts that are too long, or a cache of another run.
    """
    choice("on_long", on_long, ON_LONG)
    pools = example_pools or {}
    questions = [
        _questions(corpus, descriptions, examples, pools.get(corpus.name, ()), seed) for corpus in corpora
    ]
    asked: list[tuple[int, int, Instruction]] = []
    skipped: list[dict[int, str]] = [{} for _ in corpora]
    for number, (corpus, mine) in enumerate(zip(corpora, questions, strict=True)):
        for at, question in enumerate(mine):
            reason = generator.too_long(question.prompt)
            if reason is None:
                asked.append((number, at, question))
            elif on_long == "error":
                raise DataError(
                    f"{corpus.name}/{question.document.id}: {reason} Nothing is cut: leave such documents out with "
                    "on_long skip, which lists them."
                )
            else:
                skipped[number][at] = reason
    prompts = list(dict.fromkeys(question.prompt for *_, question in asked))
    said = _answered(prompts, generator, cache, progress)
    found: list[dict[int, tuple[Instruction, Generated]]] = [{} for _ in corpora]
    for number, at, question in asked:
        found[number][at] = question, said[question.prompt]
    return [
        _placed(corpus, mine, left, commas)
        for corpus, mine, left in zip(corpora, found, skipped, strict=True)
    ]


def tag(corpora: Sequence[Corpus], tagger: Tagger, train: Sequence[Document] | None) -> list[Predicted]:
    """Return what a tagger predicts, fitted on documents, or, without any, told only the labels of each corpus."""
    if train is not None:
        tagger.fit(train)
    found = []
    for corpus in corpora:
        if train is None:
            tagger.fit(_naming(labels_of(corpus)))
        bare = [replace(document, entities=()) for document in corpus.documents]
        entities = tagger.predict(bare)
        documents = tuple(
            replace(document, entities=mine, meta={}) for document, mine in zip(bare, entities, strict=True)
        )
        counts = {"documents": len(documents), "asked": len(documents), "entities": sum(map(len, entities))}
        found.append(
            Predicted(replace(corpus, documents=documents, labels=labels_of(corpus), meta={}), counts=counts)
        )
    return found


def _naming(labels: Sequence[str]) -> list[Document]:
    """Return documents that do nothing but have each label once, for a tagger that is only told what to look for."""
    return [Document(label, label, (Entity(0, len(label), label),)) for label in labels]


def _questions(
    corpus: Corpus, descriptions: bool, examples: int, pool: Sequence[Document], seed: int
) -> list[Instruction]:
    """Return a question for each document, in their order."""
    labels = labels_of(corpus)
    if not labels:
        raise DataError(f"labels of {corpus.name} must be known to ask for them; it declares and has none.")
    if examples and not pool:
        raise DataError(
            f"examples must be 0 without documents of the split train to take them from; got {examples}, and "
            f"{corpus.name} has none."
        )
    asked: dict[str, list[int]] = {}
    for at, document in enumerate(corpus.documents):
        asked.setdefault(wording_of(document.language or corpus.language), []).append(at)
    found: dict[int, Instruction] = {}
    for language, places in asked.items():
        mine = instruct(
            [replace(corpus.documents[at], entities=()) for at in places],
            labels,
            language=language,
            training=False,
            descriptions=descriptions_of(labels, language) if descriptions else None,
            examples=examples,
            example_pool=pool if examples else (),
            seed=seed,
        )
        found |= dict(zip(places, mine, strict=True))
    return [found[at] for at in range(len(corpus.documents))]


def _answered(
    prompts: Sequence[str],
    generator: Generator,
    cache: str | Path | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Generated]:
    """Return the answer to each prompt, those in the cache without asking again."""
    kept = {} if cache is None else _kept(Path(cache), generator)
    keys = {prompt: hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest() for prompt in prompts}
    said = {prompt: kept[keys[prompt]] for prompt in prompts if keys[prompt] in kept}
    open_ones = [prompt for prompt in prompts if prompt not in said]
    if progress is not None:
        progress(len(said), len(prompts))
    log = None if cache is None else open(Path(cache) / DONE, "ab")  # noqa: SIM115
    try:
        for row, answer in generator.generate(open_ones):
            prompt = open_ones[row]
            said[prompt] = answer
            if log is not None:
                line = {"prompt": keys[prompt], "answer": answer.answer, "tokens": answer.tokens}
                log.write(dumps(line | {"finished": answer.finished}) + b"\n")
                log.flush()
            if progress is not None:
                progress(len(said), len(prompts))
    finally:
        if log is not None:
            log.close()
    return said


def _kept(cache: Path, generator: Generator) -> dict[str, Generated]:
    """Return the answers that an interrupted run left; a last line that is cut is dropped."""
    cache.mkdir(parents=True, exist_ok=True)
    identity = json.loads(json.dumps(dict(generator.fingerprint)))
    if (cache / IDENTITY).exists():
        earlier = read_json(cache / IDENTITY)
        other = sorted(key for key in {*earlier, *identity} if earlier.get(key) != identity.get(key))
        if other:
            raise DataError(
                f"resume must go on with the run that {cache.parent} holds; it differs in: {', '.join(other)}. "
                "Use the same options, or --overwrite to begin anew."
            )
    else:
        write_json(cache / IDENTITY, identity)
    file = cache / DONE
    if not file.exists():
        return {}
    whole, _, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        with open(file, "r+b") as stream:
            stream.truncate(len(whole) + bool(whole))
    rows = [loads(line) for line in whole.split(b"\n") if line]
    return {row["prompt"]: Generated(row["answer"], row["tokens"], row["finished"]) for row in rows}


def _placed(
    corpus: Corpus,
    answered: Mapping[int, tuple[Instruction, Generated]],
    skipped: Mapping[int, str],
    commas: bool,
) -> Predicted:
    """Return the predictions of one corpus, from answers and reasons by the place of a document in it."""
    names = ("items", "entities", "hallucinated", "unknown_label", "repeated", "cut", "tokens")
    counts = {"documents": len(corpus.documents), "asked": len(answered)} | dict.fromkeys(names, 0)
    documents, rows = [], []
    for at, document in enumerate(corpus.documents):
        meta: dict[str, Any] = {}
        entities: tuple[Entity, ...] = ()
        if at in answered:
            question, answer = answered[at]
            pairs = parse_answer(answer.answer, commas=commas)
            aligned = align(document.text, pairs, labels=question.labels)
            entities = aligned.entities
            if aligned.unplaced:
                meta[UNLOCATED] = _unlocated(aligned)
            counts["items"] += len(pairs)
            counts["entities"] += len(entities)
            counts["hallucinated"] += len(aligned.hallucinated)
            counts["unknown_label"] += len(aligned.unknown_label)
            counts["repeated"] += len(aligned.repeated)
            counts["cut"] += not answer.finished
            counts["tokens"] += answer.tokens
            rows.append(
                {
                    "id": document.id, "corpus": corpus.name, "split": document.split, "text": document.text,
                    "answer": answer.answer, "labels": list(question.labels), "tokens": answer.tokens,
                    "finished": answer.finished,
                }
            )  # fmt: skip
        else:
            meta[NOT_ASKED] = skipped[at]
        documents.append(replace(document, entities=entities, meta=meta))
    predicted = replace(corpus, documents=tuple(documents), labels=labels_of(corpus), meta={}, notes=())
    left = tuple((corpus.documents[at].id, reason) for at, reason in skipped.items())
    return Predicted(predicted, tuple(rows), left, counts)


def _unlocated(aligned: Aligned) -> list[dict[str, str]]:
    kinds: tuple[tuple[str, Sequence[Pair]], ...] = (
        ("hallucinated", aligned.hallucinated),
        ("unknown_label", aligned.unknown_label),
        ("repeated", aligned.repeated),
    )
    return [
        {"label": label, "mention": mention, "why": why} for why, pairs in kinds for label, mention in pairs
    ]
