"""`assay ner export`: corpora as models are trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.ner.options import Corpora, From, Language, Offsets, Repair, Scheme, TagColumn
from assay.cli.options import METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from assay.cli.console import Talk

MODES = {"auto": None, "training": True, "inference": False}


def export(
    corpora: Corpora,
    output: Annotated[str, flag("--output", "-o", help="Folder to write to.", panel=OUTPUT)],
    to: Annotated[
        str,
        flag("--to", help="Comma-separated: b2ner, messages, prompt, gliner, hub.", panel=OUTPUT),
    ] = "prompt",
    labels: Annotated[
        str,
        flag(
            "--labels",
            help="What a document is asked for: the labels of its corpus, all of its language, or those that its "
            "record lists (document).",
            panel=METHOD,
        ),
    ] = "corpus",
    mode: Annotated[
        str,
        flag(
            "--mode",
            help="training, inference, or auto: training for the split train, inference for others.",
            panel=METHOD,
        ),
    ] = "auto",
    max_labels: Annotated[
        int, flag("--max-labels", help="In training, labels that a prompt asks for at most.", panel=METHOD)
    ] = 18,
    label_dropout: Annotated[
        float,
        flag("--label-dropout", help="In training, probability that a label is not asked for.", panel=METHOD),
    ] = 0.1,
    shuffle: Annotated[
        bool, flag("--shuffle/--no-shuffle", help="In training, labels in random order.", panel=METHOD)
    ] = True,
    descriptions: Annotated[
        str | None,
        flag(
            "--descriptions",
            help="Say what labels mean: universal (by the taxonomy), or a YAML or JSON file of label: text.",
            panel=METHOD,
        ),
    ] = None,
    examples: Annotated[
        int,
        flag(
            "--examples",
            help="Answered examples in a prompt at most, from the split train of its corpus.",
            panel=METHOD,
        ),
    ] = 0,
    max_chars: Annotated[
        int | None,
        flag(
            "--max-chars",
            help="Characters of a prompt, in training with its answer, at most; nothing is cut.",
            panel=METHOD,
        ),
    ] = None,
    on_long: Annotated[
        str, flag("--on-long", help="error: stop at a longer one; skip: leave out and list.", panel=METHOD)
    ] = "error",
    seed: Annotated[int, flag("--seed", help="Of labels and examples.", panel=METHOD)] = 0,
    shape: From = None,
    language: Language = None,
    scheme: Scheme = None,
    tag_column: TagColumn = None,
    repair: Repair = "begin",
    offsets: Offsets = None,
    push: Annotated[
        str | None, flag("--push", help="Upload the hub data set to org/name; needs --to hub.", panel=OUTPUT)
    ] = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write corpora as instructions: B2NER's own prompts and files, conversations, GLiNER's rows, a hub data set.

    A folder a target. Train on the prompts with: assay train OUT/prompt/train.jsonl --chat-template
    OUT/prompt/chat_template.jinja --model MODEL -o MODEL-OUT
    """
    given = dict(locals())
    from assay._check import choice
    from assay.cli import console, manifest
    from assay.cli.ner import inputs
    from assay.cli.output import files_of, open_folder, staged
    from assay.data import hub
    from assay.errors import DataError
    from assay.ner.export import TITLE
    from assay.ner.export import export as write

    choice("format", format, console.FORMATS)
    choice("mode", mode, MODES)
    targets = [name.strip() for name in to.split(",")]
    if push is not None:
        if "hub" not in targets:
            raise DataError(f"to must hold hub for a push; got {to}. Add it: --to {to},hub")
        hub.token_for(push)
    meanings, files = _descriptions(descriptions)
    reading = inputs.Reading(shape, language, scheme, tag_column, repair, offsets)
    paths = [inputs.named(argument)[1] for argument in corpora]
    folder = open_folder(output, [*paths, *files], overwrite=overwrite, resume=None)
    talk = console.Talk(quiet)
    found = inputs.corpora(corpora, reading, talk)
    documents = sum(len(corpus.documents) for corpus in found)
    skipped: list[tuple[str, str]] = []
    with (
        talk.stage("export", f"{documents:,} documents of {len(found)} corpora") as progress,
        staged(folder) as stage,
    ):
        counts = write(
            found, stage, to=targets, labels=labels, training=MODES[mode], max_labels=max_labels,
            label_dropout=label_dropout, shuffle=shuffle, descriptions=meanings, examples=examples,
            max_chars=max_chars, on_long=on_long, skipped=skipped, seed=seed,
            title=TITLE if push is None else push.split("/")[-1], progress=progress,
        )  # fmt: skip
        manifest.write(
            stage,
            export,
            given,
            [
                *(entry for path in paths for entry in manifest.file_entries("corpus", path)),
                *(entry for path in files for entry in manifest.file_entries("descriptions", path)),
            ],
            counts=counts,
            results={"skipped": [list(pair) for pair in skipped]},
            talk=talk,
        )
    for name, reason in skipped[:10]:
        talk.say(f"skipped {name}: {reason}")
    if len(skipped) > 10:
        talk.say(f"skipped {len(skipped) - 10:,} more, listed in manifest.json")
    if mode == "auto" and "train" not in counts.get("instructions", {"train": 0}):
        talk.say(
            "no split is called train, so that all prompts were made for inference; --mode training says otherwise"
        )
    written = [name for name in files_of(folder) if name.split("/")[0] in targets]
    _show(counts, written, format)
    talk.say(f"wrote {len(written)} files and manifest.json to {folder}")
    if push is not None:
        _push(folder / "hub", push, overwrite, talk)


def _descriptions(given: str | None) -> tuple[Any, list[str]]:
    """Return what labels mean, and the file that says it."""
    from assay._files import read_yaml
    from assay.errors import DataError

    if given is None or given == "universal":
        return given, []
    found: Mapping[str, str] = read_yaml(given)
    if not isinstance(found, dict) or not all(isinstance(v, str) for pair in found.items() for v in pair):
        raise DataError(f"{given} must be a mapping of labels to texts. Quote words such as no and 1.")
    return found, [given]


def _show(counts: dict[str, Any], written: list[str], format: str) -> None:
    from assay.cli import console

    rows = []
    for name, value in counts.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for key, number in inner:
            shown = (
                ", ".join(f"{n:,} {kind}" for kind, n in number.items())
                if isinstance(number, dict)
                else number
            )
            rows.append({"what": f"{name.replace('_', ' ')} {key}".strip(), "count": shown or "none"})
    console.show(rows, format, columns=("what", "count"), whole={"counts": counts, "files": written})


def _push(folder: Path, repo: str, overwrite: bool, talk: Talk) -> None:
    from assay.cli.output import files_of
    from assay.data.hub import push

    files = [name for name in files_of(folder) if name != "README.md"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    with talk.stage("push", repo):
        url = push(folder, files, repo, card=card, overwrite=overwrite)
    talk.say(f"pushed to {url}")
