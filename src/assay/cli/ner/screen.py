"""`assay ner screen`: where corpora disagree about the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.ner import Card, Thresholds


def screen(
    corpora: Corpora,
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Folder for cards.json, cards.tsv and index.html.", panel=OUTPUT),
    ] = None,
    min_gold: Annotated[
        int,
        flag("--min-gold", help="Entities of a label from which a mention vouches for it.", panel=METHOD),
    ] = 2,
    consistency: Annotated[
        float,
        flag(
            "--consistency",
            help="Share of its occurrences at home that must have the label for a mention to vouch for it.",
            panel=METHOD,
        ),
    ] = 0.7,
    case_guard: Annotated[
        bool,
        flag(
            "--case-guard/--no-case-guard",
            help="Look for capitalised mentions in capitals only.",
            panel=METHOD,
        ),
    ] = True,
    thresholds: Annotated[
        str | None,
        flag(
            "--thresholds",
            help="Such as mentions=30,equal=0.1; also disjoint, same, gap, boundary, inside.",
            panel=METHOD,
        ),
    ] = None,
    seed: Annotated[int, flag("--seed", help="Of the examples and the bootstrap.", panel=METHOD)] = 0,
    top: Annotated[
        int, flag("--top", help="Cards in the table that is printed; 0 is all.", panel=OUTPUT)
    ] = 20,
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
    """Find where the labels of corpora clash: every mention of each, as all others annotate it.

    All corpora against all, all labels against all. Conflicts are ranked; each shows both directions with intervals,
    and in the folder the sentences. Go on with: assay ner review FOLDER.
    """
    given = dict(locals())
    from assay._check import choice, whole
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import open_folder, staged
    from assay.ner import conflicts, write_cards, write_cards_tsv
    from assay.ner import screen as find
    from assay.report import write_cards_page

    choice("format", format, console.FORMATS)
    whole("top", top, 0)
    limits = _thresholds(thresholds)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    paths = [inputs.named(argument)[1] for argument in corpora]
    folder = None if output is None else open_folder(output, paths, overwrite=overwrite, resume=None)
    talk = console.Talk(quiet)
    found = inputs.corpora(corpora, reading, talk)
    documents = sum(len(corpus.documents) for corpus in found)
    with talk.stage("screen", f"{documents:,} documents of {len(found)} corpora") as progress:
        evidence = find(
            found,
            min_gold=min_gold,
            consistency=consistency,
            case_guard=case_guard,
            seed=seed,
            progress=progress,
        )
    with talk.stage("relate", f"{len(evidence.mentions):,} mentions"):
        readings = dict.fromkeys([corpus.name for corpus in found], reading.given())
        cards = conflicts(evidence, thresholds=limits, readings=readings)
    rows = [_row(rank, card) for rank, card in enumerate(cards.cards, 1)]
    if folder is not None:
        with talk.stage("write", str(folder)), staged(folder) as stage:
            write_cards(cards, stage)
            write_cards_tsv(cards, stage / "cards.tsv")
            write_cards_page(cards, stage / "index.html")
            manifest.write(
                stage,
                screen,
                given,
                [entry for path in paths for entry in manifest.file_entries("corpus", path)],
                counts={
                    "corpora": len(found),
                    "documents": documents,
                    "cards": len(rows),
                    "gaps": len(cards.gaps),
                },
                results=rows,
                talk=talk,
            )
        talk.say(
            f"wrote cards.json, cards.tsv, index.html and manifest.json to {folder}. "
            f"Go on with: assay ner review {folder}"
        )
    shown = rows[: top or None]
    console.show(
        shown if format == "table" else rows,
        format,
        columns=("rank", "kind", "labels", "relation", "forward", "back", "affected"),
        whole=cards.model_dump(mode="json"),
    )
    if format == "table" and len(shown) < len(rows):
        talk.say(f"{len(rows) - len(shown)} more; --top 0 prints all")
    if format == "table" and not rows:
        talk.say("no conflict found among mentions that corpora share")


def _row(rank: int, card: Card) -> dict[str, Any]:
    one, two = (
        None if side.share is None else f"{side.share:.2f} ({side.mentions})" for side in card.directions
    )
    relation = f"{card.relation}{'?' if card.likely else ''}"
    return {
        "rank": rank,
        "kind": card.kind,
        "labels": f"{card.labels[0]} {relation} {card.labels[1]}",
        "forward": one,
        "back": two,
        "flags": ", ".join(card.flags) or None,
        "affected": card.affected,
        "score": card.score,
    }


def _thresholds(text: str | None) -> Thresholds:
    """Return thresholds from ``name=value,...``."""
    from dataclasses import fields

    from assay._check import choice
    from assay.errors import DataError
    from assay.ner import Thresholds

    whole = {"mentions": int}
    known = [field.name for field in fields(Thresholds)]
    given: dict[str, Any] = {}
    for part in [] if text is None else text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        choice("thresholds", name, known)
        try:
            given[name] = whole.get(name, float)(value)
        except ValueError:
            raise DataError(
                f"thresholds must give numbers, as in mentions=30,equal=0.1; got {part!r}."
            ) from None
    return Thresholds(**given)
