"""`assay knowledge grade`: how well a model knows each fact, kept as soon as it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from assay.cli import options
from assay.cli.knowledge.models import BaseUrl, BatchSize, Device, Dtype, Model, Threads, Workers
from assay.cli.knowledge.options import Aliases, Facts, Limit, Shape, Templates
from assay.cli.options import METHOD, OUTPUT, flag

if TYPE_CHECKING:
    from assay.knowledge import Grades, Question

Rows = list[dict[str, Any]]
BY = ("category", "relation", "template", "rule")


def grade(
    model: Model,
    facts: Facts,
    output: Annotated[
        str,
        flag("--output", "-o", help="Folder for grades.json, facts.jsonl and a manifest.", panel=OUTPUT),
    ],
    by: Annotated[
        str,
        flag(
            "--by", help="A row a category, relation, template or matching rule; json has all.", panel=OUTPUT
        ),
    ] = "category",
    templates: Templates = None,
    per_relation: Annotated[
        int | None,
        flag("--per-relation", help="Only the first so many templates of a relation.", panel=METHOD),
    ] = None,
    samples: Annotated[
        int,
        flag("--samples", help="Draws of each template; 0 for none, the exact score alone.", panel=METHOD),
    ] = 10,
    exact: Annotated[
        bool,
        flag(
            "--exact/--no-exact",
            help="Whether to read probabilities, which servers do not give.",
            panel=METHOD,
        ),
    ] = True,
    temperature: Annotated[
        float, flag("--temperature", help="Of draws and probabilities.", panel=METHOD)
    ] = 0.7,
    max_tokens: Annotated[int, flag("--max-tokens", help="Of a draw, at most.", panel=METHOD)] = 32,
    aliases: Aliases = "none",
    rule: Annotated[
        str,
        flag(
            "--rule", help="When a draw has the answer: contains, word, first, begins or exact.", panel=METHOD
        ),
    ] = "contains",
    seed: Annotated[
        int, flag("--seed", help="Of draws, and of the facts that --limit takes.", panel=METHOD)
    ] = 0,
    limit: Limit = None,
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
    """Grade how well a model knows facts: by the probability of the answer under every template, and by draws.

    D0 to D4 are the paper's categories, D0 without a hit; the table has them by draws, crossed with those by
    probability and with SliCK's by greedy answers.
    """
    given = dict(locals())
    from pathlib import Path

    from assay import knowledge as room
    from assay._check import choice, whole
    from assay.cli import console, manifest
    from assay.cli.knowledge.facts import aliases_of
    from assay.cli.knowledge.models import loaded
    from assay.cli.output import MANIFEST, open_folder

    choice("format", format, console.FORMATS)
    choice("by", by, BY)
    if shape is not None:
        choice("shape", shape, room.FACT_FORMATS)
    if limit is not None:
        whole("limit", limit, 1)
    room.grading.check_settings(
        exact=exact, samples=samples, temperature=temperature, max_tokens=max_tokens, rule=rule,
        per_relation=per_relation, seed=seed,
    )  # fmt: skip
    talk = console.Talk(quiet)
    own = None if templates is None else room.read_templates(templates)
    names = aliases_of(aliases)
    found = room.read_facts(facts, format=shape)
    said = room.templates_of(found, own)
    asked = room.with_aliases(room.balanced(found.questions, limit, seed=seed), names)
    for question in {question.relation: question for question in asked}.values():
        room.statements(question, said)  # before the model is loaded
    talk.say(f"{found.name}: {len(asked):,} of {len(found.questions):,} facts")
    folder = open_folder(output, [facts], overwrite=overwrite, resume=resume)
    with talk.stage("load", model):
        ready = loaded(given)
    (folder / MANIFEST).unlink(missing_ok=True)
    if not resume:
        for name in room.grading.FILES:
            (folder / name).unlink(missing_ok=True)
    with talk.stage("grade", f"{len(asked):,} facts, {model}") as progress:
        grades = room.grade(
            ready, asked, said, output=folder, exact=exact, samples=samples, temperature=temperature,
            max_tokens=max_tokens, rule=rule, per_relation=per_relation, seed=seed, resume=True, progress=progress,
        )  # fmt: skip
    tables = {
        "category": _by_category(grades),
        "relation": _by_relation(grades),
        "template": _by_template(grades, asked, said),
        "rule": _by_rule(grades),
    }
    results = _summary(grades)
    for line in _told(results):
        talk.say(line)
    read = [("facts", facts), ("templates", templates), ("aliases", aliases)]
    inputs = [
        entry
        for role, path in read
        if path is not None and Path(path).exists()
        for entry in manifest.file_entries(role, path)
    ]
    manifest.write(
        folder, grade, given, inputs, counts={"facts": len(asked), "read": len(found.questions)},
        results={"model": dict(ready.fingerprint), **results}, talk=talk, outputs=room.grading.FILES,
    )  # fmt: skip
    whole_result = {**results, **{f"by_{name}": rows for name, rows in tables.items()}}
    console.show(tables[by], format, whole=whole_result)


def _summary(grades: Grades) -> dict[str, Any]:
    """Return what json and the manifest have beside the tables."""
    from dataclasses import asdict

    import numpy as np

    from assay import knowledge as room

    p, tally = grades.probabilities, grades.tally
    found: dict[str, Any] = {"facts": len(grades.ids), "categories": {}, "mean": {}}
    if p is not None:
        found["categories"]["exact"] = np.bincount(grades.exact_categories, minlength=5).tolist()
        found["mean"]["exact"] = float(room.exact_scores(p).mean())
    if tally is not None:
        found["categories"]["sampled"] = np.bincount(grades.categories, minlength=5).tolist()
        found["mean"]["sampled"] = float(tally.scores.mean())
        found["unsettled"] = int(room.unsettled(*tally.totals).sum())
        if tally.greedy is not None:
            table = room.crossed(room.slick(tally), grades.categories, shape=(4, 5))
            found["slick"] = dict(zip(room.SLICK, table.sum(axis=1).tolist(), strict=True))
            found["slick_by_category"] = table.tolist()
    if p is not None and tally is not None:
        found["agreement"] = asdict(room.agreement(p, tally))
    return found


def _told(found: dict[str, Any]) -> list[str]:
    """Return lines for a person."""
    lines = []
    if "agreement" in found:
        one = found["agreement"]
        lines.append(
            f"exact and sampled: rank correlation {one['spearman']:.3f}, {one['same_percent']:.1f} % of one category "
            f"({one['same_known_percent']:.1f} % of D1 to D4), sampled higher by {one['difference']:.2f} points"
        )
    if "unsettled" in found:
        lines.append(
            f"{found['unsettled']:,} of {found['facts']:,} facts could have another category with other draws"
        )
    return lines


def _by_category(grades: Grades) -> Rows:
    """Return a row a category, sampled where there are draws: crossed with the exact ones and with SliCK."""
    from assay import knowledge as room

    tally = grades.tally
    mine = grades.categories
    rows: Rows = []
    loose = None if tally is None else room.unsettled(*tally.totals)
    kinds = None if tally is None or tally.greedy is None else room.slick(tally)
    exact = None if grades.probabilities is None or tally is None else grades.exact_categories
    for number, name in enumerate(room.CATEGORIES):
        inside = mine == number
        count = int(inside.sum())
        row: dict[str, Any] = {"category": name, "facts": count, "percent": 100 * count / len(mine)}
        if loose is not None:
            row["unsettled"] = int(loose[inside].sum())
        if exact is not None:
            row |= {
                f"exact_{other}": int((exact[inside] == at).sum()) for at, other in enumerate(room.CATEGORIES)
            }
        if kinds is not None:
            row |= {kind: int((kinds[inside] == at).sum()) for at, kind in enumerate(room.SLICK)}
        rows.append(row)
    return rows


def _by_relation(grades: Grades) -> Rows:
    import numpy as np

    from assay import knowledge as room

    of = np.array(grades.relations, dtype=object)
    exact = None if grades.probabilities is None else room.exact_scores(grades.probabilities)
    drawn = None if grades.tally is None else grades.tally.scores
    rows: Rows = []
    for relation in dict.fromkeys(grades.relations):
        inside = of == relation
        counts = np.bincount(grades.categories[inside], minlength=5).tolist()
        rows.append(
            {
                "relation": relation or None,
                "says": room.RELATIONS[relation].name if relation in room.RELATIONS else None,
                "facts": int(inside.sum()),
                "exact": None if exact is None else float(exact[inside].mean()),
                "sampled": None if drawn is None else float(drawn[inside].mean()),
                **dict(zip(room.CATEGORIES, counts, strict=True)),
            }
        )
    return rows


def _by_template(grades: Grades, asked: tuple[Question, ...], said: dict[str, tuple[str, ...]]) -> Rows:
    """Return a row a template of each relation; where facts have statements of their own, without its words."""
    import numpy as np

    from assay.knowledge import template_scores

    p, tally = grades.probabilities, grades.tally
    of = np.array(grades.relations, dtype=object)
    own = {question.relation for question in asked if question.statements}
    sampled = {} if tally is None else template_scores(tally, grades.relations)
    rows: Rows = []
    for relation in dict.fromkeys(grades.relations):
        inside = of == relation
        there = (tally.draws[inside] > 0) if tally is not None else ~np.isnan(p[inside])  # type: ignore[index]
        for at in np.flatnonzero(there.any(axis=0)).tolist():
            words = None if relation in own else said[relation][at]
            right = None if tally is None or tally.greedy is None else tally.greedy[inside, at]
            greedy = None if right is None else float(right[there[:, at]].mean())
            rows.append(
                {
                    "relation": relation or None,
                    "number": at + 1,
                    "template": words,
                    "facts": int(there[:, at].sum()),
                    "exact": None if p is None else float(np.nanmean(p[inside, at])),
                    "sampled": float(sampled[relation][at]) if relation in sampled else None,
                    "greedy": greedy,
                }
            )
    return rows


def _by_rule(grades: Grades) -> Rows:
    import numpy as np

    from assay.knowledge import CATEGORIES, categories

    rows: Rows = []
    for rule, tally in (grades.by_rule or {}).items():
        hits, draws = tally.totals
        counts = np.bincount(categories(hits, draws), minlength=5).tolist()
        greedy = None if tally.greedy is None else 100 * float(tally.greedy[tally.draws > 0].mean())
        rows.append(
            {"rule": rule, "draws": int(draws.sum()), "hits": int(hits.sum())}
            | {"percent": 100 * float(hits.sum() / draws.sum()), "greedy_percent": greedy}
            | dict(zip(CATEGORIES, counts, strict=True))
        )
    return rows
