"""`assay knowledge divergence`: how far fine-tuning moved a model's next tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import options
from assay.cli.knowledge.models import SHOTS, BatchSize, Device, Dtype, Threads
from assay.cli.knowledge.options import Examples, Facts, Limit, Shape, Shots, Templates
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from assay.knowledge import Grades, Question, Shift
    from assay.knowledge.models import Transformer

Rows = list[dict[str, Any]]
PROMPTS = ("sft", "chat", "few-shot", "statement")
BY = ("bin", "relation", "position", "paper")
POSITIONS, PAPER = "divergence.jsonl", "paper.jsonl"
MEANS = ("original_tuned", "jensen_shannon", "top10", "original_outside10", "agreement1", "agreement10")


def divergence(
    original: Annotated[
        str,
        typer.Argument(
            help="Folder, .gguf file or hub id of the model before fine-tuning.", show_default=False
        ),
    ],
    tuned: Annotated[
        str, typer.Argument(help="The model or adapter that fine-tuning made of it.", show_default=False)
    ],
    facts: Facts,
    output: Annotated[
        str,
        flag("--output", "-o", help="Folder for a row a position and a manifest.", panel=OUTPUT),
    ],
    grades: Annotated[
        str | None,
        flag(
            "--grades",
            help="Folder of assay knowledge grade, of the original: for bins, and for the paper's number.",
            panel=DATA,
        ),
    ] = None,
    train: Examples = None,
    prompt: Annotated[
        str,
        flag(
            "--prompt",
            help="Of both models. sft: the paper's; chat: TUNED's own chat template; few-shot; statement: the best "
            "graded one.",
            panel=METHOD,
        ),
    ] = "sft",
    shots: Shots = None,
    chat_template: Annotated[
        str | None,
        flag("--chat-template", help="Jinja file in place of TUNED's own chat template.", panel=METHOD),
    ] = None,
    templates: Templates = None,
    by: Annotated[
        str,
        flag(
            "--by",
            help="A row a bin, a relation, a position of answers, or the paper's number; json has all.",
            panel=OUTPUT,
        ),
    ] = "bin",
    limit: Limit = None,
    seed: Annotated[
        int, flag("--seed", help="Of intervals, examples, and the facts that --limit takes.", panel=METHOD)
    ] = 0,
    shape: Shape = None,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare two models' next tokens at every position of the answers, both asked alike, and print KL in nats.

    tuned_original is KL(tuned || original), the mean a token with its interval over facts and quantiles over tokens;
    the paper's number, at the first token and under two prompts, stands beside it where there are grades. Ask as the
    tuned model was taught: --prompt chat, unless it was taught by the paper's prompt.
    """
    given = dict(locals())
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import choice, whole
    from assay.cli import console, manifest
    from assay.cli.output import open_folder, staged
    from assay.errors import DataError
    from assay.knowledge.models import Transformer

    choice("format", format, console.FORMATS)
    choice("by", by, BY)
    choice("prompt", prompt, PROMPTS)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    if limit is not None:
        whole("limit", limit, 1)
    whole("seed", seed, 0)
    if by == "paper" and grades is None:
        raise DataError("grades must be given for the paper's number; got none. Add --grades FOLDER.")
    if chat_template is not None and not Path(chat_template).is_file():
        raise DataError(f"chat_template must be an existing file; there is no {chat_template}.")
    if chat_template is not None and prompt == "sft":
        raise DataError(
            "chat_template must be left out with prompt sft, which is the paper's. Use --prompt chat."
        )
    if (train is None) == (prompt == "few-shot"):
        got = "none" if train is None else f"{train} with {prompt}"
        raise DataError(f"train must be given for few-shot examples, and for nothing else; got {got}.")
    if shots is not None and prompt != "few-shot":
        raise DataError(f"shots must be left out unless --prompt is few-shot; got {shots}.")
    talk = console.Talk(quiet)
    own = None if templates is None else room.read_templates(templates)
    found = room.read_facts(facts, format=shape)
    said = room.templates_of(found, own)
    known = None if grades is None else room.read_grades(grades)
    graded = None if known is None else set(known.ids)
    asked = tuple(question for question in found.questions if graded is None or question.id in graded)
    talk.say(
        f"{found.name}: {len(asked):,} of {len(found.questions):,} facts{'' if known is None else ' graded'}"
    )
    if not asked:
        raise DataError(f"facts must have one that was graded; {facts} has none. Grade them.")
    asked = room.balanced(asked, limit, seed=seed)
    mine = None if known is None else known.of([question.id for question in asked])
    folder = open_folder(output, [facts], overwrite=overwrite, resume=None)
    with talk.stage("load", f"{original}, {tuned}"):
        asks: dict[str, Any] = {
            "batch_size": batch_size,
            "device": device,
            "dtype": dtype,
            "threads": threads,
        }
        template = None if chat_template is None else Path(chat_template).read_text(encoding="utf-8")
        if prompt == "sft":
            template = room.CHAT_TEMPLATES["knowledge"]
        after = Transformer(tuned, chat_template=template, **asks)
        before = Transformer(original, chat_template=after.chat_template, **asks)
    more: dict[str, Any] = {"prompt": "sft" if prompt == "chat" else prompt}
    if prompt == "statement":
        more["statements"] = _statements(asked, mine, said)
    if train is not None:
        count = SHOTS if shots is None else shots
        more["shots"] = room.choose_shots(room.read_facts(train).questions, count=count, seed=seed)
    with talk.stage("compare", f"{len(asked):,} facts, {prompt}") as progress:
        moved = room.shift(after, before, asked, **more, progress=progress)
    paper = None
    if mine is not None:
        with talk.stage("paper", "first tokens of D4") as progress:
            paper = _paper(after, before, asked, mine, said, progress, talk)
    bins = None if mine is None else [room.CATEGORIES[at] for at in mine.categories]
    relations = [question.relation for question in asked]
    tables = {
        "bin": _rows(moved, "bin", None if bins is None else [bins[at] for at in moved.facts], seed),
        "relation": _rows(moved, "relation", [relations[at] for at in moved.facts], seed),
        "position": _rows(moved, "position", moved.parts, seed),
        "paper": [] if paper is None else _sizes(paper, seed),
    }
    counts = {
        "facts": len(asked),
        "positions": len(moved.facts),
        "paper": 0 if paper is None else len(paper.facts),
    }
    results = {
        "prompt": prompt,
        "means": moved.means(),
        **{f"by_{name}": rows for name, rows in tables.items()},
    }
    inputs = [
        entry
        for role, path in (("original", original), ("tuned", tuned), ("facts", facts), ("grades", grades),
                           ("train", train), ("chat template", chat_template), ("templates", templates))
        if path is not None
        for entry in manifest.file_entries(role, path)
    ]  # fmt: skip
    with staged(folder) as stage:
        _write(moved, bins, stage / POSITIONS)
        if paper is not None:
            _write(paper, None, stage / PAPER)
        manifest.write(
            stage, divergence, given, inputs, counts=counts,
            results={"original": dict(before.fingerprint), "tuned": dict(after.fingerprint), **results}, talk=talk,
        )  # fmt: skip
    if paper is not None:
        talk.say(f"paper's number: {paper.means()['top10']:.4f} nats on {len(paper.facts):,} facts of D4")
    console.show(tables[by], format, whole={**counts, **results})


def _statements(
    asked: Sequence[Question], grades: Grades | None, said: dict[str, tuple[str, ...]]
) -> list[str]:
    """Return the statement of each question: by the best template of its relation where graded, else by the first."""
    from assay.knowledge import best_templates, statements

    best = {} if grades is None else best_templates(grades)
    return [statements(question, said)[best.get(question.relation, 0)] for question in asked]


def _paper(
    tuned: Transformer,
    original: Transformer,
    asked: Sequence[Question],
    grades: Grades,
    said: dict[str, tuple[str, ...]],
    progress: Any,
    talk: Any,
) -> Shift | None:
    """Return the paper's comparison, or say why there is none."""
    from assay.errors import DataError
    from assay.knowledge import paper_shift

    try:
        return paper_shift(tuned, original, asked, grades, said, progress=progress)
    except DataError as error:
        talk.say(f"no paper's number: {error}")
        return None


def _rows(moved: Shift, by: str, groups: Sequence[Hashable] | None, seed: int) -> Rows:
    """Return a row for all positions and for each group of them, groups in order."""
    import numpy as np

    from assay.knowledge import spread

    kl = moved.divergence.tuned_original
    owners = moved.facts.tolist()
    found = spread(kl, facts=owners, seed=seed)
    of = np.array(["all"] * len(kl) if groups is None else list(groups), dtype=object)
    if groups is not None:
        parts = spread(kl, facts=owners, groups=list(groups), seed=seed)
        found += parts if by == "position" else sorted(parts, key=lambda row: str(row.group))
    rows = []
    for at, row in enumerate(found):
        inside = slice(None) if at == 0 else of == row.group
        means = {
            name: float(values[inside].mean()) for name, values in moved.numbers.items() if name in MEANS
        }
        rows.append(
            {by: row.group or None, "facts": row.facts, "tokens": row.tokens, "tuned_original": row.mean}
            | {name: getattr(row, name) for name in ("low", "high", "q50", "q90", "q95", "q99")}
            | {name: means[name] for name in MEANS if name in means}
        )
    return rows


def _sizes(paper: Shift, seed: int) -> Rows:
    """Return a row a number of tokens that the paper's divergence is taken over."""
    from assay.knowledge import spread

    of = paper.divergence
    rows = []
    for size, values in [*((str(m), kl) for m, kl in of.top_kl.items()), ("all", of.tuned_original)]:
        [row] = spread(values, seed=seed)
        outside = {"tuned_outside": of.tuned_outside, "original_outside": of.original_outside}
        rows.append(
            {"top": size, "facts": row.facts, "kl": row.mean}
            | {name: getattr(row, name) for name in ("low", "high", "q50", "q90", "q95", "q99")}
            | {
                name: 0.0 if size == "all" else float(part[int(size)].mean())
                for name, part in outside.items()
            }
        )
    return rows


def _write(moved: Shift, bins: list[str] | None, path: Path) -> None:
    """Write a row a position: whose, which, and every number."""
    from assay._files import atomic
    from assay.data.json_text import dumps

    parts = moved.parts
    numbers = {name: values.tolist() for name, values in moved.numbers.items()}
    with atomic(path) as f:
        for row, at in enumerate(moved.facts.tolist()):
            question = moved.questions[at]
            heads: dict[str, Any] = {"id": question.id, "relation": question.relation}
            if bins is not None:
                heads["bin"] = bins[at]
            heads |= {"position": int(moved.positions[row]), "part": parts[row]}
            if moved.prompts[1] == "statement":
                heads["statement"] = moved.asked[at]
            f.write(dumps(heads | {name: values[row] for name, values in numbers.items()}) + b"\n")
