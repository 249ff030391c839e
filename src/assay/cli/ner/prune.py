"""`assay ner prune`: fewer documents with all types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, EMBEDDING, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.ner import Corpus, Pruned

REPORT, DROPPED, STRATEGIES = "report.json", "dropped.tsv", "strategies.json"


def prune(
    corpora: Corpora,
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Folder for the kept documents and the report.", panel=OUTPUT),
    ] = None,
    test: Annotated[
        list[str] | None,
        flag(
            "--test",
            help="PATH or NAME=PATH of a corpus that training must not have seen; may be repeated.",
            panel=DATA,
        ),
    ] = None,
    per_type: Annotated[
        int, flag("--per-type", "-k", help="Documents to keep of each label of each corpus.", panel=METHOD)
    ] = 400,
    strategy: Annotated[
        str,
        flag(
            "--strategy",
            help="quota, paper, random, kcenter, facility_location or novelselect.",
            panel=METHOD,
        ),
    ] = "quota",
    compare: Annotated[
        str | None,
        flag(
            "--compare",
            help="Strategies side by side instead, comma-separated, or all; no documents are written.",
            panel=METHOD,
        ),
    ] = None,
    negatives: Annotated[
        float, flag("--negatives", help="Share of documents without entities in what is kept.", panel=METHOD)
    ] = 0.1,
    max_per_corpus: Annotated[
        str | None,
        flag(
            "--max-per-corpus",
            help="Most training documents of each corpus, or name=number,...",
            panel=METHOD,
        ),
    ] = None,
    max_per_language: Annotated[
        str | None,
        flag(
            "--max-per-language",
            help="Most training documents of each language, or name=number,...",
            panel=METHOD,
        ),
    ] = None,
    budget: Annotated[
        int | None, flag("--budget", help="Most training documents in all.", panel=METHOD)
    ] = None,
    near: Annotated[
        float,
        flag("--near", help="Jaccard index of character 5-grams from which texts are copies.", panel=METHOD),
    ] = 0.8,
    seed: Annotated[int, flag("--seed", help="Of ties and draws.", panel=METHOD)] = 0,
    encoder: Annotated[
        str,
        flag(
            "--encoder",
            help="sentence, tfidf, hf:<path or id>, st:<path or id>, openai:<model>.",
            panel=EMBEDDING,
        ),
    ] = "tfidf",
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Keep few training documents that have all types, repeat each other little and leak no test text.

    Dev and test splits stay whole; the test splits and --test are what training must not have seen. The folder has
    the documents as one corpus, report.json, and dropped.tsv with the reason for every document that is not kept.
    """
    given = dict(locals())
    from assay._check import choice, whole
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import open_folder, staged
    from assay.ner import compare_strategies
    from assay.ner import prune as keep

    choice("format", format, console.FORMATS)
    whole("per_type", per_type, 1)
    names = _strategies(strategy, compare)
    options: dict[str, Any] = {
        "k": per_type,
        "negatives": negatives,
        "max_per_corpus": _most("max_per_corpus", max_per_corpus),
        "max_per_language": _most("max_per_language", max_per_language),
        "near": near,
        "encoder": encoder,
        "seed": seed,
        "budget": budget,
    }
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    paths = [inputs.named(argument)[1] for argument in corpora]
    tests = [inputs.named(argument)[1] for argument in test or []]
    folder = (
        None if output is None else open_folder(output, [*paths, *tests], overwrite=overwrite, resume=None)
    )
    talk = console.Talk(quiet)
    found = inputs.corpora(corpora, reading, talk)
    unseen = inputs.corpora(test, reading, talk) if test else []
    entries = [
        entry
        for role, of_role in (("corpus", paths), ("test", tests))
        for path in of_role
        for entry in manifest.file_entries(role, path)
    ]
    documents = sum(len(corpus.documents) for corpus in found)
    rows: list[dict[str, Any]]
    full: Any
    if compare is not None:
        from dataclasses import asdict

        with talk.stage("compare", f"{documents:,} documents, {len(names)} strategies") as progress:
            compared = compare_strategies(found, names, test=unseen, progress=progress, **options)
        rows = full = [asdict(row) for row in compared]
        counts = {"corpora": len(found), "documents": documents}
    else:
        with talk.stage("prune", f"{documents:,} documents of {len(found)} corpora") as progress:
            pruned = keep(found, test=unseen, strategy=strategy, progress=progress, **options)
        rows, full = _rows(pruned, found), pruned.report()
        counts = dict(pruned.counts)
    if folder is not None:
        with talk.stage("write", str(folder)), staged(folder) as stage:
            from assay._files import write_json

            if compare is not None:
                write_json(stage / STRATEGIES, [{**row, "seconds": None} for row in rows])
            else:
                _write(stage, pruned)
            manifest.write(stage, prune, given, entries, counts=counts, results=_steady(rows), talk=talk)
    console.show(rows, format, columns=("corpus",), whole=full)
    if compare is None:
        _say(pruned, talk)


def _strategies(strategy: str, compare: str | None) -> list[str]:
    """Return the strategies to run, each one that there is."""
    from assay._check import choice
    from assay.errors import DataError
    from assay.ner.choose import STRATEGIES

    if compare is not None and strategy != "quota":
        raise DataError(f"strategy must be left out with compare; got {strategy!r}. Name it there.")
    names = [strategy] if compare is None else [part.strip() for part in compare.split(",")]
    if compare == "all":
        names = list(STRATEGIES)
    for name in names:
        choice("strategy" if compare is None else "compare", name, STRATEGIES)
    return names


def _most(name: str, text: str | None) -> int | dict[str, int] | None:
    """Return a number, or one for each name, from ``100`` or ``name=100,...``."""
    from assay.errors import DataError

    if text is None:
        return None
    try:
        if "=" not in text:
            return int(text)
        pairs = [part.rpartition("=") for part in text.split(",")]
        found = {key.strip(): int(value) for key, _, value in pairs}
        if len(found) < len(pairs):
            raise ValueError
        return found
    except ValueError:
        raise DataError(
            f"{name} must be a number, or name=number,... with each name once; got {text!r}."
        ) from None


def _rows(pruned: Pruned, corpora: Sequence[Corpus]) -> list[dict[str, Any]]:
    """Return what happened to each corpus."""
    from collections import Counter

    from assay.ner.candidates import HELD_OUT

    train: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for counter, some in ((train, corpora), (kept, pruned.corpora)):
        counter.update(
            document.corpus or corpus.name
            for corpus in some
            for document in corpus.documents
            if document.split not in HELD_OUT
        )
    why = Counter((row.corpus, row.reason) for row in pruned.dropped)
    rows = []
    for name in sorted(train):
        types = [row for row in pruned.types if row.corpus == name]
        rows.append(
            {
                "corpus": name,
                "train": train[name],
                "leaks": why[name, "test"] + why[name, "near_test"],
                "copies": why[name, "copy"] + why[name, "near_copy"],
                "not chosen": sum(why[name, r] for r in ("quota", "negative", "limit", "strategy")),
                "kept": kept[name],
                "types": len(types),
                "full": sum(row.kept >= row.target for row in types),
            }
        )
    return rows


def _write(stage: Any, pruned: Pruned) -> None:
    """Write the kept documents as one corpus, the report and the list of the rest."""
    import csv
    from dataclasses import astuple, fields, replace

    from assay._files import write_json
    from assay.ner import unify, write_corpus
    from assay.ner.pruned import Dropped

    documents = tuple(
        document if document.corpus else replace(document, corpus=corpus.name)
        for corpus in pruned.corpora
        for document in corpus.documents
    )
    write_corpus(
        replace(unify(pruned.corpora, name="pruned"), documents=documents),
        stage,
        format="documents",
        overwrite=True,
    )
    write_json(stage / REPORT, pruned.report())
    with open(stage / DROPPED, "w", encoding="utf-8", newline="") as f:
        writer = csv.writer(f, delimiter="\t", lineterminator="\n")
        writer.writerow([field.name for field in fields(Dropped)])
        writer.writerows(astuple(row) for row in pruned.dropped)


def _steady(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without the seconds, which differ in a repetition."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def _say(pruned: Pruned, talk: Any) -> None:
    counts, near = pruned.counts, pruned.redundancy
    talk.say(
        f"kept {counts['kept']:,} of {counts['train']:,} training documents, {counts['negatives']:,} without entities; "
        f"{counts['held_out']:,} of dev and test stay"
    )
    if near.kept is not None and near.random is not None:
        talk.say(
            f"mean cosine to the nearest other: {near.kept:.3f}, {near.random:.3f} among as many random candidates"
        )
    if pruned.disagreements:
        talk.say(
            f"{len(pruned.disagreements):,} copies of one text have other entities; they are in {REPORT}"
        )
