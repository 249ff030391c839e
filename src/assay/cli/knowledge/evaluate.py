"""`assay knowledge evaluate`: what a model answers, by how well the original knew it, and beside the original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.knowledge.models import BaseUrl, BatchSize, Device, Dtype, Model, Threads, Workers
from assay.cli.knowledge.options import (
    Aliases,
    AnswerTokens,
    Facts,
    Limit,
    Prompt,
    Rule,
    Shape,
    Shots,
    StatementTemplates,
)
from assay.cli.knowledge.prompting import PROMPTS, prompting_of
from assay.cli.options import DATA, METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assay.knowledge import Answered, Question
    from assay.knowledge.models import LanguageModel, Sampler
    from assay.knowledge.outcome import Outcome

Rows = list[dict[str, Any]]
BY = ("bin", "domain", "relation", "change", "rule")
_DIGITS = {"difference": "+.1f", "macro_difference": "+.1f", "gold_change": "+.2f", "end_change": "+.2f"}
ANSWERS, BEFORE, UNFINISHED = "answers.jsonl", "original.jsonl", "unfinished.jsonl"


def evaluate(
    model: Model,
    facts: Facts,
    output: Annotated[
        str,
        flag("--output", "-o", help="Folder for answers, evaluation.json and a manifest.", panel=OUTPUT),
    ],
    grades: Annotated[
        str | None,
        flag(
            "--grades",
            help="Folder of assay knowledge grade, of the original: whose categories the tables have.",
            panel=DATA,
        ),
    ] = None,
    against: Annotated[
        str | None,
        flag(
            "--against",
            help="The original model, asked alike: what was lost and gained. Folder, .gguf or hub id.",
            panel=METHOD,
        ),
    ] = None,
    train: Annotated[
        str | None,
        flag(
            "--train",
            help="Facts to take examples and the most frequent answers from.",
            panel=DATA,
        ),
    ] = None,
    by: Annotated[
        str | None,
        flag(
            "--by",
            help="A row a bin (the default with --grades), domain, relation, change or matching rule; json has all.",
            panel=OUTPUT,
        ),
    ] = None,
    prompt: Prompt = "sft",
    shots: Shots = None,
    templates: StatementTemplates = None,
    aliases: Aliases = "none",
    rule: Rule = "contains",
    max_tokens: AnswerTokens = 16,
    gold: Annotated[
        bool,
        flag(
            "--gold/--no-gold",
            help="Whether to read rank and probability of the right answer, which servers do not give.",
            panel=METHOD,
        ),
    ] = True,
    limit: Limit = None,
    seed: Annotated[
        int, flag("--seed", help="Of examples, intervals, and the facts that --limit takes.", panel=METHOD)
    ] = 0,
    shape: Shape = None,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Threads = None,
    base_url: BaseUrl = None,
    workers: Workers = None,
    format: options.Format = "table",
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Ask a model facts, and count right answers by how well the original knew them, with intervals.

    With --against the original is asked by the same prompt: OUT/lost.jsonl and gained.jsonl list the facts that
    changed, and tables have paired differences, McNemar's test and the change of the right answer's probability.
    """
    given = dict(locals())
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import choice, whole
    from assay._files import write_json
    from assay.cli import console, manifest
    from assay.cli.knowledge.facts import aliases_of
    from assay.cli.knowledge.models import loaded
    from assay.cli.output import open_folder, staged
    from assay.errors import DataError
    from assay.knowledge.models import Transformer
    from assay.knowledge.shift import check_vocabulary

    choice("format", format, console.FORMATS)
    by = choice("by", by or ("domain" if grades is None else "bin"), BY)
    choice("prompt", prompt, PROMPTS)
    choice("rule", rule, room.MATCHERS)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    if limit is not None:
        whole("limit", limit, 1)
    for needed, name, given_one in (("bin", "grades", grades), ("change", "against", against)):
        if by == needed and given_one is None:
            raise DataError(f"{name} must be given for --by {needed}; got none.")
    if prompt == "sft" and "openai" in (model.partition(":")[0], str(against).partition(":")[0]):
        raise DataError("prompt must be chat, few-shot or statement for a server's model; got sft.")
    talk = console.Talk(quiet)
    names = aliases_of(aliases)
    found = room.read_facts(facts, format=shape)
    asked = room.with_aliases(room.balanced(found.questions, limit, seed=seed), names)
    known = room.with_aliases(room.read_facts(train).questions, names) if train is not None else ()
    options_of_prompt = prompting_of(prompt, found, asked, known, shots, templates, seed)
    categories = None
    if grades is not None:
        categories = room.read_grades(grades).of([question.id for question in asked]).categories
    folder = open_folder(output, [facts], overwrite=overwrite, resume=resume)
    cache = folder / UNFINISHED
    if not resume:
        cache.unlink(missing_ok=True)

    def answered(ready: Sampler | LanguageModel, name: str) -> list[Answered]:
        with talk.stage(f"ask {name}", f"{len(asked):,} facts, {prompt}") as progress:
            return room.ask(
                ready, asked, rule=rule, max_tokens=max_tokens, gold=gold, cache=cache, progress=progress,
                **options_of_prompt,
            )  # fmt: skip

    template = room.CHAT_TEMPLATES["knowledge"] if prompt == "sft" else None
    with talk.stage("load", model):
        ready = loaded(given, chat_template=template)
    original = None
    if against is not None:
        if prompt == "chat" and isinstance(ready, Transformer):
            template = ready.chat_template
        with talk.stage("load original", against):
            original = loaded({**given, "model": against}, chat_template=template)
        if gold and isinstance(ready, Transformer) and isinstance(original, Transformer):
            check_vocabulary(ready, original)
    answers = answered(ready, model)
    before = None if original is None else answered(original, str(against))
    results = room.outcomes(
        asked, answers, before=before, categories=categories, train=known, rule=rule, seed=seed
    )
    changes = None
    if before is not None:
        changes = room.gained_lost(
            [one.right for one in before],
            [one.right for one in answers],
            ids=[question.id for question in asked],
            categories=categories,
        )
    tables = {
        **{kind: _rows(results, kind) for kind in ("bin", "domain", "relation")},
        "change": _changed(results) if before is not None else [],
        "rule": _by_rule(asked, answers),
    }
    whole_result = {
        "facts": len(asked),
        "prompt": prompt,
        "changes": None if changes is None else changes.counts(),
        **{f"by_{name}": rows for name, rows in tables.items()},
    }
    read = [("facts", facts), ("train", train), ("templates", templates), ("aliases", aliases)]
    inputs = [
        entry
        for role, path in read
        if path is not None and Path(path).exists()
        for entry in manifest.file_entries(role, path)
    ]
    if grades is not None:
        inputs += [
            entry
            for name in room.grading.FILES
            for entry in manifest.file_entries("grades", Path(grades) / name)
        ]
    with staged(folder) as stage:
        room.write_answers(answers, stage / ANSWERS)
        write_json(stage / "evaluation.json", whole_result)
        if before is not None and changes is not None:
            room.write_answers(before, stage / BEFORE)
            for kind in ("lost", "gained"):
                listed = {id for ids in getattr(changes, kind).values() for id in ids}
                _write_changed(stage / f"{kind}.jsonl", listed, asked, before, answers, categories)
        manifest.write(
            stage, evaluate, given, inputs, counts={"facts": len(asked), "read": len(found.questions)},
            results={
                "model": dict(ready.fingerprint),
                "original": None if original is None else dict(original.fingerprint),
                "outcomes": tables["domain"],
            },
            talk=talk,
        )  # fmt: skip
    cache.unlink(missing_ok=True)
    for line in _told(results):
        talk.say(line)
    rows = tables[by]
    console.show(_shown(rows) if format in ("table", "md") else rows, format, whole=whole_result)


def _rows(results: Sequence[Outcome], kind: str) -> Rows:
    """Return a row a group: of bins, of relations, or of domains with all."""
    from assay.knowledge import RELATIONS

    mine = [one for one in results if one.by == kind or (kind == "domain" and one.by == "all")]
    rows = []
    for one in mine:
        row: dict[str, Any] = {kind: one.group or None}
        if kind == "bin":
            row |= {"domain": one.domain or "all"}
        if kind == "relation":
            row |= {"says": RELATIONS[one.group].name if one.group in RELATIONS else None}
        row |= {"facts": one.facts} | _triple("right", one.right, "percent")
        if kind == "domain":
            row |= _triple("macro", one.macro, "percent")
        row |= {
            "majority": one.majority_percent,
            "finished": one.finished_percent,
            "gold_first": one.gold_first_percent,
            "gold_log_probability": one.gold_log_probability,
        }
        if one.change is not None:
            row |= {
                "original": one.change.before,
                "lost": int(one.change.lost),
                "gained": int(one.change.gained),
            }
        rows.append(row)
    return rows


def _changed(results: Sequence[Outcome]) -> Rows:
    """Return a row a group with what changed from the original's answers."""
    rows = []
    for one in results:
        change, gold = one.change, one.gold_change
        if change is None:
            continue
        rows.append(
            {
                "by": one.by,
                "group": one.group or None,
                "domain": one.domain or None,
                "facts": one.facts,
                "original": change.before,
                "right": change.after,
                **_triple("difference", change, "difference"),
                **_triple("macro_difference", one.macro_change, "difference"),
                "lost": int(change.lost),
                "gained": int(change.gained),
                "p_value": change.p_value,
                **_interval("gold_change", None if gold is None else gold.log_probability),
                **_interval("end_change", None if gold is None else gold.end),
                "rank_better": None if gold is None else gold.better,
                "rank_worse": None if gold is None else gold.worse,
                "lost_but_first": None if gold is None else gold.still_first,
            }
        )
    return rows


def _triple(name: str, found: Any, value: str) -> dict[str, float | None]:
    """Return a value and the ends of its interval, None where there is none."""
    return _interval(name, None if found is None else (getattr(found, value), found.low, found.high))


def _interval(name: str, found: tuple[float, float, float] | None) -> dict[str, float | None]:
    value, low, high = found or (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _shown(rows: Rows) -> Rows:
    """Return rows for a person: a value with its interval in one column."""
    from assay.cli.console import spread

    shown = []
    for row in rows:
        ends = {f"{name}_{end}" for name in row for end in ("low", "high")}
        shown.append(
            {
                name: spread(value, row[f"{name}_low"], row[f"{name}_high"], _DIGITS.get(name, ".1f"))
                if f"{name}_low" in row
                else value
                for name, value in row.items()
                if name not in ends
            }
        )
    return shown


def _by_rule(asked: Sequence[Question], answers: Sequence[Answered]) -> Rows:
    from dataclasses import asdict

    from assay.knowledge import side_by_side

    pairs = ((question, one.output) for question, one in zip(asked, answers, strict=True))
    return [asdict(row) for row in side_by_side(pairs)]


def _write_changed(
    path: Any,
    listed: set[str],
    asked: Sequence[Question],
    before: Sequence[Answered],
    after: Sequence[Answered],
    categories: Any,
) -> None:
    """Write the facts that changed, with both answers and what became of the right one."""
    from assay._files import atomic
    from assay.data.json_text import dumps
    from assay.knowledge import CATEGORIES

    with atomic(path) as f:
        for at, question in enumerate(asked):
            if question.id not in listed:
                continue
            was, now = before[at], after[at]
            row: dict[str, Any] = {
                "id": question.id,
                "domain": question.domain,
                "relation": question.relation,
                "category": None if categories is None else CATEGORIES[categories[at]],
                "prompt": question.prompt,
                "answers": question.answers,
                "original": was.output,
                "output": now.output,
            }
            for name in ("finished", "gold_log_probability", "gold_end", "gold_rank", "gold_worst_rank"):
                row |= {f"original_{name}": getattr(was, name), name: getattr(now, name)}
            f.write(dumps(row) + b"\n")


def _told(results: Sequence[Outcome]) -> list[str]:
    """Return lines for a person."""
    whole = results[0]
    macro = "" if whole.macro is None else f", macro {whole.macro.percent:.1f} %"
    lines = [
        f"right: {whole.right.percent:.1f} % of {whole.facts:,} facts{macro}; each relation's most frequent answer "
        f"alone {whole.majority_percent:.1f} %; {whole.finished_percent:.1f} % of answers ended in time"
    ]
    if whole.change is not None:
        lines.append(
            f"original {whole.change.before:.1f} %: {whole.change.lost:,.0f} facts lost, {whole.change.gained:,.0f} "
            f"gained"
        )
    return lines
