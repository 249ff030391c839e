"""What a comparison of sweeps allows to say, in plain sentences: does restoring help, and does the ranking matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.study.restoration.compare import CHOSEN, ENERGY, RESTORED, WEIGHTS, Result, Row

NAMES = {
    "relative": "relative change",
    "absolute": "absolute change",
    "scaled": "scaled change",
    "magnitude": "small weights first",
    "random": "random weights",
    "bottom": "the ranking from its end",
    "shrink": "shrinking",
}
HOW = {ENERGY: "at equal energy", WEIGHTS: "at equal percents", CHOSEN: "each at its own percent"}
LEADS = ("random", "shrink")  # what is not a ranking; others are told at equal energy alone
LEAD = {"better": "beats", "worse": "loses to", "undecided": "shows no lead over"}


def named(kind: str) -> str:
    """Return a ranking as prose has it."""
    return NAMES.get(kind, kind.replace("_", " "))


def verdicts(result: Result) -> list[Row]:
    """Return the differences at the percents that were chosen on dev: a row a group, set, opponent and way.

    ``group`` is empty for means over all groups. ``verdict``: better or worse where the interval leaves out 0,
    undecided else; same where both are one state, as where dev chose to restore nothing.
    """
    rows = []
    for label, group in result["groups"].items():
        for row in group["differences"]:
            if row["chosen"] and _is_asked(row):
                rows.append({"group": label} | {k: v for k, v in row.items() if k != "chosen"})
    for row in result["together"]:
        if _is_asked(row):
            told = {k: v for k, v in row.items() if k not in ("on", "against", "how", "groups")}
            of = {
                name: row.get(name) for name in ("on", "against", "how", "percent", "energy", "other energy")
            }
            rows.append({"group": "", "groups": row["groups"]} | of | told)
    return rows


def _is_asked(row: Mapping[str, Any]) -> bool:
    """Leave shrinking at equal percents out: its percent is of sum d^2."""
    return (row["against"], row["how"]) != ("shrink", WEIGHTS)


def sentences(result: Result) -> list[str]:
    """Return what may be said, negative or not: an answer for each set, then how far it goes."""
    found = verdicts(result)
    if not found:
        return ["No ranking was tried: there is nothing to compare."]
    answers = [_answer(result, on, [row for row in found if row["on"] == on]) for on in result["sets"]]
    return [*dict.fromkeys(answers), _reach(result, [row for row in found if "groups" not in row])]


def questions(result: Result) -> list[Row]:
    """Return a row a set and question: its difference, or in how many groups it is which, and the mean over groups.

    Of other rankings than chance and shrinking only what they are at equal energy.
    """
    found: dict[tuple[str, str, str], list[Row]] = {}
    for one in verdicts(result):
        if one["against"] not in ("tuned", *LEADS) and one["how"] != ENERGY:
            continue
        found.setdefault((one["on"], one["against"], one["how"]), []).append(one)
    order = {how: at for at, how in enumerate((RESTORED, ENERGY, CHOSEN, WEIGHTS))}
    sets = {on: at for at, on in enumerate(result["sets"])}
    rows = []
    for on, against, how in sorted(found, key=lambda key: (sets[key[0]], order[key[2]])):
        own = found[on, against, how]
        groups = [row for row in own if "groups" not in row]
        row: Row = {"on": on, "against": asked(against, how)}
        if len(result["groups"]) > 1:
            counted = [one["verdict"] for one in groups]
            row |= {one: counted.count(one) for one in ("better", "worse", "undecided", "same")}
        last = own[-1] if len(groups) == 1 or "groups" in own[-1] else {}
        row |= {
            "difference" if len(groups) == 1 else "mean difference": last.get("effect"),
            "low": last.get("low"),
            "high": last.get("high"),
            "verdict": last.get("verdict"),
        }
        rows.append(row)
    return rows


def asked(against: str, how: str) -> str:
    """Return what is compared with, in words."""
    return "the tuned model" if how == RESTORED else f"{named(against)}, {HOW[how]}"


def _answer(result: Result, on: str, rows: Sequence[Row]) -> str:
    """Return the answer in short, of one set."""
    reference, chosen = named(result["reference"]), result["chosen_on"] or "the others"
    counts = _counts(rows, "tuned", RESTORED)
    groups = sum(counts.values())
    helps = _over_all(rows, "tuned", RESTORED)
    if groups == 1:
        said = {
            "better": f"Restoring by {reference} helps on {on}.",
            "worse": f"Restoring by {reference} hurts on {on}.",
            "undecided": f"Whether restoring by {reference} helps on {on} is undecided.",
            "same": f"By {reference}, to restore nothing is what {chosen} chose.",
        }[str(helps)]
    else:
        said = (
            f"On {on} restoring by {reference} helps in {counts['better']} of {groups} groups and hurts in "
            f"{counts['worse']}"
        )
        said += f"; in {counts['same']} {chosen} chose to restore nothing." if counts["same"] else "."
    how = (
        CHOSEN if counts["same"] == groups else ENERGY
    )  # where nothing is restored there is no energy to equal
    leads = {against: _over_all(rows, against, how) for against in LEADS}
    told = [f"{word} {_listed(leads, one)}" for one, word in LEAD.items() if one in leads.values()]
    if told:
        where = ", on average over groups," if groups > 1 else ""
        said += f" {HOW[how].capitalize()} {reference}{where} {', and '.join(told)}."
    each = [
        f"{named(against)} in {own['better']} and loses in {own['worse']}"
        for against in LEADS
        if groups > 1 and sum((own := _counts(rows, against, how)).values()) > own["same"]
    ]
    return f"{said} Group by group it beats {', '.join(each)}." if each else said


def _listed(leads: Mapping[str, str | None], verdict: str) -> str:
    joined = " or " if verdict == "undecided" else " and "
    return joined.join(named(against) for against, one in leads.items() if one == verdict)


def _counts(rows: Sequence[Row], against: str, how: str) -> dict[str, int]:
    """Return how many groups have each verdict."""
    own = [
        row["verdict"]
        for row in rows
        if "groups" not in row and (row["against"], row["how"]) == (against, how)
    ]
    return {verdict: own.count(verdict) for verdict in ("better", "worse", "undecided", "same")}


def _over_all(rows: Sequence[Row], against: str, how: str) -> str | None:
    """Return a verdict of the only group, or of the mean over groups; None without one."""
    own = [row for row in rows if (row["against"], row["how"]) == (against, how)]
    return str(own[-1]["verdict"]) if own and (len(own) == 1 or "groups" in own[-1]) else None


def decimals_of(result: Result) -> int:
    """Return how many decimals a value is written with."""
    return 1 if result["unit"] == "points" else 3


def _reach(result: Result, rows: Sequence[Row]) -> str:
    """Return how far the answer goes: what intervals are over and how many, how percents were chosen."""
    groups = list(result["groups"].values())
    runs = sorted({len(group["runs"]) for group in groups})
    items = "texts" if result["metric"] == "loss" else "facts" if result["unit"] else ""
    if runs[-1] > 1:
        many = str(runs[0]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        over = f"Intervals of 95 % are over {many} tuned models{' a group' if len(groups) > 1 else ''}"
        over += f" and over {items}" if items else ""
    elif items:
        over = f"Intervals of 95 % are over {items} alone: of one tuned model, not of another fine-tuning"
    else:
        over = "With one tuned model a number has no interval"
    sizes = sorted({choice["candidates"] for group in groups for choice in group["choices"]})
    states = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    chosen = (
        f"Percents were chosen on {result['chosen_on']}, of {states} states a ranking, nothing restored one of them, "
        f"and are reported on other {items}"
        if result["chosen_on"]
        else "There is no dev set: each model's percent was chosen by the other models, that of a single one by itself"
    )
    draws = {group["draws"] for group in groups}
    many = "one draw: another may come out differently" if draws == {1} else f"{min(draws)} draws"
    drawn = f" Random weights are of {many}." if any(row["against"] == "random" for row in rows) else ""
    uneven = dict.fromkeys(named(row["against"]) for row in rows if row["how"] == ENERGY and _is_uneven(row))
    if uneven:
        drawn += f" Energies are not equal: {', '.join(uneven)} could not undo as much, or as little, to a twentieth."
    count = sum(row["low"] is not None for row in rows)
    chance = f": of as many without any effect about {count / 20:.0f} would leave out 0" if count > 10 else ""
    stand = "1 interval stands" if count == 1 else f"{count} intervals stand"
    return f"{over}. {chosen}.{drawn} {stand} here, none corrected for their number{chance}."


def _is_uneven(row: Row) -> bool:
    """Return whether two states of equal energy are not, to a twentieth: weights are rounded as they are stored."""
    mine, other = row["energy"], row["other energy"]
    return None not in (mine, other) and abs(mine - other) > max(mine, other) / 20
