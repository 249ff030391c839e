"""`assay ner map`: what the labels of a new corpus should come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.ner.mapping import LabelProposal


def map(
    corpora: Corpora,
    output: Annotated[
        str | None,
        flag("--output", "-o", help="Decision file to write, such as decisions.yaml.", panel=OUTPUT),
    ] = None,
    reference: Annotated[
        list[str] | None,
        flag(
            "--reference",
            help="NAME=PATH of a corpus that the catalogue has as NAME: its mentions have known types. Repeatable.",
            panel=DATA,
        ),
    ] = None,
    definitions: Annotated[
        str | None,
        flag("--definitions", help="YAML or JSON file, label to what it means.", panel=DATA),
    ] = None,
    taxonomy: Annotated[
        str | None,
        flag("--taxonomy", help="Taxonomy file; by default the universal one.", panel=DATA),
    ] = None,
    encoder: Annotated[
        str,
        flag(
            "--encoder",
            help="none, or as in assay embed: sentence, hf:<path or id>, st:<path or id>, openai:<model>.",
            panel=METHOD,
        ),
    ] = "sentence",
    min_confidence: Annotated[
        float,
        flag("--min-confidence", help="Proposals below are printed, not written (0 to 1).", panel=METHOD),
    ] = 0.0,
    top: Annotated[int, flag("--top", help="Candidates of a label that are kept.", panel=OUTPUT)] = 5,
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
    """Propose a type of the taxonomy for every label of corpora that nobody has mapped.

    By names, what known corpora mean by the same label, meaning, and mentions. The decisions that are written are
    proposals: read them, put your name in place of proposal, then assay ner apply CORPUS... --decisions FILE.
    """
    from dataclasses import asdict
    from pathlib import Path

    from assay._check import between, choice, whole
    from assay.cli import console
    from assay.cli.ner import inputs
    from assay.errors import DataError
    from assay.ner import read_taxonomy, write_decisions
    from assay.ner.mapping import propose_mapping, proposed_decisions

    choice("format", format, console.FORMATS)
    between("min_confidence", min_confidence, 0.0, 1.0)
    whole("top", top, 1)
    if output is not None:
        if Path(output).suffix not in (".yaml", ".yml"):
            raise DataError(f"output must be a file that ends in .yaml; got {output}.")
        if Path(output).exists() and not overwrite:
            raise DataError(f"output must be a new file; {output} exists. Use --overwrite to replace it.")
    meanings = None if definitions is None else _definitions(definitions)
    types = None if taxonomy is None else read_taxonomy(taxonomy)
    talk = console.Talk(quiet)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    found = inputs.corpora(corpora, reading, talk)
    known = inputs.corpora(reference, inputs.Reading(), talk) if reference else []
    with talk.stage("map", f"{sum(len(corpus.labels) for corpus in found)} labels of {len(found)} corpora"):
        proposals = propose_mapping(
            found,
            taxonomy=types,
            references=known,
            definitions=meanings,
            encoder=None if encoder == "none" else encoder,
            top=top,
        )
        decisions = proposed_decisions(proposals, min_confidence=min_confidence)
    if output is not None:
        write_decisions(output, decisions)
    rows = [_row(each) for each in proposals]
    whole_rows = [asdict(each) | row for row, each in zip(rows, proposals, strict=True)]
    console.show(
        rows, format, columns=("label", "type", "name", "confidence", "why", "next"), whole=whole_rows
    )
    unsure = sum(each.confidence < 0.5 for each in proposals)
    talk.say(
        f"{len(proposals)} labels, {unsure} with confidence below .5"
        + (f"; wrote {len(decisions)} proposed decisions to {output}" if output else "")
    )


def _row(proposal: LabelProposal) -> dict[str, Any]:
    first, *rest = proposal.candidates
    chinese = proposal.language.startswith("zh")
    return {
        "label": f"{proposal.corpus}/{proposal.label}",
        "type": first.type,
        "name": proposal.name,
        "confidence": proposal.confidence,
        "why": f"{first.why} ({proposal.note})" if proposal.note else first.why,
        "next": ", ".join(each.zh if chinese else each.en for each in rest[:2]) or None,
    }


def _definitions(path: str) -> dict[str, str]:
    from assay._files import read_yaml
    from assay.errors import DataError

    found = read_yaml(path)
    if not isinstance(found, dict):
        raise DataError(f"{path} must be a mapping from labels to what they mean.")
    wrong = next((label for label, text in found.items() if not isinstance(text, str)), None)
    if wrong is not None:
        raise DataError(f"{path}: {wrong} must be a text; got {found[wrong]!r}.")
    return {str(label): text for label, text in found.items()}
