"""A comparison of sweeps as a page: the answer first, choices, curves, layers and modules, the paper beside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from assay.report.page import Section
from assay.report.panels import between, signed
from assay.study.knowledge import published
from assay.study.restoration.charts import curves, effects, parts
from assay.study.restoration.compare import CHOSEN, ENERGY, RESTORED, Result, Row
from assay.study.restoration.tables import state_of, tables
from assay.study.restoration.verdicts import LEADS, decimals_of, named, questions, sentences

SPACE = "\N{NO-BREAK SPACE}"
DIFFERENCE = ("difference", "mean difference", "low", "high", "verdict")
SHORT = {ENERGY: "equal energy", CHOSEN: "own percent"}
EXPLAINED = (
    "At equal energy the other ranking undoes as much of the summed squared change as the reference does at its "
    "percent; at equal percents it sets back as many weights; each at its own percent: the one that was best on dev. "
    "Positive is better throughout. Bars are intervals of 95 %."
)


def sections(result: Result) -> list[Section]:
    """Return the sections of the page of a comparison.

    Parameters
    ----------
    result : mapping
        What `assay.study.restoration.compare.compare` returns.

    Returns
    -------
    list of Section
        For `assay.report.write_page`.
    """
    made = tables(result)
    decimals = decimals_of(result)
    out = [
        Section(
            "Does restoring help, and does the ranking matter?",
            text="\n\n".join(sentences(result)),
            table=_answers(result) or None,
        )
    ]
    if (figure := effects(result)) is not None:
        out.append(
            Section("What restoring changes, and what the ranking adds", text=EXPLAINED, figure=figure)
        )
    if made.get("choices"):
        out.append(_choices(result))
    for on in result["sets"]:
        out += _curves(result, on, made.get("percents", []))
    out += _loss(result)
    out += _parts(result, made)
    out += _paper(result)
    for name, said in (
        ("verdicts", "The reference less all others, at the chosen percents"),
        ("differences", "The reference less all others, at every percent"),
        ("states", "Every state"),
        ("parts", "Layers and modules, every number"),
    ):
        if rows := made.get(name):
            text = _EVERY if name == "differences" else ""
            out.append(Section(said, text=text, table=rows, decimals=decimals, folded=f"{len(rows):,} rows"))
    return out


_EVERY = (
    "To look at, not to pick from: the best of many percents on the reported facts is no finding. Chosen: at the "
    "percent that dev chose."
)


def _answers(result: Result) -> list[Row]:
    """Return the questions with their differences as a reader takes them."""
    decimals = decimals_of(result)
    rows = []
    for row in questions(result):
        shown = {name: value for name, value in row.items() if name not in DIFFERENCE}
        if len(result["sets"]) == 1:
            shown.pop("on")
        name = "difference" if "difference" in row else "mean difference"
        value = row[name]
        shown |= {
            "verdict": row["verdict"],
            name: "–" if value is None else signed(value, decimals),
            "95 %": between(row["low"], row["high"], decimals).replace(" ", SPACE),
        }
        if len(result["groups"]) > 1 and not result["together"]:  # of groups with other seeds
            shown = {key: cell for key, cell in shown.items() if key not in ("verdict", name, "95 %")}
        rows.append(shown)
    return rows


def _choices(result: Result) -> Section:
    """Return a row a set and group: baselines, what each ranking comes to at its percent, and leads."""
    decimals = decimals_of(result)
    rows = []
    for on, (label, group) in product(result["sets"], result["groups"].items()):
        row: Row = {"on": on} | ({"group": label} if len(result["groups"]) > 1 else {})
        row["models"] = len(group["runs"])
        for kind, said in (("original", "original"), ("tuned", "0 %"), ("scope", "100 %")):
            state = state_of(group["states"], kind)
            row[said] = None if state is None else state[on]
        for chosen in group["choices"]:
            row[chosen["ranking"]] = f"{chosen[on]:.{decimals}f} @ {_place(chosen)}".replace(" ", SPACE)
        own = [one for one in group["differences"] if one["on"] == on and one["chosen"]]
        row["gain"] = _effect(own, "tuned", RESTORED, decimals)
        for against, how in product(LEADS, (ENERGY, CHOSEN)):
            if any(one["against"] == against for one in own):
                row[f"over {against}, {SHORT[how]}"] = _effect(own, against, how, decimals)
        if "loss" in group["states"][0] and group["choices"]:
            change = group["choices"][0]["loss change"]
            row["loss change"] = "–" if change is None else signed(change, 3)
        rows.append(row)
    first = next(iter(result["groups"].values()))
    counts = ", ".join(f"{count:,} {name}" for name, count in first["facts"].items())
    return Section(
        "The percent that each ranking chose",
        text="After @ the percent of weights that were set back, for shrinking that of the summed squared change (d²). "
        f"Gain, leads and the change of the loss on other text are of {named(result['reference'])} at its percent; "
        "brackets hold 95 %. 100 %: all of the scope is the original's, the rest stays tuned."
        + (f" Facts: {counts}." if counts else ""),
        table=rows,
        decimals=decimals,
    )


def _place(chosen: Row) -> str:
    """Return where a choice stands: percent of weights, or of sum d^2 where none are chosen."""
    if chosen["weights"] is not None:
        return f"{chosen['weights']:.3g} %"
    return "–" if chosen["energy"] is None else f"{chosen['energy']:.3g} % d²"


def _effect(rows: Sequence[Row], against: str, how: str, decimals: int) -> str:
    """Return an effect and its interval as one cell."""
    found = next((row for row in rows if (row["against"], row["how"]) == (against, how)), None)
    if found is None or found["effect"] is None:
        return "–"
    inside = "" if found["low"] is None else f" ({between(found['low'], found['high'], decimals)})"
    return (signed(found["effect"], decimals) + inside).replace(" ", SPACE)


def _curves(result: Result, on: str, rows: Sequence[Row]) -> list[Section]:
    """Return a set's curves over what is undone, and the same in the paper's layout."""
    figure = curves(result, on, dev=result["chosen_on"] if on == result["sets"][0] else None)
    if figure is None or not any(group["choices"] for group in result["groups"].values()):
        return []
    bands = (
        "Bands hold 95 % of the difference to the tuned model (0 %), not of the level. Lines meet where nothing and "
        "where all of the scope is set back. Rings are the percents that were chosen."
    )
    own = [row for row in rows if row["on"] == on]
    return [
        Section(
            f"Over the change that is undone, {on}",
            text="Each state at the percent of the summed squared change that it undoes: there rankings that pick "
            f"large changes, chance and shrinking can be compared. {bands}",
            figure=figure,
        ),
        Section(
            f"Over percents of weights, {on}",
            text="As in the paper, by the percent of weights. A ranking that picks large changes undoes more of them "
            "at one percent: a lead here may be no more than that. In the table the percent of shrinking is of the "
            "summed squared change.",
            figure=curves(result, on, over="weights"),
            table=own,
            decimals=decimals_of(result),
            folded="the same as a table, in the layout of the paper's Table 4",
        ),
    ]


def _loss(result: Result) -> list[Section]:
    """Return the loss on other text over what is undone; nothing where it is the metric or was not measured."""
    figure = None if result["metric"] == "loss" else curves(result, "loss")
    if figure is None:
        return []
    return [
        Section(
            "Loss on other text",
            text="Nats a token, mean over all texts: whether anything else broke. Lower is better. Bands hold 95 % of "
            "the difference to the tuned model.",
            figure=figure,
        )
    ]


def _parts(result: Result, made: dict[str, list[Row]]) -> list[Section]:
    """Return layers and modules that were set back whole."""
    out = []
    for on in result["sets"]:
        if (figure := parts(result, on)) is not None:
            rows = [row for row in made.get("blocks", []) if row["on"] == on]
            out.append(
                Section(
                    f"Layers and modules set back whole, {on}",
                    text="What setting back one part alone gains over the tuned model, beside as many random weights "
                    "anywhere in the scope. Parts differ in size: a large one can do more, and more harm. Nothing is "
                    "chosen here; of many bars some leave out 0 by chance.",
                    figure=figure,
                    table=rows or None,
                    decimals=decimals_of(result),
                    folded="layers as a table, in the layout of the paper's Table 11" if rows else "",
                )
            )
    return out


def _paper(result: Result) -> list[Section]:
    """Return the paper's Tables 4 and 11, for accuracies of facts."""
    if result["metric"] not in ("macro", "micro"):
        return []
    rows = [
        {"percent": percent}
        | {
            f"{test} {size:,} D{at}": published.RESTORED[test][size][percent][at]
            for test, sizes in published.RESTORED.items()
            for size in sizes
            for at in range(5)
        }
        for percent in published.RESTORED["ID"][240]
    ]
    layers = [
        {"training bin": f"D{at}"} | {f"layers {4 * n}-{4 * n + 3}": value for n, value in enumerate(values)}
        for at, values in published.BLOCKS.items()
    ]
    text = (
        f"{published.MODEL}, by training bin and examples: another model, other facts, for the shape and never for the "
        "level. They have no dev set, no random weights, no shrinking and no intervals: the best percent there is the "
        "best of seven on the very facts that are reported."
    )
    out = [Section("The paper's Table 4", text=text, table=rows, decimals=2, folded="8 percents, 20 models")]
    if any(group["parts"] for group in result["groups"].values()):
        out.append(
            Section(
                "The paper's Table 11",
                text=f"{published.MODEL}, ID, once a block of four layers is set back; the models are not named.",
                table=layers,
                decimals=2,
                folded="8 blocks, 5 models",
            )
        )
    return out
