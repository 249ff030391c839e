"""`assay ner apply`, `propose`, `recover-mapping`: what people decided about labels, and drafts of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.ner.options import From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from assay.cli.console import Talk
    from assay.cli.ner.inputs import Reading
    from assay.ner import Cards, Corpus, Decision, Preview
    from assay.ner.names import Problem

UNDECIDED = "undecided.tsv"
PROPOSED = "decisions.proposed.yaml", "taxonomy.proposed.yaml"


def apply(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folder of cards with decisions.yaml, or PATH or NAME=PATH of corpora; a unified folder to revert.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Folder for the one corpus, or for the restored ones.", panel=OUTPUT),
    ] = None,
    decisions: Annotated[
        str | None,
        flag(
            "--decisions", help="Decision file; by default decisions.yaml in the folder of cards.", panel=DATA
        ),
    ] = None,
    preview: Annotated[
        bool, flag("--preview", help="Show what would change, and stop.", panel=OUTPUT)
    ] = False,
    revert: Annotated[
        bool, flag("--revert", help="Restore the corpora of a unified folder, byte for byte.", panel=OUTPUT)
    ] = False,
    undecided: Annotated[
        str,
        flag(
            "--undecided",
            help="What a split leaves open: error (list it and stop), or keep-raw (leave its raw label).",
            panel=METHOD,
        ),
    ] = "error",
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
    """Make one corpus as it was decided, showing first what changes; or take it back.

    Every document keeps its corpus and file, every entity its raw label and decision. Entities that a split leaves open
    are listed in undecided.tsv beside the decisions: fill in the column name and use the file as a manual rule. Other
    formats: assay ner convert FOLDER --to FORMAT. Exit code 1: entities are left open.
    """
    given = dict(locals())
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import check_apart, open_folder, staged
    from assay.errors import DataError
    from assay.ner import apply as changed
    from assay.ner import preview as show
    from assay.ner import read_decisions
    from assay.ner.apply import write_undecided
    from assay.ner.unified import write_unified

    choice("format", format, console.FORMATS)
    choice("undecided", undecided, ("error", "keep-raw"))
    if output is None and not preview:
        raise DataError("output must be given; got none. Add -o FOLDER, or --preview.")
    if revert:
        _revert(sources, output, decisions, preview, format, overwrite, quiet)
        return
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    cards, path = _project(sources, decisions)
    paths = [c.source for c in cards.corpora] if cards else [inputs.named(each)[1] for each in sources]
    if output is not None:
        if Path(output).resolve() == path.parent.resolve():
            raise DataError(
                f"output must be apart from the decisions; {output} holds them. Name another folder."
            )
        check_apart(Path(output), paths)
    found, readings = _corpora(sources, cards, reading, talk)
    entries = read_decisions(path)
    _check(entries.entries, cards, path, talk)
    named = {label.partition("/")[0] for entry in entries.entries for label in entry.labels}
    if named and named.isdisjoint(corpus.name for corpus in found):
        talk.say(
            f"warning: the decisions are about {', '.join(sorted(named))}, and none of these is given. "
            "Name a corpus as they do: NAME=PATH."
        )
    with talk.stage("compare", f"{len(entries.entries)} decisions, {len(found)} corpora"):
        would = show(found, entries.entries, folder=path.parent)
    _show(would, format, talk)
    open_ones = would.undecided if undecided == "error" else ()
    if open_ones and not preview:
        write_undecided(path.parent / UNDECIDED, open_ones)
        talk.say(f"listed in {path.parent / UNDECIDED}; nothing else was written")
    if preview or open_ones:
        raise typer.Exit(int(bool(open_ones)))
    assert output is not None
    folder = open_folder(output, paths, overwrite=overwrite, resume=None)
    applied = changed(found, entries.entries, folder=path.parent, undecided="keep-raw")
    with talk.stage("write", str(folder)), staged(folder) as stage:
        one = write_unified(found, applied, stage, readings=readings)
        (stage / path.name).write_bytes(path.read_bytes())
        used = [Path(path.parent / name) for entry in entries.entries for name in _files_of(entry)]
        manifest.write(
            stage,
            apply,
            given,
            [
                *(entry for source in paths for entry in manifest.file_entries("corpus", source)),
                *manifest.file_entries("decisions", path),
                *(entry for name in dict.fromkeys(used) for entry in manifest.file_entries("rule", name)),
            ],
            counts={
                "corpora": len(found),
                "documents": len(one.documents),
                "entities": sum(would.before().values()),
                "changed": sum(c.entities for c in would.changes if c.decision),
                "undecided": len(would.undecided),
                "folded": would.folded,
            },
            results={"before": would.before(), "after": would.after()},
            talk=talk,
        )
    talk.say(
        f"wrote {len(one.documents):,} documents of {len(found)} corpora, {len(one.labels)} labels, to {folder}. "
        f"Take it back with: assay ner apply --revert {folder} -o RESTORED"
    )


def _revert(
    sources: list[str],
    output: str | None,
    decisions: str | None,
    preview: bool,
    format: str,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Restore the corpora of a unified folder, each file when it is whole."""
    import tempfile
    from pathlib import Path

    from assay.cli import console
    from assay.cli.output import open_folder
    from assay.errors import DataError
    from assay.ner.unified import restore

    if len(sources) != 1:
        raise DataError(f"revert must be given one unified folder; got {len(sources)}.")
    if decisions is not None or preview or output is None:
        raise DataError("revert must be given an output, and neither decisions nor preview. Add -o FOLDER.")
    talk = console.Talk(quiet)
    folder = open_folder(output, sources, overwrite=overwrite, resume=None)
    with (
        talk.stage("restore", str(folder)),
        tempfile.TemporaryDirectory(prefix=".assay-", dir=folder) as stage,
    ):
        restored = restore(sources[0], stage)
        for path in sorted(Path(stage).rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    rows = [
        {
            "corpus": one.corpus,
            "file": one.file,
            "how": "byte for byte"
            if one.bytes
            else "written anew: edited since"
            if one.documents
            else "left out: deleted since",
            "documents": one.documents,
            "lost": ", ".join(f"{loss.count:,} {loss.kind}" for loss in one.losses) or None,
        }
        for one in restored
    ]
    console.show(rows, format, columns=("corpus", "file", "how", "documents", "lost"))
    edited = sum(not one.bytes for one in restored)
    talk.say(
        f"restored {len(restored) - edited} files byte for byte to {folder}"
        + (f"; {edited} were edited since: what is left is written anew under raw labels" if edited else "")
    )


def _project(sources: list[str], decisions: str | None) -> tuple[Cards | None, Path]:
    """Return the cards, where a folder of them was given, and the place of the decision file."""
    from pathlib import Path

    from assay.cli.ner import inputs
    from assay.errors import DataError
    from assay.ner import read_cards
    from assay.ner.cards import FILE as CARDS
    from assay.ner.decisions import FILE

    cards = None
    if len(sources) == 1 and (Path(sources[0]) / CARDS).is_file():
        cards = read_cards(sources[0])
        decisions = decisions or str(Path(sources[0]) / FILE)
    if decisions is None:
        lost = next((path for path in sources if not Path(inputs.named(path)[1]).exists()), None)
        if lost is not None:
            raise DataError(f"sources must be existing files or folders; there is no {lost}.")
        raise DataError(f"decisions must be given where corpora are; got none. Add --decisions {FILE}.")
    if not Path(decisions).is_file():
        raise DataError(
            f"decisions must be an existing file; there is no {decisions}. Decide with: assay ner review FOLDER"
        )
    return cards, Path(decisions)


def _corpora(
    sources: list[str], cards: Cards | None, reading: Reading, talk: Talk
) -> tuple[list[Corpus], dict[str, dict[str, Any]]]:
    """Return the corpora that the cards name, read as the screen read them, or those of the command line."""
    from pathlib import Path

    from assay.cli.ner import inputs
    from assay.errors import DataError, warn
    from assay.ner import read_corpus

    if cards is None:
        found = inputs.corpora(sources, reading, talk)
        return found, dict.fromkeys([corpus.name for corpus in found], reading.given())
    if reading.given():
        raise DataError(
            f"{next(iter(reading.given()))} must be left out for a folder of cards, which says how to read its corpora."
        )
    found = []
    with talk.stage("read", ", ".join(summary.name for summary in cards.corpora)):
        for summary in cards.corpora:
            if not Path(summary.source).exists():
                raise DataError(
                    f"{summary.name} must be where it was screened; there is no {summary.source}. Run where the screen "
                    "ran, or name the corpora and --decisions."
                )
            corpus = read_corpus(summary.source, name=summary.name, **summary.reading)
            if len(corpus.documents) != summary.documents:
                warn(
                    f"{summary.name} has {len(corpus.documents):,} documents now and had {summary.documents:,} when it "
                    "was screened."
                )
            found.append(corpus)
    return found, {summary.name: summary.reading for summary in cards.corpora}


def _check(entries: Any, cards: Cards | None, path: Path, talk: Talk) -> None:
    """Say all that is wrong with decisions, and stop at errors."""
    from assay.errors import DataError
    from assay.ner import read_taxonomy, validate
    from assay.ner.taxonomy import FILE

    taxonomy = read_taxonomy(path.parent / FILE) if (path.parent / FILE).is_file() else None
    problems = validate(entries, cards, taxonomy=taxonomy, folder=path.parent)
    _say(problems, talk)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f" {len(errors) - 1} more are wrong." if len(errors) > 1 else ""
        raise DataError(f"{path} must be valid; {errors[0].message}{more}")


def _say(problems: list[Problem], talk: Talk) -> None:
    for problem in problems:
        talk.say(f"{problem.severity}: {problem.message}")


def _files_of(entry: Any) -> list[str]:
    return [name for rule in (entry.into or {}).values() if rule != "rest" for name in rule.files]


def _show(would: Preview, format: str, talk: Talk) -> None:
    from assay.cli import console

    rows: list[dict[str, Any]] = [
        {
            "label": f"{change.corpus}/{change.label}",
            "name": change.name,
            "decision": change.decision or None,
            "entities": change.entities,
            "examples": ", ".join(change.examples),
        }
        for change in would.changes
    ]
    whole = {
        "changes": [asdict(change) for change in would.changes],
        "before": would.before(),
        "after": would.after(),
        "undecided": [asdict(one) for one in would.undecided],
        "folded": would.folded,
    }
    decided = [row for row in rows if row["decision"]] if format == "table" else rows
    columns = ("label", "name", "decision", "entities", "examples")
    console.show(decided, format, columns=columns, whole=whole)
    after = would.after()
    talk.say(
        f"{len(would.before())} labels with {sum(after.values()):,} entities become {len(after)}; "
        f"{sum(row['entities'] for row in rows if row['decision']):,} entities are decided"
        + (f"; {would.folded:,} become copies of another and are folded" if would.folded else "")
    )
    for one in would.undecided[:5]:
        where = f"{one.corpus}/{one.label} in {one.document}"
        talk.say(f"undecided: {one.surface} ({where}, {one.decision}): {' or '.join(one.may_be)}")
    if len(would.undecided) > 5:
        talk.say(f"and {len(would.undecided) - 5:,} more are undecided")


def propose(
    folder: Annotated[
        str, typer.Argument(help="Folder of cards, from assay ner screen.", show_default=False)
    ],
    confirm: Annotated[
        str | None,
        flag(
            "--confirm",
            help="Your name: you have read the proposal, and what it decides becomes decided by you.",
            panel=OUTPUT,
        ),
    ] = None,
    review: Annotated[
        bool,
        flag(
            "--review",
            help="Also put what answers a card among the decisions, to be confirmed one by one in the review.",
            panel=OUTPUT,
        ),
    ] = False,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Draft decisions and a taxonomy from the cards: equal labels get one name, subsets become children.

    Writes decisions.proposed.yaml and taxonomy.proposed.yaml into the folder, which change nothing. Read and edit
    them, then take the decisions over with --confirm NAME; labels that are decided already keep their names.
    """
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.errors import DataError
    from assay.ner import propose as draft
    from assay.ner import read_cards, write_decisions, write_taxonomy

    choice("format", format, console.FORMATS)
    cards = read_cards(folder)
    talk = console.Talk(quiet)
    places = [Path(folder) / name for name in PROPOSED]
    if confirm is not None:
        if review:
            raise DataError("confirm must be given without --review, which leaves confirming to the page.")
        _confirm(Path(folder), confirm, cards, format, talk)
        return
    for place in places:
        if place.exists() and not overwrite:
            raise DataError(f"output must be a new file; {place} exists. Use --overwrite to replace it.")
    found = draft(cards)
    write_decisions(places[0], found.decisions)
    write_taxonomy(places[1], found.taxonomy)
    for note in found.notes:
        talk.say(note)
    rows = [
        {"id": entry.id, "action": entry.action, "name": entry.name, "labels": ", ".join(entry.labels)}
        for entry in found.decisions
    ]
    console.show(
        rows,
        format,
        columns=("id", "action", "name", "labels"),
        whole={
            "decisions": [entry.model_dump(mode="json", exclude_none=True) for entry in found.decisions],
            "taxonomy": found.taxonomy.model_dump(mode="json"),
            "notes": found.notes,
        },
    )
    talk.say(
        f"wrote {len(rows)} proposed decisions and {len(found.taxonomy.types)} types to {', '.join(map(str, places))}. "
        f"Read and edit them, then: assay ner propose {folder} --confirm NAME"
    )
    if review:
        count = _for_review(Path(folder), found.decisions, cards)
        talk.say(
            f"added {count} proposals to {folder}, a card each. Confirm them with: assay ner review {folder}"
        )


def _for_review(folder: Path, proposed: Sequence[Decision], cards: Cards) -> int:
    """Add a proposal for every card of equal labels that nobody has answered: to give both the name of their group."""
    from assay.ner import Decision, read_decisions
    from assay.ner.decisions import FILE, edit
    from assay.ner.validate import PROPOSAL

    now = read_decisions(folder / FILE)
    of = {label: entry for entry in proposed for label in entry.labels}
    names = _given(now.entries)
    new = []
    for card in cards.cards:
        one, two = card.labels
        answered = now.of_card(card.id) or any(set(card.labels) <= set(entry.labels) for entry in now.entries)
        if card.relation != "equal" or answered or one not in of or of[one] is not of.get(two):
            continue
        decided = {names[label] for label in card.labels if label in names}
        if decided <= {of[one].name}:
            new.append(
                Decision(
                    labels=card.labels,
                    action="same",
                    name=of[one].name,
                    author=PROPOSAL,
                    reason=f"equal: {' and '.join(f'{side.share or 0:.2f}' for side in card.directions)}",
                    card=card.id,
                )
            )
    edit(folder / FILE, add=new, revision=now.revision)
    return len(new)


def _given(entries: Sequence[Decision]) -> dict[str, str | None]:
    """Return the name that each decided label has, None where it is split."""
    return {label: entry.name for entry in entries if entry.action != "ignore" for label in entry.labels}


def _confirm(folder: Path, name: str, cards: Cards, format: str, talk: Talk) -> None:
    """Add the proposed decisions, as they are in the file by now, to those of a person."""
    import datetime

    from assay.cli import console
    from assay.errors import DataError
    from assay.ner import read_decisions, validate
    from assay.ner.decisions import FILE, edit
    from assay.ner.validate import PROPOSAL

    if not name.strip() or name == PROPOSAL:
        raise DataError(f"confirm must be the name of a person; got {name!r}.")
    proposed = read_decisions(folder / PROPOSED[0])
    if not proposed.entries:
        raise DataError(
            f"confirm must come after a proposal; {folder / PROPOSED[0]} has none. Propose first."
        )
    now = read_decisions(folder / FILE)
    waiting = [entry.id for entry in now.entries if entry.author == PROPOSAL]
    given = _given([entry for entry in now.entries if entry.author != PROPOSAL])
    new = []
    for entry in proposed.entries:
        names = {given[label] for label in entry.labels if label in given}
        if len(names) > 1 or None in names or set(entry.labels) <= given.keys():
            continue  # a person has said otherwise, or all of it
        made = {
            "id": "",
            "author": name,
            "date": datetime.date.today(),
            "name": next(iter(names), entry.name),
        }
        new.append(entry.model_copy(update=made))
    after = edit(folder / FILE, add=new, remove=waiting, revision=now.revision)
    _say(validate(after.entries, cards, folder=folder), talk)
    before = {entry.id for entry in now.entries}
    rows = [
        {"id": entry.id, "action": entry.action, "name": entry.name, "labels": ", ".join(entry.labels)}
        for entry in after.entries
        if entry.id not in before
    ]
    console.show(rows, format, columns=("id", "action", "name", "labels"))
    left = len(proposed.entries) - len(new)
    talk.say(
        f"{len(new)} decisions of {name} added to {folder / FILE}"
        + (f"; {left} left out, whose labels are decided already" if left else "")
    )


def recover_mapping(
    raw: Annotated[
        str, typer.Argument(help="Corpus with raw labels, or a tree of such.", show_default=False)
    ],
    standard: Annotated[
        str,
        typer.Argument(help="The same with standard names, or a tree of the same shape.", show_default=False),
    ],
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Decision file to write, such as decisions.yaml.", panel=OUTPUT),
    ] = None,
    min_share: Annotated[
        float,
        flag(
            "--min-share",
            help="Share of a label's entities that one name must have to be decided (0.5 to 1).",
            panel=METHOD,
        ),
    ] = 1.0,
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
    """Find which label became which name from two versions of corpora that differ in nothing else.

    Documents are aligned by text, entities by bounds. Exit code 1: a label came to several names, or documents or
    corpora have no counterpart.
    """
    from pathlib import Path

    from assay._check import choice
    from assay.cli import console
    from assay.cli.ner import inputs
    from assay.errors import DataError
    from assay.ner import write_decisions
    from assay.ner.recover import recover, recovered_decisions

    choice("format", format, console.FORMATS)
    if output is not None:
        if Path(output).suffix not in (".yaml", ".yml"):
            raise DataError(f"output must be a file that ends in .yaml; got {output}.")
        if Path(output).exists() and not overwrite:
            raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    pairs, alone = _versions(raw, standard)
    for path in alone:
        talk.say(f"{path} has no counterpart")
    both = [inputs.corpora([path for path, _ in pairs], reading, talk)]
    both.append(inputs.corpora([path for _, path in pairs], reading, talk))
    recoveries = [recover(one, two) for one, two in zip(*both, strict=True)]
    decisions = recovered_decisions(recoveries, min_share=min_share)
    if output is not None:
        write_decisions(output, decisions)
    rows = [asdict(row) for found in recoveries for row in found.renamed]
    conflicts = [label for found in recoveries for label in found.conflicts]
    left = sum(len(ids) for found in recoveries for ids in found.unaligned)
    columns = ("corpus", "label", "name", "entities", "share")
    whole = {
        "renamed": rows,
        "conflicts": conflicts,
        "unaligned": {
            found.renamed[0].corpus if found.renamed else str(number): found.unaligned
            for number, found in enumerate(recoveries)
        },
        "only_raw": sum(found.only_raw for found in recoveries),
        "only_standard": sum(found.only_standard for found in recoveries),
        "without_counterpart": alone,
    }
    console.show(rows, format, columns=columns, whole=whole)
    for label in conflicts:
        talk.say(f"{label} came to several names")
    talk.say(
        f"{sum(found.documents for found in recoveries):,} documents aligned, {left:,} not; "
        f"{whole['only_raw']:,} entities only in the raw version, {whole['only_standard']:,} only in the other; "
        f"{len(decisions)} decisions" + (f" written to {output}" if output else "")
    )
    raise typer.Exit(int(bool(conflicts or left or alone)))


def _versions(raw: str, standard: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the corpora of two trees that have the same place in each, and those that stand in one only."""
    from pathlib import Path

    from assay.errors import DataError
    from assay.ner.read import corpora

    sides = [
        {"." if path == root else str(Path(path).relative_to(root)): path for path in corpora(root)}
        for root in (raw, standard)
    ]
    if all(len(side) == 1 for side in sides):
        return [(next(iter(sides[0].values())), next(iter(sides[1].values())))], []
    both = [name for name in sides[0] if name in sides[1]]
    if not both:
        raise DataError(
            f"standard must hold corpora at the places where raw has them; {standard} has none of {raw}'s."
        )
    alone = [side[name] for side in sides for name in side if name not in both]
    return [(sides[0][name], sides[1][name]) for name in both], alone
