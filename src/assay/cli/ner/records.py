"""`assay ner check`, `assay ner convert` and `assay ner stats`: corpora as they are."""

from __future__ import annotations

from typing import Annotated

import typer

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import METHOD, OUTPUT, flag


def check(
    corpora: Corpora,
    rare: Annotated[
        float, flag("--rare", help="Share of all entities up to which a label is rare.", panel=METHOD)
    ] = 0.001,
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    format: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Report entities outside their text or with other words, doubtful labels, and texts that are annotated twice.

    Exit code 0: nothing found; 1: findings; 2: the corpus cannot be read.
    """
    from assay._check import between, choice
    from assay.cli import console
    from assay.cli.ner import inputs
    from assay.ner import Finding
    from assay.ner import check as find
    from assay.ner.check import summary

    choice("format", format, console.FORMATS)
    between("rare", rare, 0, 1)
    talk = console.Talk(quiet)
    findings: list[Finding] = []
    found = inputs.corpora(
        corpora,
        inputs.Reading(shape, language, scheme, tag_column, repair, offsets),
        talk,
        on_bad=lambda kind, origin, message: findings.append(Finding(kind, origin, message)),
    )
    for corpus in found:
        findings += find(corpus, rare=rare)
    rows = [
        {
            "kind": f.kind,
            "severity": f.severity,
            "where": f.where,
            "what": f.message,
            "related": f.related or None,
        }
        for f in findings
    ]
    counts = summary(findings)
    columns = ("kind", "severity", "where", "what", "related")
    console.show(rows, format, columns=columns, whole={"findings": rows, "summary": counts})
    talk.say("found " + (", ".join(f"{n:,} {kind}" for kind, n in counts.items()) or "nothing"))
    raise typer.Exit(int(bool(findings)))


def convert(
    corpus: Annotated[
        str, typer.Argument(help="A file, or a folder whose files are the splits.", show_default=False)
    ],
    output: Annotated[
        str,
        flag(
            "--output",
            "-o",
            help="File, where it ends as files of the format do; else a folder, a file a split.",
            panel=OUTPUT,
        ),
    ],
    to: Annotated[str, flag("--to", help="Format to write.", panel=OUTPUT, metavar="FORMAT")],
    flatten: Annotated[
        str,
        flag(
            "--flatten",
            help="Of entities that share characters, where the format cannot hold them: outer, inner, or error.",
            panel=OUTPUT,
        ),
    ] = "error",
    to_scheme: Annotated[
        str,
        flag("--to-scheme", help="Of the tags written: IOB1, IOB2, BIOES, BMES or BILOU.", panel=OUTPUT),
    ] = "IOB2",
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
    """Write a corpus in another format, and report what that format could not hold."""
    from dataclasses import asdict
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.cli.ner import inputs
    from assay.cli.output import check_apart
    from assay.errors import DataError
    from assay.ner import write_corpus
    from assay.ner.formats.tags import SCHEMES
    from assay.ner.write import check_target

    choice("format", format, console.FORMATS)
    choice("to_scheme", to_scheme, SCHEMES)
    check_target(Path(output), format=to, flatten=flatten, overwrite=overwrite)
    check_apart(Path(output), [inputs.named(corpus)[1]])
    talk = console.Talk(quiet)
    found, *more = inputs.corpora(
        [corpus], inputs.Reading(shape, language, scheme, tag_column, repair, offsets), talk
    )
    if more:
        names = ", ".join(one.name for one in (found, *more))
        raise DataError(
            f"corpus must be one; {corpus} holds {1 + len(more)}: {names}. Convert one at a time."
        )
    losses = write_corpus(found, output, format=to, flatten=flatten, scheme=to_scheme, overwrite=overwrite)
    rows = [asdict(loss) | {"what": loss.summary} for loss in losses]
    console.show(rows, format, columns=("kind", "count", "first", "what"), title=f"not in {output}:")
    lost = ", ".join(f"{loss.count:,} {loss.kind}" for loss in losses)
    talk.say(
        f"wrote {len(found.documents):,} documents as {to} to {output}; "
        f"{f'not held: {lost}' if lost else 'nothing is lost'}"
    )


BY = ("label", "split", "mention")


def stats(
    corpora: Corpora,
    by: Annotated[
        str,
        flag("--by", help="A row a label, a split or a mention (ten a label); json has all.", panel=OUTPUT),
    ] = "label",
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    format: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Count documents, entities, labels and mentions of corpora, and what is nested."""
    from dataclasses import asdict

    from assay._check import choice
    from assay.cli import console
    from assay.cli.ner import inputs
    from assay.ner import stats as count

    choice("by", by, BY)
    choice("format", format, console.FORMATS)
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    found = count(inputs.corpora(corpora, reading, talk))
    labels = [asdict(row) for row in found.labels]
    common = [row.pop("common") for row in labels]
    rows = {
        "label": labels,
        "split": [asdict(row) for row in found.splits],
        "mention": [
            {"corpus": row["corpus"], "label": row["label"], "mention": mention, "entities": number}
            for row, mentions in zip(labels, common, strict=True)
            for mention, number in mentions
        ],
    }
    totals = {"unique_labels": found.unique_labels, "summed_labels": found.summed_labels}
    console.show(rows[by], format, whole=totals | {f"{name}s": part for name, part in rows.items()})
    if format == "table":
        print(
            f"\n{totals['unique_labels']:,} label names, {totals['summed_labels']:,} summed over {len(corpora)} corpora"
        )
