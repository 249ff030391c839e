"""A comparison of sweeps -> rows: states, the paper's layout by percent, choices, differences, layers, modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assay.study.restoration.compare import BASELINES, Result, Row
from assay.study.restoration.verdicts import verdicts


def tables(result: Result) -> dict[str, list[Row]]:
    """Return the tables of a comparison, by names that can be those of files.

    Parameters
    ----------
    result : mapping
        What `assay.study.restoration.compare.compare` returns.

    Returns
    -------
    dict from str to list of dict
        - ``states``: a row a group and state: values, sd over tuned models, gains with intervals, loss;
        - ``percents``: the paper's Table 4: percents down, a column a group, for each set, ranking and way;
        - ``choices``: the percent that each ranking chose, and what it is on every set;
        - ``differences``: the reference less the others at every percent, in every way;
        - ``verdicts``: those at the chosen percents alone, and means over groups;
        - ``blocks``: the paper's Table 11: layers that were set back across, a row a group and set;
        - ``parts``: layers and modules one a row, with what they hold, gains, and as many weights anywhere.

        Tables without a row are left out.
    """
    groups = result["groups"]
    found = {
        "states": [{"group": label} | row for label, group in groups.items() for row in group["states"]],
        "percents": percents(result),
        "choices": [
            _flat({"group": label} | row) for label, group in groups.items() for row in group["choices"]
        ],
        "differences": [
            {"group": label} | row for label, group in groups.items() for row in group["differences"]
        ],
        "verdicts": [
            {"group": row["group"] or "(all)", "groups": row.get("groups", 1)}
            | {name: value for name, value in row.items() if name not in ("group", "groups")}
            for row in verdicts(result)
        ],
        "blocks": blocks(result),
        "parts": [{"group": label} | row for label, group in groups.items() for row in group["parts"]],
    }
    return {name: rows for name, rows in found.items() if rows}


def _flat(row: Row) -> Row:
    """Return a row with its list as text."""
    each = row["energy by each"]
    return row | {"energy by each": " ".join("–" if one is None else f"{one:.4g}" for one in each)}


def percents(result: Result) -> list[Row]:
    """Return values by percent, a column a group, as the paper's Table 4: 0 is the tuned model, 100 all in scope."""
    rows = []
    for on in _sets(result):
        keys = dict.fromkeys(
            (row["kind"], row["by"])
            for group in result["groups"].values()
            for row in group["states"]
            if row["part"] is None and row["kind"] not in BASELINES
        )
        for kind, by in keys:
            found: dict[float, Row] = {}
            for label, group in result["groups"].items():
                for row in group["states"]:
                    percent = _percent_of(row, kind, by)
                    if percent is not None:
                        found.setdefault(percent, {})[label] = row[on]
            for percent in sorted(found):
                row = {"on": on, "ranking": kind, "equal": by, "percent": percent}
                rows.append(row | {label: found[percent].get(label) for label in result["groups"]})
    return rows


def _percent_of(row: Row, kind: str, by: str) -> float | None:
    """Return the percent at which a state stands in the lines of a ranking; None where it does not."""
    if row["kind"] in ("tuned", "scope"):
        return 0.0 if row["kind"] == "tuned" else 100.0
    return row["percent"] if (row["kind"], row["by"], row["part"]) == (kind, by, None) else None


def blocks(result: Result) -> list[Row]:
    """Return values with each block of layers set back whole, a row a group and set, as the paper's Table 11."""
    rows = []
    for label, group in result["groups"].items():
        own = [row for row in group["parts"] if row["by"] == "layers"]
        tuned = state_of(group["states"], "tuned")
        for on in _sets(result) if own and tuned else ():
            assert tuned is not None
            row: Row = {"group": label, "on": on, "tuned": tuned[on]}
            rows.append(row | {f"layers {one['part']}": one[on] for one in own})
    return rows


def state_of(states: Sequence[Row], kind: str) -> Row | None:
    """Return the only state of a kind, a baseline."""
    return next((row for row in states if row["kind"] == kind), None)


def _sets(result: Mapping[str, object]) -> list[str]:
    chosen, sets = result["chosen_on"], result["sets"]
    assert isinstance(sets, list)
    return [*([chosen] if isinstance(chosen, str) else []), *sets]
