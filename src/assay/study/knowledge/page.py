"""A knowledge study as a page: which claims of the paper hold, accuracy over sizes and bins, divergence, facts lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from assay.report import Section
from assay.report.panels import between, signed
from assay.study.knowledge import published
from assay.study.knowledge.charts import CHANGES, against, bin_map, changes, effects, over_examples
from assay.study.knowledge.claims import Claim, common_size
from assay.study.knowledge.tables import (
    BINS,
    DIVERGENCES,
    FACTS,
    MIXED,
    PROMPTS,
    Result,
    Row,
    accuracy,
    cells_of,
    kl,
    label,
    mean,
    of_accuracy,
    originals,
    over_seeds,
    size_label,
    sizes,
    tables,
    tested,
    trained_bins,
)

LISTED = 20  # facts of a bin in a list
FEW = 10  # facts of a test bin below which the mean of the bins is warned of


def sections(
    result: Result,
    judged: Sequence[Claim],
    *,
    changed: Mapping[str, Sequence[Row]] | None = None,
) -> list[Section]:
    """Return the sections of the page of a knowledge study.

    Parameters
    ----------
    result : mapping
        What `knowledge_study` returns.
    judged : sequence of Claim
        What `claims` says of it.
    changed : mapping, optional
        The facts ``lost`` and ``gained``, with what was said: see `assay.study.knowledge.changed`.

    Returns
    -------
    list of Section
        For `assay.report.write_page`.
    """
    made = tables(result)
    out = [*_verdicts(judged), _curves(result, made["sizes"])]
    out += [_map(result, size, made[f"bins-{size}"]) for size in reversed(sizes(result))]
    out += _divergence(result, made.get("kl", []))
    out += _changes(result)
    out += [_listed(kind, rows) for kind, rows in (changed or {}).items() if rows]
    out.append(_explained(judged))
    out += _beside_the_paper(result)
    out += [_before(result), *_trained(made), _counts(made.get("counts", [])), *_agreement(result)]
    told = (result.get("world") or {}).get("mean_score_by_exposure")
    if told:
        out.append(
            Section(
                "Mastery by how often a fact was told",
                text="Mean score of all facts of the world, by how often pre-training told them.",
                table=[{"told": int(count), "mean score": score} for count, score in told.items()],
                decimals=3,
            )
        )
    left_out = [dict(row) | {"bin": label(row["bin"])} for row in result.get("left_out") or ()]
    if left_out:
        out.append(Section("Left out", table=left_out))
    notes = [{"note": str(note)} for note in result.get("notes") or ()]
    if notes:
        out.append(Section("Notes", table=notes))
    given = (result.get("parameters") or {}) | {"world": (result.get("world") or {}).get("plan") or {}}
    settings = [{"setting": name, "value": value} for name, value in _flat(given)]
    return [*out, Section("Settings", table=settings)]


def _of(claim: Claim) -> str | None:
    """Return how many of a claim's effects hold; None where it has none."""
    held = sum(effect.verdict == "holds" for effect in claim.effects)
    return f"{held} of {len(claim.effects)}" if claim.effects else None


def _verdicts(found: Sequence[Claim]) -> list[Section]:
    """Return the verdicts, and every effect in points with its interval."""
    text = (
        "Each claim of the paper, tested on the models of this study. It holds where every effect's interval lies on "
        "the claimed side, does not hold where one lies on the other, and is undecided else. Intervals are of 95 %: "
        "of accuracies over seeds (other subsets and orders of training) and over the test facts of each bin, of "
        "divergences over seeds, of a correlation over groups of cells; none of them over other models. What the paper "
        "says, and what may honestly be read from its figures, is below."
    )
    rows = [
        {
            "claim": claim.name,
            "on": claim.on,
            "verdict": claim.verdict.replace(" ", "\N{NO-BREAK SPACE}"),
            "effects that hold": _of(claim),
            "why undecided": claim.why or None,
        }
        for claim in found
    ]
    figure = effects(found)
    out = [Section("Which claims of the paper hold here", text=text, table=rows)]
    if figure is not None:
        out.append(Section("Effects with their intervals", figure=figure))
    return out


def _curves(result: Result, rows: Sequence[Row]) -> Section:
    """Return accuracy over examples, a line a training bin, a panel a test set, the original dashed."""
    panels = [
        (f"{test}: mean of the bins, percent", accuracy(test), {
            f"original, {said}": value
            for said, found in originals(result, test).items()
            if (value := of_accuracy(found)) is not None
        })
        for test in tested(result)
    ]  # fmt: skip
    test = tested(result)[0]
    widths = [
        (its["high"] - its["low"]) / 2
        for cell in result["cells"]
        if (its := cell["accuracy"].get(test)) and its.get("low") is not None
    ]
    facts = f" Over facts, one model's mean on {test} is uncertain by {median(widths):.1f}." if widths else ""
    return Section(
        "Accuracy over examples",
        text="The unweighted mean of the test bins, as in the paper. Bars are intervals of 95 % over seeds (none with "
        f'one).{facts}{_few(result)} Examples are what was taken: whole bins ("all") differ in size. Points of one '
        "size are set apart sideways so that their bars can be told apart.",
        figure=over_examples(result, panels),
        table=rows,
        decimals=1,
        folded="the same as a table",
    )


def _few(result: Result) -> str:
    """Say which bins have few test facts, so that the mean of the bins hangs on them, and which have none."""
    said = ""
    for test in tested(result):
        counts = result["counts"].get(test) or ()
        bins = {label(at): count for at, count in enumerate(counts) if count}
        few = {name: count for name, count in bins.items() if count < FEW}
        if few:
            one = 100 / (len(bins) * min(few.values()))
            told = ", ".join(f"{name} {count}" for name, count in few.items())
            said += f" {test} has few facts in {told}: one fact moves its mean by up to {one:.1f} points."
        if bins and len(bins) < len(counts):
            said += f" The mean on {test} is that of {', '.join(bins)}, which alone have facts."
    return said + " Micro, in the tables below, weighs facts alike." if said else ""


def _map(result: Result, size: int | str, rows: Sequence[Row]) -> Section:
    """Return training bin x test bin at a size, coloured by the difference to the original, and as a table."""
    columns = [*(f"D{at}" for at in BINS), "mean"]
    own = [row for row in rows if row["seeds"] is not None]
    base = next((row for row in rows if row["seeds"] is None and row["training bin"] != FACTS), None)
    said = "whole bins" if isinstance(size, str) else f"{size:,} examples"
    other = (
        "training bins' mean" if base is None else "original ({})".format(base["training bin"].split(", ")[1])
    )
    text = (
        f"Percent right, and below it the points over the {other}: blue above it, red below it. Means over seeds. "
        "D0 holds what the original hardly ever says, so that gains there are guesses."
    )
    return Section(
        f"Training bin by test bin, {said}",
        text=text,
        figure=bin_map(own, tested(result), base, columns),
        table=[
            {name: row[name] for name in row if not name.endswith(" sd") or "mean" in name} for row in rows
        ],
        decimals=1,
        folded="the same as a table, with sd over seeds",
    )


def _divergence(result: Result, rows: Sequence[Row]) -> list[Section]:
    """Return divergence over examples, and against accuracy; nothing where it was not measured."""
    there = {
        name: value
        for name, value in DIVERGENCES.items()
        if any(value(cell) is not None for cell in result["cells"])
    }
    if not there:
        return []
    test = tested(result)[0]
    return [
        Section(
            "Divergence from the original over examples",
            text="In nats, means over seeds with intervals of 95 %. The paper's number is of the first token of "
            "facts of D4, over the tuned model's ten likeliest tokens, each model under its own prompt: it holds "
            f"format and knowledge together{_of_facts(result)}. The full one is a mean over all tokens of all test "
            "facts' answers and their ends, tuned || original, both models in the SFT prompt.",
            figure=over_examples(result, [(name, value, {}) for name, value in there.items()]),
            table=[
                {name: value for name, value in row.items() if not name.endswith(" sd") or "top 10" in name}
                for row in rows
            ],
            decimals=3,
            folded="every kind of divergence as a table",
        ),
        Section(
            f"Divergence against accuracy, {test}",
            text="A point is a fine-tuned model: colour is its training bin, shape its size. Size and bin move both: "
            "this is no cause.",
            figure=against(result, there, test),
        ),
    ]


def _of_facts(result: Result) -> str:
    """Say how many facts the paper's divergence is of."""
    counts = sorted({int(n) for cell in result["cells"] if (n := kl("paper", "facts")(cell))})
    if not counts:
        return ""
    return f", here of {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "") + " facts"


def _changes(result: Result) -> list[Section]:
    """Return what became of the test facts, by training and test bin, at the largest size to compare bins at."""
    size = common_size(result) or sizes(result)[-1]
    rows = [row for test in tested(result) for row in _shares(result, size, test)]
    if not rows:
        return []
    return [
        Section(
            f"Facts kept, lost and gained, {size_label(size)} examples",
            text="Of the facts of each test bin (inner labels) after training on a bin (outer labels), against the "
            "original asked by a statement: right before and after, before only, after only, neither. Means over "
            "seeds.",
            figure=changes(rows, list(dict.fromkeys(row["test"] for row in rows))),
            table=rows,
            decimals=1,
            folded="the same as a table",
        )
    ]


def _shares(result: Result, size: int | str, test: str) -> list[Row]:
    """Return what became of the facts of each test bin in percent, a row a training and test bin."""
    rows = []
    for trained in trained_bins(result):
        cells = cells_of(result, trained, size)
        own = [found for cell in cells if (found := (cell.get("turned") or {}).get(test))]
        for at in BINS if own else ():
            facts = sum(own[0][change][at] for change in CHANGES)
            if facts:
                row: Row = {
                    "test": test,
                    "training bin": label(trained),
                    "test bin": f"D{at}",
                    "facts": facts,
                }
                row |= {change: mean(100 * found[change][at] / facts for found in own) for change in CHANGES}
                rows.append(row)
    return rows


def _listed(kind: str, rows: Sequence[Row]) -> Section:
    """Return facts that were lost or gained, well known ones first, and of these the ones of most fine-tunings."""
    shown = list[Row]()
    for name in sorted({row["bin"] for row in rows}, reverse=True):
        own = [row for row in rows if row["bin"] == name]
        for row in sorted(own, key=lambda row: -len(row["cells"]))[:LISTED]:
            trained = sorted({cell.partition("-")[0] for cell in row["cells"]})
            shown.append(
                {
                    "bin": name, "set": row["set"], "relation": row["relation"], "question": row["prompt"],
                    "answer": row["answers"][0], "the original said": row["original"], "a tuned one said": row["tuned"],
                    "fine-tunings": len(row["cells"]), "on": " ".join(trained),
                }
            )  # fmt: skip
    before, after = ("right", "wrong") if kind == "lost" else ("wrong", "right")
    return Section(
        f"Facts {kind}",
        text=f"Test facts that the original, asked by a statement, had {before} and a tuned model, in its own prompt, "
        f"{after}: {len(rows):,} by any fine-tuning. Of each bin those of most fine-tunings, {LISTED} at most.",
        table=shown,
        folded=f"{len(shown):,} facts with what was said",
    )


def _explained(found: Sequence[Claim]) -> Section:
    """Return each claim with what the paper says, its honest reading, its test, and every effect."""
    from markupsafe import Markup

    parts = list[Markup]()
    for name in dict.fromkeys(claim.name for claim in found):
        own = [claim for claim in found if claim.name == name]
        one = own[0]
        lines = [("The paper", one.says), ("Honest reading", one.reading), ("Tested here", one.tested)]
        parts.append(Markup("<h3>{}</h3>").format(name))
        parts += [Markup("<p><strong>{}:</strong> {}</p>").format(*line) for line in lines]
        rows = [
            Markup("<tr><td>{}</td><td>{}</td><td class='number'>{}</td><td class='number'>{}</td>").format(
                claim.on, effect.what, *_interval_of(effect.effect, effect.low, effect.high, claim.unit)
            )
            + Markup("<td class='number'>{}</td><td>{}</td></tr>").format(effect.n, effect.verdict)
            for claim in own
            for effect in claim.effects
        ]
        head = Markup(
            "<th>on</th><th>effect</th><th class='number'>{}</th><th class='number'>95 %</th>"
            "<th class='number'>n</th><th></th>"
        ).format(one.unit)
        missing = [Markup("<p class='note'>{}: {}.</p>").format(c.on, c.why) for c in own if not c.effects]
        if rows:
            parts.append(
                Markup(
                    "<div class='scroll'><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
                ).format(head, Markup("").join(rows))
            )
        parts += missing
    return Section(
        "Every claim: what the paper says, and how it is tested", html=str(Markup("\n").join(parts))
    )


def _interval_of(effect: float, low: float | None, high: float | None, unit: str) -> tuple[str, str]:
    decimals = 1 if unit == "points" else 2
    return signed(effect, decimals), between(low, high, decimals)


def _beside_the_paper(result: Result) -> list[Section]:
    """Return training bins here and in the paper, by test set; nothing without a bin of theirs."""
    size = common_size(result)
    bins = [b for b in trained_bins(result) if b != MIXED]
    if size is None:
        return []
    theirs = published.BINS[published.MODEL]
    rows: list[Row] = []
    for test in tested(result):
        here = {b: mean(over_seeds(result, b, size, accuracy(test)).values()) for b in bins}
        for b in bins:
            rows.append(
                {
                    "test": test,
                    "training bin": label(b),
                    "here": here[b],
                    published.MODEL: theirs[test][int(b)].mean,
                    "lead over D0, here": _minus(here[b], here.get(0)),
                    f"lead over D0, {published.MODEL}": theirs[test][int(b)].mean - theirs[test][0].mean,
                }
            )
    at_240 = published.MEANS_AT_240
    falls = " and ".join(f"{at_240[b] - theirs['ID'][b].mean:.2f} for D{b}" for b in at_240)
    return [
        Section(
            f"Beside the paper's {published.MODEL}",
            text=f"Another model, other facts and templates: {published.LARGEST:,} examples there (their Table 2), "
            f"{size:,} here. Compare the order of the bins and their leads over D0, never the levels. From 240 to "
            f"{published.LARGEST:,} examples the paper's ID accuracy falls by {falls}; others are not told.",
            table=rows,
            decimals=1,
        )
    ]


def _before(result: Result) -> Section:
    """Return the original by way of asking, and what knowing nothing scores."""
    columns: list[tuple[str, int | str]] = [
        ("mean", "macro"),
        ("micro", "micro"),
        *((f"D{at}", at) for at in BINS),
    ]
    rows: list[Row] = []
    for test in tested(result):
        for name, said in PROMPTS.items():
            found = result["original"].get(name) or {}
            if its := found.get(test):
                row: Row = {"test": test, "asked by": said}
                row |= {head: of_accuracy(its, category) for head, category in columns}
                rows.append(
                    row | {"low": its.get("low"), "high": its.get("high"), "ended": found.get("ended")}
                )
        if its := (result.get("majority") or {}).get(test):
            row = {"test": test, "asked by": "not asked: each relation's most frequent answer"}
            row |= {head: of_accuracy(its, category) for head, category in columns}
            rows.append(row | {"low": its.get("low"), "high": its.get("high"), "ended": None})
    return Section(
        "The original, before any training",
        text="Percent right; low and high hold 95 % of the mean over draws of facts. The paper gives no such score. "
        "The SFT prompt is a form that the original has not learnt, unless it is its own chat template: what it scores "
        "there is not what it knows. The most frequent answer is that of the relation's training facts, out of domain "
        "that of the test facts themselves. Ended: answers of all test sets that came to an end of themselves.",
        table=rows or None,
        decimals=1,
    )


def _trained(made: Mapping[str, Sequence[Row]]) -> list[Section]:
    """Return accuracy on the facts trained on, the paper's below."""
    rows = [dict(row) for row in made.get("train_accuracy", ())]
    if not rows:
        return []
    for size, values in published.TRAIN_ACCURACY.items():
        row = dict.fromkeys(rows[0])
        row |= {f"D{at}": value for at, value in enumerate(values) if f"D{at}" in row}
        rows.append(row | {"size": f"{size:,} ({published.MODEL}, Table 6)"})
    return [
        Section(
            "Accuracy on the facts trained on",
            text="Percent right after training, mean and sd over seeds. Little on D0 means that facts the model did "
            "not know were not learnt either. The paper's rows are of another model.",
            table=rows,
            decimals=1,
        )
    ]


def _counts(made: Sequence[Row]) -> Section:
    """Return facts by bin, the paper's below."""
    rows = [dict(row) for row in made]
    for name, counts in published.COUNTS[published.MODEL].items():
        row: Row = {"facts": f"{name} ({published.MODEL}, Tables 1 and 8)"}
        rows.append(row | {f"D{at}": count for at, count in enumerate(counts)} | {"all": sum(counts)})
    return Section("Facts in each bin", text="Bins belong to one model: the original here.", table=rows)


def _agreement(result: Result) -> list[Section]:
    """Return how exact and sampled scores agree, where both were had."""
    found = result.get("agreement")
    if not found:
        return []
    crossed = [
        {"exact": f"D{at}", **{f"sampled D{other}": count for other, count in enumerate(counts)}}
        for at, counts in enumerate(found["categories"])
    ]
    text = (
        f"Of {found['facts']:,} facts with both scores {found['same_percent']:.1f} % are in one bin"
        f" ({_percent(found['same_known_percent'])} of those drawn as D1 to D4), and Spearman's correlation of the "
        f"scores is {_number(found['spearman'])}. "
        f"Draws score {found['difference']:+.2f} points more than the exact score on average, which counts answers "
        f"that come first; {_percent(found['within_percent'])} of facts are within three standard errors."
    )
    return [
        Section("Exact and sampled mastery", text=text, table=crossed),
        Section(
            "Calibration of the exact score",
            table=[dict(row) for row in found["calibration"]],
            decimals=3,
            folded="mean scores by limits of the exact score",
        ),
    ]


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _percent(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield every setting that was made, by a name of its own, lists in one line."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield (
                f"{before}{name}",
                ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value),
            )
