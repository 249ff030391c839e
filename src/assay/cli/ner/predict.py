"""`assay ner predict`: what a model finds in documents, every answer kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from pathlib import Path

    from assay.cli.console import Progress
    from assay.ner import Corpus
    from assay.ner.generate import Predicted

UNFINISHED = ".unfinished-predict"
# options that a kind of model does not read: they must be at their defaults
UNREAD = {
    "openai": ("batch_size", "device", "dtype", "threads"),
    "transformers": ("base_url", "workers"),
    "tagger": (
        *(
            "prompting",
            "descriptions",
            "examples",
            "commas",
            "on_long",
            "max_new_tokens",
            "batch_size",
            "device",
        ),
        *("dtype", "threads", "base_url", "workers"),
    ),
}
COUNTS = ("documents", "asked", "items", "entities", "hallucinated", "unknown_label", "repeated", "cut")


def predict(
    corpora: Corpora,
    model: Annotated[
        str,
        flag(
            "--model",
            help="Folder or hub id of a language model, openai:NAME, gliner:PATH, crf or spacy.",
            panel=METHOD,
        ),
    ],
    output: Annotated[
        str, flag("--output", "-o", help="Folder for a folder a set, and a manifest.", panel=OUTPUT)
    ],
    train: Annotated[
        list[str] | None,
        flag(
            "--train",
            help="Corpora that crf or spacy learns first: their split train, where they have one.",
            panel=DATA,
        ),
    ] = None,
    split: Annotated[
        str | None,
        flag("--split", help="Split to predict, or all; by default test where there is one.", panel=DATA),
    ] = None,
    prompting: Annotated[
        str,
        flag("--prompting", help="plain, as B2NER's models read; chat; auto: chat if it can.", panel=METHOD),
    ] = "auto",
    descriptions: Annotated[
        bool, flag("--descriptions", help="Say what labels mean, by the universal taxonomy.", panel=METHOD)
    ] = False,
    examples: Annotated[
        int, flag("--examples", help="Answered examples at most, from the split train.", panel=METHOD)
    ] = 0,
    commas: Annotated[
        bool, flag("--commas", help="Read A: B, C as two mentions, as untuned models answer.", panel=METHOD)
    ] = False,
    on_long: Annotated[
        str, flag("--on-long", help="Of prompts too long to be read whole: error, or skip.", panel=METHOD)
    ] = "error",
    max_new_tokens: Annotated[
        int | None, flag("--max-new-tokens", help="Of an answer, at most (1,024).", panel=METHOD)
    ] = None,
    batch_size: Annotated[int, flag("--batch-size", help="Prompts at a time.", panel=METHOD)] = 8,
    device: Annotated[str, flag("--device", help="auto, cpu, cuda, cuda:1, ...", panel=METHOD)] = "auto",
    dtype: Annotated[str, flag("--dtype", help="auto, float32, bfloat16 or float16.", panel=METHOD)] = "auto",
    threads: Annotated[
        int | None, flag("--threads", help="Threads of torch; by default its own choice.", panel=METHOD)
    ] = None,
    base_url: Annotated[
        str | None, flag("--base-url", help="openai only: address of the server, to /v1.", panel=METHOD)
    ] = None,
    workers: Annotated[
        int | None, flag("--workers", help="openai only: requests in flight (8).", panel=METHOD)
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of examples, and of taggers that learn.", panel=METHOD)] = 0,
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Predict the entities of corpora: OUT/SET holds the documents, and answers.jsonl what the model said.

    A language model is asked for the labels of each corpus in B2NER's words. Mentions that the text does not have are
    kept apart and counted. Score with: assay ner score GOLD OUT
    """
    given = dict(locals())
    from assay._check import choice
    from assay.cli import console
    from assay.cli.ner import inputs

    choice("format", format, console.FORMATS)
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    found = made(given, reading, talk)
    rows = [
        {"set": one.corpus.name}
        | {name: one.counts.get(name) for name in COUNTS}
        | {"skipped": len(one.skipped)}
        for one in found
    ]
    console.show(rows, format)
    talk.say(f"wrote {len(found)} sets to {output}. Go on with: assay ner score GOLD {output}")


def defaults() -> dict[str, Any]:
    """Return the options of the command that have a default."""
    import inspect

    parameters = inspect.signature(predict).parameters.items()
    return {name: one.default for name, one in parameters if one.default is not inspect.Parameter.empty}


def made(given: dict[str, Any], reading: Any, talk: Any) -> list[Predicted]:
    """Predict as the options say, write it to the output folder, and return it."""
    import shutil

    from assay.cli import manifest
    from assay.cli.ner import inputs
    from assay.cli.output import open_folder, staged
    from assay.errors import warn

    arguments, train = given["corpora"], given["train"] or []
    paths = [inputs.named(argument)[1] for argument in (*arguments, *train)]
    folder = open_folder(given["output"], paths, overwrite=given["overwrite"], resume=given["resume"])
    cache = folder / UNFINISHED
    if not given["resume"]:
        shutil.rmtree(cache, ignore_errors=True)
    sets, whole = inputs.sets(arguments, reading, given["split"], talk)
    total = sum(len(corpus.documents) for corpus in sets)
    with talk.stage("predict", f"{total:,} documents of {len(sets)} sets, {given['model']}") as progress:
        found, identity = _predicted(sets, whole, train, given, cache, talk, progress)
    for one in found:
        for what, words in (
            ("cut", f"answers did not end within the tokens that they may have; {one.corpus.name}"),
            ("hallucinated", f"answered mentions are not in their texts; {one.corpus.name}"),
        ):
            if one.counts.get(what):
                talk.say(f"{one.counts[what]:,} {words}")
        if one.skipped:
            warn(
                f"{len(one.skipped)} of {len(one.corpus.documents)} documents of {one.corpus.name} are too long and "
                f"were not asked about, first {one.skipped[0][0]!r}: {one.skipped[0][1]}"
            )
    with staged(folder) as stage:
        for one in found:
            _write(one, stage / one.corpus.name)
        manifest.write(
            stage,
            predict,
            given,
            [entry for path in paths for entry in manifest.file_entries("corpus", path)],
            counts={one.corpus.name: {**one.counts, "skipped": len(one.skipped)} for one in found},
            results={"model": identity, "skipped": {one.corpus.name: one.skipped for one in found}},
            talk=talk,
        )
    shutil.rmtree(cache, ignore_errors=True)
    return found


def _predicted(
    sets: Sequence[Corpus],
    whole: Sequence[Corpus],
    train: Sequence[str],
    given: dict[str, Any],
    cache: Path,
    talk: Any,
    progress: Progress,
) -> tuple[list[Predicted], dict[str, Any]]:
    """Return predictions, and what identifies the model."""
    from assay.cli.ner import inputs
    from assay.errors import DataError
    from assay.ner.generate import predict as ask
    from assay.ner.generate import tag
    from assay.ner.language_model import Generator, Remote, Transformer
    from assay.ner.taggers import TAGGERS, resolve

    model = given["model"]
    kind, _, argument = model.partition(":")
    reads = "tagger" if kind in TAGGERS else "openai" if kind == "openai" and argument else "transformers"
    for name in UNREAD[reads]:
        if given[name] != defaults()[name]:
            raise DataError(
                f"{name} must be left out of {model}, which does not read it; got {given[name]!r}."
            )
    if reads == "tagger":
        tagger = resolve(model, seed=given["seed"])
        learns = kind != "gliner"
        if learns != bool(train):
            raise DataError(
                f"train must be {'given for' if learns else 'left out of'} {kind}; got {', '.join(train) or 'none'}."
            )
        known = None
        if learns:
            learnt, _ = inputs.sets(train, inputs.Reading(), None, talk, usual="train")
            known = [document for corpus in learnt for document in corpus.documents]
        return tag(sets, tagger, known), dict(tagger.fingerprint)
    if train:
        raise DataError(
            f"train must be left out of a language model; got {', '.join(train)}. See: assay ner train"
        )
    generator: Generator
    shared = {"prompting": given["prompting"], "max_new_tokens": given["max_new_tokens"]}
    if reads == "openai":
        generator = Remote(argument, base_url=given["base_url"], workers=given["workers"], **shared)
    else:
        generator = Transformer(
            argument if kind == "hf" and argument else model, batch_size=given["batch_size"], device=given["device"],
            dtype=given["dtype"], threads=given["threads"], **shared,
        )  # fmt: skip
    pools = {
        corpus.name: [document for document in corpus.documents if document.split == "train"]
        for corpus in whole
    }
    found = ask(
        sets, generator, descriptions=given["descriptions"], examples=given["examples"], example_pools=pools,
        commas=given["commas"], on_long=given["on_long"], cache=cache, seed=given["seed"], progress=progress,
    )  # fmt: skip
    return found, dict(generator.fingerprint)


def _write(one: Predicted, folder: Path) -> None:
    """Write the documents of one set, a file a split, and the answers that they come from."""
    from dataclasses import replace

    from assay.data.json_text import dumps
    from assay.ner import write_corpus
    from assay.ner.predictions import ANSWERS

    named = tuple(
        replace(document, split=document.split or "all", corpus=one.corpus.name)
        for document in one.corpus.documents
    )
    folder.mkdir()
    write_corpus(replace(one.corpus, documents=named), folder, format="documents", overwrite=True)
    if one.rows:
        (folder / ANSWERS).write_bytes(b"".join(dumps(row) + b"\n" for row in one.rows))
