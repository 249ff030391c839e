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
            of = {"on": row["on"], "against": row["against"], "how": row["how"], "percent": None}
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
    """Return a row a set and question: its difference, or in how many groups it is which, and the mean over groups."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for one in verdicts(result):
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
    verdict = {
        key: _over_all(rows, *key) for key in dict.fromkeys((row["against"], row["how"]) for row in rows)
    }
    said = {
        "better": f"Restoring helps on {on}",
        "worse": f"Restoring hurts on {on}",
        "undecided": f"Whether restoring helps on {on} is undecided",
        "same": f"To restore nothing is what {result['chosen_on'] or 'the others'} chose",
    }[verdict["tuned", RESTORED]]
    said += "." if verdict["tuned", RESTORED] == "same" else _counted(rows, "tuned", RESTORED) + "."
    leads: dict[str, list[str]] = {}
    for against in ("random", "shrink"):
        one = verdict.get((against, ENERGY))
        if one in LEAD:
            counts = _counted(rows, against, ENERGY)
            leads.setdefault(LEAD[one], []).append(f"{named(against)}{counts}")
    if leads:
        told = ", and ".join(f"{word} {' or '.join(names)}" for word, names in leads.items())
        said += f" At equal energy {named(result['reference'])} {told}."
    return said


def _counted(rows: Sequence[Row], against: str, how: str) -> str:
    """Return in how many groups a difference is better and worse; nothing of one group."""
    own = [
        row["verdict"]
        for row in rows
        if "groups" not in row and (row["against"], row["how"]) == (against, how)
    ]
    if len(own) < 2:
        return ""
    return f" (better in {own.count('better')} of {len(own)} groups, worse in {own.count('worse')})"


def _over_all(rows: Sequence[Row], against: str, how: str) -> str:
    """Return a verdict: of the only group, of all together, or without these the one that most groups have."""
    own = [row for row in rows if (row["against"], row["how"]) == (against, how)]
    found = [str(row["verdict"]) for row in own]
    return found[-1] if len(own) == 1 or "groups" in own[-1] else max(found, key=found.count)


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
    count = sum(row["low"] is not None for row in rows)
    chance = f": of as many without any effect about {count / 20:.0f} would leave out 0" if count > 10 else ""
    return f"{over}. {chosen}.{drawn} {count} intervals stand here, none corrected for their number{chance}."
