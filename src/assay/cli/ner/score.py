"""`assay ner score`: predictions against gold, by set and language, as papers publish it and as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.ner.options import From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.ner import Corpus
    from assay.ner.evaluate import SetScore
    from assay.ner.predictions import Saved

BY = ("set", "label")


def score(
    gold: Annotated[
        str,
        typer.Argument(
            help="Corpus, or a folder of corpora such as ROOT/<set>/test.json; or a file of B2NER's predictions, "
            "which has the right answers itself.",
            show_default=False,
        ),
    ],
    predicted: Annotated[
        list[str] | None,
        typer.Argument(
            help="PATH or NAME=PATH, one or more to compare: a corpus in any format, a folder that assay ner predict "
            "wrote, or JSON Lines with id or text, and answer.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        flag("--model", help="Predict with it first, into -o; see: assay ner predict --help", panel=METHOD),
    ] = None,
    output: Annotated[
        str | None, flag("--output", "-o", help="With --model: folder of its predictions.", panel=OUTPUT)
    ] = None,
    prompting: Annotated[
        str, flag("--prompting", help="With --model: plain, chat or auto.", panel=METHOD)
    ] = "auto",
    base_url: Annotated[
        str | None, flag("--base-url", help="With --model openai:NAME: address of the server.", panel=METHOD)
    ] = None,
    batch_size: Annotated[
        int, flag("--batch-size", help="With --model: prompts at a time.", panel=METHOD)
    ] = 8,
    compat: Annotated[
        str | None,
        flag("--compat", help="b2ner: compare answers as strings, as its program does.", panel=METHOD),
    ] = None,
    gpt: Annotated[
        bool, flag("--gpt", help="Answers are those of GPT models, which list: A: B, C.", panel=METHOD)
    ] = False,
    ignore_labels: Annotated[
        str | None,
        flag("--ignore-labels", help="Comma-separated; dropped from gold and predictions.", panel=METHOD),
    ] = None,
    train: Annotated[
        list[str] | None,
        flag("--train", help="Corpora that the model was trained on: seen and unseen labels.", panel=DATA),
    ] = None,
    names: Annotated[
        str | None,
        flag(
            "--names",
            help="Of labels that were unified: raw, standard or both; by default both where there are two.",
            panel=METHOD,
        ),
    ] = None,
    predicted_names: Annotated[
        str | None,
        flag("--predicted-names", help="raw or standard; by default told from the labels.", panel=METHOD),
    ] = None,
    split: Annotated[
        str | None,
        flag("--split", help="Split to score, or all; by default test where there is one.", panel=DATA),
    ] = None,
    by: Annotated[str, flag("--by", help="A row a set or a label; json has both.", panel=OUTPUT)] = "set",
    published: Annotated[
        bool, flag("--published", help="Published averages beside, each with its source.", panel=OUTPUT)
    ] = False,
    min_f1: Annotated[
        float | None,
        flag(
            "--min-f1", help="Exit with 1 where an average, else a set, is below it (0 to 1).", panel=METHOD
        ),
    ] = None,
    resamples: Annotated[
        int, flag("--resamples", help="Draws of documents behind the intervals; 0 for none.", panel=METHOD)
    ] = 1000,
    confidence: Annotated[
        float, flag("--confidence", help="Share of the draws inside an interval.", panel=METHOD)
    ] = 0.95,
    seed: Annotated[int, flag("--seed", help="Of the draws.", panel=METHOD)] = 0,
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
    """Score predicted entities, or generated answers, against gold.

    Strict: an entity is right where place and label are; a mention that its text lacks is a wrong one. Averages are
    means over the sets of a language, each once. Faults of every prediction are counted below.
    """
    from dataclasses import asdict

    from assay import _check
    from assay._check import between, choice
    from assay.cli import console
    from assay.cli.ner import inputs, predict
    from assay.errors import DataError
    from assay.ner.evaluate import COMPAT, averages, evaluate
    from assay.ner.naming import NAMINGS

    choice("format", format, console.FORMATS)
    choice("by", by, BY)
    if compat is not None:
        choice("compat", compat, COMPAT)
        for option, value in (("--train", train), ("--by label", by == "label")):
            if value:
                raise DataError(
                    f"{option} must be left out with --compat, which compares answers, not labels."
                )
    if names is not None:
        choice("names", names, (*NAMINGS, "both"))
    if predicted_names is not None:
        choice("predicted_names", predicted_names, NAMINGS)
    between("confidence", confidence, 0, 1)
    _check.whole("resamples", resamples, 0)
    _check.whole("seed", seed, 0)
    if min_f1 is not None:
        between("min_f1", min_f1, 0, 1)
    talk = console.Talk(quiet)
    ignored = [label.strip() for label in (ignore_labels or "").split(",") if label.strip()]
    drawn: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": seed}
    scores: dict[str, list[SetScore]] = {}
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    if model is None and output is not None:
        raise DataError(
            f"output must be left out without --model, whose predictions it is for; got {output}."
        )
    if model is not None:
        if output is None or predicted:
            raise DataError(
                "model needs an output folder (-o) for its predictions, and no predictions beside it."
            )
        options_given = {
            "corpora": [gold], "model": model, "output": output, "split": split, "prompting": prompting,
            "base_url": base_url, "batch_size": batch_size, "overwrite": overwrite, "resume": resume,
        }  # fmt: skip
        read_as = asdict(reading)
        read_as["shape"] = read_as.pop("format")
        predict.made(predict.defaults() | options_given | read_as, reading, talk)
        predicted = [output]
    if not predicted:
        scores[""] = _answers_alone(gold, compat, ignored, gpt, drawn, talk)
    else:
        sets, _ = inputs.sets([gold], reading, split, talk)
        trained = None if not train else inputs.corpora(train, inputs.Reading(), talk)
        given = _saved(predicted, talk)
        pairs = {name: _paired(sets, saved, talk) for name, saved in given.items()}
        _check_ignored(ignored, sets, given)
        for name, mine in pairs.items():
            with talk.stage("score", name or gold):
                scores[name] = []
                for corpus, saved in mine:
                    got = saved.of(corpus, gpt=gpt)
                    if got.left_over:
                        talk.say(
                            f"{corpus.name}: {got.left_over:,} predictions of other documents are not scored"
                        )
                    scores[name] += evaluate(
                        corpus, got, compat=compat, names=names, predicted_names=predicted_names,
                        ignore_labels=ignored, trained=trained, gpt=gpt, **drawn,
                    )  # fmt: skip
    rows = [_row(name, one) for name, mine in scores.items() for one in mine]
    means = [(name, mean) for name, mine in scores.items() for mean in averages(mine)]
    blank = dict.fromkeys(rows[0])
    for name, mean in means:
        rows.append(
            {
                **blank,
                "predictions": name or None,
                "set": f"average of {len(mean.sets)}",
                "language": mean.language,
            }
            | {"names": mean.names or None, "f1": mean.f1, "best_f1": mean.best_f1}
        )
    if not any(one.undecidable for mine in scores.values() for one in mine):
        for row in rows:
            row["best_f1"] = None
    labels = [row for name, mine in scores.items() for one in mine for row in _label_rows(name, one)]
    faults = [_fault_row(name, one) for name, mine in scores.items() for one in _once(mine)]
    whole = _whole(scores, rows, labels, faults, published)
    console.show(_narrow(rows if by == "set" else labels), format, whole=whole)
    if format in ("table", "md"):
        print()
        console.show(_narrow(faults), format, title="faults of predictions:")
        if published:
            print()
            console.show(whole["published"], format, title="published averages, in per cent:")
            print(f"\n{whole['published_note']}")
    _say(scores, compat, talk)
    below = [mean.f1 for _, mean in means] or [one.f1 for mine in scores.values() for one in mine]
    raise typer.Exit(int(min_f1 is not None and min(below) < min_f1))


def _answers_alone(
    path: str, compat: str | None, ignored: Sequence[str], gpt: bool, drawn: dict[str, Any], talk: Any
) -> list[SetScore]:
    """Return the scores of a file of predictions that has the right answers."""
    from pathlib import Path

    from assay.errors import DataError
    from assay.ner.evaluate import evaluate_answers
    from assay.ner.predictions import is_answers, read_answers
    from assay.ner.read import head

    if not Path(path).is_file() or not is_answers(head(Path(path)).row):
        raise DataError(f"predicted must be given for {path}, which holds no predictions itself.")
    if compat != "b2ner":
        raise DataError(
            f"compat must be b2ner for {path} alone, whose right answers have no places; got {compat}. "
            "Add --compat b2ner, or give the gold corpus first."
        )
    with talk.stage("score", path):
        return evaluate_answers(read_answers(path), ignore_labels=ignored, gpt=gpt, **drawn)


def _saved(arguments: Sequence[str], talk: Any) -> dict[str, list[Saved]]:
    """Return predictions by the name of their argument, which is "" for a single one."""
    from assay.cli.ner import inputs
    from assay.errors import DataError
    from assay.ner.predictions import read_predictions

    found: dict[str, list[Saved]] = {}
    with talk.stage("predictions", ", ".join(arguments)):
        for argument in arguments:
            name, path = inputs.named(argument)
            name = name or ("" if len(arguments) == 1 else path)
            if name in found:
                raise DataError(
                    f"predicted must have different names; got {name!r} twice. Name one: NAME=PATH."
                )
            found[name] = read_predictions(path)
    return found


def _paired(sets: Sequence[Corpus], saved: Sequence[Saved], talk: Any) -> list[tuple[Corpus, Saved]]:
    """Return each gold corpus with its predictions: by name, or the only ones that there are."""
    from assay.errors import DataError

    if len(sets) == len(saved) == 1:
        return [(sets[0], saved[0])]
    named = {one.name: one for one in saved}
    lacking = [corpus.name for corpus in sets if corpus.name not in named]
    if lacking:
        raise DataError(
            f"predicted must hold every set of gold; {', '.join(lacking)} of {len(sets)} lack, there are: "
            f"{', '.join(sorted(named))}."
        )
    others = sorted(named.keys() - {corpus.name for corpus in sets})
    if others:
        talk.say(f"not scored, without gold: {', '.join(others)}")
    return [(corpus, named[corpus.name]) for corpus in sets]


def _check_ignored(ignored: Sequence[str], sets: Sequence[Corpus], given: dict[str, list[Saved]]) -> None:
    """Raise where a label to ignore is none of gold or predictions under any name."""
    from assay._check import choice
    from assay.ner.naming import named
    from assay.ner.predictions import labels_of

    known = {label for corpus in sets for label in (*labels_of(corpus), *labels_of(named(corpus, "raw")))}
    known |= {
        entity.label
        for saved in given.values()
        for one in saved
        for document in one.documents
        for entity in document.entities
    }
    for label in ignored:
        choice("ignore_labels", label, sorted(known))


def _row(name: str, one: SetScore) -> dict[str, Any]:
    strict, full = one.counts.strict, one.full
    low, high = one.interval or (None, None)
    row: dict[str, Any] = {
        "predictions": name or None,
        "set": one.name,
        "language": one.language or None,
        "names": one.names or None,
        "documents": one.documents,
        "gold": one.counts.gold,
        "predicted": one.counts.predicted,
        "correct": one.counts.correct,
        "precision": strict.precision,
        "recall": strict.recall,
        "f1": strict.f1,
        "best_f1": one.best_f1,
        "low": low,
        "high": high,
    }
    for key, value in (
        ("macro_f1", full and full.macro_f1),
        ("exact_f1", full and full.exact.f1),
        ("type_f1", full and full.counts.type.f1),
        ("partial_f1", full and full.partial.f1),
        ("seen_f1", full and full.seen and full.seen.strict.f1),
        ("unseen_f1", full and full.unseen and full.unseen.strict.f1),
    ):
        row[key] = value
    return row


def _label_rows(name: str, one: SetScore) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [
        {"predictions": name or None, "set": one.name, "names": one.names or None, "label": label}
        | asdict(counts)
        | {"missed": counts.missed, "spurious": counts.spurious}
        | asdict(counts.strict)
        for label, counts in (one.full.labels.items() if one.full else ())
    ]


def _once(scores: Sequence[SetScore]) -> list[SetScore]:
    """Return one score of each set: faults are those of predictions, whatever the names."""
    return list({(one.name, one.language): one for one in scores}.values())


def _fault_row(name: str, one: SetScore) -> dict[str, Any]:
    return {
        "predictions": name or None, "set": one.name, "items": one.audit.items, "documents": one.audit.documents,
        "faulty": one.audit.faulty, **one.audit.counts,
    }  # fmt: skip


def _narrow(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the columns that are empty in every row."""
    full = [key for key in rows[0] if any(row[key] is not None for row in rows)] if rows else []
    return [{key: row[key] for key in full} for row in rows]


def _whole(
    scores: dict[str, list[SetScore]],
    rows: list[dict[str, Any]],
    labels: list[dict[str, Any]],
    faults: list[dict[str, Any]],
    published: bool,
) -> dict[str, Any]:
    from dataclasses import asdict

    from assay.ner.audit import FAULTS
    from assay.ner.published import NOTE, PUBLISHED

    every = [
        {"predictions": name or None, "set": one.name, **asdict(fault)}
        for name, mine in scores.items()
        for one in _once(mine)
        for fault in one.audit.faults
    ]
    more = [
        {
            "predictions": name or None, "set": one.name, "names": one.names or None,
            "predicted_in": one.predicted_in or None, "compat": one.compat or None,
            "errors": one.full and one.full.counts.errors, "undecidable": one.undecidable,
            "ignored": {label: list(pair) for label, pair in one.ignored.items()},
            "unlocated": one.full and one.full.unlocated,
        }
        for name, mine in scores.items()
        for one in mine
    ]  # fmt: skip
    whole = {
        "scores": rows, "labels": labels, "details": more, "faults": faults, "every_fault": every,
        "fault_kinds": dict(FAULTS),
    }  # fmt: skip
    if published:
        whole |= {"published": [asdict(row) for row in PUBLISHED], "published_note": NOTE}
    return whole


def _say(scores: dict[str, list[SetScore]], compat: str | None, talk: Any) -> None:
    """Tell what a number alone does not: what was ignored, which names were used, what nothing decides."""
    for mine in scores.values():
        for one in mine:
            named = f"{one.name}, {one.names} names" if one.names else one.name
            for label, (right, given) in one.ignored.items():
                talk.say(f"{named}: ignored {label}: {right:,} of gold, {given:,} predicted")
            if one.names and one.names != one.predicted_in:
                talk.say(f"{named}: predictions use {one.predicted_in} names")
            for label, count in one.undecidable.items():
                talk.say(
                    f"{named}: {count:,} predicted {label} could have several names: wrong in f1, not in best_f1"
                )
    if compat is not None:
        talk.say("compared as strings, as B2NER's program does: for published numbers only")
