"""`assay ner crossval`: models of each corpus, tested on the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.ner.options import From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assay.cli.console import Talk
    from assay.ner import Cards, Corpus
    from assay.ner.crossval import CrossValidation
    from assay.ner.taggers import Tagger

PREDICTIONS = "predictions"
UNFINISHED = ".unfinished-crossval"
WIDEST = 12  # labels of a matrix that is printed


def crossval(
    corpora: Annotated[
        list[str] | None,
        typer.Argument(
            help="PATH or NAME=PATH, as for screen; by default those of the cards.", show_default=False
        ),
    ] = None,
    cards: Annotated[
        str | None,
        flag("--cards", help="Folder of assay ner screen: compare the labels of its cards, too.", panel=DATA),
    ] = None,
    pair: Annotated[
        list[str] | None,
        flag(
            "--pair",
            help="CORPUS/LABEL=CORPUS/LABEL to compare, may be repeated; by default labels of equal names.",
            panel=DATA,
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        flag(
            "--rename",
            help="[CORPUS/]LABEL=NAME before anything else, may be repeated; an empty name leaves a label out.",
            panel=DATA,
        ),
    ] = None,
    tagger: Annotated[
        str, flag("--tagger", help="crf, spacy, gliner:<path or id>, or predictions.", panel=METHOD)
    ] = "crf",
    predictions: Annotated[
        list[str] | None,
        flag(
            "--predictions",
            help="CORPUS=PATH: what a model of the corpus predicts on the texts of all; repeated, one a corpus.",
            panel=DATA,
        ),
    ] = None,
    train: Annotated[
        int, flag("--train", help="Documents of each corpus that are trained on, at most.", panel=METHOD)
    ] = 3000,
    test: Annotated[
        int, flag("--test", help="Documents of each corpus that are tested on, at most.", panel=METHOD)
    ] = 1000,
    split: Annotated[
        str, flag("--split", help="own: the corpora's, where they have them; seeded: mixed.", panel=METHOD)
    ] = "own",
    seed: Annotated[int, flag("--seed", help="Of the draws and of the tagger.", panel=METHOD)] = 0,
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    output: Annotated[
        str | None,
        flag(
            "--output",
            "-o",
            help="Folder for crossval.json and crossval.html; by default that of the cards.",
            panel=OUTPUT,
        ),
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a tagger on each corpus and test it on the others: where definitions differ, it fails on names it knows.

    Prints F1, F1 over that of the tested corpus' own model, and F1 of the mentions that the model has seen annotated.
    With --cards the figures are written into the cards.
    """
    given = dict(locals())
    import shutil
    from pathlib import Path

    from assay._check import choice
    from assay._files import write_json
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import open_folder, staged
    from assay.errors import DataError
    from assay.ner import read_cards, write_cards
    from assay.ner.crossval import attach, cross_validate
    from assay.ner.taggers import resolve
    from assay.report import write_cards_page

    choice("format", format, console.FORMATS)
    if cards is not None and (pair or rename):
        raise DataError(
            "cards must be given without --pair and --rename; got both. Cards say which labels to compare."
        )
    if not corpora and cards is None:
        raise DataError("corpora must be two or more; got none. Name them, or give --cards.")
    if tagger != PREDICTIONS:
        resolve(tagger, seed=seed)
        if predictions:
            raise DataError(f"predictions must be given with --tagger predictions; got --tagger {tagger}.")
    pairs, names = _pairs(pair or []), dict(_halves("rename", one) for one in rename or [])
    deck = None if cards is None else read_cards(cards)
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    if corpora:
        arguments = dict.fromkeys(corpora, reading)
    else:
        assert deck is not None
        arguments = {f"{c.name}={c.source}": inputs.Reading(**c.reading) for c in deck.corpora}
    paths = [inputs.named(argument)[1] for argument in arguments]
    apart = output is not None and (cards is None or Path(output).resolve() != Path(cards).resolve())
    folder = None if output is None else Path(output)
    if apart:
        folder = open_folder(str(output), paths, overwrite=overwrite, resume=resume)
    elif cards is not None:
        folder = Path(cards)
    found = [
        corpus for argument, how in arguments.items() for corpus in inputs.corpora([argument], how, talk)
    ]
    make = _taggers(tagger, predictions or [], found, talk)
    with talk.stage("train and test", f"{len(found)} corpora, {tagger}") as progress:
        result = cross_validate(
            found,
            tagger=make,
            pairs=_card_pairs(deck, found) if deck is not None else pairs,
            names=names,
            train=train,
            test=test,
            split=split,
            seed=seed,
            folder=None if folder is None else folder / UNFINISHED,
            progress=progress,
        )
    whole = _whole(result)
    if folder is not None:
        with talk.stage("write", str(folder)), staged(folder) as stage:
            write_json(stage / "crossval.json", whole)
            _write_page(result, stage / "crossval.html")
            if apart:
                manifest.write(
                    stage,
                    crossval,
                    given,
                    [entry for path in paths for entry in manifest.file_entries("corpus", path)],
                    counts={"corpora": len(found), "cells": len(result.cells)},
                    results=whole["cells"],
                    talk=talk,
                )
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    if deck is not None and cards is not None:
        with staged(Path(cards)) as stage:
            joined = attach(deck, result)
            write_cards(joined, stage)
            write_cards_page(joined, stage / "index.html")
        talk.say(f"wrote the figures into the cards of {cards}")
    _show(result, format, whole)


def _halves(option: str, text: str) -> tuple[str, str]:
    from assay.errors import DataError

    left, sign, right = text.partition("=")
    if not sign or not left:
        raise DataError(f"{option} must be of the form A=B; got {text!r}.")
    return left, right


def _pairs(given: Sequence[str]) -> list[tuple[str, str]] | None:
    return [_halves("pair", one) for one in given] or None


def _card_pairs(deck: Cards, corpora: Sequence[Corpus]) -> list[tuple[str, str]]:
    """Return the labels of the cards whose corpora are both given, and those of equal names, which may have no card."""
    from assay.ner.crossval import same_names

    names = {corpus.name for corpus in corpora}
    carded = [
        card.labels for card in deck.cards if {label.partition("/")[0] for label in card.labels} <= names
    ]
    return [*carded, *same_names(corpora)]


def _taggers(
    tagger: str, predictions: Sequence[str], corpora: Sequence[Corpus], talk: Talk
) -> str | Callable[[str], Tagger]:
    """Return the spec of a tagger, or what answers with ready predictions."""
    from assay.errors import DataError
    from assay.ner import read_corpus
    from assay.ner.taggers.ready import Ready

    if tagger != PREDICTIONS:
        return tagger
    files = dict(_halves("predictions", one) for one in predictions)
    names = [corpus.name for corpus in corpora]
    if sorted(files) != sorted(names):
        raise DataError(
            f"predictions must be given once for each of {', '.join(names)}; got {', '.join(files) or 'none'}."
        )
    with talk.stage("predictions", ", ".join(files.values())):
        ready = {name: Ready(read_corpus(path, name=name).documents) for name, path in files.items()}
    return ready.__getitem__


def _whole(result: CrossValidation) -> dict[str, Any]:
    from assay.report.transfer import TITLES

    return {
        "tagger": result.tagger,
        "settings": result.settings,
        "corpora": result.corpora,
        "cells": [cell.row() for cell in result.cells],
        "matrices": [
            {"measure": measure, "name": matrix.name, "labels": matrix.labels, "values": matrix.values}
            for measure in TITLES
            for matrix in result.matrices(measure)
        ],
    }


def _write_page(result: CrossValidation, path: Any) -> None:
    from assay import __version__
    from assay.report import write_page
    from assay.report.transfer import transfer_sections

    settings = {
        name: str(value) if isinstance(value, dict) else value for name, value in result.settings.items()
    }
    write_page(
        path,
        title="Cross validation of labels",
        subtitle=f"{len(result.corpora)} corpora, trained on each and tested on the others",
        sections=transfer_sections(result),
        provenance={"assay": __version__, **result.tagger, **settings},
    )


def _show(result: CrossValidation, format: str, whole: dict[str, Any]) -> None:
    """Print a matrix for each group of labels, all three measures in a cell; of large groups, and as csv, the pairs."""
    from assay.cli import console

    rows = [cell.row() for cell in result.cells]
    if format in ("json", "csv"):
        console.show(rows, format, whole=whole)
        return
    print("rows: trained on; columns: tested on; F1 / over the own model's / of mentions seen in training")
    for group in result.groups():
        pairs = {(row["train"], row["test"]): row for row in rows if row["train"] in group}
        print()
        if len(group) > WIDEST:
            keys = ("train", "test", "f1", "transfer", "seen_f1", "boundary", "type", "missed", "spurious")
            console.show(
                [{name: row[name] for name in keys} for (a, b), row in pairs.items() if a != b], format
            )
            continue
        console.show(
            [
                {"trained on": one} | {other: _cell(pairs.get((one, other))) for other in group}
                for one in group
            ],
            format,
        )


def _cell(row: dict[str, Any] | None) -> str | None:
    if row is None:
        return None
    return " / ".join(
        "-" if row[name] is None else f"{row[name]:.2f}" for name in ("f1", "transfer", "seen_f1")
    )
